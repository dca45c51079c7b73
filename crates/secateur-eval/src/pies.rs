//! The examples that pruning changes the mind about.
//!
//! Hooker et al. (2019, arXiv 1911.05248) call an example a *pruning identified exemplar* (PIE)
//! where the modal prediction of a population of pruned models differs from that of the dense ones.
//! Two populations of dense models differ too, on examples that are close calls: that is what the
//! control shows.

mod exchange;
pub(crate) mod halves;
pub(crate) mod modes;

use serde::{Deserialize, Serialize};

use crate::population::{Design, Population};
use crate::settings::Settings;
use crate::statistics::Permutation;
use crate::test_set::TestSet;
use modes::Votes;

pub use halves::Halves;
pub use modes::TieRule;

/// An example on which the populations differ.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pie {
    /// Its index in the test set.
    pub index: usize,
    /// Its true class.
    pub label: u32,
    /// What most dense models say.
    pub dense: u32,
    /// How many of them.
    pub dense_votes: usize,
    /// What most of the compared models say.
    pub compared: u32,
    /// How many of them.
    pub compared_votes: usize,
}

/// The PIEs of one level, or of the control.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PieAnalysis {
    /// The level that is compared with the dense one.
    pub level: String,
    /// Models of each population; the smallest population of the study, so that counts compare.
    pub models: usize,
    /// How many examples there are.
    pub count: usize,
    /// Examples that are a tie in either population, and so in neither list.
    pub undecided: usize,
    /// More than the control has? By exchanging models, `None` for the control itself.
    pub exceeds: Option<Permutation>,
    /// Accuracy on the PIEs, by halves; `None` under four models.
    pub halves: Option<Halves>,
    /// The examples themselves.
    pub examples: Vec<Pie>,
}

/// PIEs of every population after the first (which is the dense one) against it; the second is the
/// control.
pub(crate) fn analyse(
    set: &TestSet,
    populations: &[Population],
    design: Design,
    settings: &Settings,
) -> Vec<PieAnalysis> {
    let models = populations.iter().map(Population::len).min().unwrap_or(0);
    let votes: Vec<Votes> = populations
        .iter()
        .map(|population| Votes::of(population, models, set.classes().len()))
        .collect();
    let Some((dense, others)) = votes.split_first() else {
        return Vec::new();
    };
    let before = dense.modes(settings.ties);
    let compare = |(at, votes): (usize, &Votes)| {
        let level = populations[at + 1].level().name();
        let paired = design == Design::Shared && at > 0;
        let after = votes.modes(settings.ties);
        let examples = list(set.labels(), dense, votes, &before, &after);
        let exceeds = match at {
            0 => None,
            _ => exchange::test(level, [dense, &others[0], votes], &before, paired, settings),
        };
        PieAnalysis {
            level: level.into(),
            models,
            count: examples.len(),
            undecided: before
                .iter()
                .zip(&after)
                .filter(|(a, b)| a.is_none() || b.is_none())
                .count(),
            exceeds,
            halves: halves::halves(dense, votes, set.labels(), paired, level, settings),
            examples,
        }
    };
    others.iter().enumerate().map(compare).collect()
}

fn list(
    truth: &[u32],
    dense: &Votes,
    compared: &Votes,
    before: &[Option<u32>],
    after: &[Option<u32>],
) -> Vec<Pie> {
    let count = |row: &[u32], label| row.iter().filter(|&&vote| vote == label).count();
    let modes = before.iter().zip(after).enumerate();
    let pies = modes.filter_map(|(index, modes)| match modes {
        (&Some(a), &Some(b)) if a != b => Some(Pie {
            index,
            label: truth[index],
            dense: a,
            dense_votes: count(dense.row(index), a),
            compared: b,
            compared_votes: count(compared.row(index), b),
        }),
        _ => None,
    });
    pies.collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::level::Level;
    use crate::model::ModelResult;
    use crate::predictions::Predictions;

    /// A population by what each model says of each example.
    pub(crate) fn population(level: &str, answers: &[Vec<u32>], first_seed: u64) -> Population {
        let level = match level {
            "dense" => Level::dense(),
            "A/A" => Level::control(),
            name => Level::named(name, 0.9).unwrap(),
        };
        let models = answers.iter().zip(first_seed..).map(|(labels, seed)| {
            let n = labels.len();
            let clean = Predictions {
                test_set: 0,
                labels: labels.clone(),
                confidence: vec![0.9; n],
                rank: vec![0; n],
            };
            ModelResult::new(level.clone(), seed, clean)
        });
        Population::sort_out(models.collect()).unwrap().remove(0)
    }

    #[test]
    fn pies_and_ties_by_hand() {
        let set = TestSet::new("t", ["a", "b", "c"], [0, 0, 0, 0]).unwrap();
        // Votes on the four examples: all agree; dense 0 pruned 1; a tie among the pruned; dense 2
        // pruned 0.
        let dense = population("dense", &vec![vec![0, 0, 0, 2]; 4], 0);
        let control = population("A/A", &vec![vec![0, 0, 0, 2]; 4], 10);
        let pruned = population(
            "90 %",
            &[
                vec![0, 1, 0, 0],
                vec![0, 1, 1, 0],
                vec![0, 1, 0, 0],
                vec![0, 0, 1, 2],
            ],
            20,
        );
        let all = [dense, control, pruned];
        let found = analyse(&set, &all, Design::Disjoint, &Settings::default());
        assert_eq!(
            (found[0].count, found[0].undecided, found[0].exceeds),
            (0, 0, None)
        );
        assert_eq!((found[1].count, found[1].undecided), (2, 1));
        let expected = Pie {
            index: 1,
            label: 0,
            dense: 0,
            dense_votes: 4,
            compared: 1,
            compared_votes: 3,
        };
        assert_eq!(found[1].examples[0], expected);
        assert_eq!(found[1].examples[1].index, 3);
        // 70 exchanges of 4 with 4. Only the population as it is has two more than its partner.
        let exceeds = found[1].exceeds.unwrap();
        assert_eq!(
            (exceeds.statistic, exceeds.exchanges, exceeds.exact),
            (2.0, 70, true)
        );
        // The paper's rule decides the tie for 1: a third PIE.
        let settings = Settings {
            ties: TieRule::LargestLabel,
            ..Settings::default()
        };
        let found = analyse(&set, &all, Design::Disjoint, &settings);
        assert_eq!((found[1].count, found[1].undecided), (3, 0));
    }

    #[test]
    fn exchanging_by_enumeration() {
        // One example, dense says 0. Pool: control 0, 0; pruned 1, 1. Of the six exchanges the
        // pruned side is all ones once (+1), all zeros once (−1), a tie on both sides four times
        // (0).
        let set = TestSet::new("t", ["a", "b"], [0]).unwrap();
        let all = [
            population("dense", &[vec![0], vec![0]], 0),
            population("A/A", &[vec![0], vec![0]], 10),
            population("90 %", &[vec![1], vec![1]], 20),
        ];
        let exceeds = analyse(&set, &all, Design::Disjoint, &Settings::default())[1]
            .exceeds
            .unwrap();
        assert_eq!(
            (exceeds.statistic, exceeds.p, exceeds.exchanges),
            (1.0, 1.0 / 6.0, 6)
        );
        // Pairs: both swapped or none gives a PIE, one of two swapped a tie.
        let paired = analyse(&set, &all, Design::Shared, &Settings::default())[1]
            .exceeds
            .unwrap();
        assert_eq!(
            (paired.statistic, paired.p, paired.exchanges),
            (1.0, 0.5, 4)
        );
    }
}
