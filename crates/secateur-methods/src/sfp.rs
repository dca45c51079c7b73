//! Soft filter pruning: filters are set to zero again and again, and may come back until the end.

use secateur_core::error::PruneError;
use secateur_core::magnitude::Magnitude;
use secateur_core::mask::Mask;
use secateur_core::pattern::Filter;
use secateur_core::pruner::PrunerConfig;
use secateur_core::reduction::Reduction;
use secateur_core::schedule::Linear;
use secateur_core::selector::{SelectContext, Selection, Selector, TopK};
use serde::{Deserialize, Serialize};

/// Sets what would be pruned to zero and masks nothing, until the step `until`, which prunes for
/// good (He, Kang, Dong, Fu and Yang 2018, *Soft Filter Pruning for Accelerating Deep Convolutional
/// Neural Networks*, arXiv 1808.06866).
///
/// In between the zeroed weights act and learn like all others, and are ranked again next time.
///
/// Cost: the weights are written back to the device at every pruning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SoftZero {
    until: usize,
}

impl SoftZero {
    /// Prunes for good at step `until` and after.
    #[must_use]
    pub fn new(until: usize) -> Self {
        Self { until }
    }
}

impl Selector for SoftZero {
    fn select(&self, ctx: &SelectContext<'_>) -> Result<Selection, PruneError> {
        let chosen = TopK.select(ctx)?;
        if ctx.score.step() >= self.until {
            return Ok(chosen);
        }
        let weights = ctx.score.weight().iter().zip(chosen.mask.iter());
        Ok(Selection {
            mask: Mask::keep_all(ctx.score.shape())?,
            weights: Some(
                weights
                    .map(|(&w, kept)| if kept { w } else { 0.0 })
                    .collect(),
            ),
        })
    }
}

/// Soft filter pruning: every `every` steps (an epoch's) up to step `until` the `round(rate·n)` of
/// each layer's `n` filters with the smallest `‖F‖₂` are set to zero; at `until` they go.
///
/// With `.with_scorer(FilterDistance).with_reduction(Reduction::Mean)` it is FPGM as its paper runs
/// it.
pub fn sfp(rate: f64, every: usize, until: usize) -> PrunerConfig {
    // An `every` of 0 is left for the schedule's own check to refuse.
    let first = every.min(until);
    PrunerConfig::new()
        .with_scorer(Magnitude::l1())
        .with_reduction(Reduction::L2)
        .with_pattern(Filter)
        .with_selector(SoftZero::new(until))
        .with_schedule(
            Linear::new(rate)
                .starting_from(rate)
                .between(first..=until)
                .every(every),
        )
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use burn::optim::SgdConfig;

    use super::*;
    use crate::worked::Pair;

    #[test]
    fn three_epochs_by_hand() {
        // Norms in a: 4 and √13, the second is zeroed; sums of sizes, 4 and 5, would take the
        // first. b: 5 and 13, the first.
        let mut model = Pair::new(&[4.0, 0.0, 3.0, 2.0], &[3.0, 4.0, 5.0, 12.0]);
        let mut pruner = sfp(0.5, 10, 30).init_module(&model).unwrap();
        let mut sgd = SgdConfig::new().init();
        let mut learn = |model: Pair, a: &[f32], b: &[f32]| {
            let grads = model.grads((a, b));
            sgd.step(0.5, model, grads)
        };
        for step in 0..10 {
            assert!(pruner.prune(&mut model, step).unwrap().is_none());
        }
        pruner.prune(&mut model, 10).unwrap();
        assert_eq!(
            model.values(),
            (vec![4.0, 0.0, 0.0, 0.0], vec![0.0, 0.0, 5.0, 12.0])
        );

        // w - g/2; the zeroed filters learn and act. a: (1, -1), (-3, -1); b: (-1, 0), (5, 12).
        model = learn(model, &[6.0, 2.0, 6.0, 2.0], &[2.0, 0.0, 0.0, 0.0]);
        assert_eq!(
            model.values(),
            (vec![1.0, -1.0, -3.0, -1.0], vec![-1.0, 0.0, 5.0, 12.0])
        );
        // a: √2 and √10, now the first goes and the second has earned its way back.
        pruner.prune(&mut model, 20).unwrap();
        assert_eq!(
            model.values(),
            (vec![0.0, 0.0, -3.0, -1.0], vec![0.0, 0.0, 5.0, 12.0])
        );
        assert_eq!(pruner.masks(&model).unwrap().sparsity(), 0.0);

        // The last time is for good.
        pruner.prune(&mut model, 30).unwrap();
        model = learn(model, &[2.0; 4], &[2.0; 4]);
        assert_eq!(
            model.values(),
            (vec![0.0, 0.0, -4.0, -2.0], vec![0.0, 0.0, 4.0, 11.0])
        );
        assert_eq!(pruner.masks(&model).unwrap().sparsity(), 0.5);
    }
}
