//! Sparse weights of a convolution: count-sorted panels of a few input channels.
//!
//! The input channels of a group are cut into panels, so that the pixels a panel sees stay in the
//! first-level cache. Within a panel the rows of a band are put in the order of how many weights
//! they have there: runs of rows share one trip count, and the processor predicts the loop's end.

use std::ops::Range;

use pulp::Simd;

use crate::bands::bands;
use crate::csr::Csr;
use crate::slots::Slots;
use crate::sorted::Sorted;
use crate::vector::{load, store};

use super::geometry::ConvGeometry;
use super::plane::{MAX_VECTORS, Tiling};
use super::run::Finish;

/// Most rows of a band: the unit of work that threads share.
const BAND: usize = 128;

/// The weights of a convolution in count-sorted panels.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ConvPanels {
    /// Output channels of a group.
    group_rows: usize,
    /// Input channels of a group.
    group_channels: usize,
    taps: usize,
    /// How its images are best cut and copied.
    tiling: Tiling,
    /// Input channels of a panel.
    width: usize,
    /// Output channels of each band, in order; a band lies within one group.
    bands: Vec<Range<usize>>,
    /// By group: its first band; one more at the end.
    group_bands: Vec<usize>,
    /// A place is a channel within its panel, times the taps, plus the tap.
    sorted: Sorted<u16>,
    values: Vec<f32>,
}

impl ConvPanels {
    /// Packs `csr`, of the shape of `geometry`'s matrix, into panels of about `width` channels.
    pub(crate) fn pack(csr: &Csr, geometry: &ConvGeometry, width: usize, tiling: Tiling) -> Self {
        let [group_rows, group_channels] = geometry.group_channels();
        let taps = geometry.taps();
        let most = (usize::from(u16::MAX) / taps).clamp(1, group_channels);
        // Panels of equal width: a narrow last one would cost as much as a whole one.
        let wanted = group_channels.div_ceil(width.clamp(1, most));
        let width = group_channels.div_ceil(wanted);
        let mut panels = Self {
            group_rows,
            group_channels,
            taps,
            tiling,
            width,
            bands: Vec::new(),
            group_bands: vec![0],
            sorted: Sorted::new(group_channels.div_ceil(width), width * taps),
            values: Vec::new(),
        };
        for group in 0..geometry.group_count() {
            let first = group * group_rows;
            let weight = |row: usize| csr.row_nnz(first + row) + 1;
            // Two bands at least where the rows are many, for two threads to share an image.
            let most = BAND.min(group_rows.div_ceil(2).next_multiple_of(16));
            panels.bands.extend(
                bands(weight, group_rows, 1, most)
                    .into_iter()
                    .map(|band| first + band.start..first + band.end),
            );
            panels.group_bands.push(panels.bands.len());
        }
        let mut slots = Vec::with_capacity(csr.nnz());
        for band in &panels.bands {
            panels.sorted.pack_band(csr, band.clone(), &mut slots);
        }
        let values = slots.iter().map(|&entry| csr.values()[entry as usize]);
        panels.values = values.collect();
        panels
    }

    /// Panels of a group.
    pub(crate) fn panel_count(&self) -> usize {
        self.sorted.panels()
    }

    /// How its images are best cut and copied.
    pub(crate) fn tiling(&self) -> Tiling {
        self.tiling
    }

    /// Input channels of a panel; the last has perhaps fewer.
    pub(crate) fn width(&self) -> usize {
        self.width
    }

    /// The input channels of a panel of a group.
    pub(crate) fn channels(&self, group: usize, panel: usize) -> Range<usize> {
        let first = group * self.group_channels;
        let start = panel * self.width;
        first + start..first + (start + self.width).min(self.group_channels)
    }

    /// Output channels of each band.
    pub(crate) fn bands(&self) -> &[Range<usize>] {
        &self.bands
    }

    /// The bands of a group.
    pub(crate) fn group_bands(&self, group: usize) -> Range<usize> {
        self.group_bands[group]..self.group_bands[group + 1]
    }

    /// The group that a band belongs to.
    pub(crate) fn group_of(&self, band: usize) -> usize {
        self.bands[band].start / self.group_rows
    }

    /// Adds what one panel contributes to the sums of one band: `sums[row][..]`, `T` vectors a
    /// row, set by the first panel; the last panel finishes them instead.
    ///
    /// # Safety
    ///
    /// `offsets` holds, for each channel of a panel and each tap, where the `T` vectors it is
    /// multiplied with begin, counted from `x`; they are readable. `sums` has room for the rows
    /// of the band, ours alone.
    #[inline(always)]
    pub(crate) unsafe fn add_panel<S: Simd, const T: usize>(
        &self,
        simd: S,
        band: usize,
        panel: usize,
        offsets: &[u32],
        x: *const f32,
        sums: *mut f32,
        finish: &Finish<'_>,
    ) {
        assert!(T <= MAX_VECTORS);
        assert!(offsets.len() >= self.width * self.taps);
        let offsets = offsets.as_ptr();
        let part = self.sorted.part(band, panel);
        let mut row = part.rows.as_ptr();
        let mut place = part.places.as_ptr();
        let mut value = self.values[part.slots].as_ptr();
        let width = T * S::F32_LANES;
        let last = panel + 1 == self.panel_count();
        let mut finished = [simd.splat_f32s(0.0); MAX_VECTORS + 1];
        let finished = finished.as_mut_ptr().cast::<f32>();
        for run in part.runs {
            for _ in 0..run.rows {
                // SAFETY: the runs of a part count exactly its rows, and their weights exactly its
                // places and slots, so the three pointers stay within their slices. A place is
                // below `width * taps`, the offsets asserted above, and its vectors are readable
                // by the caller's promise. A row is within the band, so its sums are the
                // caller's. `finished` has room for `T` vectors and one more.
                unsafe {
                    let nth = usize::from(*row);
                    let sums = sums.add(nth * width);
                    row = row.add(1);
                    let mut acc = [simd.splat_f32s(0.0); T];
                    if panel > 0 {
                        for t in 0..T {
                            acc[t] = load::<S>(sums.add(t * S::F32_LANES));
                        }
                    }
                    for _ in 0..run.weights {
                        let weight = simd.splat_f32s(*value);
                        let x = x.add(*offsets.add(usize::from(*place)) as usize);
                        for t in 0..T {
                            let v = load::<S>(x.add(t * S::F32_LANES));
                            acc[t] = simd.mul_add_e_f32s(weight, v, acc[t]);
                        }
                        value = value.add(1);
                        place = place.add(1);
                    }
                    let to = if last { finished } else { sums };
                    for t in 0..T {
                        store::<S>(to.add(t * S::F32_LANES), acc[t]);
                    }
                    if last {
                        finish.row(simd, nth, finished);
                    }
                }
            }
        }
    }
}

impl ConvPanels {
    /// The stored values, padding included.
    pub(crate) fn values(&self) -> &[f32] {
        &self.values
    }

    /// The same, to be changed; padding must stay zero.
    pub(crate) fn values_mut(&mut self) -> &mut [f32] {
        &mut self.values
    }
}

impl Slots for ConvPanels {
    fn for_each_slot(&self, visit: &mut dyn FnMut(usize, usize, usize)) {
        for (band, rows) in self.bands.iter().enumerate() {
            self.sorted.for_each_slot(band, rows.start, visit);
        }
    }

    fn bytes(&self) -> usize {
        size_of_val(&self.bands[..]) + size_of_val(&self.group_bands[..]) + self.sorted.bytes()
    }
}
