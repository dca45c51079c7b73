//! One bit a weight: moderate sparsity against one vector, where memory is the limit.
//!
//! A weight costs its value and a bit for each of its neighbours, kept or not: at half sparsity
//! 4.25 bytes, where the dense form takes 8 for each that matters and an index at least 5.
//! AVX-512 spreads sixteen packed values over the lanes of their bits.

use std::ops::Range;

use crate::bands::{Banded, Bands};
use crate::csr::Csr;
use crate::isa::Isa;
use crate::size::Size;
use crate::slots::{PADDING, Slots};
use crate::values::with_stored;
use crate::vector_product::{VectorPart, VectorProduct};

/// Columns of a word of bits.
const WORD: usize = 16;

/// Most rows of a band.
const BAND: usize = 256;

/// A matrix as a bitmap and its values, row by row.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Bitmap {
    bands: Bands,
    /// By row, then sixteen columns; the lowest bit is the first column.
    words: Vec<u16>,
    /// Where the values of each row begin; one more at the end. A vector of zeros follows the last
    /// value, which loads may touch.
    starts: Vec<usize>,
}

/// Rows that are summed together.
const GROUP: usize = 4;

/// How the rows of `csr` are cut.
fn bands_of(csr: &Csr) -> Bands {
    Bands::by_rows(csr, GROUP, BAND)
}

impl Bitmap {
    /// Packs `csr` and appends the entry of each slot to `slots`.
    pub(crate) fn pack(csr: &Csr, slots: &mut Vec<u32>) -> Self {
        let [m, k] = csr.shape();
        let row_words = k.div_ceil(WORD);
        let mut words = vec![0; m * row_words];
        for row in 0..m {
            for (column, _) in csr.row(row) {
                words[row * row_words + column / WORD] |= 1 << (column % WORD);
            }
        }
        slots.extend((0_u32..).take(csr.nnz()));
        slots.extend([PADDING; WORD]);
        Self {
            bands: bands_of(csr),
            words,
            starts: csr.starts().to_vec(),
        }
    }

    /// The size of `csr` when packed.
    pub(crate) fn size_of(csr: &Csr) -> Size {
        let [m, k] = csr.shape();
        let words = m * k.div_ceil(WORD) * size_of::<u16>();
        Size {
            structure: bands_of(csr).bytes() + words + size_of_val(csr.starts()),
            slots: csr.nnz() + WORD,
        }
    }

    /// The slots that a kernel may read for `rows`: theirs, and a vector beyond.
    fn slots_of(&self, rows: Range<usize>) -> Range<usize> {
        self.starts[rows.start]..self.starts[rows.end] + WORD
    }

    fn row_words(&self, row: usize) -> &[u16] {
        let count = self.bands.shape()[1].div_ceil(WORD);
        &self.words[row * count..(row + 1) * count]
    }

    fn plain_row(&self, row: usize, weights: &[f32], x: &[f32]) -> f32 {
        let mut sum = 0.0;
        let mut weights = weights.iter();
        for (x, &word) in x.chunks(WORD).zip(self.row_words(row)) {
            let mut bits = word;
            while bits != 0 {
                if let Some(weight) = weights.next() {
                    sum += weight * x[bits.trailing_zeros() as usize];
                }
                bits &= bits - 1;
            }
        }
        sum
    }
}

impl Banded for Bitmap {
    fn bands(&self) -> &Bands {
        &self.bands
    }

    fn longest_part(&self) -> usize {
        let rows = self.starts.windows(2);
        rows.map(|row| row[1] - row[0]).max().unwrap_or(0)
    }
}

impl VectorProduct for Bitmap {
    fn sum(&self, isa: Isa, part: VectorPart<'_, '_>) {
        let VectorPart {
            band,
            weights,
            x,
            sums,
            ..
        } = part;
        let rows = self.bands.rows(band);
        let mut done = 0;
        #[cfg(target_arch = "x86_64")]
        if matches!(isa, Isa::Avx512 | Isa::Avx512Vbmi) && isa.is_available() {
            while done + GROUP <= rows.len() {
                let row = rows.start + done;
                let four = with_stored!(weights.stored(), stored => {
                    let stored = &stored[self.slots_of(row..row + GROUP)];
                    // SAFETY: the processor has been asked.
                    unsafe { x86::four_rows(self, row, stored, x) }
                });
                sums[done..done + GROUP].copy_from_slice(&four);
                done += GROUP;
            }
        }
        let _ = isa;
        for (row, sum) in rows.zip(sums).skip(done) {
            let weights = weights.of(self.starts[row]..self.starts[row + 1]);
            *sum = self.plain_row(row, weights, x);
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::{Bitmap, GROUP, WORD};
    use crate::values::Stored;

    /// The sums of four rows from `row` on, whose slots have these `weights`.
    #[target_feature(enable = "avx512f,popcnt")]
    pub(super) fn four_rows<W: Stored>(
        matrix: &Bitmap,
        row: usize,
        weights: &[W],
        x: &[f32],
    ) -> [f32; GROUP] {
        let mut words = [matrix.row_words(row); 4];
        let mut value = [std::ptr::null(); 4];
        for i in 0..4 {
            words[i] = matrix.row_words(row + i);
            let begin = matrix.starts[row + i] - matrix.starts[row];
            value[i] = weights[begin..].as_ptr();
        }
        assert!(x.len() == matrix.bands.shape()[1]);
        assert!(weights.len() == matrix.slots_of(row..row + GROUP).len());
        let mut acc = [_mm512_setzero_ps(); 4];
        for word in 0..words[0].len() {
            for i in 0..4 {
                let bits = words[i][word];
                // SAFETY: bits stand only for columns below `k`, and a masked load touches no
                // other float of `x`. The row's values from here on are followed by those of
                // later rows and sixteen more, so a whole vector of them can be read; the bits
                // of a row count exactly its values, so the pointer ends where the row does.
                unsafe {
                    let v = _mm512_maskz_loadu_ps(bits, x.as_ptr().wrapping_add(word * WORD));
                    let packed = W::load_16(value[i]);
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
        for row in 0..self.bands.shape()[0] {
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

    fn bytes(&self) -> usize {
        self.bands.bytes() + size_of_val(&self.words[..]) + size_of_val(&self.starts[..])
    }
}
