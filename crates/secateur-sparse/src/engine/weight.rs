//! The weights of an engine, before they are packed.

use secateur_kernels::{ConvGeometry, Csr};
use serde::{Deserialize, Serialize};

use crate::error::SparseError;

/// What a weight is multiplied with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Use {
    /// So many columns: the rows of a linear layer's input.
    Product {
        /// At the captured batch.
        columns: usize,
    },
    /// The windows of images.
    Conv {
        windows: ConvWindows,
        /// Height and width.
        image: [usize; 2],
        /// At the captured batch.
        batch: usize,
    },
}

impl Use {
    /// How often each weight is multiplied in a run.
    pub(crate) fn products(&self) -> usize {
        match self {
            Self::Product { columns } => *columns,
            Self::Conv {
                windows,
                image,
                batch,
            } => {
                let output = windows.geometry().output(*image).unwrap_or_default();
                batch * output[0] * output[1]
            }
        }
    }
}

/// The windows of a convolution in two dimensions; one of one dimension has a height of one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ConvWindows {
    /// Out and in.
    pub(crate) channels: [usize; 2],
    pub(crate) kernel: [usize; 2],
    pub(crate) stride: [usize; 2],
    pub(crate) padding: [[usize; 2]; 2],
    pub(crate) dilation: [usize; 2],
    pub(crate) groups: usize,
}

impl ConvWindows {
    pub(crate) fn geometry(&self) -> ConvGeometry {
        ConvGeometry::conv2d(self.channels, self.kernel)
            .stride(self.stride)
            .padding_each(self.padding)
            .dilation(self.dilation)
            .groups(self.groups)
    }
}

/// A weight as a matrix `[out, in]`, or `[out, in / groups * kernel]`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Weight {
    /// The parameter's path, or a name made of the operation.
    pub(crate) name: String,
    pub(crate) dense: Vec<f32>,
    pub(crate) shape: [usize; 2],
    pub(crate) used: Use,
}

impl Weight {
    /// Multiplies each row by its factor.
    pub(crate) fn scale_rows(&mut self, factors: &[f32]) {
        let columns = self.shape[1].max(1);
        for (row, factor) in self.dense.chunks_exact_mut(columns).zip(factors) {
            for weight in row {
                // A removed weight stays +0.0 whatever the factor.
                if *weight != 0.0 {
                    *weight *= factor;
                }
            }
        }
    }

    /// What is not zero.
    pub(crate) fn csr(&self) -> Result<Csr, SparseError> {
        Csr::from_dense(&self.dense, self.shape).map_err(|source| SparseError::Kernel {
            what: self.name.clone(),
            source,
        })
    }
}
