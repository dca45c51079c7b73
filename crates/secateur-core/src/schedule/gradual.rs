//! Schedules that walk from an initial to a final sparsity over a window of steps.

use std::fmt;
use std::marker::PhantomData;
use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use super::{Schedule, Window};
use crate::error::PruneError;

/// The shape of a gradual schedule between its initial and its final sparsity.
pub trait Curve: Send + Sync + 'static {
    /// The schedule's name in `Debug`.
    const NAME: &'static str;

    /// The sparsity at `progress` in [0, 1] on the way from `initial` to `goal`. At 0 it is
    /// `initial`, at 1 it is `goal`, and in between it never decreases.
    fn sparsity(initial: f64, goal: f64, progress: f64) -> f64;
}

/// Declares a curve and the schedule that follows it.
macro_rules! curve {
    ($(#[$doc:meta])* $schedule:ident, $curve:ident, $formula:expr) => {
        #[doc = concat!("The curve of [`", stringify!($schedule), "`].")]
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $curve;

        impl Curve for $curve {
            const NAME: &'static str = stringify!($schedule);

            fn sparsity(initial: f64, goal: f64, progress: f64) -> f64 {
                let formula: fn(f64, f64, f64) -> f64 = $formula;
                formula(initial, goal, progress)
            }
        }

        $(#[$doc])*
        pub type $schedule = Gradual<$curve>;
    };
}

curve! {
    /// `s = s_f + (s_i - s_f)·(1 - u)`: the same number of units at each step.
    Linear, LinearCurve, |s_i, s_f, u| s_f + (s_i - s_f) * (1.0 - u)
}

curve! {
    /// `s = s_f + (s_i - s_f)·(1 - u)³`: fast while there is much to spare, slow towards the end
    /// (Zhu and Gupta 2017, *To prune, or not to prune*).
    Cubic, CubicCurve, |s_i, s_f, u| s_f + (s_i - s_f) * (1.0 - u).powi(3)
}

curve! {
    /// `1 - s = (1 - s_i)^(1-u) · (1 - s_f)^u`: the same share of what remains at each step; from
    /// dense, `s = 1 - (1 - s_f)^u` (the rounds of SynFlow, Tanaka et al. 2020).
    Exponential, ExponentialCurve,
    |s_i, s_f, u| 1.0 - (1.0 - s_i).powf(1.0 - u) * (1.0 - s_f).powf(u)
}

curve! {
    /// `s = s_f + (s_i - s_f)·(1 + cos(π·u))/2`: slow at both ends.
    Cosine, CosineCurve,
    |s_i, s_f, u| s_f + (s_i - s_f) * (1.0 + (std::f64::consts::PI * u).cos()) / 2.0
}

/// A schedule that follows a [`Curve`] from an initial to a final sparsity over a [`Window`].
///
/// Used under the names [`Linear`], [`Cubic`], [`Exponential`] and [`Cosine`]:
///
/// ```
/// # use secateur_core::schedule::{Cubic, Schedule};
/// let schedule = Cubic::new(0.9).between(500..=4_000).every(100);
/// schedule.check()?;
/// assert_eq!(schedule.sparsity_at(4_000), 0.9);
/// # Ok::<(), secateur_core::error::PruneError>(())
/// ```
#[derive(Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Gradual<C: Curve> {
    initial: f64,
    #[serde(rename = "final")]
    goal: f64,
    window: Window,
    #[serde(skip)]
    curve: PhantomData<C>,
}

impl<C: Curve> Gradual<C> {
    /// From nothing pruned to the sparsity `goal`. The window is still to be given, by
    /// [`between`](Self::between).
    pub fn new(goal: f64) -> Self {
        Self {
            initial: 0.0,
            goal,
            window: Window::unset(),
            curve: PhantomData,
        }
    }

    /// From the first to the last step of `steps`, at which the final sparsity is reached.
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

    /// Starts from this sparsity, which the window's first step prunes to. The default is 0.
    #[must_use]
    pub fn starting_from(mut self, initial: f64) -> Self {
        self.initial = initial;
        self
    }

    /// The steps over which this schedule prunes.
    pub fn window(&self) -> &Window {
        &self.window
    }
}

impl<C: Curve> Schedule for Gradual<C> {
    fn is_due(&self, step: usize) -> bool {
        self.window.is_due(step)
    }

    fn sparsity_at(&self, step: usize) -> f64 {
        if self.window.is_ahead(step) {
            return 0.0;
        }
        match self.window.progress(step) {
            // Exactly what was asked for, whatever the curve rounds to.
            1.0 => self.goal,
            u => {
                let sparsity = C::sparsity(self.initial, self.goal, u);
                sparsity.max(self.initial).min(self.goal)
            }
        }
    }

    fn last_step(&self) -> Option<usize> {
        self.window.end()
    }

    fn check(&self) -> Result<(), PruneError> {
        PruneError::check_sparsity("final sparsity", self.goal)?;
        PruneError::check_sparsity("initial sparsity", self.initial)?;
        if self.initial > self.goal {
            return Err(PruneError::invalid(
                "initial sparsity",
                self.initial,
                format!("at most the final sparsity, {}", self.goal),
                "lower it; a schedule that gives weights back is a \
                 `FnSchedule::new(..).may_decrease()`",
            ));
        }
        self.window.check()
    }
}

// Written out because a derive would ask the curve for the same traits.

impl<C: Curve> Clone for Gradual<C> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<C: Curve> Copy for Gradual<C> {}

impl<C: Curve> PartialEq for Gradual<C> {
    fn eq(&self, other: &Self) -> bool {
        (self.initial, self.goal, self.window) == (other.initial, other.goal, other.window)
    }
}

impl<C: Curve> fmt::Debug for Gradual<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(C::NAME)
            .field("initial", &self.initial)
            .field("final", &self.goal)
            .field("window", &self.window)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_abs_diff_eq;
    use proptest::prelude::*;

    fn at<C: Curve>(schedule: Gradual<C>, steps: [usize; 4]) -> [f64; 4] {
        steps.map(|step| schedule.sparsity_at(step))
    }

    #[test]
    fn follows_the_published_curves() {
        // Window 100..=300, from 0 to 0.8, at u = 1/4, 1/2, 3/4 and 1. By hand:
        //   linear       0.8·u                  = 0.2, 0.4, 0.6, 0.8
        //   cubic        0.8·(1 - (1-u)³)       = 0.8·(1 - 27/64), 0.8·(1 - 1/8), 0.8·(1 - 1/64)
        //   exponential  1 - 0.2^u              = 1 - 0.6687403, 1 - √0.2, 1 - 0.2990698
        //   cosine       0.8·(1 - cos(πu))/2    = 0.4·(1 - √½), 0.4, 0.4·(1 + √½)
        let steps = [150, 200, 250, 300];
        let near = |got: [f64; 4], want: [f64; 4]| {
            for (got, want) in got.into_iter().zip(want) {
                assert_abs_diff_eq!(got, want, epsilon = 1e-7);
            }
        };
        near(
            at(Linear::new(0.8).between(100..=300), steps),
            [0.2, 0.4, 0.6, 0.8],
        );
        near(
            at(Cubic::new(0.8).between(100..=300), steps),
            [0.4625, 0.7, 0.7875, 0.8],
        );
        near(
            at(Exponential::new(0.8).between(100..=300), steps),
            [0.3312597, 0.5527864, 0.7009302, 0.8],
        );
        near(
            at(Cosine::new(0.8).between(100..=300), steps),
            [0.1171573, 0.4, 0.6828427, 0.8],
        );
    }

    #[test]
    fn starts_from_an_initial_sparsity() {
        // From 0.36 to 0.84 half way: densities 0.64 and 0.16 have the geometric mean 0.32, the
        // other curves are at 0.84 - 0.48·w with w = 1/2, 1/8, 1/2.
        let half = |sparsity: f64, want: f64| assert_abs_diff_eq!(sparsity, want, epsilon = 1e-12);
        let window = 10..=20;
        half(
            Linear::new(0.84)
                .starting_from(0.36)
                .between(window.clone())
                .sparsity_at(15),
            0.6,
        );
        half(
            Cubic::new(0.84)
                .starting_from(0.36)
                .between(window.clone())
                .sparsity_at(15),
            0.78,
        );
        half(
            Exponential::new(0.84)
                .starting_from(0.36)
                .between(window.clone())
                .sparsity_at(15),
            0.68,
        );
        let cosine = Cosine::new(0.84).starting_from(0.36).between(window);
        half(cosine.sparsity_at(15), 0.6);
        assert_eq!(cosine.sparsity_at(10), 0.36);
        assert_eq!(cosine.sparsity_at(9), 0.0);
        assert_eq!(cosine.sparsity_at(21), 0.84);
    }

    #[test]
    fn zhu_and_guptas_first_steps() {
        // s_f = 0.5, 20 steps, u = 10/20: 0.5·(1 - 1/8); JaxPruner's test has the same 0.4375.
        let schedule = Cubic::new(0.5).between(0..=20).every(5);
        assert_eq!(schedule.sparsity_at(10), 0.4375);
    }

    #[test]
    fn bad_settings_name_themselves_and_the_remedy() {
        let window = 0..=10;
        let message = |schedule: Cubic| schedule.check().unwrap_err().to_string();
        let percent = message(Cubic::new(90.0).between(window.clone()));
        assert!(percent.contains("`final sparsity` is 90"), "{percent}");
        assert!(percent.contains("write 0.9"), "{percent}");
        assert!(message(Cubic::new(f64::NAN).between(window.clone())).contains("NaN"));
        let above = Cubic::new(0.5).starting_from(0.6).between(window.clone());
        assert!(message(above).contains("may_decrease"));
        let negative = Cubic::new(0.5).starting_from(-0.1).between(window.clone());
        assert!(message(negative).contains("`initial sparsity`"));
        assert!(message(Cubic::new(0.5)).contains("`window` is unset"));
        assert!(message(Cubic::new(0.5).between(window.clone()).every(0)).contains("`every` is 0"));
        assert_eq!(Cubic::new(0.0).between(window).check(), Ok(()));
    }

    #[test]
    fn prints_and_serialises_under_its_own_name() {
        let schedule = Cosine::new(0.9).between(5..=50).every(5);
        assert!(format!("{schedule:?}").starts_with("Cosine {"));
        let json = serde_json::to_string(&schedule).unwrap();
        assert_eq!(
            json,
            r#"{"initial":0.0,"final":0.9,"window":{"start":5,"end":50,"every":5}}"#
        );
        assert_eq!(serde_json::from_str::<Cosine>(&json).unwrap(), schedule);
    }

    fn monotone_and_final<C: Curve>(
        initial: f64,
        goal: f64,
        start: usize,
        length: usize,
    ) -> Result<(), TestCaseError> {
        let end = start + length;
        let schedule = Gradual::<C>::new(goal)
            .starting_from(initial)
            .between(start..=end);
        prop_assert_eq!(schedule.check(), Ok(()));
        let mut last = 0.0;
        for step in 0..end + 3 {
            let sparsity = schedule.sparsity_at(step);
            prop_assert!((0.0..1.0).contains(&sparsity));
            prop_assert!(sparsity >= last, "{:?} falls at {}", schedule, step);
            prop_assert!(step >= start || sparsity == 0.0);
            prop_assert!(step < end || sparsity == goal);
            last = sparsity;
        }
        prop_assert!(schedule.is_due(end));
        prop_assert_eq!(schedule.final_sparsity(), Some(goal));
        Ok(())
    }

    proptest! {
        #[test]
        fn every_curve_is_monotone_and_ends_where_it_should(
            a in 0.0..1.0_f64, b in 0.0..1.0_f64, start in 0..50_usize, length in 0..200_usize,
        ) {
            let (initial, goal) = (a.min(b), a.max(b));
            monotone_and_final::<LinearCurve>(initial, goal, start, length)?;
            monotone_and_final::<CubicCurve>(initial, goal, start, length)?;
            monotone_and_final::<ExponentialCurve>(initial, goal, start, length)?;
            monotone_and_final::<CosineCurve>(initial, goal, start, length)?;
        }
    }
}
