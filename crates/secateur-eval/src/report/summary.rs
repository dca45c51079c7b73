//! The report in sentences: what may be claimed, with how sure.

use crate::analysis::Analysis;
use crate::classes::Verdict;
use crate::report::number::{change, count, p};
use crate::settings::MODELS_FOR_A_VERDICT;

/// One sentence for every level and kind of claim, from the highest level down.
pub(crate) fn of(analysis: &Analysis) -> Vec<String> {
    let mut sentences = Vec::new();
    if !analysis.has_verdicts() {
        sentences.push(format!(
            "No verdict: the smallest population has {} models, a verdict needs {MODELS_FOR_A_VERDICT}. What follows are intervals and counts.",
            analysis.smallest()
        ));
    }
    for level in analysis.levels.iter().skip(2).rev() {
        let mut parts = Vec::new();
        if let Some(estimate) = level.change {
            parts.push(format!("accuracy changed by {} points", change(estimate)));
        }
        parts.extend(pies(analysis, &level.name));
        for grouping in &analysis.groupings {
            parts.extend(impacted(analysis, grouping, &level.name));
        }
        sentences.push(format!("{}: {}.", level.name, parts.join("; ")));
    }
    sentences
}

fn shown(analysis: &Analysis, test: f64) -> &'static str {
    match (analysis.has_verdicts(), test <= analysis.settings.alpha) {
        (false, _) => "no verdict",
        (true, true) => "more than A/A",
        (true, false) => "more than A/A is not shown",
    }
}

fn pies(analysis: &Analysis, level: &str) -> Option<String> {
    let control = analysis.pies.first()?;
    let found = analysis.pies.iter().find(|found| found.level == level)?;
    let test = found.exceeds?;
    Some(format!(
        "{} PIEs beside {} in A/A ({}, p = {})",
        count(found.count),
        count(control.count),
        shown(analysis, test.p),
        p(test.p)
    ))
}

fn impacted(
    analysis: &Analysis,
    grouping: &crate::classes::GroupAnalysis,
    level: &str,
) -> Option<String> {
    let control = grouping.impacted.first()?;
    let found = grouping
        .impacted
        .iter()
        .find(|found| found.level == level)?;
    let test = found.exceeds?;
    let mut text = format!(
        "by {}, {} of {} impacted at p <= {} beside {} in A/A ({}, p = {}), {} after {}",
        grouping.grouping,
        found.count,
        found.tests,
        analysis.settings.alpha,
        control.count,
        shown(analysis, test.p),
        p(test.p),
        found.adjusted,
        analysis.settings.correction.name(),
    );
    let mut losers: Vec<_> = grouping
        .changes
        .iter()
        .filter(|change| change.level == level)
        .filter(|change| {
            matches!(
                change.verdict,
                Verdict::Lost | Verdict::LostMore | Verdict::LostLess
            )
        })
        .collect();
    losers.sort_by(|a, b| a.raw.change.total_cmp(&b.raw.change));
    if !losers.is_empty() {
        let names: Vec<String> = losers
            .iter()
            .take(3)
            .filter_map(|loser| Some(format!("{} {}", loser.class, change(loser.change?))))
            .collect();
        let more = losers.len().saturating_sub(3);
        let more = if more > 0 {
            format!(" and {more} more")
        } else {
            String::new()
        };
        text.push_str(&format!("; recall was lost by {}{more}", names.join(", ")));
    }
    Some(text)
}
