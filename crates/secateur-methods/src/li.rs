//! Li et al.: filters of small absolute sum.

use std::collections::{BTreeMap, BTreeSet};

use secateur_core::error::PruneError;
use secateur_core::magnitude::Magnitude;
use secateur_core::mask::Mask;
use secateur_core::pattern::Filter;
use secateur_core::pruner::PrunerConfig;
use secateur_core::reduction::Reduction;
use secateur_core::schedule::OneShot;
use secateur_core::scorer::{ImportanceScorer, ScoreContext};
use serde::{Deserialize, Serialize};

/// `|w|` of what a filter still reads: the "greedy" form of [`li()`], in which the kernels over
/// channels that have gone already do not count.
///
/// A weight scores 0 if its input has been named by [`without_inputs`](Self::without_inputs) or if
/// its own mask has removed it. Compared are the sums of the filters of one layer.
///
/// Cost: one pass over the weights.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GreedyMagnitude {
    gone: BTreeMap<String, BTreeSet<usize>>,
}

impl GreedyMagnitude {
    /// With all inputs there, as [`Magnitude::l1`].
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Leaves out these inputs, by their place in the view's `in`, of the weight at `path`: the
    /// [`gone_filters`] of the layer before it.
    #[must_use]
    pub fn without_inputs(
        mut self,
        path: impl Into<String>,
        inputs: impl IntoIterator<Item = usize>,
    ) -> Self {
        self.gone.entry(path.into()).or_default().extend(inputs);
        self
    }
}

impl ImportanceScorer for GreedyMagnitude {
    fn score(&self, ctx: &ScoreContext<'_>) -> Result<Vec<f32>, PruneError> {
        let [_, input, kernel] = ctx.shape();
        let gone = self.gone.get(ctx.path());
        if let Some(&place) = gone.and_then(BTreeSet::last).filter(|&&last| last >= input) {
            return Err(PruneError::invalid(
                format!("without_inputs of `{}`", ctx.path()),
                place,
                format!("one of its {input} inputs"),
                "count inputs from 0; behind a flattening each channel is as many inputs as it \
                 has positions",
            ));
        }
        let is_gone = |place: usize| gone.is_some_and(|gone| gone.contains(&place));
        let there: Vec<bool> = (0..input * kernel)
            .map(|at| !is_gone(at / kernel))
            .collect();
        let weights = ctx.weight().iter().zip(ctx.mask().iter());
        Ok(weights
            .zip(there.iter().cycle())
            .map(|((w, kept), &there)| if kept && there { w.abs() } else { 0.0 })
            .collect())
    }
}

/// The filters that a mask has removed whole.
#[must_use]
pub fn gone_filters(mask: &Mask) -> Vec<usize> {
    let [out, input, kernel] = mask.shape();
    let filter = input * kernel;
    let is_gone = |at: &usize| !(at * filter..(at + 1) * filter).any(|element| mask.get(element));
    (0..out).filter(is_gone).collect()
}

/// Li et al. 2017, *Pruning Filters for Efficient ConvNets*, arXiv 1608.08710: at step 0 each layer
/// loses the `round(sparsity·n)` of its `n` filters with the smallest `s_j = Σ |w|`.
///
/// This is the "independent" form: kernels over channels that go at the same time count. For the
/// "greedy" one prune layer by layer in the order of the forward pass, each by a
/// [`GreedyMagnitude`] that knows the [`gone_filters`] before it.
///
/// The paper takes one sparsity for all layers of a stage and leaves sensitive layers out; of a
/// residual block it prunes the first convolution alone.
pub fn li(sparsity: f64) -> PrunerConfig {
    PrunerConfig::new()
        .with_scorer(Magnitude::l1())
        .with_pattern(Filter)
        .with_reduction(Reduction::Sum)
        .with_schedule(OneShot::new(sparsity))
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;
    use crate::worked::{Pair, pruned, scores};

    /// Two filters of three inputs in each layer.
    fn model() -> Pair {
        Pair::new(
            &[1.0, -2.0, 4.0, 3.0, 3.0, -3.0],
            &[2.0, -1.0, 1.0, 0.5, 0.5, 3.5],
        )
    }

    #[test]
    fn sums_by_hand() {
        // Sums of sizes, a: 7, 9    b: 4, 4.5; the first goes in both. The Euclidean norms would
        // be, a: √21, √27    b: √6, √12.75; the largest elements 4, 3 would take the second of a.
        let kept = pruned(li(0.5), &model(), |_| ());
        assert_eq!(kept, (vec![3, 4, 5], vec![3, 4, 5]));
    }

    #[test]
    fn the_greedy_form_by_hand() {
        // Without its last input b is 3 against 1: now the second filter goes.
        let greedy = GreedyMagnitude::new().without_inputs("b", [2]);
        let config = li(0.5).with_scorer(greedy);
        let (a, b) = scores(config.clone(), &model(), |_| ()).unwrap();
        assert_eq!(a, [1.0, 2.0, 4.0, 3.0, 3.0, 3.0]);
        assert_eq!(b, [2.0, 1.0, 0.0, 0.5, 0.5, 0.0]);
        let kept = pruned(config, &model(), |_| ());
        assert_eq!(kept, (vec![3, 4, 5], vec![0, 1, 2]));
    }

    #[test]
    fn an_input_that_does_not_exist_is_named() {
        let greedy = GreedyMagnitude::new().without_inputs("b", [3]);
        let error = scores(li(0.5).with_scorer(greedy), &model(), |_| ()).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("of `b`` is 3, which is not one of its 3 inputs"),
            "{error}"
        );
    }

    #[test]
    fn only_whole_filters_have_gone() {
        let kept = [true, false, false, false, false, false];
        let mask = Mask::from_bools([3, 1, 2], &kept).unwrap();
        assert_eq!(gone_filters(&mask), [1, 2]);
    }
}
