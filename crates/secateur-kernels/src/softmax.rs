//! The softmax of rows.

use pulp::{Simd, WithSimd};

use crate::isa::Isa;
use crate::vector::{exp, load, store};

/// The softmax of each row of `width` values of `y`, in place; its logarithm where `log` says so.
/// The last row is left as it is where `width` does not divide `y`.
///
/// A row's largest value is subtracted first, so that nothing overflows. A NaN makes its row NaN.
pub fn softmax(isa: Isa, y: &mut [f32], width: usize, log: bool) {
    if width > 0 {
        isa.dispatch(Rows { y, width, log });
    }
}

struct Rows<'a> {
    y: &'a mut [f32],
    width: usize,
    log: bool,
}

impl WithSimd for Rows<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        for row in self.y.chunks_exact_mut(self.width) {
            let (whole, rest) = row.split_at_mut(row.len() / S::F32_LANES * S::F32_LANES);
            let mut widest = simd.splat_f32s(f32::NEG_INFINITY);
            each::<S>(whole, |v| {
                widest = simd.max_f32s(widest, v);
                v
            });
            let largest = rest
                .iter()
                .copied()
                .fold(simd.reduce_max_f32s(widest), f32::max);
            let shift = simd.splat_f32s(largest);
            let mut sums = simd.splat_f32s(0.0);
            let mut sum = 0.0;
            if self.log {
                each::<S>(whole, |v| {
                    sums = simd.add_f32s(sums, exp(simd, simd.sub_f32s(v, shift)));
                    v
                });
                let scalar = pulp::Scalar::new();
                sum += rest.iter().map(|&v| exp(scalar, v - largest)).sum::<f32>();
                // In two steps, so that the largest value keeps its digits.
                let less = (simd.reduce_sum_f32s(sums) + sum).ln();
                let splat = simd.splat_f32s(less);
                each::<S>(whole, |v| simd.sub_f32s(simd.sub_f32s(v, shift), splat));
                rest.iter_mut().for_each(|v| *v = (*v - largest) - less);
            } else {
                each::<S>(whole, |v| {
                    let power = exp(simd, simd.sub_f32s(v, shift));
                    sums = simd.add_f32s(sums, power);
                    power
                });
                for v in rest.iter_mut() {
                    *v = exp(pulp::Scalar::new(), *v - largest);
                    sum += *v;
                }
                let factor = 1.0 / (simd.reduce_sum_f32s(sums) + sum);
                let splat = simd.splat_f32s(factor);
                each::<S>(whole, |v| simd.mul_f32s(v, splat));
                rest.iter_mut().for_each(|v| *v *= factor);
            }
        }
    }
}

/// Replaces each vector of `values`, of which there are whole ones only.
#[inline(always)]
fn each<S: Simd>(values: &mut [f32], mut f: impl FnMut(S::f32s) -> S::f32s) {
    for vector in values.chunks_exact_mut(S::F32_LANES) {
        let at = vector.as_mut_ptr();
        // SAFETY: the chunk is a whole vector.
        unsafe { store::<S>(at, f(load::<S>(at))) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_width_matches_the_formula_in_double_precision() {
        for isa in Isa::available() {
            for width in [1, 2, 7, 10, 16, 33, 100] {
                let x: Vec<f32> = (0..3 * width)
                    .map(|at| ((at * 37 % 101) as f32 - 50.0) / 3.0)
                    .collect();
                for log in [false, true] {
                    let mut y = x.clone();
                    softmax(isa, &mut y, width, log);
                    for (x, y) in x.chunks(width).zip(y.chunks(width)) {
                        let sum: f64 = x.iter().map(|&v| f64::from(v).exp()).sum();
                        for (&x, &y) in x.iter().zip(y) {
                            let expected = f64::from(x).exp() / sum;
                            let expected = if log { expected.ln() } else { expected };
                            let error = (f64::from(y) - expected).abs();
                            assert!(
                                error < 4e-6 * expected.abs().max(0.1),
                                "{isa} {width} {log}"
                            );
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn large_values_and_nan() {
        for isa in Isa::available() {
            let mut y = vec![1000.0; 20];
            y[3] = -1000.0;
            softmax(isa, &mut y, 20, false);
            assert_eq!((y[3], y[4]), (0.0, 1.0 / 19.0));
            let mut y = vec![0.0; 40];
            y[5] = f32::NAN;
            softmax(isa, &mut y, 20, false);
            assert!(y[..20].iter().all(|v| v.is_nan()) && y[20] == 0.05);
            softmax(isa, &mut [], 20, false);
            softmax(isa, &mut y, 0, true);
        }
    }
}
