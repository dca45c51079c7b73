//! A weight packed for this machine, and why it is packed so.

use secateur_kernels::{
    ConvChoice, ConvFormat, ConvHint, CostModel, Csr, Format, Hint, KernelError, SparseConv,
    SparseMatrix,
};

use super::weight::{Use, Weight};
use crate::error::SparseError;

/// What the choice of a format rests on.
#[derive(Clone, Debug, Default)]
pub(crate) struct Choosing {
    /// `None` for the model measured on this machine.
    pub(crate) model: Option<CostModel>,
    /// Whether formats are tried on the weights themselves.
    pub(crate) measured: bool,
}

impl Choosing {
    fn hint(&self, columns: usize) -> Hint {
        let mut hint = Hint::batch(columns);
        if let Some(model) = &self.model {
            hint = hint.with_model(model.clone());
        }
        if self.measured { hint.measured() } else { hint }
    }

    fn conv_hint(&self, image: [usize; 2], batch: usize) -> ConvHint {
        let hint = ConvHint::image(image).batch(batch);
        if self.measured { hint.measured() } else { hint }
    }
}

/// A packed weight.
#[derive(Debug)]
pub(crate) enum Packed {
    Matrix(SparseMatrix),
    Conv(SparseConv),
}

/// A weight of an engine.
#[derive(Debug)]
pub(crate) struct Layer {
    pub(crate) name: String,
    pub(crate) shape: [usize; 2],
    pub(crate) used: Use,
    pub(crate) packed: Packed,
    /// Seconds predicted for the format chosen.
    pub(crate) predicted: f64,
    /// Seconds predicted for the dense product.
    pub(crate) dense: f64,
    /// Sparsity from which a sparse format is faster, where the model knows it.
    pub(crate) break_even: Option<f64>,
}

impl Layer {
    /// Packs `weight` in the format that is predicted to be fastest, the dense product among them.
    pub(crate) fn pack(weight: Weight, choosing: &Choosing) -> Result<Self, SparseError> {
        let csr = weight.csr()?;
        let Weight {
            name, shape, used, ..
        } = weight;
        Self::pack_csr(name.clone(), shape, used, &csr, choosing)
            .map_err(|source| SparseError::Kernel { what: name, source })
    }

    /// An error of the kernels, with this layer's name.
    pub(crate) fn failed(&self, source: KernelError) -> SparseError {
        SparseError::Kernel {
            what: self.name.clone(),
            source,
        }
    }

    pub(crate) fn pack_csr(
        name: String,
        shape: [usize; 2],
        used: Use,
        csr: &Csr,
        choosing: &Choosing,
    ) -> Result<Self, KernelError> {
        match &used {
            Use::Product { columns } => {
                let choice = choosing.hint(*columns).choose(csr)?;
                Ok(Self {
                    name,
                    shape,
                    packed: Packed::Matrix(SparseMatrix::pack_as(csr, choice.format())?),
                    predicted: choice.predictions().first().map_or(0.0, |first| first.1),
                    dense: choice.dense_seconds(),
                    break_even: Some(choice.break_even()),
                    used,
                })
            }
            Use::Conv {
                windows,
                image,
                batch,
            } => {
                let geometry = windows.geometry();
                let hint = choosing.conv_hint(*image, *batch);
                let choice = ConvChoice::of(csr, &geometry, &hint)?;
                let plain = ConvHint::image(*image).batch(*batch);
                let format = choice.format();
                Ok(Self {
                    name,
                    shape,
                    packed: Packed::Conv(SparseConv::pack_as(csr, &geometry, format, &plain)?),
                    // The choice tells seconds an image.
                    predicted: *batch as f64 * choice.seconds(format),
                    dense: *batch as f64 * choice.seconds(ConvFormat::Dense),
                    break_even: None,
                    used,
                })
            }
        }
    }

    /// The weights as they are packed.
    pub(crate) fn csr(&self) -> Csr {
        match &self.packed {
            Packed::Matrix(matrix) => matrix.to_csr(),
            Packed::Conv(conv) => conv.to_csr(),
        }
    }

    pub(crate) fn format(&self) -> String {
        match &self.packed {
            Packed::Matrix(matrix) => matrix.format().to_string(),
            Packed::Conv(conv) => conv.format().to_string(),
        }
    }

    pub(crate) fn is_dense(&self) -> bool {
        match &self.packed {
            Packed::Matrix(matrix) => matrix.format() == Format::Dense,
            Packed::Conv(conv) => conv.format() == ConvFormat::Dense,
        }
    }

    /// Weights that are not zero.
    pub(crate) fn nnz(&self) -> usize {
        match &self.packed {
            Packed::Matrix(matrix) => matrix.nnz(),
            Packed::Conv(conv) => conv.nnz(),
        }
    }

    /// Share of zeros.
    pub(crate) fn sparsity(&self) -> f64 {
        match &self.packed {
            Packed::Matrix(matrix) => matrix.sparsity(),
            Packed::Conv(conv) => conv.sparsity(),
        }
    }

    /// Bytes of the packed weights and indices.
    pub(crate) fn bytes(&self) -> usize {
        match &self.packed {
            Packed::Matrix(matrix) => matrix.bytes(),
            Packed::Conv(conv) => conv.bytes(),
        }
    }
}
