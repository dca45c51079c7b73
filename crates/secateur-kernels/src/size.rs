//! Bytes that a matrix takes in each format, known before it is packed.
//!
//! Each format counts what its packing would write, from the places that are kept alone; tests
//! hold the count against the packed matrix.

use crate::bitmap::Bitmap;
use crate::blocks::Blocks;
use crate::csr::Csr;
use crate::dense::Dense;
use crate::error::KernelError;
use crate::format::Format;
use crate::lists::Lists;
use crate::lookup::Lookup;
use crate::matrix::LIST_PANEL;
use crate::pairs::{self, Pairs};
use crate::panels::{Panels, panel_width};
use crate::rows::Rows;
use crate::values::Precision;

/// What a packed matrix takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Size {
    /// Bytes of everything but the values.
    pub(crate) structure: usize,
    /// Values, padding included.
    pub(crate) slots: usize,
}

impl Format {
    /// Bytes that `csr` will take packed in this format with its weights in `precision`: exactly the [`bytes`](crate::SparseMatrix::bytes) of the packed matrix,
    /// without packing it.
    ///
    /// ```
    /// use secateur_kernels::{Csr, Format, Precision, SparseMatrix};
    ///
    /// # fn main() -> Result<(), secateur_kernels::KernelError> {
    /// let csr = Csr::from_dense(&[0.0, 2.0, 0.0, 1.0, 0.0, -3.0_f32], [2, 3])?;
    /// let packed = SparseMatrix::pack_as(&csr, Format::Panels)?.with_precision(Precision::F16)?;
    /// assert_eq!(packed.bytes(), Format::Panels.bytes(&csr, Precision::F16)?);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Where the format cannot hold the matrix, as when packing.
    pub fn bytes(self, csr: &Csr, precision: Precision) -> Result<usize, KernelError> {
        self.check(csr)?;
        let Size { structure, slots } = match self {
            Self::Dense => Dense::size_of(csr),
            Self::Csr => Rows::size_of(csr),
            Self::Panels => Panels::size_of(csr, panel_width(1.0 - csr.sparsity())),
            Self::RowLists => Lists::size_of(csr, LIST_PANEL),
            Self::NofM { keep, of } => Pairs::size_of(csr, keep, of),
            Self::Lookup => Lookup::size_of(csr),
            Self::Bitmap => Bitmap::size_of(csr),
            Self::Blocks { rows, columns } => Blocks::size_of(csr, [rows, columns]),
        };
        Ok(structure + slots * precision.bytes())
    }

    /// The same for the places that a row-major `mask` `[m, k]` keeps; the values do not matter.
    ///
    /// # Errors
    ///
    /// Where `mask` has another length than `shape`, and as [`bytes`](Self::bytes).
    pub fn bytes_masked(
        self,
        mask: &[bool],
        shape: [usize; 2],
        precision: Precision,
    ) -> Result<usize, KernelError> {
        self.bytes(&Csr::from_mask(mask, shape)?, precision)
    }

    /// Refuses a matrix that the format cannot hold.
    pub(crate) fn check(self, csr: &Csr) -> Result<(), KernelError> {
        let within = |what, got, max, remedy| {
            if (1..=max).contains(&got) {
                return Ok(());
            }
            Err(KernelError::Dimension {
                what,
                got,
                min: 1,
                max,
                remedy,
            })
        };
        match self {
            Self::Blocks { rows, columns } => {
                let remedy = "choose the block that the pruning pattern used";
                within("block rows", rows, 256, remedy)?;
                within("block columns", columns, 256, remedy)
            }
            Self::NofM { keep, of } => {
                let remedy = "choose the n:m that the pruning pattern used";
                within("of", of, pairs::PANEL, remedy)?;
                within("keep", keep, of, remedy)?;
                csr.check_n_of_m(keep, of)
            }
            _ => Ok(()),
        }
    }
}
