//! Compressed rows as they are: the fallback for any matrix, and the form of choice when hardly
//! a weight is left.

use std::ops::Range;

use pulp::Simd;

use crate::csr::Csr;
use crate::isa::Isa;
use crate::slots::Slots;
use crate::tile::{Sums, TileProduct, bands};
use crate::vector::{load, store};

/// Most rows of a band.
const BAND: usize = 256;

/// A matrix in compressed rows.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Rows {
    csr: Csr,
    bands: Vec<Range<usize>>,
}

impl Rows {
    pub(crate) fn pack(csr: &Csr) -> Self {
        Self {
            bands: bands(|row| csr.row_nnz(row) + 1, csr.shape()[0], 1, BAND),
            csr: csr.clone(),
        }
    }

    /// Bytes of `csr` when packed.
    pub(crate) fn bytes_of(csr: &Csr) -> usize {
        size_of_val(&bands(|row| csr.row_nnz(row) + 1, csr.shape()[0], 1, BAND)[..])
            + size_of_val(csr.starts())
            + size_of_val(csr.indices())
            + size_of_val(csr.values())
    }
}

impl Rows {
    /// `sums[..] = W[rows, :] x` for the rows of one band.
    pub(crate) fn multiply_vector(&self, band: usize, x: &[f32], sums: &mut [f32]) {
        assert!(x.len() == self.csr.shape()[1]);
        for (row, sum) in self.bands[band].clone().zip(sums) {
            let range = self.csr.starts()[row]..self.csr.starts()[row + 1];
            let mut entries = self.csr.indices()[range.clone()]
                .chunks_exact(4)
                .zip(self.csr.values()[range.clone()].chunks_exact(4));
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
            let rest = range.start + range.len() / 4 * 4..range.end;
            for (&column, &value) in self.csr.indices()[rest.clone()]
                .iter()
                .zip(&self.csr.values()[rest])
            {
                part[0] += value * x[column as usize];
            }
            *sum = (part[0] + part[1]) + (part[2] + part[3]);
        }
    }
}

impl TileProduct for Rows {
    fn shape(&self) -> [usize; 2] {
        self.csr.shape()
    }

    fn bands(&self) -> &[Range<usize>] {
        &self.bands
    }

    fn vectors(&self, _: Isa) -> usize {
        4
    }

    #[inline(always)]
    unsafe fn multiply<S: Simd, const T: usize>(
        &self,
        simd: S,
        band: usize,
        x: *const f32,
        sums: Sums,
    ) {
        let Sums {
            out: sums, stride, ..
        } = sums;
        let width = T * S::F32_LANES;
        for (nth, row) in self.bands[band].clone().enumerate() {
            let range = self.csr.starts()[row]..self.csr.starts()[row + 1];
            let mut acc = [simd.splat_f32s(0.0); T];
            let entries = self.csr.indices()[range.clone()]
                .iter()
                .zip(&self.csr.values()[range]);
            for (&column, &value) in entries {
                let weight = simd.splat_f32s(value);
                for t in 0..T {
                    // SAFETY: `column < k`, checked when the CSR was built, so its vectors lie in
                    // the tile.
                    let v = unsafe { load::<S>(x.add(column as usize * width + t * S::F32_LANES)) };
                    acc[t] = simd.mul_add_e_f32s(weight, v, acc[t]);
                }
            }
            for t in 0..T {
                // SAFETY: the rows of the band are the caller's.
                unsafe { store::<S>(sums.add(nth * stride + t * S::F32_LANES), acc[t]) };
            }
        }
    }
}

impl Slots for Rows {
    fn for_each_slot(&self, visit: &mut dyn FnMut(usize, usize, usize)) {
        for row in 0..self.csr.shape()[0] {
            for slot in self.csr.starts()[row]..self.csr.starts()[row + 1] {
                visit(row, self.csr.indices()[slot] as usize, slot);
            }
        }
    }

    fn values(&self) -> &[f32] {
        self.csr.values()
    }

    fn values_mut(&mut self) -> &mut [f32] {
        self.csr.values_mut()
    }

    fn bytes(&self) -> usize {
        size_of_val(&self.bands[..])
            + size_of_val(self.csr.starts())
            + size_of_val(self.csr.indices())
            + size_of_val(self.csr.values())
    }
}
