//! The pictures of a report.

use crate::analysis::Analysis;
use crate::classes::{ClassChange, GroupAnalysis, Verdict};
use crate::picture::dots::{Row, Series, dots};
use crate::picture::lines::{Axes, Curve, lines};
use crate::picture::{Ink, Marker, Picture};
use crate::report::tables::provenance;
use crate::statistics::{Estimate, Interval};
use crate::tradeoff::{Cost, TradeOff};
use crate::weights::Histogram;

/// Rows that a picture shows at most.
const ROWS: usize = 24;

pub(super) fn all(analysis: &Analysis) -> Vec<Picture> {
    let mut pictures = vec![accuracy(analysis)];
    for grouping in &analysis.groupings {
        let control = analysis
            .levels
            .get(1)
            .map(|level| level.name.as_str())
            .unwrap_or_default();
        let pruned = analysis.levels.iter().skip(2).rev();
        pictures.extend(pruned.map(|level| classes(analysis, grouping, control, &level.name)));
    }
    pictures.push(pies(analysis));
    pictures.push(confidence(analysis));
    pictures.push(reliability(analysis));
    if !analysis.robustness.is_empty() {
        pictures.push(robustness(analysis));
    }
    let provenance = provenance(analysis);
    for picture in &mut pictures {
        picture.caption = format!("{} {provenance}", picture.caption).trim().into();
    }
    pictures
}

/// The look of the populations: ring for the dense models, a cross for the control.
fn look(at: usize) -> (Marker, Ink) {
    match at {
        0 => (Marker::Ring, Ink::Base),
        1 => (Marker::Cross, Ink::Base),
        at => (Marker::of(at - 2), Ink::Series(at - 2)),
    }
}

fn percent(estimate: Estimate) -> Estimate {
    let Interval { low, high } = estimate.interval;
    Estimate {
        value: 100.0 * estimate.value,
        interval: Interval {
            low: 100.0 * low,
            high: 100.0 * high,
        },
    }
}

fn exactly(value: f64) -> Estimate {
    Estimate {
        value,
        interval: Interval {
            low: value,
            high: value,
        },
    }
}

fn accuracy(analysis: &Analysis) -> Picture {
    let names: Vec<String> = analysis
        .levels
        .iter()
        .map(|level| level.name.clone())
        .collect();
    let series = Series {
        name: "mean accuracy with interval".into(),
        marker: Marker::Disk,
        ink: Ink::Series(0),
        values: analysis
            .levels
            .iter()
            .map(|level| Some(percent(level.accuracy)))
            .collect(),
    };
    dots(
        "accuracy",
        "Accuracy",
        "accuracy, %",
        &plain(&names),
        &[series],
        false,
    )
}

fn classes(analysis: &Analysis, grouping: &GroupAnalysis, control: &str, level: &str) -> Picture {
    let mut changes = of(grouping, level);
    changes.sort_by(|a, b| a.raw.change.total_cmp(&b.raw.change));
    let all = changes.len();
    if all > ROWS {
        changes.drain(ROWS * 3 / 4..all - ROWS / 4);
    }
    let rows: Vec<Row> = changes
        .iter()
        .map(|change| Row {
            name: change.class.clone(),
            signs: match analysis.has_verdicts() {
                true => signs(change.verdict),
                false => Vec::new(),
            },
        })
        .collect();
    let baseline = of(grouping, control);
    let baseline = |class: &str| baseline.iter().find(|change| change.class == class);
    let series = [
        Series {
            name: "A/A".into(),
            marker: Marker::Cross,
            ink: Ink::Base,
            values: changes
                .iter()
                .map(|change| {
                    baseline(&change.class)
                        .and_then(|change| change.change)
                        .map(percent)
                })
                .collect(),
        },
        Series {
            name: format!("{level} against dense"),
            marker: Marker::Disk,
            ink: Ink::Series(0),
            values: changes
                .iter()
                .map(|change| change.change.map(percent))
                .collect(),
        },
    ];
    let title = format!("Change of recall by {}, {level}", grouping.grouping);
    let mut picture = dots(
        &format!("{}-{}", file_name(&grouping.grouping), file_name(level)),
        &title,
        "change of recall, points",
        &rows,
        &series,
        true,
    );
    let left_out = match all > ROWS {
        true => format!("The {ROWS} at the ends of {all}. "),
        false => String::new(),
    };
    let signs = match analysis.has_verdicts() {
        true => {
            "▼▼ lost more than the average, ▼ lost or fell behind, △ held up better than the average, ▲ gained, · no change shown."
        }
        false => "Too few models for a verdict.",
    };
    picture.caption = format!("{left_out}{signs}");
    picture
}

fn of<'a>(grouping: &'a GroupAnalysis, level: &str) -> Vec<&'a ClassChange> {
    grouping
        .changes
        .iter()
        .filter(|change| change.level == level)
        .collect()
}

/// Which of so many levels are drawn together: dense, control, the middle one and the last. More
/// hide each other.
fn shown(levels: usize) -> Vec<usize> {
    let last = levels.saturating_sub(1);
    let mut shown = vec![0, 1, usize::midpoint(2, last), last];
    shown.dedup();
    shown.retain(|&at| at < levels);
    shown
}

fn plain(names: &[String]) -> Vec<Row> {
    names.iter().map(|name| Row::plain(name)).collect()
}

/// A verdict's sign as it is drawn.
fn signs(verdict: Verdict) -> Vec<Marker> {
    let sign = verdict.sign().chars().filter_map(|sign| match sign {
        '▼' => Some(Marker::Down),
        '▲' => Some(Marker::Triangle),
        '△' => Some(Marker::Open),
        '·' => Some(Marker::Dot),
        _ => None,
    });
    sign.collect()
}

/// A name of a file from words.
pub(super) fn file_name(words: &str) -> String {
    let plain: String = words
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || c == '.' {
                c.to_ascii_lowercase()
            } else {
                '-'
            }
        })
        .collect();
    let parts: Vec<&str> = plain.split('-').filter(|part| !part.is_empty()).collect();
    parts.join("-")
}

fn pies(analysis: &Analysis) -> Picture {
    let names: Vec<String> = analysis
        .pies
        .iter()
        .map(|level| level.level.clone())
        .collect();
    let series = |name: &str, at, of: fn(&crate::pies::PieAnalysis) -> f64| Series {
        name: name.into(),
        marker: Marker::of(at),
        ink: Ink::Series(at),
        values: analysis
            .pies
            .iter()
            .map(|level| Some(exactly(of(level))))
            .collect(),
    };
    let series = [
        series("PIEs", 0, |level| level.count as f64),
        series("undecided", 1, |level| level.undecided as f64),
    ];
    let mut picture = dots(
        "pies",
        "Examples seen differently",
        "examples",
        &plain(&names),
        &series,
        true,
    );
    let models = analysis.pies.first().map_or(0, |level| level.models);
    picture.caption = format!(
        "Counts with {models} models of each population; compare with A/A. Counts have no interval."
    );
    picture
}

fn bins(analysis: &Analysis, of: fn(&crate::calibration::Bin) -> Option<(f64, f64)>) -> Vec<Curve> {
    let shown = shown(analysis.calibration.len());
    let curve = |(place, at): (usize, usize)| {
        let level = analysis.calibration.get(at)?;
        let (marker, ink) = look(place);
        let points = level
            .bins
            .iter()
            .filter_map(of)
            .map(|(x, y)| (100.0 * x, 100.0 * y, None));
        Some(Curve {
            name: level.level.clone(),
            marker,
            ink,
            points: points.collect(),
        })
    };
    shown.into_iter().enumerate().filter_map(curve).collect()
}

fn confidence(analysis: &Analysis) -> Picture {
    let curves = bins(analysis, |bin| {
        (bin.share > 0.0).then_some((bin.confidence, bin.share))
    });
    let axes = Axes {
        across: "confidence, %",
        up: "share of predictions, %",
        diagonal: false,
        from_zero: true,
    };
    let mut picture = lines("confidence", "How sure the models are", &axes, &curves);
    picture.caption =
        "15 bins of equal width, means over the models, drawn at the mean confidence of each."
            .into();
    picture
}

fn reliability(analysis: &Analysis) -> Picture {
    // Fewer than one prediction in a thousand say nothing.
    let curves = bins(analysis, |bin| {
        (bin.share > 0.001).then_some((bin.confidence, bin.accuracy))
    });
    let axes = Axes {
        across: "confidence, %",
        up: "accuracy, %",
        diagonal: true,
        from_zero: false,
    };
    let mut picture = lines(
        "reliability",
        "Whether they are sure rightly",
        &axes,
        &curves,
    );
    picture.caption = "On the line confidence and accuracy are the same. Bins with under 0.1 % of the predictions are left out.".into();
    picture
}

fn robustness(analysis: &Analysis) -> Picture {
    let mut names: Vec<String> = Vec::new();
    for row in &analysis.robustness {
        if !names.contains(&row.corruption) {
            names.push(row.corruption.clone());
        }
    }
    let value = |corruption: &str, level: &str| {
        let rows = || {
            analysis
                .robustness
                .iter()
                .filter(|row| row.corruption == corruption && row.level == level)
        };
        let mean = rows().find(|row| row.severity.is_none());
        mean.or_else(|| rows().next()).map(|row| percent(row.drop))
    };
    let shown = shown(analysis.levels.len());
    let series: Vec<Series> = shown
        .into_iter()
        .enumerate()
        .map(|(place, at)| {
            let (marker, ink) = look(place);
            let level = &analysis.levels[at].name;
            let values = names
                .iter()
                .map(|corruption| value(corruption, level))
                .collect();
            Series {
                name: level.clone(),
                marker,
                ink,
                values,
            }
        })
        .collect();
    let axis = "share of the clean accuracy that is lost, %";
    let mut picture = dots(
        "robustness",
        "What corrupted inputs cost",
        axis,
        &plain(&names),
        &series,
        true,
    );
    picture.caption =
        "Means over the severities; each population against its own clean accuracy.".into();
    picture
}

/// One picture for every cost that all points have.
pub(super) fn tradeoff(curves: &TradeOff) -> Vec<Picture> {
    let costs = Cost::ALL.into_iter().filter(|cost| {
        curves
            .steps
            .iter()
            .all(|step| cost.of(&step.costs).is_some_and(|value| value > 0.0))
    });
    costs.map(|cost| cost_picture(curves, cost)).collect()
}

fn cost_picture(curves: &TradeOff, cost: Cost) -> Picture {
    let methods = curves.methods();
    let mut place = 0;
    let drawn: Vec<Curve> = methods
        .iter()
        .map(|&method| {
            let (marker, ink) = if method == curves.control {
                (Marker::Cross, Ink::Base)
            } else {
                place += 1;
                (Marker::of(place - 1), Ink::Series(place - 1))
            };
            let steps = curves.steps.iter().filter(|step| step.method == method);
            let mut points: Vec<_> = steps
                .filter_map(|step| {
                    let scale = |Interval { low, high }| Interval {
                        low: 100.0 * low,
                        high: 100.0 * high,
                    };
                    Some((
                        cost.of(&step.costs)?,
                        100.0 * step.accuracy,
                        step.interval.map(scale),
                    ))
                })
                .collect();
            points.sort_by(|a, b| a.0.total_cmp(&b.0));
            Curve {
                name: method.into(),
                marker,
                ink,
                points,
            }
        })
        .collect();
    let axes = Axes {
        across: cost.name(),
        up: "accuracy, %",
        diagonal: false,
        from_zero: false,
    };
    let name = format!("tradeoff-{}", file_name(cost.name()));
    let mut picture = lines(
        &name,
        &format!("Accuracy against {}", cost.name()),
        &axes,
        &drawn,
    );
    let front: Vec<String> = curves
        .pareto(cost)
        .iter()
        .map(|step| format!("{} at {} %", step.method, label_percent(step.sparsity)))
        .collect();
    picture.caption = format!(
        "{} Pareto front, cheapest first: {}.",
        seeds(curves),
        front.join(", ")
    );
    picture
}

pub(super) fn label_percent(share: f64) -> String {
    format!("{}", (share * 1e8).round() / 1e6)
}

/// Data set and seeds of trade-off curves in a sentence.
pub(super) fn seeds(curves: &TradeOff) -> String {
    let least = curves
        .steps
        .iter()
        .map(|step| step.seeds.len())
        .min()
        .unwrap_or(0);
    let most = curves
        .steps
        .iter()
        .map(|step| step.seeds.len())
        .max()
        .unwrap_or(0);
    let spread = match (least, most) {
        (1, 1) => "Every point is a single run from one seed: differences may be luck.".into(),
        (1, most) => format!(
            "1 to {most} seeds a point, bands are 95 % intervals; points of one seed have none and may be luck."
        ),
        (least, most) if least == most => {
            format!("{most} seeds a point; bands are 95 % intervals from resampling them.")
        }
        (least, most) => {
            format!(
                "{least} to {most} seeds a point; bands are 95 % intervals from resampling them."
            )
        }
    };
    format!(
        "{}. {spread} \"{}\" prunes at random: the control.",
        curves.data, curves.control
    )
}

/// Weights before and after.
pub(super) fn histogram(name: &str, shown: &[(String, Histogram)], caption: &str) -> Picture {
    let curves: Vec<Curve> = shown
        .iter()
        .enumerate()
        .map(|(at, (name, histogram))| {
            let counts = histogram.counts.iter().enumerate();
            Curve {
                name: format!(
                    "{name} ({} zeros)",
                    crate::report::number::count(histogram.zeros)
                ),
                marker: Marker::of(at),
                ink: Ink::Series(at),
                points: counts
                    .map(|(bin, &count)| (histogram.middle(bin), count as f64, None))
                    .collect(),
            }
        })
        .collect();
    let axes = Axes {
        across: "weight",
        up: "how many",
        diagonal: false,
        from_zero: true,
    };
    let file = format!("weights-{}", file_name(name));
    let mut picture = lines(&file, &format!("Weights of {name}"), &axes, &curves);
    picture.caption = format!("Zeros are counted apart. {caption}");
    picture
}
