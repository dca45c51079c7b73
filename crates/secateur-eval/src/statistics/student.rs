//! Student's t distribution, far into its tails.

use statrs::function::beta::checked_beta_reg;

/// Two-tailed probability of a t at least as large as `t` in size, with `df` degrees of freedom:
///
/// > p = I(df / (df + t²); df/2, 1/2)
///
/// with I the regularised incomplete beta function. It is computed as such, not as 1 − CDF, which
/// loses all digits at 1e-16: here the relative error is below 1e-9 down to 1e-300. The degrees of
/// freedom need not be whole.
///
/// 1 for a `t` that is NaN or degrees of freedom that are not positive.
///
/// ```
/// use secateur_eval::statistics::student;
///
/// // R: 2 * pt(-2.228139, 10)
/// assert!((student::two_tailed(2.228_139, 10.0) - 0.05).abs() < 1e-7);
/// assert!(student::two_tailed(60.0, 58.0) > 0.0);
/// ```
#[must_use]
pub fn two_tailed(t: f64, df: f64) -> f64 {
    if t.is_nan() || df.is_nan() || df <= 0.0 {
        return 1.0;
    }
    // Divided first, so that no square overflows.
    let ratio = t.abs() / df.sqrt();
    let (x, rest) = match ratio > 1.0 {
        true => (
            1.0 / (1.0 + ratio * ratio),
            1.0 / (1.0 + 1.0 / (ratio * ratio)),
        ),
        false => (
            1.0 / (1.0 + ratio * ratio),
            ratio * ratio / (1.0 + ratio * ratio),
        ),
    };
    // Near x = 1, where p is large, from the other end: there 1 − x has all its digits.
    let p = match rest < 1.5 / (2.5 + df / 2.0) {
        true => checked_beta_reg(0.5, df / 2.0, rest).map(|below| 1.0 - below),
        false => checked_beta_reg(df / 2.0, 0.5, x),
    };
    p.unwrap_or(1.0).clamp(0.0, 1.0)
}

/// The t that is exceeded in size with probability `alpha`: 2.2281 for 5 % and 10 degrees of
/// freedom.
#[must_use]
pub fn critical(alpha: f64, df: f64) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    while two_tailed(high, df) > alpha && high < 1e300 {
        low = high;
        high *= 2.0;
    }
    for _ in 0..200 {
        let middle = low + (high - low) / 2.0;
        if middle <= low || middle >= high {
            break;
        }
        match two_tailed(middle, df) > alpha {
            true => low = middle,
            false => high = middle,
        }
    }
    high
}
