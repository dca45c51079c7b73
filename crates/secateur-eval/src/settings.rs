//! How an analysis is done.

use serde::{Deserialize, Serialize};

use crate::error::EvalError;
use crate::pies::TieRule;
use crate::statistics::Correction;
use crate::statistics::bootstrap::Resampling;
use crate::statistics::permutation::Exchanges;

/// Under how many models a population gets no verdict.
pub const MODELS_FOR_A_VERDICT: usize = 10;

/// What intervals are resampled from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Drawn {
    /// Models: the claims are about training randomness, on exactly this test set.
    #[default]
    Models,
    /// Models and examples: the claims are about other test sets of the same kind too. Wider, for
    /// everything but the calibration error and agreement.
    ModelsAndExamples,
}

/// Every choice of an analysis; a report says them all.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// Level of the tests; intervals have a confidence of 1 − α.
    pub alpha: f64,
    /// How p-values of a family are adjusted.
    pub correction: Correction,
    /// Who wins a tied vote.
    pub ties: TieRule,
    /// What intervals are resampled from.
    pub drawn: Drawn,
    /// Replicates of the bootstrap.
    pub replicates: usize,
    /// Random exchanges of a permutation test.
    pub exchanges: usize,
    /// Random halvings of the populations.
    pub halvings: usize,
    /// Seed of all draws.
    pub seed: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            alpha: 0.05,
            correction: Correction::default(),
            ties: TieRule::default(),
            drawn: Drawn::default(),
            replicates: 2000,
            exchanges: 1999,
            halvings: 20,
            seed: 0,
        }
    }
}

impl Settings {
    pub(crate) fn check(&self) -> Result<(), EvalError> {
        if !(self.alpha > 0.0 && self.alpha < 0.5) {
            let remedy = "give a share between 0 and 0.5, 0.05 as a rule";
            return Err(EvalError::setting("alpha", self.alpha, remedy));
        }
        for (name, value, least) in [
            ("replicates", self.replicates, 100),
            ("exchanges", self.exchanges, 99),
            ("halvings", self.halvings, 1),
        ] {
            if value < least {
                return Err(EvalError::setting(
                    name,
                    value,
                    format!("give at least {least}"),
                ));
            }
        }
        Ok(())
    }

    pub(crate) fn resampling(&self) -> Resampling {
        Resampling {
            replicates: self.replicates,
            alpha: self.alpha,
            seed: self.seed,
        }
    }

    pub(crate) fn permuting(&self) -> Exchanges {
        Exchanges {
            limit: self.exchanges,
            seed: self.seed,
        }
    }

    /// Confidence of the intervals in percent, "95".
    pub(crate) fn confidence(&self) -> String {
        format!("{}", ((1.0 - self.alpha) * 1e6).round() / 1e4)
    }
}
