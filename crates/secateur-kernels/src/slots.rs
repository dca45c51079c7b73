//! What every packed format can tell of itself: where each stored value belongs.

use std::ops::Range;

use crate::csr::Csr;
use crate::error::KernelError;

/// The entry of a slot that holds no weight.
pub(crate) const PADDING: u32 = u32::MAX;

/// Refuses more weights than entries can be told apart: a position is a `u32`, one of which marks
/// padding.
pub(crate) fn check_entries(csr: &Csr) -> Result<(), KernelError> {
    if csr.nnz() >= PADDING as usize {
        return Err(KernelError::Overflow {
            what: "the position of a weight",
        });
    }
    Ok(())
}

/// A packed matrix as a set of slots, each the place of one weight or padding.
pub(crate) trait Slots {
    /// Calls `visit(row, column, slot)` for every weight, once each, in the order of storage.
    /// Padding is not visited.
    fn for_each_slot(&self, visit: &mut dyn FnMut(usize, usize, usize));

    /// Bytes of everything stored but the values.
    fn bytes(&self) -> usize;
}

/// A packed matrix as compressed rows, with the value that `value` finds in each slot.
pub(crate) fn to_csr(
    slots: &(impl Slots + ?Sized),
    [rows, columns]: [usize; 2],
    value: impl Fn(usize) -> f32,
) -> Csr {
    let mut starts = vec![0_usize; rows + 1];
    slots.for_each_slot(&mut |row, _, _| starts[row + 1] += 1);
    for row in 0..rows {
        starts[row + 1] += starts[row];
    }
    let mut next = starts.clone();
    let mut entries = vec![(0_u32, 0.0_f32); starts[rows]];
    slots.for_each_slot(&mut |row, column, slot| {
        entries[next[row]] = (column as u32, value(slot));
        next[row] += 1;
    });
    for row in 0..rows {
        entries[starts[row]..starts[row + 1]].sort_unstable_by_key(|&(column, _)| column);
    }
    let (indices, values) = entries.into_iter().unzip();
    Csr::from_parts([rows, columns], starts, indices, values)
}

/// For each slot that holds a weight, `(slot, entry)` with the entry of `csr` it belongs to.
pub(crate) fn origins(slots: &(impl Slots + ?Sized), csr: &Csr) -> Vec<(usize, usize)> {
    let mut origins = Vec::with_capacity(csr.nnz());
    slots.for_each_slot(&mut |row, column, slot| {
        let range = csr.starts()[row]..csr.starts()[row + 1];
        if let Ok(at) = csr.indices()[range.clone()].binary_search(&(column as u32)) {
            origins.push((slot, range.start + at));
        }
    });
    origins
}

/// The entries of each row of a band that are still to be packed, panel by panel.
#[derive(Debug)]
pub(crate) struct Unpacked<'a> {
    csr: &'a Csr,
    first: usize,
    /// By row of the band: its first entry not yet taken.
    next: Vec<usize>,
}

impl<'a> Unpacked<'a> {
    pub(crate) fn new(csr: &'a Csr, band: Range<usize>) -> Self {
        Self {
            csr,
            first: band.start,
            next: csr.starts()[band].to_vec(),
        }
    }

    /// Rows of the band.
    pub(crate) fn rows(&self) -> usize {
        self.next.len()
    }

    /// Takes the entries of the band's row `row` below column `end`.
    pub(crate) fn take(&mut self, row: usize, end: usize) -> Range<usize> {
        let start = self.next[row];
        let rest = &self.csr.indices()[start..self.csr.starts()[self.first + row + 1]];
        self.next[row] += rest.partition_point(|&column| (column as usize) < end);
        start..self.next[row]
    }
}
