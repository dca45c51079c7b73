//! How sure the models are, and whether rightly.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::pies::modes::Votes;
use crate::population::Population;
use crate::predictions::{Hits, Predictions};
use crate::settings::Settings;
use crate::statistics::Estimate;
use crate::statistics::bootstrap::mean;
use crate::statistics::shares::Shares;

/// Bins of equal width, as in Guo et al. (2017, arXiv 1706.04599).
pub const BINS: usize = 15;

/// Predictions of about the same confidence: the i-th bin holds those in (i/15, (i + 1)/15].
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Bin {
    /// Share of all predictions.
    pub share: f64,
    /// Mean confidence; 0 of none.
    pub confidence: f64,
    /// Accuracy; 0 of none.
    pub accuracy: f64,
}

/// The bins of one model, from the least confident.
///
/// ```
/// # use secateur_eval::{Predictions, TestSet, calibration};
/// let set = TestSet::new("toy", ["cat", "dog"], [0, 1])?;
/// let made = Predictions::from_probabilities(&set, &[0.8, 0.2, 0.8, 0.2])?;
/// // Sure to 80 % and right in half: off by 0.3.
/// assert!((calibration::expected_error(&calibration::bins(&made)) - 0.3).abs() < 1e-6);
/// # Ok::<(), secateur_eval::EvalError>(())
/// ```
#[must_use]
pub fn bins(predictions: &Predictions) -> Vec<Bin> {
    let mut bins = vec![Bin::default(); BINS];
    for (&confidence, &rank) in predictions.confidence.iter().zip(&predictions.rank) {
        // In f32, where 0.6 · 15 is 9 and not a little more.
        let at = (confidence * BINS as f32).ceil() as usize;
        let bin = &mut bins[at.clamp(1, BINS) - 1];
        bin.share += 1.0;
        bin.confidence += f64::from(confidence);
        bin.accuracy += f64::from(rank == 0);
    }
    for bin in &mut bins {
        let count = bin.share.max(1.0);
        bin.confidence /= count;
        bin.accuracy /= count;
        bin.share /= predictions.len().max(1) as f64;
    }
    bins
}

/// Expected calibration error: Σ share · |accuracy − confidence|.
#[must_use]
pub fn expected_error(bins: &[Bin]) -> f64 {
    bins.iter()
        .map(|bin| bin.share * (bin.accuracy - bin.confidence).abs())
        .sum()
}

/// How sure the models of a level are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CalibrationAnalysis {
    /// The level.
    pub level: String,
    /// Expected calibration error: the mean of the models' own, never of pooled predictions, which
    /// would let one model's errors cancel another's.
    pub error: Estimate,
    /// Its change against the dense models; `None` for those.
    pub change: Option<Estimate>,
    /// How many classes the true one may be among: 5, or fewer where there are not that many.
    pub k: usize,
    /// Share of examples whose true class is among the first k.
    pub top: Estimate,
    /// Share of examples on which one of its models and one dense model say the same, over all
    /// pairs of them (for the dense level, of two different ones). The interval resamples this
    /// level's models.
    pub agreement: Estimate,
    /// Means over the models, bin by bin.
    pub bins: Vec<Bin>,
}

/// Every population, the dense one first.
pub(crate) fn analyse(
    populations: &[Population],
    classes: usize,
    paired: bool,
    settings: &Settings,
) -> Vec<CalibrationAnalysis> {
    let k = classes.min(5);
    let resampling = settings.resampling();
    let Some(dense) = populations.first() else {
        return Vec::new();
    };
    let votes = Votes::of(dense, dense.len(), classes);
    let errors: Vec<(Vec<f64>, Vec<Vec<Bin>>)> = populations
        .iter()
        .map(|population| {
            let bins: Vec<Vec<Bin>> = population
                .models()
                .par_iter()
                .map(|model| bins(&model.clean))
                .collect();
            (bins.iter().map(|bins| expected_error(bins)).collect(), bins)
        })
        .collect();
    let each = populations.iter().zip(&errors).enumerate();
    each.map(|(at, (population, (error, bins)))| {
        let level = population.level().name();
        let name = |what: &str| format!("{what} {level}");
        let models = population.models();
        let agreement: Vec<f64> = models
            .par_iter()
            .map(|model| {
                let same: usize = (0..votes.examples())
                    .map(|example| {
                        let label = model.clean.labels[example];
                        votes
                            .row(example)
                            .iter()
                            .filter(|&&vote| vote == label)
                            .count()
                    })
                    .sum();
                // Among the dense models, none is compared with itself.
                let own = if at == 0 { votes.examples() } else { 0 };
                let others = votes.models - usize::from(at == 0);
                (same - own) as f64 / (votes.examples() * others) as f64
            })
            .collect();
        let top: Vec<Hits> = models.iter().map(|model| model.clean.top_hits(k)).collect();
        let change = || {
            let paired = paired && at > 1;
            resampling.difference(&name("calibration change"), &errors[0].0, error, paired)
        };
        CalibrationAnalysis {
            level: level.into(),
            error: resampling.mean(&name("calibration"), error),
            change: (at > 0).then(change),
            k,
            top: Shares::of(&top, settings).estimate(&name("top"), &resampling),
            agreement: resampling.mean(&name("agreement"), &agreement),
            bins: (0..BINS)
                .map(|bin| {
                    let share = mean(&bins.iter().map(|bins| bins[bin].share).collect::<Vec<_>>());
                    // A model without predictions in a bin says nothing about it.
                    let weighted = |of: fn(&Bin) -> f64| {
                        let sum: f64 = bins
                            .iter()
                            .map(|bins| bins[bin].share * of(&bins[bin]))
                            .sum();
                        if share > 0.0 {
                            sum / (share * bins.len() as f64)
                        } else {
                            0.0
                        }
                    };
                    Bin {
                        share,
                        confidence: weighted(|bin| bin.confidence),
                        accuracy: weighted(|bin| bin.accuracy),
                    }
                })
                .collect(),
        }
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_set::TestSet;

    #[test]
    fn bins_by_hand() {
        // Confidences 0.6 (right), 0.6 (wrong), 1 (right), 2/3 (right): 2/3 closes the tenth bin.
        let set = TestSet::new("t", ["a", "b"], [0, 1, 0, 0]).unwrap();
        let two = 2.0 / 3.0;
        let rows = [0.6, 0.4, 0.6, 0.4, 1.0, 0.0, two, 1.0 - two];
        let made = Predictions::from_probabilities(&set, &rows).unwrap();
        let found = bins(&made);
        assert_eq!((found[8].share, found[8].accuracy), (0.5, 0.5));
        assert_eq!((found[14].share, found[14].accuracy), (0.25, 1.0));
        assert_eq!(found.iter().map(|bin| bin.share).sum::<f64>(), 1.0);
        // 0.5 · |0.5 − 0.6| + 0.25 · |1 − 2/3| + 0.25 · 0
        assert!((expected_error(&found) - (0.05 + 0.25 / 3.0)).abs() < 1e-6);
    }
}
