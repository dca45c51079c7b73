//! Compressed rows as they are: the fallback for any matrix, and the form of choice when hardly
//! a weight is left.

use std::ops::Range;

use pulp::Simd;

use crate::bands::{Banded, Bands};
use crate::csr::Csr;
use crate::isa::Isa;
use crate::size::Size;
use crate::slots::Slots;
use crate::tile::{Part, TileProduct};
use crate::vector::load;
use crate::vector_product::VectorPart;

/// Most rows of a band.
const BAND: usize = 256;

/// A matrix in compressed rows.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Rows {
    bands: Bands,
    starts: Vec<usize>,
    indices: Vec<u32>,
}

impl Rows {
    /// Packs `csr` and appends the entry of each slot to `slots`.
    pub(crate) fn pack(csr: &Csr, slots: &mut Vec<u32>) -> Self {
        slots.extend((0_u32..).take(csr.nnz()));
        Self {
            bands: bands_of(csr),
            starts: csr.starts().to_vec(),
            indices: csr.indices().to_vec(),
        }
    }

    /// The size of `csr` when packed.
    pub(crate) fn size_of(csr: &Csr) -> Size {
        let bands = bands_of(csr).bytes();
        Size {
            structure: bands + size_of_val(csr.starts()) + size_of_val(csr.indices()),
            slots: csr.nnz(),
        }
    }

    #[inline(always)]
    fn entries(&self, row: usize) -> Range<usize> {
        self.starts[row]..self.starts[row + 1]
    }
}

/// How the rows of `csr` are cut.
fn bands_of(csr: &Csr) -> Bands {
    Bands::by_weights(csr, 1, BAND)
}

impl Rows {
    /// `sums[..] = W[rows, :] x` for the rows of one band.
    pub(crate) fn multiply_vector(&self, part: VectorPart<'_, '_>) {
        let VectorPart {
            band,
            weights,
            x,
            sums,
            ..
        } = part;
        assert!(x.len() == self.bands.shape()[1]);
        for (row, sum) in self.bands.rows(band).zip(sums) {
            let range = self.entries(row);
            let weights = weights.of(range.clone());
            let mut entries = self.indices[range.clone()]
                .chunks_exact(4)
                .zip(weights.chunks_exact(4));
            // Four sums, so that an addition does not wait for the one before.
            let mut part = [0.0; 4];
            for (columns, values) in &mut entries {
                for lane in 0..4 {
                    // SAFETY: columns were checked against `k` when the CSR was built, and the
                    // column has `k` values.
                    let v = unsafe { *x.get_unchecked(columns[lane] as usize) };
                    part[lane] += values[lane] * v;
                }
            }
            let whole = range.len() / 4 * 4;
            let rest = self.indices[range].iter().zip(weights).skip(whole);
            for (&column, &value) in rest {
                part[0] += value * x[column as usize];
            }
            *sum = (part[0] + part[1]) + (part[2] + part[3]);
        }
    }
}

impl Banded for Rows {
    fn bands(&self) -> &Bands {
        &self.bands
    }

    fn longest_part(&self) -> usize {
        let parts = self.starts.windows(2);
        parts.map(|part| part[1] - part[0]).max().unwrap_or(0)
    }
}

impl TileProduct for Rows {
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
        let sums = sums.of_panel(0, 1);
        for (nth, row) in self.bands.rows(band).enumerate() {
            let range = self.entries(row);
            let weights = weights.of(range.clone());
            let columns = &self.indices[range];
            // SAFETY: columns are below `k`, checked when the CSR was built, so their vectors lie
            // in the tile.
            let acc = unsafe {
                match T {
                    1 => sum_row::<S, T, 4>(simd, columns, weights, x),
                    2 => sum_row::<S, T, 2>(simd, columns, weights, x),
                    _ => sum_row::<S, T, 1>(simd, columns, weights, x),
                }
            };
            // SAFETY: the rows of the band are the caller's.
            unsafe { sums.store::<S, T, 1>(nth, [acc], 1) };
        }
    }
}

/// The sum of a row over a tile of `T` vectors, in `P` parts: a sum that waits for itself leaves the
/// processor idle.
///
/// # Safety
///
/// The tile has a row of `T` vectors for each of the columns.
#[inline(always)]
unsafe fn sum_row<S: Simd, const T: usize, const P: usize>(
    simd: S,
    columns: &[u32],
    weights: &[f32],
    x: *const f32,
) -> [S::f32s; T] {
    let mut acc = [[simd.splat_f32s(0.0); T]; P];
    let (column_parts, weight_parts) = (columns.chunks_exact(P), weights.chunks_exact(P));
    let rest = (column_parts.remainder(), weight_parts.remainder());
    for (columns, weights) in column_parts.zip(weight_parts) {
        for p in 0..P {
            // SAFETY: the caller's promise.
            acc[p] = unsafe { add_weight::<S, T>(simd, columns[p], weights[p], x, acc[p]) };
        }
    }
    for (&column, &weight) in rest.0.iter().zip(rest.1) {
        // SAFETY: the caller's promise.
        acc[0] = unsafe { add_weight::<S, T>(simd, column, weight, x, acc[0]) };
    }
    let mut sum = acc[0];
    for part in &acc[1..] {
        for t in 0..T {
            sum[t] = simd.add_f32s(sum[t], part[t]);
        }
    }
    sum
}

/// `sum + weight * x[column]`.
///
/// # Safety
///
/// The tile has a row of `T` vectors for `column`.
#[inline(always)]
unsafe fn add_weight<S: Simd, const T: usize>(
    simd: S,
    column: u32,
    weight: f32,
    x: *const f32,
    mut sum: [S::f32s; T],
) -> [S::f32s; T] {
    let weight = simd.splat_f32s(weight);
    for t in 0..T {
        let at = (column as usize * T + t) * S::F32_LANES;
        // SAFETY: the caller's promise.
        let v = unsafe { load::<S>(x.add(at)) };
        sum[t] = simd.mul_add_e_f32s(weight, v, sum[t]);
    }
    sum
}

impl Slots for Rows {
    fn for_each_slot(&self, visit: &mut dyn FnMut(usize, usize, usize)) {
        for row in 0..self.bands.shape()[0] {
            for slot in self.entries(row) {
                visit(row, self.indices[slot] as usize, slot);
            }
        }
    }

    fn bytes(&self) -> usize {
        self.bands.bytes() + size_of_val(&self.starts[..]) + size_of_val(&self.indices[..])
    }
}
