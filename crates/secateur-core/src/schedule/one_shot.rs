//! Everything at once.

use serde::{Deserialize, Serialize};

use super::Schedule;
use crate::error::PruneError;
use crate::params::ParamInfo;
use crate::target::Target;

/// Prunes once, at one step.
///
/// ```
/// # use secateur_core::{schedule::{OneShot, Schedule}, target::Target};
/// let after_training = OneShot::new(0.9).at(10_000);
/// assert!(after_training.is_due(10_000) && !after_training.is_due(10_001));
/// let weak = OneShot::of(Target::Threshold(1e-3));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct OneShot {
    target: Target,
    step: usize,
}

impl OneShot {
    /// Prunes to `sparsity` at step 0.
    pub fn new(sparsity: f64) -> Self {
        Self::of(Target::Sparsity(sparsity))
    }

    /// Prunes to any target at step 0: a count or a share of each parameter, a threshold.
    pub fn of(target: Target) -> Self {
        Self { target, step: 0 }
    }

    /// Prunes at this step instead.
    #[must_use]
    pub fn at(self, step: usize) -> Self {
        Self { step, ..self }
    }
}

impl Schedule for OneShot {
    fn is_due(&self, step: usize) -> bool {
        step == self.step
    }

    /// 0 before the step, and throughout if the target is neither a sparsity nor a share.
    fn sparsity_at(&self, step: usize) -> f64 {
        match self.target {
            Target::Sparsity(share) | Target::OfRemaining(share) if step >= self.step => share,
            _ => 0.0,
        }
    }

    fn last_step(&self) -> Option<usize> {
        Some(self.step)
    }

    fn check(&self) -> Result<(), PruneError> {
        self.target.check()
    }

    fn target(&self, _step: usize, _param: &ParamInfo) -> Target {
        self.target
    }

    fn final_sparsity(&self) -> Option<f64> {
        match self.target {
            Target::Sparsity(sparsity) => Some(sparsity),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prunes_at_its_step_only() {
        let schedule = OneShot::new(0.9).at(7);
        let due: Vec<_> = (0..20).filter(|&step| schedule.is_due(step)).collect();
        assert_eq!(due, [7]);
        assert_eq!([6, 7, 8].map(|s| schedule.sparsity_at(s)), [0.0, 0.9, 0.9]);
        assert!(OneShot::new(0.5).is_due(0));
    }

    #[test]
    fn asks_for_any_target() {
        let param = ParamInfo::default();
        let schedule = OneShot::of(Target::Threshold(0.1));
        assert_eq!(schedule.target(0, &param), Target::Threshold(0.1));
        assert_eq!(schedule.final_sparsity(), None);
        assert_eq!(schedule.sparsity_at(0), 0.0);
        assert!(OneShot::new(90.0).check().is_err());
        assert!(OneShot::of(Target::Threshold(f32::NAN)).check().is_err());
    }
}
