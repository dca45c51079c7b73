//! Damped normal equations.

use faer::linalg::solvers::Solve;
use faer::{Mat, Side};

use super::RepairError;

/// How much of a feature may be told by those before it: beyond, what is left is rounding.
const LEAST_PIVOT: f64 = 1e-12;

/// `δ`: `damping` times the mean diagonal of `count` moments that sum to `trace`.
pub(super) fn delta(trace: f64, count: usize, damping: f64) -> f64 {
    damping * trace / count.max(1) as f64
}

/// `M⁻¹ R` by Cholesky, where `M` is `moments` with `δ` added to its diagonal already.
///
/// # Errors
/// [`RepairError::Singular`], with the `damping` that was not enough.
pub(super) fn solve(
    path: &str,
    moments: &Mat<f64>,
    wanted: &Mat<f64>,
    damping: f64,
) -> Result<Mat<f64>, RepairError> {
    let singular = || RepairError::Singular {
        path: path.into(),
        features: moments.nrows(),
        damping,
    };
    let factor = moments.llt(Side::Lower).map_err(|_| singular())?;
    let lower = factor.L();
    let mut features = 0..moments.nrows();
    let sound = features.all(|i| lower[(i, i)].powi(2) > LEAST_PIVOT * moments[(i, i)]);
    let solution = factor.solve(wanted);
    match sound && solution.is_all_finite() {
        true => Ok(solution),
        false => Err(singular()),
    }
}
