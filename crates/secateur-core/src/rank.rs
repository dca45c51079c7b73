//! Ranking: which of many scored units are kept, exactly and in linear time.
//!
//! All functions here keep the largest scores, count exactly, and break ties by position: among
//! equal scores the earlier row, and in a row the lower index, is kept. `-0.0` equals `0.0`,
//! infinities are scores like any other. Nothing is sorted: a cut-off is sought among the few
//! scores near the one that a sample suggests, or, where too many lie there, found by counting
//! scores by the two halves of an order-preserving integer key. Both are linear in the number of
//! scores and exact, so they give the same bits at any number of threads.
//!
//! Scores must not be NaN, which the pruner checks before it ranks. A NaN that comes here all
//! the same is ranked by its bit pattern, beyond the infinity of its sign; counts stay exact.

mod cost;
mod pool;
mod select;
mod sieve;

pub use cost::pooled_costs;
pub use pool::{PooledCounts, pooled_counts};

use crate::bits::Bits;
use select::{Stock, key};

/// The scored units of one row of a ranking: a tensor, an output row, or any other set.
#[derive(Clone, Copy, Debug)]
pub struct RankRow<'a> {
    /// One score per unit; larger is kept.
    pub scores: &'a [f32],
    /// Units that may be kept, all if `None`. Units past its end may not be kept.
    pub eligible: Option<&'a Bits>,
    /// How many units this row must keep, or all of its eligible ones if they are fewer.
    pub floor: usize,
}

impl<'a> RankRow<'a> {
    /// A row without a floor whose units may all be kept.
    pub fn new(scores: &'a [f32]) -> Self {
        Self {
            scores,
            eligible: None,
            floor: 0,
        }
    }

    /// Restricts what may be kept to `eligible`.
    pub fn with_eligible(mut self, eligible: &'a Bits) -> Self {
        self.eligible = Some(eligible);
        self
    }

    /// Makes the row keep at least `floor` units.
    pub fn with_floor(mut self, floor: usize) -> Self {
        self.floor = floor;
        self
    }

    /// The number of units that may be kept.
    pub fn candidates(&self) -> usize {
        match self.eligible {
            None => self.scores.len(),
            Some(bits) if bits.len() <= self.scores.len() => bits.count_ones(),
            Some(_) => (0..self.words())
                .map(|w| self.eligible_word(w).count_ones() as usize)
                .sum(),
        }
    }
}

/// Keeps the `keep` largest scores among the eligible, or all eligible if they are fewer.
///
/// The result has one bit per score and exactly `min(keep, eligible)` ones.
///
/// ```
/// use secateur_core::rank::keep_largest;
///
/// let kept = keep_largest(&[3.0, 1.0, 3.0, 3.0], None, 2);
/// assert_eq!(kept.iter_ones().collect::<Vec<_>>(), [0, 2]);
/// ```
pub fn keep_largest(scores: &[f32], eligible: Option<&Bits>, keep: usize) -> Bits {
    let row = RankRow {
        scores,
        eligible,
        floor: 0,
    };
    if keep == 0 {
        return Bits::zeros(scores.len());
    }
    if keep >= row.candidates() {
        return row.bits_where(|_| true);
    }
    let pool = [Stock::whole(0, &row)];
    if let Some(sieved) = sieve::sieve(&pool, keep) {
        return sieved.kept(scores.len());
    }
    let cut = select::cut_by_copy_or_count(&pool, keep);
    let mut kept = row.bits_where(|score| key(score) >= cut.key);
    // Every tie is in; the ones too many are those with the highest indices.
    let mut surplus = cut.equal - cut.ties;
    for (index, &score) in scores.iter().enumerate().rev() {
        if surplus == 0 {
            break;
        }
        if key(score) == cut.key && kept.get(index) {
            kept.set(index, false);
            surplus -= 1;
        }
    }
    kept
}

/// Keeps every eligible score that is `at` or larger; nothing if `at` is NaN.
///
/// The result has one bit per score.
pub fn threshold(scores: &[f32], eligible: Option<&Bits>, at: f32) -> Bits {
    let row = RankRow {
        scores,
        eligible,
        floor: 0,
    };
    row.bits_where(|score| score >= at)
}

#[cfg(test)]
pub(crate) mod reference;

#[cfg(test)]
mod tests {
    use super::reference::{in_pool, sorted_keep, tied_scores};
    use super::*;
    use proptest::prelude::*;

    fn ones(bits: &Bits) -> Vec<usize> {
        bits.iter_ones().collect()
    }

    #[test]
    fn golden_ties_infinities_and_signed_zeros() {
        // Order: inf(2) > 1(0) = 1(4) > 0(1) = -0(3) = 0(6) > -inf(5).
        let scores = [1.0, 0.0, f32::INFINITY, -0.0, 1.0, f32::NEG_INFINITY, 0.0];
        assert_eq!(ones(&keep_largest(&scores, None, 2)), [0, 2]);
        assert_eq!(ones(&keep_largest(&scores, None, 5)), [0, 1, 2, 3, 4]);
        assert_eq!(ones(&keep_largest(&scores, None, 6)), [0, 1, 2, 3, 4, 6]);
        assert_eq!(ones(&threshold(&scores, None, -0.0)), [0, 1, 2, 3, 4, 6]);
        assert_eq!(ones(&threshold(&scores, None, f32::NAN)), [0; 0]);
        let eligible = Bits::from_fn(7, |i| i % 2 == 1);
        assert_eq!(ones(&keep_largest(&scores, Some(&eligible), 1)), [1]);
        assert_eq!(ones(&keep_largest(&scores, Some(&eligible), 9)), [1, 3, 5]);
    }

    #[test]
    fn equal_scores_lose_the_later_half() {
        // Eight equal weights at 50 %: exactly four go, and they are the last four.
        assert_eq!(ones(&keep_largest(&[0.5; 8], None, 4)), [0, 1, 2, 3]);
    }

    #[test]
    fn empty_and_single_rows() {
        assert!(keep_largest(&[], None, 3).is_empty());
        assert_eq!(ones(&keep_largest(&[1.0], None, 1)), [0]);
        assert_eq!(ones(&keep_largest(&[1.0], None, 0)), [0; 0]);
    }

    #[test]
    fn eligibility_of_another_length_is_cut_or_padded_with_zeros() {
        let longer = Bits::ones(100);
        let shorter = Bits::ones(1);
        assert_eq!(keep_largest(&[1.0; 3], Some(&longer), 9), Bits::ones(3));
        assert_eq!(keep_largest(&[1.0; 3], Some(&longer), 2).count_ones(), 2);
        assert_eq!(ones(&keep_largest(&[1.0; 3], Some(&shorter), 2)), [0]);
    }

    #[test]
    fn nan_does_not_disturb_the_count() {
        let scores = [f32::NAN, 1.0, -f32::NAN, f32::INFINITY];
        for keep in 0..=4 {
            assert_eq!(keep_largest(&scores, None, keep).count_ones(), keep);
        }
    }

    #[test]
    fn threads_do_not_change_the_result() {
        let scores: Vec<f32> = (0..300_000u32)
            .map(|i| (i.wrapping_mul(2_654_435_761) >> 20) as f32 - 2_000.0)
            .collect();
        let eligible = Bits::from_fn(scores.len(), |i| i % 7 != 0);
        let expected = sorted_keep(&scores, Some(&eligible), 123_456);
        for threads in [1, 2, 5] {
            let kept = in_pool(threads, || keep_largest(&scores, Some(&eligible), 123_456));
            assert_eq!(kept, expected);
        }
    }

    proptest! {
        #[test]
        fn agrees_with_a_full_sort(
            (scores, eligible) in tied_scores(0..200),
            masked in any::<bool>(),
            keep in 0usize..220,
        ) {
            let eligible = masked.then_some(&eligible);
            prop_assert_eq!(
                keep_largest(&scores, eligible, keep),
                sorted_keep(&scores, eligible, keep)
            );
        }

        #[test]
        fn threshold_is_a_comparison((scores, eligible) in tied_scores(0..200), at in -3.0f32..3.0) {
            let expected = Bits::from_fn(scores.len(), |i| eligible.get(i) && scores[i] >= at);
            prop_assert_eq!(threshold(&scores, Some(&eligible), at), expected);
        }
    }
}
