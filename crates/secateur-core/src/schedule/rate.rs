//! Another speed for some parameters.

use serde::{Deserialize, Serialize};

use super::Schedule;
use crate::error::PruneError;
use crate::params::ParamInfo;
use crate::path_pattern::PathPattern;
use crate::target::Target;

/// A schedule that prunes some parameters at a fraction of the speed.
///
/// The first pattern that matches a parameter's path decides; a parameter that none matches goes
/// at full speed. A rate of 0.5 halves a target's number, and under
/// [`Iterative`](super::Iterative) the share that a round prunes; a rate of 0 spares a parameter.
///
/// ```
/// # use secateur_core::schedule::{Iterative, PerParameterRate};
/// let ticket = PerParameterRate::new(Iterative::of_remaining(0.2, 15)).with("fc3.weight", 0.5)?;
/// # Ok::<(), secateur_core::error::PruneError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PerParameterRate<S> {
    base: S,
    rates: Vec<(PathPattern, f64)>,
}

impl<S: Schedule> PerParameterRate<S> {
    /// `base` at full speed for every parameter.
    pub fn new(base: S) -> Self {
        Self {
            base,
            rates: Vec::new(),
        }
    }

    /// Prunes what `pattern` matches, and no earlier pattern does, at `rate` times the speed.
    ///
    /// # Errors
    ///
    /// [`PruneError::InvalidSetting`] if `pattern` is malformed; `rate` is checked with the rest
    /// of the schedule.
    pub fn with(mut self, pattern: &str, rate: f64) -> Result<Self, PruneError> {
        self.rates.push((PathPattern::new(pattern)?, rate));
        Ok(self)
    }

    fn rate_of(&self, path: &str) -> Option<f64> {
        let rule = self.rates.iter().find(|(pattern, _)| pattern.matches(path));
        rule.map(|&(_, rate)| rate)
    }
}

impl<S: Schedule> Schedule for PerParameterRate<S> {
    fn is_due(&self, step: usize) -> bool {
        self.base.is_due(step)
    }

    /// The sparsity of the parameters that go at full speed.
    fn sparsity_at(&self, step: usize) -> f64 {
        self.base.sparsity_at(step)
    }

    fn last_step(&self) -> Option<usize> {
        self.base.last_step()
    }

    fn check(&self) -> Result<(), PruneError> {
        for (pattern, rate) in &self.rates {
            if !(0.0..=1.0).contains(rate) {
                return Err(PruneError::invalid(
                    format!("rate of {pattern}"),
                    rate,
                    "in [0, 1]",
                    "raise the schedule itself and slow the other parameters down",
                ));
            }
        }
        self.base.check()
    }

    fn target(&self, step: usize, param: &ParamInfo) -> Target {
        match self.rate_of(&param.path) {
            Some(rate) => self.base.target_at_rate(step, param, rate),
            None => self.base.target(step, param),
        }
    }

    fn target_at_rate(&self, step: usize, param: &ParamInfo, rate: f64) -> Target {
        let own = self.rate_of(&param.path).unwrap_or(1.0);
        self.base.target_at_rate(step, param, rate * own)
    }

    fn final_sparsity(&self) -> Option<f64> {
        self.base.final_sparsity()
    }

    fn is_monotone(&self) -> bool {
        self.base.is_monotone()
    }

    fn path_patterns(&self) -> Vec<&PathPattern> {
        let mut patterns = self.base.path_patterns();
        patterns.extend(self.rates.iter().map(|(pattern, _)| pattern));
        patterns
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Cubic, Iterative, OneShot};
    use super::*;
    use approx::assert_abs_diff_eq;

    fn asked<S: Schedule>(schedule: &S, step: usize, path: &str) -> f64 {
        match schedule.target(step, &ParamInfo::new(path, [1, 1, 1])) {
            Target::Sparsity(sparsity) => sparsity,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_lottery_tickets_output_layer_goes_at_half_the_rate() {
        // 266,200 weights of LeNet-300-100, 3 rounds: fc1 and fc2 keep 0.8³ = 51.2 %, fc3 keeps
        // 0.9³ = 72.9 %, together (265,200·0.512 + 1,000·0.729)/266,200 = 51.28 %: the paper's
        // P_m = 51.3 %.
        let schedule = PerParameterRate::new(Iterative::of_remaining(0.2, 3))
            .with("fc3.weight", 0.5)
            .unwrap();
        assert_eq!(schedule.check(), Ok(()));
        let body = asked(&schedule, 2, "fc1.weight");
        let output = asked(&schedule, 2, "fc3.weight");
        assert_abs_diff_eq!(body, 0.488, epsilon = 1e-12);
        assert_abs_diff_eq!(output, 0.271, epsilon = 1e-12);
        let kept = (265_200.0 * (1.0 - body) + 1_000.0 * (1.0 - output)) / 266_200.0;
        assert_abs_diff_eq!(kept, 0.513, epsilon = 5e-4);
    }

    #[test]
    fn the_first_matching_pattern_decides() {
        let schedule = PerParameterRate::new(OneShot::new(0.8))
            .with("head.**", 0.0)
            .and_then(|schedule| schedule.with("**.weight", 0.5))
            .unwrap();
        assert_eq!(asked(&schedule, 0, "head.weight"), 0.0);
        assert_eq!(asked(&schedule, 0, "fc.weight"), 0.4);
        assert_eq!(asked(&schedule, 0, "fc.bias"), 0.8);
        let named: Vec<_> = schedule
            .path_patterns()
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(named, ["head.**", "**.weight"]);
    }

    #[test]
    fn rates_multiply_and_serialise() {
        let base: Box<dyn Schedule> = Box::new(Cubic::new(0.8).between(0..=10));
        let inner = PerParameterRate::new(base).with("fc", 0.5).unwrap();
        let outer = PerParameterRate::new(inner).with("fc", 0.5).unwrap();
        assert_abs_diff_eq!(asked(&outer, 10, "fc"), 0.2, epsilon = 1e-12);
        assert_eq!(asked(&outer, 10, "other"), 0.8);

        let schedule = PerParameterRate::new(OneShot::new(0.8))
            .with("a.*", 0.5)
            .unwrap();
        let json = serde_json::to_string(&schedule).unwrap();
        assert_eq!(
            json,
            r#"{"base":{"target":{"sparsity":0.8},"step":0},"rates":[["a.*",0.5]]}"#
        );
        let back: PerParameterRate<OneShot> = serde_json::from_str(&json).unwrap();
        assert_eq!(back, schedule);
    }

    #[test]
    fn bad_rates_name_their_pattern() {
        for bad in [-0.5, 2.0, f64::NAN] {
            let schedule = PerParameterRate::new(OneShot::new(0.8))
                .with("fc.*", bad)
                .unwrap();
            let message = schedule.check().unwrap_err().to_string();
            assert!(message.contains("`rate of fc.*`"), "{message}");
        }
        assert!(
            PerParameterRate::new(OneShot::new(0.8))
                .with("a..b", 0.5)
                .is_err()
        );
    }
}
