//! The pass over the columns.

use std::ops::Range;

use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, Par};
use secateur_core::bits::Bits;
use secateur_core::error::PruneError;
use secateur_core::mask::Mask;
use secateur_core::rank::keep_largest;
use secateur_core::selector::{SelectContext, Selection};

use super::columns::Columns;

/// Weights and mask on the way; columns are in the order in which they are passed.
pub(super) struct Sweep<'a> {
    ctx: &'a SelectContext<'a>,
    columns: &'a Columns,
    /// `U` of each group of rows.
    factors: &'a [Mat<f64>],
    out: usize,
    features: usize,
    /// `[out, features]`.
    weights: Mat<f64>,
    kept: Vec<Vec<bool>>,
    /// Units that are to lose members, row by row.
    marked: Bits,
}

impl<'a> Sweep<'a> {
    pub fn new(ctx: &'a SelectContext<'a>, columns: &'a Columns, factors: &'a [Mat<f64>]) -> Self {
        let [out, input, kernel] = ctx.score.shape();
        let features = input * kernel;
        let (weight, mask) = (ctx.score.weight(), ctx.score.mask());
        let element = |row: usize, place: usize| row * features + columns.order[place];
        let kept: Vec<Vec<bool>> = (0..out)
            .map(|row| {
                let places = 0..features;
                places
                    .map(|place| mask.bits().get(element(row, place)))
                    .collect()
            })
            .collect();
        let weights = Mat::from_fn(out, features, |row, place| match kept[row][place] {
            true => f64::from(weight[element(row, place)]),
            false => 0.0,
        });
        Self {
            ctx,
            columns,
            factors,
            out,
            features,
            weights,
            kept,
            marked: Bits::zeros(out * columns.units.len()),
        }
    }

    /// Prunes all but `keep` of the `standing` units.
    pub fn run(mut self, standing: Bits, keep: usize) -> Result<Selection, PruneError> {
        let total = standing.count_ones();
        let lost = total.saturating_sub(keep);
        let (mut passed, mut gone, mut unit) = (0, 0, 0);
        for block in &self.columns.blocks {
            let first = unit;
            while (self.columns.units.get(unit)).is_some_and(|places| places.end <= block.end) {
                unit += 1;
            }
            let here = self.standing_in(&standing, first..unit);
            passed += here.count_ones();
            // The same share of every block, and the right number in all.
            let until = (lost as f64 * passed as f64 / total as f64).round() as usize;
            let prune = (until - gone).min(here.count_ones());
            gone += prune;
            self.mark(&here, first..unit, prune);
            self.pass(block.clone(), first..unit);
        }
        self.selection()
    }

    /// Which of the units of each row, `units` of them a row, stand: row by row.
    fn standing_in(&self, standing: &Bits, units: Range<usize>) -> Bits {
        let per_row = self.columns.units.len();
        let width = units.len().max(1);
        Bits::from_fn(self.out * units.len(), |at| {
            standing.get(at / width * per_row + units.start + at % width)
        })
    }

    /// `w² / U_jj²`.
    fn error(&self, row: usize, place: usize) -> f64 {
        let factor = &self.factors[self.group(row)];
        (self.weights[(row, place)] / factor[(place, place)]).powi(2)
    }

    fn group(&self, row: usize) -> usize {
        row * self.factors.len() / self.out
    }

    /// Marks the `prune` standing units of a block that cost least.
    fn mark(&mut self, standing: &Bits, units: Range<usize>, prune: usize) {
        let width = units.len().max(1);
        let cost = |at: usize| {
            let (row, unit) = (at / width, units.start + at % width);
            let lost = self.lost(row, self.columns.units[unit].clone());
            let errors = lost.iter().map(|&place| self.error(row, place));
            errors.sum::<f64>().min(f32::MAX.into()) as f32
        };
        let costs: Vec<f32> = (0..standing.len()).map(cost).collect();
        let kept = keep_largest(&costs, Some(standing), standing.count_ones() - prune);
        let per_row = self.columns.units.len();
        for at in standing.iter_ones().filter(|&at| !kept.get(at)) {
            let (row, unit) = (at / width, units.start + at % width);
            self.marked.set(row * per_row + unit, true);
        }
    }

    /// The places of a unit that it would lose now: all that stand but the best of them.
    fn lost(&self, row: usize, places: Range<usize>) -> Vec<usize> {
        let mut lost: Vec<usize> = places.filter(|&place| self.kept[row][place]).collect();
        let error = |place: usize| self.error(row, place);
        // Best first; among equals the lower index is kept.
        lost.sort_by(|&a, &b| error(b).total_cmp(&error(a)).then(a.cmp(&b)));
        lost.drain(..self.ctx.units.keep().min(lost.len()));
        lost
    }

    /// Passes the columns of a block: removes, and has the columns to the right make up for it.
    fn pass(&mut self, block: Range<usize>, units: Range<usize>) {
        let mut starts = units.map(|unit| (unit, self.columns.units[unit].clone()));
        let mut next = starts.next();
        let mut errors = Mat::<f64>::zeros(self.out, block.len());
        for place in block.clone() {
            if let Some((unit, places)) = next.take_if(|(_, places)| places.start == place) {
                self.decide(unit, &places);
                next = starts.next();
            }
            let column = errors.col_as_slice_mut(place - block.start);
            for (row, error) in column.iter_mut().enumerate() {
                if !self.kept[row][place] {
                    let factor = &self.factors[self.group(row)];
                    *error = self.weights[(row, place)] / factor[(place, place)];
                }
            }
            self.update_block(column, place, block.end);
        }
        self.update_rest(&errors, block);
    }

    /// Removes members of the marked units that begin here.
    fn decide(&mut self, unit: usize, places: &Range<usize>) {
        let per_row = self.columns.units.len();
        for row in 0..self.out {
            if self.marked.get(row * per_row + unit) {
                for place in self.lost(row, places.clone()) {
                    self.kept[row][place] = false;
                }
            }
        }
    }

    /// The columns of the block right of `place` make up for the errors there.
    fn update_block(&mut self, errors: &[f64], place: usize, end: usize) {
        let rows = self.out / self.factors.len();
        for k in place + 1..end {
            let weights = self.weights.col_as_slice_mut(k).chunks_exact_mut(rows);
            let groups = weights.zip(errors.chunks_exact(rows)).zip(self.factors);
            for ((weights, errors), factor) in groups {
                let share = factor[(place, k)];
                for (weight, error) in weights.iter_mut().zip(errors) {
                    *weight -= error * share;
                }
            }
        }
    }

    /// The columns right of the block make up for all errors in it: `W -= E U`.
    fn update_rest(&mut self, errors: &Mat<f64>, block: Range<usize>) {
        let rest = self.features - block.end;
        let rows = self.out / self.factors.len();
        for (group, factor) in self.factors.iter().enumerate() {
            let weights = self.weights.as_mut();
            matmul(
                weights.submatrix_mut(group * rows, block.end, rows, rest),
                Accum::Add,
                errors
                    .as_ref()
                    .submatrix(group * rows, 0, rows, block.len()),
                factor
                    .as_ref()
                    .submatrix(block.start, block.end, block.len(), rest),
                -1.0,
                // One thread, so that the order of the sums is always the same.
                Par::Seq,
            );
        }
    }

    /// The mask, and the weights: new ones where kept, those of before where removed.
    fn selection(self) -> Result<Selection, PruneError> {
        let mut mask = Mask::keep_all(self.ctx.score.shape())?;
        let mut weights = self.ctx.score.weight().to_vec();
        for row in 0..self.out {
            for (place, &column) in self.columns.order.iter().enumerate() {
                let element = row * self.features + column;
                if self.kept[row][place] {
                    weights[element] = self.weights[(row, place)] as f32;
                } else {
                    mask.set(element, false);
                }
            }
        }
        Ok(Selection {
            mask,
            weights: Some(weights),
        })
    }
}
