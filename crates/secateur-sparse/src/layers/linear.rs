//! A linear layer with a sparse weight.

use std::sync::Arc;

use burn::{
    Tensor,
    module::{Content, DisplaySettings, Module, ModuleDisplay, Param, ParamId},
    nn::{Initializer, Linear, LinearConfig, LinearLayout},
    tensor::{Device, Int},
};

use super::held::{Held, read_dense, values_param};
use crate::{
    SparseError,
    ops::{Structure, scatter, sparse_linear},
};

/// A linear layer, `y = x W + b`, that keeps and multiplies only the weights that pruning left.
///
/// ```
/// use burn::{Tensor, nn::LinearConfig, tensor::Device};
/// use secateur_sparse::layers::SparseLinear;
///
/// let device = Device::flex();
/// let mut dense = LinearConfig::new(4, 2).init(&device);
/// dense.weight = dense.weight.map(|w| w.slice_fill([0..3, 0..2], 0.0));
///
/// let layer = SparseLinear::from_dense(&dense)?;
/// assert_eq!((layer.nnz(), layer.sparsity()), (2, 0.75));
/// let x = Tensor::<2>::ones([8, 4], &device);
/// let (sparse, dense) = (layer.forward(x.clone())?, dense.forward(x));
/// sparse.into_data().assert_approx_eq::<f32>(&dense.into_data(), Default::default());
/// # Ok::<(), secateur_sparse::SparseError>(())
/// ```
#[derive(Module, Debug)]
#[module(custom_display)]
pub struct SparseLinear {
    /// The kept weights, `[nnz]`, output by output, inputs ascending.
    pub values: Param<Tensor<1>>,
    /// `[d_output]`.
    pub bias: Option<Param<Tensor<1>>>,
    /// Where they stand, in the words of the structure.
    places: Param<Tensor<1, Int>>,
    #[module(skip)]
    held: Held,
}

impl SparseLinear {
    /// Keeps of `dense` what the mask on its weight keeps or, where none is attached, what is not
    /// zero. Both layouts of `Linear` are read. The bias is kept as it is.
    ///
    /// # Errors
    ///
    /// [`SparseError::Element`] for weights other than `f32`; as [`Structure::from_mask`] for a
    /// weight without elements.
    pub fn from_dense(dense: &Linear) -> Result<Self, SparseError> {
        let weight = dense.weight.val();
        let [inputs, outputs] = weight.dims();
        let device = weight.device();
        let data = weight.transpose().into_data();
        let (structure, values) = read_dense(dense, data, [outputs, inputs])?;
        let values = values_param(ParamId::new(), values, &device);
        let ids = ParamId::new();
        Ok(Self::from_parts(
            values,
            dense.bias.clone(),
            structure,
            ids,
            &device,
        ))
    }

    pub(super) fn from_parts(
        values: Param<Tensor<1>>,
        bias: Option<Param<Tensor<1>>>,
        structure: Arc<Structure>,
        places: ParamId,
        device: &Device,
    ) -> Self {
        let (held, places) = Held::new(structure, places, device);
        Self {
            values,
            bias,
            places,
            held,
        }
    }

    /// The dense layer, zeros included, in Burn's default layout.
    ///
    /// # Errors
    ///
    /// Where a record that does not fit was loaded into this layer.
    pub fn to_dense(&self) -> Result<Linear, SparseError> {
        self.to_dense_as(LinearLayout::Row)
    }

    /// The dense layer in a layout of choice: [`LinearLayout::Col`] where the file to be written
    /// is to hold `[d_output, d_input]`.
    ///
    /// # Errors
    ///
    /// As [`to_dense`](Self::to_dense).
    pub fn to_dense_as(&self, layout: LinearLayout) -> Result<Linear, SparseError> {
        let structure = self.structure()?;
        let [outputs, inputs] = structure.shape();
        let weight = scatter(self.values.val(), &structure)?.transpose().detach();
        let mut dense = LinearConfig::new(inputs, outputs)
            .with_bias(false)
            .with_layout(layout)
            .with_initializer(Initializer::Zeros)
            .init(&weight.device());
        dense.weight = dense.weight.map(|_| match weight.is_autodiff() {
            true => weight.require_grad(),
            false => weight,
        });
        dense.bias = self.bias.clone();
        Ok(dense)
    }

    /// `x W + b`.
    ///
    /// # Shapes
    ///
    /// - `x`: `[.., d_input]`
    /// - the result: `[.., d_output]`
    ///
    /// # Errors
    ///
    /// As [`sparse_linear`].
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Result<Tensor<D>, SparseError> {
        let bias = self.bias.as_ref().map(|bias| bias.val());
        sparse_linear(x, self.values.val(), bias, &self.structure()?)
    }

    /// Where the kept weights stand, `[d_output, d_input]`.
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

impl ModuleDisplay for SparseLinear {
    fn custom_settings(&self) -> Option<DisplaySettings> {
        DisplaySettings::new()
            .with_new_line_after_attribute(false)
            .optional()
    }

    fn custom_content(&self, content: Content) -> Option<Content> {
        let content = match self.structure() {
            Ok(structure) => {
                let [outputs, inputs] = structure.shape();
                content
                    .add("d_input", &inputs)
                    .add("d_output", &outputs)
                    .add("sparsity", &structure.sparsity())
            }
            Err(_) => content,
        };
        content.add("bias", &self.bias.is_some()).optional()
    }
}
