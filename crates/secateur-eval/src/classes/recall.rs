//! Recall of every class and model, and what is drawn from it.

use rayon::prelude::*;

use crate::population::Population;
use crate::random::{Sample, Stream};
use crate::settings::{Drawn, Settings};
use crate::statistics::Estimate;
use crate::statistics::bootstrap::mean;
use crate::statistics::student;
use crate::statistics::welch::{self, Moments, spread};
use crate::test_set::Grouping;

/// Recalls of a population.
#[derive(Clone, Debug)]
pub(super) struct Recalls {
    /// Examples of each class.
    pub examples: Vec<usize>,
    /// By class, then by model.
    recalls: Vec<Vec<f64>>,
    /// Accuracy of each model on all examples.
    accuracies: Vec<f64>,
}

impl Recalls {
    pub(super) fn of(grouping: &Grouping, population: &Population) -> Self {
        let mut examples = vec![0; grouping.groups.len()];
        grouping
            .of
            .iter()
            .for_each(|&class| examples[class as usize] += 1);
        let hits: Vec<Vec<usize>> = population
            .models()
            .par_iter()
            .map(|model| {
                let mut hits = vec![0; examples.len()];
                for (rank, &class) in model.clean.rank.iter().zip(&grouping.of) {
                    hits[class as usize] += usize::from(*rank == 0);
                }
                hits
            })
            .collect();
        let recalls = (0..examples.len()).map(|class| {
            // Without examples there is no recall, and nobody asks for it.
            let of = examples[class].max(1) as f64;
            hits.iter().map(|hits| hits[class] as f64 / of).collect()
        });
        Self {
            recalls: recalls.collect(),
            accuracies: population.accuracies(),
            examples,
        }
    }

    pub(super) fn models(&self) -> usize {
        self.accuracies.len()
    }

    pub(super) fn recall(&self, class: usize) -> &[f64] {
        &self.recalls[class]
    }

    pub(super) fn mean_accuracy(&self) -> f64 {
        mean(&self.accuracies)
    }

    pub(super) fn moments(&self, class: usize) -> Moments {
        Moments::of(&self.recalls[class])
    }

    pub(super) fn relative(&self, class: usize) -> Vec<f64> {
        let shift = self.mean_accuracy();
        self.recalls[class]
            .iter()
            .map(|recall| recall - shift)
            .collect()
    }

    pub(super) fn own(&self, class: usize) -> Vec<f64> {
        let each = self.recalls[class].iter().zip(&self.accuracies);
        each.map(|(recall, accuracy)| recall - accuracy).collect()
    }
}

/// The two populations after an exchange. Of pairs the first population is `first` and the second
/// `second`, but for those that change places.
pub(super) fn exchanged(
    first: &Recalls,
    second: &Recalls,
    moved: &[bool],
    pairs: bool,
) -> [Recalls; 2] {
    let split = |a: &[f64], b: &[f64]| -> [Vec<f64>; 2] {
        if pairs {
            let side = |swap: bool| {
                let pairs = a.iter().zip(b).zip(moved);
                pairs
                    .map(|((a, b), moved)| if *moved == swap { *a } else { *b })
                    .collect()
            };
            return [side(false), side(true)];
        }
        let side = |side: bool| {
            let all = a.iter().chain(b).zip(moved);
            all.filter(|(_, moved)| **moved == side)
                .map(|(value, _)| *value)
                .collect()
        };
        [side(false), side(true)]
    };
    let mut recalls = [Vec::new(), Vec::new()];
    for (a, b) in first.recalls.iter().zip(&second.recalls) {
        let [c, d] = split(a, b);
        recalls[0].push(c);
        recalls[1].push(d);
    }
    let [c, d] = split(&first.accuracies, &second.accuracies);
    let [a, b] = recalls;
    let examples = &second.examples;
    [
        Recalls {
            examples: examples.clone(),
            recalls: a,
            accuracies: c,
        },
        Recalls {
            examples: examples.clone(),
            recalls: b,
            accuracies: d,
        },
    ]
}

/// 1 if Welch's test of the relative measure has p ≤ α, otherwise 0.
pub(super) fn impact(a: Moments, a_shift: f64, b: Moments, b_shift: f64, alpha: f64) -> f64 {
    let (error, df) = spread(a, b);
    let difference = (b.mean - b_shift) - (a.mean - a_shift);
    // Without variance nothing can be tested, and no class is counted.
    let t = difference.abs() / error;
    if error == 0.0 || t < 1.0 {
        return 0.0;
    }
    f64::from(student::two_tailed(t, df) <= alpha)
}

/// The same by the paired test.
pub(super) fn paired_impact(
    sides: &[Recalls; 2],
    class: usize,
    shifts: [f64; 2],
    alpha: f64,
) -> f64 {
    let of = |side: usize| -> Vec<f64> {
        sides[side].recalls[class]
            .iter()
            .map(|recall| recall - shifts[side])
            .collect()
    };
    let tested = welch::paired(&of(0), &of(1));
    let p = tested.ok().and_then(welch::Outcome::p);
    f64::from(p.is_some_and(|p| p <= alpha))
}

/// Change of recall of each class with its interval, `None` without examples.
pub(super) fn intervals(
    name: &str,
    tables: [&Recalls; 2],
    populations: [&Population; 2],
    grouping: &Grouping,
    paired: bool,
    settings: &Settings,
) -> Vec<Option<Estimate>> {
    let [before, after] = tables;
    let sizes = tables.map(Recalls::models);
    let classes = before.examples.len();
    let resampling = settings.resampling();
    let weights = |stream: &mut Stream| {
        let first = stream.resample(sizes[0]);
        let second = if paired {
            first.clone()
        } else {
            stream.resample(sizes[1])
        };
        [first, second]
    };
    let replicates: Vec<Vec<f64>> = match settings.drawn {
        Drawn::Models => resampling.draw(name, |stream| {
            let [first, second] = weights(stream);
            let weighted = |recalls: &[f64], weights: &[u32]| -> f64 {
                let sum: f64 = recalls
                    .iter()
                    .zip(weights)
                    .map(|(r, &w)| r * f64::from(w))
                    .sum();
                sum / recalls.len() as f64
            };
            let change = |class| {
                weighted(after.recall(class), &second) - weighted(before.recall(class), &first)
            };
            (0..classes).map(change).collect()
        }),
        Drawn::ModelsAndExamples => {
            let hits = populations.map(HitTable::of);
            resampling.draw(name, |stream| {
                let [first, second] = weights(stream);
                let drawn = stream.resample(grouping.of.len());
                let mut sums = vec![[0.0; 3]; classes];
                for (example, (&class, &times)) in grouping.of.iter().zip(&drawn).enumerate() {
                    if times > 0 {
                        let sums = &mut sums[class as usize];
                        let times = f64::from(times);
                        sums[0] += times;
                        sums[1] += times * f64::from(hits[0].weighted(example, &first));
                        sums[2] += times * f64::from(hits[1].weighted(example, &second));
                    }
                }
                let change =
                    |[of, a, b]: [f64; 3]| (b / sizes[1] as f64 - a / sizes[0] as f64) / of;
                sums.into_iter().map(change).collect()
            })
        }
    };
    let n = sizes[0].min(sizes[1]);
    let df = (if paired { 1.0 } else { 2.0 }) * (n as f64 - 1.0);
    let estimate = |class: usize| {
        let values = replicates.iter().map(|changes| changes[class]);
        Estimate {
            value: mean(after.recall(class)) - mean(before.recall(class)),
            // A class of few examples may be missing from a draw.
            interval: resampling.interval(
                values.filter(|value| value.is_finite()).collect(),
                n,
                df,
            ),
        }
    };
    (0..classes)
        .map(|class| (before.examples[class] > 0).then(|| estimate(class)))
        .collect()
}

/// Which models are right on which example, where they disagree.
struct HitTable {
    /// Place in `rows`, or one of the two below.
    place: Vec<u32>,
    models: usize,
    rows: Vec<u8>,
}

const ALL: u32 = u32::MAX;
const NONE: u32 = u32::MAX - 1;

impl HitTable {
    fn of(population: &Population) -> Self {
        let models = population.models();
        let (mut place, mut rows) = (Vec::new(), Vec::new());
        for example in 0..models[0].clean.len() {
            let row: Vec<u8> = models
                .iter()
                .map(|model| u8::from(model.clean.hit(example)))
                .collect();
            let right: usize = row.iter().map(|&hit| usize::from(hit)).sum();
            if right == 0 || right == models.len() {
                place.push(if right == 0 { NONE } else { ALL });
            } else {
                place.push((rows.len() / models.len()) as u32);
                rows.extend(row);
            }
        }
        Self {
            place,
            models: models.len(),
            rows,
        }
    }

    /// How many of the drawn models are right.
    fn weighted(&self, example: usize, weights: &[u32]) -> u32 {
        match self.place[example] {
            NONE => 0,
            // As many are drawn as there are.
            ALL => self.models as u32,
            place => {
                let row = &self.rows[place as usize * self.models..][..self.models];
                row.iter()
                    .zip(weights)
                    .map(|(&hit, &weight)| u32::from(hit) * weight)
                    .sum()
            }
        }
    }
}
