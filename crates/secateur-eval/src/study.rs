//! From a folder of results to an analysis.

use crate::analysis::{Analysis, DataSummary, LevelSummary};
use crate::error::EvalError;
use crate::folder::ResultsFolder;
use crate::level::Kind;
use crate::model::ModelResult;
use crate::pies::TieRule;
use crate::population::{Design, Population};
use crate::predictions::Hits;
use crate::settings::{Drawn, Settings};
use crate::statistics::Correction;
use crate::statistics::bootstrap::deviation;
use crate::statistics::shares::Shares;
use crate::test_set::TestSet;
use crate::{calibration, classes, notes, pies, robustness};

/// Populations that are to be compared, and how.
///
/// ```no_run
/// use secateur_eval::statistics::Correction;
/// use secateur_eval::{ResultsFolder, Study};
///
/// let folder = ResultsFolder::open("results")?;
/// let analysis = Study::of(&folder)?
///     .with_correction(Correction::Holm)
///     .run()?;
/// println!("{analysis}");
/// analysis.write("report")?;
/// # Ok::<(), secateur_eval::EvalError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Study {
    test_set: TestSet,
    populations: Vec<Population>,
    design: Design,
    settings: Settings,
}

impl Study {
    /// Everything that a folder holds.
    ///
    /// # Errors
    ///
    /// If a file is damaged, or as [`new`](Self::new).
    pub fn of(folder: &ResultsFolder) -> Result<Self, EvalError> {
        Self::new(folder.test_set(), folder.models()?)
    }

    /// These models.
    ///
    /// # Errors
    ///
    /// If there are no dense models, no control, or no pruned ones; if a population has fewer than
    /// two; if models were evaluated on another test set; or if populations share some of their
    /// seeds but not all.
    pub fn new(test_set: &TestSet, models: Vec<ModelResult>) -> Result<Self, EvalError> {
        if let Some(model) = models.iter().find(|model| {
            model.clean.test_set != test_set.checksum() || model.clean.len() != test_set.len()
        }) {
            return Err(EvalError::UnequalTestSets {
                first: format!("the test set `{}`", test_set.name()),
                first_sum: test_set.checksum(),
                second: model.to_string(),
                second_sum: model.clean.test_set,
            });
        }
        let classes = test_set.classes().len();
        for model in &models {
            let labels = &model.clean.labels;
            if let Some(index) = labels.iter().position(|&label| label as usize >= classes) {
                return Err(EvalError::UnknownLabel {
                    what: model.to_string(),
                    index,
                    label: labels[index],
                    classes,
                });
            }
        }
        let populations = Population::sort_out(models)?;
        let count = |kind| {
            populations
                .iter()
                .filter(|p| p.level().kind() == kind)
                .count()
        };
        for (wanted, kind, remedy) in [
            (
                Kind::Dense,
                "dense",
                "train models without pruning as `Level::dense()`",
            ),
            (
                Kind::Control,
                "control",
                "train as many dense models again with other seeds, as `Level::control()`: what \
                 they seem to lose is what nothing looks like",
            ),
            (
                Kind::Pruned,
                "pruned",
                "train pruned models as `Level::pruned(sparsity)`",
            ),
        ] {
            if count(wanted) == 0 {
                return Err(EvalError::NoPopulation { kind, remedy });
            }
        }
        for kind in [Kind::Dense, Kind::Control] {
            if count(kind) > 1 {
                let name = populations.iter().find(|p| p.level().kind() == kind);
                return Err(EvalError::LevelConflict {
                    name: name.map(|p| p.level().name().into()).unwrap_or_default(),
                });
            }
        }
        Ok(Self {
            design: Design::of(&populations)?,
            test_set: test_set.clone(),
            populations,
            settings: Settings::default(),
        })
    }

    /// All settings at once.
    #[must_use]
    pub fn with_settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// Level of the tests, 0.05 unless said otherwise; intervals have a confidence of 1 − α.
    #[must_use]
    pub fn with_alpha(mut self, alpha: f64) -> Self {
        self.settings.alpha = alpha;
        self
    }

    /// How p-values are adjusted for their number, Benjamini-Hochberg unless said otherwise.
    #[must_use]
    pub fn with_correction(mut self, correction: Correction) -> Self {
        self.settings.correction = correction;
        self
    }

    /// Who wins a tied vote: nobody, unless the paper's rule is asked for.
    #[must_use]
    pub fn with_ties(mut self, ties: TieRule) -> Self {
        self.settings.ties = ties;
        self
    }

    /// Draws examples as well as models for the intervals of accuracies, recalls and losses under
    /// corruption.
    #[must_use]
    pub fn with_drawn(mut self, drawn: Drawn) -> Self {
        self.settings.drawn = drawn;
        self
    }

    /// Seed of all draws.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.settings.seed = seed;
        self
    }

    /// The populations: dense, control, then by sparsity.
    #[must_use]
    pub fn populations(&self) -> &[Population] {
        &self.populations
    }

    /// Does the statistics. The same folder, settings and seed give the same analysis, at any
    /// number of threads.
    ///
    /// # Errors
    ///
    /// If a setting makes no sense, or models were evaluated under different corruptions.
    pub fn run(&self) -> Result<Analysis, EvalError> {
        let settings = &self.settings;
        settings.check()?;
        let populations = &self.populations;
        let shared = self.design == Design::Shared;
        let mut groupings = Vec::new();
        let by_class = self.test_set.by_class();
        for grouping in std::iter::once(&by_class).chain(self.test_set.groupings()) {
            groupings.push(classes::analyse(
                grouping,
                populations,
                self.design,
                settings,
            )?);
        }
        let mut analysis = Analysis {
            version: 1,
            data: DataSummary {
                name: self.test_set.name().into(),
                examples: self.test_set.len(),
                classes: self.test_set.classes().to_vec(),
                checksum: format!("{:016x}", self.test_set.checksum()),
            },
            settings: *settings,
            design: self.design,
            levels: self.levels(),
            groupings,
            pies: pies::analyse(&self.test_set, populations, self.design, settings),
            calibration: calibration::analyse(
                populations,
                self.test_set.classes().len(),
                shared,
                settings,
            ),
            robustness: robustness::analyse(populations, self.design, settings)?,
            notes: Vec::new(),
        };
        analysis.notes = notes::of(&analysis);
        Ok(analysis)
    }

    fn levels(&self) -> Vec<LevelSummary> {
        let resampling = self.settings.resampling();
        let accuracies = |population: &Population| {
            let hits: Vec<Hits> = population
                .models()
                .iter()
                .map(|model| model.clean.hits())
                .collect();
            Shares::of(&hits, &self.settings)
        };
        let dense = accuracies(&self.populations[0]);
        let summary = |(at, population): (usize, &Population)| {
            let level = population.level();
            let accuracies = accuracies(population);
            let name = |what: &str| format!("{what} {level}");
            let paired = self.design == Design::Shared && at > 1;
            LevelSummary {
                name: level.name().into(),
                kind: level.kind(),
                sparsity: level.sparsity(),
                seeds: population.seeds(),
                accuracy: accuracies.estimate(&name("accuracy"), &resampling),
                deviation: deviation(accuracies.plain()),
                change: (at > 0).then(|| {
                    accuracies.gain(&dense, paired, &name("accuracy change"), &resampling)
                }),
            }
        };
        self.populations.iter().enumerate().map(summary).collect()
    }
}
