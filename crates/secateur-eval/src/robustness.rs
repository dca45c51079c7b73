//! What corrupted inputs cost, against each population's own clean accuracy.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::EvalError;
use crate::model::Condition;
use crate::population::{Design, Population};
use crate::predictions::Hits;
use crate::random::Stream;
use crate::settings::Settings;
use crate::statistics::bootstrap::{Estimate, mean};
use crate::statistics::shares::Shares;

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
    clean: Shares,
    corrupted: Shares,
}

impl Accuracies {
    fn drop(&self, models: &[usize], replicate: Option<usize>) -> f64 {
        let sum = |of: &Shares| {
            let shares = replicate.map_or(of.plain(), |replicate| of.on(replicate));
            models.iter().map(|&model| shares[model]).sum::<f64>()
        };
        // Models that are never right lose nothing.
        let clean = sum(&self.clean);
        if clean > 0.0 {
            1.0 - sum(&self.corrupted) / clean
        } else {
            0.0
        }
    }

    /// Of all models, on the test set itself.
    fn total(&self) -> f64 {
        let all: Vec<usize> = (0..self.len()).collect();
        self.drop(&all, None)
    }

    fn len(&self) -> usize {
        self.clean.plain().len()
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
    let clean: Vec<Shares> = populations
        .iter()
        .map(|population| {
            let models = population.models().iter();
            let hits: Vec<Hits> = models.map(|model| model.clean.hits()).collect();
            Shares::of(&hits, settings)
        })
        .collect();
    let mut found = Vec::new();
    for (corruption, severities) in severities {
        let mean_too = (severities.len() > 1).then_some(&severities[..]);
        let rows = severities
            .iter()
            .map(|severity| (Some(*severity), std::slice::from_ref(severity)));
        for (severity, over) in rows.chain(mean_too.map(|all| (None, all))) {
            let tables: Vec<Accuracies> = populations
                .iter()
                .zip(&clean)
                .map(|(population, clean)| {
                    Ok(Accuracies {
                        clean: clean.clone(),
                        corrupted: corrupted(population, corruption, over, settings)?,
                    })
                })
                .collect::<Result<_, EvalError>>()?;
            for (at, table) in tables.iter().enumerate() {
                let level = populations[at].level().name();
                let name = format!("{corruption} {severity:?} {level}");
                let dense = (at > 0).then(|| &tables[0]);
                let paired = design == Design::Shared && at > 1;
                found.push(RobustnessAnalysis {
                    level: level.into(),
                    corruption: corruption.into(),
                    severity,
                    accuracy: mean(table.corrupted.plain()),
                    drop: drop(&name, table, settings),
                    excess: dense.map(|dense| excess(&name, dense, table, paired, settings)),
                });
            }
        }
    }
    Ok(found)
}

fn corrupted(
    population: &Population,
    corruption: &str,
    severities: &[u8],
    settings: &Settings,
) -> Result<Shares, EvalError> {
    let at = |severity: &u8| {
        let condition = Condition {
            corruption: corruption.into(),
            severity: *severity,
        };
        let hits = population.models().iter().map(|model| {
            let hits = model.corrupted.get(&condition);
            hits.cloned().ok_or_else(|| EvalError::MissingCondition {
                model: model.to_string(),
                condition: condition.to_string(),
            })
        });
        let hits: Vec<Hits> = hits.collect::<Result<_, _>>()?;
        Ok(Shares::of(&hits, settings))
    };
    let each: Vec<Shares> = severities
        .iter()
        .map(at)
        .collect::<Result<_, EvalError>>()?;
    Ok(Shares::mean(&each))
}

fn drawn(stream: &mut Stream, n: usize) -> Vec<usize> {
    (0..n).map(|_| stream.below(n)).collect()
}

fn drop(name: &str, table: &Accuracies, settings: &Settings) -> Estimate {
    let resampling = settings.resampling();
    let n = table.len();
    let replicates = resampling.draw_each(&format!("drop {name}"), |replicate, stream| {
        table.drop(&drawn(stream, n), Some(replicate))
    });
    Estimate {
        value: table.total(),
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
    let replicates = resampling.draw_each(&format!("excess {name}"), |replicate, stream| {
        let first = drawn(stream, dense.len());
        let second = if paired {
            first.clone()
        } else {
            drawn(stream, table.len())
        };
        table.drop(&second, Some(replicate)) - dense.drop(&first, Some(replicate))
    });
    let n = dense.len().min(table.len());
    let df = (if paired { 1.0 } else { 2.0 }) * (n as f64 - 1.0);
    Estimate {
        value: table.total() - dense.total(),
        interval: resampling.interval(replicates, n, df),
    }
}
