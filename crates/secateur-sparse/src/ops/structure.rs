//! Where the kept weights of a matrix stand.

use std::sync::Arc;

use secateur_kernels::{Csr, Isa, KernelError};

#[cfg(feature = "wgpu")]
use super::cube::Uploads;
use super::packing::Packings;
use crate::SparseError;

/// Bits of a word of [`Structure::to_words`].
const WORD: usize = 32;

/// Which weights of a matrix `[rows, columns]` are kept: the part of a sparse weight that no
/// gradient moves.
///
/// The other part is a tensor of *values*, `[nnz]`: one for each kept weight, row by row, columns
/// ascending. The rows are a layer's outputs: a linear layer from `k` to `m` features has the
/// structure `[m, k]` (Burn's own weight is the transpose of that), a convolution
/// `[out, in / groups * kernel]`.
///
/// A structure also owns what its weights are packed into when they are first multiplied, on the
/// CPU and on each device, and packs anew when it is given other values. One structure serves any
/// number of threads; two layers with different values had better have a structure each, for
/// values that alternate are packed at every turn.
#[derive(Debug)]
pub struct Structure {
    shape: [usize; 2],
    starts: Vec<usize>,
    columns: Vec<u32>,
    pub(super) packings: Packings,
    #[cfg(feature = "wgpu")]
    pub(super) uploads: Uploads,
}

impl Structure {
    /// The structure of the weights for which `kept`, row by row, is true.
    ///
    /// # Errors
    ///
    /// [`SparseError::Kernel`] where `kept` is not as long as the shape says, a dimension is zero,
    /// or `SECATEUR_ISA` cannot be honoured; [`SparseError::Unsupported`] for a matrix of more than
    /// `i32::MAX` elements, which is what devices count with.
    pub fn from_mask(kept: &[bool], shape: [usize; 2]) -> Result<Arc<Self>, SparseError> {
        let refused = |source| SparseError::Kernel {
            what: "the mask of a sparse weight".into(),
            source,
        };
        Isa::from_env().map_err(refused)?;
        let csr = Csr::<f32>::from_mask(kept, shape).map_err(refused)?;
        if kept.len() > i32::MAX as usize {
            return Err(SparseError::Unsupported {
                what: format!("a sparse weight of the shape {shape:?}"),
                remedy: "split the layer: a weight has at most 2^31 - 1 elements".into(),
            });
        }
        Ok(Arc::new(Self {
            shape,
            starts: csr.starts().to_vec(),
            columns: csr.indices().to_vec(),
            packings: Packings::default(),
            #[cfg(feature = "wgpu")]
            uploads: Uploads::default(),
        }))
    }

    /// The structure of the weights of `dense`, row by row, that are not zero.
    ///
    /// # Errors
    ///
    /// As [`from_mask`](Self::from_mask).
    pub fn from_dense(dense: &[f32], shape: [usize; 2]) -> Result<Arc<Self>, SparseError> {
        let kept: Vec<bool> = dense.iter().map(|weight| *weight != 0.0).collect();
        Self::from_mask(&kept, shape)
    }

    /// Rows and columns.
    #[must_use]
    pub fn shape(&self) -> [usize; 2] {
        self.shape
    }

    /// Weights that are kept.
    #[must_use]
    pub fn nnz(&self) -> usize {
        self.columns.len()
    }

    /// Share of the weights that are not kept, 0 to 1.
    #[must_use]
    pub fn sparsity(&self) -> f64 {
        let [rows, columns] = self.shape;
        1.0 - self.nnz() as f64 / (rows * columns) as f64
    }

    /// Where each row's entries start among the kept weights, and the end of the last: `rows + 1`.
    #[must_use]
    pub fn starts(&self) -> &[usize] {
        &self.starts
    }

    /// The column of each kept weight.
    #[must_use]
    pub fn columns(&self) -> &[u32] {
        &self.columns
    }

    /// The place of each kept weight in the row-major matrix: `row * columns + column`.
    pub fn places(&self) -> impl Iterator<Item = usize> + '_ {
        let [rows, columns] = self.shape;
        (0..rows).flat_map(move |row| {
            let entries = self.starts[row]..self.starts[row + 1];
            let of_row = self.columns[entries].iter();
            of_row.map(move |&column| row * columns + column as usize)
        })
    }

    /// Row by row, whether each weight is kept.
    #[must_use]
    pub fn to_mask(&self) -> Vec<bool> {
        let [rows, columns] = self.shape;
        let mut kept = vec![false; rows * columns];
        for place in self.places() {
            kept[place] = true;
        }
        kept
    }

    /// The weights that are kept of a row-major `dense`, which is as long as the shape says.
    pub(super) fn gather(&self, dense: &[f32]) -> Vec<f32> {
        self.places().map(|place| dense[place]).collect()
    }

    /// The row-major matrix of `values`, one for each kept weight.
    pub(super) fn scatter(&self, values: &[f32]) -> Vec<f32> {
        let [rows, columns] = self.shape;
        let mut dense = vec![0.0; rows * columns];
        for (place, value) in self.places().zip(values) {
            dense[place] = *value;
        }
        dense
    }

    /// The compressed rows of `values`.
    pub(super) fn csr(&self, values: &[f32]) -> Result<Csr, KernelError> {
        let (starts, columns) = (self.starts.clone(), self.columns.clone());
        Csr::new(self.shape, starts, columns, values.to_vec())
    }

    /// What a record keeps of it: the number of rows, of columns, then a bit for each weight,
    /// lowest first.
    pub(crate) fn to_words(&self) -> Vec<i32> {
        let [rows, columns] = self.shape;
        let mut words = vec![0; 2 + (rows * columns).div_ceil(WORD)];
        // Both are below i32::MAX, as their product is.
        (words[0], words[1]) = (rows as i32, columns as i32);
        for place in self.places() {
            words[2 + place / WORD] |= 1 << (place % WORD);
        }
        words
    }

    /// The inverse of [`to_words`](Self::to_words), or what is wrong with the words.
    pub(crate) fn from_words(words: &[i32]) -> Result<Arc<Self>, String> {
        let [rows, columns, bits @ ..] = words else {
            return Err("the places of its weights are cut short".into());
        };
        let (rows, columns) = (usize::try_from(*rows), usize::try_from(*columns));
        let (Ok(rows), Ok(columns)) = (rows, columns) else {
            return Err("its shape is negative".into());
        };
        let elements = rows
            .checked_mul(columns)
            .filter(|elements| elements.div_ceil(WORD) == bits.len())
            .ok_or("the places of its weights do not fit its shape")?;
        let bit = |place: usize| bits[place / WORD] >> (place % WORD) & 1 != 0;
        if (elements..bits.len() * WORD).any(bit) {
            return Err("the places of its weights go beyond its shape".into());
        }
        let kept: Vec<bool> = (0..elements).map(bit).collect();
        Self::from_mask(&kept, [rows, columns]).map_err(|error| error.to_string())
    }
}

impl PartialEq for Structure {
    fn eq(&self, other: &Self) -> bool {
        self.shape == other.shape && self.starts == other.starts && self.columns == other.columns
    }
}

impl Eq for Structure {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_hold_the_shape_and_a_bit_a_weight() {
        let mut kept = [false; 40];
        (kept[0], kept[33], kept[39]) = (true, true, true);
        let structure = Structure::from_mask(&kept, [4, 10]).unwrap();
        assert_eq!(structure.to_words(), [4, 10, 1, 0b1000_0010]);
        assert_eq!(structure.places().collect::<Vec<_>>(), [0, 33, 39]);
        assert_eq!(
            Structure::from_words(&structure.to_words()).unwrap(),
            structure
        );
        assert_eq!(structure.to_mask(), kept);
    }

    #[test]
    fn damaged_words_are_refused() {
        for words in [
            &[][..],
            &[4],
            &[4, 10, 1],
            &[-4, 10, 1, 0],
            &[4, 10, 1, 0x100],
            &[0, 0],
            &[i32::MAX, i32::MAX, 0],
        ] {
            assert!(Structure::from_words(words).is_err(), "{words:?}");
        }
    }
}
