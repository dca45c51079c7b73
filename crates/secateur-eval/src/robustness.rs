//! What corrupted inputs cost, against each population's own clean accuracy.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::EvalError;
use crate::model::Condition;
use crate::population::{Design, Population};
use crate::random::Stream;
use crate::settings::Settings;
use crate::statistics::bootstrap::{Estimate, mean};

/// One level under one corruption.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RobustnessAnalysis {
    /// The level.
    pub level: String,
    /// What was done to the inputs.
    pub corruption: String,
    /// From 1 to 5; `None` for the mean over the severities that were evaluated.
    pub severity: Option<u8>,
    /// Mean accuracy.
    pub accuracy: f64,
    /// Share of the clean accuracy that is lost: 1 − mean accuracy corrupted / mean accuracy clean.
    pub drop: Estimate,
    /// How much more is lost than by the dense models; `None` for those.
    pub excess: Option<Estimate>,
}

struct Accuracies {
    clean: Vec<f64>,
    corrupted: Vec<f64>,
}

impl Accuracies {
    fn drop(&self, models: impl Iterator<Item = usize> + Clone) -> f64 {
        let sum = |of: &[f64]| models.clone().map(|model| of[model]).sum::<f64>();
        // Models that are never right lose nothing.
        let clean = sum(&self.clean);
        if clean > 0.0 {
            1.0 - sum(&self.corrupted) / clean
        } else {
            0.0
        }
    }

    fn len(&self) -> usize {
        self.clean.len()
    }
}

/// Every population under every corruption; empty if none was evaluated.
pub(crate) fn analyse(
    populations: &[Population],
    design: Design,
    settings: &Settings,
) -> Result<Vec<RobustnessAnalysis>, EvalError> {
    let all: BTreeMap<&Condition, ()> = populations
        .iter()
        .flat_map(|population| population.models())
        .flat_map(|model| model.corrupted.keys().map(|condition| (condition, ())))
        .collect();
    let mut severities: BTreeMap<&str, Vec<u8>> = BTreeMap::new();
    for condition in all.keys() {
        severities
            .entry(&condition.corruption)
            .or_default()
            .push(condition.severity);
    }
    let mut found = Vec::new();
    for (corruption, severities) in severities {
        let mean_too = (severities.len() > 1).then_some(&severities[..]);
        let rows = severities
            .iter()
            .map(|severity| (Some(*severity), std::slice::from_ref(severity)));
        for (severity, over) in rows.chain(mean_too.map(|all| (None, all))) {
            let tables: Vec<Accuracies> = populations
                .iter()
                .map(|population| accuracies(population, corruption, over))
                .collect::<Result<_, _>>()?;
            for (at, table) in tables.iter().enumerate() {
                let level = populations[at].level().name();
                let name = format!("{corruption} {severity:?} {level}");
                let dense = (at > 0).then(|| &tables[0]);
                let paired = design == Design::Shared && at > 1;
                found.push(RobustnessAnalysis {
                    level: level.into(),
                    corruption: corruption.into(),
                    severity,
                    accuracy: mean(&table.corrupted),
                    drop: drop(&name, table, settings),
                    excess: dense.map(|dense| excess(&name, dense, table, paired, settings)),
                });
            }
        }
    }
    Ok(found)
}

fn accuracies(
    population: &Population,
    corruption: &str,
    severities: &[u8],
) -> Result<Accuracies, EvalError> {
    let mut corrupted = Vec::new();
    for model in population.models() {
        let mut sum = 0.0;
        for &severity in severities {
            let condition = Condition {
                corruption: corruption.into(),
                severity,
            };
            let Some(hits) = model.corrupted.get(&condition) else {
                return Err(EvalError::MissingCondition {
                    model: model.to_string(),
                    condition: condition.to_string(),
                });
            };
            sum += hits.share();
        }
        corrupted.push(sum / severities.len() as f64);
    }
    Ok(Accuracies {
        clean: population.accuracies(),
        corrupted,
    })
}

fn drawn(stream: &mut Stream, n: usize) -> Vec<usize> {
    (0..n).map(|_| stream.below(n)).collect()
}

fn drop(name: &str, table: &Accuracies, settings: &Settings) -> Estimate {
    let resampling = settings.resampling();
    let n = table.len();
    let replicates = resampling.draw(&format!("drop {name}"), |stream| {
        table.drop(drawn(stream, n).into_iter())
    });
    Estimate {
        value: table.drop(0..n),
        interval: resampling.interval(replicates, n, n as f64 - 1.0),
    }
}

fn excess(
    name: &str,
    dense: &Accuracies,
    table: &Accuracies,
    paired: bool,
    settings: &Settings,
) -> Estimate {
    let resampling = settings.resampling();
    let replicates = resampling.draw(&format!("excess {name}"), |stream| {
        let first = drawn(stream, dense.len());
        let second = if paired {
            first.clone()
        } else {
            drawn(stream, table.len())
        };
        table.drop(second.into_iter()) - dense.drop(first.into_iter())
    });
    let n = dense.len().min(table.len());
    let df = (if paired { 1.0 } else { 2.0 }) * (n as f64 - 1.0);
    Estimate {
        value: table.drop(0..table.len()) - dense.drop(0..dense.len()),
        interval: resampling.interval(replicates, n, df),
    }
}
