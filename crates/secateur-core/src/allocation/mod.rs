//! How a sparsity budget is spread over the parameters of a model.
//!
//! An [`Allocation`] is fed one [`AllocationRow`] per parameter and answers with the number of
//! units that each keeps. It knows nothing of models, layers or graphs.
//!
//! | allocation | what is compared |
//! | --- | --- |
//! | [`Uniform`] | nothing: every parameter meets its own target |
//! | [`Global`] | scores over the whole model, or over a group of parameters |
//! | [`PerParameter`] | nothing: rules name parameters and their final sparsity |
//!
//! Two rules hold for every allocation of this workspace. A sparsity given as an attribute of a
//! parameter comes before anything else: that parameter leaves the common budget and meets its
//! own. And masks only ever lose units: a row is never given more than
//! [`available`](AllocationRow::available).

pub mod apportionment;
mod global;
mod per_parameter;
mod row;
mod uniform;

use std::any::Any;
use std::fmt::Debug;

use serde::{Deserialize, Serialize};

pub use global::Global;
pub use per_parameter::PerParameter;
pub use row::AllocationRow;
pub use uniform::Uniform;

use crate::error::PruneError;
use crate::path_pattern::PathPattern;
use apportionment::{Limits, UnitSum, largest_remainders};

/// How a sparsity budget is spread over the parameters of a model.
pub trait Allocation: Any + Debug + Send + Sync {
    /// The number of units that each row keeps, in the rows' order.
    ///
    /// # Errors
    ///
    /// Those of [`AllocationTable::check`]; [`PruneError::OverPruned`] for a row that is asked for
    /// more than it has; [`PruneError::MissingSignal`] for scores that were not given.
    fn allocate(&self, table: &AllocationTable<'_>) -> Result<Vec<Allotment>, PruneError>;

    /// Whether [`allocate`](Self::allocate) reads the rows' scores.
    fn needs_scores(&self) -> bool {
        false
    }

    /// Checks the settings, once, before the first step.
    ///
    /// # Errors
    ///
    /// [`PruneError::InvalidSetting`] names the setting at fault and what to write instead.
    fn check(&self) -> Result<(), PruneError> {
        Ok(())
    }

    /// The patterns that this allocation names parameters by; each has to match one.
    fn path_patterns(&self) -> Vec<&PathPattern> {
        Vec::new()
    }
}

impl<A: Allocation + ?Sized> Allocation for Box<A> {
    fn allocate(&self, table: &AllocationTable<'_>) -> Result<Vec<Allotment>, PruneError> {
        (**self).allocate(table)
    }

    fn needs_scores(&self) -> bool {
        (**self).needs_scores()
    }

    fn check(&self) -> Result<(), PruneError> {
        (**self).check()
    }

    fn path_patterns(&self) -> Vec<&PathPattern> {
        (**self).path_patterns()
    }
}

/// The parameters among which a budget is spread.
#[derive(Clone, Debug)]
pub struct AllocationTable<'a> {
    /// One row per prunable parameter, in Burn's traversal order.
    pub rows: Vec<AllocationRow<'a>>,
    /// What every row keeps at least.
    pub floor: Floor,
}

impl AllocationTable<'_> {
    /// Checks the numbers of every row and the floor; an allocation calls this first.
    ///
    /// # Errors
    ///
    /// [`PruneError::InvalidSetting`] for a bad target, attribute or floor,
    /// [`PruneError::ScoreCount`] and [`PruneError::ModelChanged`] for scores and sets of eligible
    /// units that do not fit their row. All name the row's path.
    pub fn check(&self) -> Result<(), PruneError> {
        self.floor.check()?;
        self.rows.iter().try_for_each(AllocationRow::check)
    }

    /// The least that `row` keeps: its floor, as far as it has that many units left.
    pub fn floor_of(&self, row: &AllocationRow<'_>) -> usize {
        self.floor.units(row.units).min(row.available())
    }

    /// The number of units that the rows at these indices keep in all: what their targets, added
    /// up before they are rounded, leave of them. Rows of one share are counted together before
    /// they are multiplied.
    ///
    /// # Errors
    ///
    /// Those of [`AllocationRow::pruned`].
    ///
    /// # Panics
    ///
    /// If there is no row at one of the indices.
    pub fn pool_keeps(&self, members: &[usize]) -> Result<usize, PruneError> {
        let (mut units, mut available) = (0, 0);
        let mut pruned = UnitSum::default();
        for row in members.iter().map(|&i| &self.rows[i]) {
            units += row.units;
            available += row.available();
            pruned.add(row.portion()?);
        }
        Ok((units - pruned.rounded().min(units)).min(available))
    }

    /// Spreads one budget in shares that follow from something else than scores.
    ///
    /// Rows with a sparsity of their own meet it, rows without units get nothing; the others keep
    /// [`pool_keeps`](Self::pool_keeps) of their units together. `quotas` is given these rows, what
    /// each may keep, and the total, and says what each should keep, in fractions of units; each
    /// row's allotment is within one of it, by largest remainders.
    ///
    /// # Errors
    ///
    /// Those of [`check`](Self::check), [`AllocationRow::pruned`] and `quotas`.
    pub fn by_quotas(
        &self,
        quotas: impl Fn(&[&AllocationRow<'_>], &[Limits], usize) -> Result<Vec<f64>, PruneError>,
    ) -> Result<Vec<Allotment>, PruneError> {
        self.check()?;
        let mut allotments = vec![Allotment::default(); self.rows.len()];
        let mut members = Vec::new();
        for (i, row) in self.rows.iter().enumerate() {
            if row.own_sparsity().is_some() {
                allotments[i] = self.alone(row, row.pruned()?);
            } else if row.units > 0 {
                members.push(i);
            }
        }
        let keep = self.pool_keeps(&members)?;
        let rows: Vec<&AllocationRow<'_>> = members.iter().map(|&i| &self.rows[i]).collect();
        let shares = |least: &dyn Fn(&AllocationRow<'_>) -> usize| {
            let limits = rows.iter().map(|row| Limits {
                least: least(row),
                most: row.available(),
            });
            let limits: Vec<_> = limits.collect();
            Ok(largest_remainders(
                &quotas(&rows, &limits, keep)?,
                &limits,
                keep,
            ))
        };
        // What the floor adds is told by what would have been without it.
        let asked = shares(&|_| 0)?;
        let floored = shares(&|row| self.floor_of(row))?;
        for (((&i, row), asked), keep) in members.iter().zip(&rows).zip(asked).zip(floored) {
            allotments[i] = Allotment {
                keep,
                floored: self.floor_of(row).saturating_sub(asked),
            };
        }
        Ok(allotments)
    }

    /// `row` on its own, `pruned` of its units gone: what is left, raised to the floor.
    pub fn alone(&self, row: &AllocationRow<'_>, pruned: usize) -> Allotment {
        let asked = row.units.saturating_sub(pruned).min(row.available());
        let keep = asked.max(self.floor_of(row));
        Allotment {
            keep,
            floored: keep - asked,
        }
    }
}

/// What an allocation grants one row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Allotment {
    /// Units that the row keeps.
    pub keep: usize,
    /// How many of them it keeps only because of the floor.
    pub floored: usize,
}

/// What every parameter keeps at least, however little it scores: a guard against layers that
/// lose their last weight. The default asks for nothing.
///
/// The larger of the two applies. A floor wins over a target; what it added is reported in
/// [`Allotment::floored`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Floor {
    /// Units that every parameter keeps.
    pub at_least: usize,
    /// Share, in [0, 1], of its units that every parameter keeps, rounded up.
    pub share: f64,
}

impl Floor {
    /// Every parameter keeps at least this number of units.
    pub fn at_least(units: usize) -> Self {
        Self {
            at_least: units,
            share: 0.0,
        }
    }

    /// Every parameter keeps at least this share, in [0, 1], of its units.
    pub fn share(share: f64) -> Self {
        Self { at_least: 0, share }
    }

    /// The floor of a parameter with so many units.
    pub fn units(&self, units: usize) -> usize {
        // 0.07·100 is 7.000000000000001 in floating point and still means 7.
        let share = (self.share * units as f64 - 1e-9).ceil() as usize;
        self.at_least.max(share).min(units)
    }

    /// Checks the share.
    ///
    /// # Errors
    ///
    /// [`PruneError::InvalidSetting`] for a share outside [0, 1].
    pub fn check(&self) -> Result<(), PruneError> {
        if (0.0..=1.0).contains(&self.share) {
            return Ok(());
        }
        let remedy = if self.share > 1.0 && self.share <= 100.0 {
            format!("for {} % write {}", self.share, self.share / 100.0)
        } else {
            "pass the share of units to keep, e.g. 0.01".into()
        };
        Err(PruneError::invalid(
            "floor's share",
            self.share,
            "in [0, 1]",
            remedy,
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_floor_rounds_up() {
        assert_eq!(Floor::default().units(10), 0);
        assert_eq!(Floor::share(0.01).units(49), 1);
        assert_eq!(Floor::share(0.07).units(100), 7);
        assert_eq!(Floor::at_least(3).units(2), 2);
        let both = Floor {
            at_least: 5,
            share: 0.1,
        };
        assert_eq!([both.units(20), both.units(200)], [5, 20]);
    }

    #[test]
    fn a_bad_floor_names_itself() {
        let message = Floor::share(5.0).check().unwrap_err().to_string();
        assert!(message.contains("`floor's share` is 5"), "{message}");
        assert!(message.contains("write 0.05"), "{message}");
        assert!(Floor::share(f64::NAN).check().is_err());
        assert!(Floor::share(-0.1).check().is_err());
        assert_eq!(Floor::share(1.0).check(), Ok(()));
    }
}
