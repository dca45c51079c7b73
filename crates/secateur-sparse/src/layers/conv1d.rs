//! A convolution in one dimension with a sparse weight.

use std::sync::Arc;

use burn::{
    Tensor,
    module::{Content, DisplaySettings, Module, ModuleDisplay, Param, ParamId},
    nn::{
        PaddingConfig1d,
        conv::{Conv1d, Conv1dConfig},
    },
    tensor::{Device, Int, ops::ConvOptions},
};

use super::{
    conv::same,
    held::{Held, read_dense, values_param},
};
use crate::{
    SparseError,
    ops::{Structure, scatter, sparse_conv1d},
};

/// A convolution in one dimension that keeps and multiplies only the weights that pruning left.
///
/// Its gradients are computed densely: it is for running a pruned net, and for fine-tuning one
/// without its zeros coming back. See [`sparse_conv1d`].
#[derive(Module, Debug)]
#[module(custom_display)]
pub struct SparseConv1d {
    /// The kept weights, `[nnz]`, in the order of the dense weight,
    /// `[channels_out, channels_in / groups, kernel]`.
    pub values: Param<Tensor<1>>,
    /// `[channels_out]`.
    pub bias: Option<Param<Tensor<1>>>,
    /// Stride of the kernel.
    pub stride: usize,
    /// Size of the kernel.
    pub kernel_size: usize,
    /// Distance between the elements that neighbouring weights see.
    pub dilation: usize,
    /// Groups of channels that do not see each other.
    pub groups: usize,
    /// Zeros around the input.
    #[module(skip)]
    pub padding: PaddingConfig1d,
    /// Where the kept weights stand, in the words of the structure.
    places: Param<Tensor<1, Int>>,
    #[module(skip)]
    held: Held,
}

impl SparseConv1d {
    /// Keeps of `dense` what the mask on its weight keeps or, where none is attached, what is not
    /// zero. The bias is kept as it is.
    ///
    /// # Errors
    ///
    /// [`SparseError::Element`] for weights other than `f32`; as [`Structure::from_mask`] for a
    /// weight without elements.
    pub fn from_dense(dense: &Conv1d) -> Result<Self, SparseError> {
        let weight = dense.weight.val();
        let [out, input, kernel] = weight.dims();
        let device = weight.device();
        let shape = [out, input * kernel];
        let (structure, values) = read_dense(dense, weight.into_data(), shape)?;
        let values = values_param(ParamId::new(), values, &device);
        let (held, places) = Held::new(structure, ParamId::new(), &device);
        Ok(Self {
            values,
            bias: dense.bias.clone(),
            stride: dense.stride,
            kernel_size: dense.kernel_size,
            dilation: dense.dilation,
            groups: dense.groups,
            padding: dense.padding.clone(),
            places,
            held,
        })
    }

    pub(super) fn from_parts(
        values: Param<Tensor<1>>,
        bias: Option<Param<Tensor<1>>>,
        structure: Arc<Structure>,
        places: ParamId,
        config: &Conv1dConfig,
        device: &Device,
    ) -> Self {
        let (held, places) = Held::new(structure, places, device);
        Self {
            values,
            bias,
            stride: config.stride,
            kernel_size: config.kernel_size,
            dilation: config.dilation,
            groups: config.groups,
            padding: config.padding.clone(),
            places,
            held,
        }
    }

    /// The dense layer, zeros included.
    ///
    /// # Errors
    ///
    /// [`SparseError::Shape`] where the kernel size or the groups were changed so that they no
    /// longer fit the weight; where a record that does not fit was loaded into this layer.
    pub fn to_dense(&self) -> Result<Conv1d, SparseError> {
        let structure = self.structure()?;
        let [out, columns] = structure.shape();
        let taps = self.kernel_size;
        if taps == 0 || columns % taps != 0 {
            return Err(SparseError::Shape {
                what: "the weight".into(),
                got: vec![out, columns],
                expected: format!("[out, in / groups * {taps}], by the kernel size,"),
            });
        }
        let weight = scatter(self.values.val(), &structure)?;
        let weight = weight.reshape([out, columns / taps, self.kernel_size]);
        Ok(Conv1d {
            weight: Param::from_tensor(weight.detach()),
            bias: self.bias.clone(),
            stride: self.stride,
            kernel_size: self.kernel_size,
            dilation: self.dilation,
            groups: self.groups,
            padding: self.padding.clone(),
        })
    }

    /// The convolution of `x`.
    ///
    /// # Shapes
    ///
    /// - `x`: `[batch, channels_in, length]`
    /// - the result: `[batch, channels_out, length after it]`
    ///
    /// # Errors
    ///
    /// As [`sparse_conv1d`].
    pub fn forward(&self, x: Tensor<3>) -> Result<Tensor<3>, SparseError> {
        let [_, _, length] = x.dims();
        let padding = match &self.padding {
            PaddingConfig1d::Valid => [(0, 0)],
            PaddingConfig1d::Explicit(left, right) => [(*left, *right)],
            PaddingConfig1d::Same => [same(length, self.kernel_size, self.stride)],
        };
        // Checked where it is used: Burn's own constructor panics.
        let options = ConvOptions {
            stride: [self.stride],
            padding,
            dilation: [self.dilation],
            groups: self.groups,
        };
        sparse_conv1d(
            x,
            self.values.val(),
            self.bias.as_ref().map(|bias| bias.val()),
            &self.structure()?,
            self.kernel_size,
            options,
        )
    }

    /// Where the kept weights stand, `[channels_out, channels_in / groups * kernel]`.
    ///
    /// # Errors
    ///
    /// Where a record that does not fit was loaded into this layer.
    pub fn structure(&self) -> Result<Arc<Structure>, SparseError> {
        self.held.structure(&self.places)
    }

    /// Weights that are kept.
    #[must_use]
    pub fn nnz(&self) -> usize {
        self.values.shape()[0]
    }

    /// Share of the weights that are not kept, 0 to 1; NaN where a record that does not fit was
    /// loaded into this layer.
    #[must_use]
    pub fn sparsity(&self) -> f64 {
        self.structure().map_or(f64::NAN, |held| held.sparsity())
    }
}

impl ModuleDisplay for SparseConv1d {
    fn custom_settings(&self) -> Option<DisplaySettings> {
        DisplaySettings::new()
            .with_new_line_after_attribute(false)
            .optional()
    }

    fn custom_content(&self, content: Content) -> Option<Content> {
        let taps = self.kernel_size;
        let content = match self.structure() {
            Ok(structure) => {
                let [out, columns] = structure.shape();
                let input = columns.checked_div(taps).unwrap_or(0) * self.groups;
                content
                    .add("ch_in", &input)
                    .add("ch_out", &out)
                    .add("sparsity", &structure.sparsity())
            }
            Err(_) => content,
        };
        content
            .add_debug_attribute("kernel_size", &self.kernel_size)
            .add_debug_attribute("stride", &self.stride)
            .add_debug_attribute("dilation", &self.dilation)
            .add("groups", &self.groups)
            .add_debug_attribute("padding", &self.padding)
            .optional()
    }
}
