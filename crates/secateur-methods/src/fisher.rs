//! The diagonal of the empirical Fisher information.

use std::sync::Arc;

use secateur_core::allocation::Global;
use secateur_core::error::PruneError;
use secateur_core::pruner::PrunerConfig;
use secateur_core::schedule::Schedule;
use secateur_core::scorer::{ImportanceScorer, ScoreContext};
use secateur_core::signal::{Signal, SquaredGradient};
use serde::{Deserialize, Serialize};

/// Diagonal Fisher pruning: `½·w²·(1/N)·Σₙ gₙ²` (Theis et al. 2018, *Faster gaze prediction with
/// dense networks and Fisher pruning*; for single weights the form of LeCun, Denker and Solla
/// 1989 with the Hessian's diagonal replaced by the Fisher information's).
///
/// `gₙ` is the gradient of the loss of *one* example, so the score needs
/// `Pruner::observe_examples`. The square of a batch's mean gradient is not the mean of squares:
/// gradients passed to `Pruner::observe` do not count, and scoring after those alone is an error.
///
/// Compared are the scores of a whole parameter; they estimate the rise of the loss, so ranking
/// all parameters together, as [`diagonal_fisher`] does, is what the derivation suggests.
///
/// Cost: a backward pass per example, 8 bytes per element. A few hundred examples are usual.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiagonalFisher;

impl ImportanceScorer for DiagonalFisher {
    fn score(&self, ctx: &ScoreContext<'_>) -> Result<Vec<f32>, PruneError> {
        let fisher = ctx.signal(&SquaredGradient)?;
        let score = |(w, f): (&f32, f32)| 0.5 * w * w * f;
        Ok(ctx.weight().iter().zip(fisher).map(score).collect())
    }

    fn signals(&self) -> Vec<Arc<dyn Signal>> {
        vec![Arc::new(SquaredGradient)]
    }
}

/// [`DiagonalFisher`] of all parameters ranked together, under your schedule.
pub fn diagonal_fisher(schedule: impl Schedule + 'static) -> PrunerConfig {
    PrunerConfig::new()
        .with_scorer(DiagonalFisher)
        .with_allocation(Global)
        .with_schedule(schedule)
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use secateur_core::pruner::Pruner;
    use secateur_core::schedule::OneShot;

    use super::*;
    use crate::worked::{Both, Pair, assert_close, pruned, scores};

    const EXAMPLES: [Both<'static>; 2] = [
        (&[1.0, -2.0, 4.0, 0.0], &[2.0, 1.0, 0.0, 8.0]),
        (&[3.0, 2.0, -4.0, 2.0], &[4.0, -1.0, 1.0, 6.0]),
    ];

    fn model() -> Pair {
        Pair::new(&[2.0, -1.0, 0.5, 4.0], &[1.0, 2.0, -4.0, 0.2])
    }

    fn feed(pruner: &mut Pruner) {
        let model = model();
        let seen = pruner.observe_examples(&model, EXAMPLES, |model, example| model.loss(example));
        assert_eq!(seen, Ok(2));
    }

    #[test]
    fn two_examples_by_hand() {
        // Mean squares, a: (1+9)/2, (4+4)/2, (16+16)/2, (0+4)/2 = 5, 4, 16, 2
        //               b: (4+16)/2, (1+1)/2, (0+1)/2, (64+36)/2 = 10, 1, 0.5, 50
        // ½·w², a: 2, 0.5, 0.125, 8    b: 0.5, 2, 8, 0.02
        // Scores, a: 10, 2, 2, 16      b: 5, 2, 4, 1
        // The square of the mean gradient would give a: 2·4, 0, 0, 8·1.
        let (a, b) = scores(diagonal_fisher(OneShot::new(0.5)), &model(), feed).unwrap();
        assert_close(&a, &[10.0, 2.0, 2.0, 16.0]);
        assert_close(&b, &[5.0, 2.0, 4.0, 1.0]);
        // Five of all eight go: b3 (1), the three twos, b2 (4).
        let kept = pruned(diagonal_fisher(OneShot::new(0.625)), &model(), feed);
        assert_eq!(kept, (vec![0, 3], vec![0]));
    }

    #[test]
    fn batches_are_not_examples() {
        let config = || diagonal_fisher(OneShot::new(0.5));
        let error = scores(config(), &model(), |pruner| {
            let model = model();
            pruner.observe(&model, &model.grads(EXAMPLES[0])).unwrap();
        })
        .unwrap_err();
        assert!(matches!(&error, PruneError::MissingSignal { path, .. } if path == "a"));
        assert!(error.to_string().contains("observe_examples"), "{error}");
        // Nor do they add to examples.
        let (a, _) = scores(config(), &model(), |pruner| {
            let model = model();
            feed(pruner);
            pruner.observe(&model, &model.grads(EXAMPLES[0])).unwrap();
        })
        .unwrap();
        assert_close(&a, &[10.0, 2.0, 2.0, 16.0]);
    }
}
