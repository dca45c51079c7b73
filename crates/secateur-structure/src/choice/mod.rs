//! Choosing the channels that go: how many, from where, down to which cost.

mod budget;
mod proposals;
mod similar;

use std::collections::BTreeMap;

use secateur_core::error::PruneError;
use secateur_core::path_pattern::PathPattern;

use crate::axes::AxisId;
use crate::coupling::{Coupling, Group, Unit};
use crate::error::StructureError;
use crate::importance::UnitScores;
use crate::plan::Plan;

pub use budget::{Budget, Cost, peak_activation_bytes};
pub use proposals::Proposal;

/// How the channels that go are spread over the groups.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Spread {
    /// Each group loses this share of its channels.
    Uniform(f64),
    /// This share of all channels goes, those with the lowest scores.
    Global(f64),
    /// As global, among groups that are built alike: isomorphic pruning (Fang et al. 2024).
    Isomorphic(f64),
    /// The lowest scores go until the model costs no more than this.
    Budget(Budget),
    /// Each group loses the channels whose scores lie more than so many standard deviations below
    /// the group's mean: of scores `1 - APoZ` with one deviation the rule of Hu et al. 2016. Mean
    /// and deviation `√((1/n) Σ (score - mean)²)` are those of the group's finite scores.
    Deviations(f64),
}

/// Which factors of a dimension that is a product may lose places: the heads of an attention and
/// their width, the groups of a convolution and their channels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Factors {
    /// Whole heads; for convolutions channels of each group.
    #[default]
    Coarse,
    /// The width of heads; for convolutions channels of each group.
    Fine,
    /// All factors.
    All,
}

/// Chooses channels by their scores.
///
/// ```ignore
/// let plan = ChannelPruning::uniform(0.5).with_multiple_of(8).plan(&coupling, &scores)?;
/// ```
#[derive(Clone, Debug)]
pub struct ChannelPruning {
    spread: Spread,
    /// The number of channels that stay is a multiple of this.
    multiple: usize,
    floor: usize,
    largest_share: f64,
    shares: Vec<(PathPattern, f64)>,
    only: Vec<PathPattern>,
    skip: Vec<PathPattern>,
    factors: Factors,
}

impl ChannelPruning {
    /// Channels spread in the given way.
    #[must_use]
    pub fn new(spread: Spread) -> Self {
        Self {
            spread,
            multiple: 1,
            floor: 1,
            largest_share: 1.0,
            shares: Vec::new(),
            only: Vec::new(),
            skip: Vec::new(),
            factors: Factors::default(),
        }
    }

    /// Each group loses this share of its channels.
    #[must_use]
    pub fn uniform(share: f64) -> Self {
        Self::new(Spread::Uniform(share))
    }

    /// This share of all channels goes, those with the lowest scores.
    #[must_use]
    pub fn global(share: f64) -> Self {
        Self::new(Spread::Global(share))
    }

    /// Each group loses the channels whose scores lie more than so many standard deviations below
    /// the group's mean.
    #[must_use]
    pub fn below_deviations(deviations: f64) -> Self {
        Self::new(Spread::Deviations(deviations))
    }

    /// The lowest scores go until the model is within the budget.
    #[must_use]
    pub fn within(budget: Budget) -> Self {
        Self::new(Spread::Budget(budget))
    }

    /// Keeps a multiple of `multiple` channels in each group, the next one up: never fewer than
    /// without rounding. A group that is no multiple itself stays a multiple where it loses some.
    #[must_use]
    pub fn with_multiple_of(mut self, multiple: usize) -> Self {
        self.multiple = multiple;
        self
    }

    /// Keeps at least this many channels in each group; at least one always stays.
    #[must_use]
    pub fn with_floor(mut self, floor: usize) -> Self {
        self.floor = floor;
        self
    }

    /// Lets no group lose more than this share.
    #[must_use]
    pub fn with_largest_share(mut self, share: f64) -> Self {
        self.largest_share = share;
        self
    }

    /// Gives groups with a producer that matches `pattern` a share of their own; of several
    /// patterns the last that matches counts.
    ///
    /// # Errors
    ///
    /// Where the pattern is malformed.
    pub fn with_share(mut self, pattern: &str, share: f64) -> Result<Self, StructureError> {
        self.shares.push((PathPattern::new(pattern)?, share));
        Ok(self)
    }

    /// Takes channels only from groups with a producer that matches one of these patterns.
    ///
    /// # Errors
    ///
    /// Where the pattern is malformed.
    pub fn with_only(mut self, pattern: &str) -> Result<Self, StructureError> {
        self.only.push(PathPattern::new(pattern)?);
        Ok(self)
    }

    /// Takes no channels from groups with a producer that matches.
    ///
    /// # Errors
    ///
    /// Where the pattern is malformed.
    pub fn with_skip(mut self, pattern: &str) -> Result<Self, StructureError> {
        self.skip.push(PathPattern::new(pattern)?);
        Ok(self)
    }

    /// Chooses which factors of a product lose places.
    #[must_use]
    pub fn with_factors(mut self, factors: Factors) -> Self {
        self.factors = factors;
        self
    }

    /// The plan that takes out the channels with the lowest scores.
    ///
    /// # Errors
    ///
    /// [`StructureError::Share`] for a share outside of 0 to 1, [`StructureError::NoScores`] for a
    /// group without scores, [`StructureError::NanScore`], [`StructureError::UnknownPath`] for a
    /// pattern that nothing matches, [`StructureError::Budget`] for one that cannot be met.
    pub fn plan<'a>(
        &self,
        coupling: &'a Coupling,
        scores: &UnitScores,
    ) -> Result<Plan<'a>, StructureError> {
        self.check(coupling)?;
        let groups = self.groups(coupling);
        let mut rows = Vec::with_capacity(groups.len());
        for group in groups {
            rows.push(self.row(group, scores)?);
        }
        let mut plan = Plan::new(coupling);
        match &self.spread {
            Spread::Uniform(share) => {
                for row in &rows {
                    let share = row.share.unwrap_or(*share);
                    self.take(&mut plan, row, row.asked(share))?;
                }
            }
            Spread::Global(share) => self.pooled(&mut plan, &rows, *share)?,
            Spread::Isomorphic(share) => {
                let mut classes: BTreeMap<String, Vec<Row<'_>>> = BTreeMap::new();
                for row in rows {
                    let class = similar::signature(coupling, row.group);
                    classes.entry(class).or_default().push(row);
                }
                for rows in classes.values() {
                    self.pooled(&mut plan, rows, *share)?;
                }
            }
            Spread::Budget(budget) => budget.fill(self, &mut plan, &rows)?,
            Spread::Deviations(deviations) => {
                for row in &rows {
                    let count = match row.share {
                        Some(share) => row.asked(share),
                        None => far_below(row.scores, *deviations),
                    };
                    self.take(&mut plan, row, count)?;
                }
            }
        }
        Ok(plan)
    }

    /// The plan with as many channels as a uniform share takes, those that `stay` does not name: it
    /// is asked for so many places of each group that loses some. For choices that look at a group
    /// as a whole, such as [`ReadInputs`](crate::repair::ReadInputs).
    ///
    /// # Errors
    ///
    /// [`StructureError::NotUniform`] for another spread; those of [`plan`](Self::plan), and of
    /// `stay`; [`StructureError::Picked`] where it does not name as many different places.
    pub fn plan_by<'a>(
        &self,
        coupling: &'a Coupling,
        mut stay: impl FnMut(&'a Group, usize) -> Result<Vec<usize>, StructureError>,
    ) -> Result<Plan<'a>, StructureError> {
        self.check(coupling)?;
        let Spread::Uniform(share) = self.spread else {
            return Err(StructureError::NotUniform);
        };
        let mut plan = Plan::new(coupling);
        for group in self.groups(coupling) {
            let share = self.share_of(group).unwrap_or(share);
            let keep = self.left(group, rounded(share, group.size));
            if keep == group.size {
                continue;
            }
            let mut stays = stay(group, keep)?;
            stays.sort_unstable();
            stays.dedup();
            if stays.len() != keep || stays.last().is_some_and(|&last| last >= group.size) {
                return Err(StructureError::Picked {
                    path: group.name().into(),
                    size: group.size,
                    keep,
                    picked: stays,
                });
            }
            for place in (0..group.size).filter(|place| stays.binary_search(place).is_err()) {
                plan.remove(Unit {
                    axis: group.axis,
                    place,
                })?;
            }
        }
        Ok(plan)
    }

    /// The share of its own that a group has.
    fn share_of(&self, group: &Group) -> Option<f64> {
        let own = self.shares.iter().rev().find(|(pattern, _)| {
            group
                .producers()
                .any(|member| pattern.matches(&member.path))
        });
        own.map(|(_, share)| *share)
    }

    /// How many places of a group stay at least.
    fn floor_of(&self, group: &Group) -> usize {
        let most = (self.largest_share * group.size as f64).floor() as usize;
        let floor = self.floor.max(1).max(group.size - most.min(group.size));
        floor.min(group.size)
    }

    /// How many places of a group are left when `count` are to go.
    fn left(&self, group: &Group, count: usize) -> usize {
        let left = (group.size - count.min(group.size)).max(self.floor_of(group));
        left.next_multiple_of(self.multiple.max(1)).min(group.size)
    }

    fn check(&self, coupling: &Coupling) -> Result<(), StructureError> {
        let spread = match self.spread {
            Spread::Uniform(share) | Spread::Global(share) | Spread::Isomorphic(share) => share,
            Spread::Budget(_) => 0.0,
            Spread::Deviations(deviations) if deviations >= 0.0 => 0.0,
            Spread::Deviations(deviations) => {
                let (expected, remedy) = ("0 or more", "take 1 for the rule of Hu et al. 2016");
                let error = PruneError::invalid("deviations", deviations, expected, remedy);
                return Err(error.into());
            }
        };
        let own = self.shares.iter().map(|(_, share)| *share);
        for share in own.chain([spread, self.largest_share]) {
            if !(0.0..=1.0).contains(&share) {
                return Err(StructureError::Share { share });
            }
        }
        let named = self.shares.iter().map(|(pattern, _)| pattern);
        for pattern in named.chain(&self.only).chain(&self.skip) {
            let groups = coupling.groups().iter();
            if !groups
                .flat_map(|group| &group.members)
                .any(|m| pattern.matches(&m.path))
            {
                return Err(StructureError::UnknownPath {
                    path: pattern.to_string(),
                    known: coupling
                        .groups()
                        .iter()
                        .map(|g| g.name().to_owned())
                        .collect(),
                });
            }
        }
        Ok(())
    }

    /// The groups that may lose channels.
    fn groups<'a>(&self, coupling: &'a Coupling) -> Vec<&'a Group> {
        let matches = |group: &Group, pattern: &PathPattern| {
            group
                .producers()
                .any(|member| pattern.matches(&member.path))
        };
        let groups = coupling.groups().iter().filter(|group| group.is_free());
        groups
            .filter(|group| group.producers().next().is_some())
            .filter(|group| self.only.is_empty() || self.only.iter().any(|p| matches(group, p)))
            .filter(|group| !self.skip.iter().any(|pattern| matches(group, pattern)))
            .filter(|group| match self.factors {
                Factors::All => true,
                Factors::Coarse => coupling.factor_of(group.axis).is_none_or(|f| f.is_coarse()),
                Factors::Fine => coupling.factor_of(group.axis).is_none_or(|f| f.is_fine()),
            })
            .collect()
    }

    fn row<'a>(&self, group: &'a Group, scores: &'a UnitScores) -> Result<Row<'a>, StructureError> {
        let no_scores = || StructureError::NoScores {
            path: group.name().into(),
            judged: "any".into(),
        };
        let scores = scores.of(group.axis).ok_or_else(no_scores)?;
        if scores.len() != group.size {
            return Err(StructureError::ScoreCount {
                path: group.name().into(),
                expected: group.size,
                got: scores.len(),
            });
        }
        if scores.iter().any(|score| score.is_nan()) {
            return Err(StructureError::NanScore {
                path: group.name().into(),
            });
        }
        let mut order: Vec<usize> = (0..group.size).collect();
        // Of equal scores the last place goes first.
        order.sort_by(|&a, &b| scores[a].total_cmp(&scores[b]).then(b.cmp(&a)));
        Ok(Row {
            group,
            scores,
            order,
            floor: self.floor_of(group),
            share: self.share_of(group),
        })
    }

    /// Takes the lowest of a group, as many as leave a multiple.
    fn take(&self, plan: &mut Plan<'_>, row: &Row<'_>, count: usize) -> Result<(), StructureError> {
        let left = self.left(row.group, count);
        for &place in &row.order[..row.group.size - left] {
            plan.remove(Unit {
                axis: row.group.axis,
                place,
            })?;
        }
        Ok(())
    }

    /// Takes the lowest of all rows, those with a share of their own aside.
    fn pooled(
        &self,
        plan: &mut Plan<'_>,
        rows: &[Row<'_>],
        share: f64,
    ) -> Result<(), StructureError> {
        for row in rows {
            if let Some(share) = row.share {
                self.take(plan, row, row.asked(share))?;
            }
        }
        let pool: Vec<&Row<'_>> = rows.iter().filter(|row| row.share.is_none()).collect();
        let total: usize = pool.iter().map(|row| row.group.size).sum();
        let count = rounded(share, total);
        let mut counts: BTreeMap<AxisId, usize> = BTreeMap::new();
        for (row, _) in lowest_first(&pool).into_iter().take(count) {
            *counts.entry(row.group.axis).or_default() += 1;
        }
        for row in pool {
            let count = counts.get(&row.group.axis).copied().unwrap_or(0);
            self.take(plan, row, count)?;
        }
        Ok(())
    }
}

/// A group with its scores.
#[derive(Clone, Debug)]
struct Row<'a> {
    group: &'a Group,
    scores: &'a [f32],
    /// Places from the lowest score on.
    order: Vec<usize>,
    /// How many stay at least.
    floor: usize,
    /// A share of its own.
    share: Option<f64>,
}

impl Row<'_> {
    fn asked(&self, share: f64) -> usize {
        rounded(share, self.group.size)
    }
}

/// Units that may go without a group falling below its floor, from the lowest score of all on;
/// of equal scores the later group and the later place first.
fn lowest_first<'r, 'a>(rows: &[&'r Row<'a>]) -> Vec<(&'r Row<'a>, usize)> {
    let mut units: Vec<(usize, &Row<'_>, usize)> = Vec::new();
    for (nth, row) in rows.iter().enumerate() {
        let spare = row.group.size - row.floor;
        units.extend(row.order[..spare].iter().map(|&place| (nth, *row, place)));
    }
    units.sort_by(|(a, row_a, place_a), (b, row_b, place_b)| {
        let scores = row_a.scores[*place_a].total_cmp(&row_b.scores[*place_b]);
        scores.then(b.cmp(a)).then(place_b.cmp(place_a))
    });
    units
        .into_iter()
        .map(|(_, row, place)| (row, place))
        .collect()
}

/// How many scores lie more than so many standard deviations below their mean.
fn far_below(scores: &[f32], deviations: f64) -> usize {
    let finite = scores.iter().map(|&score| f64::from(score));
    let finite: Vec<f64> = finite.filter(|score| score.is_finite()).collect();
    let count = finite.len().max(1) as f64;
    let mean = finite.iter().sum::<f64>() / count;
    let variance = finite.iter().map(|s| (s - mean).powi(2)).sum::<f64>() / count;
    let bound = mean - deviations * variance.sqrt();
    let scores = scores.iter().map(|&score| f64::from(score));
    scores.filter(|score| *score < bound).count()
}

fn rounded(share: f64, count: usize) -> usize {
    (share * count as f64).round() as usize
}
