//! Four-row lists: moderate unstructured sparsity (50 to 75 %) against a batch.
//!
//! Four rows are taken together and the columns of a panel sorted into fifteen lists by *which*
//! of the four have a weight there. Each list has a loop of its own with fixed accumulators, so a
//! vector of X is loaded once for all the rows that use it, with no branch a column.

use std::ops::Range;

use pulp::Simd;

use crate::csr::Csr;
use crate::isa::Isa;
use crate::slots::Slots;
use crate::tile::{Sums, TileProduct, bands};
use crate::vector::{load, store};

/// Rows taken together.
const GROUP: usize = 4;

/// Lists of a group and panel: the non-empty subsets of four rows.
const LISTS: usize = (1 << GROUP) - 1;

/// Columns of a panel: an index is a byte, and so is the length of a list.
pub(crate) const MAX_PANEL: usize = 255;

/// Most rows of a band.
const BAND: usize = 256;

/// A matrix in four-row lists.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Lists {
    shape: [usize; 2],
    width: usize,
    bands: Vec<Range<usize>>,
    /// By band: where its indices and values begin; one more at the end.
    starts: Vec<(usize, usize)>,
    /// By band, panel and group: the length of each list.
    lengths: Vec<[u8; LISTS]>,
    /// Column within its panel.
    indices: Vec<u8>,
    /// For each index, one value for each row of its subset, first row first.
    values: Vec<f32>,
}

impl Lists {
    /// Packs `csr` into panels of `width` columns, at most [`MAX_PANEL`].
    pub(crate) fn pack(csr: &Csr, width: usize) -> Self {
        let [m, k] = csr.shape();
        let mut lists = Self {
            shape: [m, k],
            width: width.clamp(1, MAX_PANEL),
            bands: bands(|row| csr.row_nnz(row) + 1, m, GROUP, BAND),
            starts: Vec::new(),
            lengths: Vec::new(),
            indices: Vec::new(),
            values: Vec::with_capacity(csr.nnz()),
        };
        // The weights of four rows, spread out; `member` says which are stored.
        let mut spread = vec![[0.0; GROUP]; k];
        let mut member = vec![0_u8; k];
        let mut groups = Vec::new();
        for band in lists.bands.clone() {
            lists.starts.push((lists.indices.len(), lists.values.len()));
            groups.clear();
            for first in band.clone().step_by(GROUP) {
                member.fill(0);
                for row in first..(first + GROUP).min(band.end) {
                    for (column, value) in csr.row(row) {
                        member[column] |= 1 << (row - first);
                        spread[column][row - first] = value;
                    }
                }
                groups.push((member.clone(), spread.clone()));
            }
            for first in (0..k).step_by(lists.width) {
                let last = (first + lists.width).min(k);
                for (member, spread) in &groups {
                    lists.pack_group(first..last, member, spread);
                }
            }
        }
        lists.starts.push((lists.indices.len(), lists.values.len()));
        lists
    }

    /// Bytes of `csr` when packed.
    pub(crate) fn bytes_of(csr: &Csr, width: usize) -> usize {
        let [m, k] = csr.shape();
        let bands = bands(|row| csr.row_nnz(row) + 1, m, GROUP, BAND);
        let mut indices = 0;
        // The last group that was seen to have a weight in each column.
        let mut seen = vec![usize::MAX; k];
        for row in 0..m {
            for (column, _) in csr.row(row) {
                // Bands begin at whole groups, so groups can be counted from the first row.
                if seen[column] != row / GROUP {
                    seen[column] = row / GROUP;
                    indices += 1;
                }
            }
        }
        let panels = k.div_ceil(width.clamp(1, MAX_PANEL));
        size_of_val(&bands[..])
            + (bands.len() + 1) * size_of::<(usize, usize)>()
            + m.div_ceil(GROUP) * panels * LISTS
            + indices
            + csr.nnz() * size_of::<f32>()
    }

    fn pack_group(&mut self, columns: Range<usize>, member: &[u8], spread: &[[f32; GROUP]]) {
        let mut lengths = [0; LISTS];
        for subset in 1..=LISTS as u8 {
            for column in columns.clone().filter(|&column| member[column] == subset) {
                lengths[usize::from(subset) - 1] += 1;
                self.indices.push((column - columns.start) as u8);
                self.values.extend(
                    (0..GROUP)
                        .filter(|row| subset >> row & 1 == 1)
                        .map(|row| spread[column][row]),
                );
            }
        }
        self.lengths.push(lengths);
    }

    fn panel_count(&self) -> usize {
        self.shape[1].div_ceil(self.width)
    }
}

/// Adds one list to the accumulators of the rows in `SUBSET`.
///
/// # Safety
///
/// `index` has `length` columns of the panel at `x`, and `value` a weight for each and each row
/// of the subset.
#[inline(always)]
unsafe fn add_list<S: Simd, const T: usize, const SUBSET: usize>(
    simd: S,
    length: u8,
    x: *const f32,
    index: &mut *const u8,
    value: &mut *const f32,
    acc: &mut [[S::f32s; T]; GROUP],
) {
    for _ in 0..length {
        // SAFETY: the caller's promise.
        unsafe {
            let x = x.add(usize::from(**index) * T * S::F32_LANES);
            *index = index.add(1);
            let mut v = [simd.splat_f32s(0.0); T];
            for t in 0..T {
                v[t] = load::<S>(x.add(t * S::F32_LANES));
            }
            for row in 0..GROUP {
                if SUBSET >> row & 1 == 1 {
                    let weight = simd.splat_f32s(**value);
                    *value = value.add(1);
                    for t in 0..T {
                        acc[row][t] = simd.mul_add_e_f32s(weight, v[t], acc[row][t]);
                    }
                }
            }
        }
    }
}

impl TileProduct for Lists {
    fn shape(&self) -> [usize; 2] {
        self.shape
    }

    fn bands(&self) -> &[Range<usize>] {
        &self.bands
    }

    fn vectors(&self, isa: Isa) -> usize {
        // Four rows of accumulators, the vectors of X and a weight have to fit the registers.
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
        let width = T * S::F32_LANES;
        let panels = self.panel_count();
        let rows = self.bands[band].len();
        let groups = rows.div_ceil(GROUP);
        // Bands but the last are whole groups, so the groups before this band are known.
        let before = self.bands[band].start / GROUP * panels;
        let (start, end) = (self.starts[band], self.starts[band + 1]);
        let mut index = self.indices[start.0..end.0].as_ptr();
        let mut value = self.values[start.1..end.1].as_ptr();
        let mut lengths = self.lengths[before..before + groups * panels].iter();
        for panel in 0..panels {
            // SAFETY: the panel begins within the tile.
            let x = unsafe { x.add(panel * self.width * width) };
            let (to, stride) = if panel + 1 < panels {
                (sums.carry, width)
            } else {
                (sums.out, sums.stride)
            };
            for group in 0..groups {
                let Some(lengths) = lengths.next() else {
                    return;
                };
                let members = GROUP.min(rows - group * GROUP);
                // SAFETY: `members` rows of sums from `group * GROUP` on are the caller's; the
                // lengths of a band count exactly its indices and values, each index a column of
                // its panel, and lists of rows past the last are empty.
                unsafe {
                    let from = sums.carry.add(group * GROUP * width);
                    let to = to.add(group * GROUP * stride);
                    let mut acc = [[simd.splat_f32s(0.0); T]; GROUP];
                    if panel > 0 {
                        for row in 0..GROUP {
                            if row < members {
                                for t in 0..T {
                                    acc[row][t] =
                                        load::<S>(from.add(row * width + t * S::F32_LANES));
                                }
                            }
                        }
                    }
                    macro_rules! add {
                        ($($subset:literal)*) => {$(
                            add_list::<S, T, $subset>(
                                simd, lengths[$subset - 1], x, &mut index, &mut value, &mut acc,
                            );
                        )*};
                    }
                    add!(1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
                    for row in 0..GROUP {
                        if row < members {
                            for t in 0..T {
                                store::<S>(to.add(row * stride + t * S::F32_LANES), acc[row][t]);
                            }
                        }
                    }
                }
            }
        }
    }
}

impl Slots for Lists {
    fn for_each_slot(&self, visit: &mut dyn FnMut(usize, usize, usize)) {
        let mut lengths = self.lengths.iter();
        let (mut index, mut slot) = (0, 0);
        for band in &self.bands {
            for panel in 0..self.panel_count() {
                for (first, lengths) in band.clone().step_by(GROUP).zip(&mut lengths) {
                    for (subset, &length) in (1..).zip(lengths) {
                        for _ in 0..length {
                            let column = panel * self.width + usize::from(self.indices[index]);
                            index += 1;
                            for row in (0..GROUP).filter(|row| subset >> row & 1 == 1) {
                                visit(first + row, column, slot);
                                slot += 1;
                            }
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
            + size_of_val(&self.lengths[..])
            + size_of_val(&self.indices[..])
            + size_of_val(&self.values[..])
    }
}
