//! What is done to each sum before it is stored: bias, residual, activation.

use pulp::Simd;

use crate::error::{KernelError, check_length};
use crate::vector::{erf, exp};

/// The function applied last.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[non_exhaustive]
pub enum Activation {
    /// The sum itself.
    #[default]
    Identity,
    /// `max(v, 0)`; NaN stays NaN.
    Relu,
    /// `v / 2 * (1 + erf(v / sqrt 2))`, to an absolute error of 1e-6 of `max(1, |v|)`.
    Gelu,
    /// `v / (1 + exp(-v))`.
    Silu,
    /// `v` held between two bounds; NaN stays NaN.
    Clamp {
        /// Lower bound.
        min: f32,
        /// Upper bound.
        max: f32,
    },
}

/// `activation(sum + bias[row] + residual)`, applied while the sums are still near the
/// processor.
///
/// ```
/// use secateur_kernels::Epilogue;
///
/// let bias = [0.5, -1.0];
/// let epilogue = Epilogue::bias(&bias).relu();
/// # let _ = epilogue;
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Epilogue<'a> {
    bias: Option<&'a [f32]>,
    residual: Option<&'a [f32]>,
    activation: Activation,
}

impl<'a> Epilogue<'a> {
    /// Stores the sums as they are.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Adds one value a row of the weights: `[rows]`.
    #[must_use]
    pub fn bias(bias: &'a [f32]) -> Self {
        Self {
            bias: Some(bias),
            ..Self::default()
        }
    }

    /// Adds an array of the shape and layout of the output, before the activation.
    #[must_use]
    pub fn residual(self, residual: &'a [f32]) -> Self {
        Self {
            residual: Some(residual),
            ..self
        }
    }

    /// Ends in `activation`.
    #[must_use]
    pub fn activation(self, activation: Activation) -> Self {
        Self { activation, ..self }
    }

    /// Ends in [`Activation::Relu`].
    #[must_use]
    pub fn relu(self) -> Self {
        self.activation(Activation::Relu)
    }

    /// Ends in [`Activation::Gelu`].
    #[must_use]
    pub fn gelu(self) -> Self {
        self.activation(Activation::Gelu)
    }

    /// Ends in [`Activation::Silu`].
    #[must_use]
    pub fn silu(self) -> Self {
        self.activation(Activation::Silu)
    }

    /// Ends in [`Activation::Clamp`].
    #[must_use]
    pub fn clamp(self, min: f32, max: f32) -> Self {
        self.activation(Activation::Clamp { min, max })
    }

    /// Whether it changes nothing.
    #[must_use]
    pub fn is_identity(&self) -> bool {
        self.bias.is_none() && self.residual.is_none() && self.activation == Activation::Identity
    }

    /// Refuses a bias that is not `[rows]`, a residual that is not `[outputs]` long, and crossed
    /// bounds.
    pub(crate) fn check(&self, rows: usize, outputs: usize) -> Result<(), KernelError> {
        if let Some(bias) = self.bias {
            check_length("bias", bias.len(), rows, "give one bias a row of weights")?;
        }
        if let Some(residual) = self.residual {
            check_length(
                "residual",
                residual.len(),
                outputs,
                "give a residual of the shape of the output",
            )?;
        }
        match self.activation {
            Activation::Clamp { min, max } if min > max || min.is_nan() || max.is_nan() => {
                Err(KernelError::InvalidSetting {
                    setting: "clamp",
                    value: format!("{min} to {max}"),
                    expected: "a lower bound and an upper bound not below it",
                    remedy: "swap the bounds, or replace the NaN",
                })
            }
            _ => Ok(()),
        }
    }

    /// The bias of `row`, 0 without one.
    #[inline(always)]
    pub(crate) fn bias_of(&self, row: usize) -> f32 {
        self.bias.map_or(0.0, |bias| bias[row])
    }

    /// The bias, where there is one.
    #[inline(always)]
    pub(crate) fn bias_values(&self) -> Option<&'a [f32]> {
        self.bias
    }

    /// The residual, where there is one.
    #[inline(always)]
    pub(crate) fn residual_values(&self) -> Option<&'a [f32]> {
        self.residual
    }

    /// The activation.
    #[inline(always)]
    pub(crate) fn activation_kind(&self) -> Activation {
        self.activation
    }
}

impl Activation {
    /// The activation of one value.
    #[must_use]
    pub fn of(self, v: f32) -> f32 {
        self.of_vector(pulp::Scalar::new(), v)
    }

    /// The activation of a vector of values.
    #[inline(always)]
    pub(crate) fn of_vector<S: Simd>(self, simd: S, v: S::f32s) -> S::f32s {
        match self {
            Self::Identity => v,
            Self::Relu => at_least(simd, v, simd.splat_f32s(0.0)),
            Self::Clamp { min, max } => {
                let v = at_least(simd, v, simd.splat_f32s(min));
                at_most(simd, v, simd.splat_f32s(max))
            }
            Self::Silu => {
                let one = simd.splat_f32s(1.0);
                let quotient = simd.add_f32s(one, exp(simd, simd.neg_f32s(v)));
                simd.div_f32s(v, quotient)
            }
            Self::Gelu => {
                let scaled = simd.mul_f32s(v, simd.splat_f32s(std::f32::consts::FRAC_1_SQRT_2));
                let one = simd.splat_f32s(1.0);
                let half = simd.mul_f32s(v, simd.splat_f32s(0.5));
                simd.mul_f32s(half, simd.add_f32s(one, erf(simd, scaled)))
            }
        }
    }
}

/// `v`, or `bound` where `v` is below it. A comparison with NaN is false, so NaN passes.
#[inline(always)]
fn at_least<S: Simd>(simd: S, v: S::f32s, bound: S::f32s) -> S::f32s {
    simd.select_f32s(simd.less_than_f32s(v, bound), bound, v)
}

/// `v`, or `bound` where `v` is above it; NaN passes.
#[inline(always)]
fn at_most<S: Simd>(simd: S, v: S::f32s, bound: S::f32s) -> S::f32s {
    simd.select_f32s(simd.greater_than_f32s(v, bound), bound, v)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn activations_match_their_formulas() {
        // GELU from an erf integrated by Simpson's rule in f64.
        let erf = |x: f64| {
            let steps = 2000;
            let h = x / f64::from(steps);
            let f = |t: f64| (-t * t).exp();
            let inner: f64 = (1..steps)
                .map(|i| f(h * f64::from(i)) * if i % 2 == 1 { 4.0 } else { 2.0 })
                .sum();
            (f(0.0) + inner + f(x)) * h / 3.0 * std::f64::consts::FRAC_2_SQRT_PI
        };
        for i in -400..=400 {
            let x = i as f32 / 40.0;
            let x64 = f64::from(x);
            let silu = x64 / (1.0 + (-x64).exp());
            let gelu = x64 / 2.0 * (1.0 + erf(x64 / std::f64::consts::SQRT_2));
            assert!((f64::from(Activation::Silu.of(x)) - silu).abs() < 1e-6 * x64.abs().max(1.0));
            assert!((f64::from(Activation::Gelu.of(x)) - gelu).abs() < 1e-6 * x64.abs().max(1.0));
        }
        for activation in [Activation::Silu, Activation::Gelu, Activation::Relu] {
            assert!(activation.of(f32::NAN).is_nan());
            assert_eq!(activation.of(f32::INFINITY), f32::INFINITY);
            assert_eq!(activation.of(100.0), 100.0);
            assert!(activation.of(-200.0).abs() < 1e-30);
        }
    }

    #[test]
    fn crossed_bounds_are_refused() {
        assert!(Epilogue::none().clamp(1.0, 0.0).check(1, 1).is_err());
        assert!(Epilogue::none().clamp(f32::NAN, 0.0).check(1, 1).is_err());
        assert!(Epilogue::none().clamp(0.0, 6.0).check(1, 1).is_ok());
        assert!(Epilogue::bias(&[1.0]).check(2, 2).is_err());
    }
}
