//! The steps over which a gradual schedule prunes.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use crate::error::PruneError;

/// A first step, a last step, and how many steps lie between two prunings.
///
/// Due are the first step, every `every`-th after it, and always the last, even if `every` does
/// not divide the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Window {
    start: usize,
    end: Option<usize>,
    every: usize,
}

impl Window {
    /// The window from the first step of `steps` to the last, due at each step.
    pub fn new(steps: RangeInclusive<usize>) -> Self {
        Self {
            start: *steps.start(),
            end: Some(*steps.end()),
            every: 1,
        }
    }

    /// A window still without steps: never due, and refused by [`check`](Self::check).
    pub fn unset() -> Self {
        Self {
            start: 0,
            end: None,
            every: 1,
        }
    }

    /// The same frequency between other steps.
    #[must_use]
    pub fn between(self, steps: RangeInclusive<usize>) -> Self {
        Self {
            every: self.every,
            ..Self::new(steps)
        }
    }

    /// The same steps at another frequency.
    #[must_use]
    pub fn every(self, every: usize) -> Self {
        Self { every, ..self }
    }

    /// The first step.
    pub fn start(&self) -> usize {
        self.start
    }

    /// The last step; `None` while the window is unset.
    pub fn end(&self) -> Option<usize> {
        self.end
    }

    /// Steps between two prunings.
    pub fn frequency(&self) -> usize {
        self.every
    }

    /// Whether `step` is one to prune at.
    pub fn is_due(&self, step: usize) -> bool {
        let Some(end) = self.end else { return false };
        // No frequency of zero reaches a run: `check` refuses it. It must not panic all the same.
        let regular = || (step - self.start).checked_rem(self.every) == Some(0);
        (self.start..=end).contains(&step) && (step == end || regular())
    }

    /// How far `step` is into the window: 0 at its first step and before, 1 at its last step and
    /// after. A window of one step is over at that step; an unset one never begins.
    pub fn progress(&self, step: usize) -> f64 {
        match self.end {
            None => 0.0,
            Some(end) if step >= end => 1.0,
            Some(_) if step <= self.start => 0.0,
            Some(end) => (step - self.start) as f64 / (end - self.start) as f64,
        }
    }

    /// Whether `step` comes before the window.
    pub fn is_ahead(&self, step: usize) -> bool {
        self.end.is_none() || step < self.start
    }

    /// Checks the window.
    ///
    /// # Errors
    ///
    /// [`PruneError::InvalidSetting`] if the steps were never given, if the last comes before the
    /// first, or if `every` is 0.
    pub fn check(&self) -> Result<(), PruneError> {
        let Some(end) = self.end else {
            return Err(PruneError::invalid(
                "window",
                "unset",
                "a range of steps",
                "say when to prune, e.g. `.between(500..=4_000)`",
            ));
        };
        if end < self.start {
            return Err(PruneError::invalid(
                "window",
                format!("{}..={end}", self.start),
                "a range that ends at or after its start",
                format!("write `.between({end}..={})`", self.start),
            ));
        }
        if self.every == 0 {
            return Err(PruneError::invalid(
                "every",
                0,
                "at least 1",
                "pass the number of steps from one pruning to the next, e.g. `.every(100)`",
            ));
        }
        Ok(())
    }
}

impl Default for Window {
    fn default() -> Self {
        Self::unset()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_last_step_is_due_even_if_the_frequency_does_not_divide() {
        let window = Window::new(500..=4_050).every(100);
        let due: Vec<_> = (0..5_000).filter(|&step| window.is_due(step)).collect();
        assert_eq!(due.len(), 37); // 500, 600, .., 4000 and 4050
        assert_eq!(due[..2], [500, 600]);
        assert_eq!(due[35..], [4_000, 4_050]);
    }

    #[test]
    fn progress_runs_from_zero_to_one() {
        let window = Window::new(100..=300);
        let progress = [0, 100, 150, 200, 300, 999].map(|step| window.progress(step));
        assert_eq!(progress, [0.0, 0.0, 0.25, 0.5, 1.0, 1.0]);
        assert_eq!(Window::new(7..=7).progress(7), 1.0);
        assert_eq!(Window::new(7..=7).progress(6), 0.0);
    }

    #[test]
    fn bad_windows_name_the_setting_and_the_remedy() {
        let message = |window: Window| window.check().unwrap_err().to_string();
        assert!(message(Window::unset()).contains(".between(500..=4_000)"));
        #[expect(clippy::reversed_empty_ranges)]
        let backwards = Window::new(9..=3);
        assert!(message(backwards).contains("`window` is 9..=3"));
        assert!(message(backwards).contains(".between(3..=9)"));
        assert!(message(Window::new(3..=9).every(0)).contains("`every` is 0"));
        assert_eq!(Window::new(3..=3).check(), Ok(()));
        // Unchecked they are still harmless.
        assert!(!Window::unset().is_due(0));
        assert!((0..20).all(|step| !backwards.is_due(step)));
        assert!(!Window::new(3..=9).every(0).is_due(3));
    }

    proptest! {
        #[test]
        fn nothing_is_due_outside(
            start in 0..500_usize, length in 0..500_usize, every in 1..600_usize, step in 0..1_500_usize,
        ) {
            let end = start + length;
            let window = Window::new(start..=end).every(every);
            let expected = step == end
                || (step >= start && step < end && (step - start).is_multiple_of(every));
            prop_assert_eq!(window.is_due(step), expected);
        }
    }
}
