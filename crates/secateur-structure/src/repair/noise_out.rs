//! NoiseOut: of two neurons that rise and fall together, one tells the other.

use faer::{Mat, MatRef};

use super::{Outgoing, RepairError};

/// Means and second moments of a layer's activations, over rows of one number a neuron: examples,
/// and positions of a feature map.
#[derive(Clone, Debug, PartialEq)]
pub struct Activity {
    path: String,
    rows: usize,
    sums: Vec<f64>,
    products: Mat<f64>,
}

impl Activity {
    /// Of no rows yet, for the layer whose weight is at `path`.
    #[must_use]
    pub fn new(path: impl Into<String>, neurons: usize) -> Self {
        Self {
            path: path.into(),
            rows: 0,
            sums: vec![0.0; neurons],
            products: Mat::zeros(neurons, neurons),
        }
    }

    /// Adds rows of activations.
    ///
    /// # Errors
    /// [`RepairError::Size`] unless the rows are whole, [`RepairError::NotFinite`].
    pub fn add(&mut self, activations: &[f64]) -> Result<(), RepairError> {
        let neurons = self.sums.len();
        let rows = activations.len() / neurons.max(1);
        let (what, remedy) = (
            "a batch of activations",
            "pass whole rows, one number a neuron",
        );
        let expected = rows * neurons;
        RepairError::check_len(&self.path, what, activations.len(), expected, remedy)?;
        RepairError::check_finite(&self.path, "the activations", activations)?;
        let batch = MatRef::from_row_major_slice(activations, rows, neurons);
        self.products += batch.transpose() * batch;
        for row in activations.chunks_exact(neurons.max(1)) {
            self.sums.iter_mut().zip(row).for_each(|(sum, h)| *sum += h);
        }
        self.rows += rows;
        Ok(())
    }

    fn mean(&self, neuron: usize) -> f64 {
        self.sums[neuron] / self.rows.max(1) as f64
    }

    fn covariance(&self, u: usize, v: usize) -> f64 {
        self.products[(u, v)] / self.rows.max(1) as f64 - self.mean(u) * self.mean(v)
    }

    /// Whether a neuron always gives the same, up to the rounding of its moments.
    fn is_constant(&self, neuron: usize) -> bool {
        let square = self.products[(neuron, neuron)] / self.rows.max(1) as f64;
        self.covariance(neuron, neuron) <= 1e-12 * square
    }

    /// `|corr(h_u, h_v)|`.
    fn correlation(&self, u: usize, v: usize) -> f64 {
        let scale = (self.covariance(u, u) * self.covariance(v, v)).sqrt();
        (self.covariance(u, v).abs() / scale).min(1.0)
    }
}

/// One neuron told by another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fold {
    /// The neuron `u` that goes.
    pub removed: usize,
    /// The neuron `v` that tells it; `None` where `u` is constant.
    pub into: Option<usize>,
    /// `a` in `h_u ≈ a h_v + b`.
    pub slope: f64,
    /// `b`.
    pub offset: f64,
    /// `|corr(h_u, h_v)|`; 1 where `u` is constant.
    pub correlation: f64,
}

/// Removes `remove` neurons, one after the other: of the pair with the largest `|corr(h_u, h_v)|` the
/// one, `u`, whose part the other takes, `h_u ≈ a h_v + b` by least squares,
/// `a = cov(u, v)/var(v)`, `b = mean(u) - a mean(v)`: `W_v += a W_u` and `bias += b W_u` of the layer
/// they feed (Babaeizadeh, Smaragdis and Campbell 2016, *NoiseOut: A Simple Way to Prune Neural
/// Networks*, arXiv 1611.06211, section 3).
///
/// Of the two that one goes of which the next layer would lose less, `var(u)·‖W_u‖²`, of equals the
/// later. Neurons that never change go before all, into the bias alone. `outgoing` and `bias` are
/// changed, what the removed fed being zero. Behind a convolution with zero padding the bias is not
/// exact at the border.
///
/// The paper's extra outputs with random targets, which raise the correlations, are a matter of
/// training.
///
/// Compared are the neurons of one layer. Correlations are those of the neurons that were observed:
/// what has been removed says nothing.
///
/// Cost: `n²` operations a neuron.
///
/// # Errors
/// [`RepairError::Choice`] unless one neuron is left, or without a single row;
/// [`RepairError::Size`] for weights or biases that do not fit.
pub fn noise_out(
    activity: &Activity,
    outgoing: &mut Outgoing,
    bias: &mut [f64],
    remove: usize,
) -> Result<Vec<Fold>, RepairError> {
    let (path, count) = (&activity.path, activity.sums.len());
    let remedy = "pass the layer that these neurons feed";
    RepairError::check_len(
        path,
        "the outgoing weight",
        outgoing.neurons(),
        count,
        remedy,
    )?;
    let units = outgoing.shape()[0];
    RepairError::check_len(
        path,
        "the bias of the next layer",
        bias.len(),
        units,
        remedy,
    )?;
    RepairError::check_removed(path, remove, count.max(1))?;
    if remove > 0 && activity.rows == 0 {
        return Err(RepairError::Choice {
            path: path.clone(),
            asked: "folding by no rows".into(),
            expected: "at least one".into(),
            remedy: "pass activations to `Activity::add` first".into(),
        });
    }
    let mut standing: Vec<usize> = (0..count).collect();
    let mut folds = Vec::with_capacity(remove);
    while folds.len() < remove {
        let Some(fold) = next_fold(activity, outgoing, &standing) else {
            break;
        };
        for (bias, sum) in bias.iter_mut().zip(outgoing.sums(fold.removed)) {
            *bias += fold.offset * sum;
        }
        match fold.into {
            Some(into) => outgoing.hand_over(fold.removed, into, fold.slope),
            None => outgoing.clear(fold.removed),
        }
        standing.retain(|&neuron| neuron != fold.removed);
        folds.push(fold);
    }
    Ok(folds)
}

/// The pair that tells most of each other, among the neurons that stand.
fn next_fold(activity: &Activity, outgoing: &Outgoing, standing: &[usize]) -> Option<Fold> {
    let constant = standing
        .iter()
        .find(|&&neuron| activity.is_constant(neuron));
    if let Some(&removed) = constant {
        return Some(Fold {
            removed,
            into: None,
            slope: 0.0,
            offset: activity.mean(removed),
            correlation: 1.0,
        });
    }
    let mut best: Option<(f64, usize, usize)> = None;
    for (place, &u) in standing.iter().enumerate() {
        for &v in &standing[place + 1..] {
            let correlation = activity.correlation(u, v);
            if best.is_none_or(|(largest, ..)| correlation > largest) {
                best = Some((correlation, u, v));
            }
        }
    }
    let (correlation, first, later) = best?;
    let loss = |neuron: usize| activity.covariance(neuron, neuron) * outgoing.square(neuron);
    let (removed, into) = match loss(first) < loss(later) {
        true => (first, later),
        false => (later, first),
    };
    let slope = activity.covariance(removed, into) / activity.covariance(into, into);
    Some(Fold {
        removed,
        into: Some(into),
        slope,
        offset: activity.mean(removed) - slope * activity.mean(into),
        correlation,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn outgoing(next: usize, weights: &[f64]) -> Outgoing {
        let shape = [next, weights.len() / next, 1];
        Outgoing::new("next", shape, weights.to_vec()).unwrap()
    }

    #[test]
    fn three_neurons_by_hand() {
        // h = (0, 1, 1), (1, 3, 0), (2, 5, 1), (1, 3, 2): the second is 2·first + 1.
        // Means 1, 3, 1; variances 1/2, 2, 1/2; covariances 01: 1, 02: 0, 12: 0.
        // W = (3, 1, 5) into one unit: losses 1/2·9 = 4.5 and 2·1 = 2: the second goes,
        // W_0 = 3 + 2·1 = 5, bias 10 + 1·1 = 11.
        let rows = [0., 1., 1., 1., 3., 0., 2., 5., 1., 1., 3., 2.];
        let mut activity = Activity::new("fc1.weight", 3);
        activity.add(&rows[..6]).unwrap();
        activity.add(&rows[6..]).unwrap();
        let (mut out, mut bias) = (outgoing(1, &[3.0, 1.0, 5.0]), [10.0]);
        let folds = noise_out(&activity, &mut out, &mut bias, 1).unwrap();
        let wanted = Fold {
            removed: 1,
            into: Some(0),
            slope: 2.0,
            offset: 1.0,
            correlation: 1.0,
        };
        assert_eq!(folds, [wanted]);
        assert_eq!((out.weights(), bias), (&[5.0, 0.0, 5.0][..], [11.0]));
        // The other way round with W = (1, 3, 5): losses 0.5 and 18. h_0 = h_1/2 - 1/2.
        let (mut out, mut bias) = (outgoing(1, &[1.0, 3.0, 5.0]), [10.0]);
        let folds = noise_out(&activity, &mut out, &mut bias, 1).unwrap();
        assert_eq!(
            (folds[0].removed, folds[0].slope, folds[0].offset),
            (0, 0.5, -0.5)
        );
        assert_eq!((out.weights(), bias), (&[0.0, 3.5, 5.0][..], [9.5]));
    }

    #[test]
    fn a_constant_goes_into_the_bias() {
        let mut activity = Activity::new("w", 2);
        activity.add(&[1.0, 0.1, 2.0, 0.1, 4.0, 0.1]).unwrap();
        // Two taps into each of two units.
        let mut out =
            Outgoing::new("next", [2, 2, 2], vec![1., 1., 2., 3., 1., 1., -4., 1.]).unwrap();
        let mut bias = [0.0, 1.0];
        let folds = noise_out(&activity, &mut out, &mut bias, 1).unwrap();
        assert_eq!((folds[0].removed, folds[0].into), (1, None));
        assert!(
            (bias[0] - 0.5).abs() < 1e-12 && (bias[1] - 0.7).abs() < 1e-12,
            "{bias:?}"
        );
        assert_eq!(out.weights(), [1., 1., 0., 0., 1., 1., 0., 0.]);
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let mut activity = Activity::new("fc1.weight", 2);
        let fold = |activity: &Activity, weights: &[f64], bias: usize, remove| {
            noise_out(
                activity,
                &mut outgoing(1, weights),
                &mut vec![0.0; bias],
                remove,
            )
        };
        let error = fold(&activity, &[1.0; 2], 1, 1).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("`fc1.weight`: folding by no rows"),
            "{error}"
        );
        assert!(activity.add(&[1.0; 3]).is_err());
        assert!(activity.add(&[1.0, f64::INFINITY]).is_err());
        activity.add(&[1.0, 2.0, 3.0, 5.0]).unwrap();
        assert!(fold(&activity, &[1.0; 3], 1, 1).is_err());
        assert!(fold(&activity, &[1.0; 2], 2, 1).is_err());
        assert!(fold(&activity, &[1.0; 2], 1, 2).is_err());
        assert_eq!(fold(&activity, &[1.0; 2], 1, 0), Ok(vec![]));
    }

    proptest! {
        #[test]
        fn a_neuron_that_another_tells_goes_without_a_trace(
            other in proptest::collection::vec(-2.0..2.0f64, 12),
            base in proptest::collection::vec(-2.0..2.0f64, 12),
            (slope, offset) in (0.1..3.0f64, -1.0..1.0f64),
            a in proptest::collection::vec(-2.0..2.0f64, 6),
        ) {
            let rows: Vec<[f64; 3]> =
                base.iter().zip(&other).map(|(h, o)| [*h, *o, slope * h + offset]).collect();
            let mut activity = Activity::new("w", 3);
            activity.add(&rows.concat()).unwrap();
            let before = outgoing(2, &a);
            let (mut after, mut bias) = (before.clone(), [0.0; 2]);
            noise_out(&activity, &mut after, &mut bias, 1).unwrap();
            for row in rows {
                for (unit, bias) in bias.iter().enumerate() {
                    let sum = |out: &Outgoing| -> f64 {
                        out.weights()[unit * 3..][..3].iter().zip(row).map(|(w, h)| w * h).sum()
                    };
                    let (was, is) = (sum(&before), sum(&after) + bias);
                    prop_assert!((was - is).abs() < 1e-6, "{was} {is}");
                }
            }
        }

        #[test]
        fn the_error_is_at_most_that_of_plain_removal(
            h in proptest::collection::vec(-2.0..2.0f64, 40),
            a in proptest::collection::vec(-2.0..2.0f64, 4),
        ) {
            let mut activity = Activity::new("w", 4);
            activity.add(&h).unwrap();
            let before = outgoing(1, &a);
            let (mut after, mut bias) = (before.clone(), [0.0]);
            let folds = noise_out(&activity, &mut after, &mut bias, 1).unwrap();
            let mut plain = before.clone();
            plain.clear(folds[0].removed);
            let error = |out: &Outgoing, bias: f64| -> f64 {
                h.chunks(4)
                    .map(|row| {
                        let lost = row.iter().zip(before.weights()).zip(out.weights());
                        let lost: f64 = lost.map(|((h, was), is)| h * (is - was)).sum();
                        (lost + bias).powi(2)
                    })
                    .sum()
            };
            prop_assert!(error(&after, bias[0]) <= error(&plain, 0.0) + 1e-9);
        }
    }
}
