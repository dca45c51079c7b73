//! The order in which columns are passed, so that no block cuts a group of n:m in two.

use std::ops::Range;

use secateur_core::error::PruneError;
use secateur_core::selector::SelectContext;

/// The columns of a view `[out, in·kernel]` in the order in which they are passed. What is said of
/// the first row holds for every row.
pub(super) struct Columns {
    /// The column of the view at each place.
    pub order: Vec<usize>,
    /// The places that are decided at once.
    pub blocks: Vec<Range<usize>>,
    /// The places of each unit, in order; what belongs to no unit is last.
    pub units: Vec<Range<usize>>,
}

impl Columns {
    /// Of units that lie within rows, alike in each row, in blocks of at least `block` columns.
    ///
    /// # Errors
    /// [`PruneError::PatternMismatch`] for other units.
    pub fn of(ctx: &SelectContext<'_>, block: usize) -> Result<Self, PruneError> {
        let [out, input, kernel] = ctx.score.shape();
        let features = input * kernel;
        let count = ctx.units.count();
        if out == 0 || features == 0 || count == 0 {
            return Ok(Self {
                order: (0..features).collect(),
                blocks: Vec::new(),
                units: Vec::new(),
            });
        }
        let per_row = count / out;
        let alike = count.is_multiple_of(out)
            && (0..count).all(|unit| {
                let (row, first) = (unit / per_row, unit % per_row);
                let moved = ctx.units.members(first).map(|at| at + row * features);
                ctx.units.members(unit).eq(moved)
            });
        let mut order: Vec<usize> = (0..per_row)
            .flat_map(|unit| ctx.units.members(unit))
            .collect();
        if !alike || order.iter().any(|&element| element >= features) {
            return Err(PruneError::PatternMismatch {
                path: ctx.score.path().into(),
                pattern: ctx.pattern.to_string(),
                why: "its units do not lie within single output rows".into(),
                remedy: "take a pattern within rows: `Unstructured`, `NofM` along `in`, `Kernel`"
                    .into(),
            });
        }
        let mut units: Vec<Range<usize>> = Vec::with_capacity(per_row);
        let mut blocks: Vec<Range<usize>> = Vec::new();
        for unit in 0..per_row {
            let start = units.last().map_or(0, |last| last.end);
            let end = start + ctx.units.members(unit).count();
            units.push(start..end);
            match blocks.last_mut() {
                Some(last) if end - last.start <= block => last.end = end,
                _ => blocks.push(start..end),
            }
        }
        let mut left = vec![true; features];
        order.iter().for_each(|&column| left[column] = false);
        order.extend((0..features).filter(|&column| left[column]));
        Ok(Self {
            order,
            blocks,
            units,
        })
    }
}
