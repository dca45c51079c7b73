//! sprs: compressed rows.

use ndarray::Array2;
use sprs::CsMatI;
use sprs::prod::{csr_mulacc_dense_rowmaj, mul_acc_mat_vec_csr};

use super::{Contestant, Inputs};
use crate::error::{BenchError, Result};
use crate::work::Work;

/// Compressed rows with indices of 32 bits against row-major activations, the product that sprs
/// recommends for many columns; with one column its product with a vector.
#[derive(Debug)]
pub(crate) struct SprsRows {
    w: CsMatI<f32, u32, usize>,
    x: Array2<f32>,
    y: Array2<f32>,
}

impl SprsRows {
    /// Nothing for what sprs does not compute with sparse weights.
    pub(crate) fn new(inputs: &Inputs) -> Result<Option<Self>> {
        let Work::Product { m, k, n } = inputs.work else {
            return Ok(None);
        };
        let csr = &inputs.weights;
        let w = CsMatI::try_new(
            (m, k),
            csr.starts().to_vec(),
            csr.indices().to_vec(),
            csr.values().to_vec(),
        )
        .map_err(|(_, _, _, why)| refused(why.to_string()))?;
        let x = Array2::from_shape_vec((k, n), inputs.x.clone())
            .map_err(|why| refused(why.to_string()))?;
        Ok(Some(Self {
            w,
            x,
            y: Array2::zeros((m, n)),
        }))
    }
}

fn refused(why: String) -> BenchError {
    BenchError::Refused { rival: "sprs", why }
}

impl Contestant for SprsRows {
    fn run(&mut self) -> Result<()> {
        // Both products add to what is there.
        self.y.fill(0.0);
        if self.x.ncols() == 1 {
            mul_acc_mat_vec_csr(self.w.view(), self.x.column(0), self.y.column_mut(0));
        } else {
            csr_mulacc_dense_rowmaj(self.w.view(), self.x.view(), self.y.view_mut());
        }
        Ok(())
    }

    fn outputs(&self) -> Vec<f32> {
        self.y.iter().copied().collect()
    }
}
