//! How the scores of a unit's members become the score of the unit.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::PruneError;

/// A named reduction of many scores to one.
///
/// Computed in `f64` in the order of the members, so that it is the same everywhere. An infinite
/// score is a verdict and not a number: one `+inf` (never prune) makes the result `+inf`; failing
/// that, one `-inf` (prune first) makes any but [`Max`](Self::Max) `-inf`. The result of finite
/// scores is finite and that of no scores is 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reduction {
    /// `Σ s`: what is lost in all. Of unequal units the larger tends to score higher.
    #[default]
    Sum,
    /// `Σ s / n`: what is lost per element.
    Mean,
    /// `√(Σ s²)`: the Euclidean norm, for scores that are not negative.
    L2,
    /// The largest score.
    Max,
}

impl Reduction {
    /// The score of a unit whose members score `scores`.
    pub fn of(self, scores: impl IntoIterator<Item = f32>) -> f32 {
        let (mut sum, mut squares, mut max) = (0.0, 0.0, f32::NEG_INFINITY);
        let (mut count, mut doomed) = (0.0, false);
        for score in scores {
            let wide = f64::from(score);
            sum += wide;
            squares += wide * wide;
            max = max.max(score);
            count += 1.0;
            doomed |= score == f32::NEG_INFINITY;
        }
        if count == 0.0 {
            return 0.0;
        }
        if max == f32::INFINITY || self == Self::Max {
            return max;
        }
        if doomed {
            return f32::NEG_INFINITY;
        }
        let reduced: f64 = match self {
            Self::Sum => sum,
            Self::Mean => sum / count,
            Self::L2 => squares.sqrt(),
            Self::Max => unreachable!("returned above"),
        };
        reduced.clamp(f32::MIN.into(), f32::MAX.into()) as f32
    }
}

impl fmt::Display for Reduction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sum => "sum",
            Self::Mean => "mean",
            Self::L2 => "l2",
            Self::Max => "max",
        })
    }
}

impl FromStr for Reduction {
    type Err = PruneError;

    fn from_str(name: &str) -> Result<Self, PruneError> {
        [Self::Sum, Self::Mean, Self::L2, Self::Max]
            .into_iter()
            .find(|reduction| reduction.to_string() == name)
            .ok_or_else(|| {
                PruneError::invalid(
                    "reduction",
                    format!("\"{name}\""),
                    "a known reduction",
                    "use one of sum, mean, l2, max",
                )
            })
    }
}

#[cfg(test)]
mod tests {
    use super::Reduction::{self, L2, Max, Mean, Sum};
    use proptest::prelude::*;

    #[test]
    fn golden() {
        let scores = [3.0, 0.0, 4.0, 1.0];
        // 3+0+4+1 = 8; 8/4 = 2; √(9+0+16+1) = √26; 4.
        assert_eq!(Sum.of(scores), 8.0);
        assert_eq!(Mean.of(scores), 2.0);
        assert_eq!(L2.of(scores), 26f64.sqrt() as f32);
        assert_eq!(Max.of(scores), 4.0);
        assert_eq!(Max.of([-3.0, -1.0]), -1.0);
    }

    #[test]
    fn infinities_are_verdicts() {
        let (inf, doom) = (f32::INFINITY, f32::NEG_INFINITY);
        for reduction in [Sum, Mean, L2, Max] {
            assert_eq!(reduction.of([1.0, doom, inf]), inf, "{reduction}");
            assert_eq!(reduction.of([]), 0.0, "{reduction}");
        }
        for reduction in [Sum, Mean, L2] {
            assert_eq!(reduction.of([1.0, doom]), doom, "{reduction}");
        }
        assert_eq!(Max.of([1.0, doom]), 1.0);
        assert_eq!(Sum.of([f32::MAX, f32::MAX]), f32::MAX);
    }

    #[test]
    fn names_round_trip() {
        for reduction in [Sum, Mean, L2, Max] {
            assert_eq!(reduction.to_string().parse::<Reduction>(), Ok(reduction));
        }
        let error = "median".parse::<Reduction>().unwrap_err();
        assert!(error.to_string().ends_with("use one of sum, mean, l2, max"));
        assert_eq!(Reduction::default(), Sum);
    }

    proptest! {
        #[test]
        fn never_nan(scores in proptest::collection::vec(crate::rank::reference::any_score(), 0..9)) {
            for reduction in [Sum, Mean, L2, Max] {
                prop_assert!(!reduction.of(scores.iter().copied()).is_nan());
            }
        }
    }
}
