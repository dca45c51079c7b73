//! Connection sensitivity before training.

use std::sync::Arc;

use secateur_core::allocation::Global;
use secateur_core::error::PruneError;
use secateur_core::pruner::PrunerConfig;
use secateur_core::schedule::OneShot;
use secateur_core::scorer::{ModelScorer, ScoreContext};
use secateur_core::signal::{MeanGradient, Signal};
use serde::{Deserialize, Serialize};

/// SNIP (Lee, Ajanthan and Torr 2019, *SNIP: Single-shot network pruning based on connection
/// sensitivity*): `|g·w| / Σ |g·w|`, the sum over all pruned parameters.
///
/// `g·w` is the derivative of the loss by a factor `c` on the weight, at `c = 1`: how much the
/// loss depends on the connection being there. The sum does not change the order; it makes scores
/// shares of the whole, as in the paper.
///
/// Compared are all weights of the model. `g` is the mean gradient of the observed batches, of
/// which the paper uses one.
///
/// Cost: one backward pass; a copy of all weights and 8 more bytes per element while it scores.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snip;

impl ModelScorer for Snip {
    fn score_model(&self, contexts: &[ScoreContext<'_>]) -> Result<Vec<Vec<f32>>, PruneError> {
        let sensitivities: Vec<Vec<f64>> =
            contexts.iter().map(sensitivity).collect::<Result<_, _>>()?;
        let total: f64 = sensitivities.iter().flatten().sum();
        // Without any gradient all connections matter alike.
        let total = if total == 0.0 { 1.0 } else { total };
        let normalised = |layer: Vec<f64>| layer.iter().map(|s| (s / total) as f32).collect();
        Ok(sensitivities.into_iter().map(normalised).collect())
    }

    fn signals(&self) -> Vec<Arc<dyn Signal>> {
        vec![Arc::new(MeanGradient)]
    }
}

/// `|g·w|`, in double precision so that the sum over a large model is one.
fn sensitivity(ctx: &ScoreContext<'_>) -> Result<Vec<f64>, PruneError> {
    let gradient = ctx.signal(&MeanGradient)?;
    let weight = ctx.weight().iter();
    Ok(weight
        .zip(gradient)
        .map(|(&w, g)| (f64::from(g) * f64::from(w)).abs())
        .collect())
}

/// SNIP: prunes to `sparsity` at step 0, over the whole model.
///
/// Initialise with a variance scaling (Glorot or He), observe one batch, prune at step 0, and only
/// then take the first optimizer step.
///
/// ```no_run
/// # use burn::{module::Module, optim::GradientsParams};
/// # use secateur_core::error::PruneError;
/// # use secateur_methods::snip;
/// # fn run<M: Module>(model: &mut M, grads: GradientsParams) -> Result<(), PruneError> {
/// let mut pruner = snip(0.95).init_module(model)?;
/// pruner.observe(model, &grads)?;
/// pruner.prune(model, 0)?;
/// // Now train as ever: the masks stay.
/// # Ok(())
/// # }
/// ```
pub fn snip(sparsity: f64) -> PrunerConfig {
    PrunerConfig::new()
        .with_model_scorer(Snip)
        .with_allocation(Global)
        .with_schedule(OneShot::new(sparsity))
}

/// As [`snip()`], with biases among the connections, as in the authors' code. The model must have
/// some.
pub fn snip_with_biases(sparsity: f64) -> PrunerConfig {
    snip(sparsity).with_also(["**.bias"])
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use secateur_core::pruner::Pruner;

    use super::*;
    use crate::worked::{Pair, assert_close, pruned, scores};

    fn model() -> Pair {
        Pair::new(&[1.0, -2.0, 0.5, 4.0], &[-1.0, 2.0, 8.0, 1.0])
    }

    fn feed(pruner: &mut Pruner) {
        let model = model();
        let grads = model.grads((&[2.0, 3.0, -2.0, 0.5], &[-4.0, 0.5, 0.25, -1.0]));
        pruner.observe(&model, &grads).unwrap();
    }

    #[test]
    fn one_batch_by_hand() {
        // |g·w|, a: 2, 6, 1, 2    b: 4, 1, 2, 1, together 11 + 8 = 19. (a1, a2 and b3 are negative.)
        let (a, b) = scores(snip(0.5), &model(), feed).unwrap();
        let nineteenths = |values: [f32; 4]| values.map(|value| value / 19.0);
        assert_close(&a, &nineteenths([2.0, 6.0, 1.0, 2.0]));
        assert_close(&b, &nineteenths([4.0, 1.0, 2.0, 1.0]));
        // Of all eight, two stay: 6 and 4. Of the three twos the two in a come first, so that a
        // keeps three when four stay; as shares of their own layer, 2/11 and 2/8, b's would.
        assert_eq!(pruned(snip(0.75), &model(), feed), (vec![1], vec![0]));
        assert_eq!(pruned(snip(0.5), &model(), feed), (vec![0, 1, 3], vec![0]));
    }

    #[test]
    fn no_gradient_at_all_is_a_tie() {
        let model = model();
        let kept = pruned(snip(0.5), &model, |pruner| {
            let grads = model.grads((&[0.0; 4], &[0.0; 4]));
            pruner.observe(&model, &grads).unwrap();
        });
        assert_eq!(kept, (vec![0, 1, 2, 3], vec![]));
    }
}
