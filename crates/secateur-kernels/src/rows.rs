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
        let width = T * S::F32_LANES;
        for (nth, row) in self.bands.rows(band).enumerate() {
            let range = self.entries(row);
            let mut acc = [simd.splat_f32s(0.0); T];
            let entries = self.indices[range.clone()].iter().zip(weights.of(range));
            for (&column, &value) in entries {
                let weight = simd.splat_f32s(value);
                for t in 0..T {
                    // SAFETY: `column < k`, checked when the CSR was built, so its vectors lie in
                    // the tile.
                    let v = unsafe { load::<S>(x.add(column as usize * width + t * S::F32_LANES)) };
                    acc[t] = simd.mul_add_e_f32s(weight, v, acc[t]);
                }
            }
            // SAFETY: the rows of the band are the caller's.
            unsafe { sums.store::<S, T, 1>(nth, [acc], 1) };
        }
    }
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
