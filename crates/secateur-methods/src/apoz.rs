//! APoZ: neurons that are mostly zero.

use std::sync::Arc;

use secateur_core::error::PruneError;
use secateur_core::pattern::Filter;
use secateur_core::pruner::PrunerConfig;
use secateur_core::reduction::Reduction;
use secateur_core::schedule::OneShot;
use secateur_core::scorer::{ImportanceScorer, ScoreContext};
use secateur_core::signal::Signal;
use secateur_core::target::Target;
use secateur_graph::FlowMoments;
use serde::{Deserialize, Serialize};

/// Average percentage of zeros (Hu, Peng, Tai and Tang 2016, *Network Trimming*, arXiv 1607.03250,
/// equation 1): `APoZ_c = Σ_k Σ_j [O_c,j(k) = 0] / (N·M)` over `N` examples and `M` positions of
/// channel `c` behind its ReLU.
///
/// The score of every weight of output `c` is the share that is *not* zero, `1 - APoZ_c`, for a
/// larger score is kept. Compared are the outputs of one layer, as [`Filter`] makes them units.
///
/// The activation is the first behind the layer, past a norm, a sum or a pool that keep channels
/// apart. A layer without one (the head) has no such score, and is skipped.
///
/// Cost: one forward pass over the calibration batches, which
/// [`Taps::observe`](secateur_graph::Taps::observe) feeds; four numbers an output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Apoz {
    deviations: Option<f64>,
}

impl Apoz {
    /// The share of activations that are not zero.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// That share over its layer's bound, so that `Target::Threshold(1.0)` removes what has an APoZ
    /// of more than so many standard deviations above the layer's mean; the paper takes one.
    ///
    /// Mean and deviation `√((1/n)·Σ(APoZ_c - mean)²)` are those of the layer's outputs that are
    /// not pruned yet. Where no APoZ can lie above the bound all scores are infinite.
    #[must_use]
    pub fn beyond(deviations: f64) -> Self {
        Self {
            deviations: Some(deviations),
        }
    }
}

impl ImportanceScorer for Apoz {
    fn score(&self, ctx: &ScoreContext<'_>) -> Result<Vec<f32>, PruneError> {
        let zeros = ctx.signal(&FlowMoments::activation_zeros())?;
        let [_, input, kernel] = ctx.shape();
        let per_output = input * kernel;
        let bound = self.deviations.map(|deviations| {
            let stands = |output: usize| {
                let mut members = output * per_output..(output + 1) * per_output;
                members.any(|element| ctx.mask().bits().get(element))
            };
            let standing = zeros
                .iter()
                .enumerate()
                .filter(|(output, _)| stands(*output));
            let standing: Vec<f64> = standing.map(|(_, &apoz)| apoz.into()).collect();
            let count = standing.len().max(1) as f64;
            let mean = standing.iter().sum::<f64>() / count;
            let squares = standing.iter().map(|apoz| (apoz - mean).powi(2));
            1.0 - (mean + deviations * (squares.sum::<f64>() / count).sqrt())
        });
        let score = |apoz: f32| match bound {
            None => 1.0 - apoz,
            Some(bound) if bound > 0.0 => ((1.0 - f64::from(apoz)) / bound) as f32,
            Some(_) => f32::INFINITY,
        };
        let scores = zeros.iter().map(|&apoz| score(apoz));
        Ok(scores
            .flat_map(|score| std::iter::repeat_n(score, per_output))
            .collect())
    }

    fn signals(&self) -> Vec<Arc<dyn Signal>> {
        vec![Arc::new(FlowMoments::activation_zeros())]
    }
}

/// [`Apoz`] at step 0: each layer loses `round(sparsity·n)` of its `n` filters or neurons, those
/// with the most zeros. Leave out the head, behind which no activation stands, by `with_skip`.
pub fn apoz(sparsity: f64) -> PrunerConfig {
    PrunerConfig::new()
        .with_scorer(Apoz::new())
        .with_pattern(Filter)
        .with_reduction(Reduction::Mean)
        .with_schedule(OneShot::new(sparsity))
}

/// The paper's rule at step 0: each layer loses the filters or neurons whose APoZ is more than
/// `deviations` standard deviations above the layer's mean. How many go is in the pruner's report.
///
/// The paper takes one deviation, retrains the survivors, and does both again.
pub fn apoz_threshold(deviations: f64) -> PrunerConfig {
    apoz(0.0)
        .with_scorer(Apoz::beyond(deviations))
        .with_schedule(OneShot::of(Target::Threshold(1.0)))
}
