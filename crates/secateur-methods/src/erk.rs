//! Erdős-Rényi densities: wide layers become sparser than narrow ones.

use secateur_core::allocation::apportionment::proportional;
use secateur_core::allocation::{Allocation, AllocationTable, Allotment};
use secateur_core::error::PruneError;
use secateur_core::params::ParamInfo;
use serde::{Deserialize, Serialize};

/// Erdős-Rényi-Kernel densities (Evci et al. 2020, *Rigging the Lottery*).
///
/// A layer keeps the share `ε·(out + in + k₁ + .. + kₙ)/(out·in·k₁·..·kₙ)` of its units; one ε
/// serves the whole model and is such that the model's sparsity is what was asked. A layer whose
/// share would exceed 1 stays dense, and ε is solved again for the others. For a layer without a
/// kernel this is [`Er`].
///
/// Compared is nothing: the densities follow from the shapes, not from scores. In all exactly
/// `round(Σ s·n)` units go, each layer within one of its share by largest remainders. A parameter
/// with an attribute `sparsity` meets its own outside of this budget; floors are paid for by the
/// other layers.
///
/// Cost: O(layers · log layers), whatever their size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Erk;

/// Erdős-Rényi densities (Mocanu et al. 2018, *SET*): as [`Erk`], with the share
/// `ε·(out + in)/(out·in)` whatever the kernel's size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Er;

impl Allocation for Erk {
    fn allocate(&self, table: &AllocationTable<'_>) -> Result<Vec<Allotment>, PruneError> {
        allocate(table, |info| {
            let [out, inputs, kernel] = info.shape;
            let kernel_dims = match info.kernel_dims.as_slice() {
                [] if kernel == 1 => 0,
                [] => kernel,
                dims => dims.iter().sum(),
            };
            (out + inputs + kernel_dims) as f64 / (out * inputs * kernel) as f64
        })
    }
}

impl Allocation for Er {
    fn allocate(&self, table: &AllocationTable<'_>) -> Result<Vec<Allotment>, PruneError> {
        allocate(table, |info| {
            let [out, inputs, _] = info.shape;
            (out + inputs) as f64 / (out * inputs) as f64
        })
    }
}

/// Spreads the budget in proportion to `density`, which is that of ε = 1.
fn allocate(
    table: &AllocationTable<'_>,
    density: impl Fn(&ParamInfo) -> f64,
) -> Result<Vec<Allotment>, PruneError> {
    table.by_quotas(|rows, limits, keep| {
        let weights: Vec<f64> = rows
            .iter()
            .map(|row| density(row.info) * row.units as f64)
            .collect();
        Ok(proportional(&weights, limits, keep))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use secateur_core::allocation::{AllocationRow, Floor};
    use secateur_core::target::Target;

    fn layer(path: &str, shape: [usize; 3], kernel_dims: &[usize]) -> ParamInfo {
        let mut info = ParamInfo::new(path, shape);
        info.kernel_dims = kernel_dims.to_vec();
        info
    }

    fn lenet_300_100() -> Vec<ParamInfo> {
        [[300, 784, 1], [100, 300, 1], [10, 100, 1]]
            .map(|shape| layer("fc.weight", shape, &[]))
            .into()
    }

    fn lenet_5() -> Vec<ParamInfo> {
        vec![
            layer("conv1.weight", [20, 1, 25], &[5, 5]),
            layer("conv2.weight", [50, 20, 25], &[5, 5]),
            layer("fc1.weight", [500, 800, 1], &[]),
            layer("fc2.weight", [10, 500, 1], &[]),
        ]
    }

    fn allotments(
        allocation: &impl Allocation,
        infos: &[ParamInfo],
        sparsity: f64,
        floor: Floor,
    ) -> Vec<Allotment> {
        let rows = infos.iter().map(|info| {
            let units = info.shape.iter().product();
            AllocationRow::new(info, units, Target::Sparsity(sparsity))
        });
        let rows = rows.collect();
        allocation
            .allocate(&AllocationTable { rows, floor })
            .unwrap()
    }

    fn keeps(allocation: &impl Allocation, infos: &[ParamInfo], sparsity: f64) -> Vec<usize> {
        let allotments = allotments(allocation, infos, sparsity, Floor::default());
        allotments.iter().map(|allotment| allotment.keep).collect()
    }

    // The counts come from tests/golden/erk.py, which solves the paper's loop in exact fractions;
    // its output is tests/golden/erk.txt.

    #[test]
    fn lenet_300_100_at_95_percent() {
        // By hand: 13,310 are kept, ε = 13,310/(1,084 + 400 + 110), times 1,084, 400 and 110.
        assert_eq!(keeps(&Erk, &lenet_300_100(), 0.95), [9_051, 3_340, 919]);
        assert_eq!(keeps(&Er, &lenet_300_100(), 0.95), [9_051, 3_340, 919]);
    }

    #[test]
    fn layers_over_one_stay_dense() {
        // By hand: 43,050 are kept, ε = 43,050/(31 + 80 + 1,300 + 510) would keep 694 of conv1's
        // 500 and 11,429 of fc2's 5,000; the other two share 37,550 as 80 : 1,300.
        assert_eq!(keeps(&Erk, &lenet_5(), 0.9), [500, 2_177, 35_373, 5_000]);
        assert_eq!(keeps(&Er, &lenet_5(), 0.9), [500, 21_545, 16_005, 5_000]);
    }

    #[test]
    fn jaxpruners_three_tensors() {
        // `testGetSparsityERKSucceed` expects the sparsities 0, .31, .655; .21, .47, .56 and
        // .556, .70, .85 of 8, 18 and 48 elements, to two places.
        let tensors = [
            layer("a", [4, 2, 1], &[]),
            layer("b", [6, 3, 1], &[]),
            layer("c", [6, 4, 2], &[2]),
        ];
        assert_eq!(keeps(&Erk, &tensors, 0.5), [8, 12, 17]);
        assert_eq!(keeps(&Er, &tensors, 0.5), [6, 10, 21]);
        assert_eq!(keeps(&Erk, &tensors, 0.8), [3, 5, 7]);
    }

    #[test]
    fn attributes_leave_the_budget_and_floors_are_paid_for() {
        let mut infos = lenet_300_100();
        infos[2].sparsity = Some(0.5);
        // 265,200 at 0.95 keep 13,260, shared as 1,084 : 400.
        assert_eq!(keeps(&Erk, &infos, 0.95), [9_686, 3_574, 500]);

        // A floor of 4,000 lifts fc2 from 3,340, and fc3 to its 1,000; fc1 has what is left.
        let got = allotments(&Erk, &lenet_300_100(), 0.95, Floor::at_least(4_000));
        let want = [(8_310, 0), (4_000, 660), (1_000, 81)];
        assert_eq!(got, want.map(|(keep, floored)| Allotment { keep, floored }));
    }

    #[test]
    fn nothing_is_asked_nothing_goes() {
        assert_eq!(keeps(&Erk, &lenet_5(), 0.0), [500, 25_000, 400_000, 5_000]);
        assert_eq!(keeps(&Erk, &[layer("empty", [0, 5, 1], &[])], 0.5), [0]);
        assert!(keeps(&Erk, &[], 0.5).is_empty());
    }

    proptest! {
        #[test]
        fn totals_are_exact(
            shapes in proptest::collection::vec((1..40_usize, 1..40_usize, 1..4_usize), 1..8),
            sparsity in 0.0..1.0_f64,
        ) {
            let infos: Vec<_> = shapes
                .iter()
                .map(|&(out, inputs, side)| layer("w", [out, inputs, side * side], &[side, side]))
                .collect();
            let units: Vec<usize> = infos.iter().map(|info| info.shape.iter().product()).collect();
            let asked: f64 = units.iter().map(|&units| sparsity * units as f64).sum();
            let kept = keeps(&Erk, &infos, sparsity);
            let total: usize = units.iter().sum();
            prop_assert_eq!(total - kept.iter().sum::<usize>(), asked.round() as usize);
            for (kept, units) in kept.iter().zip(&units) {
                prop_assert!(kept <= units);
            }
        }
    }
}
