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

impl Format {
    /// Bytes that [`SparseMatrix::pack_as`](crate::SparseMatrix::pack_as) will take for `csr` in
    /// this format: exactly the [`bytes`](crate::SparseMatrix::bytes) of the packed matrix,
    /// without packing it.
    ///
    /// ```
    /// use secateur_kernels::{Csr, Format, SparseMatrix};
    ///
    /// # fn main() -> Result<(), secateur_kernels::KernelError> {
    /// let csr = Csr::from_dense(&[0.0, 2.0, 0.0, 1.0, 0.0, -3.0_f32], [2, 3])?;
    /// let bytes = Format::Panels.bytes(&csr)?;
    /// assert_eq!(SparseMatrix::pack_as(&csr, Format::Panels)?.bytes(), bytes);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Where the format cannot hold the matrix, as when packing.
    pub fn bytes(self, csr: &Csr) -> Result<usize, KernelError> {
        self.check(csr)?;
        Ok(match self {
            Self::Dense => Dense::bytes_of(csr),
            Self::Csr => Rows::bytes_of(csr),
            Self::Panels => Panels::bytes_of(csr, panel_width(1.0 - csr.sparsity())),
            Self::RowLists => Lists::bytes_of(csr, LIST_PANEL),
            Self::NofM { keep, of } => Pairs::bytes_of(csr, keep, of),
            Self::Lookup => Lookup::bytes_of(csr),
            Self::Bitmap => Bitmap::bytes_of(csr),
            Self::Blocks { rows, columns } => Blocks::bytes_of(csr, [rows, columns]),
        })
    }

    /// The same for the places that a row-major `mask` `[m, k]` keeps; the values do not matter.
    ///
    /// # Errors
    ///
    /// Where `mask` has another length than `shape`, and as [`bytes`](Self::bytes).
    pub fn bytes_masked(self, mask: &[bool], shape: [usize; 2]) -> Result<usize, KernelError> {
        self.bytes(&Csr::from_mask(mask, shape)?)
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
