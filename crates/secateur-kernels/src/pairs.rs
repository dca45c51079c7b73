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

use crate::csr::Csr;
use crate::isa::Isa;
use crate::slots::Slots;
use crate::tile::{Sums, TileProduct, bands};
use crate::vector::{load, store};

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
    shape: [usize; 2],
    keep: usize,
    of: usize,
    /// Columns of a panel, whole groups.
    width: usize,
    /// Whether some index is that of the row of zeros, `width`.
    padded: bool,
    bands: Vec<Range<usize>>,
    /// By band, then panel: where its indices begin; one more at the end.
    starts: Vec<usize>,
    /// By band, panel and order.
    pairs: Vec<Pair>,
    /// Column within its panel: one a shared step, two any other.
    indices: Vec<u8>,
    /// Two a step, first row first.
    values: Vec<f32>,
}

/// Columns of a panel for groups of `of`.
fn panel_width(of: usize) -> usize {
    PANEL / of * of
}

/// Steps of a pair of rows in a panel of `columns`: the most weights that a row can have there.
fn steps(columns: usize, keep: usize, of: usize) -> usize {
    columns / of * keep + keep.min(columns % of)
}

impl Pairs {
    /// Packs `csr`, which has been checked to keep at most `keep` of every `of` columns, `of` at
    /// most [`PANEL`].
    pub(crate) fn pack(csr: &Csr, keep: usize, of: usize) -> Self {
        let [m, k] = csr.shape();
        let mut packed = Self {
            shape: [m, k],
            keep,
            of,
            width: panel_width(of),
            padded: false,
            bands: bands(|_| 1, m, PAIR, BAND),
            starts: Vec::new(),
            pairs: Vec::new(),
            indices: Vec::new(),
            values: Vec::new(),
        };
        for band in packed.bands.clone() {
            for panel in 0..packed.panel_count() {
                packed.starts.push(packed.indices.len());
                let mut plans: Vec<Plan> = band
                    .clone()
                    .step_by(PAIR)
                    .map(|row| packed.plan(csr, row, panel))
                    .collect();
                let mut order: Vec<usize> = (0..plans.len()).collect();
                order.sort_by_key(|&nth| (plans[nth].shared, nth));
                for nth in order {
                    packed.pairs.push(Pair {
                        shared: plans[nth].shared as u8,
                        nth: nth as u8,
                    });
                    packed.padded |= plans[nth].padded;
                    packed.indices.append(&mut plans[nth].indices);
                    packed.values.append(&mut plans[nth].values);
                }
            }
        }
        packed.starts.push(packed.indices.len());
        packed
    }

    /// Bytes of `csr` when packed.
    pub(crate) fn bytes_of(csr: &Csr, keep: usize, of: usize) -> usize {
        let [m, k] = csr.shape();
        let width = panel_width(of);
        let bands = bands(|_| 1, m, PAIR, BAND);
        let panels = k.div_ceil(width);
        let (mut indices, mut values) = (0, 0);
        for row in (0..m).step_by(PAIR) {
            for panel in 0..panels {
                let steps = steps(width.min(k - panel * width), keep, of);
                values += 2 * steps;
                indices += 2 * steps - shared_steps(csr, row, panel, width, steps);
            }
        }
        size_of_val(&bands[..])
            + (bands.len() * panels + 1) * size_of::<usize>()
            + m.div_ceil(PAIR) * panels * size_of::<Pair>()
            + indices
            + values * size_of::<f32>()
    }

    /// The steps of the two rows from `row` on in a panel.
    fn plan(&self, csr: &Csr, row: usize, panel: usize) -> Plan {
        let steps = self.steps(panel);
        let first = entries(csr, row, panel, self.width);
        let second = entries(csr, row + 1, panel, self.width);
        let alone = row + 1 >= self.shape[0];
        let mut plan = Plan {
            shared: shared_steps(csr, row, panel, self.width, steps),
            padded: first.len() < steps || (!alone && second.len() < steps),
            indices: Vec::with_capacity(2 * steps),
            values: Vec::with_capacity(2 * steps),
        };
        let zero = (self.width as u8, 0.0);
        let weight = |entry: usize| {
            let column = csr.indices()[entry] as usize - panel * self.width;
            (column as u8, csr.values()[entry])
        };
        let (mut own, mut other) = (Vec::new(), Vec::new());
        if alone {
            // The second sum is dropped, so the steps of a last row alone are all shared.
            own.extend(first.map(weight));
            own.resize(steps, zero);
            for (index, value) in own {
                plan.indices.push(index);
                plan.values.extend([value, 0.0]);
            }
            return plan;
        }
        let both = |column: u32, range: &Range<usize>| {
            csr.indices()[range.clone()].binary_search(&column).ok()
        };
        for entry in first.clone() {
            match both(csr.indices()[entry], &second) {
                Some(at) => {
                    let ((index, a), (_, b)) = (weight(entry), weight(second.start + at));
                    plan.indices.push(index);
                    plan.values.extend([a, b]);
                }
                None => own.push(weight(entry)),
            }
        }
        other.extend(
            second
                .clone()
                .filter(|&entry| both(csr.indices()[entry], &first).is_none())
                .map(weight),
        );
        // Where both rows have room left, padding is shared as well.
        let room = steps - first.len().max(second.len());
        for _ in 0..room {
            plan.indices.push(zero.0);
            plan.values.extend([0.0, 0.0]);
        }
        let rest = own.len().max(other.len());
        own.resize(rest, zero);
        other.resize(rest, zero);
        for ((index, a), (second, b)) in own.into_iter().zip(other) {
            plan.indices.extend([index, second]);
            plan.values.extend([a, b]);
        }
        plan
    }

    fn panel_count(&self) -> usize {
        self.shape[1].div_ceil(self.width)
    }

    /// Steps of a pair in `panel`.
    fn steps(&self, panel: usize) -> usize {
        let columns = self.width.min(self.shape[1] - panel * self.width);
        steps(columns, self.keep, self.of)
    }

    /// Where the values of `band` begin: two for each step of each pair before.
    fn first_value(&self, band: usize) -> usize {
        2 * self.pairs_of(band).0 * steps(self.shape[1], self.keep, self.of)
    }

    /// Pairs of the bands before `band`, and of `band`. Bands but the last are whole pairs.
    fn pairs_of(&self, band: usize) -> (usize, usize) {
        let rows = &self.bands[band];
        (rows.start / PAIR, rows.len().div_ceil(PAIR))
    }
}

/// What is stored for two rows in a panel.
struct Plan {
    shared: usize,
    padded: bool,
    indices: Vec<u8>,
    values: Vec<f32>,
}

/// Entries of `row` in a panel; none of a row past the last.
fn entries(csr: &Csr, row: usize, panel: usize, width: usize) -> Range<usize> {
    if row >= csr.shape()[0] {
        return 0..0;
    }
    let (start, end) = (csr.starts()[row], csr.starts()[row + 1]);
    let before = |column: usize| {
        start + csr.indices()[start..end].partition_point(|&index| (index as usize) < column)
    };
    before(panel * width)..before((panel + 1) * width)
}

/// Of the `steps` of two rows in a panel, those that share an index.
fn shared_steps(csr: &Csr, row: usize, panel: usize, width: usize, steps: usize) -> usize {
    if row + 1 >= csr.shape()[0] {
        return steps;
    }
    let first = entries(csr, row, panel, width);
    let second = entries(csr, row + 1, panel, width);
    let columns = &csr.indices()[second.clone()];
    let common = csr.indices()[first.clone()]
        .iter()
        .filter(|column| columns.binary_search(column).is_ok())
        .count();
    common + steps - first.len().max(second.len())
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

impl TileProduct for Pairs {
    fn shape(&self) -> [usize; 2] {
        self.shape
    }

    fn bands(&self) -> &[Range<usize>] {
        &self.bands
    }

    fn vectors(&self, _: Isa) -> usize {
        4
    }

    fn zero_row_every(&self) -> Option<usize> {
        self.padded.then_some(self.width)
    }

    #[inline(always)]
    unsafe fn multiply<S: Simd, const T: usize>(
        &self,
        simd: S,
        band: usize,
        x: *const f32,
        sums: Sums,
    ) {
        let width = T * S::F32_LANES;
        let panels = self.panel_count();
        let rows = self.bands[band].len();
        let (before, count) = self.pairs_of(band);
        let mut value = self.values[self.first_value(band)..].as_ptr();
        let panel_rows = self.width + usize::from(self.padded);
        for panel in 0..panels {
            let steps = self.steps(panel);
            let at = band * panels + panel;
            let mut index = self.indices[self.starts[at]..self.starts[at + 1]].as_ptr();
            let first = before * panels + panel * count;
            // SAFETY: every panel before this one has `panel_rows` rows of the tile.
            let x = unsafe { x.add(panel * panel_rows * width) };
            let (to, stride) = if panel + 1 < panels {
                (sums.carry, width)
            } else {
                (sums.out, sums.stride)
            };
            for pair in &self.pairs[first..first + count] {
                let row = usize::from(pair.nth) * PAIR;
                let shared = usize::from(pair.shared);
                // SAFETY: `pack` gave each pair of a panel `steps` steps of two values, the first
                // `shared` of them one index and the others two, in this order; an index is a
                // column of the panel or the row of zeros behind it, so its vectors lie in the
                // tile; rows of sums are touched only below the rows of the band.
                unsafe {
                    let from = sums.carry.add(row * width);
                    let to = to.add(row * stride);
                    // Constant subscripts only: the sums have to stay in registers.
                    let mut acc = [[simd.splat_f32s(0.0); T]; PAIR];
                    if panel > 0 {
                        for member in 0..PAIR {
                            if row + member < rows {
                                for t in 0..T {
                                    acc[member][t] =
                                        load::<S>(from.add(member * width + t * S::F32_LANES));
                                }
                            }
                        }
                    }
                    add_steps::<S, T, true>(simd, shared, x, &mut index, &mut value, &mut acc);
                    let rest = steps - shared;
                    add_steps::<S, T, false>(simd, rest, x, &mut index, &mut value, &mut acc);
                    for member in 0..PAIR {
                        if row + member < rows {
                            for t in 0..T {
                                store::<S>(
                                    to.add(member * stride + t * S::F32_LANES),
                                    acc[member][t],
                                );
                            }
                        }
                    }
                }
            }
        }
    }
}

impl Slots for Pairs {
    fn for_each_slot(&self, visit: &mut dyn FnMut(usize, usize, usize)) {
        let m = self.shape[0];
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

    fn values(&self) -> &[f32] {
        &self.values
    }

    fn values_mut(&mut self) -> &mut [f32] {
        &mut self.values
    }

    fn bytes(&self) -> usize {
        size_of_val(&self.bands[..])
            + size_of_val(&self.starts[..])
            + size_of_val(&self.pairs[..])
            + size_of_val(&self.indices[..])
            + size_of_val(&self.values[..])
    }
}
