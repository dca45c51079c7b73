//! First-order Taylor expansion of the loss in each weight.

use std::sync::Arc;

use secateur_core::allocation::Global;
use secateur_core::error::PruneError;
use secateur_core::pruner::PrunerConfig;
use secateur_core::schedule::Schedule;
use secateur_core::scorer::{ImportanceScorer, ScoreContext};
use secateur_core::signal::{MeanGradient, Signal};
use serde::{Deserialize, Serialize};

/// Weight Taylor: `|w·ḡ|`, or `(w·ḡ)²` when [`squared`](Self::squared) (the weight form of
/// Molchanov et al. 2017, *Pruning Convolutional Neural Networks for Resource Efficient
/// Inference*, and 2019, *Importance Estimation for Neural Network Pruning*).
///
/// Setting `w` to zero changes the loss by `-w·ḡ` to first order, where `ḡ` is the mean gradient
/// over the batches observed since the last pruning. The two forms rank elements alike and differ
/// once a pattern sums over the members of a unit.
///
/// Compared are the scores of a whole parameter; they are in units of the loss, so ranking all
/// parameters together, as [`weight_taylor`] does, makes sense as well.
///
/// Cost: the gradients of every observed batch are fetched to the host, 8 bytes per element are
/// kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WeightTaylor {
    squared: bool,
}

impl WeightTaylor {
    /// `|w·ḡ|`.
    pub fn new() -> Self {
        Self::default()
    }

    /// `(w·ḡ)²` instead.
    #[must_use]
    pub fn squared(self) -> Self {
        Self { squared: true }
    }
}

impl ImportanceScorer for WeightTaylor {
    fn score(&self, ctx: &ScoreContext<'_>) -> Result<Vec<f32>, PruneError> {
        let gradient = ctx.signal(&MeanGradient)?;
        let change = ctx.weight().iter().zip(&gradient).map(|(w, g)| w * g);
        Ok(match self.squared {
            false => change.map(f32::abs).collect(),
            true => change.map(|change| change * change).collect(),
        })
    }

    fn signals(&self) -> Vec<Arc<dyn Signal>> {
        vec![Arc::new(MeanGradient)]
    }
}

/// `|w·ḡ|` of all parameters ranked together, under your schedule.
///
/// Pass gradients to `Pruner::observe` between two prunings.
pub fn weight_taylor(schedule: impl Schedule + 'static) -> PrunerConfig {
    PrunerConfig::new()
        .with_scorer(WeightTaylor::new())
        .with_allocation(Global)
        .with_schedule(schedule)
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use secateur_core::allocation::Uniform;
    use secateur_core::schedule::OneShot;

    use super::*;
    use crate::worked::{Pair, assert_close, pruned, scores};

    #[test]
    fn two_batches_by_hand() {
        let model = Pair::new(&[3.0, -1.0, 0.5, 2.0], &[1.0, 2.0, -4.0, 0.25]);
        // Mean gradients, a: (1+0)/2, (-2-6)/2, (4-4)/2, (0-1)/2 = 0.5, -4, 0, -0.5
        //                 b: (2+4)/2, (1-2)/2, (0+0.5)/2, (8+8)/2 = 3, -0.5, 0.25, 8
        // |w·ḡ|, a: 1.5, 4, 0, 1    b: 3, 1, 1, 2
        // The mean of |w·g| would be 1.5, 4, 2, 1 for a; the sum of the gradients 3, 8, 0, 2.
        let batches: [(&[f32], &[f32]); 2] = [
            (&[1.0, -2.0, 4.0, 0.0], &[2.0, 1.0, 0.0, 8.0]),
            (&[0.0, -6.0, -4.0, -1.0], &[4.0, -2.0, 0.5, 8.0]),
        ];
        let feed = |pruner: &mut secateur_core::pruner::Pruner| {
            for batch in batches {
                pruner.observe(&model, &model.grads(batch)).unwrap();
            }
        };
        let (a, b) = scores(weight_taylor(OneShot::new(0.5)), &model, feed).unwrap();
        assert_close(&a, &[1.5, 4.0, 0.0, 1.0]);
        assert_close(&b, &[3.0, 1.0, 1.0, 2.0]);

        let squared = weight_taylor(OneShot::new(0.5)).with_scorer(WeightTaylor::new().squared());
        let (a, b) = scores(squared, &model, feed).unwrap();
        assert_close(&a, &[2.25, 16.0, 0.0, 1.0]);
        assert_close(&b, &[9.0, 1.0, 1.0, 4.0]);

        // Three of all eight go: a2, and of the three ones the two in b, which come last. One of
        // each four: a2, and the later of the ones in b.
        let all = pruned(weight_taylor(OneShot::new(0.375)), &model, feed);
        assert_eq!(all, (vec![0, 1, 3], vec![0, 3]));
        let each = weight_taylor(OneShot::new(0.25)).with_allocation(Uniform);
        assert_eq!(pruned(each, &model, feed), (vec![0, 1, 3], vec![0, 1, 3]));
    }

    #[test]
    fn weight_times_gradient_is_neither_of_the_two() {
        // The largest two of |w|:   6, 5, 1, 2, 3, 4        are 0 and 1,
        //                of |g|:   0.1, 0.1, 9, 5, 4, 2    are 2 and 3,
        //                of |w·g|: 0.6, 0.5, 9, 10, 12, 8  are 3 and 4.
        let weights = [6.0, -5.0, 1.0, -2.0, 3.0, 4.0];
        let gradient = [-0.1, 0.1, -9.0, 5.0, 4.0, 2.0];
        let model = Pair::new(&weights, &weights);
        let feed = |pruner: &mut secateur_core::pruner::Pruner| {
            let grads = model.grads((&gradient, &gradient));
            pruner.observe(&model, &grads).unwrap();
        };
        // Two of six: two thirds go.
        let config = weight_taylor(OneShot::new(2.0 / 3.0)).with_allocation(Uniform);
        let by_both = pruned(config.clone(), &model, feed);
        let magnitude = secateur_core::magnitude::Magnitude::l1();
        let by_weight = pruned(config.clone().with_scorer(magnitude), &model, feed);
        let by_gradient = pruned(config.with_scorer(Gradient), &model, feed);
        assert_eq!(by_weight, (vec![0, 1], vec![0, 1]));
        assert_eq!(by_gradient, (vec![2, 3], vec![2, 3]));
        assert_eq!(by_both, (vec![3, 4], vec![3, 4]));
    }

    /// `|ḡ|`, which is no method.
    #[derive(Debug)]
    struct Gradient;

    impl ImportanceScorer for Gradient {
        fn score(&self, ctx: &ScoreContext<'_>) -> Result<Vec<f32>, PruneError> {
            let gradient = ctx.signal(&MeanGradient)?;
            Ok(gradient.into_iter().map(f32::abs).collect())
        }

        fn signals(&self) -> Vec<Arc<dyn Signal>> {
            vec![Arc::new(MeanGradient)]
        }
    }

    #[test]
    fn without_a_gradient_it_says_what_to_call() {
        let model = Pair::new(&[1.0, 2.0], &[3.0, 4.0]);
        let error = scores(weight_taylor(OneShot::new(0.5)), &model, |_| ()).unwrap_err();
        assert!(matches!(&error, PruneError::MissingSignal { path, .. } if path == "a"));
        assert!(error.to_string().contains("pruner.observe"), "{error}");
    }
}
