//! Models of one level: what is compared with what.

use serde::{Deserialize, Serialize};

use crate::error::EvalError;
use crate::level::{Kind, Level};
use crate::model::ModelResult;

/// All models of one level, ordered by seed.
#[derive(Clone, Debug)]
pub struct Population {
    level: Level,
    models: Vec<ModelResult>,
}

impl Population {
    /// The populations among some models: dense first, then the control, then by sparsity.
    ///
    /// # Errors
    ///
    /// If a population has fewer than two models, a model is there twice, two levels share a name,
    /// or the models were evaluated on different test sets.
    pub fn sort_out(models: Vec<ModelResult>) -> Result<Vec<Self>, EvalError> {
        let mut models = models;
        models.sort_by(|a, b| a.level.order(&b.level).then(a.seed.cmp(&b.seed)));
        if let Some(other) = models.iter().find(|model| {
            model.clean.test_set != models[0].clean.test_set
                || model.clean.len() != models[0].clean.len()
        }) {
            return Err(EvalError::UnequalTestSets {
                first: models[0].to_string(),
                first_sum: models[0].clean.test_set,
                second: other.to_string(),
                second_sum: other.clean.test_set,
            });
        }
        let mut populations: Vec<Self> = Vec::new();
        for model in models {
            match populations.last_mut() {
                Some(last) if last.level == model.level => {
                    if last
                        .models
                        .last()
                        .is_some_and(|before| before.seed == model.seed)
                    {
                        return Err(EvalError::Duplicate {
                            level: model.level.name().into(),
                            seed: model.seed,
                        });
                    }
                    last.models.push(model);
                }
                _ => populations.push(Self {
                    level: model.level.clone(),
                    models: vec![model],
                }),
            }
        }
        for (at, population) in populations.iter().enumerate() {
            let name = population.level.name();
            if populations[..at]
                .iter()
                .any(|before| before.level.name() == name)
            {
                return Err(EvalError::LevelConflict { name: name.into() });
            }
            if population.len() < 2 {
                return Err(EvalError::TooFewModels {
                    level: name.into(),
                    found: population.len(),
                    needed: 2,
                });
            }
        }
        Ok(populations)
    }

    /// The level.
    #[must_use]
    pub fn level(&self) -> &Level {
        &self.level
    }

    /// Its models, by seed.
    #[must_use]
    pub fn models(&self) -> &[ModelResult] {
        &self.models
    }

    /// How many models there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.models.len()
    }

    /// Whether there are none; one that was sorted out has two at least.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.models.is_empty()
    }

    /// Seeds in ascending order.
    #[must_use]
    pub fn seeds(&self) -> Vec<u64> {
        self.models.iter().map(|model| model.seed).collect()
    }

    /// Accuracy of each model.
    #[must_use]
    pub fn accuracies(&self) -> Vec<f64> {
        self.models
            .iter()
            .map(|model| model.clean.accuracy())
            .collect()
    }
}

/// Whether populations share their seeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Design {
    /// Every population has seeds of its own: the unpaired test.
    Disjoint,
    /// Pruned models share the dense models' seeds, the control has others: the paired test, and
    /// the unpaired one for the control.
    Shared,
}

impl Design {
    /// The design of a study.
    ///
    /// # Errors
    ///
    /// If two populations share only some of their seeds, if the control shares any, or if some
    /// pruned levels share the dense seeds and others do not.
    pub fn of(populations: &[Population]) -> Result<Self, EvalError> {
        let shared = |a: &Population, b: &Population| {
            let seeds = a.seeds();
            b.seeds().iter().filter(|seed| seeds.contains(seed)).count()
        };
        let of = |kind| populations.iter().filter(move |p| p.level.kind() == kind);
        for control in of(Kind::Control) {
            for other in populations
                .iter()
                .filter(|p| p.level.kind() != Kind::Control)
            {
                match shared(control, other) {
                    0 => {}
                    some => return Err(mixed(other, control, some)),
                }
            }
        }
        let mut design = None;
        for dense in of(Kind::Dense) {
            for pruned in of(Kind::Pruned) {
                let some = shared(dense, pruned);
                let found = match some {
                    0 => Self::Disjoint,
                    all if all == dense.len() && all == pruned.len() => Self::Shared,
                    _ => return Err(mixed(dense, pruned, some)),
                };
                if *design.get_or_insert(found) != found {
                    return Err(mixed(dense, pruned, some));
                }
            }
        }
        Ok(design.unwrap_or(Self::Disjoint))
    }

    /// In words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Disjoint => {
                "Every population has seeds of its own, so the tests are unpaired (Welch)."
            }
            Self::Shared => {
                "The pruned models share the dense models' seeds, so their tests are paired; the A/A \
                 population has seeds of its own and its tests are unpaired."
            }
        }
    }
}

fn mixed(first: &Population, second: &Population, shared: usize) -> EvalError {
    EvalError::MixedSeeds {
        first: first.level.name().into(),
        second: second.level.name().into(),
        shared,
        first_models: first.len(),
        second_models: second.len(),
    }
}
