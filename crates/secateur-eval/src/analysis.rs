//! The result of a study: numbers, ready to be shown.

use serde::{Deserialize, Serialize};

use crate::calibration::CalibrationAnalysis;
use crate::classes::GroupAnalysis;
use crate::level::Kind;
use crate::pies::PieAnalysis;
use crate::population::Design;
use crate::robustness::RobustnessAnalysis;
use crate::settings::{MODELS_FOR_A_VERDICT, Settings};
use crate::statistics::Estimate;

/// The test set of an analysis.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataSummary {
    /// What it is called.
    pub name: String,
    /// How many examples it has.
    pub examples: usize,
    /// Names of its classes.
    pub classes: Vec<String>,
    /// Its checksum, 16 hexadecimal digits.
    pub checksum: String,
}

/// A population in a line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LevelSummary {
    /// Name of the level.
    pub name: String,
    /// What it is to the analysis.
    pub kind: Kind,
    /// Share of zeros in what is prunable.
    pub sparsity: f64,
    /// Seeds of its models.
    pub seeds: Vec<u64>,
    /// Mean accuracy.
    pub accuracy: Estimate,
    /// Standard deviation of the models' accuracies.
    pub deviation: f64,
    /// Change of the mean accuracy against the dense models; `None` for those.
    pub change: Option<Estimate>,
}

/// Everything a study found, with the choices it was made with.
///
/// It prints as tables; [`write`](Self::write) makes a report of it. As JSON it can be read back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Analysis {
    /// Version of this form.
    pub version: u32,
    /// The test set.
    pub data: DataSummary,
    /// The choices.
    pub settings: Settings,
    /// Whether populations share seeds.
    pub design: Design,
    /// The populations: dense, control, then by sparsity.
    pub levels: Vec<LevelSummary>,
    /// Classes first, then any other grouping.
    pub groupings: Vec<GroupAnalysis>,
    /// Examples on which a level and the dense one differ; the control first.
    pub pies: Vec<PieAnalysis>,
    /// How sure the models are.
    pub calibration: Vec<CalibrationAnalysis>,
    /// What corrupted inputs cost; empty if none were evaluated.
    pub robustness: Vec<RobustnessAnalysis>,
    /// What has to be said about all of this.
    pub notes: Vec<String>,
}

impl Analysis {
    /// The smallest population.
    #[must_use]
    pub fn smallest(&self) -> usize {
        self.levels
            .iter()
            .map(|level| level.seeds.len())
            .min()
            .unwrap_or(0)
    }

    /// Whether there are models enough for verdicts.
    #[must_use]
    pub fn has_verdicts(&self) -> bool {
        self.smallest() >= MODELS_FOR_A_VERDICT
    }
}
