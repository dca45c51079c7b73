//! Blocks of `r` rows by `c` columns that live and die together.
//!
//! The rows of a block share its column index, so a vector of X loaded once serves up to four
//! multiply-adds: against a batch this reaches the machine's arithmetic peak.

use std::ops::Range;

use pulp::Simd;

use crate::bands::{Banded, Bands};
use crate::csr::Csr;
use crate::isa::Isa;
use crate::size::Size;
use crate::slots::{PADDING, Slots};
use crate::tile::{PanelSums, Part, TileProduct};
use crate::vector::load;

/// Rows that share accumulators; taller blocks are worked through four rows at a time.
const GROUP: usize = 4;

/// Most rows of a band.
const BAND: usize = 256;

/// A matrix in blocks.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Blocks {
    /// Rows and columns of a block.
    block: [usize; 2],
    bands: Bands,
    /// By row of blocks: where its blocks begin; one more at the end.
    starts: Vec<usize>,
    /// By row of blocks: where its values begin; one more at the end. Blocks are stored four rows
    /// of the matrix at a time: for each block of a row of blocks, for each of its columns, the
    /// values of up to four rows; then the next four rows. Places of a block beyond the matrix are
    /// not stored.
    value_starts: Vec<usize>,
    /// First column of each block.
    columns: Vec<u32>,
    /// Which places the mask keeps, in the order of the values; empty where it keeps all.
    kept: Vec<bool>,
}

impl Blocks {
    /// Packs `csr`, storing every block of `[r, c]` that has a weight, and appends the entry of each
    /// slot to `slots`.
    pub(crate) fn pack(csr: &Csr, [r, c]: [usize; 2], slots: &mut Vec<u32>) -> Self {
        let [m, k] = csr.shape();
        let mut blocks = Self {
            block: [r, c],
            bands: bands_of(csr, r),
            starts: vec![0],
            value_starts: vec![0],
            columns: Vec::new(),
            kept: Vec::new(),
        };
        // Which block of a row of blocks stands at each column of blocks.
        let mut nth = vec![u32::MAX; k.div_ceil(c)];
        for first in (0..m).step_by(r) {
            let rows = first..(first + r).min(m);
            for &column in &csr.indices()[csr.starts()[rows.start]..csr.starts()[rows.end]] {
                nth[column as usize / c] = 0;
            }
            let found = blocks.columns.len();
            for (column, nth) in nth.iter_mut().enumerate().filter(|(_, nth)| **nth == 0) {
                *nth = (blocks.columns.len() - found) as u32;
                blocks.columns.push((column * c) as u32);
            }
            blocks.starts.push(blocks.columns.len());
            let found = &blocks.columns[found..];
            // Only the last block of a row may be narrower than `c`.
            let last = found.last().map_or(0, |&column| c.min(k - column as usize));
            let width = found.len().saturating_sub(1) * c + last;
            let base = slots.len();
            slots.resize(base + rows.len() * width, PADDING);
            for row in rows.clone() {
                let group = (row - first) / GROUP * GROUP;
                let members = GROUP.min(rows.len() - group);
                let base = base + group * width + (row - first - group);
                for entry in csr.starts()[row]..csr.starts()[row + 1] {
                    let column = csr.indices()[entry] as usize;
                    let place = nth[column / c] as usize * c + column % c;
                    slots[base + place * members] = entry as u32;
                }
            }
            for &column in found {
                nth[column as usize / c] = u32::MAX;
            }
            blocks.value_starts.push(slots.len());
        }
        if slots.len() > csr.nnz() {
            blocks
                .kept
                .extend(slots.iter().map(|&entry| entry != PADDING));
        }
        blocks
    }

    /// The size of `csr` when packed.
    pub(crate) fn size_of(csr: &Csr, [r, c]: [usize; 2]) -> Size {
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
        let structure = bands_of(csr, r).bytes()
            + 2 * (rows + 1) * size_of::<usize>()
            + blocks * size_of::<u32>()
            + kept;
        Size {
            structure,
            slots: places,
        }
    }

    /// Rows of the matrix in a row of blocks.
    fn rows_of(&self, row: usize) -> Range<usize> {
        let first = row * self.block[0];
        first..(first + self.block[0]).min(self.bands.shape()[0])
    }

    /// Columns of the matrix in a block that begins at `column`.
    #[inline(always)]
    fn width_at(&self, column: usize) -> usize {
        self.block[1].min(self.bands.shape()[1] - column)
    }

    /// # Safety
    ///
    /// As [`TileProduct::multiply`], for the `R` rows of the band from `nth` on, of a row of blocks
    /// whose columns are `columns`;
    /// `value` has their values. Returns where the next values are.
    #[inline(always)]
    unsafe fn multiply_rows<S: Simd, const T: usize, const R: usize>(
        &self,
        simd: S,
        columns: &[u32],
        mut value: *const f32,
        x: *const f32,
        sums: PanelSums,
        nth: usize,
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
        // SAFETY: `R` rows of sums are the caller's.
        unsafe { sums.store::<S, T, R>(nth, acc, R) };
        value
    }
}

/// How the rows of `csr` are cut.
fn bands_of(csr: &Csr, rows: usize) -> Bands {
    Bands::by_weights(csr, rows, BAND)
}

impl Banded for Blocks {
    fn bands(&self) -> &Bands {
        &self.bands
    }

    fn longest_part(&self) -> usize {
        let parts = self.value_starts.windows(2);
        parts.map(|part| part[1] - part[0]).max().unwrap_or(0)
    }
}

impl TileProduct for Blocks {
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
        let rows = self.bands.rows(band);
        let first = rows.start / self.block[0];
        let last = rows.end.div_ceil(self.block[0]);
        for row in first..last {
            let columns = &self.columns[self.starts[row]..self.starts[row + 1]];
            let members = self.rows_of(row);
            let values = self.value_starts[row]..self.value_starts[row + 1];
            let mut value = weights.of(values).as_ptr();
            for group in members.clone().step_by(GROUP) {
                let count = GROUP.min(members.end - group);
                // SAFETY: the rows of the band are the caller's; a row of blocks has, for each
                // four of its rows, one value a row and column of its blocks.
                unsafe {
                    let nth = group - rows.start;
                    value = match count {
                        1 => self.multiply_rows::<S, T, 1>(simd, columns, value, x, sums, nth),
                        2 => self.multiply_rows::<S, T, 2>(simd, columns, value, x, sums, nth),
                        3 => self.multiply_rows::<S, T, 3>(simd, columns, value, x, sums, nth),
                        _ => self.multiply_rows::<S, T, 4>(simd, columns, value, x, sums, nth),
                    };
                }
            }
        }
    }
}

impl Slots for Blocks {
    fn for_each_slot(&self, visit: &mut dyn FnMut(usize, usize, usize)) {
        for row in 0..self.starts.len() - 1 {
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

    fn bytes(&self) -> usize {
        self.bands.bytes()
            + size_of_val(&self.starts[..])
            + size_of_val(&self.value_starts[..])
            + size_of_val(&self.columns[..])
            + size_of_val(&self.kept[..])
    }
}
