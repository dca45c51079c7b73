//! How much is pruned at which step.
//!
//! A [`Schedule`] answers two questions: is a step due, and what does it ask of a parameter
//! ([`Target`]). The gradual ones ([`Linear`], [`Cubic`], [`Exponential`], [`Cosine`]) walk from
//! an initial to a final sparsity over a [`Window`] of steps; [`OneShot`] prunes once,
//! [`Iterative`] in rounds, [`FnSchedule`] as a closure says; [`PerParameterRate`] slows any of
//! them down for some parameters.

mod function;
mod gradual;
mod iterative;
mod one_shot;
mod rate;
mod window;

use std::any::Any;
use std::fmt::Debug;

pub use function::FnSchedule;
pub use gradual::{
    Cosine, CosineCurve, Cubic, CubicCurve, Curve, Exponential, ExponentialCurve, Gradual, Linear,
    LinearCurve,
};
pub use iterative::Iterative;
pub use one_shot::OneShot;
pub use rate::PerParameterRate;
pub use window::Window;

use crate::error::PruneError;
use crate::params::ParamInfo;
use crate::path_pattern::PathPattern;
use crate::target::Target;

/// How much is pruned at which step.
///
/// A schedule is a pure function of the step: it keeps no state, so that a run which resumes from
/// a checkpoint prunes as one that never stopped.
///
/// Three methods are required; a schedule that asks for something other than a sparsity also says
/// so in [`target`](Self::target).
pub trait Schedule: Any + Debug + Send + Sync {
    /// Whether to prune at `step`. Never true outside the schedule's window, always true at its
    /// last step.
    fn is_due(&self, step: usize) -> bool;

    /// The sparsity reached at `step`, for plots and reports: 0 before the window, the final one
    /// after it.
    fn sparsity_at(&self, step: usize) -> f64;

    /// The last step at which anything is pruned; `None` if there is no end.
    fn last_step(&self) -> Option<usize>;

    /// Checks the settings, once, before the first step.
    ///
    /// # Errors
    ///
    /// [`PruneError::InvalidSetting`] names the setting at fault and what to write instead. Unless
    /// overridden nothing is checked; each [`Target`] is checked when it is asked for anyway.
    fn check(&self) -> Result<(), PruneError> {
        Ok(())
    }

    /// What the schedule asks of `param` at `step`, given that the step is due.
    fn target(&self, step: usize, param: &ParamInfo) -> Target {
        let _ = param;
        Target::Sparsity(self.sparsity_at(step))
    }

    /// What the schedule asks of a parameter that is pruned at `rate`, in [0, 1], times the speed
    /// of the others. Unless a schedule knows better, its target times `rate`.
    fn target_at_rate(&self, step: usize, param: &ParamInfo, rate: f64) -> Target {
        self.target(step, param).scaled(rate)
    }

    /// The sparsity after the last step, of which rules per parameter take their share; `None` if
    /// the schedule has no end or does not ask for a sparsity.
    fn final_sparsity(&self) -> Option<f64> {
        self.last_step().map(|step| self.sparsity_at(step))
    }

    /// Whether what is asked never decreases.
    fn is_monotone(&self) -> bool {
        true
    }

    /// The patterns that this schedule names parameters by; each has to match one.
    fn path_patterns(&self) -> Vec<&PathPattern> {
        Vec::new()
    }
}

impl<S: Schedule + ?Sized> Schedule for Box<S> {
    fn is_due(&self, step: usize) -> bool {
        (**self).is_due(step)
    }

    fn sparsity_at(&self, step: usize) -> f64 {
        (**self).sparsity_at(step)
    }

    fn last_step(&self) -> Option<usize> {
        (**self).last_step()
    }

    fn check(&self) -> Result<(), PruneError> {
        (**self).check()
    }

    fn target(&self, step: usize, param: &ParamInfo) -> Target {
        (**self).target(step, param)
    }

    fn target_at_rate(&self, step: usize, param: &ParamInfo, rate: f64) -> Target {
        (**self).target_at_rate(step, param, rate)
    }

    fn final_sparsity(&self) -> Option<f64> {
        (**self).final_sparsity()
    }

    fn is_monotone(&self) -> bool {
        (**self).is_monotone()
    }

    fn path_patterns(&self) -> Vec<&PathPattern> {
        (**self).path_patterns()
    }
}
