//! Do two means differ? Welch's test, and the paired one.

use serde::{Deserialize, Serialize};

use crate::error::{EvalError, check_finite};
use crate::statistics::student;

/// What came of a test.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The test was done.
    Tested {
        /// Student's t; positive if the second sample's mean is larger.
        t: f64,
        /// Degrees of freedom.
        df: f64,
        /// Two-tailed p-value.
        p: f64,
    },
    /// There is no variation at all, and the means are equal: p = 1.
    Same,
    /// The test cannot be done.
    NotTestable(WhyNot),
}

/// Why a test cannot be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhyNot {
    /// Neither sample varies, and their means differ: there is no spread to measure it by.
    NoVariance,
    /// No example belongs to the class or group.
    NoExamples,
}

impl WhyNot {
    /// In words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::NoVariance => "not testable: neither population varies",
            Self::NoExamples => "not testable: no examples",
        }
    }
}

impl Outcome {
    /// The p-value, if there is one.
    #[must_use]
    pub fn p(self) -> Option<f64> {
        match self {
            Self::Tested { p, .. } => Some(p),
            Self::Same => Some(1.0),
            Self::NotTestable(_) => None,
        }
    }
}

/// Size, mean and variance of a sample.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moments {
    pub n: f64,
    pub mean: f64,
    /// Unbiased; exactly 0 where the sample is constant up to rounding.
    pub variance: f64,
    /// Largest value in size.
    pub scale: f64,
}

impl Moments {
    pub(crate) fn of(values: &[f64]) -> Self {
        let n = values.len() as f64;
        let scale = values
            .iter()
            .fold(0.0_f64, |most, value| most.max(value.abs()));
        // Around the first value, so that a constant sample has a variance of exactly zero.
        let first = values.first().copied().unwrap_or_default();
        let shift = values.iter().map(|value| value - first).sum::<f64>() / n.max(1.0);
        let mean = first + shift;
        let squares: f64 = values
            .iter()
            .map(|value| (value - first - shift).powi(2))
            .sum();
        let variance = squares / (n - 1.0).max(1.0);
        // Differences of rounding are no spread.
        let noise = 16.0 * f64::EPSILON * scale;
        let variance = if variance.sqrt() <= noise {
            0.0
        } else {
            variance
        };
        Self {
            n,
            mean,
            variance,
            scale,
        }
    }
}

/// Standard error of a difference of means and its degrees of freedom (Welch and Satterthwaite).
pub(crate) fn spread(a: Moments, b: Moments) -> (f64, f64) {
    let (u, v) = (a.variance / a.n, b.variance / b.n);
    let df = (u + v).powi(2) / (u * u / (a.n - 1.0) + v * v / (b.n - 1.0));
    ((u + v).sqrt(), df)
}

fn outcome(difference: f64, error: f64, df: f64, scale: f64) -> Outcome {
    if error == 0.0 {
        return match difference.abs() <= 16.0 * f64::EPSILON * scale {
            true => Outcome::Same,
            false => Outcome::NotTestable(WhyNot::NoVariance),
        };
    }
    let t = difference / error;
    Outcome::Tested {
        t,
        df,
        p: student::two_tailed(t, df),
    }
}

fn check(first: &[f64], second: &[f64]) -> Result<(), EvalError> {
    for (name, sample) in [("first sample", first), ("second sample", second)] {
        if sample.len() < 2 {
            return Err(EvalError::TooFewModels {
                level: name.into(),
                found: sample.len(),
                needed: 2,
            });
        }
        check_finite(name, sample)?;
    }
    Ok(())
}

/// Two-sample, two-tailed t-test with unequal variances (Welch 1947):
///
/// > t = (m₂ − m₁) / √(s₁²/n₁ + s₂²/n₂),
/// > df = (s₁²/n₁ + s₂²/n₂)² / ((s₁²/n₁)²/(n₁ − 1) + (s₂²/n₂)²/(n₂ − 1))
///
/// Where neither sample varies, the outcome is [`Outcome::Same`] if the means are equal, otherwise
/// it is not testable.
///
/// # Errors
///
/// With fewer than two values in a sample, or a value that is not finite.
pub fn welch(first: &[f64], second: &[f64]) -> Result<Outcome, EvalError> {
    check(first, second)?;
    let (a, b) = (Moments::of(first), Moments::of(second));
    let (error, df) = spread(a, b);
    Ok(outcome(b.mean - a.mean, error, df, a.scale.max(b.scale)))
}

/// Two-tailed t-test of the differences of pairs, for populations that share their seeds.
///
/// # Errors
///
/// With fewer than two pairs, samples of different sizes, or a value that is not finite.
pub fn paired(first: &[f64], second: &[f64]) -> Result<Outcome, EvalError> {
    check(first, second)?;
    if first.len() != second.len() {
        return Err(EvalError::Length {
            what: "second sample".into(),
            expected: first.len(),
            meaning: "one for each of the first",
            found: second.len(),
        });
    }
    let differences: Vec<f64> = first.iter().zip(second).map(|(a, b)| b - a).collect();
    let scale = first
        .iter()
        .chain(second)
        .fold(0.0_f64, |most, value| most.max(value.abs()));
    let moments = Moments::of(&differences);
    let noise = 16.0 * f64::EPSILON * scale;
    let error = (moments.variance / moments.n).sqrt();
    let error = if error <= noise { 0.0 } else { error };
    Ok(outcome(moments.mean, error, moments.n - 1.0, scale))
}

/// The smallest difference of means that a test at `alpha` finds with probability `power`, given
/// the samples' spread:
///
/// > (t₁₋α/₂ + t_power) · √(s₁²/n₁ + s₂²/n₂)
///
/// For one test by itself; correcting for many makes it larger.
///
/// # Errors
///
/// With fewer than two values in a sample, or a value that is not finite.
pub fn detectable(first: &[f64], second: &[f64], alpha: f64, power: f64) -> Result<f64, EvalError> {
    check(first, second)?;
    let (error, df) = spread(Moments::of(first), Moments::of(second));
    if error == 0.0 {
        return Ok(0.0);
    }
    Ok((student::critical(alpha, df) + student::critical(2.0 * (1.0 - power), df)) * error)
}
