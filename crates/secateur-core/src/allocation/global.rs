//! The whole model ranked together.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Allocation, AllocationTable, Allotment};
use crate::error::PruneError;
use crate::rank::{RankRow, pooled_counts};

/// The units of all parameters are ranked together, and the lowest scores of the model go.
///
/// Pruned are exactly `round(Σ s·n)` units over the rows of a pool. The parameters of one group
/// (attribute `group`) are a pool of their own, those of no group another; a parameter with an
/// attribute `sparsity` is ranked alone. A floor is paid for by the rest of its pool, so that the
/// total stays, as far as the pool can pay.
///
/// Ties go to the row, and within it to the unit, that comes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Global;

impl Global {
    /// As [`allocate`](Allocation::allocate), in the name of another allocation that prepared the
    /// scores of `table`.
    ///
    /// # Errors
    ///
    /// Those of [`allocate`](Allocation::allocate); a lack of scores is reported for `allocation`.
    pub fn allocate_for(
        &self,
        allocation: &str,
        table: &AllocationTable<'_>,
    ) -> Result<Vec<Allotment>, PruneError> {
        table.check()?;
        let mut allotments = vec![Allotment::default(); table.rows.len()];
        let mut pools: BTreeMap<Option<&str>, Vec<usize>> = BTreeMap::new();
        for (i, row) in table.rows.iter().enumerate() {
            if row.own_sparsity().is_some() {
                allotments[i] = table.alone(row, row.pruned()?);
            } else {
                pools.entry(row.info.group.as_deref()).or_default().push(i);
            }
        }
        for members in pools.values() {
            let ranked = members
                .iter()
                .map(|&i| {
                    let row = &table.rows[i];
                    Ok(RankRow {
                        scores: row.scores(allocation)?,
                        eligible: row.eligible,
                        floor: table.floor_of(row),
                    })
                })
                .collect::<Result<Vec<_>, PruneError>>()?;
            let pooled = pooled_counts(&ranked, table.pool_keeps(members)?);
            let counts = pooled.counts.into_iter().zip(pooled.raised_by_floor);
            for (&i, (keep, floored)) in members.iter().zip(counts) {
                allotments[i] = Allotment { keep, floored };
            }
        }
        Ok(allotments)
    }
}

impl Allocation for Global {
    fn allocate(&self, table: &AllocationTable<'_>) -> Result<Vec<Allotment>, PruneError> {
        self.allocate_for("global", table)
    }

    fn needs_scores(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::super::{AllocationRow, Floor};
    use super::*;
    use crate::bits::Bits;
    use crate::params::ParamInfo;
    use crate::target::Target;
    use proptest::prelude::*;

    fn row<'a>(info: &'a ParamInfo, scores: &'a [f32], sparsity: f64) -> AllocationRow<'a> {
        AllocationRow {
            scores: Some(scores),
            ..AllocationRow::new(info, scores.len(), Target::Sparsity(sparsity))
        }
    }

    fn keeps(rows: Vec<AllocationRow<'_>>, floor: Floor) -> (Vec<usize>, Vec<usize>) {
        let allotments = Global.allocate(&AllocationTable { rows, floor }).unwrap();
        allotments.iter().map(|a| (a.keep, a.floored)).unzip()
    }

    #[test]
    fn the_lowest_scores_of_the_model_go() {
        let info = ParamInfo::new("w", [4, 1, 1]);
        let (low, high) = ([0.1, 0.2, 0.3, 0.4], [0.35, 5.0, 6.0, 7.0]);
        // Of 8, 4 go: 0.1, 0.2, 0.3, 0.35.
        let rows = || vec![row(&info, &low, 0.5), row(&info, &high, 0.5)];
        assert_eq!(keeps(rows(), Floor::default()), (vec![1, 3], vec![0, 0]));
        // Two must stay in each: 0.4 and 0.3 of the first, 6 and 7 of the second.
        assert_eq!(keeps(rows(), Floor::at_least(2)), (vec![2, 2], vec![1, 0]));
    }

    #[test]
    fn the_total_is_rounded_once() {
        // 0.3·5 + 0.3·5 = 3 go, not 2 + 2; the targets may differ: 0.5·5 + 0.1·5 = 3.
        let info = ParamInfo::new("w", [5, 1, 1]);
        let scores = [1.0, 2.0, 3.0, 4.0, 5.0];
        for (a, b) in [(0.3, 0.3), (0.5, 0.1)] {
            let (keep, _) = keeps(
                vec![row(&info, &scores, a), row(&info, &scores, b)],
                Floor::default(),
            );
            assert_eq!(keep, [4, 3]); // 1, 1 and, of the tied 2s, the later one
        }
    }

    #[test]
    fn equal_shares_are_counted_together_before_they_are_rounded() {
        // 0.35·30 = 10.5, of which 11 go; 0.35·24 + 0.35·6 is 10.499999999999998.
        let info = ParamInfo::new("w", [1, 1, 1]);
        let (a, b) = ([1.0; 24], [2.0; 6]);
        let rows = vec![row(&info, &a, 0.35), row(&info, &b, 0.35)];
        assert_eq!(keeps(rows, Floor::default()).0, [13, 6]);
    }

    #[test]
    fn groups_and_attributes_leave_the_models_pool() {
        let free = ParamInfo::new("free", [4, 1, 1]);
        let mut trunk = ParamInfo::new("trunk", [4, 1, 1]);
        trunk.group = Some("trunk".into());
        let mut own = ParamInfo::new("own", [4, 1, 1]);
        own.sparsity = Some(0.25);
        let (low, high) = ([0.1, 0.2, 0.3, 0.4], [1.0, 2.0, 3.0, 4.0]);
        let rows = vec![
            row(&free, &high, 0.5),
            row(&trunk, &low, 0.5),
            row(&own, &low, 0.5),
            row(&free, &low, 0.5),
            row(&trunk, &high, 0.5),
        ];
        assert_eq!(keeps(rows, Floor::default()).0, [4, 0, 3, 0, 4]);
    }

    #[test]
    fn scores_are_required() {
        let info = ParamInfo::new("w", [4, 1, 1]);
        let table = AllocationTable {
            rows: vec![AllocationRow::new(&info, 4, Target::Sparsity(0.5))],
            floor: Floor::default(),
        };
        assert!(Global.needs_scores());
        assert!(matches!(
            Global.allocate(&table),
            Err(PruneError::MissingSignal { .. })
        ));
    }

    proptest! {
        #[test]
        fn the_total_is_exact_and_what_is_gone_stays_gone(
            scores in proptest::collection::vec(proptest::collection::vec(0..6_u8, 0..30), 1..6),
            gone in 0..7_usize,
            sparsity in 0.0..1.0_f64,
            floor in 0..4_usize,
        ) {
            let info = ParamInfo::new("w", [1, 1, 1]);
            let scores: Vec<Vec<f32>> = scores
                .iter()
                .map(|row| row.iter().map(|&s| f32::from(s)).collect())
                .collect();
            let eligible: Vec<Bits> = scores
                .iter()
                .map(|row| Bits::from_fn(row.len(), |i| gone == 0 || i % 7 != gone))
                .collect();
            let rows: Vec<_> = scores
                .iter()
                .zip(&eligible)
                .map(|(scores, eligible)| AllocationRow {
                    eligible: Some(eligible),
                    kept: eligible.count_ones(),
                    ..row(&info, scores, sparsity)
                })
                .collect();
            let units: usize = rows.iter().map(|row| row.units).sum();
            let available: usize = rows.iter().map(AllocationRow::available).sum();
            let floors: usize = rows.iter().map(|row| floor.min(row.available())).sum();
            let (keep, _) = keeps(rows, Floor::at_least(floor));
            let asked = sparsity * units as f64;
            let want = (units - asked.round() as usize).min(available).max(floors);
            prop_assert_eq!(keep.iter().sum::<usize>(), want);
            for (keep, eligible) in keep.iter().zip(&eligible) {
                prop_assert!(*keep <= eligible.count_ones());
                prop_assert!(*keep >= floor.min(eligible.count_ones()));
            }
        }
    }
}
