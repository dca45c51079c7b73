//! Rows ranked together under a budget: units of one row cost alike, those of another differ.

use super::RankRow;
use super::pool::{PooledCounts, floors, share};
use super::select::tallies;
use crate::error::PruneError;

/// How many units each row keeps when the kept ones may cost `budget`.
///
/// `costs` holds the cost of one unit of each row, in the budget's own measure (parameters,
/// operations, bytes, milliseconds). Units leave in the order of their scores, whatever they
/// cost, until what is left fits: the longest head of the common ranking whose cost, summed
/// row by row, is not above `budget`. A cheaper unit behind the first that does not fit is not
/// kept: one cut-off holds for all rows, and a larger budget never drops what a smaller kept.
/// Floors are paid for first; ties go to the earlier row, then to the lower index.
///
/// The cut-off is bisected over its 32 bits: 33 counting passes and no sorting.
///
/// # Errors
/// [`PruneError::InvalidSetting`] if there is not one finite, non-negative cost per row, if the
/// budget is NaN, or if it does not pay for the floors.
pub fn pooled_costs(
    rows: &[RankRow<'_>],
    costs: &[f64],
    budget: f64,
) -> Result<PooledCounts, PruneError> {
    check(rows, costs, budget)?;
    let candidates: Vec<_> = rows.iter().map(RankRow::candidates).collect();
    let floors = floors(rows, &candidates);
    let least = total(&floors, costs);
    if least > budget {
        return Err(PruneError::invalid(
            "budget",
            budget,
            format!("{least} or more, the cost of what the floors keep"),
            "raise the budget or lower the floors",
        ));
    }
    let unfloored = within_budget(rows, &vec![0; rows.len()], costs, budget);
    let counts = if unfloored.iter().zip(&floors).all(|(n, floor)| n >= floor) {
        unfloored.clone()
    } else {
        within_budget(rows, &floors, costs, budget)
    };
    Ok(PooledCounts::new(counts, &unfloored))
}

fn check(rows: &[RankRow<'_>], costs: &[f64], budget: f64) -> Result<(), PruneError> {
    if costs.len() != rows.len() {
        return Err(PruneError::invalid(
            "costs",
            format!("{} long", costs.len()),
            format!("one cost for each of the {} rows", rows.len()),
            "pass the cost of one unit of each row",
        ));
    }
    if let Some(cost) = costs
        .iter()
        .find(|cost| !(cost.is_finite() && **cost >= 0.0))
    {
        return Err(PruneError::invalid(
            "costs",
            cost,
            "finite and non-negative",
            "mend the cost of this row's units",
        ));
    }
    if budget.is_nan() || budget < 0.0 {
        return Err(PruneError::invalid(
            "budget",
            budget,
            "a non-negative number",
            "pass what the kept units may cost",
        ));
    }
    Ok(())
}

/// The cost of keeping so many units of each row. Grows with every count, in floats too.
fn total(counts: &[usize], costs: &[f64]) -> f64 {
    let rows = counts.iter().zip(costs);
    rows.map(|(&count, cost)| count as f64 * cost).sum()
}

/// The largest counts along the common ranking that fit; the floors themselves must.
fn within_budget(rows: &[RankRow<'_>], floors: &[usize], costs: &[f64], budget: f64) -> Vec<usize> {
    let fits = |counts: &[usize]| total(counts, costs) <= budget;
    // Keeping what lies above `cut` always fits at the top, where only the floors are kept.
    let (mut unfit, mut cut) = (None, u32::MAX);
    while unfit.map_or(0, |key: u32| key + 1) < cut {
        let low = unfit.map_or(0, |key: u32| key + 1);
        let middle = low + (cut - low) / 2;
        if fits(&share(&tallies(rows, middle), floors, 0)) {
            cut = middle;
        } else {
            unfit = Some(middle);
        }
    }
    // What lies above the cut fits, and with all that lies at it, it fits no more, unless the
    // cut came down to the lowest key.
    let tallies = tallies(rows, cut);
    let (mut fitting, mut ties) = (0, tallies.iter().map(|tally| tally.equal).sum());
    while fitting < ties {
        let middle = ties - (ties - fitting) / 2;
        if fits(&share(&tallies, floors, middle)) {
            fitting = middle;
        } else {
            ties = middle - 1;
        }
    }
    share(&tallies, floors, fitting)
}

#[cfg(test)]
mod tests {
    use super::super::reference::{sorted_budget, tied_scores};
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn golden_budget() {
        // Ranking 9(a) 8(b) 7(a) 6(b) 1(a); a costs 3, b costs 1: running cost 3 4 7 8 11.
        let rows = [RankRow::new(&[9.0, 7.0, 1.0]), RankRow::new(&[8.0, 6.0])];
        let counts = |budget| pooled_costs(&rows, &[3.0, 1.0], budget).unwrap().counts;
        assert_eq!(counts(0.0), [0, 0]);
        assert_eq!(counts(3.9), [1, 0]);
        assert_eq!(counts(4.0), [1, 1]);
        // 6.9 would still pay for the 6, but the 7 before it does not fit.
        assert_eq!(counts(6.9), [1, 1]);
        assert_eq!(counts(8.0), [2, 2]);
        assert_eq!(counts(f64::INFINITY), [3, 2]);
    }

    #[test]
    fn floors_are_paid_first() {
        let rows = [
            RankRow::new(&[9.0, 7.0, 1.0]),
            RankRow::new(&[8.0, 6.0]).with_floor(2),
        ];
        let kept = pooled_costs(&rows, &[3.0, 1.0], 5.0).unwrap();
        assert_eq!(kept.counts, [1, 2]);
        assert_eq!(kept.raised_by_floor, [0, 1]);
        let error = pooled_costs(&rows, &[3.0, 1.0], 1.0).unwrap_err();
        assert!(error.to_string().contains("2 or more"), "{error}");
    }

    #[test]
    fn bad_costs_are_refused() {
        let rows = [RankRow::new(&[1.0])];
        assert!(pooled_costs(&rows, &[], 1.0).is_err());
        assert!(pooled_costs(&rows, &[f64::NAN], 1.0).is_err());
        assert!(pooled_costs(&rows, &[-1.0], 1.0).is_err());
        assert!(pooled_costs(&rows, &[1.0], f64::NAN).is_err());
        assert_eq!(pooled_costs(&[], &[], 0.0).unwrap().counts, [0; 0]);
    }

    proptest! {
        #[test]
        fn agrees_with_a_full_sort(
            data in proptest::collection::vec((tied_scores(0..20), 0usize..4, 0u32..5), 0..6),
            budget in 0.0f64..100.0,
        ) {
            let rows: Vec<_> = data
                .iter()
                .map(|((scores, eligible), floor, _)| RankRow {
                    scores,
                    eligible: Some(eligible),
                    floor: *floor,
                })
                .collect();
            let costs: Vec<_> = data.iter().map(|(_, _, cost)| f64::from(*cost) * 0.75).collect();
            let expected = sorted_budget(&rows, &costs, budget);
            let kept = pooled_costs(&rows, &costs, budget);
            prop_assert_eq!(kept.ok().map(|kept| kept.counts), expected);
        }
    }
}
