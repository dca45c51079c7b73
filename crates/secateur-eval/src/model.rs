//! One trained model's results: what a population is made of.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::EvalError;
use crate::level::Level;
use crate::predictions::{Hits, Predictions};

/// A corruption of the inputs and how strong it was.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Condition {
    /// What was done to the inputs.
    pub corruption: String,
    /// From 1 to 5.
    pub severity: u8,
}

impl std::fmt::Display for Condition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.corruption, self.severity)
    }
}

/// Everything that is kept of one model: whose it is, what it answered on clean inputs, and which
/// examples it got right on corrupted ones.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelResult {
    pub(crate) level: Level,
    pub(crate) seed: u64,
    pub(crate) clean: Predictions,
    pub(crate) corrupted: BTreeMap<Condition, Hits>,
    pub(crate) facts: BTreeMap<String, f64>,
}

impl ModelResult {
    /// A model by the level it was pruned to, the seed that decided everything about it, and its
    /// answers on the clean test set.
    #[must_use]
    pub fn new(level: Level, seed: u64, clean: Predictions) -> Self {
        Self {
            level,
            seed,
            clean,
            corrupted: BTreeMap::new(),
            facts: BTreeMap::new(),
        }
    }

    /// Adds the answers on a corrupted copy of the same test set.
    ///
    /// # Errors
    ///
    /// If the severity is not from 1 to 5, or the test set is another.
    pub fn with_corrupted(
        mut self,
        corruption: impl Into<String>,
        severity: u8,
        predictions: &Predictions,
    ) -> Result<Self, EvalError> {
        let corruption = corruption.into();
        if !(1..=5).contains(&severity) {
            return Err(EvalError::setting("severity", severity, "give 1 to 5"));
        }
        if predictions.test_set != self.clean.test_set {
            return Err(EvalError::UnequalTestSets {
                first: self.to_string(),
                first_sum: self.clean.test_set,
                second: format!("its answers under {corruption}"),
                second_sum: predictions.test_set,
            });
        }
        let condition = Condition {
            corruption,
            severity,
        };
        self.corrupted.insert(condition, predictions.hits());
        Ok(self)
    }

    /// Adds a number worth keeping: parameters, sparsity reached, seconds.
    ///
    /// # Errors
    ///
    /// If it is NaN or infinite.
    pub fn with_fact(mut self, name: impl Into<String>, value: f64) -> Result<Self, EvalError> {
        let name = name.into();
        crate::error::check_finite(&name, &[value])?;
        self.facts.insert(name, value);
        Ok(self)
    }

    /// The level it was pruned to.
    #[must_use]
    pub fn level(&self) -> &Level {
        &self.level
    }

    /// Its seed.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Its answers on clean inputs.
    #[must_use]
    pub fn clean(&self) -> &Predictions {
        &self.clean
    }

    /// Which examples it got right, by corruption.
    #[must_use]
    pub fn corrupted(&self) -> &BTreeMap<Condition, Hits> {
        &self.corrupted
    }

    /// Numbers that were kept with it.
    #[must_use]
    pub fn facts(&self) -> &BTreeMap<String, f64> {
        &self.facts
    }
}

impl std::fmt::Display for ModelResult {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "seed {} of level `{}`", self.seed, self.level)
    }
}
