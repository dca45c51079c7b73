//! How far a population was pruned.

use serde::{Deserialize, Serialize};

use crate::error::EvalError;

/// What a population is to the analysis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Models that were not pruned: what all others are compared with.
    Dense,
    /// More models that were not pruned, with other seeds: what the comparison finds where there
    /// is nothing to find (A/A).
    Control,
    /// Pruned models.
    Pruned,
}

/// A level of pruning: what all models of a population have in common.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Level {
    name: String,
    kind: Kind,
    sparsity: f64,
}

impl Level {
    /// The dense models.
    #[must_use]
    pub fn dense() -> Self {
        Self {
            name: "dense".into(),
            kind: Kind::Dense,
            sparsity: 0.0,
        }
    }

    /// The second population of dense models (A/A).
    #[must_use]
    pub fn control() -> Self {
        Self {
            name: "A/A".into(),
            kind: Kind::Control,
            sparsity: 0.0,
        }
    }

    /// Models pruned to a sparsity in (0, 1), called "90 %" for 0.9.
    ///
    /// # Errors
    ///
    /// If the sparsity is not between 0 and 1.
    pub fn pruned(sparsity: f64) -> Result<Self, EvalError> {
        // Rounded, for 0.55 * 100 is 55.00000000000001.
        let percent = (sparsity * 1e8).round() / 1e6;
        Self::named(format!("{percent} %"), sparsity)
    }

    /// Pruned models under a name of their own: one method of several, say.
    ///
    /// # Errors
    ///
    /// If the sparsity is not between 0 and 1, or the name is empty.
    pub fn named(name: impl Into<String>, sparsity: f64) -> Result<Self, EvalError> {
        let level = Self {
            name: name.into(),
            kind: Kind::Pruned,
            sparsity,
        };
        level.check()?;
        Ok(level)
    }

    /// Everything that a level must fulfil; also asked of one that was read from a file.
    pub(crate) fn check(&self) -> Result<(), EvalError> {
        let fits = match self.kind {
            Kind::Pruned => self.sparsity > 0.0 && self.sparsity < 1.0,
            Kind::Dense | Kind::Control => self.sparsity == 0.0,
        };
        if !fits {
            return Err(EvalError::setting(
                "sparsity",
                self.sparsity,
                "give a share between 0 and 1, or use Level::dense() or Level::control()",
            ));
        }
        if self.name.trim().is_empty() {
            return Err(EvalError::setting("level", "without a name", "give it one"));
        }
        Ok(())
    }

    /// What the level is called.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it is to the analysis.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Share of zeros in what is prunable.
    #[must_use]
    pub fn sparsity(&self) -> f64 {
        self.sparsity
    }

    /// Dense first, then the control, then by sparsity, then by name.
    pub(crate) fn order(&self, other: &Self) -> std::cmp::Ordering {
        self.kind
            .cmp(&other.kind)
            .then(self.sparsity.total_cmp(&other.sparsity))
            .then_with(|| self.name.cmp(&other.name))
    }
}

impl std::fmt::Display for Level {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_bounds() {
        assert_eq!(Level::pruned(0.55).unwrap().name(), "55 %");
        assert_eq!(Level::pruned(0.995).unwrap().name(), "99.5 %");
        for bad in [0.0, 1.0, -0.1, f64::NAN, f64::INFINITY] {
            assert!(Level::pruned(bad).is_err(), "{bad}");
        }
        assert!(Level::named(" ", 0.5).is_err());
    }
}
