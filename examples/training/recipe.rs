//! How a net is trained: the settings.

use burn::optim::decay::WeightDecayConfig;
use burn::optim::momentum::MomentumConfig;
use burn::optim::{ModuleOptimizer, SgdConfig};
use serde::{Deserialize, Serialize};

use crate::{ExampleError, Result};

/// Plain stochastic gradient descent with momentum, the recipe of the LeNet experiments.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recipe {
    /// Passes over the images.
    pub epochs: usize,
    /// Images a step.
    pub batch: usize,
    /// Learning rate at the start.
    pub learning_rate: f64,
    /// When the learning rate falls to a tenth, as shares of all steps.
    pub drops: Vec<f64>,
    /// Momentum; the gradient enters it in full (dampening 0), as in PyTorch's default.
    pub momentum: f64,
    /// Weight decay, added to the gradient.
    pub weight_decay: f64,
}

impl Recipe {
    /// Training from scratch: learning rate 0.1, a tenth of it after 50 % and again after 80 % of
    /// the steps, batches of 100, momentum 0.9, weight decay 1e-4.
    pub fn from_scratch(epochs: usize) -> Self {
        Self {
            epochs,
            batch: 100,
            learning_rate: 0.1,
            drops: vec![0.5, 0.8],
            momentum: 0.9,
            weight_decay: 1e-4,
        }
    }

    /// Retraining after a cut: a constant tenth of the learning rate (Han et al. 2015).
    pub fn retrain(epochs: usize) -> Self {
        Self::from_scratch(epochs)
            .with_learning_rate(0.01)
            .with_drops([])
    }

    /// The same with another learning rate at the start.
    pub fn with_learning_rate(self, learning_rate: f64) -> Self {
        Self {
            learning_rate,
            ..self
        }
    }

    /// The same with other moments, in shares of all steps, at which the learning rate falls.
    pub fn with_drops(self, drops: impl Into<Vec<f64>>) -> Self {
        Self {
            drops: drops.into(),
            ..self
        }
    }

    /// The same with another number of images a step.
    pub fn with_batch(self, batch: usize) -> Self {
        Self { batch, ..self }
    }

    /// The same with another weight decay.
    pub fn with_weight_decay(self, weight_decay: f64) -> Self {
        Self {
            weight_decay,
            ..self
        }
    }

    /// The learning rate of `step` out of `total`.
    pub fn rate_at(&self, step: usize, total: usize) -> f64 {
        let done = step as f64 / total as f64;
        let drops = self.drops.iter().filter(|&&drop| done >= drop).count();
        self.learning_rate * 0.1_f64.powi(drops as i32)
    }

    /// Steps that this recipe takes over `images` images.
    ///
    /// # Errors
    ///
    /// [`ExampleError::Recipe`] if the batch is zero or larger than the number of images.
    pub fn steps(&self, images: usize) -> Result<usize> {
        match images.checked_div(self.batch) {
            Some(per_epoch) if per_epoch > 0 => Ok(self.epochs * per_epoch),
            _ => Err(ExampleError::Recipe {
                setting: "batch",
                value: self.batch.to_string(),
                remedy: "choose at least 1 and at most the number of images",
            }),
        }
    }

    /// The optimizer of this recipe.
    pub fn optimizer(&self) -> ModuleOptimizer {
        let momentum = MomentumConfig::new()
            .with_momentum(self.momentum)
            // Burn's default of 0.1 would shrink every gradient by a tenth.
            .with_dampening(0.0);
        let decay = WeightDecayConfig::new(self.weight_decay as f32);
        SgdConfig::new()
            .with_momentum(Some(momentum))
            .with_weight_decay(Some(decay))
            .init()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_falls_at_half_and_at_four_fifths() {
        let recipe = Recipe::from_scratch(10);
        let rates = [0, 499, 500, 799, 800, 999].map(|step| recipe.rate_at(step, 1_000));
        for (rate, wanted) in rates.into_iter().zip([0.1, 0.1, 0.01, 0.01, 0.001, 0.001]) {
            assert!((rate - wanted).abs() < 1e-12, "{rates:?}");
        }
        assert_eq!(Recipe::retrain(5).rate_at(999, 1_000), 0.01);
    }

    #[test]
    fn steps_are_whole_batches() {
        assert_eq!(Recipe::from_scratch(10).steps(60_000).unwrap(), 6_000);
        assert!(Recipe::from_scratch(10).steps(99).is_err());
    }
}
