//! Which classes pay: recall, class by class, against the dense models.
//!
//! Three measures stand beside each other, each with a two-tailed t-test per class:
//!
//! | measure | what is compared |
//! | --- | --- |
//! | raw | the recall itself |
//! | relative | recall minus the population's mean accuracy, as in Hooker et al. (2019) |
//! | own | recall minus the same model's accuracy |
//!
//! The paper calls a class *impacted* by its relative measure. A class can be impacted by losing
//! less than the others; so the raw change comes first here, and what falls is never called a gain.
//! Relative changes add up to about zero over the classes, so their tests depend on each other.
//!
//! The family of tests is all classes × levels of one measure. The control has a family of its own.

mod recall;
mod verdict;

use serde::{Deserialize, Serialize};

use crate::error::EvalError;
use crate::population::{Design, Population};
use crate::settings::{MODELS_FOR_A_VERDICT, Settings};
use crate::statistics::permutation::Exchange;
use crate::statistics::welch::{self, Outcome, WhyNot};
use crate::statistics::{Estimate, Permutation, student};
use crate::test_set::Grouping;
use recall::Recalls;

pub use verdict::Verdict;

/// A test of one class at one level.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClassTest {
    /// Change of the measure, as a share (0.01 is one point).
    pub change: f64,
    /// What came of the test.
    pub outcome: Outcome,
    /// The p-value after correction for the family, where there is one.
    pub adjusted: Option<f64>,
}

impl ClassTest {
    /// Whether the adjusted p-value is at most α.
    #[must_use]
    pub fn significant(&self, alpha: f64) -> bool {
        self.adjusted.is_some_and(|p| p <= alpha)
    }
}

/// One class at one level.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClassChange {
    /// The level that is compared with the dense one.
    pub level: String,
    /// The class or group.
    pub class: String,
    /// How many examples it has.
    pub examples: usize,
    /// Mean recall of the dense models.
    pub dense: f64,
    /// Mean recall of the level's models.
    pub compared: f64,
    /// Change of the recall, as a share; `None` without examples.
    pub change: Option<Estimate>,
    /// The change that would have been found four times of five (one test at α by itself).
    pub detectable: Option<f64>,
    /// The recall itself.
    pub raw: ClassTest,
    /// Against the population's mean accuracy.
    pub relative: ClassTest,
    /// Against each model's own accuracy.
    pub own: ClassTest,
    /// Is the raw change larger than the control's, by exchanging models? `None` for the control
    /// itself.
    pub exceeds: Option<Permutation>,
    /// The same for the relative change.
    pub relative_exceeds: Option<Permutation>,
    /// What may be said.
    pub verdict: Verdict,
}

/// How many classes of a level are impacted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Impacted {
    /// The level.
    pub level: String,
    /// Tests that could be done.
    pub tests: usize,
    /// Relative measure, p ≤ α without correction: the paper's count.
    pub count: usize,
    /// What chance alone would give: α × tests.
    pub by_chance: f64,
    /// Relative measure after correction.
    pub adjusted: usize,
    /// Recall itself, after correction.
    pub raw_adjusted: usize,
    /// Is the paper's count larger than the control's, by exchanging models? `None` for the
    /// control itself.
    pub exceeds: Option<Permutation>,
}

/// One grouping: the class, or whatever else was given.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GroupAnalysis {
    /// What the examples are grouped by.
    pub grouping: String,
    /// How many tests the family of each measure has.
    pub family: usize,
    /// Level by level, class by class; the control first.
    pub changes: Vec<ClassChange>,
    /// Level by level; the control first.
    pub impacted: Vec<Impacted>,
}

/// All classes of all populations after the first (the dense one; the second is the control).
pub(crate) fn analyse(
    grouping: &Grouping,
    populations: &[Population],
    design: Design,
    settings: &Settings,
) -> Result<GroupAnalysis, EvalError> {
    let tables: Vec<Recalls> = populations
        .iter()
        .map(|population| Recalls::of(grouping, population))
        .collect();
    let [dense, control, ..] = &tables[..] else {
        return Err(EvalError::NoPopulation {
            kind: "control",
            remedy: "train a second dense population with other seeds",
        });
    };
    let (mut changes, mut impacted) = (Vec::new(), Vec::new());
    for (at, table) in tables.iter().enumerate().skip(1) {
        let level = populations[at].level().name();
        let paired = design == Design::Shared && at > 1;
        let comparison = Comparison {
            dense,
            control,
            table,
            paired,
            settings,
        };
        let few = populations[at].len().min(populations[0].len()) < MODELS_FOR_A_VERDICT;
        let (exceeds, count) = match at {
            1 => (vec![[None; 2]; grouping.groups.len()], None),
            _ => comparison.exceeds(&format!("{} {level}", grouping.name)),
        };
        let intervals = comparison.intervals(
            &format!("{} {level}", grouping.name),
            populations,
            at,
            grouping,
        );
        for (class, name) in grouping.groups.iter().enumerate() {
            let [raw, relative, own] = comparison.tests(class)?;
            let some = table.examples[class] > 0;
            let (before, after) = (dense.recall(class), table.recall(class));
            changes.push(ClassChange {
                level: level.into(),
                class: name.clone(),
                examples: table.examples[class],
                dense: crate::statistics::bootstrap::mean(before),
                compared: crate::statistics::bootstrap::mean(after),
                change: intervals[class],
                detectable: match (some, paired) {
                    (false, _) => None,
                    (true, false) => Some(welch::detectable(before, after, settings.alpha, 0.8)?),
                    (true, true) => Some(detectable_paired(before, after, settings.alpha)),
                },
                raw,
                relative,
                own,
                exceeds: exceeds[class][0],
                relative_exceeds: exceeds[class][1],
                verdict: if few {
                    Verdict::TooFewModels
                } else {
                    Verdict::NotShown
                },
            });
        }
        impacted.push(Impacted {
            level: level.into(),
            tests: 0,
            count: 0,
            by_chance: 0.0,
            adjusted: 0,
            raw_adjusted: 0,
            exceeds: count,
        });
    }
    let classes = grouping.groups.len();
    // The control is a family of its own: it is no part of what is claimed.
    let (first, rest) = changes.split_at_mut(classes);
    let family = adjust(rest, settings);
    adjust(first, settings);
    for change in &mut changes {
        change.verdict = verdict::of(change, settings.alpha);
    }
    for impacted in &mut impacted {
        let mine = changes
            .iter()
            .filter(|change| change.level == impacted.level);
        for change in mine {
            let Some(p) = change.relative.outcome.p() else {
                continue;
            };
            impacted.tests += 1;
            impacted.count += usize::from(p <= settings.alpha);
            impacted.adjusted += usize::from(change.relative.significant(settings.alpha));
            impacted.raw_adjusted += usize::from(change.raw.significant(settings.alpha));
        }
        impacted.by_chance = settings.alpha * impacted.tests as f64;
    }
    Ok(GroupAnalysis {
        grouping: grouping.name.clone(),
        family,
        changes,
        impacted,
    })
}

/// Adjusts the p-values of a family, measure by measure; says how many tests it has.
fn adjust(changes: &mut [ClassChange], settings: &Settings) -> usize {
    let measures: [fn(&mut ClassChange) -> &mut ClassTest; 3] = [
        |change| &mut change.raw,
        |change| &mut change.own,
        |change| &mut change.relative,
    ];
    let mut family = 0;
    for measure in measures {
        let mut tested: Vec<&mut ClassTest> = changes.iter_mut().map(measure).collect();
        tested.retain(|test| test.outcome.p().is_some());
        family = tested.len();
        let p: Vec<f64> = tested.iter().filter_map(|test| test.outcome.p()).collect();
        for (test, adjusted) in tested.iter_mut().zip(settings.correction.adjust(&p)) {
            test.adjusted = Some(adjusted);
        }
    }
    family
}

fn detectable_paired(before: &[f64], after: &[f64], alpha: f64) -> f64 {
    let gains: Vec<f64> = before.iter().zip(after).map(|(a, b)| b - a).collect();
    let (n, df) = (gains.len() as f64, gains.len() as f64 - 1.0);
    let error = crate::statistics::bootstrap::deviation(&gains) / n.sqrt();
    (student::critical(alpha, df) + student::critical(0.4, df)) * error
}

/// One population against the dense one, with the control at hand.
struct Comparison<'a> {
    dense: &'a Recalls,
    control: &'a Recalls,
    table: &'a Recalls,
    paired: bool,
    settings: &'a Settings,
}

impl Comparison<'_> {
    /// Raw, relative, own.
    fn tests(&self, class: usize) -> Result<[ClassTest; 3], EvalError> {
        let test = |before: &[f64], after: &[f64]| {
            let change = crate::statistics::bootstrap::mean(after)
                - crate::statistics::bootstrap::mean(before);
            let outcome = match (self.table.examples[class], self.paired) {
                (0, _) => Outcome::NotTestable(WhyNot::NoExamples),
                (_, false) => welch::welch(before, after)?,
                (_, true) => welch::paired(before, after)?,
            };
            Ok::<_, EvalError>(ClassTest {
                change,
                outcome,
                adjusted: None,
            })
        };
        Ok([
            test(self.dense.recall(class), self.table.recall(class))?,
            test(&self.dense.relative(class), &self.table.relative(class))?,
            test(&self.dense.own(class), &self.table.own(class))?,
        ])
    }

    /// For each class whether its change exceeds the control's, and whether the number of impacted
    /// classes does.
    ///
    /// With seeds of their own, models of this level and of the control are exchanged, and the
    /// statistic is how much further this level is from the dense one than the control is. With
    /// shared seeds the two models of a pair change places.
    fn exceeds(&self, name: &str) -> (Vec<[Option<Permutation>; 2]>, Option<Permutation>) {
        let classes = self.table.examples.len();
        let (exchange, partner) = match self.paired {
            true => (Exchange::Pairs(self.table.models()), self.dense),
            false => {
                let (first, second) = (self.control.models(), self.table.models());
                (Exchange::Between { first, second }, self.control)
            }
        };
        let tests = self.settings.permuting().test(name, exchange, |moved| {
            let mut statistics = Vec::with_capacity(2 * classes + 1);
            let sides = recall::exchanged(partner, self.table, moved, self.paired);
            let means = sides.each_ref().map(Recalls::mean_accuracy);
            let fixed = self.dense.mean_accuracy();
            let mut impacted = 0.0;
            for class in 0..classes {
                let [a, b] = sides.each_ref().map(|side| side.moments(class));
                let dense = self.dense.moments(class);
                let alpha = self.settings.alpha;
                // How far the means are apart: the recall's, and against the mean accuracy.
                let apart = |by: f64, shift: f64| [by.abs(), (by - shift).abs()];
                if self.paired {
                    statistics.extend(apart(b.mean - a.mean, means[1] - means[0]));
                    impacted += recall::paired_impact(&sides, class, means, alpha);
                } else {
                    let near = apart(a.mean - dense.mean, means[0] - fixed);
                    let far = apart(b.mean - dense.mean, means[1] - fixed);
                    statistics.extend([far[0] - near[0], far[1] - near[1]]);
                    impacted += recall::impact(dense, fixed, b, means[1], alpha)
                        - recall::impact(dense, fixed, a, means[0], alpha);
                }
            }
            statistics.push(impacted);
            statistics
        });
        let count = tests.last().copied();
        let (pairs, _) = tests.as_chunks::<2>();
        let each = pairs.iter().zip(&self.table.examples);
        let each = each.map(|(pair, &examples)| pair.map(|test| (examples > 0).then_some(test)));
        (each.collect(), count)
    }

    fn intervals(
        &self,
        name: &str,
        populations: &[Population],
        at: usize,
        grouping: &Grouping,
    ) -> Vec<Option<Estimate>> {
        recall::intervals(
            name,
            [self.dense, self.table],
            [&populations[0], &populations[at]],
            grouping,
            self.paired,
            self.settings,
        )
    }
}
