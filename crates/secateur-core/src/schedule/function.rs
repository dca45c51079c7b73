//! A schedule given as a closure.

use std::fmt;
use std::ops::RangeInclusive;

use super::{Schedule, Window};
use crate::error::PruneError;

/// Prunes to whatever sparsity a closure gives for a step, within a window of steps.
///
/// A closure cannot be written to a file; a schedule of your own that should be implements
/// [`Schedule`] and is added to the [`Parts`](crate::parts::Parts).
///
/// ```
/// # use secateur_core::schedule::{FnSchedule, Schedule};
/// let stairs = FnSchedule::new(|step| if step < 500 { 0.5 } else { 0.8 })
///     .between(100..=1_000)
///     .every(100);
/// stairs.check()?;
/// assert_eq!(stairs.sparsity_at(2_000), 0.8);
/// # Ok::<(), secateur_core::error::PruneError>(())
/// ```
#[derive(Clone)]
pub struct FnSchedule<F> {
    sparsity: F,
    window: Window,
    monotone: bool,
}

impl<F: Fn(usize) -> f64 + Send + Sync> FnSchedule<F> {
    /// The sparsity, in [0, 1), for a step. The window is still to be given, by
    /// [`between`](Self::between).
    pub fn new(sparsity: F) -> Self {
        Self {
            sparsity,
            window: Window::unset(),
            monotone: true,
        }
    }

    /// From the first to the last step of `steps`. Outside them the closure is not asked.
    #[must_use]
    pub fn between(mut self, steps: RangeInclusive<usize>) -> Self {
        self.window = self.window.between(steps);
        self
    }

    /// Prunes at every `steps`-th step of the window, and at its last. The default is 1.
    #[must_use]
    pub fn every(mut self, steps: usize) -> Self {
        self.window = self.window.every(steps);
        self
    }

    /// Declares that the sparsity may also fall, which only regrowth can obey.
    #[must_use]
    pub fn may_decrease(mut self) -> Self {
        self.monotone = false;
        self
    }
}

impl<F: Fn(usize) -> f64 + Send + Sync + 'static> Schedule for FnSchedule<F> {
    fn is_due(&self, step: usize) -> bool {
        self.window.is_due(step)
    }

    fn sparsity_at(&self, step: usize) -> f64 {
        match self.window.end() {
            Some(end) if step >= self.window.start() => (self.sparsity)(step.min(end)),
            _ => 0.0,
        }
    }

    fn last_step(&self) -> Option<usize> {
        self.window.end()
    }

    /// Asks the closure at the first and the last step; what it says in between is checked when it
    /// is used.
    fn check(&self) -> Result<(), PruneError> {
        self.window.check()?;
        for step in [Some(self.window.start()), self.window.end()] {
            let step = step.unwrap_or_default();
            let setting = format!("sparsity at step {step}");
            PruneError::check_sparsity(&setting, self.sparsity_at(step))?;
        }
        Ok(())
    }

    fn is_monotone(&self) -> bool {
        self.monotone
    }
}

impl<F> fmt::Debug for FnSchedule<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FnSchedule")
            .field("window", &self.window)
            .field("monotone", &self.monotone)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closure_rules_inside_the_window_only() {
        let schedule = FnSchedule::new(|step| step as f64 / 100.0)
            .between(10..=25)
            .every(10);
        assert_eq!(schedule.check(), Ok(()));
        let sparsities = [9, 10, 20, 25, 99].map(|step| schedule.sparsity_at(step));
        assert_eq!(sparsities, [0.0, 0.1, 0.2, 0.25, 0.25]);
        let due: Vec<_> = (0..99).filter(|&step| schedule.is_due(step)).collect();
        assert_eq!(due, [10, 20, 25]);
        assert_eq!(schedule.final_sparsity(), Some(0.25));
        assert!(schedule.is_monotone() && !schedule.may_decrease().is_monotone());
    }

    #[test]
    fn percents_are_found_at_the_last_step() {
        let schedule = FnSchedule::new(|step| step as f64).between(0..=90);
        let message = schedule.check().unwrap_err().to_string();
        assert!(message.contains("`sparsity at step 90`"), "{message}");
        assert!(FnSchedule::new(|_| 0.5).check().is_err());
    }
}
