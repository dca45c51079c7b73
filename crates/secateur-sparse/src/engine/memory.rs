//! Where the buffers of a run lie: values that are never needed at the same time share a place.

use std::ops::Range;

use super::plan::{BufferId, Home, Plan};

/// Floats of a cache line: every buffer starts at one.
pub(crate) const LINE: usize = 16;

/// The places of all buffers at one size of the batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Places {
    /// For each buffer its place; that of an input is empty.
    ranges: Vec<Range<usize>>,
    /// Floats in all.
    pub(crate) len: usize,
}

impl Places {
    /// Places for a batch of `further` entries more than the captured one, `None` where a size
    /// would be negative or too large.
    pub(crate) fn of(plan: &Plan, further: isize) -> Option<Self> {
        let mut lens = Vec::with_capacity(plan.buffers.len());
        for buffer in 0..plan.buffers.len() {
            lens.push(plan.len(buffer, further)?);
        }
        let slots = slots(plan, &lens);
        let mut ranges = vec![0..0; plan.buffers.len()];
        let mut placed: Vec<(usize, Range<usize>)> = Vec::new();
        let mut order: Vec<usize> = (0..slots.len()).collect();
        order.sort_by_key(|&slot| (std::cmp::Reverse(slots[slot].len), slot));
        let mut len = 0;
        for slot in order {
            let size = slots[slot].len.next_multiple_of(LINE);
            // The lowest gap between those that live at the same time.
            let mut taken: Vec<Range<usize>> = placed
                .iter()
                .filter(|(other, _)| slots[*other].meets(&slots[slot]))
                .map(|(_, range)| range.clone())
                .collect();
            taken.sort_by_key(|range| range.start);
            let mut start = 0;
            for range in taken {
                if start + size <= range.start {
                    break;
                }
                start = start.max(range.end);
            }
            len = len.max(start.checked_add(size)?);
            for &buffer in &slots[slot].buffers {
                ranges[buffer] = start..start + lens[buffer];
            }
            placed.push((slot, start..start + size));
        }
        Some(Self { ranges, len })
    }

    /// Where a buffer lies; an alias where what it stands for does.
    pub(crate) fn range(&self, plan: &Plan, buffer: BufferId) -> Range<usize> {
        match plan.buffers[buffer].home {
            Home::Alias(of) => self.ranges[of].clone(),
            Home::Input(_) | Home::Memory => self.ranges[buffer].clone(),
        }
    }
}

/// Buffers that lie at the same place, one after the other.
struct Slot {
    buffers: Vec<BufferId>,
    len: usize,
    /// The step that first writes it.
    first: usize,
    /// The last that reads it.
    last: usize,
}

impl Slot {
    fn meets(&self, other: &Self) -> bool {
        self.first <= other.last && other.first <= self.last
    }
}

fn slots(plan: &Plan, lens: &[usize]) -> Vec<Slot> {
    let root = |buffer: BufferId| match plan.buffers[buffer].home {
        Home::Alias(of) => of,
        Home::Input(_) | Home::Memory => buffer,
    };
    let mut last = vec![0; plan.buffers.len()];
    for (at, step) in plan.steps.iter().enumerate() {
        for buffer in step.reads().into_iter().chain(step.writes()) {
            last[root(buffer)] = at;
        }
    }
    for buffer in plan.outputs.iter().filter_map(|port| port.buffer) {
        last[root(buffer)] = plan.steps.len();
    }
    let mut slots: Vec<Slot> = Vec::new();
    let mut slot_of = vec![None; plan.buffers.len()];
    for (at, step) in plan.steps.iter().enumerate() {
        let Some(y) = step.writes() else { continue };
        // An operation that goes element by element may write where it reads for the last time.
        let reads = step.reads();
        let x = reads.first().map(|&x| root(x));
        let reused = x
            .filter(|&x| {
                step.in_place()
                    && last[x] == at
                    && lens[x] == lens[y]
                    && reads[1..].iter().all(|&other| root(other) != x)
            })
            .and_then(|x| slot_of[x]);
        let slot: usize = reused.unwrap_or_else(|| {
            slots.push(Slot {
                buffers: Vec::new(),
                len: lens[y],
                first: at,
                last: at,
            });
            slots.len() - 1
        });
        slots[slot].buffers.push(y);
        slots[slot].last = last[y];
        slot_of[y] = Some(slot);
    }
    slots
}

/// The most floats that are needed at the same time: what no placing can do without.
pub(crate) fn least(plan: &Plan, further: isize) -> Option<usize> {
    let mut lens = Vec::with_capacity(plan.buffers.len());
    for buffer in 0..plan.buffers.len() {
        lens.push(plan.len(buffer, further)?);
    }
    let slots = slots(plan, &lens);
    let at = |step: usize| -> usize {
        let alive = slots
            .iter()
            .filter(|slot| slot.first <= step && step <= slot.last);
        alive.map(|slot| slot.len).sum()
    };
    Some((0..plan.steps.len()).map(at).max().unwrap_or(0))
}
