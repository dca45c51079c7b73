//! Blocks of `r` rows by `c` columns that live and die together.
//!
//! The rows of a block share its column index, so a vector of X loaded once serves up to four
//! multiply-adds: against a batch this reaches the machine's arithmetic peak.

use std::ops::Range;

use pulp::Simd;

use crate::csr::Csr;
use crate::isa::Isa;
use crate::slots::Slots;
use crate::tile::{Sums, TileProduct, bands};
use crate::vector::{load, store};

/// Rows that share accumulators; taller blocks are worked through four rows at a time.
const GROUP: usize = 4;

/// Most rows of a band.
const BAND: usize = 256;

/// A matrix in blocks.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Blocks {
    shape: [usize; 2],
    /// Rows and columns of a block.
    block: [usize; 2],
    bands: Vec<Range<usize>>,
    /// By row of blocks: where its blocks begin; one more at the end.
    starts: Vec<usize>,
    /// By row of blocks: where its values begin.
    value_starts: Vec<usize>,
    /// First column of each block.
    columns: Vec<u32>,
    /// Stored blocks, four rows of the matrix at a time: for each block of a row of blocks, for
    /// each of its columns, the values of up to four rows; then the next four rows. Places of a
    /// block beyond the matrix are not stored.
    values: Vec<f32>,
    /// Which places of each block the mask keeps, row by row; empty where it keeps all.
    kept: Vec<bool>,
}

impl Blocks {
    /// Packs `csr`, storing every block of `[r, c]` that has a weight.
    pub(crate) fn pack(csr: &Csr, block: [usize; 2]) -> Self {
        let [m, k] = csr.shape();
        let [r, c] = block;
        let mut blocks = Self {
            shape: [m, k],
            block,
            bands: bands(|row| csr.row_nnz(row) + 1, m, r, BAND),
            starts: vec![0],
            value_starts: Vec::new(),
            columns: Vec::new(),
            values: Vec::new(),
            kept: Vec::new(),
        };
        let mut stored = 0;
        for first in (0..m).step_by(r) {
            let rows = first..(first + r).min(m);
            let mut columns: Vec<u32> = rows
                .clone()
                .flat_map(|row| csr.row(row))
                .map(|(column, _)| (column / c * c) as u32)
                .collect();
            columns.sort_unstable();
            columns.dedup();
            let base = blocks.values.len();
            blocks.value_starts.push(base);
            let widths: Vec<usize> = columns.iter().map(|&at| c.min(k - at as usize)).collect();
            let places = rows.len() * widths.iter().sum::<usize>();
            blocks.values.resize(base + places, 0.0);
            blocks.kept.resize(base + places, false);
            for row in rows.clone() {
                for (column, value) in csr.row(row) {
                    let at = (column / c * c) as u32;
                    if let Ok(nth) = columns.binary_search(&at) {
                        let slot = base
                            + slot_in_row(
                                nth,
                                column - at as usize,
                                row - first,
                                rows.len(),
                                c,
                                &widths,
                            );
                        blocks.values[slot] = value;
                        blocks.kept[slot] = true;
                        stored += 1;
                    }
                }
            }
            blocks.columns.extend(columns);
            blocks.starts.push(blocks.columns.len());
        }
        if stored == blocks.values.len() {
            blocks.kept = Vec::new();
        }
        blocks
    }

    /// Bytes of `csr` when packed.
    pub(crate) fn bytes_of(csr: &Csr, [r, c]: [usize; 2]) -> usize {
        let [m, k] = csr.shape();
        let (mut blocks, mut places) = (0, 0);
        // The last row of blocks that was seen to have a block at each column of blocks.
        let mut seen = vec![usize::MAX; k.div_ceil(c)];
        for row in 0..m {
            for (column, _) in csr.row(row) {
                if seen[column / c] != row / r {
                    seen[column / c] = row / r;
                    blocks += 1;
                    places += r.min(m - row / r * r) * c.min(k - column / c * c);
                }
            }
        }
        let rows = m.div_ceil(r);
        let kept = if places == csr.nnz() { 0 } else { places };
        size_of_val(&bands(|row| csr.row_nnz(row) + 1, m, r, BAND)[..])
            + (2 * rows + 1) * size_of::<usize>()
            + blocks * size_of::<u32>()
            + places * size_of::<f32>()
            + kept
    }

    /// Rows of the matrix in a row of blocks.
    fn rows_of(&self, row: usize) -> Range<usize> {
        let first = row * self.block[0];
        first..(first + self.block[0]).min(self.shape[0])
    }

    /// Columns of the matrix in a block that begins at `column`.
    #[inline(always)]
    fn width_at(&self, column: usize) -> usize {
        self.block[1].min(self.shape[1] - column)
    }

    /// # Safety
    ///
    /// As [`TileProduct::multiply`], for rows `R` of a row of blocks whose columns are `columns`;
    /// `value` has their values. Returns where the next values are.
    #[inline(always)]
    unsafe fn multiply_rows<S: Simd, const T: usize, const R: usize>(
        &self,
        simd: S,
        columns: &[u32],
        mut value: *const f32,
        x: *const f32,
        sums: *mut f32,
        stride: usize,
    ) -> *const f32 {
        let width = T * S::F32_LANES;
        let mut acc = [[simd.splat_f32s(0.0); T]; R];
        for &column in columns {
            let column = column as usize;
            for column in column..column + self.width_at(column) {
                // SAFETY: `column < k`, so its vectors lie in the tile; there are `R` values for
                // each column of each block.
                unsafe {
                    let x = x.add(column * width);
                    let mut v = [simd.splat_f32s(0.0); T];
                    for t in 0..T {
                        v[t] = load::<S>(x.add(t * S::F32_LANES));
                    }
                    for row in 0..R {
                        let weight = simd.splat_f32s(*value.add(row));
                        for t in 0..T {
                            acc[row][t] = simd.mul_add_e_f32s(weight, v[t], acc[row][t]);
                        }
                    }
                    value = value.add(R);
                }
            }
        }
        for row in 0..R {
            for t in 0..T {
                // SAFETY: `R` rows of sums are the caller's.
                unsafe { store::<S>(sums.add(row * stride + t * S::F32_LANES), acc[row][t]) };
            }
        }
        value
    }
}

/// Position of a place within the values of its row of blocks: block `nth`, `column` of the
/// block, `row` of `rows`.
fn slot_in_row(
    nth: usize,
    column: usize,
    row: usize,
    rows: usize,
    c: usize,
    widths: &[usize],
) -> usize {
    // Only the last block of a row may be narrower than `c`, so those before are whole.
    let total: usize = widths.iter().sum();
    let group = row / GROUP * GROUP;
    let members = GROUP.min(rows - group);
    group * total + (nth * c + column) * members + (row - group)
}

impl TileProduct for Blocks {
    fn shape(&self) -> [usize; 2] {
        self.shape
    }

    fn bands(&self) -> &[Range<usize>] {
        &self.bands
    }

    fn vectors(&self, isa: Isa) -> usize {
        if isa == Isa::Avx2 { 2 } else { 4 }
    }

    #[inline(always)]
    unsafe fn multiply<S: Simd, const T: usize>(
        &self,
        simd: S,
        band: usize,
        x: *const f32,
        sums: Sums,
    ) {
        let Sums {
            out: sums, stride, ..
        } = sums;
        let rows = &self.bands[band];
        let first = rows.start / self.block[0];
        let last = rows.end.div_ceil(self.block[0]);
        let mut value = self.values[self.value_starts[first]..].as_ptr();
        for row in first..last {
            let columns = &self.columns[self.starts[row]..self.starts[row + 1]];
            let members = self.rows_of(row);
            for group in members.clone().step_by(GROUP) {
                let count = GROUP.min(members.end - group);
                // SAFETY: the rows of the band are the caller's; `values` holds, for each row of
                // blocks and each four of its rows, one value a row and column of its blocks.
                unsafe {
                    let sums = sums.add((group - rows.start) * stride);
                    value = match count {
                        1 => self.multiply_rows::<S, T, 1>(simd, columns, value, x, sums, stride),
                        2 => self.multiply_rows::<S, T, 2>(simd, columns, value, x, sums, stride),
                        3 => self.multiply_rows::<S, T, 3>(simd, columns, value, x, sums, stride),
                        _ => self.multiply_rows::<S, T, 4>(simd, columns, value, x, sums, stride),
                    };
                }
            }
        }
    }
}

impl Slots for Blocks {
    fn for_each_slot(&self, visit: &mut dyn FnMut(usize, usize, usize)) {
        for row in 0..self.value_starts.len() {
            let columns = &self.columns[self.starts[row]..self.starts[row + 1]];
            let members = self.rows_of(row);
            let mut slot = self.value_starts[row];
            for group in members.clone().step_by(GROUP) {
                for &column in columns {
                    let column = column as usize;
                    for column in column..column + self.width_at(column) {
                        for member in group..(group + GROUP).min(members.end) {
                            if self.kept.get(slot).copied().unwrap_or(true) {
                                visit(member, column, slot);
                            }
                            slot += 1;
                        }
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
            + size_of_val(&self.value_starts[..])
            + size_of_val(&self.columns[..])
            + size_of_val(&self.values[..])
            + size_of_val(&self.kept[..])
    }
}
