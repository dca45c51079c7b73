//! Selectors: from scores to a mask and, for some methods, new weights.

use std::{any::Any, fmt::Debug, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{
    bits::Bits,
    error::PruneError,
    mask::Mask,
    pattern::Pattern,
    rank,
    reduction::Reduction,
    regrowth::Regrowth,
    scorer::{Comparison, ScoreContext, short_type_name},
    signal::Signal,
    target::Target,
    units::Units,
};

/// Everything a selector may look at for one parameter. All slices are in view order.
#[derive(Clone, Debug)]
pub struct SelectContext<'a> {
    /// Weights, current mask, signals, step and random numbers, as the scorer saw them. The
    /// weights are empty unless [`Selector::needs_weight`].
    pub score: ScoreContext<'a>,
    /// The score of each element; empty if [`unit_scores`](Self::unit_scores) say it all and
    /// elements are not compared inside a unit.
    pub element_scores: &'a [f32],
    /// The score of each unit.
    pub unit_scores: &'a [f32],
    /// The pattern.
    pub pattern: &'a dyn Pattern,
    /// The units into which the pattern divides the view.
    pub units: &'a Units,
    /// What the schedule asks.
    pub target: Target,
    /// How many units the allocation lets this parameter keep; `None` under a threshold or band.
    pub keep: Option<usize>,
    /// Among which units scores may be compared.
    pub comparison: Comparison,
    /// How pruned units come back, if they may.
    pub regrowth: Option<&'a dyn Regrowth>,
    /// How member scores become unit scores.
    pub reduction: Reduction,
}

/// A selector's answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Selection {
    /// What is kept.
    pub mask: Mask,
    /// New weights for the whole view, in view order, if the method updates the survivors (OBS,
    /// SparseGPT).
    pub weights: Option<Vec<f32>>,
}

impl From<Mask> for Selection {
    fn from(mask: Mask) -> Self {
        Self {
            mask,
            weights: None,
        }
    }
}

/// Turns scores and a target into a mask and, for some methods, new weights.
pub trait Selector: Any + Debug + Send + Sync {
    /// The mask of one parameter.
    ///
    /// # Errors
    /// What the selection needs and does not have.
    fn select(&self, ctx: &SelectContext<'_>) -> Result<Selection, PruneError>;

    /// The selector's name in errors and reports.
    fn name(&self) -> String {
        short_type_name::<Self>()
    }

    /// What must be observed before selecting.
    fn signals(&self) -> Vec<Arc<dyn Signal>> {
        Vec::new()
    }

    /// Whether [`select`](Self::select) reads the weights, which then have to be fetched from the
    /// device once more.
    fn needs_weight(&self) -> bool {
        true
    }
}

/// Keeps the units with the largest scores: the selector of nearly every method.
///
/// Counts are exact, ties go to the lower index, and without regrowth nothing that is removed
/// comes back. Under [`Comparison::OutputRow`] each row keeps the same number, up to one: where every
/// parameter meets its own sparsity, a row of `n` units loses exactly `round(s·n)`.
/// Under a threshold a unit is kept if its score reaches it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopK;

impl Selector for TopK {
    fn select(&self, ctx: &SelectContext<'_>) -> Result<Selection, PruneError> {
        let standing = ctx.units.collapse(ctx.score.mask())?;
        let eligible = ctx.regrowth.is_none().then_some(&standing);
        let kept = match (ctx.target, ctx.keep) {
            (Target::Threshold(at), _) => rank::threshold(ctx.unit_scores, eligible, at),
            (Target::Band { low, high }, _) => band(ctx, &standing, low, high),
            (_, Some(keep)) => ranked(ctx, &standing, keep)?,
            (_, None) => standing,
        };
        let previous = ctx.regrowth.is_none().then_some(ctx.score.mask());
        let mask = ctx.units.expand(&kept, ctx.element_scores, previous)?;
        Ok(mask.into())
    }

    fn needs_weight(&self) -> bool {
        false
    }
}

/// Units below `low` go, units from `high` on stay or, with regrowth, come back; the others stay
/// what they were.
fn band(ctx: &SelectContext<'_>, standing: &Bits, low: f32, high: f32) -> Bits {
    Bits::from_fn(standing.len(), |unit| {
        let score = ctx.unit_scores[unit];
        let back = score >= high && ctx.regrowth.is_some();
        back || (standing.get(unit) && score >= low)
    })
}

fn ranked(ctx: &SelectContext<'_>, standing: &Bits, keep: usize) -> Result<Bits, PruneError> {
    let mut kept = Bits::zeros(standing.len());
    let growth = match ctx.regrowth {
        Some(regrowth) => {
            let growth = regrowth.growth(&ctx.score, ctx.element_scores)?;
            crate::scorer::check_scores(
                ctx.score.path(),
                &regrowth.name(),
                &growth,
                ctx.units.elements_len(),
            )?;
            let units = ctx.units.scores(&growth, ctx.reduction, None)?;
            Some((regrowth.fraction(ctx.score.step()).clamp(0.0, 1.0), units))
        }
        None => None,
    };
    for (range, keep) in comparison_ranges(ctx, keep)? {
        let scores = &ctx.unit_scores[range.clone()];
        let here = slice(standing, &range);
        let Some((fraction, growth)) = &growth else {
            put(
                &mut kept,
                &range,
                &rank::keep_largest(scores, Some(&here), keep),
            );
            continue;
        };
        let exchanged = (fraction * keep as f64).round() as usize;
        let mut now = rank::keep_largest(scores, Some(&here), keep - exchanged.min(keep));
        let missing = keep.saturating_sub(now.count_ones());
        let grown = rank::keep_largest(&growth[range.clone()], Some(&now.not()), missing);
        for unit in grown.iter_ones() {
            now.set(unit, true);
        }
        put(&mut kept, &range, &now);
    }
    Ok(kept)
}

/// The ranges of units that are ranked by themselves, each with the number it keeps.
fn comparison_ranges(
    ctx: &SelectContext<'_>,
    keep: usize,
) -> Result<Vec<(std::ops::Range<usize>, usize)>, PruneError> {
    let units = ctx.units.count();
    let [out, input, kernel] = ctx.units.shape();
    if ctx.comparison == Comparison::Tensor || out == 0 || units == 0 {
        return Ok(std::iter::once((0..units, keep)).collect());
    }
    // Units are numbered in row-major order, so those of one row are neighbours, if no unit
    // reaches over two rows.
    let row_of = |element: usize| element / (input * kernel).max(1);
    let within_rows = units.is_multiple_of(out)
        && (0..units).all(|unit| {
            let row = unit / (units / out);
            ctx.units
                .members(unit)
                .all(|element| row_of(element) == row)
        });
    if !within_rows {
        return Err(PruneError::PatternMismatch {
            path: ctx.score.path().into(),
            pattern: ctx.pattern.to_string(),
            why: "its units do not lie within single output rows, which this scorer compares"
                .into(),
            remedy: "use a pattern along `in`, or a scorer that compares whole tensors".into(),
        });
    }
    // What does not divide evenly goes to the first rows, one each, so that the total is what the
    // allocation granted.
    let (per_row, keep) = (units / out, keep.min(units));
    let keeps = |row| keep / out + usize::from(row < keep % out);
    Ok((0..out)
        .map(|row| (row * per_row..(row + 1) * per_row, keeps(row)))
        .collect())
}

fn slice(bits: &Bits, range: &std::ops::Range<usize>) -> Bits {
    if range.len() == bits.len() {
        return bits.clone();
    }
    Bits::from_fn(range.len(), |i| bits.get(range.start + i))
}

fn put(target: &mut Bits, range: &std::ops::Range<usize>, bits: &Bits) {
    if range.len() == target.len() {
        *target = bits.clone();
        return;
    }
    for index in bits.iter_ones() {
        target.set(range.start + index, true);
    }
}
