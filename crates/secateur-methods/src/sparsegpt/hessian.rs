//! The damped Hessian of a layer's squared error, and the Cholesky factor of its inverse.

use faer::linalg::triangular_inverse::invert_lower_triangular;
use faer::{Mat, Par, Side};
use secateur_core::error::PruneError;

/// The upper triangular `U` with `H⁻¹ = UᵀU`, where `H` is the matrix of second moments `at(i, j)`
/// with `damping` times its mean diagonal added to the diagonal.
///
/// A feature that is always zero gets the mean diagonal of the others: nothing couples it with
/// them. `U` comes of one factorisation: with the features in reverse, `H = LLᵀ`, and `L⁻¹` in
/// reverse again is `U`.
///
/// # Errors
/// One that names `path`, where the moments are not finite or `H` is not positive definite.
pub(super) fn inverse_factor(
    path: &str,
    features: usize,
    damping: f64,
    at: impl Fn(usize, usize) -> f64,
) -> Result<Mat<f64>, PruneError> {
    let live = (0..features).map(|j| at(j, j)).filter(|&x| x != 0.0);
    let mean = match live.clone().count() {
        0 => 1.0,
        count => live.sum::<f64>() / count as f64,
    };
    if !mean.is_finite() {
        return Err(PruneError::custom(
            path,
            "the second moments of its inputs are not finite; look for NaN or infinite values in \
             the calibration batches and the layers before it",
        ));
    }
    let last = features.saturating_sub(1);
    let reversed = Mat::from_fn(features, features, |i, j| {
        let value = at(last - i, last - j);
        match i == j {
            false => value,
            true if value == 0.0 => mean * (1.0 + damping),
            true => value + mean * damping,
        }
    });
    let refused = || {
        PruneError::custom(
            path,
            format!(
                "the second moments of its {features} input features are not positive definite \
                 with damping {damping}; calibrate with more batches, or raise the damping by \
                 `SparseGpt::with_damping`"
            ),
        )
    };
    let factor = reversed.llt(Side::Lower).map_err(|_| refused())?;
    let mut inverse = Mat::zeros(features, features);
    invert_lower_triangular(inverse.as_mut(), factor.L(), Par::Seq);
    let upper = Mat::from_fn(features, features, |i, j| match i <= j {
        true => inverse[(last - i, last - j)],
        false => 0.0,
    });
    let sound = (0..features).all(|j| upper[(j, j)] > 0.0 && upper[(j, j)].is_finite());
    if sound { Ok(upper) } else { Err(refused()) }
}
