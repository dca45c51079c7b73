//! The numbers of a report as CSV, unrounded.

use csv::Writer;
use serde::Serialize;

use crate::analysis::Analysis;
use crate::classes::{ClassChange, ClassTest};
use crate::error::EvalError;
use crate::statistics::{Estimate, Outcome};

/// Name and content of each file.
pub(crate) fn files(analysis: &Analysis) -> Result<Vec<(&'static str, Vec<u8>)>, EvalError> {
    let mut files = vec![
        ("levels.csv", levels(analysis)?),
        ("classes.csv", classes(analysis)?),
        ("pies.csv", pies(analysis)?),
        ("calibration.csv", calibration(analysis)?),
    ];
    if !analysis.robustness.is_empty() {
        files.push(("robustness.csv", robustness(analysis)?));
    }
    Ok(files)
}

pub(crate) fn write<R: Serialize>(rows: impl IntoIterator<Item = R>) -> Result<Vec<u8>, EvalError> {
    let failed = |what: String| EvalError::setting("csv", what, "use the JSON file instead");
    let mut writer = Writer::from_writer(Vec::new());
    for row in rows {
        writer
            .serialize(row)
            .map_err(|error| failed(error.to_string()))?;
    }
    writer
        .into_inner()
        .map_err(|error| failed(error.to_string()))
}

#[derive(Serialize)]
struct LevelRow<'a> {
    level: &'a str,
    sparsity: f64,
    models: usize,
    accuracy: f64,
    accuracy_low: f64,
    accuracy_high: f64,
    deviation: f64,
    change: Option<f64>,
    change_low: Option<f64>,
    change_high: Option<f64>,
}

fn levels(analysis: &Analysis) -> Result<Vec<u8>, EvalError> {
    write(analysis.levels.iter().map(|level| LevelRow {
        level: &level.name,
        sparsity: level.sparsity,
        models: level.seeds.len(),
        accuracy: level.accuracy.value,
        accuracy_low: level.accuracy.interval.low,
        accuracy_high: level.accuracy.interval.high,
        deviation: level.deviation,
        change: level.change.map(|change| change.value),
        change_low: level.change.map(|change| change.interval.low),
        change_high: level.change.map(|change| change.interval.high),
    }))
}

#[derive(Serialize)]
struct ClassRow<'a> {
    grouping: &'a str,
    level: &'a str,
    class: &'a str,
    examples: usize,
    dense_recall: f64,
    recall: f64,
    change: Option<f64>,
    change_low: Option<f64>,
    change_high: Option<f64>,
    detectable: Option<f64>,
    raw_t: Option<f64>,
    raw_df: Option<f64>,
    raw_p: Option<f64>,
    raw_adjusted_p: Option<f64>,
    relative_change: f64,
    relative_p: Option<f64>,
    relative_adjusted_p: Option<f64>,
    own_change: f64,
    own_p: Option<f64>,
    own_adjusted_p: Option<f64>,
    beyond_control_p: Option<f64>,
    relative_beyond_control_p: Option<f64>,
    outcome: &'static str,
    verdict: &'static str,
}

fn classes(analysis: &Analysis) -> Result<Vec<u8>, EvalError> {
    let all = analysis.groupings.iter().flat_map(|grouping| {
        grouping
            .changes
            .iter()
            .map(|change| class_row(&grouping.grouping, change))
    });
    write(all)
}

fn class_row<'a>(grouping: &'a str, change: &'a ClassChange) -> ClassRow<'a> {
    let t = |test: &ClassTest| match test.outcome {
        Outcome::Tested { t, df, .. } => (Some(t), Some(df)),
        _ => (None, None),
    };
    let (raw_t, raw_df) = t(&change.raw);
    let end = |of: fn(&Estimate) -> f64| change.change.as_ref().map(of);
    ClassRow {
        grouping,
        level: &change.level,
        class: &change.class,
        examples: change.examples,
        dense_recall: change.dense,
        recall: change.compared,
        change: end(|change| change.value),
        change_low: end(|change| change.interval.low),
        change_high: end(|change| change.interval.high),
        detectable: change.detectable,
        raw_t,
        raw_df,
        raw_p: change.raw.outcome.p(),
        raw_adjusted_p: change.raw.adjusted,
        relative_change: change.relative.change,
        relative_p: change.relative.outcome.p(),
        relative_adjusted_p: change.relative.adjusted,
        own_change: change.own.change,
        own_p: change.own.outcome.p(),
        own_adjusted_p: change.own.adjusted,
        beyond_control_p: change.exceeds.map(|test| test.p),
        relative_beyond_control_p: change.relative_exceeds.map(|test| test.p),
        outcome: match change.raw.outcome {
            Outcome::Tested { .. } => "tested",
            Outcome::Same => "same",
            Outcome::NotTestable(why) => why.words(),
        },
        verdict: change.verdict.words(),
    }
}

#[derive(Serialize)]
struct PieRow<'a> {
    level: &'a str,
    index: usize,
    label: &'a str,
    dense: &'a str,
    dense_votes: usize,
    compared: &'a str,
    compared_votes: usize,
    models: usize,
}

fn pies(analysis: &Analysis) -> Result<Vec<u8>, EvalError> {
    let name = |label: u32| {
        analysis
            .data
            .classes
            .get(label as usize)
            .map_or("?", String::as_str)
    };
    let rows = analysis.pies.iter().flat_map(|level| {
        level.examples.iter().map(move |pie| PieRow {
            level: &level.level,
            index: pie.index,
            label: name(pie.label),
            dense: name(pie.dense),
            dense_votes: pie.dense_votes,
            compared: name(pie.compared),
            compared_votes: pie.compared_votes,
            models: level.models,
        })
    });
    write(rows)
}

#[derive(Serialize)]
struct CalibrationRow<'a> {
    level: &'a str,
    bin_low: f64,
    bin_high: f64,
    share: f64,
    confidence: f64,
    accuracy: f64,
    level_error: f64,
    level_error_low: f64,
    level_error_high: f64,
    level_top_k: f64,
    k: usize,
    level_agreement: f64,
}

fn calibration(analysis: &Analysis) -> Result<Vec<u8>, EvalError> {
    let rows = analysis.calibration.iter().flat_map(|level| {
        let n = level.bins.len() as f64;
        level
            .bins
            .iter()
            .enumerate()
            .map(move |(at, bin)| CalibrationRow {
                level: &level.level,
                bin_low: at as f64 / n,
                bin_high: (at + 1) as f64 / n,
                share: bin.share,
                confidence: bin.confidence,
                accuracy: bin.accuracy,
                level_error: level.error.value,
                level_error_low: level.error.interval.low,
                level_error_high: level.error.interval.high,
                level_top_k: level.top.value,
                k: level.k,
                level_agreement: level.agreement.value,
            })
    });
    write(rows)
}

#[derive(Serialize)]
struct RobustnessRow<'a> {
    corruption: &'a str,
    severity: String,
    level: &'a str,
    accuracy: f64,
    lost: f64,
    lost_low: f64,
    lost_high: f64,
    excess: Option<f64>,
    excess_low: Option<f64>,
    excess_high: Option<f64>,
}

fn robustness(analysis: &Analysis) -> Result<Vec<u8>, EvalError> {
    write(analysis.robustness.iter().map(|row| {
        RobustnessRow {
            corruption: &row.corruption,
            severity: row
                .severity
                .map_or("mean".into(), |severity| severity.to_string()),
            level: &row.level,
            accuracy: row.accuracy,
            lost: row.drop.value,
            lost_low: row.drop.interval.low,
            lost_high: row.drop.interval.high,
            excess: row.excess.map(|excess| excess.value),
            excess_low: row.excess.map(|excess| excess.interval.low),
            excess_high: row.excess.map(|excess| excess.interval.high),
        }
    }))
}

#[derive(Serialize)]
struct StepRow<'a> {
    method: &'a str,
    sparsity: f64,
    seeds: usize,
    accuracy: f64,
    accuracy_low: Option<f64>,
    accuracy_high: Option<f64>,
    deviation: Option<f64>,
    parameters: f64,
    multiply_adds: f64,
    bytes: f64,
    seconds: Option<f64>,
    quality: f64,
}

pub(crate) fn tradeoff(curves: &crate::tradeoff::TradeOff) -> Result<Vec<u8>, EvalError> {
    write(curves.steps.iter().map(|step| StepRow {
        method: &step.method,
        sparsity: step.sparsity,
        seeds: step.seeds.len(),
        accuracy: step.accuracy,
        accuracy_low: step.interval.map(|interval| interval.low),
        accuracy_high: step.interval.map(|interval| interval.high),
        deviation: step.deviation,
        parameters: step.costs.parameters,
        multiply_adds: step.costs.multiply_adds,
        bytes: step.costs.bytes,
        seconds: step.costs.seconds,
        quality: step.quality,
    }))
}
