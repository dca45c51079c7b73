//! Count-sorted panels: the order of storage that panels of a matrix and of a convolution share.
//!
//! Within a panel of columns the rows of a band stand in the order of how many weights they have
//! there: runs of rows then share one trip count, and the processor predicts the loop's end.

use std::ops::Range;

use num_traits::AsPrimitive;

use crate::csr::Csr;
use crate::slots::Unpacked;

/// Rows in a row with the same number of weights in a panel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) weights: u16,
    pub(crate) rows: u16,
}

/// Where the parts of one panel of one band begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Start {
    run: usize,
    row: usize,
    slot: usize,
}

/// The panels of all bands, one after the other; `I` is a column's place within its panel.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sorted<I> {
    /// Panels of a band.
    panels: usize,
    /// Columns of a panel.
    width: usize,
    /// By band, then panel; one more at the end.
    starts: Vec<Start>,
    runs: Vec<Run>,
    /// Row within its band.
    rows: Vec<u16>,
    places: Vec<I>,
}

/// One panel of one band: `runs` count exactly the `rows`, and their weights exactly the `places`
/// and `slots`.
#[derive(Debug, Clone)]
pub(crate) struct Part<'a, I> {
    pub(crate) runs: &'a [Run],
    pub(crate) rows: &'a [u16],
    pub(crate) places: &'a [I],
    pub(crate) slots: Range<usize>,
}

impl<I: AsPrimitive<usize>> Sorted<I>
where
    usize: AsPrimitive<I>,
{
    /// Nothing yet, of `panels` panels of `width` columns, whose places `I` can tell apart; neither a
    /// panel's columns nor the rows of a band are more than `u16::MAX`.
    pub(crate) fn new(panels: usize, width: usize) -> Self {
        assert!(width <= usize::from(u16::MAX));
        let start = Start {
            run: 0,
            row: 0,
            slot: 0,
        };
        Self {
            panels,
            width,
            starts: vec![start],
            runs: Vec::new(),
            rows: Vec::new(),
            places: Vec::new(),
        }
    }

    /// Appends the rows of the next band, and the entry of each slot to `slots`.
    pub(crate) fn pack_band(&mut self, csr: &Csr, band: Range<usize>, slots: &mut Vec<u32>) {
        let mut unpacked = Unpacked::new(csr, band);
        for panel in 0..self.panels {
            self.pack_panel(csr, panel, &mut unpacked, slots);
            self.starts.push(Start {
                run: self.runs.len(),
                row: self.rows.len(),
                slot: self.places.len(),
            });
        }
    }

    fn pack_panel(
        &mut self,
        csr: &Csr,
        panel: usize,
        unpacked: &mut Unpacked<'_>,
        slots: &mut Vec<u32>,
    ) {
        let first = panel * self.width;
        let mut rows: Vec<(usize, Range<usize>)> = (0..unpacked.rows())
            .map(|row| (row, unpacked.take(row, first + self.width)))
            .collect();
        rows.sort_by_key(|(row, entries)| (entries.len(), *row));
        let open = self.runs.len();
        for (row, entries) in rows {
            let weights = entries.len() as u16;
            if weights == 0 && !self.visits_empty_rows(panel) {
                continue;
            }
            match self.runs[open..].last_mut() {
                Some(run) if run.weights == weights => run.rows += 1,
                _ => self.runs.push(Run { weights, rows: 1 }),
            }
            self.rows.push(row as u16);
            let columns = &csr.indices()[entries.clone()];
            let places = columns
                .iter()
                .map(|&column| (column as usize - first).as_());
            self.places.extend(places);
            slots.extend(entries.start as u32..entries.end as u32);
        }
    }

    /// The first panel also sets the sums of rows that have nothing in it, and the last hands them
    /// on.
    fn visits_empty_rows(&self, panel: usize) -> bool {
        panel == 0 || panel + 1 == self.panels
    }

    /// Bytes that the bands of `csr` take when packed.
    pub(crate) fn bytes_of(
        csr: &Csr,
        bands: impl Iterator<Item = Range<usize>>,
        panels: usize,
        width: usize,
    ) -> usize {
        let empty = Self::new(panels, width);
        let (mut starts, mut runs, mut rows) = (1, 0, 0);
        let mut counts = vec![0_usize; width + 1];
        for band in bands {
            let mut unpacked = Unpacked::new(csr, band.clone());
            starts += panels;
            for panel in 0..panels {
                // How many rows have each number of weights.
                counts.fill(0);
                for row in 0..band.len() {
                    counts[unpacked.take(row, (panel + 1) * width).len()] += 1;
                }
                let visited = &counts[usize::from(!empty.visits_empty_rows(panel))..];
                runs += visited.iter().filter(|&&count| count > 0).count();
                rows += visited.iter().sum::<usize>();
            }
        }
        starts * size_of::<Start>()
            + runs * size_of::<Run>()
            + rows * size_of::<u16>()
            + csr.nnz() * size_of::<I>()
    }

    /// Bytes that it takes.
    pub(crate) fn bytes(&self) -> usize {
        size_of_val(&self.starts[..])
            + size_of_val(&self.runs[..])
            + size_of_val(&self.rows[..])
            + size_of_val(&self.places[..])
    }

    /// Panels of a band.
    pub(crate) fn panels(&self) -> usize {
        self.panels
    }

    /// Columns of a panel.
    pub(crate) fn width(&self) -> usize {
        self.width
    }

    /// Most slots of a part.
    pub(crate) fn longest_part(&self) -> usize {
        let parts = self.starts.windows(2);
        parts
            .map(|part| part[1].slot - part[0].slot)
            .max()
            .unwrap_or(0)
    }

    #[inline(always)]
    pub(crate) fn part(&self, band: usize, panel: usize) -> Part<'_, I> {
        let at = band * self.panels + panel;
        let (start, end) = (self.starts[at], self.starts[at + 1]);
        Part {
            runs: &self.runs[start.run..end.run],
            rows: &self.rows[start.row..end.row],
            places: &self.places[start.slot..end.slot],
            slots: start.slot..end.slot,
        }
    }

    /// Calls `visit(row, column, slot)` for every weight of a band that begins at row `first`.
    pub(crate) fn for_each_slot(
        &self,
        band: usize,
        first: usize,
        visit: &mut dyn FnMut(usize, usize, usize),
    ) {
        for panel in 0..self.panels {
            let part = self.part(band, panel);
            let (mut rows, mut slots) = (part.rows.iter(), part.places.iter().zip(part.slots));
            for run in part.runs {
                for &row in rows.by_ref().take(usize::from(run.rows)) {
                    for (&place, slot) in slots.by_ref().take(usize::from(run.weights)) {
                        visit(
                            first + usize::from(row),
                            panel * self.width + place.as_(),
                            slot,
                        );
                    }
                }
            }
        }
    }
}
