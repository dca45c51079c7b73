//! The byte permutes of AVX-512 VBMI.

use std::arch::x86_64::*;

use super::{BLOCK, CHUNK, GROUP, Lookup};
use crate::values::Stored;

/// Splits whole chunks of `x` into planes: of each chunk the lowest bytes of its 128 floats, then
/// the second, third and highest. False where a float is infinite or NaN.
///
/// # Safety
///
/// AVX-512 F, BW, DQ and VBMI; `planes` is as long as `x`, whole chunks.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vbmi")]
pub(super) unsafe fn planes(x: &[f32], planes: &mut [f32]) -> bool {
    // Quarter `b` of a permuted register gets byte `b` of its sixteen floats.
    let mut pattern = [0_u8; 64];
    for (at, byte) in pattern.iter_mut().enumerate() {
        *byte = (at % 16 * 4 + at / 16) as u8;
    }
    // SAFETY: 64 bytes of the array.
    let pattern = unsafe { _mm512_loadu_si512(pattern.as_ptr().cast()) };
    let mut special = 0;
    let chunks = x.chunks_exact(CHUNK).zip(planes.chunks_exact_mut(CHUNK));
    for (x, planes) in chunks {
        for half in 0..2 {
            let mut q = [_mm512_setzero_si512(); 4];
            for (i, q) in q.iter_mut().enumerate() {
                // SAFETY: sixteen floats from `64 half + 16 i`, within the chunk of 128.
                let v = unsafe { _mm512_loadu_ps(x.as_ptr().add(64 * half + 16 * i)) };
                // Quiet NaN, both infinities, signalling NaN.
                special |= _mm512_fpclass_ps_mask::<0x99>(v);
                *q = _mm512_permutexvar_epi8(pattern, _mm512_castps_si512(v));
            }
            let low01 = _mm512_shuffle_i32x4::<0x44>(q[0], q[1]);
            let high01 = _mm512_shuffle_i32x4::<0xEE>(q[0], q[1]);
            let low23 = _mm512_shuffle_i32x4::<0x44>(q[2], q[3]);
            let high23 = _mm512_shuffle_i32x4::<0xEE>(q[2], q[3]);
            let out = [
                _mm512_shuffle_i32x4::<0x88>(low01, low23),
                _mm512_shuffle_i32x4::<0xDD>(low01, low23),
                _mm512_shuffle_i32x4::<0x88>(high01, high23),
                _mm512_shuffle_i32x4::<0xDD>(high01, high23),
            ];
            for (byte, plane) in out.into_iter().enumerate() {
                // SAFETY: plane `byte` is 128 bytes, the half 64 of them; a chunk of planes is
                // 512 bytes.
                unsafe {
                    let at = planes
                        .as_mut_ptr()
                        .cast::<u8>()
                        .add(byte * CHUNK + 64 * half);
                    _mm512_storeu_si512(at.cast(), plane);
                }
            }
        }
    }
    special == 0
}

/// The 64 floats that a vector of indices names, by step.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
fn look_up(p: &[__m512i; 8], index: __m512i) -> [__m512; 4] {
    let b0 = _mm512_permutex2var_epi8(p[0], index, p[1]);
    let b1 = _mm512_permutex2var_epi8(p[2], index, p[3]);
    let b2 = _mm512_permutex2var_epi8(p[4], index, p[5]);
    let b3 = _mm512_permutex2var_epi8(p[6], index, p[7]);
    let low01 = _mm512_unpacklo_epi8(b0, b1);
    let high01 = _mm512_unpackhi_epi8(b0, b1);
    let low23 = _mm512_unpacklo_epi8(b2, b3);
    let high23 = _mm512_unpackhi_epi8(b2, b3);
    [
        _mm512_castsi512_ps(_mm512_unpacklo_epi16(low01, low23)),
        _mm512_castsi512_ps(_mm512_unpackhi_epi16(low01, low23)),
        _mm512_castsi512_ps(_mm512_unpacklo_epi16(high01, high23)),
        _mm512_castsi512_ps(_mm512_unpackhi_epi16(high01, high23)),
    ]
}

/// Adds the product of a band to `sums`.
///
/// # Safety
///
/// AVX-512 F, BW, VL and VBMI; `planes` has every chunk, `sums` every block of the band.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi")]
pub(super) unsafe fn add_band<W: Stored>(
    lookup: &Lookup,
    band: usize,
    weights: &[W],
    planes: &[f32],
    sums: &mut [f32],
) {
    let chunks = lookup.chunks();
    let zero = _mm512_setzero_ps();
    for chunk in 0..chunks {
        let start = lookup.starts[band * chunks + chunk];
        let end = lookup.starts[band * chunks + chunk + 1];
        if start.block == end.block {
            continue;
        }
        let from = planes[chunk * CHUNK..(chunk + 1) * CHUNK].as_ptr();
        let mut p = [_mm512_setzero_si512(); 8];
        for (i, p) in p.iter_mut().enumerate() {
            // SAFETY: 64 bytes from `64 i`, of the chunk's 512.
            *p = unsafe { _mm512_loadu_si512(from.cast::<__m512i>().add(i)) };
        }
        let mut block = lookup.blocks[start.block..end.block].iter();
        let mut index = lookup.indices[start.group..end.group].as_ptr();
        let mut value = weights[lookup.slots_of(band, chunk)].as_ptr();
        for run in &lookup.runs[start.run..end.run] {
            for _ in 0..run.blocks {
                let Some(block) = block.next() else {
                    return;
                };
                let (mut a, mut b) = ([zero; 4], [zero; 4]);
                // SAFETY: the runs of a chunk count exactly its groups (`pack` wrote them together), each with 64 indices and values.
                let mut next = || unsafe {
                    let found = look_up(&p, _mm512_load_si512(index.cast()));
                    let weights = [
                        W::load_16(value),
                        W::load_16(value.add(16)),
                        W::load_16(value.add(32)),
                        W::load_16(value.add(48)),
                    ];
                    index = index.add(1);
                    value = value.add(GROUP);
                    (found, weights)
                };
                for _ in 0..run.first {
                    let (found, weights) = next();
                    for step in 0..4 {
                        a[step] = _mm512_fmadd_ps(found[step], weights[step], a[step]);
                    }
                }
                if run.mixed > 0 {
                    // SAFETY: sixteen bytes of the block.
                    let split = unsafe { _mm_loadu_si128(block.split.as_ptr().cast()) };
                    let done = _mm512_set1_epi32(4 * i32::from(run.first));
                    let mut left = _mm512_sub_epi32(_mm512_cvtepu8_epi32(split), done);
                    for _ in 0..run.mixed {
                        let (found, weights) = next();
                        for step in 0..4 {
                            let on_first =
                                _mm512_cmpgt_epi32_mask(left, _mm512_set1_epi32(step as i32));
                            a[step] = _mm512_mask3_fmadd_ps(
                                found[step],
                                weights[step],
                                a[step],
                                on_first,
                            );
                            b[step] = _mm512_mask3_fmadd_ps(
                                found[step],
                                weights[step],
                                b[step],
                                !on_first,
                            );
                        }
                        left = _mm512_sub_epi32(left, _mm512_set1_epi32(4));
                    }
                }
                for _ in 0..run.second {
                    let (found, weights) = next();
                    for step in 0..4 {
                        b[step] = _mm512_fmadd_ps(found[step], weights[step], b[step]);
                    }
                }
                let first = _mm512_add_ps(_mm512_add_ps(a[0], a[1]), _mm512_add_ps(a[2], a[3]));
                let second = _mm512_add_ps(_mm512_add_ps(b[0], b[1]), _mm512_add_ps(b[2], b[3]));
                let rows = &mut sums[usize::from(block.block) * BLOCK..][..BLOCK];
                for half in 0..2 {
                    // SAFETY: sixteen places of 32, and sixteen sums of the block's 32.
                    unsafe {
                        let place = _mm_loadu_si128(block.place.as_ptr().add(16 * half).cast());
                        let place = _mm512_cvtepu8_epi32(place);
                        let sum = rows.as_mut_ptr().add(16 * half);
                        let part = _mm512_permutex2var_ps(first, place, second);
                        _mm512_storeu_ps(sum, _mm512_add_ps(_mm512_loadu_ps(sum), part));
                    }
                }
            }
        }
    }
}
