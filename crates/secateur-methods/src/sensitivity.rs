//! Allocation by measured sensitivity: every layer is pruned until it hurts as much as the others.

use std::collections::BTreeMap;

use secateur_core::allocation::apportionment::Limits;
use secateur_core::allocation::{Allocation, AllocationRow, AllocationTable, Allotment};
use secateur_core::error::PruneError;
use serde::{Deserialize, Serialize};

/// How much worse a model becomes when one of its layers is pruned alone: damage by sparsity.
///
/// Between the points it is a straight line; a point that is better than a sparser one before it
/// counts as that one, so that damage never falls. Beyond the last point it goes on as between the
/// last two, or, where those are equal, rises from there to that damage and one more at sparsity 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Vec<(f64, f64)>", into = "Vec<(f64, f64)>")]
pub struct SensitivityCurve {
    points: Vec<(f64, f64)>,
}

impl SensitivityCurve {
    /// From pairs of a sparsity and the damage measured there: a loss, or an error, in any unit
    /// that is the same for all layers. The damage of the first point is taken off all.
    ///
    /// # Errors
    ///
    /// [`PruneError::InvalidSetting`] unless there are two points or more, sparsities rise from 0
    /// and stay below 1, and damages are finite.
    pub fn new(points: impl IntoIterator<Item = (f64, f64)>) -> Result<Self, PruneError> {
        let mut points: Vec<(f64, f64)> = points.into_iter().collect();
        let invalid = |value: String, expected: &str, remedy: &str| {
            PruneError::invalid("points of a sensitivity curve", value, expected, remedy)
        };
        if points.len() < 2 {
            return Err(invalid(
                points.len().to_string(),
                "two or more",
                "measure the dense model and at least one sparsity",
            ));
        }
        let rising = points.windows(2).all(|pair| pair[0].0 < pair[1].0);
        if points[0].0 != 0.0 || !rising || points.iter().any(|(s, _)| !(0.0..1.0).contains(s)) {
            let sparsities: Vec<f64> = points.iter().map(|(s, _)| *s).collect();
            return Err(invalid(
                format!("{sparsities:?}"),
                "sparsities that rise from 0 and stay below 1",
                "sort them, and measure the dense model as sparsity 0",
            ));
        }
        if let Some((sparsity, damage)) = points.iter().find(|(_, damage)| !damage.is_finite()) {
            return Err(invalid(
                format!("{damage} at {sparsity}"),
                "finite damage",
                "leave out sparsities at which the model no longer gives numbers",
            ));
        }
        let start = points[0].1;
        let mut worst: f64 = 0.0;
        for (_, damage) in &mut points {
            worst = worst.max(*damage - start);
            *damage = worst;
        }
        Ok(Self { points })
    }

    /// The damage at a sparsity, 0 at 0.
    #[must_use]
    pub fn damage(&self, sparsity: f64) -> f64 {
        let corners = self.corners();
        let after = corners.partition_point(|(s, _)| *s < sparsity);
        match (
            after.checked_sub(1).map(|at| corners[at]),
            corners.get(after),
        ) {
            (Some((s0, d0)), Some(&(s1, d1))) => d0 + (d1 - d0) * (sparsity - s0) / (s1 - s0),
            (None, Some(&(_, damage))) | (Some((_, damage)), None) => damage,
            (None, None) => 0.0,
        }
    }

    /// The least and the greatest sparsity with this damage; they differ where pruning costs
    /// nothing for a while.
    fn sparsities(&self, damage: f64) -> (f64, f64) {
        let corners = self.corners();
        let at = |after: usize| match (after.checked_sub(1), corners.get(after)) {
            (Some(before), Some(&(s1, d1))) => {
                let (s0, d0) = corners[before];
                s0 + (s1 - s0) * (damage - d0) / (d1 - d0)
            }
            (None, _) => 0.0,
            (_, None) => 1.0,
        };
        let reached = corners.partition_point(|(_, d)| *d < damage);
        let passed = corners.partition_point(|(_, d)| *d <= damage);
        let least = match corners.get(reached) {
            Some(&(sparsity, d)) if d == damage => sparsity,
            _ => at(reached),
        };
        (least, at(passed).max(least))
    }

    /// The points and where the line ends, at sparsity 1.
    fn corners(&self) -> Vec<(f64, f64)> {
        let mut corners = self.points.clone();
        if let [.., (s0, d0), (s1, d1)] = self.points[..] {
            let rise = if d1 > d0 {
                (d1 - d0) / (s1 - s0) * (1.0 - s1)
            } else {
                1.0
            };
            corners.push((1.0, d1 + rise));
        }
        corners
    }
}

impl TryFrom<Vec<(f64, f64)>> for SensitivityCurve {
    type Error = PruneError;

    fn try_from(points: Vec<(f64, f64)>) -> Result<Self, PruneError> {
        Self::new(points)
    }
}

impl From<SensitivityCurve> for Vec<(f64, f64)> {
    fn from(curve: SensitivityCurve) -> Self {
        curve.points
    }
}

/// Spreads the budget so that every layer, pruned alone, would do the same damage: a layer that
/// hardly minds becomes sparser than one that minds (the layer-wise thresholds that Han et al. 2015
/// set by hand from such curves, their section 3.1 and figure 6, solved for a total).
///
/// One damage `τ` serves the whole model: layer `l` has the sparsity at which its
/// [`SensitivityCurve`] reaches `τ`, and `τ` is such that exactly `round(Σ s·n)` units go in all,
/// each layer within one of its share by largest remainders. A parameter with an attribute
/// `sparsity` meets its own outside of this budget; floors are paid for by the other layers.
///
/// Compared is nothing: the sparsities follow from the curves, not from scores.
///
/// Cost: O(layers · points) a step, whatever the layers' size. The curves cost one evaluation of
/// the model for each layer and sparsity.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct BySensitivity {
    curves: BTreeMap<String, SensitivityCurve>,
}

impl BySensitivity {
    /// By parameter path.
    pub fn new<P: Into<String>>(curves: impl IntoIterator<Item = (P, SensitivityCurve)>) -> Self {
        let curves = curves.into_iter();
        Self {
            curves: curves.map(|(path, curve)| (path.into(), curve)).collect(),
        }
    }

    fn curve(&self, row: &AllocationRow<'_>) -> Result<&SensitivityCurve, PruneError> {
        self.curves.get(row.path()).ok_or_else(|| {
            PruneError::custom(
                row.path(),
                "its sensitivity was not measured; measure it, give the parameter a sparsity of \
                 its own, or leave it out by `PrunerConfig::with_skip`",
            )
        })
    }
}

impl Allocation for BySensitivity {
    fn allocate(&self, table: &AllocationTable<'_>) -> Result<Vec<Allotment>, PruneError> {
        table.by_quotas(|rows, limits, keep| {
            let curves = rows.iter().zip(limits).map(|(row, &limits)| {
                let curve = self.curve(row)?;
                Ok((row.units as f64, limits, curve))
            });
            let curves: Vec<_> = curves.collect::<Result<_, PruneError>>()?;
            Ok(equal_damage(&curves, keep))
        })
    }
}

/// What each row keeps where all do the same damage and `keep` are kept in all, as far as the
/// limits allow it.
fn equal_damage(rows: &[(f64, Limits, &SensitivityCurve)], keep: usize) -> Vec<f64> {
    let keep = keep as f64;
    // The most and the least that is kept at a damage, row by row.
    let kept = |damage: f64| -> [Vec<f64>; 2] {
        let ends = rows.iter().map(|(units, limits, curve)| {
            let (least, greatest) = curve.sparsities(damage);
            [least, greatest].map(|sparsity| limits.clamp(units * (1.0 - sparsity)))
        });
        let ends: Vec<[f64; 2]> = ends.collect();
        [0, 1].map(|end| ends.iter().map(|row| row[end]).collect())
    };
    let sum = |kept: &[f64]| kept.iter().sum::<f64>();

    // What is kept falls with the damage in straight pieces between the curves' corners.
    let mut corners: Vec<f64> = rows
        .iter()
        .flat_map(|(_, _, curve)| curve.corners())
        .map(|(_, damage)| damage)
        .collect();
    corners.sort_by(f64::total_cmp);
    corners.dedup();
    let below = corners.partition_point(|&damage| sum(&kept(damage)[1]) > keep);
    let blend = |more: &[f64], less: &[f64]| -> Vec<f64> {
        let (most, least) = (sum(more), sum(less));
        let share = if most > least {
            ((most - keep) / (most - least)).clamp(0.0, 1.0)
        } else {
            0.0
        };
        let pairs = more.iter().zip(less);
        pairs
            .map(|(more, less)| more + (less - more) * share)
            .collect()
    };
    let Some(&damage) = corners.get(below) else {
        // Limits keep more than is asked.
        let last = corners.last().copied().unwrap_or(0.0);
        return kept(last)[1].clone();
    };
    let [more, less] = kept(damage);
    // Where a curve is flat, sparsity is free for a while: all flat pieces of one damage are used
    // alike.
    if sum(&more) >= keep {
        return blend(&more, &less);
    }
    // Between two corners every row's line is straight, unless its limits cut it; the damage is
    // narrowed down until that does not matter.
    let mut low = if below == 0 {
        damage
    } else {
        corners[below - 1]
    };
    let mut high = damage;
    for _ in 0..100 {
        let middle = 0.5 * (low + high);
        if sum(&kept(middle)[1]) > keep {
            low = middle;
        } else {
            high = middle;
        }
    }
    blend(&kept(low)[1], &kept(high)[0])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use secateur_core::allocation::Floor;
    use secateur_core::params::ParamInfo;
    use secateur_core::target::Target;

    use super::*;

    fn curve(points: &[(f64, f64)]) -> SensitivityCurve {
        SensitivityCurve::new(points.iter().copied()).unwrap()
    }

    fn keeps(
        curves: &[SensitivityCurve],
        units: &[usize],
        sparsity: f64,
        floor: Floor,
    ) -> Vec<usize> {
        let infos: Vec<ParamInfo> = units
            .iter()
            .enumerate()
            .map(|(i, &units)| ParamInfo::new(format!("l{i}"), [units, 1, 1]))
            .collect();
        let rows = infos.iter().zip(units);
        let rows = rows
            .map(|(info, &units)| AllocationRow::new(info, units, Target::Sparsity(sparsity)))
            .collect();
        let paths = infos.iter().map(|info| info.path.clone());
        let allocation = BySensitivity::new(paths.zip(curves.iter().cloned()));
        let allotments = allocation.allocate(&AllocationTable { rows, floor });
        allotments
            .unwrap()
            .iter()
            .map(|allotment| allotment.keep)
            .collect()
    }

    #[test]
    fn two_straight_curves_by_hand() {
        // Damage 1·s and 3·s. At the damage 0.6 the sparsities are 0.6 and 0.2: of 100 and 100
        // units 80 go, which is 40 % of all.
        let curves = [
            curve(&[(0.0, 0.0), (0.9, 0.9)]),
            curve(&[(0.0, 5.0), (0.9, 7.7)]),
        ];
        assert_eq!(keeps(&curves, &[100, 100], 0.4, Floor::default()), [40, 80]);
        // Of 100 and 300 at the damage 0.6: 60 + 60 of 400.
        assert_eq!(
            keeps(&curves, &[100, 300], 0.3, Floor::default()),
            [40, 240]
        );
        // At the damage 1.2 the first would lose more than it has: it is gone at 1, and of the
        // second go 40 %.
        assert_eq!(
            keeps(&curves, &[100, 100], 0.7, Floor::at_least(0)),
            [0, 60]
        );
    }

    #[test]
    fn what_costs_nothing_goes_first_and_alike() {
        // The first is free to 0.8, the second to 0.4, the third never.
        let curves = [
            curve(&[(0.0, 1.0), (0.8, 1.0), (0.9, 2.0)]),
            curve(&[(0.0, 1.0), (0.4, 0.5), (0.9, 2.0)]),
            curve(&[(0.0, 1.0), (0.9, 1.9)]),
        ];
        // 20 % of 300 are half of the 120 that are free.
        assert_eq!(
            keeps(&curves, &[100; 3], 0.2, Floor::default()),
            [60, 80, 100]
        );
        assert_eq!(
            keeps(&curves, &[100; 3], 0.4, Floor::default()),
            [20, 60, 100]
        );
    }

    #[test]
    fn damage_never_falls_and_goes_on_beyond_the_last_point() {
        let measured = curve(&[(0.0, 2.0), (0.5, 1.0), (0.8, 5.0)]);
        for (sparsity, damage) in [(0.0, 0.0), (0.5, 0.0), (0.65, 1.5), (0.8, 3.0), (0.9, 4.0)] {
            let got = measured.damage(sparsity);
            assert!((got - damage).abs() < 1e-12, "{got} at {sparsity}");
        }
        // Flat to the end: from 0.5 on it rises by 1.
        let flat = curve(&[(0.0, 2.0), (0.5, 2.0)]);
        assert!((flat.damage(0.75) - 0.5).abs() < 1e-12);
        assert_eq!(flat.sparsities(0.0), (0.0, 0.5));
    }

    #[test]
    fn what_is_no_curve_is_refused() {
        for points in [
            vec![(0.0, 1.0)],
            vec![(0.1, 1.0), (0.5, 2.0)],
            vec![(0.0, 1.0), (0.5, 2.0), (0.5, 3.0)],
            vec![(0.0, 1.0), (1.0, 2.0)],
            vec![(0.0, 1.0), (0.5, f64::NAN)],
            vec![(0.0, f64::INFINITY), (0.5, 1.0)],
            vec![(0.0, 1.0), (f64::NAN, 1.0)],
        ] {
            assert!(SensitivityCurve::new(points.clone()).is_err(), "{points:?}");
        }
        let info = ParamInfo::new("unknown", [10, 1, 1]);
        let rows = vec![AllocationRow::new(&info, 10, Target::Sparsity(0.5))];
        let floor = Floor::default();
        let error = BySensitivity::default()
            .allocate(&AllocationTable { rows, floor })
            .unwrap_err();
        assert!(error.to_string().contains("unknown"), "{error}");
    }

    proptest! {
        #[test]
        fn totals_are_exact_and_damages_alike(
            shapes in prop::collection::vec(
                (1_usize..400, prop::collection::vec(0.0..3.0_f64, 1..4)),
                1..6,
            ),
            sparsity in 0.0..0.95_f64,
        ) {
            let units: Vec<usize> = shapes.iter().map(|(units, _)| *units).collect();
            let curves: Vec<SensitivityCurve> = shapes
                .iter()
                .map(|(_, damages)| {
                    let last = damages.len() as f64;
                    let rising = damages.iter().enumerate();
                    let rising = rising.map(|(i, damage)| {
                        (0.9 * (i + 1) as f64 / last, damage + i as f64)
                    });
                    let points = std::iter::once((0.0, 0.0)).chain(rising);
                    SensitivityCurve::new(points).unwrap()
                })
                .collect();
            let kept = keeps(&curves, &units, sparsity, Floor::at_least(0));
            let total: usize = units.iter().sum();
            let wanted = total - (sparsity * total as f64).round() as usize;
            prop_assert_eq!(kept.iter().sum::<usize>(), wanted);
            // One unit more or less apart, no layer does more damage than another does.
            for (i, a) in curves.iter().enumerate() {
                for (j, b) in curves.iter().enumerate() {
                    let sparsity = |at: usize, more: f64| {
                        (1.0 - (kept[at] as f64 + more) / units[at] as f64).clamp(0.0, 1.0)
                    };
                    if kept[j] < units[j] && kept[i] > 0 {
                        let (less, more) = (a.damage(sparsity(i, -1.5)), b.damage(sparsity(j, 1.5)));
                        prop_assert!(more <= less + 1e-9, "{} {}: {:?}", i, j, kept);
                    }
                }
            }
        }
    }
}
