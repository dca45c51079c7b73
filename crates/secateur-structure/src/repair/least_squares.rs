//! Least squares: the weights over the inputs that stay take over what the others gave.

use faer::Mat;

use super::{LayerMoments, RepairError, damped};

/// The weights over the inputs `kept` that come nearest to the outputs that the moments tell of, as
/// a whole view with zeros over all other inputs (He, Zhang and Sun 2017, *Channel Pruning for
/// Accelerating Very Deep Neural Networks*, arXiv 1707.06168, its second step).
///
/// `W_S = argmin Σ ‖y - W_S x_S‖² + δ ‖W_S - W⁰_S‖²`, so with `G` and `B` as in [`LayerMoments`]
/// `W_Sᵀ = (G_SS + δI)⁻¹ (B_S + δ W⁰_Sᵀ)`. `W⁰` are the `weights` there were; `δ` is `damping` times
/// the mean diagonal of `G_SS`, and draws towards them what the rows do not determine.
///
/// The error is at most that of plain removal, whatever the damping.
///
/// Cost: `|S|³/3` operations for the Cholesky factor, `|S|²·out` for the weights.
///
/// # Errors
/// [`RepairError::Singular`] where the rows do not determine the weights: damp it.
/// [`RepairError::Size`] and [`RepairError::Choice`] for weights, inputs or a damping that are none.
pub fn refit(
    moments: &LayerMoments,
    weights: &[f64],
    kept: &[usize],
    damping: f64,
) -> Result<Vec<f64>, RepairError> {
    RepairError::check_damping(moments.path(), damping)?;
    let plain = moments.without_others(weights, kept)?;
    let standing = moments.features_of(kept)?;
    let (count, features) = (standing.len(), moments.features());
    let gram = moments.gram();
    let trace: f64 = standing.iter().map(|&f| gram[(f, f)]).sum();
    if trace == 0.0 {
        // Nothing flows through what stays: one weight is as good as another.
        return Ok(plain);
    }
    let delta = damped::delta(trace, count, damping);
    let normal = Mat::from_fn(count, count, |i, j| {
        let moment = gram[(standing[i], standing[j])];
        if i == j { moment + delta } else { moment }
    });
    let wanted = Mat::from_fn(count, moments.outputs(), |i, o| {
        moments.cross()[(standing[i], o)] + delta * plain[o * features + standing[i]]
    });
    let solution = damped::solve(moments.path(), &normal, &wanted, damping)?;
    let mut refitted = plain.clone();
    for (i, &feature) in standing.iter().enumerate() {
        for o in 0..moments.outputs() {
            refitted[o * features + feature] = solution[(i, o)];
        }
    }
    Ok(refitted)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::repair::moments::tests::layers;

    #[test]
    fn one_input_takes_over_by_hand() {
        // x = (1, 1), (2, 1), W = (1, 2): y = 3, 4. Without the second input w = (3 + 8)/(1 + 4)
        // = 2.2, and the errors are 0.8² + 0.4² = 0.8; plain removal has 2² + 2² = 8.
        let mut moments = LayerMoments::new("w", [1, 2, 1]);
        moments.add(&[1.0, 1.0, 2.0, 1.0], &[3.0, 4.0]).unwrap();
        let weights = refit(&moments, &[1.0, 2.0], &[0], 0.0).unwrap();
        assert!(
            (weights[0] - 2.2).abs() < 1e-12 && weights[1] == 0.0,
            "{weights:?}"
        );
        assert!((moments.error(&weights).unwrap() - 0.8).abs() < 1e-12);
        assert_eq!(moments.error(&[1.0, 0.0]), Ok(8.0));
        // A damping as large as the mean diagonal, 5: (11 + 5·1)/(5 + 5) = 1.6.
        let weights = refit(&moments, &[1.0, 2.0], &[0], 1.0).unwrap();
        assert!((weights[0] - 1.6).abs() < 1e-12, "{weights:?}");
    }

    #[test]
    fn rows_that_do_not_tell_inputs_apart_ask_for_damping() {
        // Both inputs are always equal.
        let mut moments = LayerMoments::new("conv2.weight", [1, 3, 1]);
        moments
            .add(&[1.0, 1.0, 0.5, 2.0, 2.0, 0.0], &[2.0, 5.0])
            .unwrap();
        let original = [1.0, 1.0, 0.0];
        let error = refit(&moments, &original, &[0, 1], 0.0).unwrap_err();
        assert!(matches!(error, RepairError::Singular { .. }), "{error:?}");
        let text = error.to_string();
        assert!(
            text.contains("conv2.weight") && text.contains("raise the damping"),
            "{text}"
        );
        // With a little of it they share what is missing alike: w = 12/5/2 each.
        let weights = refit(&moments, &original, &[0, 1], 1e-6).unwrap();
        assert!((weights[0] - 1.2).abs() < 1e-5 && (weights[1] - 1.2).abs() < 1e-5);
        assert!(refit(&moments, &original, &[0], f64::NAN).is_err());
        assert!(refit(&moments, &original, &[5], 0.0).is_err());
        // What gets no input keeps its weights.
        let dead = LayerMoments::new("w", [1, 2, 1]);
        assert_eq!(refit(&dead, &[1.0, 2.0], &[1], 0.0), Ok(vec![0.0, 2.0]));
    }

    proptest! {
        #[test]
        fn the_error_is_at_most_that_of_plain_removal(
            (moments, weights) in layers(),
            chosen in proptest::collection::vec(any::<bool>(), 6),
            damping in prop_oneof![Just(1e-6), Just(0.01), Just(1.0)],
        ) {
            let kept: Vec<usize> = (0..moments.shape()[1]).filter(|&i| chosen[i]).collect();
            let refitted = refit(&moments, &weights, &kept, damping).unwrap();
            let plain = moments.without_others(&weights, &kept).unwrap();
            let slack = 1e-9 * moments.energy();
            prop_assert!(moments.error(&refitted).unwrap() <= moments.error(&plain).unwrap() + slack);
            for (weight, plain) in refitted.iter().zip(&plain) {
                prop_assert!(*plain != 0.0 || *weight == 0.0);
            }
        }

        #[test]
        fn nothing_removed_nothing_changed((moments, weights) in layers(), damping in 1e-6..0.1f64) {
            let all: Vec<usize> = (0..moments.shape()[1]).collect();
            let refitted = refit(&moments, &weights, &all, damping).unwrap();
            for (new, old) in refitted.iter().zip(&weights) {
                prop_assert!((new - old).abs() < 1e-6, "{refitted:?} {weights:?}");
            }
        }
    }
}
