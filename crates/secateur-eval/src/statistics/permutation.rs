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

/// Tests whether a statistic of two populations is larger than exchangeable models would give.
///
/// `statistic` is told for each of the `first + second` models whether it plays in the second
/// population. All exchanges are tried where there are at most `exchanges`, otherwise that many
/// random ones, which depend on `seed` and `name` alone.
pub fn two_sample(
    first: usize,
    second: usize,
    exchanges: usize,
    seed: u64,
    name: &str,
    statistic: impl Fn(&[bool]) -> f64 + Sync,
) -> Permutation {
    let n = first + second;
    let observed: Vec<bool> = (0..n).map(|model| model >= first).collect();
    let all = ways(n, second, exchanges);
    if all <= exchanges {
        let choices: Vec<Vec<bool>> = choose(n, second);
        return test(&observed, &choices, &statistic);
    }
    sampled(&observed, exchanges, &statistic, |index| {
        let mut exchange = observed.clone();
        Stream::new(seed, name, index).shuffle(&mut exchange);
        exchange
    })
}

/// The same for pairs: `statistic` is told for each pair whether its two models change places.
pub fn paired(
    pairs: usize,
    exchanges: usize,
    seed: u64,
    name: &str,
    statistic: impl Fn(&[bool]) -> f64 + Sync,
) -> Permutation {
    let observed = vec![false; pairs];
    if pairs < 30 && 1_usize << pairs <= exchanges {
        let choices: Vec<Vec<bool>> = (0..1_usize << pairs)
            .map(|bits| (0..pairs).map(|pair| bits >> pair & 1 == 1).collect())
            .collect();
        return test(&observed, &choices, &statistic);
    }
    sampled(&observed, exchanges, &statistic, |index| {
        let mut stream = Stream::new(seed, name, index);
        (0..pairs).map(|_| stream.below(2) == 1).collect()
    })
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

fn test(
    observed: &[bool],
    choices: &[Vec<bool>],
    statistic: &(impl Fn(&[bool]) -> f64 + Sync),
) -> Permutation {
    let value = statistic(observed);
    let larger = choices
        .par_iter()
        .filter(|choice| reaches(statistic(choice), value))
        .count();
    Permutation {
        statistic: value,
        p: larger as f64 / choices.len() as f64,
        exchanges: choices.len(),
        exact: true,
    }
}

fn sampled(
    observed: &[bool],
    exchanges: usize,
    statistic: &(impl Fn(&[bool]) -> f64 + Sync),
    exchange: impl Fn(usize) -> Vec<bool> + Sync,
) -> Permutation {
    let value = statistic(observed);
    let larger = (0..exchanges)
        .into_par_iter()
        .filter(|&index| reaches(statistic(&exchange(index)), value))
        .count();
    Permutation {
        statistic: value,
        p: (larger + 1) as f64 / (exchanges + 1) as f64,
        exchanges,
        exact: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn difference(values: &[f64]) -> impl Fn(&[bool]) -> f64 + Sync {
        move |second| {
            let sum = |side: bool| -> f64 {
                values
                    .iter()
                    .zip(second)
                    .filter(|(_, s)| **s == side)
                    .map(|(v, _)| v)
                    .sum()
            };
            sum(true) - sum(false)
        }
    }

    #[test]
    fn tiny_cases_are_exact() {
        // 6 over 3 = 20 exchanges; the observed one alone reaches 15 − 6.
        let values = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        let result = two_sample(3, 3, 100, 0, "t", difference(&values));
        assert_eq!(
            (result.p, result.exchanges, result.exact),
            (1.0 / 20.0, 20, true)
        );
        // Equal values: every exchange reaches it.
        assert_eq!(two_sample(2, 2, 100, 0, "t", difference(&[1.0; 4])).p, 1.0);
        // Pairs 1-2, 1-3, 1-4: of 8 exchanges one reaches 6.
        let result = paired(3, 100, 0, "t", |swapped| {
            let gains = [1.0, 2.0, 3.0].iter().zip(swapped);
            gains
                .map(|(gain, swapped)| if *swapped { -gain } else { *gain })
                .sum()
        });
        assert_eq!(
            (result.p, result.exchanges, result.exact),
            (1.0 / 8.0, 8, true)
        );
    }

    #[test]
    fn sampling_comes_near_the_exact_value_and_is_seeded() {
        let values: Vec<f64> = (0..10).map(|i| f64::from((i * 7) % 10)).collect();
        let exact = two_sample(5, 5, 1000, 0, "t", difference(&values));
        let drawn = two_sample(5, 5, 251, 1, "t", difference(&values));
        assert!(exact.exact && !drawn.exact);
        // Four standard errors of 251 draws.
        let error = (exact.p * (1.0 - exact.p) / 251.0).sqrt();
        assert!(
            (exact.p - drawn.p).abs() < 4.0 * error + 1.0 / 252.0,
            "{exact:?} {drawn:?}"
        );
        assert_eq!(drawn, two_sample(5, 5, 251, 1, "t", difference(&values)));
    }

    #[test]
    fn choosing_counts_right() {
        assert_eq!((ways(6, 3, 100), ways(60, 30, 9999)), (20, 10_000));
        assert_eq!(choose(5, 2).len(), 10);
        assert_eq!(choose(3, 3), [[true; 3]]);
    }
}
