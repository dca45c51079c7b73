//! Lookup in registers: unstructured sparsity against one vector.
//!
//! A product with a single vector is limited by fetching the activations that the weights name.
//! Here 128 of them at a time are held in eight vector registers, as four planes of bytes, and
//! AVX-512 VBMI picks 64 with each four byte permutes: no load at all for an activation. The
//! moves are exact.
//!
//! Thirty-two rows are a block, two to each of sixteen lanes. In every chunk of 128 columns the
//! rows are paired anew, the fullest with the emptiest, so that all lanes have about the same to
//! do and little is padded; a permutation puts the sums back in order. Blocks that need the same
//! number of steps follow each other, so that the processor predicts the loops' ends.
//!
//! Padding has weight zero. That is exact unless an activation is infinite or NaN, so such
//! vectors, and processors without VBMI, take the plain path over the same storage.

use std::ops::Range;

use crate::bands::{Banded, Bands};
use crate::csr::Csr;
use crate::isa::Isa;
use crate::size::Size;
use crate::slots::{PADDING as NO_ENTRY, Slots, Unpacked};
use crate::values::{Weights, with_stored};
use crate::vector_product::{VectorPart, VectorProduct};

#[cfg(target_arch = "x86_64")]
mod vbmi;

/// Columns of a chunk: what the permutes can tell apart.
const CHUNK: usize = 128;

/// Rows of a block.
pub(crate) const BLOCK: usize = 32;

/// Lanes, each working on two rows of a block.
const LANES: usize = 16;

/// Steps that share one vector of indices.
const STEPS: usize = 4;

/// Slots of a group: one vector of indices.
const GROUP: usize = STEPS * LANES;

/// Bit of an index byte that marks padding; the permutes ignore it.
const PADDING: u8 = 0x80;

/// Most rows of a band.
const BAND: usize = 512;

/// Blocks in a row with the same numbers of groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Run {
    /// Groups in which every lane is on its first row.
    first: u8,
    /// Groups in which some lanes have gone on to their second row.
    mixed: u8,
    /// Groups in which every lane is on its second row.
    second: u8,
    /// Blocks of this kind.
    blocks: u16,
}

/// One block in one chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
struct Block {
    /// For each row, the sum that is its own: lane `l` of the first sums is `l`, of the second
    /// `16 + l`.
    place: [u8; BLOCK],
    /// For each lane, the steps spent on its first row.
    split: [u8; LANES],
    /// Which block of its band this is.
    block: u16,
}

/// Where a chunk of a band begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Start {
    run: usize,
    block: usize,
    group: usize,
}

/// Indices of a group, aligned to be loaded as one vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C, align(64))]
struct Indices([u8; GROUP]);

/// A matrix for lookup in registers.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Lookup {
    bands: Bands,
    /// By band, then chunk; one more at the end.
    starts: Vec<Start>,
    runs: Vec<Run>,
    blocks: Vec<Block>,
    /// Each has values by step and lane.
    indices: Vec<Indices>,
}

/// Byte of the index vector that drives `step` of `lane`: the order in which interleaving the
/// byte planes within quarters of a register yields whole floats.
const fn index_byte(step: usize, lane: usize) -> usize {
    lane / 4 * 16 + step * 4 + lane % 4
}

/// How the rows of `csr` are cut.
fn bands_of(csr: &Csr) -> Bands {
    Bands::by_weights(csr, BLOCK, BAND)
}

impl Lookup {
    /// Packs `csr` and appends the entry of each slot to `slots`.
    pub(crate) fn pack(csr: &Csr, slots: &mut Vec<u32>) -> Self {
        let mut lookup = Self {
            bands: bands_of(csr),
            starts: Vec::new(),
            runs: Vec::new(),
            blocks: Vec::new(),
            indices: Vec::new(),
        };
        let bands: Vec<Range<usize>> = lookup.bands.iter().collect();
        for band in bands {
            let mut unpacked = Unpacked::new(csr, band);
            for chunk in 0..lookup.chunks() {
                lookup.starts.push(lookup.end());
                lookup.pack_chunk(csr, chunk, &mut unpacked, slots);
            }
        }
        lookup.starts.push(lookup.end());
        lookup
    }

    /// The size of `csr` when packed.
    pub(crate) fn size_of(csr: &Csr) -> Size {
        let chunks = csr.shape()[1].div_ceil(CHUNK);
        let bands = bands_of(csr);
        let (mut runs, mut blocks, mut groups) = (0, 0, 0);
        for band in bands.iter() {
            let mut unpacked = Unpacked::new(csr, band);
            for chunk in 0..chunks {
                let plans = Plan::of_chunk(chunk, &mut unpacked);
                runs += plans.chunk_by(|a, b| a.groups == b.groups).count();
                blocks += plans.len();
                groups += plans
                    .iter()
                    .flat_map(|plan| plan.groups)
                    .map(usize::from)
                    .sum::<usize>();
            }
        }
        let structure = bands.bytes()
            + (bands.count() * chunks + 1) * size_of::<Start>()
            + runs * size_of::<Run>()
            + blocks * size_of::<Block>()
            + groups * size_of::<Indices>();
        Size {
            structure,
            slots: groups * GROUP,
        }
    }

    fn pack_chunk(
        &mut self,
        csr: &Csr,
        chunk: usize,
        unpacked: &mut Unpacked<'_>,
        slots: &mut Vec<u32>,
    ) {
        let open = self.runs.len();
        for plan in Plan::of_chunk(chunk, unpacked) {
            let [first, mixed, second] = plan.groups;
            match self.runs[open..].last_mut() {
                Some(run) if [run.first, run.mixed, run.second] == plan.groups => run.blocks += 1,
                _ => self.runs.push(Run {
                    first,
                    mixed,
                    second,
                    blocks: 1,
                }),
            }
            self.pack_block(csr, chunk, &plan, slots);
        }
    }

    fn pack_block(&mut self, csr: &Csr, chunk: usize, plan: &Plan, slots: &mut Vec<u32>) {
        let base = self.indices.len();
        let groups: usize = plan.groups.iter().map(|&groups| usize::from(groups)).sum();
        self.indices
            .resize(base + groups, Indices([PADDING; GROUP]));
        slots.resize((base + groups) * GROUP, NO_ENTRY);
        let mut block = Block {
            place: [0; BLOCK],
            split: [0; LANES],
            block: plan.block as u16,
        };
        for (lane, [(first, begin), (second, rest)]) in plan.lanes.iter().enumerate() {
            block.place[*first] = lane as u8;
            block.place[*second] = (LANES + lane) as u8;
            block.split[lane] = begin.len() as u8;
            for (step, entry) in begin.clone().chain(rest.clone()).enumerate() {
                let (group, step) = (base + step / STEPS, step % STEPS);
                let column = csr.indices()[entry] as usize - chunk * CHUNK;
                self.indices[group].0[index_byte(step, lane)] = column as u8;
                slots[group * GROUP + step * LANES + lane] = entry as u32;
            }
        }
        self.blocks.push(block);
    }

    fn end(&self) -> Start {
        Start {
            run: self.runs.len(),
            block: self.blocks.len(),
            group: self.indices.len(),
        }
    }

    fn chunks(&self) -> usize {
        self.bands.shape()[1].div_ceil(CHUNK)
    }

    /// The slots of one chunk of a band.
    fn slots_of(&self, band: usize, chunk: usize) -> Range<usize> {
        let at = band * self.chunks() + chunk;
        self.starts[at].group * GROUP..self.starts[at + 1].group * GROUP
    }

    /// Adds the product of a band to `sums`, one weight at a time.
    fn add_plain(&self, band: usize, weights: &mut Weights<'_>, x: &[f32], sums: &mut [f32]) {
        let first = self.bands.rows(band).start;
        for chunk in 0..self.chunks() {
            let slots = self.slots_of(band, chunk);
            let weights = weights.of(slots.clone());
            self.visit_chunk(band, chunk, &mut |row, column, slot| {
                sums[row - first] += weights[slot - slots.start] * x[column];
            });
        }
    }

    fn visit_chunk(&self, band: usize, chunk: usize, visit: &mut impl FnMut(usize, usize, usize)) {
        let at = band * self.chunks() + chunk;
        let (start, end) = (self.starts[at], self.starts[at + 1]);
        let (mut at, mut group) = (start.block, start.group);
        for run in &self.runs[start.run..end.run] {
            let groups = usize::from(run.first + run.mixed + run.second);
            for _ in 0..run.blocks {
                self.visit_block(band, chunk, &self.blocks[at], group..group + groups, visit);
                at += 1;
                group += groups;
            }
        }
    }

    fn visit_block(
        &self,
        band: usize,
        chunk: usize,
        block: &Block,
        groups: Range<usize>,
        visit: &mut impl FnMut(usize, usize, usize),
    ) {
        let mut rows = [0; BLOCK];
        for (row, &place) in block.place.iter().enumerate() {
            rows[usize::from(place)] = row;
        }
        let first = self.bands.rows(band).start + usize::from(block.block) * BLOCK;
        for lane in 0..LANES {
            let steps = groups.len() * STEPS;
            for step in 0..steps {
                let group = groups.start + step / STEPS;
                let index = self.indices[group].0[index_byte(step % STEPS, lane)];
                if index & PADDING == 0 {
                    let second = step >= usize::from(block.split[lane]);
                    let row = rows[lane + if second { LANES } else { 0 }];
                    visit(
                        first + row,
                        chunk * CHUNK + usize::from(index),
                        group * GROUP + step % STEPS * LANES + lane,
                    );
                }
            }
        }
    }
}

/// How the rows of a block share the lanes in one chunk.
struct Plan {
    block: usize,
    groups: [u8; 3],
    /// For each lane its two rows, with their entries.
    lanes: Vec<[(usize, Range<usize>); 2]>,
}

impl Plan {
    /// The plans of a chunk of a band, in the order of storage.
    fn of_chunk(chunk: usize, unpacked: &mut Unpacked<'_>) -> Vec<Self> {
        let entries: Vec<Range<usize>> = (0..unpacked.rows())
            .map(|row| unpacked.take(row, (chunk + 1) * CHUNK))
            .collect();
        let mut plans: Vec<Self> = (0..entries.len().div_ceil(BLOCK))
            .filter_map(|block| Self::new(block, &entries))
            .collect();
        plans.sort_by_key(|plan| (plan.groups, plan.block));
        plans
    }

    /// `None` where the block has no weight in the chunk.
    fn new(block: usize, entries: &[Range<usize>]) -> Option<Self> {
        let mut rows: Vec<(usize, Range<usize>)> = (0..BLOCK)
            .map(|row| {
                (
                    row,
                    entries.get(block * BLOCK + row).cloned().unwrap_or(0..0),
                )
            })
            .collect();
        rows.sort_by_key(|(row, entries)| (std::cmp::Reverse(entries.len()), *row));
        let lanes: Vec<[(usize, Range<usize>); 2]> = (0..LANES)
            .map(|lane| [rows[lane].clone(), rows[BLOCK - 1 - lane].clone()])
            .collect();
        let steps = lanes
            .iter()
            .map(|[a, b]| a.1.len() + b.1.len())
            .max()
            .filter(|&steps| steps > 0)?;
        let shortest = rows[LANES - 1].1.len();
        let longest = rows[0].1.len();
        let groups = steps.div_ceil(STEPS);
        let first = (shortest / STEPS).min(groups);
        let mixed = longest.div_ceil(STEPS).min(groups) - first;
        let second = groups - first - mixed;
        Some(Self {
            block,
            groups: [first as u8, mixed as u8, second as u8],
            lanes,
        })
    }
}

impl Banded for Lookup {
    fn bands(&self) -> &Bands {
        &self.bands
    }

    fn longest_part(&self) -> usize {
        let parts = self.starts.windows(2);
        let longest = parts.map(|part| part[1].group - part[0].group).max();
        longest.unwrap_or(0) * GROUP
    }
}

impl VectorProduct for Lookup {
    fn prepared_len(&self) -> usize {
        self.chunks() * CHUNK
    }

    /// Turns a vector into planes of bytes. False where the plain path has to be taken: the
    /// vector is not finite, or `isa` has no byte permutes.
    fn prepare(&self, isa: Isa, x: &[f32], planes: &mut [f32]) -> bool {
        #[cfg(target_arch = "x86_64")]
        if isa == Isa::Avx512Vbmi && isa.is_available() {
            let whole = x.len() / CHUNK * CHUNK;
            let mut last = [0.0; CHUNK];
            last[..x.len() - whole].copy_from_slice(&x[whole..]);
            let (planes, rest) = planes.split_at_mut(whole);
            // SAFETY: the processor has been asked; both slices have whole chunks.
            return unsafe {
                vbmi::planes(&x[..whole], planes)
                    && (rest.is_empty() || vbmi::planes(&last, &mut rest[..CHUNK]))
            };
        }
        let _ = (isa, x, planes);
        false
    }

    fn sum(&self, _: Isa, part: VectorPart<'_, '_>) {
        let VectorPart {
            band,
            weights,
            x,
            prepared,
            sums,
            ..
        } = part;
        sums.fill(0.0);
        let Some(planes) = prepared else {
            self.add_plain(band, weights, x, sums);
            return;
        };
        assert!(planes.len() >= self.prepared_len());
        assert!(sums.len() >= self.bands.rows(band).len().next_multiple_of(BLOCK));
        #[cfg(target_arch = "x86_64")]
        with_stored!(weights.stored(), weights => {
            // SAFETY: `prepare` returned true, so the processor has the instructions; the lengths
            // were asserted.
            unsafe { vbmi::add_band(self, band, weights, planes, sums) };
        });
    }
}

impl Slots for Lookup {
    fn for_each_slot(&self, visit: &mut dyn FnMut(usize, usize, usize)) {
        for band in 0..self.bands.count() {
            for chunk in 0..self.chunks() {
                self.visit_chunk(band, chunk, &mut |row, column, slot| {
                    visit(row, column, slot)
                });
            }
        }
    }

    fn bytes(&self) -> usize {
        self.bands.bytes()
            + size_of_val(&self.starts[..])
            + size_of_val(&self.runs[..])
            + size_of_val(&self.blocks[..])
            + size_of_val(&self.indices[..])
    }
}
