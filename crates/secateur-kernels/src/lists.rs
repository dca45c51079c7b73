//! Four-row lists: moderate unstructured sparsity (50 to 75 %) against a batch.
//!
//! Four rows are taken together and the columns of a panel sorted into fifteen lists by *which*
//! of the four have a weight there. Each list has a loop of its own with fixed accumulators, so a
//! vector of X is loaded once for all the rows that use it, with no branch a column.

use std::ops::Range;

use pulp::Simd;

use crate::bands::{Banded, Bands};
use crate::csr::Csr;
use crate::isa::Isa;
use crate::size::Size;
use crate::slots::{Slots, Unpacked};
use crate::tile::{Part, TileProduct};
use crate::vector::load;

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
    width: usize,
    bands: Bands,
    /// By band, then panel: where its indices and values begin; one more at the end.
    starts: Vec<(usize, usize)>,
    /// By band, panel and group: the length of each list.
    lengths: Vec<[u8; LISTS]>,
    /// Column within its panel. To each belongs one value for each row of its subset, first row
    /// first.
    indices: Vec<u8>,
}

/// What four rows have in a column.
#[derive(Debug, Clone, Copy, Default)]
struct Column {
    /// The rows that have a weight, the first as the lowest bit.
    subset: u8,
    /// Their entries.
    entries: [u32; GROUP],
}

/// How the rows of `csr` are cut.
fn bands_of(csr: &Csr) -> Bands {
    Bands::by_weights(csr, GROUP, BAND)
}

impl Lists {
    /// Packs `csr` into panels of `width` columns, at most [`MAX_PANEL`], and appends the entry of
    /// each slot to `slots`.
    pub(crate) fn pack(csr: &Csr, width: usize, slots: &mut Vec<u32>) -> Self {
        let mut lists = Self {
            width: width.clamp(1, MAX_PANEL),
            bands: bands_of(csr),
            starts: Vec::new(),
            lengths: Vec::new(),
            indices: Vec::new(),
        };
        slots.reserve(csr.nnz());
        let mut columns = vec![Column::default(); lists.width];
        let bands: Vec<Range<usize>> = lists.bands.iter().collect();
        for band in bands {
            let mut unpacked = Unpacked::new(csr, band.clone());
            for panel in 0..lists.panel_count() {
                lists.starts.push((lists.indices.len(), slots.len()));
                let first = panel * lists.width;
                for group in (0..band.len()).step_by(GROUP) {
                    for row in group..(group + GROUP).min(band.len()) {
                        for entry in unpacked.take(row, first + lists.width) {
                            let column = &mut columns[csr.indices()[entry] as usize - first];
                            column.subset |= 1 << (row - group);
                            column.entries[row - group] = entry as u32;
                        }
                    }
                    lists.pack_group(&mut columns, slots);
                }
            }
        }
        lists.starts.push((lists.indices.len(), slots.len()));
        lists
    }

    /// The size of `csr` when packed.
    pub(crate) fn size_of(csr: &Csr, width: usize) -> Size {
        let [m, k] = csr.shape();
        let bands = bands_of(csr);
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
        let structure = bands.bytes()
            + (bands.count() * panels + 1) * size_of::<(usize, usize)>()
            + m.div_ceil(GROUP) * panels * LISTS
            + indices;
        Size {
            structure,
            slots: csr.nnz(),
        }
    }

    /// Appends one group's part of a panel, and empties its columns.
    fn pack_group(&mut self, columns: &mut [Column], slots: &mut Vec<u32>) {
        let mut lengths = [0; LISTS + 1];
        for column in &*columns {
            lengths[usize::from(column.subset)] += 1_u8;
        }
        // Where the next index and value of each list go.
        let mut next = [(0, 0); LISTS + 1];
        let mut end = (self.indices.len(), slots.len());
        for (subset, next) in next.iter_mut().enumerate().skip(1) {
            *next = end;
            let length = usize::from(lengths[subset]);
            end = (
                end.0 + length,
                end.1 + length * subset.count_ones() as usize,
            );
        }
        self.indices.resize(end.0, 0);
        slots.resize(end.1, 0);
        for (at, column) in columns.iter_mut().enumerate() {
            if column.subset == 0 {
                continue;
            }
            let (index, slot) = &mut next[usize::from(column.subset)];
            self.indices[*index] = at as u8;
            *index += 1;
            for row in (0..GROUP).filter(|row| column.subset >> row & 1 == 1) {
                slots[*slot] = column.entries[row];
                *slot += 1;
            }
            column.subset = 0;
        }
        let [_, lengths @ ..] = lengths;
        self.lengths.push(lengths);
    }

    fn panel_count(&self) -> usize {
        self.bands.shape()[1].div_ceil(self.width)
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

impl Banded for Lists {
    fn bands(&self) -> &Bands {
        &self.bands
    }

    fn longest_part(&self) -> usize {
        let parts = self.starts.windows(2);
        parts.map(|part| part[1].1 - part[0].1).max().unwrap_or(0)
    }
}

impl TileProduct for Lists {
    fn vectors(&self, isa: Isa) -> usize {
        // Four rows of accumulators, the vectors of X and a weight have to fit the registers.
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
        let width = T * S::F32_LANES;
        let panels = self.panel_count();
        let rows = self.bands.rows(band);
        let groups = rows.len().div_ceil(GROUP);
        // Bands but the last are whole groups, so the groups before this band are known.
        let before = rows.start / GROUP * panels;
        let mut lengths = self.lengths[before..before + groups * panels].iter();
        for panel in 0..panels {
            let at = band * panels + panel;
            let (start, end) = (self.starts[at], self.starts[at + 1]);
            let mut index = self.indices[start.0..end.0].as_ptr();
            let mut value = weights.of(start.1..end.1).as_ptr();
            // SAFETY: the panel begins within the tile.
            let x = unsafe { x.add(panel * self.width * width) };
            let sums = sums.of_panel(panel, panels);
            for group in 0..groups {
                let Some(lengths) = lengths.next() else {
                    return;
                };
                let members = GROUP.min(rows.len() - group * GROUP);
                // SAFETY: `members` rows of sums from `group * GROUP` on are the caller's; the
                // lengths of a panel count exactly its indices and values, each index a column of
                // its panel, and lists of rows past the last are empty.
                unsafe {
                    let nth = group * GROUP;
                    let mut acc = sums.load::<S, T, GROUP>(simd, nth, members);
                    macro_rules! add {
                        ($($subset:literal)*) => {$(
                            add_list::<S, T, $subset>(
                                simd, lengths[$subset - 1], x, &mut index, &mut value, &mut acc,
                            );
                        )*};
                    }
                    add!(1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
                    sums.store::<S, T, GROUP>(nth, acc, members);
                }
            }
        }
    }
}

impl Slots for Lists {
    fn for_each_slot(&self, visit: &mut dyn FnMut(usize, usize, usize)) {
        let mut lengths = self.lengths.iter();
        let (mut index, mut slot) = (0, 0);
        for band in self.bands.iter() {
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

    fn bytes(&self) -> usize {
        self.bands.bytes()
            + size_of_val(&self.starts[..])
            + size_of_val(&self.lengths[..])
            + size_of_val(&self.indices[..])
    }
}
