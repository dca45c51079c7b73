//! The same sparsity everywhere.

use serde::{Deserialize, Serialize};

use super::{Allocation, AllocationTable, Allotment};
use crate::error::PruneError;

/// Every parameter meets its own target: the same sparsity everywhere, unless the schedule or an
/// attribute says otherwise for one of them.
///
/// A row of `n` units loses exactly `round(s·n)`, halves away from zero. A floor adds to the total
/// that is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Uniform;

impl Allocation for Uniform {
    fn allocate(&self, table: &AllocationTable<'_>) -> Result<Vec<Allotment>, PruneError> {
        table.check()?;
        let rows = table.rows.iter();
        rows.map(|row| Ok(table.alone(row, row.pruned()?)))
            .collect()
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

    #[test]
    fn every_row_rounds_for_itself() {
        let info = ParamInfo::new("w", [1, 1, 1]);
        let table = AllocationTable {
            rows: [5, 10, 0]
                .map(|units| AllocationRow::new(&info, units, Target::Sparsity(0.5)))
                .into(),
            floor: Floor::default(),
        };
        let keep: Vec<_> = Uniform.allocate(&table).unwrap();
        assert_eq!(keep.iter().map(|a| a.keep).collect::<Vec<_>>(), [2, 5, 0]);
    }

    #[test]
    fn what_is_gone_does_not_come_back() {
        let info = ParamInfo::new("w", [10, 1, 1]);
        let eligible = Bits::from_fn(10, |unit| unit < 3);
        let mut row = AllocationRow::new(&info, 10, Target::Sparsity(0.5));
        row.eligible = Some(&eligible);
        row.kept = 3;
        let table = AllocationTable {
            rows: vec![row],
            floor: Floor::at_least(4),
        };
        let want = Allotment {
            keep: 3,
            floored: 0,
        };
        assert_eq!(Uniform.allocate(&table), Ok(vec![want]));
    }

    #[test]
    fn a_floor_is_obeyed_and_reported() {
        let info = ParamInfo::new("w", [10, 1, 1]);
        let table = AllocationTable {
            rows: vec![AllocationRow::new(&info, 10, Target::Sparsity(0.9))],
            floor: Floor::share(0.3),
        };
        let want = Allotment {
            keep: 3,
            floored: 2,
        };
        assert_eq!(Uniform.allocate(&table), Ok(vec![want]));
    }

    proptest! {
        #[test]
        fn prunes_exactly_what_was_asked(units in 0..10_000_usize, sparsity in 0.0..1.0_f64) {
            let info = ParamInfo::new("w", [units, 1, 1]);
            let table = AllocationTable {
                rows: vec![AllocationRow::new(&info, units, Target::Sparsity(sparsity))],
                floor: Floor::default(),
            };
            let keep = Uniform.allocate(&table).unwrap()[0].keep;
            prop_assert_eq!(units - keep, (sparsity * units as f64).round() as usize);
        }
    }
}
