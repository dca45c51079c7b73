//! Structures on devices: uploaded once, when they are first multiplied there.

use std::sync::{Arc, Mutex, PoisonError};

use burn::backend::ops::IntTensorOps;
use burn::tensor::TensorData;
use burn_cubecl::{CubeBackend, CubeDevice, tensor::CubeTensor};

use crate::ops::structure::Structure;

/// Blocks that are looked for, the largest first.
const BLOCKS: [[usize; 2]; 7] = [[8, 8], [4, 8], [4, 4], [8, 1], [4, 1], [2, 2], [1, 8]];

/// How rows are multiplied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Whole blocks of `height` by `width`.
    Blocks {
        height: usize,
        width: usize,
    },
    /// The same number of weights in every row.
    Even {
        kept: usize,
    },
    Any,
}

/// Compressed rows on a device, all indices `i32`.
#[derive(Debug)]
pub(super) struct Rows {
    pub(super) count: usize,
    pub(super) form: Form,
    pub(super) starts: CubeTensor,
    pub(super) columns: CubeTensor,
    /// The rows, the longest first.
    pub(super) order: CubeTensor,
    /// For each entry of the transposed weight, its value among those of the weight.
    pub(super) entries: CubeTensor,
    pub(super) turned: bool,
}

/// A structure on a device.
#[derive(Debug)]
pub(super) struct Upload {
    pub(super) forward: Rows,
    pub(super) backward: Rows,
    /// The row of each kept weight.
    pub(super) rows_of_entries: CubeTensor,
}

/// What was uploaded, by device.
#[derive(Debug, Default)]
pub(in crate::ops) struct Uploads(Mutex<Vec<(CubeDevice, Arc<Upload>)>>);

impl Structure {
    /// This structure on `device`.
    pub(super) fn upload(&self, device: &CubeDevice) -> Arc<Upload> {
        let mut uploads = self
            .uploads
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some((_, upload)) = uploads.iter().find(|(on, _)| on == device) {
            return Arc::clone(upload);
        }
        let upload = Arc::new(self.to_device(device));
        uploads.push((device.clone(), Arc::clone(&upload)));
        upload
    }

    fn to_device(&self, device: &CubeDevice) -> Upload {
        let put = |indices: Vec<i32>| {
            let len = indices.len();
            CubeBackend::int_from_data(TensorData::new(indices, [len]), device)
        };
        // Indices are below i32::MAX, as the number of elements is.
        let [rows, columns] = self.shape();
        let to_i32 = |starts: &[usize]| starts.iter().map(|start| *start as i32).collect();
        let forward = Rows {
            count: rows,
            form: self.form(),
            starts: put(to_i32(self.starts())),
            columns: put(self.columns().iter().map(|column| *column as i32).collect()),
            order: put(longest_first(self.starts())),
            entries: put(vec![0]),
            turned: false,
        };
        let (starts, of_columns, entries) = self.turned();
        let backward = Rows {
            count: columns,
            form: Form::Any,
            order: put(longest_first(&starts)),
            starts: put(to_i32(&starts)),
            columns: put(of_columns),
            entries: put(entries),
            turned: true,
        };
        let rows_of_entries = (0..rows).flat_map(|row| {
            let entries = self.starts()[row + 1] - self.starts()[row];
            std::iter::repeat_n(row as i32, entries)
        });
        Upload {
            forward,
            backward,
            rows_of_entries: put(rows_of_entries.collect()),
        }
    }

    /// The transposed rows: starts, the row that each entry came from, and its place there.
    fn turned(&self) -> (Vec<usize>, Vec<i32>, Vec<i32>) {
        let [rows, columns] = self.shape();
        let mut starts = vec![0; columns + 1];
        for &column in self.columns() {
            starts[column as usize + 1] += 1;
        }
        for column in 0..columns {
            starts[column + 1] += starts[column];
        }
        let mut next = starts.clone();
        let (mut from, mut entries) = (vec![0; self.nnz()], vec![0; self.nnz()]);
        for row in 0..rows {
            for entry in self.starts()[row]..self.starts()[row + 1] {
                let slot = &mut next[self.columns()[entry] as usize];
                (from[*slot], entries[*slot]) = (row as i32, entry as i32);
                *slot += 1;
            }
        }
        (starts, from, entries)
    }

    /// The most regular form that the structure has.
    fn form(&self) -> Form {
        let blocks = BLOCKS.into_iter();
        if let Some([height, width]) = { blocks }.find(|block| self.is_made_of(*block)) {
            return Form::Blocks { height, width };
        }
        let lengths = |pair: &[usize]| pair[1] - pair[0];
        let mut of_rows = self.starts().windows(2).map(lengths);
        match of_rows.next() {
            Some(kept) if of_rows.all(|other| other == kept) => Form::Even { kept },
            _ => Form::Any,
        }
    }

    /// Whether all kept weights lie in whole blocks, aligned to the matrix.
    fn is_made_of(&self, [height, width]: [usize; 2]) -> bool {
        let [rows, columns] = self.shape();
        if rows % height != 0 || columns % width != 0 {
            return false;
        }
        let of_row = |row: usize| &self.columns()[self.starts()[row]..self.starts()[row + 1]];
        (0..rows).step_by(height).all(|first| {
            let same = (first + 1..first + height).all(|row| of_row(row) == of_row(first));
            same && of_row(first).len().is_multiple_of(width)
                && of_row(first).chunks_exact(width).all(|block| {
                    let start = block[0];
                    let ascending = (start..).zip(block).all(|(at, column)| at == *column);
                    (start as usize).is_multiple_of(width) && ascending
                })
        })
    }
}

/// Rows by descending length; of equally long ones the first comes first.
fn longest_first(starts: &[usize]) -> Vec<i32> {
    let mut order: Vec<i32> = (0..starts.len() as i32 - 1).collect();
    order.sort_by_key(|row| {
        let row = *row as usize;
        std::cmp::Reverse(starts[row + 1] - starts[row])
    });
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_regular_form_is_found() {
        let form = |kept: &dyn Fn(usize, usize) -> bool| {
            let mask: Vec<bool> = (0..256).map(|at| kept(at / 16, at % 16)).collect();
            Structure::from_mask(&mask, [16, 16]).unwrap().form()
        };
        let blocks = |height, width| Form::Blocks { height, width };
        assert_eq!(form(&|row, column| row / 8 == column / 8), blocks(8, 8));
        assert_eq!(form(&|row, column| row / 4 == column / 4), blocks(4, 4));
        assert_eq!(
            form(&|row, column| (row / 4 + column) % 3 == 0),
            blocks(4, 1)
        );
        assert_eq!(
            form(&|row, column| column % 4 == row % 4),
            Form::Even { kept: 4 }
        );
        assert_eq!(form(&|row, column| column < row), Form::Any);
    }

    #[test]
    fn the_transposed_rows_point_back_to_the_values() {
        // [[0, a, 0], [b, 0, c]]
        let mask = [false, true, false, true, false, true];
        let structure = Structure::from_mask(&mask, [2, 3]).unwrap();
        let (starts, rows, entries) = structure.turned();
        assert_eq!(starts, [0, 1, 2, 3]);
        assert_eq!((rows, entries), (vec![1, 0, 1], vec![1, 0, 2]));
    }
}
