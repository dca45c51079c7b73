//! Whole numbers that add up: shares of a total, within limits, rounded by largest remainders.

use crate::target::Portion;

/// The least and the most that a row may be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The least.
    pub least: usize,
    /// The most, not below [`least`](Self::least).
    pub most: usize,
}

impl Limits {
    /// `amount`, raised or lowered to lie within the limits.
    pub fn clamp(self, amount: f64) -> f64 {
        amount.max(self.least as f64).min(self.most as f64)
    }
}

/// Units of several rows, added up before they are rounded once.
///
/// Whole numbers are added as integers, and shares of one size are counted together before they
/// are multiplied: 0.35·24 + 0.35·6 is less than 0.35·30 in floating point, and rounds to one unit
/// less.
#[derive(Clone, Debug, Default)]
pub(crate) struct UnitSum {
    whole: usize,
    shares: Vec<(f64, usize)>,
}

impl UnitSum {
    pub fn add(&mut self, Portion { whole, share, of }: Portion) {
        self.whole += whole;
        match self.shares.iter_mut().find(|known| known.0 == share) {
            Some((_, units)) => *units += of,
            None => self.shares.push((share, of)),
        }
    }

    pub fn rounded(&self) -> usize {
        let shares = self.shares.iter();
        let exact: f64 = shares.map(|&(share, units)| share * units as f64).sum();
        self.whole + exact.round() as usize
    }
}

/// Shares of `total` in proportion to `weights`, which are finite and not negative: the amounts
/// `clamp(ε·w, least, most)`, with the one ε at which they add up to `total`. If no ε does, the
/// nearest to it.
///
/// This is what "a layer whose density would exceed 1 stays dense, and the others are solved
/// again" comes to, with lower limits as well.
///
/// # Panics
///
/// If the lengths differ.
pub fn proportional(weights: &[f64], limits: &[Limits], total: usize) -> Vec<f64> {
    assert_eq!(weights.len(), limits.len(), "one limit per weight");
    let total = total as f64;
    let amounts = |epsilon: f64| -> Vec<f64> {
        let rows = weights.iter().zip(limits);
        rows.map(|(&weight, limits)| limits.clamp(epsilon * weight))
            .collect()
    };
    let sum = |epsilon: f64| amounts(epsilon).iter().sum::<f64>();

    // The sum grows with ε in straight pieces. Its corners are where a row leaves its lower limit
    // or meets its upper one; between two neighbouring corners ε is the root of a linear equation.
    let ends = |limits: &Limits| [limits.least as f64, limits.most as f64];
    let mut corners: Vec<f64> = weights
        .iter()
        .zip(limits)
        .filter(|&(&weight, _)| weight > 0.0)
        .flat_map(|(&weight, limits)| ends(limits).map(|end| end / weight))
        .collect();
    corners.sort_by(f64::total_cmp);
    let below = corners.partition_point(|&corner| sum(corner) <= total);
    let start = match below.checked_sub(1) {
        Some(corner) => corners[corner],
        None => return amounts(0.0),
    };
    let Some(&end) = corners.get(below) else {
        return amounts(start);
    };
    let (at_start, at_end) = (sum(start), sum(end));
    let epsilon = start + (end - start) * (total - at_start) / (at_end - at_start);
    amounts(epsilon)
}

/// Whole numbers near `ideals` and within `limits` that add up to `total`: every ideal is rounded
/// down, and what is missing goes one by one to the largest remainders, ties to the lower index
/// (Hamilton's method).
///
/// If the limits do not allow `total`, the nearest sum that they do allow.
///
/// # Panics
///
/// If the lengths differ.
pub fn largest_remainders(ideals: &[f64], limits: &[Limits], total: usize) -> Vec<usize> {
    assert_eq!(ideals.len(), limits.len(), "one limit per ideal");
    let mut counts: Vec<usize> = ideals
        .iter()
        .zip(limits)
        .map(|(&ideal, limits)| limits.clamp(ideal.floor()) as usize)
        .collect();
    let remainder = |i: usize| ideals[i] - counts[i] as f64;
    let mut order: Vec<usize> = (0..ideals.len()).collect();
    order.sort_by(|&a, &b| remainder(b).total_cmp(&remainder(a)));

    let mut sum: usize = counts.iter().sum();
    while sum < total {
        let before = sum;
        for &i in &order {
            if sum < total && counts[i] < limits[i].most {
                counts[i] += 1;
                sum += 1;
            }
        }
        if sum == before {
            break;
        }
    }
    while sum > total {
        let before = sum;
        for &i in order.iter().rev() {
            if sum > total && counts[i] > limits[i].least {
                counts[i] -= 1;
                sum -= 1;
            }
        }
        if sum == before {
            break;
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_abs_diff_eq;
    use proptest::prelude::*;

    fn up_to(most: &[usize]) -> Vec<Limits> {
        most.iter().map(|&most| Limits { least: 0, most }).collect()
    }

    #[test]
    fn a_full_row_leaves_the_rest_to_the_others() {
        // Weights 6, 9, 12 share 37: ε = 37/27 would give the first 8.2, which has 8. The other
        // two share 29 as 9 : 12.
        let got = proportional(&[6.0, 9.0, 12.0], &up_to(&[8, 18, 48]), 37);
        let want = [8.0, 29.0 * 9.0 / 21.0, 29.0 * 12.0 / 21.0];
        for (got, want) in got.iter().zip(want) {
            assert_abs_diff_eq!(*got, want, epsilon = 1e-12);
        }
    }

    #[test]
    fn a_lower_limit_takes_from_the_others() {
        // 10 in equal parts, but the last wants 6: the others share 4.
        let mut limits = up_to(&[9, 9, 9]);
        limits[2].least = 6;
        assert_eq!(proportional(&[1.0; 3], &limits, 10), [2.0, 2.0, 6.0]);
        // Limits that forbid the total are kept.
        assert_eq!(proportional(&[1.0; 3], &limits, 3), [0.0, 0.0, 6.0]);
        assert_eq!(proportional(&[1.0; 3], &limits, 99), [9.0, 9.0, 9.0]);
        assert!(proportional(&[], &[], 3).is_empty());
        assert_eq!(proportional(&[0.0], &up_to(&[5]), 3), [0.0]);
    }

    #[test]
    fn the_largest_remainder_gets_the_last_unit() {
        let limits = up_to(&[9; 3]);
        assert_eq!(
            largest_remainders(&[1.4, 1.4, 1.2], &limits, 4),
            [2, 1, 1] // ties to the lower index
        );
        assert_eq!(largest_remainders(&[1.2, 1.5, 1.3], &limits, 4), [1, 2, 1]);
        assert_eq!(largest_remainders(&[3.0, 3.0, 3.0], &limits, 8), [3, 3, 2]);
        assert_eq!(largest_remainders(&[1.0], &up_to(&[2]), 5), [2]);
        let held = [Limits { least: 2, most: 2 }];
        assert_eq!(largest_remainders(&[0.3], &held, 0), [2]);
    }

    proptest! {
        #[test]
        fn shares_are_exact_and_within_their_limits(
            rows in proptest::collection::vec((0.1..50.0_f64, 0..40_usize, 0..200_usize), 1..12),
            share in 0.0..=1.0_f64,
        ) {
            let weights: Vec<_> = rows.iter().map(|row| row.0).collect();
            let limits: Vec<_> = rows
                .iter()
                .map(|row| Limits { least: row.1, most: row.1 + row.2 })
                .collect();
            let least: usize = limits.iter().map(|limits| limits.least).sum();
            let most: usize = limits.iter().map(|limits| limits.most).sum();
            let total = least + (share * (most - least) as f64) as usize;
            let ideals = proportional(&weights, &limits, total);
            prop_assert!((ideals.iter().sum::<f64>() - total as f64).abs() < 1e-6);
            let counts = largest_remainders(&ideals, &limits, total);
            prop_assert_eq!(counts.iter().sum::<usize>(), total);
            for ((&count, limits), ideal) in counts.iter().zip(&limits).zip(&ideals) {
                prop_assert!((limits.least..=limits.most).contains(&count));
                prop_assert!((count as f64 - ideal).abs() < 1.0 + 1e-6);
            }
            // One ε for every row that is not at a limit.
            let ratios: Vec<f64> = (0..rows.len())
                .filter(|&i| ideals[i] > limits[i].least as f64 && ideals[i] < limits[i].most as f64)
                .map(|i| ideals[i] / weights[i])
                .collect();
            for ratio in &ratios {
                prop_assert!((ratio - ratios[0]).abs() < 1e-6 * ratios[0]);
            }
        }
    }
}
