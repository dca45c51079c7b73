//! One bit a weight: moderate sparsity against one vector, where memory is the limit.
//!
//! A weight costs its value and a bit for each of its neighbours, kept or not: at half sparsity
//! 4.25 bytes, where the dense form takes 8 for each that matters and an index at least 5.
//! AVX-512 spreads sixteen packed values over the lanes of their bits.

use std::ops::Range;

use crate::csr::Csr;
use crate::isa::Isa;
use crate::slots::Slots;
use crate::tile::bands;
use crate::vector_product::VectorProduct;

/// Columns of a word of bits.
const WORD: usize = 16;

/// Most rows of a band.
const BAND: usize = 256;

/// A matrix as a bitmap and its values, row by row.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Bitmap {
    shape: [usize; 2],
    bands: Vec<Range<usize>>,
    /// By row, then sixteen columns; the lowest bit is the first column.
    words: Vec<u16>,
    /// Where the values of each row begin.
    starts: Vec<usize>,
    /// The values, and a vector of zeros after the last, which loads may touch.
    values: Vec<f32>,
}

impl Bitmap {
    /// Packs `csr`.
    pub(crate) fn pack(csr: &Csr) -> Self {
        let [m, k] = csr.shape();
        let row_words = k.div_ceil(WORD);
        let mut words = vec![0; m * row_words];
        for row in 0..m {
            for (column, _) in csr.row(row) {
                words[row * row_words + column / WORD] |= 1 << (column % WORD);
            }
        }
        let mut values = csr.values().to_vec();
        values.extend([0.0; WORD]);
        Self {
            shape: [m, k],
            bands: bands(|_| 1, m, 4, BAND),
            words,
            starts: csr.starts().to_vec(),
            values,
        }
    }

    /// Bytes of `csr` when packed.
    pub(crate) fn bytes_of(csr: &Csr) -> usize {
        let [m, k] = csr.shape();
        size_of_val(&bands(|_| 1, m, 4, BAND)[..])
            + m * k.div_ceil(WORD) * size_of::<u16>()
            + size_of_val(csr.starts())
            + (csr.nnz() + WORD) * size_of::<f32>()
    }

    fn row_words(&self, row: usize) -> &[u16] {
        let count = self.shape[1].div_ceil(WORD);
        &self.words[row * count..(row + 1) * count]
    }

    fn plain_row(&self, row: usize, x: &[f32]) -> f32 {
        let mut sum = 0.0;
        let mut value = self.starts[row];
        for (x, &word) in x.chunks(WORD).zip(self.row_words(row)) {
            let mut bits = word;
            while bits != 0 {
                sum += self.values[value] * x[bits.trailing_zeros() as usize];
                value += 1;
                bits &= bits - 1;
            }
        }
        sum
    }
}

impl VectorProduct for Bitmap {
    fn shape(&self) -> [usize; 2] {
        self.shape
    }

    fn bands(&self) -> &[Range<usize>] {
        &self.bands
    }

    fn sum(&self, isa: Isa, band: usize, x: &[f32], _: Option<&[f32]>, sums: &mut [f32]) {
        let rows = self.bands[band].clone();
        let mut done = 0;
        #[cfg(target_arch = "x86_64")]
        if matches!(isa, Isa::Avx512 | Isa::Avx512Vbmi) && isa.is_available() {
            while done + 4 <= rows.len() {
                // SAFETY: the processor has been asked.
                let four = unsafe { x86::four_rows(self, rows.start + done, x) };
                sums[done..done + 4].copy_from_slice(&four);
                done += 4;
            }
        }
        let _ = isa;
        for (row, sum) in rows.zip(sums).skip(done) {
            *sum = self.plain_row(row, x);
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::{Bitmap, WORD};

    /// The sums of four rows from `row` on.
    #[target_feature(enable = "avx512f,popcnt")]
    pub(super) fn four_rows(matrix: &Bitmap, row: usize, x: &[f32]) -> [f32; 4] {
        let mut words = [matrix.row_words(row); 4];
        let mut value = [std::ptr::null(); 4];
        for i in 0..4 {
            words[i] = matrix.row_words(row + i);
            value[i] = matrix.values[matrix.starts[row + i]..].as_ptr();
        }
        assert!(x.len() == matrix.shape[1]);
        let mut acc = [_mm512_setzero_ps(); 4];
        for word in 0..words[0].len() {
            for i in 0..4 {
                let bits = words[i][word];
                // SAFETY: bits stand only for columns below `k`, and a masked load touches no
                // other float of `x`. The row's values from here on are followed by those of
                // later rows and sixteen zeros, so a whole vector of them can be read; the bits
                // of a row count exactly its values, so the pointer ends where the row does.
                unsafe {
                    let v = _mm512_maskz_loadu_ps(bits, x.as_ptr().wrapping_add(word * WORD));
                    let packed = _mm512_loadu_ps(value[i]);
                    let weights = _mm512_maskz_expand_ps(bits, packed);
                    acc[i] = _mm512_fmadd_ps(weights, v, acc[i]);
                    value[i] = value[i].add(bits.count_ones() as usize);
                }
            }
        }
        let mut sums = [0.0; 4];
        for i in 0..4 {
            sums[i] = _mm512_reduce_add_ps(acc[i]);
        }
        sums
    }
}

impl Slots for Bitmap {
    fn for_each_slot(&self, visit: &mut dyn FnMut(usize, usize, usize)) {
        let mut slot = 0;
        for row in 0..self.shape[0] {
            for (nth, &word) in self.row_words(row).iter().enumerate() {
                let mut bits = word;
                while bits != 0 {
                    visit(row, nth * WORD + bits.trailing_zeros() as usize, slot);
                    slot += 1;
                    bits &= bits - 1;
                }
            }
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
            + size_of_val(&self.words[..])
            + size_of_val(&self.starts[..])
            + size_of_val(&self.values[..])
    }
}
