//! Rounds that each prune the same share of what remains.

use serde::{Deserialize, Serialize};

use super::Schedule;
use crate::error::PruneError;
use crate::params::ParamInfo;
use crate::target::Target;

/// Rounds that each prune the same share `p` of what remains, so that `(1 - p)^k` is kept after
/// `k` rounds: iterative magnitude pruning (Han et al. 2015; Frankle and Carbin 2019).
///
/// A round is a step unless [`every`](Self::every) says how many steps lie between two. What is
/// asked is computed from the round's number and not from what is left, so rounding errors do not
/// add up and a step that is repeated prunes nothing more.
///
/// Under a [`PerParameterRate`](super::PerParameterRate) `r` a round prunes the share `r·p`: the
/// lottery ticket's half rate for the output layer.
///
/// ```
/// # use secateur_core::schedule::{Iterative, Schedule};
/// let tickets = Iterative::of_remaining(0.2, 3).every(1_000);
/// assert!((tickets.sparsity_at(1_000) - 0.36).abs() < 1e-12);
/// assert_eq!(tickets.last_step(), Some(2_000));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Iterative {
    plan: Plan,
    rounds: usize,
    first: usize,
    every: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Plan {
    /// The sparsity after the last round.
    Final(f64),
    /// The share of what remains that a round prunes.
    OfRemaining(f64),
}

impl Iterative {
    /// As many rounds, the last of which reaches the sparsity `goal`.
    pub fn new(goal: f64, rounds: usize) -> Self {
        Self::planned(Plan::Final(goal), rounds)
    }

    /// As many rounds, each of which prunes the share `share` of what remains.
    pub fn of_remaining(share: f64, rounds: usize) -> Self {
        Self::planned(Plan::OfRemaining(share), rounds)
    }

    fn planned(plan: Plan, rounds: usize) -> Self {
        Self {
            plan,
            rounds,
            first: 0,
            every: 1,
        }
    }

    /// The step of the first round. The default is 0.
    #[must_use]
    pub fn starting_at(self, step: usize) -> Self {
        Self {
            first: step,
            ..self
        }
    }

    /// The number of steps from one round to the next. The default is 1.
    #[must_use]
    pub fn every(self, steps: usize) -> Self {
        Self {
            every: steps,
            ..self
        }
    }

    /// Rounds over once `step` has been pruned at.
    fn rounds_by(&self, step: usize) -> usize {
        match step.checked_sub(self.first) {
            None => 0,
            Some(since) => {
                let later = since.checked_div(self.every).unwrap_or(0);
                later.saturating_add(1).min(self.rounds)
            }
        }
    }

    /// The sparsity after `rounds` rounds at `rate` times the share.
    fn after(&self, rounds: usize, rate: f64) -> f64 {
        if rounds == 0 {
            return 0.0;
        }
        let share = match self.plan {
            // Exactly what was asked for, whatever the powers round to.
            Plan::Final(goal) if rate == 1.0 && rounds == self.rounds => return goal,
            Plan::Final(goal) => 1.0 - (1.0 - goal).powf(1.0 / self.rounds as f64),
            Plan::OfRemaining(share) => share,
        };
        1.0 - (1.0 - rate * share).powf(rounds as f64)
    }
}

impl Schedule for Iterative {
    fn is_due(&self, step: usize) -> bool {
        let Some(since) = step.checked_sub(self.first) else {
            return false;
        };
        since.checked_rem(self.every) == Some(0) && since / self.every < self.rounds
    }

    fn sparsity_at(&self, step: usize) -> f64 {
        self.after(self.rounds_by(step), 1.0)
    }

    fn target_at_rate(&self, step: usize, _param: &ParamInfo, rate: f64) -> Target {
        Target::Sparsity(self.after(self.rounds_by(step), rate))
    }

    fn last_step(&self) -> Option<usize> {
        let later = self.rounds.checked_sub(1)?.checked_mul(self.every)?;
        self.first.checked_add(later)
    }

    fn check(&self) -> Result<(), PruneError> {
        match self.plan {
            Plan::Final(goal) => PruneError::check_sparsity("final sparsity", goal)?,
            Plan::OfRemaining(share) => PruneError::check_sparsity("share of what remains", share)?,
        };
        if self.rounds == 0 {
            return Err(PruneError::invalid(
                "rounds",
                0,
                "at least 1",
                "pass the number of prunings, e.g. 5",
            ));
        }
        if self.every == 0 {
            return Err(PruneError::invalid(
                "every",
                0,
                "at least 1",
                "pass the number of steps from one round to the next, e.g. `.every(1_000)`",
            ));
        }
        if self.last_step().is_none() {
            return Err(PruneError::invalid(
                "every",
                self.every,
                "small enough for the last round's step to be a number",
                "lower it, or the number of rounds",
            ));
        }
        let sparsity = self.after(self.rounds, 1.0);
        if sparsity >= 1.0 {
            return Err(PruneError::invalid(
                "rounds",
                self.rounds,
                "few enough to leave something",
                "lower it, or the share that a round prunes",
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_abs_diff_eq;
    use proptest::prelude::*;

    #[test]
    fn the_lottery_tickets_rounds() {
        // Frankle and Carbin's P_m after 1, 3, 7, 10 and 15 rounds of 20 %, by hand:
        // 0.8 = 80.0 %, 0.8³ = 51.2 %, 0.8⁷ = 20.97152 %, 0.8¹⁰ = 10.73741824 %,
        // 0.8¹⁵ = 3.5184372 %. (Their 51.3, 21.1 and 3.6 % include the slower output layer.)
        let schedule = Iterative::of_remaining(0.2, 15);
        let kept = [0, 2, 6, 9, 14].map(|step| 1.0 - schedule.sparsity_at(step));
        let want = [0.8, 0.512, 0.209_715_2, 0.107_374_182_4, 0.035_184_372_1];
        for (kept, want) in kept.into_iter().zip(want) {
            assert_abs_diff_eq!(kept, want, epsilon = 1e-10);
        }
        let due: Vec<_> = (0..30).filter(|&step| schedule.is_due(step)).collect();
        assert_eq!(due, (0..15).collect::<Vec<_>>());
    }

    #[test]
    fn a_goal_is_reached_in_equal_shares() {
        // 0.9375 in 4 rounds keeps a half each time: 1/2, 1/4, 1/8, 1/16.
        let schedule = Iterative::new(0.9375, 4).starting_at(10).every(5);
        let steps = [9, 10, 14, 15, 20, 25, 99];
        let got = steps.map(|step| schedule.sparsity_at(step));
        let want = [0.0, 0.5, 0.5, 0.75, 0.875, 0.9375, 0.9375];
        for (got, want) in got.into_iter().zip(want) {
            assert_abs_diff_eq!(got, want, epsilon = 1e-12);
        }
        let due: Vec<_> = (0..40).filter(|&step| schedule.is_due(step)).collect();
        assert_eq!(due, [10, 15, 20, 25]);
        assert_eq!(schedule.last_step(), Some(25));
    }

    #[test]
    fn half_the_rate_halves_the_share_of_a_round() {
        // 10 % instead of 20 %, three rounds: 1 - 0.9³ = 0.271, not half of 1 - 0.8³ = 0.488.
        let schedule = Iterative::of_remaining(0.2, 3);
        let Target::Sparsity(sparsity) = schedule.target_at_rate(2, &ParamInfo::default(), 0.5)
        else {
            panic!("not a sparsity");
        };
        assert_abs_diff_eq!(sparsity, 0.271, epsilon = 1e-12);
    }

    #[test]
    fn bad_settings_name_themselves() {
        let message = |schedule: Iterative| schedule.check().unwrap_err().to_string();
        assert!(message(Iterative::new(90.0, 3)).contains("`final sparsity` is 90"));
        assert!(message(Iterative::of_remaining(20.0, 3)).contains("write 0.2"));
        assert!(message(Iterative::new(0.9, 0)).contains("`rounds` is 0"));
        assert!(message(Iterative::new(0.9, 3).every(0)).contains("`every` is 0"));
        assert!(message(Iterative::new(0.9, 3).every(usize::MAX)).contains("lower it"));
        assert!(message(Iterative::of_remaining(0.9, 1_000)).contains("`rounds` is 1000"));
        assert!(!Iterative::new(0.9, 0).is_due(0));
        assert_eq!(Iterative::new(0.9, 0).sparsity_at(5), 0.0);
    }

    proptest! {
        #[test]
        fn monotone_and_final(
            goal in 0.0..1.0_f64, rounds in 1..20_usize, first in 0..30_usize, every in 1..10_usize,
        ) {
            let schedule = Iterative::new(goal, rounds).starting_at(first).every(every);
            prop_assert_eq!(schedule.check(), Ok(()));
            let last = schedule.last_step().unwrap();
            let sparsities: Vec<_> = (0..last + 5).map(|s| schedule.sparsity_at(s)).collect();
            prop_assert!(sparsities.is_sorted());
            prop_assert_eq!(sparsities[last], goal);
            prop_assert_eq!(sparsities[last + 4], goal);
            prop_assert!(sparsities[..first].iter().all(|&s| s == 0.0));
            prop_assert_eq!((0..last + 50).filter(|&s| schedule.is_due(s)).count(), rounds);
            prop_assert!(schedule.is_due(last));
        }
    }
}
