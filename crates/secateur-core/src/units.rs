//! Units: what lives or dies as one, as a partition of a view's elements.

use std::ops::{Range, RangeInclusive};

use rayon::prelude::*;

use crate::bits::Bits;
use crate::error::PruneError;
use crate::mask::Mask;
use crate::reduction::Reduction;

/// A partition of the elements of a view `[out, in, kernel]` into numbered units.
///
/// A unit that is pruned loses all of its members but the [`keep`](Self::keep) best, which is
/// none at all for every pattern but n:m. An element may belong to no unit: then nothing here
/// ever prunes it. Everything that ranks (budgets, floors, ties) works on units and their
/// scores, so that it is written once for elements, filters, blocks and coupled groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Units {
    shape: [usize; 3],
    keep: usize,
    layout: Layout,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Layout {
    /// A grid of boxes of one size, the last along an axis perhaps shorter, numbered row-major.
    Boxes { size: [usize; 3], grid: [usize; 3] },
    /// Any partition: each element's unit, and the members of unit `u` at
    /// `members[starts[u]..starts[u + 1]]`.
    Table {
        unit_of: Vec<u32>,
        starts: Vec<usize>,
        members: Vec<u32>,
    },
}

/// What becomes of the members past the last whole box of an axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// They belong to no unit.
    Outside,
    /// They make smaller units.
    Smaller,
}

impl Units {
    /// Marks an element without a unit in [`from_table`](Self::from_table).
    pub const NO_UNIT: u32 = u32::MAX;

    /// Every element of a view `[out, in, kernel]` is a unit, numbered by its index.
    pub fn elements(shape: [usize; 3]) -> Self {
        Self::boxes(shape, [1; 3], Rest::Outside)
    }

    /// Boxes of `size` laid over a view `[out, in, kernel]`, numbered in row-major order.
    ///
    /// A size of 0 along an axis stands for the whole axis. A view without elements has no units.
    pub fn boxes(shape: [usize; 3], size: [usize; 3], rest: Rest) -> Self {
        let size: [_; 3] = std::array::from_fn(|axis| match size[axis] {
            0 => shape[axis].max(1),
            size => size,
        });
        let grid = std::array::from_fn(|axis| match rest {
            Rest::Outside => shape[axis] / size[axis],
            Rest::Smaller => shape[axis].div_ceil(size[axis]),
        });
        Self {
            shape,
            keep: 0,
            layout: Layout::Boxes { size, grid },
        }
    }

    /// Any partition of a view `[out, in, kernel]`: the unit of each element in view order, or
    /// [`NO_UNIT`](Self::NO_UNIT).
    ///
    /// # Errors
    /// [`PruneError::InvalidSetting`] if the table has not one entry per element, or if a number
    /// below the highest has no member.
    pub fn from_table(shape: [usize; 3], unit_of: Vec<u32>) -> Result<Self, PruneError> {
        let refuse = |value: String, expected: &str, remedy: &str| {
            Err(PruneError::invalid("unit table", value, expected, remedy))
        };
        let len: usize = shape.iter().product();
        if unit_of.len() != len || u32::try_from(len).is_err() {
            return refuse(
                format!("{} long", unit_of.len()),
                &format!("one entry for each of the view's {len} elements, at most 2^32 - 1"),
                "list the unit of every element in (out, in, kernel) order",
            );
        }
        let named = || unit_of.iter().filter(|&&unit| unit != Self::NO_UNIT);
        let count = named().max().map_or(0, |&last| last as usize + 1);
        // With more units than elements, one of the first `len` units is empty: enough to look at
        // them, and no wild number can ask for memory.
        let mut starts = vec![0; count.min(len) + 1];
        for &unit in named() {
            if let Some(members) = starts.get_mut(unit as usize + 1) {
                *members += 1;
            }
        }
        if let Some(empty) = starts[1..].iter().position(|&members| members == 0) {
            return refuse(
                format!("without a member of unit {empty}"),
                "numbered without gaps",
                "number the units from 0 on",
            );
        }
        for unit in 0..count {
            starts[unit + 1] += starts[unit];
        }
        let mut next = starts.clone();
        let mut members = vec![0; starts[count]];
        for (element, &unit) in (0u32..).zip(&unit_of) {
            if unit != Self::NO_UNIT {
                members[next[unit as usize]] = element;
                next[unit as usize] += 1;
            }
        }
        Ok(Self {
            shape,
            keep: 0,
            layout: Layout::Table {
                unit_of,
                starts,
                members,
            },
        })
    }

    /// Makes a pruned unit retain its `keep` best members.
    pub fn with_keep(mut self, keep: usize) -> Self {
        self.keep = keep;
        self
    }

    /// The view's shape `[out, in, kernel]`.
    pub fn shape(&self) -> [usize; 3] {
        self.shape
    }

    /// Elements of the view, in units or not.
    pub fn elements_len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Number of units.
    pub fn count(&self) -> usize {
        match &self.layout {
            Layout::Boxes { grid, .. } => grid.iter().product(),
            Layout::Table { starts, .. } => starts.len() - 1,
        }
    }

    /// Whether every element is a unit of its own, numbered by its index.
    pub fn is_elementwise(&self) -> bool {
        self.keep == 0 && matches!(&self.layout, Layout::Boxes { size, .. } if *size == [1; 3])
    }

    /// How many members a pruned unit retains.
    pub fn keep(&self) -> usize {
        self.keep
    }

    /// The sizes of the smallest and the largest unit; `0..=0` if there is none.
    pub fn unit_len(&self) -> RangeInclusive<usize> {
        if self.count() == 0 {
            return 0..=0;
        }
        match &self.layout {
            Layout::Boxes { .. } => {
                let volume = |unit| self.box_of(unit).map(|side| side.len()).iter().product();
                volume(self.count() - 1)..=volume(0)
            }
            Layout::Table { starts, .. } => {
                let lens = || starts.windows(2).map(|pair| pair[1] - pair[0]);
                lens().min().unwrap_or(0)..=lens().max().unwrap_or(0)
            }
        }
    }

    /// The unit of an element of the view; `None` if it belongs to none or is past the end.
    pub fn unit_of(&self, element: usize) -> Option<usize> {
        match &self.layout {
            Layout::Boxes { size, grid } => {
                let [_, inputs, kernel] = self.shape;
                if element >= self.elements_len() {
                    return None;
                }
                let at = [
                    element / kernel / inputs,
                    element / kernel % inputs,
                    element % kernel,
                ];
                (0..3).try_fold(0, |unit, axis| {
                    let step = at[axis] / size[axis];
                    (step < grid[axis]).then_some(unit * grid[axis] + step)
                })
            }
            Layout::Table { unit_of, .. } => (unit_of.get(element).copied())
                .filter(|&unit| unit != Self::NO_UNIT)
                .map(|unit| unit as usize),
        }
    }

    /// The members of a unit, ascending; nothing for a unit that does not exist.
    pub fn members(&self, unit: usize) -> impl Iterator<Item = usize> + '_ {
        let (sides, table): (_, &[u32]) = match &self.layout {
            Layout::Boxes { .. } => (self.box_of(unit), &[]),
            Layout::Table {
                starts, members, ..
            } => (
                [0..0, 0..0, 0..0],
                (starts.get(unit).zip(starts.get(unit + 1)))
                    .map_or(&[], |(&start, &end)| &members[start..end]),
            ),
        };
        let [_, inputs, kernel] = self.shape;
        let [outs, ins, taps] = sides;
        outs.flat_map(move |o| {
            let taps = taps.clone();
            (ins.clone()).flat_map(move |i| {
                let start = (o * inputs + i) * kernel;
                start + taps.start..start + taps.end
            })
        })
        .chain(table.iter().map(|&element| element as usize))
    }

    /// The sides of a box; empty if there is no such box.
    fn box_of(&self, unit: usize) -> [Range<usize>; 3] {
        let Layout::Boxes { size, grid } = &self.layout else {
            return [0..0, 0..0, 0..0];
        };
        if unit >= self.count() {
            return [0..0, 0..0, 0..0];
        }
        let at = [
            unit / grid[2] / grid[1],
            unit / grid[2] % grid[1],
            unit % grid[2],
        ];
        std::array::from_fn(|axis| {
            let start = at[axis] * size[axis];
            start..(start + size[axis]).min(self.shape[axis])
        })
    }

    /// The score of each unit: the reduction over what the unit would lose if it were pruned.
    ///
    /// That is all of its members, or all but the [`keep`](Self::keep) best, so that the groups
    /// which obey n:m most cheaply do so first; a unit with nothing to lose scores 0. `previous`
    /// is the mask so far: what it has removed can neither be lost again nor retained.
    ///
    /// # Errors
    /// [`PruneError::InvalidSetting`] if there is not one score per element of the view;
    /// [`PruneError::MaskShape`] if `previous` is of another view.
    pub fn scores(
        &self,
        element_scores: &[f32],
        reduction: Reduction,
        previous: Option<&Mask>,
    ) -> Result<Vec<f32>, PruneError> {
        self.check_scores(element_scores)?;
        self.check_mask(previous)?;
        let score = |standing: &mut Vec<usize>, unit: usize| {
            if self.keep == 0 && previous.is_none() {
                return reduction.of(self.members(unit).map(|element| element_scores[element]));
            }
            self.standing(unit, previous, standing);
            let lost = self.lost(standing, element_scores);
            reduction.of(lost.iter().map(|&element| element_scores[element]))
        };
        // A task takes many small units or one large one.
        let unit_len = *self.unit_len().end();
        Ok((0..self.count())
            .into_par_iter()
            .with_min_len((1 << 14) / unit_len.max(1))
            .map_init(Vec::new, score)
            .collect())
    }

    /// The mask of the view that keeps `kept_units`, one bit per unit.
    ///
    /// A kept unit keeps all of its members, a pruned unit its [`keep`](Self::keep) best (ties:
    /// the lower index), and an element without a unit stays. With `previous`, the mask so far,
    /// only what it keeps is kept: a pruned unit with fewer left than `keep` has fewer.
    /// `element_scores` are read, and needed, only if `keep` is not 0.
    ///
    /// # Errors
    /// [`PruneError::InvalidSetting`] if there is not one bit per unit or not one score per
    /// element; [`PruneError::MaskShape`] if `previous` is of another view.
    pub fn expand(
        &self,
        kept_units: &Bits,
        element_scores: &[f32],
        previous: Option<&Mask>,
    ) -> Result<Mask, PruneError> {
        if kept_units.len() != self.count() {
            return Err(PruneError::invalid(
                "kept units",
                format!("{} long", kept_units.len()),
                format!("one bit for each of the {} units", self.count()),
                "rank the units of this view",
            ));
        }
        if self.keep > 0 {
            self.check_scores(element_scores)?;
        }
        self.check_mask(previous)?;
        if self.is_elementwise() {
            let kept = previous.and_then(|mask| mask.bits().zip_words(kept_units, |a, b| a & b));
            return Mask::from_bits(self.shape, kept.unwrap_or_else(|| kept_units.clone()));
        }
        let mut kept = match previous {
            Some(mask) => mask.bits().clone(),
            None => Bits::ones(self.elements_len()),
        };
        let mut standing = Vec::new();
        for unit in kept_units.not().iter_ones() {
            if self.keep == 0 {
                (self.members(unit)).for_each(|element| kept.set(element, false));
                continue;
            }
            self.standing(unit, previous, &mut standing);
            for &element in self.lost(&mut standing, element_scores) {
                kept.set(element, false);
            }
        }
        Mask::from_bits(self.shape, kept)
    }

    /// The units that `mask` has not pruned: one bit per unit, 1 where more than
    /// [`keep`](Self::keep) members are left.
    ///
    /// The inverse of [`expand`](Self::expand), save that a unit of no more than `keep` members
    /// has nothing to lose and always counts as pruned. What it gives is what may still be
    /// ranked when masks only ever shrink.
    ///
    /// # Errors
    /// [`PruneError::MaskShape`] if the mask is of another view.
    pub fn collapse(&self, mask: &Mask) -> Result<Bits, PruneError> {
        self.check_mask(Some(mask))?;
        if self.is_elementwise() {
            return Ok(mask.bits().clone());
        }
        let standing = |unit| self.members(unit).filter(|&e| mask.bits().get(e)).count();
        Ok(Bits::from_fn(self.count(), |unit| {
            standing(unit) > self.keep
        }))
    }

    /// Whether every unit is whole or pruned: all members kept, or no more than
    /// [`keep`](Self::keep). Elements without a unit are not looked at.
    ///
    /// # Errors
    /// [`PruneError::MaskShape`] if the mask is of another view.
    pub fn are_obeyed_by(&self, mask: &Mask) -> Result<bool, PruneError> {
        self.check_mask(Some(mask))?;
        if self.is_elementwise() {
            return Ok(true);
        }
        Ok((0..self.count()).all(|unit| {
            let (mut all, mut kept) = (0, 0);
            self.members(unit).for_each(|element| {
                all += 1;
                kept += usize::from(mask.bits().get(element));
            });
            kept == all || kept <= self.keep
        }))
    }

    /// The members of a unit that `previous` keeps, ascending.
    fn standing(&self, unit: usize, previous: Option<&Mask>, into: &mut Vec<usize>) {
        into.clear();
        match previous {
            None => into.extend(self.members(unit)),
            Some(mask) => into.extend(self.members(unit).filter(|&e| mask.bits().get(e))),
        }
    }

    /// Which of a unit's standing members pruning takes: all but the `keep` best, ascending.
    fn lost<'a>(&self, standing: &'a mut [usize], scores: &[f32]) -> &'a [usize] {
        let keep = self.keep;
        if keep == 0 {
            return standing;
        }
        if standing.len() <= keep {
            return &[];
        }
        // `total_cmp` alone would part -0.0 from 0.0.
        let score = |element: usize| scores[element] + 0.0;
        standing
            .select_nth_unstable_by(keep, |&a, &b| score(b).total_cmp(&score(a)).then(a.cmp(&b)));
        let lost = &mut standing[keep..];
        // Selection leaves them in any order, sums want a fixed one.
        lost.sort_unstable();
        lost
    }

    fn check_scores(&self, scores: &[f32]) -> Result<(), PruneError> {
        if scores.len() == self.elements_len() {
            return Ok(());
        }
        Err(PruneError::invalid(
            "element scores",
            format!("{} long", scores.len()),
            format!(
                "one for each of the view's {} elements",
                self.elements_len()
            ),
            "score the elements of this view in (out, in, kernel) order",
        ))
    }

    fn check_mask(&self, mask: Option<&Mask>) -> Result<(), PruneError> {
        match mask {
            Some(mask) if mask.shape() != self.shape => Err(PruneError::MaskShape {
                path: "mask".into(),
                expected: self.shape,
                got: mask.shape(),
            }),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
