//! What RigL and SET share: a random sparse start, then exchanges at a constant sparsity.

use secateur_core::error::PruneError;
use secateur_core::magnitude::{Magnitude, Random};
use secateur_core::schedule::Linear;
use secateur_core::scorer::{ImportanceScorer, ScoreContext};
use serde::{Deserialize, Serialize};

/// The step at which the random mask is made.
pub(crate) const START: usize = 0;

/// Chance at step 0, `|w|` afterwards: the first pruning makes a random mask with the allocation's
/// counts, every later one drops the weakest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RandomStart;

impl ImportanceScorer for RandomStart {
    fn score(&self, ctx: &ScoreContext<'_>) -> Result<Vec<f32>, PruneError> {
        match ctx.step() {
            START => Random.score(ctx),
            _ => Magnitude::l1().score(ctx),
        }
    }
}

/// `sparsity` at step 0 and at every `every`-th step *before* `until`.
pub(crate) fn exchanges(sparsity: f64, every: usize, until: usize) -> Linear {
    // An `every` of 0 is left for the schedule's own check to refuse.
    let intervals = until.saturating_sub(1).checked_div(every).unwrap_or(0);
    Linear::new(sparsity)
        .starting_from(sparsity)
        .between(START..=intervals * every)
        .every(every)
}

#[cfg(test)]
mod tests {
    use secateur_core::schedule::Schedule;

    use super::*;

    #[test]
    fn exchanges_end_before_the_last_step() {
        let due = |every, until| {
            let schedule = exchanges(0.9, every, until);
            assert_eq!(schedule.check(), Ok(()));
            assert!((0..50).all(|step| schedule.sparsity_at(step) == 0.9));
            (0..50)
                .filter(|&step| schedule.is_due(step))
                .collect::<Vec<_>>()
        };
        assert_eq!(due(10, 30), [0, 10, 20]);
        assert_eq!(due(10, 31), [0, 10, 20, 30]);
        assert_eq!(due(10, 9), [0]);
        assert_eq!(due(10, 0), [0]);
        assert!(exchanges(0.9, 0, 30).check().is_err());
    }
}
