//! The tables of a report.

use crate::analysis::Analysis;
use crate::classes::{ClassTest, GroupAnalysis};
use crate::level::Kind;
use crate::report::number::{between, change, count, p, percent, points, seeds, share};
use crate::report::table::Table;
use crate::settings::{Drawn, MODELS_FOR_A_VERDICT};
use crate::statistics::{Outcome, Permutation};

/// Classes that a table shows at most; the CSV has them all.
const ROWS: usize = 40;

pub(super) fn all(analysis: &Analysis) -> Vec<Table> {
    let mut tables = vec![accuracy(analysis)];
    for grouping in &analysis.groupings {
        tables.push(impacted(analysis, grouping));
        tables.extend(
            analysis
                .levels
                .iter()
                .skip(1)
                .rev()
                .map(|level| classes(analysis, grouping, &level.name)),
        );
    }
    tables.push(pies(analysis));
    tables.push(pie_accuracy(analysis));
    tables.push(calibration(analysis));
    if !analysis.robustness.is_empty() {
        tables.push(robustness(analysis));
    }
    tables
}

/// Data set, models, seeds and intervals in a sentence.
pub(crate) fn provenance(analysis: &Analysis) -> String {
    let each: Vec<String> = analysis
        .levels
        .iter()
        .map(|level| {
            format!(
                "{} {} ({})",
                level.seeds.len(),
                level.name,
                seeds(&level.seeds)
            )
        })
        .collect();
    let drawn = match analysis.settings.drawn {
        Drawn::Models => "models",
        Drawn::ModelsAndExamples => "models and examples",
    };
    format!(
        "{}, {} examples. Models (seeds): {}. {} % intervals from resampling {drawn}.",
        analysis.data.name,
        count(analysis.data.examples),
        each.join("; "),
        analysis.settings.confidence(),
    )
}

pub(crate) fn headline(analysis: &Analysis) -> String {
    format!("What pruning cost on {}", analysis.data.name)
}

fn accuracy(analysis: &Analysis) -> Table {
    let interval = format!("{} % interval", analysis.settings.confidence());
    let mut table = Table::new(
        "Accuracy",
        &[
            "<level",
            "models",
            "seeds",
            "accuracy %",
            &interval,
            "sd",
            "change (points)",
        ],
    );
    for level in &analysis.levels {
        table.row([
            level.name.clone(),
            level.seeds.len().to_string(),
            seeds(&level.seeds),
            percent(level.accuracy.value),
            between(level.accuracy.interval),
            percent(level.deviation),
            level.change.map(change).unwrap_or_default(),
        ]);
    }
    table.caption = provenance(analysis);
    table
}

fn impacted(analysis: &Analysis, grouping: &GroupAnalysis) -> Table {
    let settings = &analysis.settings;
    let by = format!("after {}", settings.correction.name());
    let raw = format!("p <= {}", settings.alpha);
    let mut table = Table::new(
        format!("Who pays, by {}: how many are impacted", grouping.grouping),
        &[
            "<level",
            &raw,
            "A/A",
            "by chance",
            &by,
            "A/A ",
            "recall itself",
            "A/A  ",
            "more than A/A: p",
        ],
    );
    let Some(control) = grouping.impacted.first() else {
        return table;
    };
    for level in &grouping.impacted {
        table.row([
            level.level.clone(),
            format!("{} of {}", level.count, level.tests),
            control.count.to_string(),
            format!("{:.1}", level.by_chance),
            level.adjusted.to_string(),
            control.adjusted.to_string(),
            level.raw_adjusted.to_string(),
            control.raw_adjusted.to_string(),
            exchange(level.exceeds),
        ]);
    }
    table.caption = format!(
        "Impacted: recall minus the population's mean accuracy differs from the dense models' (the paper's measure). \"Recall \
         itself\" counts changes of the recall, corrected as well. The A/A columns are what two dense populations give. The last \
         column is about the uncorrected count. {}",
        exchanges(analysis)
    );
    table
}

fn classes(analysis: &Analysis, grouping: &GroupAnalysis, level: &str) -> Table {
    let by = &grouping.grouping;
    let title = match analysis
        .levels
        .iter()
        .find(|one| one.name == level)
        .map(|one| one.kind)
    {
        Some(Kind::Control) => {
            format!(
                "By {by}, A/A: dense models against other dense models (what nothing looks like)"
            )
        }
        _ => format!("By {by}, {level} against dense"),
    };
    let mut table = Table::new(
        title,
        &[
            &format!("<{by}"),
            "<verdict",
            "examples",
            "dense %",
            "change of recall (points)",
            "A/A",
            "detectable",
            "p",
            "to mean",
            "p ",
            "to own",
            "p  ",
            "beyond A/A: p",
        ],
    );
    // Number of examples and the measure against each model's own accuracy.
    table.details = vec![2, 10, 11];
    let control = analysis.levels.get(1).map(|level| level.name.as_str());
    let mut rows: Vec<_> = grouping
        .changes
        .iter()
        .filter(|change| change.level == level)
        .collect();
    let all = rows.len();
    rows.sort_by(|a, b| a.raw.change.total_cmp(&b.raw.change));
    if all > ROWS {
        // Both ends: who loses most, and who gains.
        rows.drain(ROWS * 3 / 4..all - ROWS / 4);
    }
    for row in rows {
        let base = grouping
            .changes
            .iter()
            .find(|other| Some(other.level.as_str()) == control && other.class == row.class);
        let or_none = |text: Option<String>| text.unwrap_or_else(|| "-".into());
        table.row([
            row.class.clone(),
            format!("{} {}", row.verdict.sign(), row.verdict.words()),
            count(row.examples),
            if row.examples > 0 {
                percent(row.dense)
            } else {
                "-".into()
            },
            or_none(row.change.map(change)),
            or_none(
                base.filter(|_| row.examples > 0)
                    .map(|base| points(base.raw.change)),
            ),
            or_none(row.detectable.map(percent)),
            test(&row.raw),
            points(row.relative.change),
            test(&row.relative),
            points(row.own.change),
            test(&row.own),
            exchange(row.exceeds),
        ]);
    }
    let few = match analysis.has_verdicts() {
        true => String::new(),
        false => format!(" No verdict with fewer than {MODELS_FOR_A_VERDICT} models."),
    };
    let left_out = match all > ROWS {
        true => format!(
            " {} of {all} are left out here and stand in the CSV file.",
            all - ROWS
        ),
        false => String::new(),
    };
    table.caption = format!(
        "Change of recall with its {} % interval; detectable: what a single test would have found four times of five; \
         \"to mean\": against the population's mean accuracy (the paper's measure); \"to own\": against each model's own accuracy; p after {} over \
         {} tests{}.{few}{left_out} {}",
        analysis.settings.confidence(),
        analysis.settings.correction.name(),
        if Some(level) == control {
            all
        } else {
            grouping.family
        },
        if Some(level) == control {
            " (a family of its own)"
        } else {
            " (all classes x levels)"
        },
        provenance(analysis),
    );
    table
}

fn pies(analysis: &Analysis) -> Table {
    let mut table = Table::new(
        "Pruning identified exemplars (PIEs): examples that most models see differently",
        &[
            "<level",
            "models each",
            "PIEs",
            "A/A",
            "% of examples",
            "undecided",
            "more than A/A: p",
        ],
    );
    let control = analysis.pies.first().map_or(0, |control| control.count);
    for level in &analysis.pies {
        table.row([
            level.level.clone(),
            level.models.to_string(),
            count(level.count),
            count(control),
            percent(level.count as f64 / analysis.data.examples.max(1) as f64),
            count(level.undecided),
            exchange(level.exceeds),
        ]);
    }
    let ties = match analysis.settings.ties {
        crate::TieRule::Undecided => "Undecided: a tie in either population, counted as no PIE.",
        crate::TieRule::LargestLabel => "Ties go to the largest label, as in the paper.",
    };
    table.caption = format!("{ties} {} {}", exchanges(analysis), provenance(analysis));
    table
}

fn pie_accuracy(analysis: &Analysis) -> Table {
    let mut table = Table::new(
        "How hard PIEs are: found with one half of the models, accuracy in % of the other half",
        &[
            "<level",
            "models a half",
            "PIEs",
            "dense on PIEs",
            "level on PIEs",
            "dense on random",
            "level on random",
        ],
    );
    for level in &analysis.pies {
        let Some(halves) = level.halves else { continue };
        let accuracy = |share: Option<f64>| share.map_or("-".into(), percent);
        table.row([
            level.level.clone(),
            halves.models.to_string(),
            format!("{:.1}", halves.count),
            accuracy(halves.dense),
            accuracy(halves.compared),
            accuracy(halves.dense_random),
            accuracy(halves.compared_random),
        ]);
    }
    table.caption = match table.rows.is_empty() {
        true => "Fewer than four models leave no halves.".into(),
        false => format!(
            "Means over {} random halvings, both ways round; random: as many random examples. Two modes that differ cannot both be right, \
             so accuracy is never measured by the models that found the PIEs. A/A PIEs are hard too: compare with that row.",
            analysis.settings.halvings
        ),
    };
    table
}

fn calibration(analysis: &Analysis) -> Table {
    let k = analysis.calibration.first().map_or(5, |level| level.k);
    let mut table = Table::new(
        "Calibration and agreement",
        &[
            "<level",
            "calibration error (points)",
            "change",
            &format!("top-{k} %"),
            "agreement with dense %",
        ],
    );
    for level in &analysis.calibration {
        table.row([
            level.level.clone(),
            share(level.error),
            level.change.map(change).unwrap_or_default(),
            share(level.top),
            share(level.agreement),
        ]);
    }
    let all = match k < 5 || analysis.data.classes.len() <= k {
        true => format!(" With {k} classes the true one is always among the first {k}."),
        false => String::new(),
    };
    table.caption = format!(
        "Expected calibration error over 15 bins of equal width, the mean of the models' own; agreement: pairs of one model of the level and one \
         dense model, which even dense models do not reach fully among themselves.{all} {}",
        provenance(analysis)
    );
    table
}

fn robustness(analysis: &Analysis) -> Table {
    let mut table = Table::new(
        "Robustness: share of the clean accuracy that corrupted inputs cost, in %",
        &[
            "<corruption",
            "<severity",
            "<level",
            "accuracy %",
            "lost %",
            "more than dense (points)",
        ],
    );
    // The mean where there are several severities, otherwise the one.
    for row in &analysis.robustness {
        let mean = analysis
            .robustness
            .iter()
            .any(|other| other.corruption == row.corruption && other.severity.is_none());
        if mean == row.severity.is_some() {
            continue;
        }
        table.row([
            row.corruption.clone(),
            row.severity
                .map_or("mean".into(), |severity| severity.to_string()),
            row.level.clone(),
            percent(row.accuracy),
            share(row.drop),
            row.excess.map(change).unwrap_or_default(),
        ]);
    }
    table.caption = format!(
        "Lost: 1 - mean corrupted accuracy / mean clean accuracy, each population against its own. Compare with the A/A row. {}",
        provenance(analysis)
    );
    table
}

fn test(test: &ClassTest) -> String {
    match (test.outcome, test.adjusted) {
        (Outcome::NotTestable(_), _) => "not testable".into(),
        (_, Some(adjusted)) => p(adjusted),
        (outcome, None) => outcome.p().map_or("-".into(), p),
    }
}

fn exchange(test: Option<Permutation>) -> String {
    test.map_or("-".into(), |test| p(test.p))
}

fn exchanges(analysis: &Analysis) -> String {
    let tests = analysis.pies.iter().filter_map(|level| level.exceeds);
    match tests.max_by_key(|test| test.exchanges) {
        Some(test) if test.exact => {
            format!("p from all {} exchanges of models.", count(test.exchanges))
        }
        Some(test) => format!(
            "p from {} random exchanges of models.",
            count(test.exchanges)
        ),
        None => String::new(),
    }
}

/// Methods and sparsities beside each other.
pub(super) fn tradeoff(curves: &crate::tradeoff::TradeOff) -> Table {
    let columns = [
        "<method",
        "sparsity %",
        "seeds",
        "accuracy %",
        "sd",
        "parameters",
        "multiply-adds",
        "bytes",
        "ms",
        "quality",
    ];
    let mut table = Table::new("Trade-off", &columns);
    for step in &curves.steps {
        let whole = |value: f64| count(value.round() as usize);
        table.row([
            step.method.clone(),
            super::charts::label_percent(step.sparsity),
            seeds(&step.seeds),
            step.words(),
            step.deviation.map_or("-".into(), percent),
            whole(step.costs.parameters),
            whole(step.costs.multiply_adds),
            whole(step.costs.bytes),
            step.costs
                .seconds
                .map_or("-".into(), |seconds| format!("{:.3}", 1e3 * seconds)),
            format!("{:.3}", step.quality),
        ]);
    }
    table.caption = format!(
        "{} Quality of model: half the accuracy and half the share of parameters saved.",
        super::charts::seeds(curves)
    );
    table
}
