//! ThiNet: inputs that together add nothing, and scales that make up for them.

use faer::Mat;

use super::{Contributions, LayerMoments, RepairError, damped};

/// The inputs to remove, first to last (Luo, Wu and Lin 2017, *ThiNet: A Filter Level Pruning Method
/// for Deep Neural Network Compression*, arXiv 1707.06342, equation 6 and algorithm 1).
///
/// `T = argmin_{|T| = remove} Σ_samples (Σ_{j∈T} z_j)²`, greedily: each time the input joins that
/// makes the sum smallest, the first of equals. Two inputs that cancel each other are a cheap pair
/// however much each of them gives.
///
/// Compared are the inputs of one layer.
///
/// Cost: `remove · in` operations.
///
/// # Errors
/// [`RepairError::Choice`] unless one input is left.
pub fn greedy(contributions: &Contributions, remove: usize) -> Result<Vec<usize>, RepairError> {
    let inputs = contributions.inputs();
    RepairError::check_removed(contributions.path(), remove, inputs.max(1))?;
    let gram = contributions.gram();
    // What the sum grows by when an input joins: C_jj + 2 Σ_{k∈T} C_jk.
    let mut growth: Vec<f64> = (0..inputs).map(|j| gram[(j, j)]).collect();
    let mut standing: Vec<usize> = (0..inputs).collect();
    let mut removed = Vec::with_capacity(remove);
    while removed.len() < remove {
        let places = 0..standing.len();
        let least = places.min_by(|&i, &j| growth[standing[i]].total_cmp(&growth[standing[j]]));
        let Some(least) = least.map(|place| standing.remove(place)) else {
            break;
        };
        removed.push(least);
        for &j in &standing {
            growth[j] += 2.0 * gram[(j, least)];
        }
    }
    Ok(removed)
}

/// A scale for each input `kept`, in their order: `argmin_s Σ (y - Σ_{i∈S} s_i z_i)² + δ ‖s - 1‖²`,
/// `s = (C_SS + δI)⁻¹ (t_S + δ)` (the paper's section 3.3). `δ` is `damping` times the mean diagonal.
///
/// # Errors
/// [`RepairError::Singular`] where the samples do not determine the scales: damp it.
/// [`RepairError::Choice`] for an input or a damping that is none.
pub fn scales(
    contributions: &Contributions,
    kept: &[usize],
    damping: f64,
) -> Result<Vec<f64>, RepairError> {
    let path = contributions.path();
    RepairError::check_damping(path, damping)?;
    if let Some(input) = kept.iter().find(|&&input| input >= contributions.inputs()) {
        return Err(RepairError::Choice {
            path: path.into(),
            asked: format!("input {input}"),
            expected: format!("one of its {} inputs", contributions.inputs()),
            remedy: "count inputs from 0".into(),
        });
    }
    let (gram, count) = (contributions.gram(), kept.len());
    let trace: f64 = kept.iter().map(|&i| gram[(i, i)]).sum();
    if trace == 0.0 {
        return Ok(vec![1.0; count]);
    }
    let delta = damped::delta(trace, count, damping);
    let normal = Mat::from_fn(count, count, |i, j| {
        let moment = gram[(kept[i], kept[j])];
        if i == j { moment + delta } else { moment }
    });
    let wanted = Mat::from_fn(count, 1, |i, _| contributions.target()[kept[i]] + delta);
    let scales = damped::solve(path, &normal, &wanted, damping)?;
    Ok(scales.col(0).iter().copied().collect())
}

/// ThiNet on one layer: the inputs that stay, ascending, and weights of the whole view, those scaled
/// and the others zero.
///
/// # Errors
/// Those of [`greedy`] and [`scales`]; [`RepairError::Size`] for weights of another view.
pub fn thinet(
    moments: &LayerMoments,
    weights: &[f64],
    remove: usize,
    damping: f64,
) -> Result<(Vec<usize>, Vec<f64>), RepairError> {
    let contributions = Contributions::of(moments, weights)?;
    let removed = greedy(&contributions, remove)?;
    let kept: Vec<usize> = (0..contributions.inputs())
        .filter(|input| !removed.contains(input))
        .collect();
    let scales = scales(&contributions, &kept, damping)?;
    let mut scaled = moments.without_others(weights, &kept)?;
    let [_, inputs, kernel] = moments.shape();
    for (at, weight) in scaled.iter_mut().enumerate() {
        if let Ok(place) = kept.binary_search(&(at / kernel % inputs)) {
            *weight *= scales[place];
        }
    }
    Ok((kept, scaled))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::repair::moments::tests::layers;

    #[test]
    fn a_pair_that_cancels_by_hand() {
        // Contributions of four inputs to three samples:
        //   (3, -3, 1, 2), (1, -1, 1, 2), (-2, 2.5, 1, 2).
        // Alone: 14, 16.25, 3, 12: the third goes. With it 14 + 3 + 2·(3 + 1 - 2) = 21 for the first,
        // 16.25 + 3 - 2·1.5 = 16.25 for the second, 12 + 3 + 2·6 = 27 for the fourth: the second.
        // The first would then leave 1² + 1² + 1.5² = 4.25, the fourth 0² + 2² + 5.5² = 34.25.
        // One by one it would be the third, the fourth, the first.
        let samples = [3., -3., 1., 2., 1., -1., 1., 2., -2., 2.5, 1., 2.];
        let contributions = Contributions::of_samples("w", 4, &samples).unwrap();
        assert_eq!(greedy(&contributions, 3), Ok(vec![2, 1, 0]));
        assert_eq!(greedy(&contributions, 0), Ok(vec![]));
        assert!(greedy(&contributions, 4).is_err());

        // The fourth is left to give the sums 3, 3, 3.5: 2·(3 + 3 + 3.5)/12 = 19/12.
        let scale = scales(&contributions, &[3], 0.0).unwrap();
        assert!((scale[0] - 19.0 / 12.0).abs() < 1e-12, "{scale:?}");
        // A damping of the diagonal, 12: (19 + 12)/24.
        let scale = scales(&contributions, &[3], 1.0).unwrap();
        assert!((scale[0] - 31.0 / 24.0).abs() < 1e-12, "{scale:?}");
        // The third is half of the fourth.
        let singular = scales(&contributions, &[2, 3], 0.0);
        assert!(
            matches!(singular, Err(RepairError::Singular { .. })),
            "{singular:?}"
        );
        assert!(scales(&contributions, &[4], 0.0).is_err());
    }

    /// Scales of `golden.py`'s case, by numpy.
    #[test]
    fn golden_scales() {
        let contributions = super::super::tests::golden_contributions();
        let removed = greedy(&contributions, 2).unwrap();
        assert_eq!(removed, super::super::tests::GOLDEN_REMOVED);
        let scales = scales(&contributions, &super::super::tests::GOLDEN_KEPT, 0.0).unwrap();
        for (got, want) in scales.iter().zip(super::super::tests::GOLDEN_SCALES) {
            assert!((got - want).abs() < 1e-7, "{scales:?}");
        }
    }

    proptest! {
        #[test]
        fn the_error_is_at_most_that_of_plain_removal(
            (moments, weights) in layers(),
            remove in 0usize..6,
        ) {
            let remove = remove.min(moments.shape()[1] - 1);
            let (kept, scaled) = thinet(&moments, &weights, remove, 1e-6).unwrap();
            prop_assert_eq!(kept.len(), moments.shape()[1] - remove);
            let plain = moments.without_others(&weights, &kept).unwrap();
            let (repaired, plain) = (moments.error(&scaled), moments.error(&plain));
            prop_assert!(repaired.unwrap() <= plain.unwrap() + 1e-9 * moments.energy());
        }

        #[test]
        fn each_step_is_the_best_there_is((moments, weights) in layers()) {
            let contributions = Contributions::of(&moments, &weights).unwrap();
            let inputs = contributions.inputs();
            let gram = contributions.gram();
            let sum = |set: &[usize]| -> f64 {
                set.iter().map(|&i| set.iter().map(|&j| gram[(i, j)]).sum::<f64>()).sum()
            };
            let removed = greedy(&contributions, inputs - 1).unwrap();
            for step in 0..removed.len() {
                let taken = sum(&removed[..=step]);
                for other in (0..inputs).filter(|i| !removed[..step].contains(i)) {
                    let instead = [&removed[..step], &[other]].concat();
                    prop_assert!(taken <= sum(&instead) + 1e-9 * moments.energy().max(1.0));
                }
            }
        }
    }
}
