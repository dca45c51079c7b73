//! n of m: groups of neighbouring columns that keep a fixed number of weights, against a batch.
//!
//! Every row has the same number of weights in a panel of columns, so no loop's end has to be
//! predicted. Two rows are taken together, one weight of each a step. First come the columns
//! that both rows keep, whose vectors of X are loaded once for the two; then the other weights,
//! each with its own column. Within a band and panel the pairs of rows stand in the order of how
//! many columns they share.
//!
//! A group with fewer weights is filled with zeros that point at a row of zeros behind the panel
//! of X, so padding is exact whatever X holds; a matrix without such groups needs no such row.

use std::ops::Range;

use pulp::Simd;

use crate::bands::{Banded, Bands};
use crate::csr::Csr;
use crate::isa::Isa;
use crate::size::Size;
use crate::slots::{PADDING, Slots, Unpacked};
use crate::tile::{Part, TileProduct};
use crate::vector::load;

/// Rows taken together.
const PAIR: usize = 2;

/// Columns of a panel, or the whole groups that fit: a panel of X then fits the first-level
/// cache and an index, that of the row of zeros included, a byte.
pub(crate) const PANEL: usize = 128;

/// Most rows of a band.
const BAND: usize = 256;

/// Two rows of a band in one panel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Pair {
    /// Steps whose column both rows share; they come first.
    shared: u8,
    /// Which pair of its band this is.
    nth: u8,
}

/// A matrix that keeps at most `keep` weights in each group of `of` columns.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Pairs {
    keep: usize,
    of: usize,
    /// Columns of a panel, whole groups.
    width: usize,
    /// Whether some index is that of the row of zeros, `width`.
    padded: bool,
    bands: Bands,
    /// By band, then panel: where its indices begin; one more at the end.
    starts: Vec<usize>,
    /// By band, panel and order.
    pairs: Vec<Pair>,
    /// Column within its panel: one a shared step, two any other. A step has two values, first row
    /// first.
    indices: Vec<u8>,
}

/// Columns of a panel for groups of `of`.
fn panel_width(of: usize) -> usize {
    PANEL / of * of
}

/// Steps of a pair of rows in a panel of `columns`: the most weights that a row can have there.
fn steps(columns: usize, keep: usize, of: usize) -> usize {
    columns / of * keep + keep.min(columns % of)
}

/// How the rows of `csr` are cut.
fn bands_of(csr: &Csr) -> Bands {
    Bands::by_rows(csr, PAIR, BAND)
}

impl Pairs {
    /// Packs `csr`, which has been checked to keep at most `keep` of every `of` columns, `of` at
    /// most [`PANEL`], and appends the entry of each slot to `slots`.
    pub(crate) fn pack(csr: &Csr, keep: usize, of: usize, slots: &mut Vec<u32>) -> Self {
        let mut packed = Self {
            keep,
            of,
            width: panel_width(of),
            padded: false,
            bands: bands_of(csr),
            starts: Vec::new(),
            pairs: Vec::new(),
            indices: Vec::new(),
        };
        let mut plans = Vec::new();
        let bands: Vec<Range<usize>> = packed.bands.iter().collect();
        for band in bands {
            let mut unpacked = Unpacked::new(csr, band.clone());
            for panel in 0..packed.panel_count() {
                packed.starts.push(packed.indices.len());
                let steps = packed.steps(panel);
                plans.clear();
                plans.extend((0..band.len()).step_by(PAIR).map(|row| {
                    Plan::new(csr, &mut unpacked, row, (panel + 1) * packed.width, steps)
                }));
                plans.sort_by_key(|plan| (plan.shared, plan.nth));
                for plan in &plans {
                    packed.pack_pair(csr, plan, panel, slots);
                }
            }
        }
        packed.starts.push(packed.indices.len());
        packed
    }

    /// The size of `csr` when packed.
    pub(crate) fn size_of(csr: &Csr, keep: usize, of: usize) -> Size {
        let [m, k] = csr.shape();
        let width = panel_width(of);
        let bands = bands_of(csr);
        let panels = k.div_ceil(width);
        let (mut indices, mut slots) = (0, 0);
        for band in bands.iter() {
            let mut unpacked = Unpacked::new(csr, band.clone());
            for panel in 0..panels {
                let steps = steps(width.min(k - panel * width), keep, of);
                for row in (0..band.len()).step_by(PAIR) {
                    let plan = Plan::new(csr, &mut unpacked, row, (panel + 1) * width, steps);
                    slots += PAIR * steps;
                    indices += PAIR * steps - plan.shared;
                }
            }
        }
        let structure = bands.bytes()
            + (bands.count() * panels + 1) * size_of::<usize>()
            + m.div_ceil(PAIR) * panels * size_of::<Pair>()
            + indices;
        Size { structure, slots }
    }

    /// Appends the steps of two rows in a panel.
    fn pack_pair(&mut self, csr: &Csr, plan: &Plan, panel: usize, slots: &mut Vec<u32>) {
        let zero = self.width as u8;
        let base = panel * self.width;
        let steps = self.steps(panel);
        self.pairs.push(Pair {
            shared: plan.shared as u8,
            nth: plan.nth as u8,
        });
        let index = |entry: u32| match entry {
            PADDING => zero,
            entry => (csr.indices()[entry as usize] as usize - base) as u8,
        };
        let Some(second) = plan.second.clone() else {
            // The second sum is dropped, so the steps of a last row alone are all shared.
            let entries = plan.first.clone().map(|entry| entry as u32);
            for entry in entries.chain(std::iter::repeat(PADDING)).take(steps) {
                self.indices.push(index(entry));
                slots.extend([entry, PADDING]);
            }
            self.padded |= plan.first.len() < steps;
            return;
        };
        self.padded |= plan.first.len().min(second.len()) < steps;
        // The columns of one row only wait for those of both to be written.
        let mut rest = [[PADDING; PANEL]; PAIR];
        let mut counts = [0; PAIR];
        merge(csr, plan.first.clone(), second, |first, second| {
            match (first, second) {
                (Some(first), Some(second)) => {
                    self.indices.push(index(first));
                    slots.extend([first, second]);
                }
                (Some(first), None) => {
                    rest[0][counts[0]] = first;
                    counts[0] += 1;
                }
                (None, second) => {
                    rest[1][counts[1]] = second.unwrap_or(PADDING);
                    counts[1] += 1;
                }
            }
        });
        // Where both rows have room left, padding is shared as well.
        let own = counts[0].max(counts[1]);
        for _ in 0..plan.shared - plan.common {
            self.indices.push(zero);
            slots.extend([PADDING; PAIR]);
        }
        for step in 0..own {
            for rest in &rest {
                self.indices.push(index(rest[step]));
                slots.push(rest[step]);
            }
        }
    }

    fn panel_count(&self) -> usize {
        self.bands.shape()[1].div_ceil(self.width)
    }

    /// Steps of a pair in `panel`.
    fn steps(&self, panel: usize) -> usize {
        let columns = self.width.min(self.bands.shape()[1] - panel * self.width);
        steps(columns, self.keep, self.of)
    }

    /// Pairs of the bands before `band`, and of `band`. Bands but the last are whole pairs.
    fn pairs_of(&self, band: usize) -> (usize, usize) {
        let rows = self.bands.rows(band);
        (rows.start / PAIR, rows.len().div_ceil(PAIR))
    }
}

/// What two rows of a band have in a panel.
struct Plan {
    /// Which pair of its band this is.
    nth: usize,
    /// Columns that both rows keep.
    common: usize,
    /// Steps that share an index: these, and those that are padding in both rows.
    shared: usize,
    /// Entries of the first row.
    first: Range<usize>,
    /// Of the second, where there is one.
    second: Option<Range<usize>>,
}

impl Plan {
    /// Takes the entries of the band's rows `row` and `row + 1` below column `end`.
    fn new(csr: &Csr, unpacked: &mut Unpacked<'_>, row: usize, end: usize, steps: usize) -> Self {
        let first = unpacked.take(row, end);
        let second = (row + 1 < unpacked.rows()).then(|| unpacked.take(row + 1, end));
        let (mut common, mut shared) = (0, steps);
        if let Some(second) = second.clone() {
            shared = steps - first.len().max(second.len());
            merge(csr, first.clone(), second, |first, second| {
                common += usize::from(first.is_some() && second.is_some());
            });
            shared += common;
        }
        Self {
            nth: row / PAIR,
            common,
            shared,
            first,
            second,
        }
    }
}

/// Calls `visit` for every column that one of two rows keeps, ascending, with the entries there.
fn merge(
    csr: &Csr,
    first: Range<usize>,
    second: Range<usize>,
    mut visit: impl FnMut(Option<u32>, Option<u32>),
) {
    let (mut a, mut b) = (first.start, second.start);
    while a < first.end || b < second.end {
        let column = |at: usize, end: usize| {
            if at < end {
                csr.indices()[at]
            } else {
                u32::MAX
            }
        };
        let (left, right) = (column(a, first.end), column(b, second.end));
        visit(
            (left <= right).then_some(a as u32),
            (right <= left).then_some(b as u32),
        );
        a += usize::from(left <= right);
        b += usize::from(right <= left);
    }
}

/// Adds `count` steps of two rows, each with its own column, or with one for both.
///
/// # Safety
///
/// `index` has `count` columns of the panel at `x` (twice as many where not `SHARED`), and
/// `value` two weights for each step.
#[inline(always)]
unsafe fn add_steps<S: Simd, const T: usize, const SHARED: bool>(
    simd: S,
    count: usize,
    x: *const f32,
    index: &mut *const u8,
    value: &mut *const f32,
    acc: &mut [[S::f32s; T]; PAIR],
) {
    let width = T * S::F32_LANES;
    for _ in 0..count {
        // SAFETY: the caller's promise.
        unsafe {
            let mut from = x.add(usize::from(**index) * width);
            for row in 0..PAIR {
                if row > 0 && !SHARED {
                    from = x.add(usize::from(*index.add(1)) * width);
                }
                let weight = simd.splat_f32s(*value.add(row));
                for t in 0..T {
                    let v = load::<S>(from.add(t * S::F32_LANES));
                    acc[row][t] = simd.mul_add_e_f32s(weight, v, acc[row][t]);
                }
            }
            *index = index.add(if SHARED { 1 } else { 2 });
            *value = value.add(PAIR);
        }
    }
}

impl Banded for Pairs {
    fn bands(&self) -> &Bands {
        &self.bands
    }

    fn longest_part(&self) -> usize {
        let most = self.bands.tallest().div_ceil(PAIR) * PAIR;
        most * (0..self.panel_count())
            .map(|panel| self.steps(panel))
            .max()
            .unwrap_or(0)
    }
}

impl TileProduct for Pairs {
    fn vectors(&self, _: Isa) -> usize {
        4
    }

    fn zero_row_every(&self) -> Option<usize> {
        self.padded.then_some(self.width)
    }

    #[inline(always)]
    unsafe fn multiply<S: Simd, const T: usize>(&self, simd: S, part: Part<'_, '_>) {
        let Part {
            band,
            weights,
            x,
            sums,
        } = part;
        let width = T * S::F32_LANES;
        let panels = self.panel_count();
        let rows = self.bands.rows(band).len();
        let (before, count) = self.pairs_of(band);
        // Every pair before has two values for each step of each panel.
        let mut slot = PAIR * before * steps(self.bands.shape()[1], self.keep, self.of);
        let panel_rows = self.width + usize::from(self.padded);
        for panel in 0..panels {
            let steps = self.steps(panel);
            let at = band * panels + panel;
            let mut index = self.indices[self.starts[at]..self.starts[at + 1]].as_ptr();
            let slots = PAIR * steps * count;
            let mut value = weights.of(slot..slot + slots).as_ptr();
            slot += slots;
            let first = before * panels + panel * count;
            // SAFETY: every panel before this one has `panel_rows` rows of the tile.
            let x = unsafe { x.add(panel * panel_rows * width) };
            let sums = sums.of_panel(panel, panels);
            for pair in &self.pairs[first..first + count] {
                let row = usize::from(pair.nth) * PAIR;
                let shared = usize::from(pair.shared);
                // SAFETY: `pack` gave each pair of a panel `steps` steps of two values, the first
                // `shared` of them one index and the others two, in this order; an index is a
                // column of the panel or the row of zeros behind it, so its vectors lie in the
                // tile; rows of sums are touched only below the rows of the band.
                unsafe {
                    let members = PAIR.min(rows - row);
                    let mut acc = sums.load::<S, T, PAIR>(simd, row, members);
                    add_steps::<S, T, true>(simd, shared, x, &mut index, &mut value, &mut acc);
                    let rest = steps - shared;
                    add_steps::<S, T, false>(simd, rest, x, &mut index, &mut value, &mut acc);
                    sums.store::<S, T, PAIR>(row, acc, members);
                }
            }
        }
    }
}

impl Slots for Pairs {
    fn for_each_slot(&self, visit: &mut dyn FnMut(usize, usize, usize)) {
        let m = self.bands.shape()[0];
        let panels = self.panel_count();
        let zero = self.width;
        let mut slot = 0;
        for (band, rows) in self.bands.iter().enumerate() {
            let (before, count) = self.pairs_of(band);
            for panel in 0..panels {
                let mut index = self.starts[band * panels + panel];
                let first = before * panels + panel * count;
                for pair in &self.pairs[first..first + count] {
                    let row = rows.start + usize::from(pair.nth) * PAIR;
                    for step in 0..self.steps(panel) {
                        let shared = step < usize::from(pair.shared);
                        for member in 0..PAIR {
                            let at = index + if shared { 0 } else { member };
                            let inner = usize::from(self.indices[at]);
                            if inner != zero && row + member < m {
                                visit(row + member, panel * self.width + inner, slot);
                            }
                            slot += 1;
                        }
                        index += if shared { 1 } else { PAIR };
                    }
                }
            }
        }
    }

    fn bytes(&self) -> usize {
        self.bands.bytes()
            + size_of_val(&self.starts[..])
            + size_of_val(&self.pairs[..])
            + size_of_val(&self.indices[..])
    }
}
