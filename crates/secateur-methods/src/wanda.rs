//! Wanda: magnitude times the norm of what it multiplies.

use std::sync::Arc;

use secateur_core::error::PruneError;
use secateur_core::pruner::PrunerConfig;
use secateur_core::schedule::OneShot;
use secateur_core::scorer::{Comparison, ImportanceScorer, ScoreContext};
use secateur_core::signal::Signal;
use secateur_graph::FlowMoments;
use serde::{Deserialize, Serialize};

/// Wanda: `|W_ij| · ‖X_j‖₂` (Sun, Liu, Bair and Kolter 2023, *A Simple and Effective Pruning
/// Approach for Large Language Models*, arXiv 2306.11695, equation 1).
///
/// `X_j` is the `j`-th input feature over all rows of the calibration batches: of a convolution the
/// pixels that the weight meets, padding included, of a grouped one those of its group.
///
/// Compared within each output row: every output keeps the same share of its weights. Under n:m
/// within each group.
///
/// Cost: one forward pass over the calibration batches, which
/// [`Taps::observe`](secateur_graph::Taps::observe) feeds; four numbers an input feature.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanda;

impl ImportanceScorer for Wanda {
    fn score(&self, ctx: &ScoreContext<'_>) -> Result<Vec<f32>, PruneError> {
        let norms = ctx.signal(&FlowMoments::input_norm())?;
        let [out, input, kernel] = ctx.shape();
        let features = input * kernel;
        if features == 0 {
            return Ok(Vec::new());
        }
        let groups = (norms.len() / features).max(1);
        let rows = ctx.weight().chunks_exact(features).enumerate();
        Ok(rows
            .flat_map(|(row, weights)| {
                let group = row * groups / out;
                let norms = &norms[group * features..];
                weights.iter().zip(norms).map(|(w, norm)| w.abs() * norm)
            })
            .collect())
    }

    fn signals(&self) -> Vec<Arc<dyn Signal>> {
        vec![Arc::new(FlowMoments::input_norm())]
    }

    fn comparison(&self) -> Comparison {
        Comparison::OutputRow
    }
}

/// [`Wanda`] at step 0: each output row of each parameter loses `round(sparsity·n)` of its `n`
/// weights, nothing is retrained.
///
/// The paper prunes one layer after the other, each calibrated with what the pruned layers before
/// it give: make a pruner of each layer with `with_only`, in the order of the forward pass.
pub fn wanda(sparsity: f64) -> PrunerConfig {
    PrunerConfig::new()
        .with_scorer(Wanda)
        .with_schedule(OneShot::new(sparsity))
}
