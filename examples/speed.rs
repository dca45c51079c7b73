//! How long a net takes, in Burn and compiled.

use std::time::Instant;

use burn::prelude::*;
use secateur::sparse::{SparseEngine, SparseError};

use crate::nets::Classifier;

/// Rounds that a time is the median of.
const ROUNDS: usize = 101;

/// Microseconds of one call.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Speed {
    /// In Burn, which multiplies the zeros as well.
    pub burn: f64,
    /// Compiled.
    pub engine: f64,
}

impl Speed {
    /// Both on `images`, taking turns.
    ///
    /// # Errors
    ///
    /// Those of the engine.
    pub fn measure<M: Classifier>(
        model: &M,
        engine: &SparseEngine,
        images: &Tensor<3>,
    ) -> Result<Self, SparseError> {
        Self::of(model, M::forward, engine, images)
    }

    /// As [`measure`](Self::measure), for a `forward` on images of any kind.
    ///
    /// # Errors
    ///
    /// Those of the engine.
    pub fn of<M, const D: usize>(
        model: &M,
        forward: impl Fn(&M, Tensor<D>) -> Tensor<2>,
        engine: &SparseEngine,
        images: &Tensor<D>,
    ) -> Result<Self, SparseError> {
        let data = images.clone().into_data();
        let floats: Vec<f32> = data.iter::<f32>().collect();
        let batch = images.dims()[0];
        let mut y = vec![0.0; forward(model, images.clone()).shape().num_elements()];
        let (mut burn, mut compiled) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            burn.push(micros(|| {
                forward(model, images.clone());
                Ok(())
            })?);
            compiled.push(micros(|| {
                engine.run_into(batch, &[&floats], &mut [&mut y])
            })?);
        }
        let middle = |mut times: Vec<f64>| {
            times.sort_by(f64::total_cmp);
            times[ROUNDS / 2]
        };
        Ok(Self {
            burn: middle(burn),
            engine: middle(compiled),
        })
    }

    /// How many times as fast the engine is.
    #[must_use]
    pub fn ratio(self) -> f64 {
        self.burn / self.engine
    }
}

fn micros(run: impl FnOnce() -> Result<(), SparseError>) -> Result<f64, SparseError> {
    let start = Instant::now();
    run()?;
    Ok(start.elapsed().as_secs_f64() * 1e6)
}
