//! Are there more PIEs than in the control? By exchanging models.

use crate::pies::halves::differ;
use crate::pies::modes::{TieRule, Votes};
use crate::settings::Settings;
use crate::statistics::Permutation;
use crate::statistics::permutation::Exchange;

/// The votes of two populations on the examples about which they do not all agree.
///
/// Where all agree, nothing depends on who is exchanged with whom. For the others there is a set of
/// models, one bit each, for every class that has a vote; who votes what after an exchange is then
/// a matter of counting bits.
struct Ballots {
    /// Words of a set.
    words: usize,
    /// What the dense models say, where they are not exchanged.
    dense: Vec<Option<u32>>,
    /// For every example the first of its classes, and the end of the last's.
    starts: Vec<usize>,
    /// Classes with votes, ascending for each example.
    classes: Vec<u32>,
    /// A set for each of `classes`.
    sets: Vec<u64>,
}

impl Ballots {
    fn new(first: &Votes, second: &Votes, dense: &[Option<u32>]) -> Self {
        let words = (first.models + second.models).div_ceil(64);
        let mut ballots = Self {
            words,
            dense: Vec::new(),
            starts: vec![0],
            classes: Vec::new(),
            sets: Vec::new(),
        };
        for (example, &mode) in dense.iter().enumerate() {
            let pool = || {
                first
                    .row(example)
                    .iter()
                    .chain(second.row(example))
                    .copied()
            };
            let mut classes: Vec<u32> = pool().collect();
            classes.sort_unstable();
            classes.dedup();
            if classes.len() < 2 {
                continue;
            }
            for &class in &classes {
                let start = ballots.sets.len();
                ballots.sets.resize(start + words, 0);
                for (model, _) in pool().enumerate().filter(|(_, vote)| *vote == class) {
                    ballots.sets[start + model / 64] |= 1 << (model % 64);
                }
            }
            ballots.classes.extend(classes);
            ballots.starts.push(ballots.classes.len());
            ballots.dense.push(mode);
        }
        ballots
    }

    /// The modes of the models in `second` and of the others, example by example.
    fn modes(&self, second: &[u64], rule: TieRule) -> impl Iterator<Item = [Option<u32>; 2]> {
        self.starts.windows(2).map(move |ends| {
            let mut sides = [Leader::default(); 2];
            for at in ends[0]..ends[1] {
                let set = &self.sets[at * self.words..][..self.words];
                let both = set.iter().map(|word| word.count_ones()).sum::<u32>();
                let there = set
                    .iter()
                    .zip(second)
                    .map(|(a, b)| (a & b).count_ones())
                    .sum::<u32>();
                sides[0].count(self.classes[at], both - there);
                sides[1].count(self.classes[at], there);
            }
            sides.map(|side| side.mode(rule))
        })
    }
}

/// Who has the most votes so far, of classes in ascending order.
#[derive(Clone, Copy, Default)]
struct Leader {
    class: u32,
    votes: u32,
    tied: bool,
}

impl Leader {
    fn count(&mut self, class: u32, votes: u32) {
        if votes > 0 && votes >= self.votes {
            *self = Self {
                class,
                votes,
                tied: votes == self.votes,
            };
        }
    }

    fn mode(self, rule: TieRule) -> Option<u32> {
        match rule {
            TieRule::Undecided if self.tied => None,
            _ => (self.votes > 0).then_some(self.class),
        }
    }
}

/// The test.
///
/// With seeds of their own, pruned models and control models are exchanged, and the statistic is
/// the difference of their counts against the same dense models. With shared seeds the two models
/// of a pair change places, and the statistic is the count.
pub(super) fn test(
    level: &str,
    [dense, control, compared]: [&Votes; 3],
    before: &[Option<u32>],
    paired: bool,
    settings: &Settings,
) -> Option<Permutation> {
    let models = compared.models;
    let ballots = Ballots::new(if paired { dense } else { control }, compared, before);
    let exchange = match paired {
        true => Exchange::Pairs(models),
        false => Exchange::Between {
            first: models,
            second: models,
        },
    };
    let tests = settings
        .permuting()
        .test(&format!("PIEs {level}"), exchange, |moved| {
            let mut second = vec![0_u64; ballots.words];
            let mut put = |model: usize| second[model / 64] |= 1 << (model % 64);
            for (model, &moved) in moved.iter().enumerate() {
                match (paired, moved) {
                    (true, true) | (false, true) => put(model),
                    (true, false) => put(models + model),
                    (false, false) => {}
                }
            }
            let modes = ballots.modes(&second, settings.ties);
            let count = |a, b| i64::from(differ(a, b));
            let difference: i64 = match paired {
                true => modes.map(|[first, second]| count(first, second)).sum(),
                false => {
                    let each = modes.zip(&ballots.dense);
                    each.map(|([a, b], &dense)| count(dense, b) - count(dense, a))
                        .sum()
                }
            };
            [difference as f64]
        });
    tests.first().copied()
}
