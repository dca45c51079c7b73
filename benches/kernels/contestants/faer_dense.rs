//! faer's dense product, which takes AVX-512 where the processor has it.

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use secateur_benches::aligned::Aligned;

use super::{Contestant, Inputs};
use crate::error::Result;
use crate::work::Work;

/// Dense products on row-major matrices, one thread. faer has no convolutions.
#[derive(Debug)]
pub(crate) struct FaerDense {
    /// `[m, k, n]`.
    size: [usize; 3],
    training: bool,
    w: Aligned,
    x: Aligned,
    dy: Aligned,
    y: Aligned,
    dx: Aligned,
    dw: Aligned,
}

impl FaerDense {
    pub(crate) fn new(inputs: &Inputs) -> Option<Self> {
        let training = match inputs.work {
            Work::Product { .. } => false,
            Work::Training { .. } => true,
            Work::Convolution { .. } => return None,
        };
        let aligned = |floats: &[f32]| Aligned::new(floats);
        Some(Self {
            size: inputs.work.size(),
            training,
            w: aligned(&inputs.dense),
            x: aligned(&inputs.x),
            dy: aligned(&inputs.dy),
            y: Aligned::zeros(inputs.dy.len()),
            dx: Aligned::zeros(if training { inputs.x.len() } else { 0 }),
            dw: Aligned::zeros(if training { inputs.dense.len() } else { 0 }),
        })
    }
}

impl Contestant for FaerDense {
    fn run(&mut self) -> Result<()> {
        let [m, k, n] = self.size;
        let w = MatRef::from_row_major_slice(self.w.get(), m, k);
        let x = MatRef::from_row_major_slice(self.x.get(), k, n);
        let y = MatMut::from_row_major_slice_mut(self.y.get_mut(), m, n);
        matmul(y, Accum::Replace, w, x, 1.0, Par::Seq);
        if self.training {
            let dy = MatRef::from_row_major_slice(self.dy.get(), m, n);
            let dx = MatMut::from_row_major_slice_mut(self.dx.get_mut(), k, n);
            matmul(dx, Accum::Replace, w.transpose(), dy, 1.0, Par::Seq);
            let dw = MatMut::from_row_major_slice_mut(self.dw.get_mut(), m, k);
            matmul(dw, Accum::Replace, dy, x.transpose(), 1.0, Par::Seq);
        }
        Ok(())
    }

    fn outputs(&self) -> Vec<f32> {
        [&self.y, &self.dx, &self.dw]
            .into_iter()
            .flat_map(|part| part.get())
            .copied()
            .collect()
    }
}
