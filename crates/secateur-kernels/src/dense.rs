//! The dense product, packed: what a sparse form has to beat, and the right choice when it
//! cannot.

use pulp::Simd;

use crate::bands::{Banded, Bands};
use crate::csr::Csr;
use crate::isa::Isa;
use crate::size::Size;
use crate::slots::{PADDING, Slots};
use crate::tile::{PanelSums, Part, TileProduct};
use crate::values::Stored;
use crate::vector::load;

/// Rows whose sums are held in registers together.
const GROUP: usize = 6;

/// Most rows of a band.
const BAND: usize = 16 * GROUP;

/// Columns up to which rows are read vector by vector, against each column, instead of weight by
/// weight against a tile, of which most lanes would have nothing to do.
pub(crate) fn few(isa: Isa) -> usize {
    isa.lanes()
}

/// A dense matrix, row-major: six rows are read side by side against a batch, and four against a
/// few columns.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Dense {
    bands: Bands,
    /// Which places the mask keeps, row by row as the values; empty where it keeps all.
    kept: Vec<bool>,
}

/// How the rows of `csr` are cut.
fn bands_of(csr: &Csr) -> Bands {
    Bands::by_rows(csr, GROUP, BAND)
}

impl Dense {
    /// Packs `csr`, zeros included, and appends the entry of each slot to `slots`.
    pub(crate) fn pack(csr: &Csr, slots: &mut Vec<u32>) -> Self {
        let [m, k] = csr.shape();
        slots.resize(m * k, PADDING);
        for row in 0..m {
            for entry in csr.starts()[row]..csr.starts()[row + 1] {
                slots[row * k + csr.indices()[entry] as usize] = entry as u32;
            }
        }
        let mut kept = Vec::new();
        if csr.nnz() < m * k {
            kept.extend(slots.iter().map(|&entry| entry != PADDING));
        }
        Self {
            bands: bands_of(csr),
            kept,
        }
    }

    /// The size of `csr` when packed.
    pub(crate) fn size_of(csr: &Csr) -> Size {
        let [m, k] = csr.shape();
        let kept = if csr.nnz() < m * k { m * k } else { 0 };
        Size {
            structure: bands_of(csr).bytes() + kept,
            slots: m * k,
        }
    }

    /// # Safety
    ///
    /// As [`TileProduct::multiply`], for the `R` rows of the band from `nth` on, whose values
    /// begin at `value`.
    #[inline(always)]
    unsafe fn multiply_rows<S: Simd, const T: usize, const R: usize>(
        k: usize,
        simd: S,
        mut value: *const f32,
        mut x: *const f32,
        sums: PanelSums,
        nth: usize,
    ) {
        let mut acc = [[simd.splat_f32s(0.0); T]; R];
        for _ in 0..k {
            // SAFETY: the tile has `k` rows, and `R` rows of `k` values begin at `value`.
            unsafe {
                let mut v = [simd.splat_f32s(0.0); T];
                for t in 0..T {
                    v[t] = load::<S>(x.add(t * S::F32_LANES));
                }
                for row in 0..R {
                    let weight = simd.splat_f32s(*value.add(row * k));
                    for t in 0..T {
                        acc[row][t] = simd.mul_add_e_f32s(weight, v[t], acc[row][t]);
                    }
                }
                value = value.add(1);
                x = x.add(T * S::F32_LANES);
            }
        }
        // SAFETY: `R` rows of sums are the caller's.
        unsafe { sums.store::<S, T, R>(nth, acc, R) };
    }

    /// The sums of the rows of one band for each column of `x`, `k` values a column; those of a
    /// column are `stride` after those of the one before. `weights` is the whole matrix.
    #[inline(always)]
    pub(crate) fn multiply_columns<S: Simd, W: Stored>(
        &self,
        simd: S,
        band: usize,
        weights: &[W],
        x: &[f32],
        sums: &mut [f32],
        stride: usize,
    ) {
        let k = self.bands.shape()[1];
        let rows = self.bands.rows(band);
        let mut row = rows.start;
        while row < rows.end {
            let count = if row + 4 <= rows.end { 4 } else { 1 };
            let weights = &weights[row * k..(row + count) * k];
            let sums = &mut sums[row - rows.start..];
            // Four rows stay in the cache from block to block.
            if count == 4 {
                rows_by_columns::<S, W, 4>(simd, weights, x, k, sums, stride);
            } else {
                rows_by_columns::<S, W, 1>(simd, weights, x, k, sums, stride);
            }
            row += count;
        }
    }
}

/// The products of `R` rows of weights with all columns of `x`, as many at a time as the sums of
/// four rows leave registers for.
#[inline(always)]
fn rows_by_columns<S: Simd, W: Stored, const R: usize>(
    simd: S,
    weights: &[W],
    x: &[f32],
    k: usize,
    sums: &mut [f32],
    stride: usize,
) {
    let most = if S::REGISTER_COUNT < 32 { 3 } else { 4 };
    for (nth, x) in x.chunks(most * k).enumerate() {
        let sums = &mut sums[nth * most * stride..];
        match x.len() / k {
            1 => put(dot::<S, W, R, 1, 2>(simd, weights, x, k), sums, stride),
            2 => put(dot::<S, W, R, 2, 1>(simd, weights, x, k), sums, stride),
            3 => put(dot::<S, W, R, 3, 1>(simd, weights, x, k), sums, stride),
            _ => put(dot::<S, W, R, 4, 1>(simd, weights, x, k), sums, stride),
        }
    }
}

/// Writes sums, column by column.
#[inline(always)]
fn put<const R: usize, const C: usize>(from: [[f32; C]; R], to: &mut [f32], stride: usize) {
    for column in 0..C {
        for row in 0..R {
            to[column * stride + row] = from[row][column];
        }
    }
}

/// The products of `R` rows of weights with `C` columns, each sum in `P` parts, so that enough of
/// them are under way at once.
#[inline(always)]
fn dot<S: Simd, W: Stored, const R: usize, const C: usize, const P: usize>(
    simd: S,
    weights: &[W],
    x: &[f32],
    k: usize,
) -> [[f32; C]; R] {
    assert!(weights.len() == R * k && x.len() == C * k);
    let lanes = S::F32_LANES;
    let whole = k / (P * lanes) * (P * lanes);
    let mut acc = [[[simd.splat_f32s(0.0); P]; C]; R];
    for at in (0..whole).step_by(P * lanes) {
        for part in 0..P {
            let at = at + part * lanes;
            // SAFETY: a whole vector of each of the `C` columns from `at`, and of each of the `R`
            // rows.
            unsafe {
                let mut v = [simd.splat_f32s(0.0); C];
                for column in 0..C {
                    v[column] = load::<S>(x.as_ptr().add(column * k + at));
                }
                for row in 0..R {
                    let w = W::load(simd, weights.as_ptr().add(row * k + at));
                    for column in 0..C {
                        acc[row][column][part] =
                            simd.mul_add_e_f32s(w, v[column], acc[row][column][part]);
                    }
                }
            }
        }
    }
    let mut sums = [[0.0; C]; R];
    for row in 0..R {
        for column in 0..C {
            let mut sum = acc[row][column][0];
            for part in 1..P {
                sum = simd.add_f32s(sum, acc[row][column][part]);
            }
            sums[row][column] = simd.reduce_sum_f32s(sum);
            for at in whole..k {
                sums[row][column] += weights[row * k + at].widen() * x[column * k + at];
            }
        }
    }
    sums
}

impl Banded for Dense {
    fn bands(&self) -> &Bands {
        &self.bands
    }

    fn longest_part(&self) -> usize {
        GROUP * self.bands.shape()[1]
    }
}

impl TileProduct for Dense {
    fn vectors(&self, isa: Isa) -> usize {
        if isa == Isa::Avx2 { 2 } else { 4 }
    }

    #[inline(always)]
    unsafe fn multiply<S: Simd, const T: usize>(&self, simd: S, part: Part<'_, '_>) {
        let Part {
            band,
            weights,
            x,
            sums,
        } = part;
        let sums = sums.of_panel(0, 1);
        let k = self.bands.shape()[1];
        let rows = self.bands.rows(band);
        for first in rows.clone().step_by(GROUP) {
            let count = GROUP.min(rows.end - first);
            let value = weights.of(first * k..(first + count) * k).as_ptr();
            // SAFETY: the rows of the band are the caller's, and the values of `count` rows
            // follow each other.
            unsafe {
                let nth = first - rows.start;
                match count {
                    1 => Self::multiply_rows::<S, T, 1>(k, simd, value, x, sums, nth),
                    2 => Self::multiply_rows::<S, T, 2>(k, simd, value, x, sums, nth),
                    3 => Self::multiply_rows::<S, T, 3>(k, simd, value, x, sums, nth),
                    4 => Self::multiply_rows::<S, T, 4>(k, simd, value, x, sums, nth),
                    5 => Self::multiply_rows::<S, T, 5>(k, simd, value, x, sums, nth),
                    _ => Self::multiply_rows::<S, T, 6>(k, simd, value, x, sums, nth),
                }
            }
        }
    }
}

impl Slots for Dense {
    fn for_each_slot(&self, visit: &mut dyn FnMut(usize, usize, usize)) {
        let [m, k] = self.bands.shape();
        for row in 0..m {
            for column in 0..k {
                let slot = row * k + column;
                if self.kept.get(slot).copied().unwrap_or(true) {
                    visit(row, column, slot);
                }
            }
        }
    }

    fn bytes(&self) -> usize {
        self.bands.bytes() + size_of_val(&self.kept[..])
    }
}
