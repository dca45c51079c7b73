//! Compressed sparse rows: the form every other one is packed from and unpacks to.

use num_traits::Float;

use crate::error::{KernelError, check_length, checked_product};

/// A sparse matrix `[rows, columns]` by compressed rows, checked when it was built.
///
/// Row `r` has the entries `starts[r] .. starts[r + 1]`, its columns ascending without
/// repetition. An entry may hold a zero: what is stored is what the mask keeps.
#[derive(Debug, Clone, PartialEq)]
pub struct Csr<T = f32> {
    rows: usize,
    columns: usize,
    starts: Vec<usize>,
    indices: Vec<u32>,
    values: Vec<T>,
}

impl<T: Float> Csr<T> {
    /// A matrix of `[rows, columns]` from its three arrays: `rows + 1` row starts, the column of
    /// each entry, its value.
    ///
    /// # Errors
    ///
    /// Where a length does not fit, a row start descends, or a row's columns are out of range,
    /// unsorted or repeated.
    pub fn new(
        [rows, columns]: [usize; 2],
        starts: Vec<usize>,
        indices: Vec<u32>,
        values: Vec<T>,
    ) -> Result<Self, KernelError> {
        check_shape([rows, columns])?;
        check_length(
            "starts",
            starts.len(),
            rows + 1,
            "give one start a row, then the end of the last",
        )?;
        check_length(
            "values",
            values.len(),
            indices.len(),
            "give one value for each column index",
        )?;
        check_starts(&starts, indices.len())?;
        for row in 0..rows {
            check_row(row, &indices[starts[row]..starts[row + 1]], columns)?;
        }
        Ok(Self {
            rows,
            columns,
            starts,
            indices,
            values,
        })
    }

    /// A matrix from parts that already obey the rules of [`Csr::new`].
    pub(crate) fn from_parts(
        [rows, columns]: [usize; 2],
        starts: Vec<usize>,
        indices: Vec<u32>,
        values: Vec<T>,
    ) -> Self {
        Self {
            rows,
            columns,
            starts,
            indices,
            values,
        }
    }

    /// The entries of a row-major `dense` `[rows, columns]` that are not zero (of either sign).
    ///
    /// # Errors
    ///
    /// Where `dense` has another length than its shape.
    pub fn from_dense(dense: &[T], shape: [usize; 2]) -> Result<Self, KernelError> {
        Self::filtered(dense, shape, |at| !dense[at].is_zero())
    }

    /// The entries of a row-major `dense` `[rows, columns]` where `mask` is true, zeros among
    /// them included: a weight that training may move is kept whatever its value now.
    ///
    /// # Errors
    ///
    /// Where `dense` or `mask` has another length than the shape.
    pub fn from_masked(dense: &[T], mask: &[bool], shape: [usize; 2]) -> Result<Self, KernelError> {
        let elements = check_shape(shape)?;
        check_length(
            "mask",
            mask.len(),
            elements,
            "give one flag for each weight, row by row",
        )?;
        Self::filtered(dense, shape, |at| mask[at])
    }

    fn filtered(
        dense: &[T],
        [rows, columns]: [usize; 2],
        keep: impl Fn(usize) -> bool,
    ) -> Result<Self, KernelError> {
        let elements = check_shape([rows, columns])?;
        check_length(
            "dense",
            dense.len(),
            elements,
            "give the weights row by row, `[rows, columns]`",
        )?;
        let mut starts = Vec::with_capacity(rows + 1);
        let (mut indices, mut values) = (Vec::new(), Vec::new());
        starts.push(0);
        for row in 0..rows {
            for column in 0..columns {
                let at = row * columns + column;
                if keep(at) {
                    indices.push(column as u32);
                    values.push(dense[at]);
                }
            }
            starts.push(indices.len());
        }
        Ok(Self {
            rows,
            columns,
            starts,
            indices,
            values,
        })
    }

    /// Zeros, stored where a row-major `mask` `[rows, columns]` is true: a structure to fill.
    ///
    /// # Errors
    ///
    /// Where `mask` has another length than the shape.
    pub fn from_mask(mask: &[bool], [rows, columns]: [usize; 2]) -> Result<Self, KernelError> {
        let elements = check_shape([rows, columns])?;
        check_length(
            "mask",
            mask.len(),
            elements,
            "give one flag for each weight, row by row",
        )?;
        let (mut starts, mut indices) = (vec![0], Vec::new());
        for row in mask.chunks_exact(columns) {
            indices.extend(
                (0_u32..)
                    .zip(row)
                    .filter(|(_, kept)| **kept)
                    .map(|(at, _)| at),
            );
            starts.push(indices.len());
        }
        let values = vec![T::zero(); indices.len()];
        Ok(Self::from_parts([rows, columns], starts, indices, values))
    }

    /// The matrix with its zeros, row-major.
    #[must_use]
    pub fn to_dense(&self) -> Vec<T> {
        let mut dense = vec![T::zero(); self.rows * self.columns];
        for row in 0..self.rows {
            for (column, value) in self.row(row) {
                dense[row * self.columns + column] = value;
            }
        }
        dense
    }

    /// `[columns, rows]`, and for each of its entries the position of that entry in this matrix.
    #[must_use]
    pub fn transposed(&self) -> (Self, Vec<u32>) {
        let mut starts = vec![0; self.columns + 1];
        for &column in &self.indices {
            starts[column as usize + 1] += 1;
        }
        for column in 0..self.columns {
            starts[column + 1] += starts[column];
        }
        let mut next = starts.clone();
        // One array to scatter into: each column's end of it is another line of the cache.
        let mut places = vec![(0, 0); self.nnz()];
        for row in 0..self.rows {
            for entry in self.starts[row]..self.starts[row + 1] {
                let slot = &mut next[self.indices[entry] as usize];
                places[*slot] = (row as u32, entry as u32);
                *slot += 1;
            }
        }
        let (indices, origin): (Vec<u32>, Vec<u32>) = places.into_iter().unzip();
        let values = origin.iter().map(|&entry| self.values[entry as usize]);
        let values = values.collect();
        let transposed = Self {
            rows: self.columns,
            columns: self.rows,
            starts,
            indices,
            values,
        };
        (transposed, origin)
    }

    /// Refuses a matrix where some `of` neighbours in a row, counted from its start, hold more
    /// than `keep` weights.
    ///
    /// # Errors
    ///
    /// [`KernelError::Pattern`] at the first such group; [`KernelError::Dimension`] where `of` is
    /// zero or `keep` more than `of`.
    pub fn check_n_of_m(&self, keep: usize, of: usize) -> Result<(), KernelError> {
        for (what, got, min, max) in [("of", of, 1, MAX_DIMENSION), ("keep", keep, 0, of)] {
            if got < min || got > max {
                return Err(KernelError::Dimension {
                    what,
                    got,
                    min,
                    max,
                    remedy: "give the pattern as the weights to keep of a group's columns",
                });
            }
        }
        for row in 0..self.rows {
            let columns = &self.indices[self.starts[row]..self.starts[row + 1]];
            for group in columns.chunk_by(|&a, &b| a as usize / of == b as usize / of) {
                if group.len() > keep {
                    return Err(KernelError::Pattern {
                        format: format!("{keep}:{of}"),
                        row,
                        column: group[0] as usize / of * of,
                        got: group.len(),
                        keep,
                        remedy: "prune by the pattern first",
                    });
                }
            }
        }
        Ok(())
    }

    /// Rows and columns.
    #[must_use]
    pub fn shape(&self) -> [usize; 2] {
        [self.rows, self.columns]
    }

    /// Entries stored.
    #[must_use]
    pub fn nnz(&self) -> usize {
        self.values.len()
    }

    /// Share of the matrix that is not stored, 0 to 1.
    #[must_use]
    pub fn sparsity(&self) -> f64 {
        1.0 - self.nnz() as f64 / (self.rows as f64 * self.columns as f64)
    }

    /// Where each row starts, and the end of the last.
    #[must_use]
    pub fn starts(&self) -> &[usize] {
        &self.starts
    }

    /// Column of each entry.
    #[must_use]
    pub fn indices(&self) -> &[u32] {
        &self.indices
    }

    /// Value of each entry.
    #[must_use]
    pub fn values(&self) -> &[T] {
        &self.values
    }

    /// Value of each entry, to be changed in place.
    pub fn values_mut(&mut self) -> &mut [T] {
        &mut self.values
    }

    /// The entries of one row as `(column, value)`.
    pub fn row(&self, row: usize) -> impl Iterator<Item = (usize, T)> + '_ {
        let range = self.starts[row]..self.starts[row + 1];
        self.indices[range.clone()]
            .iter()
            .zip(&self.values[range])
            .map(|(&column, &value)| (column as usize, value))
    }

    /// Entries in one row.
    #[must_use]
    pub fn row_nnz(&self, row: usize) -> usize {
        self.starts[row + 1] - self.starts[row]
    }
}

/// Largest number of rows or columns: a column index is a `u32`.
pub(crate) const MAX_DIMENSION: usize = u32::MAX as usize;

/// Elements of a matrix of this shape.
pub(crate) fn check_shape([rows, columns]: [usize; 2]) -> Result<usize, KernelError> {
    for (what, got) in [("rows", rows), ("columns", columns)] {
        if got == 0 || got > MAX_DIMENSION {
            return Err(KernelError::Dimension {
                what,
                got,
                min: 1,
                max: MAX_DIMENSION,
                remedy: "leave an empty layer out of the model",
            });
        }
    }
    let elements = checked_product(rows, columns, "rows x columns")?;
    checked_product(elements, size_of::<f64>(), "bytes of the matrix")?;
    Ok(elements)
}

fn check_starts(starts: &[usize], entries: usize) -> Result<(), KernelError> {
    let mut min = 0;
    for (at, &got) in starts.iter().enumerate() {
        // The first start must be 0 and the last the number of entries; others lie between.
        let low = if at + 1 == starts.len() { entries } else { min };
        let max = if at == 0 { 0 } else { entries };
        if got < low || got > max {
            return Err(KernelError::RowStart {
                at,
                got,
                min: low,
                max,
            });
        }
        min = got;
    }
    Ok(())
}

fn check_row(row: usize, indices: &[u32], columns: usize) -> Result<(), KernelError> {
    if let Some(&column) = indices.iter().find(|&&column| column as usize >= columns) {
        return Err(KernelError::ColumnOutOfRange {
            row,
            column: column as usize,
            columns,
        });
    }
    match indices.windows(2).find(|pair| pair[0] >= pair[1]) {
        Some(pair) => Err(KernelError::UnsortedColumns {
            row,
            before: pair[0] as usize,
            after: pair[1] as usize,
        }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dense_and_back() {
        let dense = [0.0, 1.0, 0.0, 2.0, -0.0, 3.0_f32];
        let csr = Csr::from_dense(&dense, [2, 3]).unwrap();
        assert_eq!(csr.starts(), [0, 1, 3]);
        assert_eq!(csr.indices(), [1, 0, 2]);
        assert_eq!(csr.to_dense(), [0.0, 1.0, 0.0, 2.0, 0.0, 3.0]);
        let (transposed, origin) = csr.transposed();
        assert_eq!(transposed.to_dense(), [0.0, 2.0, 1.0, 0.0, 0.0, 3.0]);
        assert_eq!(origin, [1, 0, 2]);
        assert_eq!(transposed.transposed().0, csr);
    }

    #[test]
    fn masked_zeros_are_kept() {
        let csr = Csr::from_masked(&[0.0, 1.0], &[true, false], [1, 2]).unwrap();
        assert_eq!((csr.nnz(), csr.indices()), (1, &[0][..]));
    }

    #[test]
    fn n_of_m_counts_aligned_groups() {
        let dense = [0.0, 1.0, 1.0, 0.0, 1.0, 1.0, 0.0, 1.0_f32];
        let csr = Csr::from_dense(&dense, [1, 8]).unwrap();
        assert!(csr.check_n_of_m(3, 4).is_ok());
        assert!(matches!(
            csr.check_n_of_m(2, 4),
            Err(KernelError::Pattern {
                column: 4,
                got: 3,
                ..
            })
        ));
        assert!(csr.check_n_of_m(5, 4).is_err());
        assert!(csr.check_n_of_m(0, 0).is_err());
    }

    #[test]
    fn bad_input_is_refused() {
        let new = |starts: &[usize], indices: &[u32]| {
            Csr::new(
                [2, 3],
                starts.to_vec(),
                indices.to_vec(),
                vec![1.0_f32; indices.len()],
            )
        };
        assert!(new(&[0, 1, 2], &[2, 0]).is_ok());
        assert!(matches!(
            new(&[0, 1, 2], &[3, 0]),
            Err(KernelError::ColumnOutOfRange { column: 3, .. })
        ));
        for bad in [[0, 2, 1], [1, 1, 2], [0, 1, 1], [0, 3, 2]] {
            assert!(
                matches!(new(&bad, &[0, 1]), Err(KernelError::RowStart { .. })),
                "{bad:?}"
            );
        }
        for bad in [[1, 1], [2, 1]] {
            assert!(matches!(
                new(&[0, 2, 2], &bad),
                Err(KernelError::UnsortedColumns { row: 0, .. })
            ));
        }
        assert!(matches!(
            Csr::<f32>::from_dense(&[], [0, 3]),
            Err(KernelError::Dimension { what: "rows", .. })
        ));
        assert!(matches!(
            Csr::from_dense(&[1.0_f32], [1, 2]),
            Err(KernelError::Length { what: "dense", .. })
        ));
    }
}
