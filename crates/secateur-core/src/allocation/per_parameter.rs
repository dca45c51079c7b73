//! A sparsity for each parameter, by rules.

use serde::{Deserialize, Serialize};

use super::apportionment::{Limits, UnitSum, largest_remainders};
use super::{Allocation, AllocationRow, AllocationTable, Allotment};
use crate::error::PruneError;
use crate::path_pattern::PathPattern;
use crate::target::Portion;

/// A final sparsity for each parameter, by rules on paths.
///
/// For each parameter decides, in this order: its attribute `sparsity`; the first rule whose
/// pattern matches its path; the default, if one is given; the schedule's target.
///
/// A rule's sparsity is the one after the schedule's last step, and is reached in step with it:
/// while the schedule asks for a third of its final sparsity, a rule asks for a third of its own.
/// Rules take effect at once under a schedule that does not ask for a sparsity, or whose final
/// sparsity is 0.
///
/// In all `round(Σ s·n)` units go, rows of one share being counted together before they are
/// multiplied; each row loses its own `s·n`, rounded up or down by largest remainders.
///
/// ```
/// # use secateur_core::allocation::PerParameter;
/// // Han et al. 2015 on LeNet-300-100.
/// let han = PerParameter::new()
///     .with("fc1.weight", 0.92)?
///     .with("fc2.weight", 0.91)?
///     .with("fc3.weight", 0.74)?;
/// # Ok::<(), secateur_core::error::PruneError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PerParameter {
    default: Option<f64>,
    rules: Vec<(PathPattern, f64)>,
}

impl PerParameter {
    /// No rules: the schedule's target for every parameter without an attribute.
    pub fn new() -> Self {
        Self::default()
    }

    /// The final sparsity of what `pattern` matches and no earlier pattern does.
    ///
    /// # Errors
    ///
    /// [`PruneError::InvalidSetting`] if `pattern` is malformed or `sparsity` is outside [0, 1).
    pub fn with(mut self, pattern: &str, sparsity: f64) -> Result<Self, PruneError> {
        let rule = (PathPattern::new(pattern)?, sparsity);
        check_rule(&rule)?;
        self.rules.push(rule);
        Ok(self)
    }

    /// The final sparsity of what no rule matches.
    ///
    /// # Errors
    ///
    /// [`PruneError::InvalidSetting`] if `sparsity` is outside [0, 1).
    pub fn otherwise(mut self, sparsity: f64) -> Result<Self, PruneError> {
        self.default = Some(PruneError::check_sparsity("default sparsity", sparsity)?);
        Ok(self)
    }

    /// Units of `row` to prune, before rounding.
    fn portion(&self, row: &AllocationRow<'_>) -> Result<Portion, PruneError> {
        let matching = |(pattern, _): &&(PathPattern, f64)| pattern.matches(row.path());
        let rule = self.rules.iter().find(matching).map(|&(_, last)| last);
        match rule.or(self.default) {
            Some(last) if row.own_sparsity().is_none() => {
                Ok(Portion::share(last * row.progress(), row.units))
            }
            _ => row.portion(),
        }
    }
}

fn check_rule((pattern, sparsity): &(PathPattern, f64)) -> Result<(), PruneError> {
    PruneError::check_sparsity(&format!("sparsity of {pattern}"), *sparsity).map(drop)
}

impl Allocation for PerParameter {
    fn allocate(&self, table: &AllocationTable<'_>) -> Result<Vec<Allotment>, PruneError> {
        table.check()?;
        let portions = table
            .rows
            .iter()
            .map(|row| self.portion(row))
            .collect::<Result<Vec<_>, _>>()?;
        let keeps = |floor_of: &dyn Fn(&AllocationRow<'_>) -> usize| -> Vec<usize> {
            // Counted in pruned units, which is what rounds away from zero.
            let limits = table.rows.iter().map(|row| Limits {
                least: row.units - row.available(),
                most: row.units - floor_of(row),
            });
            let limits: Vec<_> = limits.collect();
            let within: Vec<Portion> = portions
                .iter()
                .zip(&limits)
                .map(|(portion, limits)| match portion.exact() {
                    exact if exact > limits.most as f64 => Portion::whole(limits.most),
                    exact if exact < limits.least as f64 => Portion::whole(limits.least),
                    _ => *portion,
                })
                .collect();
            let mut total = UnitSum::default();
            within.iter().for_each(|&portion| total.add(portion));
            let ideals: Vec<_> = within.into_iter().map(Portion::exact).collect();
            let pruned = largest_remainders(&ideals, &limits, total.rounded());
            let rows = table.rows.iter().zip(pruned);
            rows.map(|(row, pruned)| row.units - pruned).collect()
        };
        let asked = keeps(&|_| 0);
        let floored = keeps(&|row| table.floor_of(row));
        let rows = table.rows.iter().zip(asked).zip(floored);
        Ok(rows
            .map(|((row, asked), keep)| Allotment {
                keep,
                floored: table.floor_of(row).saturating_sub(asked),
            })
            .collect())
    }

    fn check(&self) -> Result<(), PruneError> {
        if let Some(sparsity) = self.default {
            PruneError::check_sparsity("default sparsity", sparsity)?;
        }
        self.rules.iter().try_for_each(check_rule)
    }

    fn path_patterns(&self) -> Vec<&PathPattern> {
        self.rules.iter().map(|(pattern, _)| pattern).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::Floor;
    use super::*;
    use crate::bits::Bits;
    use crate::params::ParamInfo;
    use crate::target::Target;
    use proptest::prelude::*;

    fn allocate(
        allocation: &PerParameter,
        infos: &[ParamInfo],
        target: Target,
        last: f64,
        floor: Floor,
    ) -> Vec<Allotment> {
        let rows = infos.iter().map(|info| AllocationRow {
            final_sparsity: Some(last),
            ..AllocationRow::new(info, info.shape.iter().product(), target)
        });
        let rows = rows.collect();
        allocation
            .allocate(&AllocationTable { rows, floor })
            .unwrap()
    }

    fn keeps(allotments: &[Allotment]) -> Vec<usize> {
        allotments.iter().map(|allotment| allotment.keep).collect()
    }

    #[test]
    fn hans_lenet_300_100() {
        // Han et al. 2015, table 3: 8, 9 and 26 % of 235,200, 30,000 and 1,000 weights are kept:
        // 18,816, 2,700 and 260, in all 21,776 = the paper's 22 K.
        let infos = [
            ParamInfo::new("fc1.weight", [300, 784, 1]),
            ParamInfo::new("fc2.weight", [100, 300, 1]),
            ParamInfo::new("fc3.weight", [10, 100, 1]),
        ];
        let han = PerParameter::new()
            .with("fc1.weight", 0.92)
            .and_then(|han| han.with("fc2.weight", 0.91))
            .and_then(|han| han.with("fc3.weight", 0.74))
            .unwrap();
        let at = |target| {
            keeps(&allocate(
                &han,
                &infos,
                Target::Sparsity(target),
                0.9,
                Floor::default(),
            ))
        };
        assert_eq!(at(0.9), [18_816, 2_700, 260]);
        // Half way: 46, 45.5 and 37 % are gone.
        assert_eq!(at(0.45), [127_008, 16_350, 630]);
        assert_eq!(at(0.0), [235_200, 30_000, 1_000]);
    }

    #[test]
    fn attribute_then_rule_then_default_then_target() {
        let mut own = ParamInfo::new("own", [10, 1, 1]);
        own.sparsity = Some(0.1);
        let infos = [
            own,
            ParamInfo::new("a.b", [10, 1, 1]),
            ParamInfo::new("a.c", [10, 1, 1]),
            ParamInfo::new("d", [10, 1, 1]),
        ];
        let target = Target::Sparsity(0.5);
        let rules = PerParameter::new()
            .with("a.b", 0.2)
            .and_then(|rules| rules.with("a.*", 0.3))
            .and_then(|rules| rules.with("own", 0.9))
            .unwrap();
        let got = allocate(&rules, &infos, target, 0.5, Floor::default());
        assert_eq!(keeps(&got), [9, 8, 7, 5]);
        let rules = rules.otherwise(0.4).unwrap();
        let got = allocate(&rules, &infos, target, 0.5, Floor::default());
        assert_eq!(keeps(&got), [9, 8, 7, 6]);
    }

    #[test]
    fn the_total_is_rounded_once_by_largest_remainders() {
        // 3·0.5 + 3·0.4 + 3·0.6 = 4.5, so 5 go: 1, 1 and 1 surely, then the remainders .8 and .5.
        let infos = ["a", "b", "c"].map(|path| ParamInfo::new(path, [3, 1, 1]));
        let rules = PerParameter::new()
            .with("b", 0.4)
            .and_then(|rules| rules.with("c", 0.6))
            .unwrap();
        let got = allocate(&rules, &infos, Target::Sparsity(0.5), 0.5, Floor::default());
        assert_eq!(keeps(&got), [1, 2, 1]);
    }

    #[test]
    fn equal_shares_are_counted_together_before_they_are_rounded() {
        // 0.35·30 = 10.5, of which 11 go; 0.35·24 + 0.35·6 is 10.499999999999998. The third row
        // loses all of its 3 that are gone already, a whole number that changes nothing.
        let (a, b) = (
            ParamInfo::new("a", [24, 1, 1]),
            ParamInfo::new("b", [6, 1, 1]),
        );
        let gone = ParamInfo::new("gone", [4, 1, 1]);
        let left = Bits::from_fn(4, |unit| unit == 0);
        let target = Target::Sparsity(0.35);
        let rows = vec![
            AllocationRow::new(&a, 24, target),
            AllocationRow::new(&b, 6, target),
            AllocationRow {
                eligible: Some(&left),
                kept: 1,
                ..AllocationRow::new(&gone, 4, target)
            },
        ];
        let floor = Floor::default();
        let table = AllocationTable { rows, floor };
        for rules in [
            PerParameter::new(),
            PerParameter::new().otherwise(0.35).unwrap(),
        ] {
            // 8.4 and 2.1: the unit left over goes to the larger remainder.
            assert_eq!(keeps(&rules.allocate(&table).unwrap()), [15, 4, 1]);
        }
    }

    #[test]
    fn floors_are_reported() {
        let infos = ["a", "b"].map(|path| ParamInfo::new(path, [10, 1, 1]));
        let rules = PerParameter::new().with("b", 0.5).unwrap();
        let got = allocate(
            &rules,
            &infos,
            Target::Sparsity(0.9),
            0.9,
            Floor::at_least(4),
        );
        let want = [(4, 3), (5, 0)].map(|(keep, floored)| Allotment { keep, floored });
        assert_eq!(got, want);
    }

    #[test]
    fn bad_rules_name_their_pattern() {
        let message = PerParameter::new()
            .with("fc.*", 90.0)
            .unwrap_err()
            .to_string();
        assert!(message.contains("`sparsity of fc.*` is 90"), "{message}");
        assert!(PerParameter::new().otherwise(f64::NAN).is_err());
        // What a file says is checked too.
        let file = r#"{"rules":[["fc.*",1.5]]}"#;
        let rules: PerParameter = serde_json::from_str(file).unwrap();
        assert!(rules.check().is_err());
        assert_eq!(rules.path_patterns().len(), 1);
    }

    proptest! {
        #[test]
        fn totals_are_exact_and_rows_within_one(
            rows in proptest::collection::vec((0..300_usize, 0.0..1.0_f64), 1..8),
        ) {
            let infos: Vec<_> = rows
                .iter()
                .enumerate()
                .map(|(i, row)| ParamInfo::new(format!("p{i}"), [row.0, 1, 1]))
                .collect();
            let mut rules = PerParameter::new();
            for (info, row) in infos.iter().zip(&rows) {
                rules = rules.with(&info.path, row.1).unwrap();
            }
            let got = allocate(&rules, &infos, Target::Sparsity(0.5), 0.5, Floor::default());
            let asked: f64 = rows.iter().map(|row| row.1 * row.0 as f64).sum();
            let units: usize = rows.iter().map(|row| row.0).sum();
            let kept: usize = got.iter().map(|allotment| allotment.keep).sum();
            prop_assert_eq!(units - kept, asked.round() as usize);
            for (allotment, row) in got.iter().zip(&rows) {
                let pruned = (row.0 - allotment.keep) as f64;
                prop_assert!((pruned - row.1 * row.0 as f64).abs() < 1.0);
            }
        }
    }
}
