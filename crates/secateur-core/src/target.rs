//! What a schedule asks of a parameter at a step.

use serde::{Deserialize, Serialize};

use crate::error::PruneError;

/// What a schedule asks of a parameter at a step.
///
/// Shares and counts are of *units*: of elements, or of whatever the pattern makes live and die
/// together (filters, blocks, n:m groups).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Target {
    /// The share of all units that is pruned afterwards, in [0, 1).
    Sparsity(f64),
    /// The share, in [0, 1), of the units kept so far that this step prunes. Asked again, it
    /// prunes again.
    OfRemaining(f64),
    /// The number of units that are pruned afterwards.
    Count(usize),
    /// Scores below this are pruned, scores at or above it are kept.
    Threshold(f32),
    /// Scores below `low` are pruned and those at or above `high` are kept; in between a unit
    /// stays what it was (dynamic network surgery).
    Band {
        /// Below this a unit is pruned.
        low: f32,
        /// From this on a unit is kept.
        high: f32,
    },
}

impl Target {
    /// Checks the numbers of this target.
    ///
    /// # Errors
    ///
    /// [`PruneError::InvalidSetting`] for a share outside [0, 1), a threshold that is not finite
    /// and a band whose `low` exceeds its `high`.
    pub fn check(&self) -> Result<(), PruneError> {
        let finite = |setting: &str, value: f32| {
            if value.is_finite() {
                return Ok(());
            }
            let remedy = "pass a score between those to prune and those to keep";
            Err(PruneError::invalid(
                setting,
                value,
                "a finite number",
                remedy,
            ))
        };
        match *self {
            Self::Sparsity(share) => PruneError::check_sparsity("sparsity", share).map(drop),
            Self::OfRemaining(share) => {
                PruneError::check_sparsity("share of what remains", share).map(drop)
            }
            Self::Count(_) => Ok(()),
            Self::Threshold(at) => finite("threshold", at),
            Self::Band { low, high } => {
                finite("band's low", low)?;
                finite("band's high", high)?;
                if low <= high {
                    return Ok(());
                }
                Err(PruneError::invalid(
                    "band's low",
                    low,
                    format!("at most the band's high, {high}"),
                    "swap the two",
                ))
            }
        }
    }

    /// Units that are pruned in all once this target is met, of `units` of which `kept` are kept
    /// now; `None` for a threshold or a band, which ask for no number.
    ///
    /// A share is rounded to whole units, halves away from zero.
    pub fn pruned_of(&self, units: usize, kept: usize) -> Option<usize> {
        match *self {
            Self::Sparsity(share) => Some(share_of(share, units)),
            Self::OfRemaining(share) => {
                Some(units.saturating_sub(kept) + share_of(share, kept.min(units)))
            }
            Self::Count(count) => Some(count),
            Self::Threshold(_) | Self::Band { .. } => None,
        }
    }

    /// As [`pruned_of`](Self::pruned_of), before rounding: what a pool of several parameters adds
    /// up before it rounds once.
    pub fn exact_pruned_of(&self, units: usize, kept: usize) -> Option<f64> {
        self.portion_of(units, kept).map(Portion::exact)
    }

    /// As [`exact_pruned_of`](Self::exact_pruned_of), before multiplying.
    pub(crate) fn portion_of(&self, units: usize, kept: usize) -> Option<Portion> {
        match *self {
            Self::Sparsity(share) => Some(Portion::share(share, units)),
            Self::OfRemaining(share) => {
                let kept = kept.min(units);
                let whole = units - kept;
                Some(Portion {
                    whole,
                    ..Portion::share(share, kept)
                })
            }
            Self::Count(count) => Some(Portion::whole(count)),
            Self::Threshold(_) | Self::Band { .. } => None,
        }
    }

    /// This target at `rate` times its size: a share or a threshold is multiplied, a count is
    /// multiplied and rounded.
    pub fn scaled(&self, rate: f64) -> Self {
        let threshold = |at: f32| (f64::from(at) * rate) as f32;
        match *self {
            Self::Sparsity(share) => Self::Sparsity(share * rate),
            Self::OfRemaining(share) => Self::OfRemaining(share * rate),
            Self::Count(count) => Self::Count(share_of(rate, count)),
            Self::Threshold(at) => Self::Threshold(threshold(at)),
            Self::Band { low, high } => Self::Band {
                low: threshold(low),
                high: threshold(high),
            },
        }
    }
}

/// `share` of `units` as a whole number, halves away from zero: the one rounding rule of the
/// house.
///
/// ```
/// # use secateur_core::target::share_of;
/// assert_eq!(share_of(0.5, 5), 3);
/// assert_eq!(share_of(0.9, 10), 9);
/// ```
pub fn share_of(share: f64, units: usize) -> usize {
    (share * units as f64).round() as usize
}

/// A number of units that is not whole yet: some whole ones, and a share of others.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Portion {
    pub whole: usize,
    pub share: f64,
    pub of: usize,
}

impl Portion {
    /// So many units.
    pub fn whole(units: usize) -> Self {
        Self {
            whole: units,
            share: 0.0,
            of: 0,
        }
    }

    /// A share of so many units.
    pub fn share(share: f64, of: usize) -> Self {
        Self {
            whole: 0,
            share,
            of,
        }
    }

    /// The number.
    pub fn exact(self) -> f64 {
        self.whole as f64 + self.share * self.of as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sparsity_rounds_halves_away_from_zero() {
        let pruned = |s, n| Target::Sparsity(s).pruned_of(n, n);
        assert_eq!(pruned(0.5, 5), Some(3)); // 2.5
        assert_eq!(pruned(0.25, 2), Some(1)); // 0.5
        assert_eq!(pruned(0.25, 10), Some(3)); // 2.5
        assert_eq!(pruned(0.24, 10), Some(2));
        assert_eq!(pruned(0.0, 1_000), Some(0));
        assert_eq!(pruned(0.9, 0), Some(0));
        assert_eq!(pruned(0.9, 266_200), Some(239_580));
    }

    #[test]
    fn what_remains_counts_what_is_gone_already() {
        // 20 % of the 80 that remain of 100: 20 gone and 16 more.
        assert_eq!(Target::OfRemaining(0.2).pruned_of(100, 80), Some(36));
        assert_eq!(Target::OfRemaining(0.2).pruned_of(100, 0), Some(100));
        assert_eq!(
            Target::OfRemaining(0.2).exact_pruned_of(100, 81),
            Some(35.2)
        );
    }

    #[test]
    fn thresholds_ask_for_no_number() {
        assert_eq!(Target::Count(7).pruned_of(10, 10), Some(7));
        assert_eq!(Target::Threshold(0.1).pruned_of(10, 10), None);
        let band = Target::Band {
            low: 0.1,
            high: 0.2,
        };
        assert_eq!(band.pruned_of(10, 10), None);
        assert_eq!(band.exact_pruned_of(10, 10), None);
    }

    #[test]
    fn a_rate_scales_every_kind() {
        assert_eq!(Target::Sparsity(0.5).scaled(0.5), Target::Sparsity(0.25));
        assert_eq!(
            Target::OfRemaining(0.2).scaled(0.5),
            Target::OfRemaining(0.1)
        );
        assert_eq!(Target::Count(5).scaled(0.5), Target::Count(3));
        assert_eq!(Target::Threshold(2.0).scaled(0.5), Target::Threshold(1.0));
    }

    #[test]
    fn bad_numbers_are_named() {
        let message = |target: Target| target.check().unwrap_err().to_string();
        assert!(message(Target::Sparsity(90.0)).contains("write 0.9"));
        assert!(message(Target::Sparsity(f64::NAN)).contains("`sparsity` is NaN"));
        assert!(message(Target::OfRemaining(1.0)).contains("`share of what remains`"));
        assert!(message(Target::Threshold(f32::NAN)).contains("`threshold` is NaN"));
        let upside_down = Target::Band {
            low: 2.0,
            high: 1.0,
        };
        assert!(message(upside_down).contains("swap the two"));
        let unbounded = Target::Band {
            low: 0.0,
            high: f32::INFINITY,
        };
        assert!(message(unbounded).contains("`band's high`"));
        assert_eq!(Target::Sparsity(0.0).check(), Ok(()));
        assert_eq!(Target::Count(usize::MAX).check(), Ok(()));
    }

    #[test]
    fn serialises_by_name() {
        let json = serde_json::to_string(&Target::Sparsity(0.9)).unwrap();
        assert_eq!(json, r#"{"sparsity":0.9}"#);
    }
}
