//! Sampled products: the gradient of the weights, only where the mask keeps one.

use std::ops::Range;

use pulp::{Simd, WithSimd};

use crate::bands::Bands;
use crate::csr::Csr;
use crate::isa::Isa;
use crate::layout::{Columns, Layout, PackTile};
use crate::scratch::{LINE, Scratch};
use crate::threads::SharedMut;
use crate::vector::load;

/// Vectors of columns worked on at once.
const VECTORS: usize = 4;

/// `gradient[entry] = dY[row, :] . X[column, :]` for each entry of `weights`. Lengths have been
/// checked, `bands` covers the rows.
pub(crate) fn sddmm(
    weights: &Csr,
    bands: &Bands,
    isa: Isa,
    dy: &[f32],
    x: &[f32],
    n: usize,
    layout: Layout,
    gradient: &mut [f32],
    scratch: &mut Scratch,
) {
    let [m, k] = weights.shape();
    assert!(dy.len() == m * n && x.len() == k * n && gradient.len() == weights.nnz());
    let width = VECTORS * isa.lanes();
    let tile_len = |rows: usize| (rows * width).next_multiple_of(LINE);
    let buffer = scratch.input.floats(tile_len(m) + tile_len(k));
    let (dy_tile, x_tile) = buffer.split_at_mut(tile_len(m));
    let shared = SharedMut::new(gradient);
    for start in (0..n.max(1)).step_by(width) {
        let columns = Columns {
            start,
            count: width.min(n - start),
            of: n,
        };
        for (from, rows, to) in [(dy, m, &mut *dy_tile), (x, k, &mut *x_tile)] {
            isa.dispatch(PackTile {
                x: from,
                k: rows,
                layout,
                columns,
                panel: None,
                width,
                tile: to,
            });
        }
        scratch.threads.for_each(bands.count(), |band| {
            let rows = bands.rows(band);
            let entries = weights.starts()[rows.start]..weights.starts()[rows.end];
            // SAFETY: the entries of a band are consecutive, and its own.
            let gradient = unsafe {
                std::slice::from_raw_parts_mut(shared.get().add(entries.start), entries.len())
            };
            isa.dispatch(Sample {
                weights,
                rows,
                dy: dy_tile,
                x: x_tile,
                first: start == 0,
                gradient,
            });
        });
    }
}

/// The entries of some rows over one tile of columns.
struct Sample<'a> {
    weights: &'a Csr,
    rows: Range<usize>,
    dy: &'a [f32],
    x: &'a [f32],
    /// Whether this is the first tile, which sets what later ones add to.
    first: bool,
    gradient: &'a mut [f32],
}

impl WithSimd for Sample<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let width = VECTORS * S::F32_LANES;
        let base = self.weights.starts()[self.rows.start];
        for row in self.rows.clone() {
            let dy = &self.dy[row * width..(row + 1) * width];
            let mut vectors = [simd.splat_f32s(0.0); VECTORS];
            for t in 0..VECTORS {
                // SAFETY: `width` floats are `VECTORS` vectors.
                vectors[t] = unsafe { load::<S>(dy.as_ptr().add(t * S::F32_LANES)) };
            }
            let range = self.weights.starts()[row]..self.weights.starts()[row + 1];
            let indices = &self.weights.indices()[range.clone()];
            let out = &mut self.gradient[range.start - base..range.end - base];
            for (out, columns) in out.chunks_mut(16).zip(indices.chunks(16)) {
                let mut sums = [0.0; 16];
                if S::F32_LANES == 16 && columns.len() > 4 {
                    // A short group repeats its last column and drops what that gives.
                    let mut all = [columns[columns.len() - 1]; 16];
                    all[..columns.len()].copy_from_slice(columns);
                    let mut parts = [simd.splat_f32s(0.0); 16];
                    for i in 0..16 {
                        parts[i] = lanewise(simd, vectors, self.x, all[i]);
                    }
                    sums = reduce_16(simd, parts);
                } else {
                    for (sum, &column) in sums.iter_mut().zip(columns) {
                        *sum = simd.reduce_sum_f32s(lanewise(simd, vectors, self.x, column));
                    }
                }
                for (out, sum) in out.iter_mut().zip(sums) {
                    *out = if self.first { sum } else { *out + sum };
                }
            }
        }
    }
}

/// The products of a row of dY with row `column` of X, summed but for the lanes.
///
/// A function, for closures would not be compiled for the instruction set of their caller.
#[inline(always)]
fn lanewise<S: Simd>(simd: S, dy: [S::f32s; VECTORS], x: &[f32], column: u32) -> S::f32s {
    let width = VECTORS * S::F32_LANES;
    let x = &x[column as usize * width..(column as usize + 1) * width];
    let mut acc = simd.splat_f32s(0.0);
    for t in 0..VECTORS {
        // SAFETY: `width` floats are `VECTORS` vectors.
        let v = unsafe { load::<S>(x.as_ptr().add(t * S::F32_LANES)) };
        acc = simd.mul_add_e_f32s(dy[t], v, acc);
    }
    acc
}

/// The sum of each of sixteen vectors of sixteen lanes.
#[inline(always)]
fn reduce_16<S: Simd>(simd: S, parts: [S::f32s; 16]) -> [f32; 16] {
    #[cfg(target_arch = "x86_64")]
    if S::F32_LANES == 16 {
        // SAFETY: sixteen lanes of 32 bits make a 512-bit register, and `S` is the AVX-512 token.
        return unsafe {
            let parts: [std::arch::x86_64::__m512; 16] = std::mem::transmute_copy(&parts);
            x86::reduce_16(parts)
        };
    }
    let mut sums = [0.0; 16];
    for i in 0..16 {
        sums[i] = simd.reduce_sum_f32s(parts[i]);
    }
    sums
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    /// A tree of additions that halves the vectors at each step, sums taking their place.
    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(super) fn reduce_16(v: [__m512; 16]) -> [f32; 16] {
        let mut pairs = [_mm512_setzero_pd(); 8];
        for i in 0..8 {
            let (a, b) = (v[2 * i], v[2 * i + 1]);
            let sum = _mm512_add_ps(_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b));
            pairs[i] = _mm512_castps_pd(sum);
        }
        let mut fours = [_mm512_setzero_ps(); 4];
        for i in 0..4 {
            let (a, b) = (pairs[2 * i], pairs[2 * i + 1]);
            fours[i] = _mm512_add_ps(
                _mm512_castpd_ps(_mm512_unpacklo_pd(a, b)),
                _mm512_castpd_ps(_mm512_unpackhi_pd(a, b)),
            );
        }
        let mut eights = [_mm512_setzero_ps(); 2];
        for i in 0..2 {
            let (a, b) = (fours[2 * i], fours[2 * i + 1]);
            eights[i] = _mm512_add_ps(
                _mm512_shuffle_f32x4::<0x44>(a, b),
                _mm512_shuffle_f32x4::<0xEE>(a, b),
            );
        }
        let all = _mm512_add_ps(
            _mm512_shuffle_f32x4::<0x88>(eights[0], eights[1]),
            _mm512_shuffle_f32x4::<0xDD>(eights[0], eights[1]),
        );
        let mut sums = [0.0; 16];
        // SAFETY: room for sixteen floats.
        unsafe { _mm512_storeu_ps(sums.as_mut_ptr(), all) };
        sums
    }
}
