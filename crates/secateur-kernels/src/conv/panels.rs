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
use crate::vector::{load, store};

use super::geometry::ConvGeometry;
use super::plane::{MAX_VECTORS, Tiling};
use super::run::Finish;

/// Most rows of a band: the unit of work that threads share.
const BAND: usize = 128;

/// Rows in a row with the same number of weights in a panel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Run {
    weights: u32,
    rows: u32,
}

/// Where the parts of one panel of one band begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Start {
    run: usize,
    row: usize,
    value: usize,
}

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
    /// By band, then panel; one more at the end.
    starts: Vec<Start>,
    runs: Vec<Run>,
    /// Row within its band.
    rows: Vec<u16>,
    /// Channel within its panel, times the taps, plus the tap.
    places: Vec<u16>,
    values: Vec<f32>,
}

impl ConvPanels {
    /// Packs `csr`, of the shape of `geometry`'s matrix, into panels of about `width` channels.
    pub(crate) fn pack(csr: &Csr, geometry: &ConvGeometry, width: usize, tiling: Tiling) -> Self {
        let [group_rows, group_channels] = geometry.group_channels();
        let taps = geometry.taps();
        let most = ((1 << 16) / taps).clamp(1, group_channels);
        // Panels of equal width: a narrow last one would cost as much as a whole one.
        let wanted = group_channels.div_ceil(width.clamp(1, most));
        let mut panels = Self {
            group_rows,
            group_channels,
            taps,
            tiling,
            width: group_channels.div_ceil(wanted),
            bands: Vec::new(),
            group_bands: vec![0],
            starts: Vec::new(),
            runs: Vec::new(),
            rows: Vec::new(),
            places: Vec::with_capacity(csr.nnz()),
            values: Vec::with_capacity(csr.nnz()),
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
        for band in panels.bands.clone() {
            let mut next: Vec<usize> = band.clone().map(|row| csr.starts()[row]).collect();
            for panel in 0..panels.panel_count() {
                panels.starts.push(panels.end());
                panels.pack_panel(csr, &band, panel, &mut next);
            }
        }
        panels.starts.push(panels.end());
        panels
    }

    /// Appends one panel of one band; `next` holds each row's first entry not yet packed.
    fn pack_panel(&mut self, csr: &Csr, band: &Range<usize>, panel: usize, next: &mut [usize]) {
        let first = panel * self.width * self.taps;
        let last = first + self.width * self.taps;
        let mut rows: Vec<(usize, Range<usize>)> = (0..band.len())
            .map(|row| {
                let end = csr.starts()[band.start + row + 1];
                let inside = csr.indices()[next[row]..end]
                    .partition_point(|&column| (column as usize) < last);
                let entries = next[row]..next[row] + inside;
                next[row] = entries.end;
                (row, entries)
            })
            .collect();
        rows.sort_by_key(|(row, entries)| (entries.len(), *row));
        for (row, entries) in rows {
            let weights = entries.len() as u32;
            // The first panel also sets the sums of rows that have nothing in it, and the last
            // hands them on.
            if weights == 0 && panel > 0 && panel + 1 < self.panel_count() {
                continue;
            }
            let open = self.starts.last().map_or(0, |start| start.run);
            match self.runs[open..].last_mut() {
                Some(run) if run.weights == weights => run.rows += 1,
                _ => self.runs.push(Run { weights, rows: 1 }),
            }
            self.rows.push(row as u16);
            for entry in entries {
                self.places
                    .push((csr.indices()[entry] as usize - first) as u16);
                self.values.push(csr.values()[entry]);
            }
        }
    }

    fn end(&self) -> Start {
        Start {
            run: self.runs.len(),
            row: self.rows.len(),
            value: self.values.len(),
        }
    }

    /// Panels of a group.
    pub(crate) fn panel_count(&self) -> usize {
        self.group_channels.div_ceil(self.width)
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
        let at = band * self.panel_count() + panel;
        let (start, end) = (self.starts[at], self.starts[at + 1]);
        let mut row = self.rows[start.row..end.row].as_ptr();
        let mut place = self.places[start.value..end.value].as_ptr();
        let mut value = self.values[start.value..end.value].as_ptr();
        let width = T * S::F32_LANES;
        let last = panel + 1 == self.panel_count();
        let mut finished = [simd.splat_f32s(0.0); MAX_VECTORS + 1];
        let finished = finished.as_mut_ptr().cast::<f32>();
        for run in &self.runs[start.run..end.run] {
            for _ in 0..run.rows {
                // SAFETY: `pack` wrote the runs, rows, places and values of a panel together: the
                // runs count exactly its rows, and their weights exactly its places and values,
                // so the three pointers stay within their slices. A place is below
                // `width * taps`, the offsets asserted above, and its vectors are readable by
                // the caller's promise. A row is within the band, so its sums are the caller's. `finished` has room
                // for `T` vectors and one more.
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
        let panels = self.panel_count();
        for (band, rows) in self.bands.iter().enumerate() {
            for panel in 0..panels {
                let start = self.starts[band * panels + panel];
                let end = self.starts[band * panels + panel + 1];
                let (mut at, mut slot) = (start.row, start.value);
                for run in &self.runs[start.run..end.run] {
                    for _ in 0..run.rows {
                        let row = rows.start + usize::from(self.rows[at]);
                        at += 1;
                        for _ in 0..run.weights {
                            let first = panel * self.width * self.taps;
                            visit(row, first + usize::from(self.places[slot]), slot);
                            slot += 1;
                        }
                    }
                }
            }
        }
    }

    fn bytes(&self) -> usize {
        size_of_val(&self.bands[..])
            + size_of_val(&self.group_bands[..])
            + size_of_val(&self.starts[..])
            + size_of_val(&self.runs[..])
            + size_of_val(&self.rows[..])
            + size_of_val(&self.places[..])
    }
}
