//! Count-sorted panels: unstructured sparsity against a batch.
//!
//! The columns of W are cut into panels of at most 256, so that a panel's rows of X stay in the
//! first-level cache and a column index fits a byte. Within a panel the rows of a band are put in
//! the order of how many weights they have there: runs of rows then share one trip count, and
//! the processor predicts the loop's end. A sum is carried in Y from panel to panel.

use std::ops::Range;

use pulp::Simd;

use crate::bands::{Banded, Bands};
use crate::csr::Csr;
use crate::isa::Isa;
use crate::size::Size;
use crate::slots::{Slots, Unpacked};
use crate::tile::{Sums, TileProduct};
use crate::values::Weights;
use crate::vector::{load, store};

/// Most columns of a panel: an index is a byte.
pub(crate) const MAX_PANEL: usize = 256;

/// Most rows of a band: its sums, 64 columns wide, then fill 64 KiB.
const BAND: usize = 256;

/// Rows in a row with the same number of weights in a panel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Run {
    weights: u16,
    rows: u16,
}

/// Where the parts of one panel of one band begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Start {
    run: usize,
    row: usize,
    value: usize,
}

/// A matrix in count-sorted panels.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Panels {
    /// Columns of a panel.
    width: usize,
    bands: Bands,
    /// By band, then panel; one more at the end.
    starts: Vec<Start>,
    runs: Vec<Run>,
    /// Row within its band.
    rows: Vec<u16>,
    /// Column within its panel.
    indices: Vec<u8>,
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
        let mut panels = Self {
            width: width.clamp(1, MAX_PANEL),
            bands: bands_of(csr),
            starts: Vec::new(),
            runs: Vec::new(),
            rows: Vec::new(),
            indices: Vec::with_capacity(csr.nnz()),
        };
        let bands: Vec<Range<usize>> = panels.bands.iter().collect();
        for band in bands {
            let mut unpacked = Unpacked::new(csr, band.clone());
            for panel in 0..panels.panel_count() {
                panels.starts.push(panels.end());
                panels.pack_panel(csr, band.len(), panel, &mut unpacked, slots);
            }
        }
        panels.starts.push(panels.end());
        panels
    }

    /// The size of `csr` when packed.
    pub(crate) fn size_of(csr: &Csr, width: usize) -> Size {
        let width = width.clamp(1, MAX_PANEL);
        let panels = csr.shape()[1].div_ceil(width);
        let bands = bands_of(csr);
        let (mut runs, mut rows) = (0, 0);
        for band in bands.iter() {
            // How many rows have each number of weights, panel by panel.
            let mut counts = vec![0_u16; panels * (width + 1)];
            for row in band.clone() {
                let columns = &csr.indices()[csr.starts()[row]..csr.starts()[row + 1]];
                let mut rest = columns;
                for panel in 0..panels {
                    let last = (panel + 1) * width;
                    let inside = rest.partition_point(|&column| (column as usize) < last);
                    counts[panel * (width + 1) + inside] += 1;
                    rest = &rest[inside..];
                }
            }
            for (panel, counts) in counts.chunks_exact(width + 1).enumerate() {
                let inner = panel > 0 && panel + 1 < panels;
                for &count in &counts[usize::from(inner)..] {
                    runs += usize::from(count > 0);
                    rows += usize::from(count);
                }
            }
        }
        let structure = bands.bytes()
            + (bands.count() * panels + 1) * size_of::<Start>()
            + runs * size_of::<Run>()
            + rows * size_of::<u16>()
            + csr.nnz() * size_of::<u8>();
        Size {
            structure,
            slots: csr.nnz(),
        }
    }

    /// Appends one panel of a band of `rows` rows.
    fn pack_panel(
        &mut self,
        csr: &Csr,
        rows: usize,
        panel: usize,
        unpacked: &mut Unpacked<'_>,
        slots: &mut Vec<u32>,
    ) {
        let first = panel * self.width;
        let mut rows: Vec<(usize, Range<usize>)> = (0..rows)
            .map(|row| (row, unpacked.take(row, first + self.width)))
            .collect();
        rows.sort_by_key(|(row, entries)| (entries.len(), *row));
        for (row, entries) in rows {
            let weights = entries.len() as u16;
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
                self.indices
                    .push((csr.indices()[entry] as usize - first) as u8);
                slots.push(entry as u32);
            }
        }
    }

    fn end(&self) -> Start {
        Start {
            run: self.runs.len(),
            row: self.rows.len(),
            value: self.indices.len(),
        }
    }

    fn panel_count(&self) -> usize {
        self.bands.shape()[1].div_ceil(self.width)
    }
}

impl Banded for Panels {
    fn bands(&self) -> &Bands {
        &self.bands
    }

    fn longest_part(&self) -> usize {
        let parts = self.starts.windows(2);
        parts
            .map(|part| part[1].value - part[0].value)
            .max()
            .unwrap_or(0)
    }
}

impl TileProduct for Panels {
    fn vectors(&self, _: Isa) -> usize {
        4
    }

    #[inline(always)]
    unsafe fn multiply<S: Simd, const T: usize>(
        &self,
        simd: S,
        band: usize,
        weights: &mut Weights<'_>,
        x: *const f32,
        sums: Sums,
    ) {
        let width = T * S::F32_LANES;
        let panels = self.panel_count();
        for panel in 0..panels {
            let start = self.starts[band * panels + panel];
            let end = self.starts[band * panels + panel + 1];
            let mut row = self.rows[start.row..end.row].as_ptr();
            let mut index = self.indices[start.value..end.value].as_ptr();
            let mut value = weights.of(start.value..end.value).as_ptr();
            // SAFETY: `pack` cut the columns into panels, so this one begins within the tile.
            let x = unsafe { x.add(panel * self.width * width) };
            let (to, stride) = if panel + 1 < panels {
                (sums.carry, width)
            } else {
                (sums.out, sums.stride)
            };
            for run in &self.runs[start.run..end.run] {
                for _ in 0..run.rows {
                    // SAFETY: the runs of a panel count exactly its rows, and their weights
                    // exactly its indices and values (`pack` wrote them together), so the three pointers stay within their slices;
                    // an index is a column of this panel, below `k`, so the vectors loaded lie
                    // in the tile; a row is within the band, so the sums are the caller's.
                    unsafe {
                        let from = sums.carry.add(usize::from(*row) * width);
                        let to = to.add(usize::from(*row) * stride);
                        row = row.add(1);
                        let mut acc = [simd.splat_f32s(0.0); T];
                        if panel > 0 {
                            for t in 0..T {
                                acc[t] = load::<S>(from.add(t * S::F32_LANES));
                            }
                        }
                        for _ in 0..run.weights {
                            let weight = simd.splat_f32s(*value);
                            let x = x.add(usize::from(*index) * width);
                            for t in 0..T {
                                let v = load::<S>(x.add(t * S::F32_LANES));
                                acc[t] = simd.mul_add_e_f32s(weight, v, acc[t]);
                            }
                            value = value.add(1);
                            index = index.add(1);
                        }
                        for t in 0..T {
                            store::<S>(to.add(t * S::F32_LANES), acc[t]);
                        }
                    }
                }
            }
        }
    }
}

impl Slots for Panels {
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
                            visit(
                                row,
                                panel * self.width + usize::from(self.indices[slot]),
                                slot,
                            );
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
            + size_of_val(&self.runs[..])
            + size_of_val(&self.rows[..])
            + size_of_val(&self.indices[..])
    }
}
