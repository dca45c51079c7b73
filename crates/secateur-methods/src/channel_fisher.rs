//! Fisher pruning of whole feature maps.

use std::sync::Arc;

use secateur_core::allocation::Global;
use secateur_core::error::PruneError;
use secateur_core::pattern::Filter;
use secateur_core::pruner::PrunerConfig;
use secateur_core::reduction::Reduction;
use secateur_core::schedule::Schedule;
use secateur_core::scorer::{ImportanceScorer, ScoreContext};
use secateur_core::signal::Signal;
use serde::{Deserialize, Serialize};

use crate::channel_taylor::{FilterProduct, spread};

/// Fisher pruning of feature maps: `Δ_k = 1/(2N) Σ_n (Σ_pos a_nk g_nk)²` (Theis, Korshunova, Tejani
/// and Huszár 2018, *Faster gaze prediction with dense networks and Fisher pruning*, arXiv
/// 1801.05787, equation 10; Crowley, Turner, Storkey and O'Boyle 2018, arXiv 1810.04622).
///
/// The second-order change of the loss without map `k`, with the Fisher information in place of the
/// Hessian. The inner sum is taken of the weights, as [`FilterProduct`] explains, with what is said
/// at [`ChannelTaylor`](crate::ChannelTaylor) about biases and batch norms. Twice the score is the
/// `(Σ w·g)²` of Molchanov et al. 2019, averaged over examples.
///
/// Every weight of filter `k` has the filter's score: reduce by the mean, as [`channel_fisher`]
/// does. Compared are the filters of all layers; the score is in units of the loss.
///
/// Cost: as [`ChannelTaylor`](crate::ChannelTaylor).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelFisher;

impl ImportanceScorer for ChannelFisher {
    fn score(&self, ctx: &ScoreContext<'_>) -> Result<Vec<f32>, PruneError> {
        let squares = FilterProduct::Square.means(ctx)?;
        Ok(spread(ctx, squares.iter().map(|square| square / 2.0)))
    }

    fn signals(&self) -> Vec<Arc<dyn Signal>> {
        vec![Arc::new(FilterProduct::Square)]
    }
}

/// [`ChannelFisher`] of the filters of all layers ranked together, under your schedule.
///
/// Crowley et al. remove one channel every 100 steps of fine-tuning at the last learning rate.
pub fn channel_fisher(schedule: impl Schedule + 'static) -> PrunerConfig {
    PrunerConfig::new()
        .with_scorer(ChannelFisher)
        .with_pattern(Filter)
        .with_reduction(Reduction::Mean)
        .with_allocation(Global)
        .with_schedule(schedule)
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use secateur_core::pruner::Pruner;
    use secateur_core::schedule::OneShot;

    use super::*;
    use crate::worked::{Both, Pair, assert_close, pruned, scores};

    #[test]
    fn two_examples_by_hand() {
        let model = Pair::new(&[2.0, -1.0, 0.5, 4.0], &[1.0, 2.0, -5.0, 2.0]);
        let examples: [Both<'_>; 2] = [
            (&[1.0, -2.0, 4.0, 0.0], &[2.0, 1.0, 0.0, 5.0]),
            (&[3.0, 2.0, -4.0, 2.0], &[4.0, -1.0, 1.0, 5.0]),
        ];
        let feed = |pruner: &mut Pruner| {
            let loss = |model: &Pair, example| model.loss(example);
            pruner.observe_examples(&model, examples, loss).unwrap();
        };
        // Σ w·g over each row, by example: a: 4, 4 and 2, 6    b: 4, 2 and 10, 5.
        // Squares over 2·2: a: 32/4, 40/4    b: 20/4, 125/4.
        // The squares of the mean would be, a: 16/2, 16/2    b: 9/2, 56.25/2; the sums of squares
        // (w·g)² of a: (4 + 4 + 36 + 4)/4 and (4 + 0 + 4 + 64)/4.
        let config = channel_fisher(OneShot::new(0.5));
        let (a, b) = scores(config.clone(), &model, feed).unwrap();
        assert_close(&a, &[8.0, 8.0, 10.0, 10.0]);
        assert_close(&b, &[5.0, 5.0, 31.25, 31.25]);
        assert_eq!(pruned(config, &model, feed), (vec![2, 3], vec![2, 3]));
    }
}
