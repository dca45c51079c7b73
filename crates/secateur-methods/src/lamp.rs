//! Layer-adaptive magnitude pruning: global ranking without layer collapse.

use secateur_core::allocation::{Allocation, AllocationRow, AllocationTable, Allotment, Global};
use secateur_core::bits::Bits;
use secateur_core::error::PruneError;
use serde::{Deserialize, Serialize};

/// Layer-adaptive magnitude-based pruning (Lee et al. 2021).
///
/// `LAMP(u) = u² / Σ v²`, summed over the units `v` of the same parameter with `v² ≥ u²`: how much
/// of what would be left is lost with `u`, if everything smaller in its layer is gone already. The
/// LAMP scores of all parameters are then ranked together, as by
/// [`Global`], whose pools, attributes, floors and exact totals
/// it shares.
///
/// `u` is the unit's score, so the paper's method is this allocation with a scorer of plain
/// magnitudes; any other score that is never negative is normalised in the same way. The largest
/// of a layer always has the LAMP score 1, or shares it among equals, which is why no layer
/// empties before all are down to their last unit. Infinite scores stay what they are, and weigh
/// nothing in the sums of the others.
///
/// Within a parameter LAMP keeps the order of the scores, so it only decides how many units each
/// parameter keeps.
///
/// Cost: a sort of each parameter's scores, and some 24 bytes per unit while it runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lamp;

impl Allocation for Lamp {
    fn allocate(&self, table: &AllocationTable<'_>) -> Result<Vec<Allotment>, PruneError> {
        table.check()?;
        let normalised = table
            .rows
            .iter()
            .map(|row| match row.own_sparsity() {
                // Ranked with nobody.
                Some(_) => Ok(Vec::new()),
                None => ranks(row),
            })
            .collect::<Result<Vec<_>, _>>()?;
        let rows = table.rows.iter().zip(&normalised);
        let rows = rows.map(|(row, lamp)| AllocationRow {
            scores: row.own_sparsity().is_none().then_some(lamp.as_slice()),
            ..row.clone()
        });
        let table = AllocationTable {
            rows: rows.collect(),
            floor: table.floor,
        };
        Global.allocate_for("LAMP", &table)
    }

    fn needs_scores(&self) -> bool {
        true
    }
}

/// The square roots of a row's LAMP scores: of one order with them, and small ones keep their
/// order in single precision.
fn ranks(row: &AllocationRow<'_>) -> Result<Vec<f32>, PruneError> {
    let scores = row.scores("LAMP")?;
    let negative = scores
        .iter()
        .find(|score| score.is_finite() && **score < 0.0);
    if let Some(score) = negative {
        return Err(PruneError::invalid(
            format!("score of {}", row.path()),
            score,
            "at least 0, which LAMP needs",
            "use a scorer whose scores are never negative, e.g. the magnitude",
        ));
    }
    let lamp = lamp_scores(scores, row.eligible);
    let root = |score: f64| if score < 0.0 { score } else { score.sqrt() };
    Ok(lamp.into_iter().map(|score| root(score) as f32).collect())
}

/// The LAMP score of each of a parameter's units, of which only the `eligible` ones count; that
/// of any other unit means nothing.
///
/// `scores` are never NaN, and never negative unless infinite.
pub fn lamp_scores(scores: &[f32], eligible: Option<&Bits>) -> Vec<f64> {
    let counts = |unit: usize| eligible.is_none_or(|bits| bits.get(unit));
    let mut sorted: Vec<f32> = (0..scores.len())
        .filter(|&unit| counts(unit) && scores[unit].is_finite())
        .map(|unit| scores[unit])
        .collect();
    sorted.sort_unstable_by(f32::total_cmp);
    // sums[i] is the sum of the squares of sorted[i..], added up from the largest.
    let mut sums: Vec<f64> = sorted.iter().map(|&v| f64::from(v).powi(2)).collect();
    for i in (1..sums.len()).rev() {
        sums[i - 1] += sums[i];
    }
    let score = |&u: &f32| {
        if !u.is_finite() {
            return f64::from(u);
        }
        // The first of the equals, so that all of them are in the sum.
        let first = sorted.partition_point(|&v| v < u);
        match sums.get(first) {
            Some(&sum) if sum > 0.0 => f64::from(u).powi(2) / sum,
            _ => 0.0,
        }
    };
    scores.iter().map(score).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_abs_diff_eq;
    use proptest::prelude::*;
    use secateur_core::allocation::Floor;
    use secateur_core::params::ParamInfo;
    use secateur_core::target::Target;

    fn keeps(rows: &[&[f32]], sparsity: f64) -> Vec<usize> {
        let info = ParamInfo::new("w", [1, 1, 1]);
        let rows = rows.iter().map(|scores| AllocationRow {
            scores: Some(scores),
            ..AllocationRow::new(&info, scores.len(), Target::Sparsity(sparsity))
        });
        let table = AllocationTable {
            rows: rows.collect(),
            floor: Floor::default(),
        };
        let allotments = Lamp.allocate(&table).unwrap();
        allotments.iter().map(|allotment| allotment.keep).collect()
    }

    #[test]
    fn two_tiny_tensors_by_hand() {
        // A = 1, 2, 3: squares 1, 4, 9, sums from the largest 9, 13, 14.
        // B = 20, 10: squares 400, 100, sums 400, 500.
        let close = |got: Vec<f64>, want: &[f64]| {
            assert_eq!(got.len(), want.len());
            for (got, want) in got.iter().zip(want) {
                assert_abs_diff_eq!(*got, *want, epsilon = 1e-12);
            }
        };
        let (a, b) = ([1.0, 2.0, 3.0], [20.0, 10.0]);
        close(lamp_scores(&a, None), &[1.0 / 14.0, 4.0 / 13.0, 1.0]);
        close(lamp_scores(&b, None), &[1.0, 0.2]);
        // Ascending: A's 1 (.071), B's 10 (.2), A's 2 (.308), then both largest. Plain magnitudes
        // would take all of A first.
        assert_eq!(keeps(&[&a, &b], 0.2), [2, 2]);
        assert_eq!(keeps(&[&a, &b], 0.4), [2, 1]);
        assert_eq!(keeps(&[&a, &b], 0.6), [1, 1]);
    }

    #[test]
    fn the_square_matters() {
        // A = 2, 3 has 4/13 = .308 for its 2, but 2/5 = .4 without the squares; B = 1, 1, 1 has
        // 1/3 for each in both cases. The first to go is A's.
        assert_eq!(keeps(&[&[2.0, 3.0], &[1.0; 3]], 0.2), [1, 3]);
    }

    #[test]
    fn equals_are_in_each_others_sum() {
        // 2, 2, 1: each 2 has 4/8, the 1 has 1/9.
        let got = lamp_scores(&[2.0, 2.0, 1.0], None);
        assert_eq!(got, [0.5, 0.5, 1.0 / 9.0]);
        assert_eq!(lamp_scores(&[0.0, -0.0], None), [0.0, 0.0]);
        assert!(lamp_scores(&[], None).is_empty());
    }

    #[test]
    fn what_is_gone_weighs_nothing() {
        let eligible = Bits::from_fn(3, |unit| unit != 2);
        let got = lamp_scores(&[1.0, 2.0, 9.0], Some(&eligible));
        assert_eq!(got[..2], [0.2, 1.0]);
    }

    #[test]
    fn infinite_scores_stay() {
        let infinite = [f32::INFINITY, f32::NEG_INFINITY, 1.0, 2.0];
        let got = lamp_scores(&infinite, None);
        assert_eq!(got, [f64::INFINITY, f64::NEG_INFINITY, 0.2, 1.0]);
        assert_eq!(keeps(&[&infinite, &[5.0, 5.0]], 0.5), [2, 1]);
    }

    #[test]
    fn no_layer_empties_before_the_others_are_down_to_one() {
        let (faint, strong) = ([1e-20, 2e-20, 3e-20], [10.0, 20.0, 30.0]);
        assert_eq!(keeps(&[&faint, &strong], 0.65), [1, 1]);
    }

    #[test]
    fn negative_scores_are_refused() {
        let info = ParamInfo::new("fc.weight", [2, 1, 1]);
        let row = AllocationRow {
            scores: Some(&[1.0, -1.0]),
            ..AllocationRow::new(&info, 2, Target::Sparsity(0.5))
        };
        let table = AllocationTable {
            rows: vec![row],
            floor: Floor::default(),
        };
        let message = Lamp.allocate(&table).unwrap_err().to_string();
        assert!(message.contains("`score of fc.weight` is -1"), "{message}");
        let mut bare = table;
        bare.rows[0].scores = None;
        let message = Lamp.allocate(&bare).unwrap_err().to_string();
        assert!(message.contains("LAMP allocation"), "{message}");
    }

    proptest! {
        #[test]
        fn agrees_with_the_formula_and_keeps_the_order(
            scores in proptest::collection::vec(0..20_u8, 1..40),
        ) {
            let scores: Vec<f32> = scores.iter().map(|&score| f32::from(score)).collect();
            let got = lamp_scores(&scores, None);
            for (i, &u) in scores.iter().enumerate() {
                let sum: f32 = scores.iter().filter(|&&v| v >= u).map(|v| v * v).sum();
                let want = if sum > 0.0 { u * u / sum } else { 0.0 };
                prop_assert!((got[i] - f64::from(want)).abs() < 1e-6);
                for (j, &v) in scores.iter().enumerate() {
                    prop_assert!(u <= v || got[i] > got[j]);
                }
            }
        }

        #[test]
        fn totals_are_exact(
            a in proptest::collection::vec(0.0..9.0_f32, 0..30),
            b in proptest::collection::vec(0.0..9.0_f32, 0..30),
            sparsity in 0.0..1.0_f64,
        ) {
            let kept: usize = keeps(&[&a, &b], sparsity).iter().sum();
            let asked = sparsity * a.len() as f64 + sparsity * b.len() as f64;
            prop_assert_eq!(a.len() + b.len() - kept, asked.round() as usize);
        }
    }
}
