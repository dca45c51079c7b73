//! The ways a matrix can be packed.

use std::fmt;

/// A way to pack a sparse matrix, each best somewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// Every weight, zeros included. Zeros are multiplied, so a NaN or an infinity in X reaches
    /// every row of its column of Y, as NaN where the weight is zero.
    Dense,
    /// Compressed rows: the interchange form, and the fallback.
    Csr,
    /// Count-sorted panels: unstructured sparsity from about 75 %, against a batch.
    Panels,
    /// Four-row lists: unstructured sparsity of 50 to 75 %, against a batch.
    RowLists,
    /// Lookup in registers: unstructured sparsity against one column or a few. Fast with
    /// AVX-512 VBMI only.
    Lookup,
    /// A bit for each place and the values that are kept: the smallest form between a third and
    /// nine tenths sparse, and the fastest against one column where memory is the limit.
    Bitmap,
    /// n of m: at most `keep` weights in each group of `of` neighbouring columns of a row,
    /// against a batch. Packing refuses a matrix with more.
    NofM {
        /// Weights a group keeps at most, 1 to `of`.
        keep: usize,
        /// Columns of a group, counted from the start of a row; at most 128.
        of: usize,
    },
    /// Blocks of rows by columns, against a batch. Stores whole blocks; a place of a block that
    /// the mask leaves out is multiplied as a zero, so a NaN or an infinity in X reaches every row
    /// of the stored blocks over its feature, and no other.
    Blocks {
        /// Rows of a block.
        rows: usize,
        /// Columns of a block.
        columns: usize,
    },
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dense => f.write_str("dense"),
            Self::Csr => f.write_str("csr"),
            Self::Panels => f.write_str("panels"),
            Self::RowLists => f.write_str("row lists"),
            Self::Lookup => f.write_str("lookup"),
            Self::Bitmap => f.write_str("bitmap"),
            Self::NofM { keep, of } => write!(f, "{keep}:{of}"),
            Self::Blocks { rows, columns } => write!(f, "{rows}x{columns} blocks"),
        }
    }
}
