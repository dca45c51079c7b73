//! How hard the examples are on which two populations differ, without counting twice.
//!
//! Two modes that differ cannot both be right, so models look bad on the very examples on which
//! they were found to differ. Here the examples are found with one half of each population and the
//! accuracy is measured on the other half, both ways round, over several random halvings.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::pies::modes::Votes;
use crate::random::Stream;
use crate::settings::Settings;

/// What halved populations say, on average over the halvings.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Halves {
    /// Models in a half.
    pub models: usize,
    /// Halvings, each used both ways round.
    pub halvings: usize,
    /// Examples found by one half.
    pub count: f64,
    /// Accuracy on them of the other half of the dense models; `None` if none were ever found.
    pub dense: Option<f64>,
    /// Accuracy on them of the other half of the compared models.
    pub compared: Option<f64>,
    /// Accuracy of the same dense models on as many random examples.
    pub dense_random: Option<f64>,
    /// Accuracy of the same compared models on as many random examples.
    pub compared_random: Option<f64>,
}

#[derive(Clone, Copy, Default)]
struct Sums {
    count: f64,
    found: usize,
    accuracy: [f64; 4],
}

/// `None` under four models, which leave no two halves of two.
pub(super) fn halves(
    dense: &Votes,
    compared: &Votes,
    truth: &[u32],
    paired: bool,
    name: &str,
    settings: &Settings,
) -> Option<Halves> {
    let half = dense.models.min(compared.models) / 2;
    if half < 2 {
        return None;
    }
    let one = |halving: usize| {
        let mut stream = Stream::new(settings.seed, &format!("halves {name}"), halving);
        let mut shuffled = |models: usize| {
            let mut order: Vec<usize> = (0..models).collect();
            stream.shuffle(&mut order);
            order
        };
        let first = shuffled(dense.models);
        // Models of a pair stay on one side.
        let second = if paired {
            first.clone()
        } else {
            shuffled(compared.models)
        };
        let sides = [&first[..half], &first[half..2 * half]];
        let others = [&second[..half], &second[half..2 * half]];
        let mut sums = [Sums::default(); 2];
        for (from, sums) in sums.iter_mut().enumerate() {
            let to = 1 - from;
            let before = dense.modes_of(sides[from], settings.ties);
            let after = compared.modes_of(others[from], settings.ties);
            let found: Vec<usize> = (0..truth.len())
                .filter(|&at| differ(before[at], after[at]))
                .collect();
            sums.count = found.len() as f64;
            if found.is_empty() {
                continue;
            }
            sums.found = 1;
            let random: Vec<usize> = (0..found.len())
                .map(|_| stream.below(truth.len()))
                .collect();
            sums.accuracy = [
                accuracy(dense, sides[to], &found, truth),
                accuracy(compared, others[to], &found, truth),
                accuracy(dense, sides[to], &random, truth),
                accuracy(compared, others[to], &random, truth),
            ];
        }
        sums
    };
    let all: Vec<Sums> = (0..settings.halvings)
        .into_par_iter()
        .flat_map_iter(one)
        .collect();
    let with: Vec<&Sums> = all.iter().filter(|sums| sums.found > 0).collect();
    let mean = |which: usize| {
        let sum: f64 = with.iter().map(|sums| sums.accuracy[which]).sum();
        (!with.is_empty()).then(|| sum / with.len() as f64)
    };
    Some(Halves {
        models: half,
        halvings: settings.halvings,
        count: all.iter().map(|sums| sums.count).sum::<f64>() / all.len() as f64,
        dense: mean(0),
        compared: mean(1),
        dense_random: mean(2),
        compared_random: mean(3),
    })
}

/// Whether two modes are there and differ.
pub(super) fn differ(before: Option<u32>, after: Option<u32>) -> bool {
    matches!((before, after), (Some(before), Some(after)) if before != after)
}

fn accuracy(votes: &Votes, models: &[usize], examples: &[usize], truth: &[u32]) -> f64 {
    let right = examples.iter().map(|&example| {
        let row = votes.row(example);
        models
            .iter()
            .filter(|&&model| row[model] == truth[example])
            .count()
    });
    right.sum::<usize>() as f64 / (examples.len() * models.len()) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pies::tests::population;

    #[test]
    fn accuracy_is_that_of_the_other_half() {
        // Six examples of class 0. Dense models are always right; pruned ones all say 1 on examples
        // 4 and 5.
        let dense = population("dense", &vec![vec![0, 0, 0, 0, 0, 0]; 4], 0);
        let pruned = population("90 %", &vec![vec![0, 0, 0, 0, 1, 1]; 4], 10);
        let truth = [0; 6];
        let votes = |population| Votes::of(population, 4, 2);
        let found = halves(
            &votes(&dense),
            &votes(&pruned),
            &truth,
            false,
            "t",
            &Settings::default(),
        )
        .unwrap();
        assert_eq!((found.models, found.count), (2, 2.0));
        assert_eq!((found.dense, found.compared), (Some(1.0), Some(0.0)));
        assert_eq!(found.dense_random, Some(1.0));
        let few = Votes::of(&dense, 3, 2);
        assert_eq!(
            halves(&few, &few, &truth, false, "t", &Settings::default()),
            None
        );
        // Nothing differs: no accuracy, rather than a zero.
        let same = halves(
            &votes(&dense),
            &votes(&dense),
            &truth,
            false,
            "t",
            &Settings::default(),
        )
        .unwrap();
        assert_eq!(
            (same.count, same.dense, same.compared_random),
            (0.0, None, None)
        );
    }
}
