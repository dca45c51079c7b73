//! Transposing a block of floats: the layout change between a batch and its features.

use pulp::Simd;

/// Writes `to[c][r] = from[r][c]` for `[rows, columns]` elements; `from` has rows `from_stride`
/// apart, `to` has rows `to_stride` apart.
pub(crate) fn transpose<S: Simd>(
    simd: S,
    from: &[f32],
    from_stride: usize,
    [rows, columns]: [usize; 2],
    to: &mut [f32],
    to_stride: usize,
) {
    if rows == 0 || columns == 0 {
        return;
    }
    assert!(from.len() >= (rows - 1) * from_stride + columns);
    assert!(to.len() >= (columns - 1) * to_stride + rows);
    // SAFETY: the asserts above.
    unsafe {
        transpose_raw(
            simd,
            from.as_ptr(),
            from_stride,
            [rows, columns],
            to.as_mut_ptr(),
            to_stride,
        )
    };
}

/// [`transpose`] between pointers, for memory that others use between the rows.
///
/// # Safety
///
/// `from` has `rows` rows of `columns` floats, `from_stride` apart, and `to` has room for `columns` rows of `rows` floats,
/// `to_stride` apart, that are ours to write.
#[inline(always)]
pub(crate) unsafe fn transpose_raw<S: Simd>(
    simd: S,
    from: *const f32,
    from_stride: usize,
    [rows, columns]: [usize; 2],
    to: *mut f32,
    to_stride: usize,
) {
    let block = block_width::<S>();
    let whole = [rows / block * block, columns / block * block];
    for row in (0..whole[0]).step_by(block) {
        for column in (0..whole[1]).step_by(block) {
            // SAFETY: a whole block lies within both, by `whole`.
            unsafe {
                transpose_block(
                    simd,
                    from.add(row * from_stride + column),
                    from_stride,
                    to.add(column * to_stride + row),
                    to_stride,
                );
            }
        }
    }
    for column in 0..columns {
        let first = if column < whole[1] { whole[0] } else { 0 };
        for row in first..rows {
            // SAFETY: `row < rows` and `column < columns`, within both.
            unsafe { *to.add(column * to_stride + row) = *from.add(row * from_stride + column) };
        }
    }
}

/// Side of the blocks that are transposed within registers.
#[inline(always)]
const fn block_width<S: Simd>() -> usize {
    match S::F32_LANES {
        16 => 16,
        8 => 8,
        _ => 4,
    }
}

/// # Safety
///
/// Both point to a square block of [`block_width`] floats a side, rows a stride apart.
#[inline(always)]
unsafe fn transpose_block<S: Simd>(
    simd: S,
    from: *const f32,
    from_stride: usize,
    to: *mut f32,
    to_stride: usize,
) {
    let _ = simd;
    #[cfg(target_arch = "x86_64")]
    {
        if S::F32_LANES == 16 {
            // SAFETY: sixteen lanes means `S` is the AVX-512 token, so the processor has it.
            unsafe { x86::transpose_16(from, from_stride, to, to_stride) };
            return;
        }
        if S::F32_LANES == 8 {
            // SAFETY: eight lanes means `S` is the AVX2 token.
            unsafe { x86::transpose_8(from, from_stride, to, to_stride) };
            return;
        }
    }
    let side = block_width::<S>();
    for row in 0..side {
        for column in 0..side {
            // SAFETY: within the block.
            unsafe { *to.add(column * to_stride + row) = *from.add(row * from_stride + column) };
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    /// # Safety
    ///
    /// AVX-512F, and two 16 by 16 blocks.
    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(super) unsafe fn transpose_16(
        from: *const f32,
        from_stride: usize,
        to: *mut f32,
        to_stride: usize,
    ) {
        // SAFETY: row `r` of the block has sixteen floats.
        let row = |r: usize| unsafe { _mm512_loadu_ps(from.add(r * from_stride)) };
        let mut a = [_mm512_setzero_ps(); 16];
        // Pairs of rows, then pairs of pairs: after this `a[4 g + j]` holds, in each quarter q,
        // column `4 q + j` of rows `4 g .. 4 g + 4`.
        for g in 0..4 {
            let [r0, r1, r2, r3] = [row(4 * g), row(4 * g + 1), row(4 * g + 2), row(4 * g + 3)];
            let low01 = _mm512_castps_pd(_mm512_unpacklo_ps(r0, r1));
            let high01 = _mm512_castps_pd(_mm512_unpackhi_ps(r0, r1));
            let low23 = _mm512_castps_pd(_mm512_unpacklo_ps(r2, r3));
            let high23 = _mm512_castps_pd(_mm512_unpackhi_ps(r2, r3));
            a[4 * g] = _mm512_castpd_ps(_mm512_unpacklo_pd(low01, low23));
            a[4 * g + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(low01, low23));
            a[4 * g + 2] = _mm512_castpd_ps(_mm512_unpacklo_pd(high01, high23));
            a[4 * g + 3] = _mm512_castpd_ps(_mm512_unpackhi_pd(high01, high23));
        }
        // Quarters change places: a 4 by 4 transposition of 128-bit lanes for each j.
        for j in 0..4 {
            let even01 = _mm512_shuffle_f32x4::<0x88>(a[j], a[4 + j]);
            let odd01 = _mm512_shuffle_f32x4::<0xDD>(a[j], a[4 + j]);
            let even23 = _mm512_shuffle_f32x4::<0x88>(a[8 + j], a[12 + j]);
            let odd23 = _mm512_shuffle_f32x4::<0xDD>(a[8 + j], a[12 + j]);
            let columns = [
                _mm512_shuffle_f32x4::<0x88>(even01, even23),
                _mm512_shuffle_f32x4::<0x88>(odd01, odd23),
                _mm512_shuffle_f32x4::<0xDD>(even01, even23),
                _mm512_shuffle_f32x4::<0xDD>(odd01, odd23),
            ];
            for (q, column) in columns.into_iter().enumerate() {
                // SAFETY: row `4 q + j` of the target block has room for sixteen floats.
                unsafe { _mm512_storeu_ps(to.add((4 * q + j) * to_stride), column) };
            }
        }
    }

    /// # Safety
    ///
    /// AVX2, and two 8 by 8 blocks.
    #[inline]
    #[target_feature(enable = "avx2")]
    pub(super) unsafe fn transpose_8(
        from: *const f32,
        from_stride: usize,
        to: *mut f32,
        to_stride: usize,
    ) {
        // SAFETY: row `r` of the block has eight floats.
        let row = |r: usize| unsafe { _mm256_loadu_ps(from.add(r * from_stride)) };
        let mut a = [_mm256_setzero_ps(); 8];
        for g in 0..2 {
            let [r0, r1, r2, r3] = [row(4 * g), row(4 * g + 1), row(4 * g + 2), row(4 * g + 3)];
            let low01 = _mm256_castps_pd(_mm256_unpacklo_ps(r0, r1));
            let high01 = _mm256_castps_pd(_mm256_unpackhi_ps(r0, r1));
            let low23 = _mm256_castps_pd(_mm256_unpacklo_ps(r2, r3));
            let high23 = _mm256_castps_pd(_mm256_unpackhi_ps(r2, r3));
            a[4 * g] = _mm256_castpd_ps(_mm256_unpacklo_pd(low01, low23));
            a[4 * g + 1] = _mm256_castpd_ps(_mm256_unpackhi_pd(low01, low23));
            a[4 * g + 2] = _mm256_castpd_ps(_mm256_unpacklo_pd(high01, high23));
            a[4 * g + 3] = _mm256_castpd_ps(_mm256_unpackhi_pd(high01, high23));
        }
        for j in 0..4 {
            let columns = [
                _mm256_permute2f128_ps::<0x20>(a[j], a[4 + j]),
                _mm256_permute2f128_ps::<0x31>(a[j], a[4 + j]),
            ];
            for (q, column) in columns.into_iter().enumerate() {
                // SAFETY: row `4 q + j` of the target block has room for eight floats.
                unsafe { _mm256_storeu_ps(to.add((4 * q + j) * to_stride), column) };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::isa::Isa;

    struct Op<'a>(&'a [f32], usize, [usize; 2], &'a mut [f32], usize);

    impl pulp::WithSimd for Op<'_> {
        type Output = ();
        fn with_simd<S: Simd>(self, simd: S) {
            transpose(simd, self.0, self.1, self.2, self.3, self.4);
        }
    }

    #[test]
    fn every_shape_on_every_isa() {
        for isa in Isa::available() {
            for [rows, columns] in [[1, 1], [16, 16], [17, 33], [3, 40], [64, 20], [8, 9]] {
                let (from_stride, to_stride) = (columns + 3, rows + 2);
                let from: Vec<f32> = (0..rows * from_stride).map(|i| i as f32).collect();
                let mut to = vec![-1.0; columns * to_stride];
                isa.dispatch(Op(&from, from_stride, [rows, columns], &mut to, to_stride));
                for r in 0..rows {
                    for c in 0..columns {
                        assert_eq!(to[c * to_stride + r], from[r * from_stride + c]);
                    }
                }
                assert!((0..columns).all(|c| to[c * to_stride + rows] == -1.0));
            }
        }
    }
}
