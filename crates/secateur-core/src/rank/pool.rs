//! Rows ranked together: how many units each keeps of a common number.

use rayon::prelude::*;

use super::RankRow;
use super::select::{self, Cut, Stock, Tally, tallies};

/// What each row of a pooled ranking keeps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PooledCounts {
    /// Units that each row keeps: its largest scores.
    pub counts: Vec<usize>,
    /// How many of them each row owes to its floor: it would keep so many fewer if no row had
    /// one.
    pub raised_by_floor: Vec<usize>,
}

impl PooledCounts {
    /// The units kept in all rows.
    pub fn total(&self) -> usize {
        self.counts.iter().sum()
    }

    /// Counts with floors beside the counts without.
    pub(super) fn new(counts: Vec<usize>, unfloored: &[usize]) -> Self {
        let raised_by_floor = counts
            .iter()
            .zip(unfloored)
            .map(|(count, free)| count.saturating_sub(*free))
            .collect();
        Self {
            counts,
            raised_by_floor,
        }
    }
}

/// How many units each row keeps when the `keep` largest of all eligible ones survive.
///
/// The rows are ranked as one; ties go to the earlier row, then to the lower index. A row whose
/// share is below its [`floor`](RankRow::floor) is raised to it and the other rows give up
/// their lowest units in turn, so that the total stays `min(keep, eligible)`. If the floors
/// alone ask for more than `keep`, every row keeps exactly its floor and the total is above.
///
/// Time is linear in the number of scores, floors or not. Pass each count on to
/// [`keep_largest`](super::keep_largest) for the units themselves.
///
/// ```
/// use secateur_core::rank::{RankRow, pooled_counts};
///
/// let rows = [RankRow::new(&[9.0, 8.0, 7.0]), RankRow::new(&[1.0, 2.0]).with_floor(1)];
/// let kept = pooled_counts(&rows, 3);
/// assert_eq!(kept.counts, [2, 1]);
/// assert_eq!(kept.raised_by_floor, [0, 1]);
/// ```
pub fn pooled_counts(rows: &[RankRow<'_>], keep: usize) -> PooledCounts {
    let candidates: Vec<_> = rows.iter().map(RankRow::candidates).collect();
    let floors = floors(rows, &candidates);
    let unfloored = without_floors(rows, &candidates, keep);
    let counts = if unfloored.iter().zip(&floors).all(|(n, floor)| n >= floor) {
        unfloored.clone()
    } else {
        with_floors(rows, &unfloored, floors, keep)
    };
    PooledCounts::new(counts, &unfloored)
}

/// The floors that the rows can meet.
pub(super) fn floors(rows: &[RankRow<'_>], candidates: &[usize]) -> Vec<usize> {
    let rows = rows.iter().zip(candidates);
    rows.map(|(row, &candidates)| row.floor.min(candidates))
        .collect()
}

fn without_floors(rows: &[RankRow<'_>], candidates: &[usize], keep: usize) -> Vec<usize> {
    if keep == 0 {
        return vec![0; rows.len()];
    }
    if keep >= candidates.iter().sum() {
        return candidates.to_vec();
    }
    let (Cut { ties, .. }, tallies) = select::cut_with_tallies(rows, keep);
    share(&tallies, &vec![0; rows.len()], ties)
}

/// Sets aside what the floors protect, the largest scores of each row, and ranks the rest.
fn with_floors(
    rows: &[RankRow<'_>],
    unfloored: &[usize],
    floors: Vec<usize>,
    keep: usize,
) -> Vec<usize> {
    let protected: usize = floors.iter().sum();
    if protected >= keep {
        return floors;
    }
    // Raising a row only ever raises the cut-off, so that a row that stood at its floor or
    // below it has nothing more to win: it keeps its floor, the others are the pool.
    let pool: Vec<_> = (0..rows.len())
        .into_par_iter()
        .filter(|&index| unfloored[index] > floors[index])
        .map(|index| {
            let whole = Stock::whole(index, &rows[index]);
            match floors[index] {
                0 => whole,
                floor => Stock::past(index, &rows[index], select::cut(&[whole], floor)),
            }
        })
        .collect();
    let Cut { key, ties, .. } = select::cut(&pool, keep - protected);
    share(&tallies(rows, key), &floors, ties)
}

/// Each row's count: its floor, what lies above the cut-off beyond that, and a share of `ties`
/// units at the cut-off, handed out in the order of the rows.
pub(super) fn share(tallies: &[Tally], floors: &[usize], mut ties: usize) -> Vec<usize> {
    tallies
        .iter()
        .zip(floors)
        .map(|(tally, &floor)| {
            let above = tally.above.max(floor);
            let open = (tally.above + tally.equal).max(floor) - above;
            let taken = open.min(ties);
            ties -= taken;
            above + taken
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::reference::{in_pool, sorted_pool, tied_scores};
    use super::*;
    use crate::bits::Bits;
    use proptest::prelude::*;

    #[test]
    fn golden_pool_with_floors() {
        // All: 9 8 7 | 6 6 1 | 5 4. Five largest: 9 8 7 | 6 6 |, so 3, 2, 0. The third row must
        // keep one (its 5): the lowest of the others goes, the second 6. A floor of 2 there
        // (5, 4) takes the other 6 as well.
        let (a, b, c) = ([9.0, 8.0, 7.0], [6.0, 6.0, 1.0], [5.0, 4.0]);
        let at = |floor| {
            let last = RankRow::new(&c).with_floor(floor);
            pooled_counts(&[RankRow::new(&a), RankRow::new(&b), last], 5)
        };
        assert_eq!(at(0).counts, [3, 2, 0]);
        assert_eq!(at(1).counts, [3, 1, 1]);
        assert_eq!(at(2).counts, [3, 0, 2]);
        // A floor above the row's size asks for the whole row.
        assert_eq!(at(99), at(2));
        assert_eq!(at(2).raised_by_floor, [0, 0, 2]);
    }

    #[test]
    fn floors_beyond_the_total_win() {
        let scores = [1.0; 4];
        let rows = [RankRow::new(&scores).with_floor(3); 2];
        let kept = pooled_counts(&rows, 4);
        assert_eq!(kept.counts, [3, 3]);
        assert_eq!(kept.raised_by_floor, [0, 3]);
        assert_eq!(kept.total(), 6);
    }

    #[test]
    fn no_rows_and_empty_rows() {
        assert_eq!(pooled_counts(&[], 3), PooledCounts::default());
        let rows = [RankRow::new(&[]).with_floor(2), RankRow::new(&[1.0])];
        assert_eq!(pooled_counts(&rows, 1).counts, [0, 1]);
    }

    #[test]
    fn threads_do_not_change_the_result() {
        let scores: Vec<f32> = (0..200_000u32)
            .map(|i| (i.wrapping_mul(2_654_435_761) >> 18) as f32)
            .collect();
        let rows: Vec<_> = (scores.chunks(40_001))
            .map(|row| RankRow::new(row).with_floor(11_000))
            .collect();
        let expected = sorted_pool(&rows, 60_000);
        for threads in [1, 2, 5] {
            assert_eq!(
                in_pool(threads, || pooled_counts(&rows, 60_000).counts),
                expected
            );
        }
    }

    proptest! {
        #[test]
        fn agrees_with_a_full_sort(
            data in proptest::collection::vec((tied_scores(0..40), 0usize..12, any::<bool>()), 0..7),
            keep in 0usize..200,
        ) {
            let rows: Vec<_> = data
                .iter()
                .map(|((scores, eligible), floor, masked)| RankRow {
                    scores,
                    eligible: masked.then_some(eligible),
                    floor: *floor,
                })
                .collect();
            let free: Vec<_> = rows.iter().map(|row| row.with_floor(0)).collect();
            let kept = pooled_counts(&rows, keep);
            let (expected, unfloored) = (sorted_pool(&rows, keep), sorted_pool(&free, keep));
            let raised: Vec<_> = expected.iter().zip(&unfloored).map(|(n, f)| n.saturating_sub(*f)).collect();
            prop_assert_eq!(&kept.counts, &expected);
            prop_assert_eq!(&kept.raised_by_floor, &raised);
            let protected: usize = rows.iter().map(|row| row.floor.min(row.candidates())).sum();
            let all: usize = rows.iter().map(RankRow::candidates).sum();
            prop_assert_eq!(kept.total(), keep.min(all).max(protected));
        }
    }

    #[test]
    fn ineligible_units_count_for_nothing() {
        let eligible = Bits::from_fn(3, |i| i == 2);
        let rows = [
            RankRow::new(&[9.0, 9.0, 1.0]).with_eligible(&eligible),
            RankRow::new(&[2.0, 3.0]),
        ];
        assert_eq!(pooled_counts(&rows, 2).counts, [0, 2]);
    }
}
