//! What every packed format can tell of itself: where each stored value belongs.

use crate::csr::Csr;

/// A packed matrix as a set of slots, each the place of one weight.
pub(crate) trait Slots {
    /// Calls `visit(row, column, slot)` for every weight, once each, in the order of storage.
    /// Padding is not visited.
    fn for_each_slot(&self, visit: &mut dyn FnMut(usize, usize, usize));

    /// The stored values, padding included.
    fn values(&self) -> &[f32];

    /// The same, to be changed; padding must stay zero.
    fn values_mut(&mut self) -> &mut [f32];

    /// Bytes of everything stored.
    fn bytes(&self) -> usize;
}

/// The weights of a packed matrix as compressed rows.
pub(crate) fn to_csr(slots: &(impl Slots + ?Sized), [rows, columns]: [usize; 2]) -> Csr {
    let mut starts = vec![0_usize; rows + 1];
    slots.for_each_slot(&mut |row, _, _| starts[row + 1] += 1);
    for row in 0..rows {
        starts[row + 1] += starts[row];
    }
    let mut next = starts.clone();
    let mut entries = vec![(0_u32, 0.0_f32); starts[rows]];
    slots.for_each_slot(&mut |row, column, slot| {
        entries[next[row]] = (column as u32, slots.values()[slot]);
        next[row] += 1;
    });
    for row in 0..rows {
        entries[starts[row]..starts[row + 1]].sort_unstable_by_key(|&(column, _)| column);
    }
    let (indices, values) = entries.into_iter().unzip();
    Csr::from_parts([rows, columns], starts, indices, values)
}

/// For each slot that holds a weight, `(slot, entry)` with the entry of `csr` it belongs to.
pub(crate) fn origins(slots: &(impl Slots + ?Sized), csr: &Csr) -> Vec<(u32, u32)> {
    let mut origins = Vec::with_capacity(csr.nnz());
    slots.for_each_slot(&mut |row, column, slot| {
        let range = csr.starts()[row]..csr.starts()[row + 1];
        if let Ok(at) = csr.indices()[range.clone()].binary_search(&(column as u32)) {
            origins.push((slot as u32, (range.start + at) as u32));
        }
    });
    origins
}
