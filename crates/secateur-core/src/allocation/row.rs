//! One parameter as an allocation sees it.

use crate::bits::Bits;
use crate::error::PruneError;
use crate::params::ParamInfo;
use crate::target::{Portion, Target};

/// One parameter as an allocation sees it.
#[derive(Clone, Debug)]
pub struct AllocationRow<'a> {
    /// Path, shape, group and attributes of the parameter.
    pub info: &'a ParamInfo,
    /// Units of the parameter, pruned ones included.
    pub units: usize,
    /// Into how many comparison groups of one size the units fall, each of which meets the target
    /// for itself: 1 for the whole parameter, `out` for its output rows.
    pub groups: usize,
    /// Elements that go with a pruned unit, on average.
    pub unit_size: f64,
    /// Units kept now.
    pub kept: usize,
    /// Units that may be kept; `None` for all. Without regrowth these are the units kept now.
    pub eligible: Option<&'a Bits>,
    /// What the schedule asks at this step.
    pub target: Target,
    /// What the schedule asks at its last step, if that is a sparsity.
    pub final_sparsity: Option<f64>,
    /// One score per unit, never NaN; given if the allocation needs scores.
    pub scores: Option<&'a [f32]>,
    /// Cost of a kept element, in any currency.
    pub cost: f64,
}

impl<'a> AllocationRow<'a> {
    /// A parameter of which everything is kept so far, at its last step, its elements worth 1.
    pub fn new(info: &'a ParamInfo, units: usize, target: Target) -> Self {
        Self {
            info,
            units,
            groups: 1,
            unit_size: 1.0,
            kept: units,
            eligible: None,
            target,
            final_sparsity: None,
            scores: None,
            cost: 1.0,
        }
    }

    /// The parameter's path.
    pub fn path(&self) -> &'a str {
        &self.info.path
    }

    /// Units that may be kept.
    pub fn available(&self) -> usize {
        self.eligible.map_or(self.units, Bits::count_ones)
    }

    /// How far the schedule is on its way to its final sparsity, in [0, 1]; 1 if it has none to
    /// go to.
    pub fn progress(&self) -> f64 {
        match (self.target, self.final_sparsity) {
            (Target::Sparsity(now), Some(last)) if last > 0.0 => (now / last).min(1.0),
            _ => 1.0,
        }
    }

    /// The sparsity that the parameter's attribute asks for at this step: the attribute is the
    /// final sparsity, and is reached in step with the schedule.
    pub fn own_sparsity(&self) -> Option<f64> {
        self.info.sparsity.map(|last| last * self.progress())
    }

    /// What is asked of this parameter: its attribute first, the schedule's target otherwise.
    pub fn asked(&self) -> Target {
        self.own_sparsity().map_or(self.target, Target::Sparsity)
    }

    /// The number of units that [`asked`](Self::asked) prunes in all. A sparsity is rounded once in
    /// each of the [`groups`](Self::groups); a share of what remains too, if all groups may have as
    /// much left.
    ///
    /// # Errors
    ///
    /// [`PruneError::OverPruned`] if there are not so many, [`PruneError::InvalidSetting`] for a
    /// threshold or a band.
    pub fn pruned(&self) -> Result<usize, PruneError> {
        let (asked, groups) = (self.asked(), self.groups.max(1));
        let divides = |units: usize| units.is_multiple_of(groups);
        let groups = match asked {
            Target::Sparsity(_) if divides(self.units) => groups,
            Target::OfRemaining(_) if divides(self.units) && divides(self.kept) => groups,
            _ => 1,
        };
        let pruned = asked.pruned_of(self.units / groups, self.kept / groups);
        self.check_pruned(groups * pruned.ok_or_else(|| self.no_number())?)
    }

    /// As [`pruned`](Self::pruned), before rounding: what rows add up to before the sum is
    /// rounded once.
    ///
    /// # Errors
    ///
    /// Those of [`pruned`](Self::pruned).
    pub fn exact_pruned(&self) -> Result<f64, PruneError> {
        self.portion().map(Portion::exact)
    }

    /// As [`exact_pruned`](Self::exact_pruned), before multiplying.
    pub(super) fn portion(&self) -> Result<Portion, PruneError> {
        self.pruned()?;
        let asked = self.asked().portion_of(self.units, self.kept);
        asked.ok_or_else(|| self.no_number())
    }

    /// The row's scores.
    ///
    /// # Errors
    ///
    /// [`PruneError::MissingSignal`], in the name of `allocation`, if there are none.
    pub fn scores(&self, allocation: &str) -> Result<&'a [f32], PruneError> {
        self.scores.ok_or_else(|| PruneError::MissingSignal {
            path: self.path().into(),
            scorer: format!("{allocation} allocation"),
            signal: "the scores".into(),
            remedy: "give every row its scores when `needs_scores` says so".into(),
        })
    }

    fn check_pruned(&self, asked: usize) -> Result<usize, PruneError> {
        if asked <= self.units {
            return Ok(asked);
        }
        Err(PruneError::OverPruned {
            path: self.path().into(),
            asked,
            available: self.units,
            remedy: "lower the count, or ask for a sparsity".into(),
        })
    }

    fn no_number(&self) -> PruneError {
        PruneError::invalid(
            format!("target of {}", self.path()),
            format!("{:?}", self.target),
            "a sparsity, a share or a count",
            "a threshold needs no allocation: let the selector apply it",
        )
    }

    /// Checks the row's numbers; see [`AllocationTable::check`](super::AllocationTable::check).
    pub(super) fn check(&self) -> Result<(), PruneError> {
        self.target.check().map_err(|error| self.locate(error))?;
        if let Some(sparsity) = self.info.sparsity {
            PruneError::check_sparsity(&format!("sparsity of {}", self.path()), sparsity)?;
        }
        if let Some(scores) = self.scores
            && scores.len() != self.units
        {
            return Err(PruneError::ScoreCount {
                path: self.path().into(),
                scorer: "of the allocation's row".into(),
                expected: self.units,
                got: scores.len(),
            });
        }
        match self.eligible {
            Some(bits) if bits.len() != self.units => Err(PruneError::ModelChanged {
                path: self.path().into(),
                why: format!(
                    "{} units are marked as eligible or not, it has {}",
                    bits.len(),
                    self.units
                ),
            }),
            _ => Ok(()),
        }
    }

    /// An error about a setting, with the parameter it was set for.
    fn locate(&self, error: PruneError) -> PruneError {
        match error {
            PruneError::InvalidSetting {
                setting,
                value,
                expected,
                remedy,
            } => PruneError::InvalidSetting {
                setting: format!("{setting} of {}", self.path()),
                value,
                expected,
                remedy,
            },
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attribute_comes_first_and_keeps_step_with_the_schedule() {
        let mut info = ParamInfo::new("fc.weight", [10, 10, 1]);
        info.sparsity = Some(0.5);
        let mut row = AllocationRow::new(&info, 100, Target::Sparsity(0.45));
        row.final_sparsity = Some(0.9);
        assert_eq!(row.progress(), 0.5);
        assert_eq!(row.pruned(), Ok(25));
        row.target = Target::Sparsity(0.9);
        assert_eq!(row.pruned(), Ok(50));
        row.target = Target::Count(7);
        assert_eq!(row.pruned(), Ok(50));
    }

    #[test]
    fn each_comparison_group_rounds_for_itself() {
        let info = ParamInfo::new("fc.weight", [2, 5, 1]);
        // 0.09·5 = 0.45 rounds to none in each of two rows; 0.09·10 = 0.9 would be one.
        let mut row = AllocationRow::new(&info, 10, Target::Sparsity(0.09));
        assert_eq!(row.pruned(), Ok(1));
        row.groups = 2;
        assert_eq!(row.pruned(), Ok(0));
        // 0.5·5 = 2.5 rounds to three in each.
        row.target = Target::Sparsity(0.5);
        assert_eq!(row.pruned(), Ok(6));
        // Three of each are left, and half of three is two.
        row.target = Target::OfRemaining(0.5);
        row.kept = 6;
        assert_eq!(row.pruned(), Ok(4 + 4));
        // A number is one of the whole parameter.
        row.target = Target::Count(7);
        assert_eq!(row.pruned(), Ok(7));
    }

    #[test]
    fn errors_name_the_path() {
        let info = ParamInfo::new("fc.weight", [10, 10, 1]);
        let row = |target| AllocationRow::new(&info, 100, target);
        assert!(matches!(
            row(Target::Count(101)).pruned(),
            Err(PruneError::OverPruned { path, asked: 101, available: 100, .. })
                if path == "fc.weight"
        ));
        let threshold = row(Target::Threshold(0.1)).pruned().unwrap_err();
        assert!(threshold.to_string().contains("selector"), "{threshold}");
        let percent = row(Target::Sparsity(90.0)).check().unwrap_err();
        assert!(
            percent
                .to_string()
                .contains("`sparsity of fc.weight` is 90")
        );

        let scores = [1.0; 99];
        let mut short = row(Target::Sparsity(0.5));
        short.scores = Some(&scores);
        assert!(matches!(short.check(), Err(PruneError::ScoreCount { .. })));
        let bits = Bits::ones(99);
        let mut narrow = row(Target::Sparsity(0.5));
        narrow.eligible = Some(&bits);
        assert!(matches!(
            narrow.check(),
            Err(PruneError::ModelChanged { .. })
        ));
        assert!(matches!(
            narrow.scores("global"),
            Err(PruneError::MissingSignal { .. })
        ));
    }
}
