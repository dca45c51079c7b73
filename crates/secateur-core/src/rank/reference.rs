//! What the rankings should give, by sorting everything; and scores to try them on.

use proptest::prelude::*;

use super::RankRow;
use crate::bits::Bits;

/// Any score but NaN, infinities and both zeros often.
pub(crate) fn any_score() -> impl Strategy<Value = f32> {
    prop_oneof![
        2 => proptest::num::f32::ANY.prop_filter("never NaN", |score| !score.is_nan()),
        1 => proptest::sample::select(vec![0.0, -0.0, f32::INFINITY, f32::NEG_INFINITY]),
    ]
}

/// Scores with many ties, and which of them are eligible.
pub(crate) fn tied_scores(len: std::ops::Range<usize>) -> impl Strategy<Value = (Vec<f32>, Bits)> {
    let score = prop_oneof![3 => (-3i8..3).prop_map(f32::from), 1 => any_score()];
    proptest::collection::vec((score, proptest::bool::weighted(0.7)), len).prop_map(|pairs| {
        let eligible = pairs.iter().map(|pair| pair.1).collect();
        (pairs.iter().map(|pair| pair.0).collect(), eligible)
    })
}

/// Runs `work` on a pool of so many threads.
pub(super) fn in_pool<T: Send>(threads: usize, work: impl FnOnce() -> T + Send) -> T {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    pool.unwrap().install(work)
}

/// (row, index) of all candidates, largest score first, ties in order.
fn ranking(rows: &[RankRow<'_>]) -> Vec<(usize, usize)> {
    let mut all: Vec<_> = rows
        .iter()
        .enumerate()
        .flat_map(|(r, row)| (0..row.scores.len()).map(move |i| (r, i)))
        .filter(|&(r, i)| rows[r].eligible.is_none_or(|bits| bits.get(i)))
        .collect();
    let score = |&(r, i): &(usize, usize)| rows[r].scores[i];
    all.sort_by(|a, b| score(b).partial_cmp(&score(a)).unwrap());
    all
}

/// Moves what the floors protect, each row's first, to the front; second is how many that are.
fn floors_first(rows: &[RankRow<'_>]) -> (Vec<(usize, usize)>, usize) {
    let mut seen = vec![0; rows.len()];
    let (mut first, rest): (Vec<_>, Vec<_>) = ranking(rows).into_iter().partition(|&(r, _)| {
        seen[r] += 1;
        seen[r] <= rows[r].floor
    });
    let protected = first.len();
    first.extend(rest);
    (first, protected)
}

fn count(rows: &[RankRow<'_>], kept: &[(usize, usize)]) -> Vec<usize> {
    (0..rows.len())
        .map(|row| kept.iter().filter(|unit| unit.0 == row).count())
        .collect()
}

pub(super) fn sorted_keep(scores: &[f32], eligible: Option<&Bits>, keep: usize) -> Bits {
    let row = RankRow {
        scores,
        eligible,
        floor: 0,
    };
    let mut kept = Bits::zeros(scores.len());
    for (_, index) in ranking(&[row]).into_iter().take(keep) {
        kept.set(index, true);
    }
    kept
}

pub(super) fn sorted_pool(rows: &[RankRow<'_>], keep: usize) -> Vec<usize> {
    let (order, protected) = floors_first(rows);
    count(rows, &order[..keep.max(protected).min(order.len())])
}

pub(super) fn sorted_budget(
    rows: &[RankRow<'_>],
    costs: &[f64],
    budget: f64,
) -> Option<Vec<usize>> {
    let (order, protected) = floors_first(rows);
    let cost = |n: usize| order[..n].iter().map(|unit| costs[unit.0]).sum::<f64>();
    let head = (protected..=order.len()).take_while(|&n| cost(n) <= budget);
    head.last().map(|n| count(rows, &order[..n]))
}
