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

use crate::csr::Csr;
use crate::isa::Isa;
use crate::slots::Slots;
use crate::tile::bands;

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
    shape: [usize; 2],
    bands: Vec<Range<usize>>,
    /// By band, then chunk; one more at the end.
    starts: Vec<Start>,
    runs: Vec<Run>,
    blocks: Vec<Block>,
    indices: Vec<Indices>,
    /// By group, step and lane.
    values: Vec<f32>,
}

/// Byte of the index vector that drives `step` of `lane`: the order in which interleaving the
/// byte planes within quarters of a register yields whole floats.
const fn index_byte(step: usize, lane: usize) -> usize {
    lane / 4 * 16 + step * 4 + lane % 4
}

impl Lookup {
    /// Packs `csr`.
    pub(crate) fn pack(csr: &Csr) -> Self {
        let [m, k] = csr.shape();
        let mut lookup = Self {
            shape: [m, k],
            bands: bands(|row| csr.row_nnz(row) + 1, m, BLOCK, BAND),
            starts: Vec::new(),
            runs: Vec::new(),
            blocks: Vec::new(),
            indices: Vec::new(),
            values: Vec::new(),
        };
        for band in lookup.bands.clone() {
            let mut next: Vec<usize> = band.clone().map(|row| csr.starts()[row]).collect();
            for chunk in 0..k.div_ceil(CHUNK) {
                lookup.starts.push(lookup.end());
                lookup.pack_chunk(csr, &band, chunk, &mut next);
            }
        }
        lookup.starts.push(lookup.end());
        lookup
    }

    /// Bytes of `csr` when packed.
    pub(crate) fn bytes_of(csr: &Csr) -> usize {
        let [m, k] = csr.shape();
        let bands = bands(|row| csr.row_nnz(row) + 1, m, BLOCK, BAND);
        let (mut runs, mut blocks, mut groups) = (0, 0, 0);
        for band in &bands {
            let mut next: Vec<usize> = band.clone().map(|row| csr.starts()[row]).collect();
            for chunk in 0..k.div_ceil(CHUNK) {
                let plans = Plan::of_chunk(csr, band, chunk, &mut next);
                runs += plans.chunk_by(|a, b| a.groups == b.groups).count();
                blocks += plans.len();
                groups += plans
                    .iter()
                    .flat_map(|plan| plan.groups)
                    .map(usize::from)
                    .sum::<usize>();
            }
        }
        size_of_val(&bands[..])
            + (bands.len() * k.div_ceil(CHUNK) + 1) * size_of::<Start>()
            + runs * size_of::<Run>()
            + blocks * size_of::<Block>()
            + groups * (size_of::<Indices>() + GROUP * size_of::<f32>())
    }

    fn pack_chunk(&mut self, csr: &Csr, band: &Range<usize>, chunk: usize, next: &mut [usize]) {
        let open = self.runs.len();
        for plan in Plan::of_chunk(csr, band, chunk, next) {
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
            self.pack_block(csr, chunk, &plan);
        }
    }

    fn pack_block(&mut self, csr: &Csr, chunk: usize, plan: &Plan) {
        let base = self.indices.len();
        let groups: usize = plan.groups.iter().map(|&groups| usize::from(groups)).sum();
        self.indices
            .resize(base + groups, Indices([PADDING; GROUP]));
        self.values.resize((base + groups) * GROUP, 0.0);
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
                self.values[group * GROUP + step * LANES + lane] = csr.values()[entry];
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
        self.shape[1].div_ceil(CHUNK)
    }

    /// `[m, k]`.
    pub(crate) fn shape(&self) -> [usize; 2] {
        self.shape
    }

    /// Rows of each band, all but the last whole blocks.
    pub(crate) fn bands(&self) -> &[Range<usize>] {
        &self.bands
    }

    /// Floats that [`prepare`](Self::prepare) fills.
    pub(crate) fn prepared_len(&self) -> usize {
        self.chunks() * CHUNK
    }

    /// Turns a vector into planes of bytes. False where the plain path has to be taken: the
    /// vector is not finite, or `isa` has no byte permutes.
    pub(crate) fn prepare(&self, isa: Isa, x: &[f32], planes: &mut [f32]) -> bool {
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

    /// Adds the product of a band to `sums`, whole blocks of rows, from prepared planes.
    pub(crate) fn add_prepared(&self, band: usize, planes: &[f32], sums: &mut [f32]) {
        assert!(planes.len() >= self.prepared_len());
        assert!(sums.len() >= self.bands[band].len().next_multiple_of(BLOCK));
        #[cfg(target_arch = "x86_64")]
        // SAFETY: `prepare` returned true, so the processor has the instructions; the lengths
        // were asserted.
        unsafe {
            vbmi::add_band(self, band, planes, sums);
        }
    }

    /// Adds the product of a band to `sums`, one weight at a time.
    pub(crate) fn add_plain(&self, band: usize, x: &[f32], sums: &mut [f32]) {
        let first = self.bands[band].start;
        self.visit_band(band, &mut |row, column, slot| {
            sums[row - first] += self.values[slot] * x[column];
        });
    }

    fn visit_band(&self, band: usize, visit: &mut impl FnMut(usize, usize, usize)) {
        let chunks = self.chunks();
        for chunk in 0..chunks {
            let start = self.starts[band * chunks + chunk];
            let end = self.starts[band * chunks + chunk + 1];
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
        let first = self.bands[band].start + usize::from(block.block) * BLOCK;
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
    /// The plans of a chunk of a band, in the order of storage; `next` holds each row's first
    /// entry not yet planned.
    fn of_chunk(csr: &Csr, band: &Range<usize>, chunk: usize, next: &mut [usize]) -> Vec<Self> {
        let last = (chunk + 1) * CHUNK;
        let entries: Vec<Range<usize>> = (0..band.len())
            .map(|row| {
                let end = csr.starts()[band.start + row + 1];
                let inside = csr.indices()[next[row]..end]
                    .partition_point(|&column| (column as usize) < last);
                let range = next[row]..next[row] + inside;
                next[row] = range.end;
                range
            })
            .collect();
        let mut plans: Vec<Self> = (0..band.len().div_ceil(BLOCK))
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

impl Slots for Lookup {
    fn for_each_slot(&self, visit: &mut dyn FnMut(usize, usize, usize)) {
        for band in 0..self.bands.len() {
            self.visit_band(band, &mut |row, column, slot| visit(row, column, slot));
        }
    }

    fn values(&self) -> &[f32] {
        &self.values
    }

    fn values_mut(&mut self) -> &mut [f32] {
        &mut self.values
    }

    fn bytes(&self) -> usize {
        size_of_val(&self.bands[..])
            + size_of_val(&self.starts[..])
            + size_of_val(&self.runs[..])
            + size_of_val(&self.blocks[..])
            + size_of_val(&self.indices[..])
            + size_of_val(&self.values[..])
    }
}
