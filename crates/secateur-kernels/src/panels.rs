//! Count-sorted panels: unstructured sparsity against a batch.
//!
//! The columns of W are cut into panels of at most 256, so that a panel's rows of X stay in the
//! first-level cache and a column index fits a byte. The rows of a band are [`Sorted`] panel by
//! panel. A sum is carried in Y from panel to panel.

use pulp::Simd;

use crate::bands::{Banded, Bands};
use crate::csr::Csr;
use crate::isa::Isa;
use crate::size::Size;
use crate::slots::Slots;
use crate::sorted::Sorted;
use crate::tile::{PanelSums, Part, TileProduct};
use crate::vector::load;

/// Most columns of a panel: an index is a byte.
pub(crate) const MAX_PANEL: usize = 256;

/// Most rows of a band: its sums, 64 columns wide, then fill 64 KiB.
const BAND: usize = 256;

/// A matrix in count-sorted panels.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Panels {
    bands: Bands,
    /// Places are columns within their panel.
    sorted: Sorted<u8>,
}

/// The panel width for a density of weights. A narrow panel leaves the first-level cache room;
/// when few weights are left a wide one pays, for then carrying the sums from panel to panel is
/// most of the work.
pub(crate) fn panel_width(density: f64) -> usize {
    if density > 0.07 { 128 } else { MAX_PANEL }
}

/// How the rows of `csr` are cut.
fn bands_of(csr: &Csr) -> Bands {
    Bands::by_weights(csr, 1, BAND)
}

impl Panels {
    /// Packs `csr` into panels of `width` columns, at most [`MAX_PANEL`], and appends the entry of
    /// each slot to `slots`.
    pub(crate) fn pack(csr: &Csr, width: usize, slots: &mut Vec<u32>) -> Self {
        let width = width.clamp(1, MAX_PANEL);
        let bands = bands_of(csr);
        let mut sorted = Sorted::new(csr.shape()[1].div_ceil(width), width);
        for band in bands.iter() {
            sorted.pack_band(csr, band, slots);
        }
        Self { bands, sorted }
    }

    /// The size of `csr` when packed.
    pub(crate) fn size_of(csr: &Csr, width: usize) -> Size {
        let width = width.clamp(1, MAX_PANEL);
        let bands = bands_of(csr);
        let panels = csr.shape()[1].div_ceil(width);
        Size {
            structure: bands.bytes() + Sorted::<u8>::bytes_of(csr, bands.iter(), panels, width),
            slots: csr.nnz(),
        }
    }
}

impl Banded for Panels {
    fn bands(&self) -> &Bands {
        &self.bands
    }

    fn longest_part(&self) -> usize {
        self.sorted.longest_part()
    }
}

impl TileProduct for Panels {
    fn vectors(&self, _: Isa) -> usize {
        4
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
        let panels = self.sorted.panels();
        for panel in 0..panels {
            let part = self.sorted.part(band, panel);
            let sums = sums.of_panel(panel, panels);
            let mut row = part.rows.as_ptr();
            let mut index = part.places.as_ptr();
            let mut value = weights.of(part.slots).as_ptr();
            // SAFETY: the columns were cut into panels, so this one begins within the tile.
            let x = unsafe { x.add(panel * self.sorted.width() * width) };
            for run in part.runs {
                let weights = usize::from(run.weights);
                let mut left = usize::from(run.rows);
                // A sum that waits for itself leaves the processor idle: where a tile has few
                // vectors, rows of equally many weights are summed side by side.
                while left > 0 {
                    let count = match T {
                        1 if left >= 4 => 4,
                        1 | 2 if left >= 2 => 2,
                        _ => 1,
                    };
                    // SAFETY: the runs of a panel count exactly its rows, and their weights exactly
                    // its places and slots, so the three pointers stay within their slices; a
                    // place is a column of this panel, below `k`, so the vectors loaded lie in
                    // the tile; a row is within the band, so the sums are the caller's.
                    unsafe {
                        match count {
                            4 => add_rows::<S, T, 4>(simd, weights, row, index, value, x, sums),
                            2 => add_rows::<S, T, 2>(simd, weights, row, index, value, x, sums),
                            _ => add_rows::<S, T, 1>(simd, weights, row, index, value, x, sums),
                        }
                        row = row.add(count);
                        index = index.add(count * weights);
                        value = value.add(count * weights);
                    }
                    left -= count;
                }
            }
        }
    }
}

/// Adds what a panel holds for `R` rows of `weights` weights each.
///
/// # Safety
///
/// `R` rows of the band begin at `row`; `R * weights` columns of the panel and their values begin at
/// `index` and `value`; `x` is the panel's part of a tile of `T` vectors.
#[inline(always)]
unsafe fn add_rows<S: Simd, const T: usize, const R: usize>(
    simd: S,
    weights: usize,
    row: *const u16,
    index: *const u8,
    value: *const f32,
    x: *const f32,
    sums: PanelSums,
) {
    // SAFETY: the caller's promises.
    unsafe {
        let mut acc = [[simd.splat_f32s(0.0); T]; R];
        for r in 0..R {
            let nth = usize::from(*row.add(r));
            [acc[r]] = sums.load::<S, T, 1>(simd, nth, 1);
        }
        for at in 0..weights {
            for r in 0..R {
                let weight = simd.splat_f32s(*value.add(r * weights + at));
                let place = usize::from(*index.add(r * weights + at));
                let x = x.add(place * T * S::F32_LANES);
                for t in 0..T {
                    let v = load::<S>(x.add(t * S::F32_LANES));
                    acc[r][t] = simd.mul_add_e_f32s(weight, v, acc[r][t]);
                }
            }
        }
        for r in 0..R {
            let nth = usize::from(*row.add(r));
            sums.store::<S, T, 1>(nth, [acc[r]], 1);
        }
    }
}

impl Slots for Panels {
    fn for_each_slot(&self, visit: &mut dyn FnMut(usize, usize, usize)) {
        for (band, rows) in self.bands.iter().enumerate() {
            self.sorted.for_each_slot(band, rows.start, visit);
        }
    }

    fn bytes(&self) -> usize {
        self.bands.bytes() + self.sorted.bytes()
    }
}
