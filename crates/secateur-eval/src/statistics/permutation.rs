//! Exchange models between populations: what would be seen if there were no difference?

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::random::Stream;

/// The result of a permutation test.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Permutation {
    /// The statistic of the populations as they are.
    pub statistic: f64,
    /// Share of exchanges with a statistic at least as large (one-sided).
    pub p: f64,
    /// How many exchanges were looked at.
    pub exchanges: usize,
    /// Whether these are all there are. If not, the populations as they are count as one more, so
    /// that p is never 0.
    pub exact: bool,
}

/// Number of ways to choose `k` of `n`, up to a limit beyond which it does not matter.
fn ways(n: usize, k: usize, limit: usize) -> usize {
    let k = k.min(n - k);
    let mut ways = 1_u128;
    for i in 0..k {
        ways = ways * (n - i) as u128 / (i + 1) as u128;
        if ways > limit as u128 {
            return limit + 1;
        }
    }
    ways as usize
}

/// How models may change places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exchange {
    /// `first` models of one population and `second` of another, in any way that keeps the sizes.
    Between {
        /// Size of the first population.
        first: usize,
        /// Size of the second.
        second: usize,
    },
    /// Within pairs of models that share a seed.
    Pairs(usize),
}

/// How many exchanges, and which.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exchanges {
    /// All are tried where there are at most so many, otherwise this many at random.
    pub limit: usize,
    /// Seed of the random ones.
    pub seed: u64,
}

impl Exchanges {
    /// Tests whether statistics are larger than exchangeable models would make them.
    ///
    /// `statistics` is told for each model whether it plays in the second population (for pairs:
    /// whether the two change places), and gives `N` values, each of which gets a p-value of its
    /// own. Random exchanges depend on the seed and on `name` alone.
    pub fn test<S: AsRef<[f64]> + Send>(
        &self,
        name: &str,
        exchange: Exchange,
        statistics: impl Fn(&[bool]) -> S + Sync,
    ) -> Vec<Permutation> {
        let (observed, all) = match exchange {
            Exchange::Between { first, second } => {
                let n = first + second;
                let observed: Vec<bool> = (0..n).map(|model| model >= first).collect();
                let few = ways(n, second, self.limit) <= self.limit;
                (observed, few.then(|| choose(n, second)))
            }
            Exchange::Pairs(pairs) => {
                let few = pairs < 30 && 1_usize << pairs <= self.limit;
                (vec![false; pairs], few.then(|| swaps(pairs)))
            }
        };
        let values = statistics(&observed);
        let values = values.as_ref();
        let count = |choice: &[bool]| -> Vec<usize> {
            let found = statistics(choice);
            let both = values.iter().zip(found.as_ref());
            both.map(|(value, found)| usize::from(reaches(*found, *value)))
                .collect()
        };
        let add = |mut a: Vec<usize>, b: Vec<usize>| {
            a.iter_mut().zip(b).for_each(|(a, b)| *a += b);
            a
        };
        let zero = || vec![0; values.len()];
        let exact = all.is_some();
        let (larger, exchanges) = match all {
            Some(all) => (
                all.par_iter().map(|choice| count(choice)).reduce(zero, add),
                all.len(),
            ),
            None => {
                let draws = (0..self.limit).into_par_iter();
                let larger = draws.map(|index| {
                    let mut stream = Stream::new(self.seed, name, index);
                    let mut choice = observed.clone();
                    match exchange {
                        Exchange::Between { .. } => stream.shuffle(&mut choice),
                        Exchange::Pairs(_) => choice.fill_with(|| stream.below(2) == 1),
                    }
                    count(&choice)
                });
                (larger.reduce(zero, add), self.limit)
            }
        };
        let tested = values
            .iter()
            .zip(larger)
            .map(|(&statistic, larger)| Permutation {
                statistic,
                p: match exact {
                    true => larger as f64 / exchanges as f64,
                    false => (larger + 1) as f64 / (exchanges + 1) as f64,
                },
                exchanges,
                exact,
            });
        tested.collect()
    }
}

/// All ways to swap within pairs.
fn swaps(pairs: usize) -> Vec<Vec<bool>> {
    let bits = 0..1_usize << pairs;
    bits.map(|bits| (0..pairs).map(|pair| bits >> pair & 1 == 1).collect())
        .collect()
}

/// All ways to choose `k` of `n`.
fn choose(n: usize, k: usize) -> Vec<Vec<bool>> {
    let mut chosen: Vec<usize> = (0..k).collect();
    let mut all = Vec::new();
    loop {
        let mut choice = vec![false; n];
        chosen.iter().for_each(|&at| choice[at] = true);
        all.push(choice);
        // The last that can move on does, and those behind it follow closely.
        let Some(at) = (0..k).rev().find(|&at| chosen[at] < n - k + at) else {
            return all;
        };
        chosen[at] += 1;
        for behind in at + 1..k {
            chosen[behind] = chosen[behind - 1] + 1;
        }
    }
}

/// At least as large, but for rounding.
fn reaches(value: f64, statistic: f64) -> bool {
    value >= statistic - 1e-12 * statistic.abs().max(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn difference(values: &[f64]) -> impl Fn(&[bool]) -> [f64; 1] + Sync {
        move |second| {
            let sum = |side: bool| -> f64 {
                values
                    .iter()
                    .zip(second)
                    .filter(|(_, s)| **s == side)
                    .map(|(v, _)| v)
                    .sum()
            };
            [sum(true) - sum(false)]
        }
    }

    fn between(limit: usize, values: &[f64]) -> Permutation {
        let half = values.len() / 2;
        let exchange = Exchange::Between {
            first: half,
            second: half,
        };
        Exchanges { limit, seed: 1 }.test("t", exchange, difference(values))[0]
    }

    #[test]
    fn tiny_cases_are_exact() {
        // 6 over 3 = 20 exchanges; the observed one alone reaches 15 − 6.
        let result = between(100, &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        assert_eq!(
            (result.p, result.exchanges, result.exact),
            (1.0 / 20.0, 20, true)
        );
        // Equal values: every exchange reaches it.
        assert_eq!(between(100, &[1.0; 4]).p, 1.0);
        // Gains of 1, 2 and 3: of 8 exchanges one reaches 6.
        let all = Exchanges {
            limit: 100,
            seed: 1,
        };
        let result = all.test("t", Exchange::Pairs(3), |swapped| {
            let gains = [1.0, 2.0, 3.0].iter().zip(swapped);
            [gains
                .map(|(gain, swapped)| if *swapped { -gain } else { *gain })
                .sum::<f64>()]
        })[0];
        assert_eq!(
            (result.p, result.exchanges, result.exact),
            (1.0 / 8.0, 8, true)
        );
    }

    #[test]
    fn sampling_comes_near_the_exact_value_and_is_seeded() {
        let values: Vec<f64> = (0..10).map(|i| f64::from((i * 7) % 10)).collect();
        let (exact, drawn) = (between(1000, &values), between(251, &values));
        assert!(exact.exact && !drawn.exact);
        // Four standard errors of 251 draws.
        let error = (exact.p * (1.0 - exact.p) / 251.0).sqrt();
        assert!(
            (exact.p - drawn.p).abs() < 4.0 * error + 1.0 / 252.0,
            "{exact:?} {drawn:?}"
        );
        assert_eq!(drawn, between(251, &values));
    }

    #[test]
    fn choosing_counts_right() {
        assert_eq!((ways(6, 3, 100), ways(60, 30, 9999)), (20, 10_000));
        assert_eq!(choose(5, 2).len(), 10);
        assert_eq!(choose(3, 3), [[true; 3]]);
    }
}
