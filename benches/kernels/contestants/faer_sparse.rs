//! faer's product of a sparse with a dense matrix.

use faer::sparse::linalg::matmul::sparse_dense_matmul;
use faer::sparse::{SparseColMat, SymbolicSparseColMat};
use faer::{Accum, Mat, Par};

use super::{Contestant, Inputs};
use crate::error::Result;
use crate::work::Work;

/// Compressed columns against column-major activations, which is how faer keeps both; no layout
/// is changed within its time.
#[derive(Debug)]
pub(crate) struct FaerSparse {
    w: SparseColMat<u32, f32>,
    x: Mat<f32>,
    y: Mat<f32>,
}

impl FaerSparse {
    /// Nothing for what faer does not compute with sparse weights.
    pub(crate) fn new(inputs: &Inputs) -> Option<Self> {
        let Work::Product { m, k, n } = inputs.work else {
            return None;
        };
        let (by_column, _) = inputs.weights.transposed();
        let starts: Option<Vec<u32>> = by_column
            .starts()
            .iter()
            .map(|&start| start.try_into().ok())
            .collect();
        let rows = by_column.indices().to_vec();
        let places = SymbolicSparseColMat::new_checked(m, k, starts?, None, rows);
        Some(Self {
            w: SparseColMat::new(places, by_column.values().to_vec()),
            x: Mat::from_fn(k, n, |row, column| inputs.x[row * n + column]),
            y: Mat::zeros(m, n),
        })
    }
}

impl Contestant for FaerSparse {
    fn run(&mut self) -> Result<()> {
        let (y, x) = (self.y.as_mut(), self.x.as_ref());
        sparse_dense_matmul(y, Accum::Replace, self.w.as_ref(), x, 1.0, Par::Seq);
        Ok(())
    }

    fn outputs(&self) -> Vec<f32> {
        let (m, n) = self.y.shape();
        (0..m * n).map(|at| self.y[(at / n, at % n)]).collect()
    }
}
