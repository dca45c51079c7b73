//! Arithmetic on vectors of floats that pulp leaves to its users.

use pulp::Simd;

/// The vector at `at`, which need not be aligned.
///
/// # Safety
///
/// `at` points to a whole vector of initialised floats.
#[inline(always)]
pub(crate) unsafe fn load<S: Simd>(at: *const f32) -> S::f32s {
    // SAFETY: the caller's promise; `f32s` is plain data.
    unsafe { at.cast::<S::f32s>().read_unaligned() }
}

/// Writes a vector to `at`, which need not be aligned.
///
/// # Safety
///
/// `at` points to room for a whole vector of floats.
#[inline(always)]
pub(crate) unsafe fn store<S: Simd>(at: *mut f32, v: S::f32s) {
    // SAFETY: the caller's promise.
    unsafe { at.cast::<S::f32s>().write_unaligned(v) }
}

/// `exp(x)` to two units in the last place; 0 below -87.3, infinity above 88.7, NaN of NaN.
///
/// `x = n ln 2 + r` with integer `n` and `|r| <= ln 2 / 2`; a polynomial gives `exp(r)` and the
/// exponent bits of a float give `2^n`, in two factors so that neither leaves the normal range.
#[inline(always)]
pub(crate) fn exp<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    let splat = |v: f32| simd.splat_f32s(v);
    // Adding 1.5 * 2^23 leaves the nearest integer in the low bits of the mantissa.
    let magic = splat(12_582_912.0);
    let low = splat(-87.336_54);
    let high = splat(88.722_83);
    let bounded = simd.select_f32s(simd.less_than_f32s(x, low), low, x);
    let bounded = simd.select_f32s(simd.greater_than_f32s(bounded, high), high, bounded);
    let shifted = simd.mul_add_e_f32s(bounded, splat(std::f32::consts::LOG2_E), magic);
    let n = simd.sub_f32s(shifted, magic);
    // ln 2 in two parts, the first exact in few bits, so that the remainder keeps its digits.
    let r = simd.mul_add_e_f32s(n, splat(-0.693_359_4), bounded);
    let r = simd.mul_add_e_f32s(n, splat(2.121_944_4e-4), r);
    let mut p = splat(1.0 / 5040.0);
    for c in [
        1.0 / 720.0,
        1.0 / 120.0,
        1.0 / 24.0,
        1.0 / 6.0,
        0.5,
        1.0,
        1.0,
    ] {
        p = simd.mul_add_e_f32s(p, r, splat(c));
    }
    // 2^n = 2^(n/2) * 2^(n - n/2) keeps n = 128 representable.
    let half = simd.sub_f32s(simd.mul_add_e_f32s(n, splat(0.5), magic), magic);
    let power = |n: S::f32s| {
        let bits = simd.transmute_u32s_f32s(simd.add_f32s(n, splat(12_582_912.0 + 127.0)));
        let exponent = simd.wrapping_dyn_shl_u32s(bits, simd.splat_u32s(23));
        simd.transmute_f32s_u32s(exponent)
    };
    let value = simd.mul_f32s(simd.mul_f32s(p, power(half)), power(simd.sub_f32s(n, half)));
    let value = simd.select_f32s(simd.less_than_f32s(x, low), splat(0.0), value);
    let value = simd.select_f32s(simd.greater_than_f32s(x, high), splat(f32::INFINITY), value);
    // NaN compares with nothing, itself included.
    simd.select_f32s(simd.equal_f32s(x, x), value, x)
}

/// `erf(x)` to an absolute error of 2e-7 (Abramowitz and Stegun, formula 7.1.26).
///
/// `1 - (a1 t + a2 t^2 + a3 t^3 + a4 t^4 + a5 t^5) exp(-x^2)` with `t = 1 / (1 + p x)`, x >= 0.
#[inline(always)]
pub(crate) fn erf<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    let splat = |v: f32| simd.splat_f32s(v);
    let magnitude = simd.abs_f32s(x);
    let one = splat(1.0);
    let t = simd.div_f32s(one, simd.mul_add_e_f32s(magnitude, splat(0.327_591_1), one));
    let mut p = splat(1.061_405_4);
    for a in [-1.453_152_1, 1.421_413_8, -0.284_496_72, 0.254_829_6] {
        p = simd.mul_add_e_f32s(p, t, splat(a));
    }
    let tail = exp(simd, simd.neg_f32s(simd.mul_f32s(x, x)));
    let value = simd.sub_f32s(one, simd.mul_f32s(simd.mul_f32s(p, t), tail));
    let negative = simd.less_than_f32s(x, splat(0.0));
    simd.select_f32s(negative, simd.neg_f32s(value), value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_is_close() {
        for i in (-8700..=8800).step_by(if cfg!(miri) { 97 } else { 1 }) {
            let x = i as f32 / 100.0;
            let expected = f64::from(x).exp();
            let got = f64::from(exp(pulp::Scalar::new(), x));
            assert!((got / expected - 1.0).abs() < 5e-7, "{x}: {got} {expected}");
        }
        assert_eq!(exp(pulp::Scalar::new(), -200.0), 0.0);
        assert_eq!(exp(pulp::Scalar::new(), f32::NEG_INFINITY), 0.0);
        assert_eq!(exp(pulp::Scalar::new(), 200.0), f32::INFINITY);
        assert!(exp(pulp::Scalar::new(), f32::NAN).is_nan());
    }
}
