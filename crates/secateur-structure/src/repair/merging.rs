//! Data-free merging: of two neurons that compute the same, one is enough.

use super::{Outgoing, RepairError};

/// How two neurons are told to be alike.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Likeness {
    /// `‖ε_ij‖² = ‖W_i - W_j‖² + (b_i - b_j)²`, and `a_i += a_j`: any activation (the paper's
    /// equations 3 and 4).
    Weights,
    /// Up to a factor `α`, which a ReLU lets through: `W = α Ŵ` with `‖Ŵ‖ = 1`, `b = α b̂`,
    /// `ε_ij = ‖Ŵ_i - Ŵ_j‖ / ‖Ŵ_i + Ŵ_j‖ + |b̂_i - b̂_j| / |b̂_i + b̂_j|`, and
    /// `a_i += (α_j/α_i) a_j`, `a` in the saliency times `α` (the paper's section 3.3).
    #[default]
    Directions,
}

/// One neuron taken into another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Merge {
    /// The neuron that goes.
    pub removed: usize,
    /// The neuron that takes its part.
    pub into: usize,
    /// `⟨a²⟩ ‖ε‖²`: what the next layer may notice of it.
    pub saliency: f64,
}

/// The neurons of a layer, filters of a convolution included.
#[derive(Clone, Debug, PartialEq)]
pub struct Neurons {
    path: String,
    incoming: Vec<Vec<f64>>,
    biases: Vec<f64>,
}

impl Neurons {
    /// Of the weight at `path`, `[neurons, incoming]`, and its biases; without any, pass none.
    ///
    /// # Errors
    /// [`RepairError::Size`] for numbers that do not fit, [`RepairError::NotFinite`].
    pub fn new(
        path: impl Into<String>,
        neurons: usize,
        weights: &[f64],
        biases: Option<&[f64]>,
    ) -> Result<Self, RepairError> {
        let path = path.into();
        let incoming = weights.len() / neurons.max(1);
        let remedy = "pass all of them, in view order";
        let expected = incoming * neurons;
        RepairError::check_len(&path, "the weight", weights.len(), expected, remedy)?;
        let biases = biases.map_or_else(|| vec![0.0; neurons], <[f64]>::to_vec);
        RepairError::check_len(
            &path,
            "the bias",
            biases.len(),
            neurons,
            "pass one a neuron",
        )?;
        RepairError::check_finite(&path, "the weights", weights)?;
        RepairError::check_finite(&path, "the biases", &biases)?;
        let row = |neuron: usize| weights[neuron * incoming..][..incoming].to_vec();
        Ok(Self {
            incoming: (0..neurons).map(row).collect(),
            biases,
            path,
        })
    }

    /// `α`: of a neuron without weights 1, for it has no direction.
    fn sizes(&self, likeness: Likeness) -> Vec<f64> {
        let size = |weights: &Vec<f64>| match (likeness, norm(weights.iter().copied())) {
            (Likeness::Weights, _) | (_, 0.0) => 1.0,
            (Likeness::Directions, size) => size,
        };
        self.incoming.iter().map(size).collect()
    }

    /// `‖ε_ij‖²`.
    fn difference(&self, likeness: Likeness, sizes: &[f64], i: usize, j: usize) -> f64 {
        let pairs = || {
            let (own, other) = (self.incoming[i].iter(), self.incoming[j].iter());
            own.map(|w| w / sizes[i]).zip(other.map(|w| w / sizes[j]))
        };
        let (bias, other) = (self.biases[i] / sizes[i], self.biases[j] / sizes[j]);
        let apart = norm(pairs().map(|(own, other)| own - other));
        match likeness {
            Likeness::Weights => apart.powi(2) + (bias - other).powi(2),
            Likeness::Directions => {
                let along = norm(pairs().map(|(own, other)| own + other));
                (ratio(apart, along) + ratio((bias - other).abs(), (bias + other).abs())).powi(2)
            }
        }
    }
}

fn norm(values: impl Iterator<Item = f64>) -> f64 {
    values.map(|value| value * value).sum::<f64>().sqrt()
}

/// `part / whole`; nothing is 0 parts of anything, and something an infinity of nothing.
fn ratio(part: f64, whole: f64) -> f64 {
    if part == 0.0 { 0.0 } else { part / whole }
}

/// Merges `remove` neurons, one after the other, into the one most like them (Srinivas and Babu 2015,
/// *Data-free Parameter Pruning for Deep Neural Networks*, arXiv 1507.06149): each time the pair with
/// the smallest saliency `⟨a_j²⟩ ‖ε_ij‖²`, where `a_j` are the outgoing weights of the neuron `j` that
/// goes, `⟨⟩` is their mean, and `i` takes it in. Of equals the first pair by `j`, then `i`.
///
/// Returned are the merges, in order; `outgoing` is changed, what the removed fed being zero. The
/// paper stops where the saliencies of all pairs have their mode; [`Merge::saliency`] lets you.
///
/// Compared are the neurons of one layer.
///
/// Cost: `n²·incoming` operations for all `ε`, then `n` a merge, and `n²` where the neuron that went
/// was another's most like: after a merge the outgoing weights of `i` alone have changed.
///
/// # Errors
/// [`RepairError::Choice`] unless one neuron is left, [`RepairError::Size`] for outgoing weights of
/// another number of neurons.
pub fn merge(
    neurons: &Neurons,
    outgoing: &mut Outgoing,
    likeness: Likeness,
    remove: usize,
) -> Result<Vec<Merge>, RepairError> {
    let count = neurons.incoming.len();
    let remedy = "pass the layer that these neurons feed";
    RepairError::check_len(
        &neurons.path,
        "the outgoing weight",
        outgoing.neurons(),
        count,
        remedy,
    )?;
    RepairError::check_removed(&neurons.path, remove, count.max(1))?;
    let sizes = neurons.sizes(likeness);
    let mut standing = vec![true; count];
    // Of each neuron the most like, and how unlike that is.
    let most_like = |j: usize, standing: &[bool]| {
        let others = (0..count).filter(|&i| i != j && standing[i]);
        let differences = others.map(|i| (i, neurons.difference(likeness, &sizes, i, j)));
        differences.min_by(|(_, a), (_, b)| a.total_cmp(b))
    };
    let mut nearest: Vec<_> = (0..count).map(|j| most_like(j, &standing)).collect();
    let [next, _, kernel] = outgoing.shape();
    let mean_square = |outgoing: &Outgoing, j: usize| {
        sizes[j].powi(2) * outgoing.square(j) / (next * kernel).max(1) as f64
    };
    let mut squares: Vec<f64> = (0..count).map(|j| mean_square(outgoing, j)).collect();
    let mut merges = Vec::with_capacity(remove);
    while merges.len() < remove {
        let saliency = |j: usize| {
            let (into, difference) = nearest[j]?;
            // What feeds nothing is not missed, not even by its opposite.
            let saliency = if squares[j] == 0.0 {
                0.0
            } else {
                squares[j] * difference
            };
            Some(Merge {
                removed: j,
                into,
                saliency,
            })
        };
        let pairs = (0..count).filter(|&j| standing[j]).filter_map(saliency);
        let Some(merge) = pairs.min_by(|a, b| a.saliency.total_cmp(&b.saliency)) else {
            break;
        };
        let Merge { removed, into, .. } = merge;
        outgoing.hand_over(removed, into, sizes[removed] / sizes[into]);
        standing[removed] = false;
        squares[into] = mean_square(outgoing, into);
        for j in (0..count).filter(|&j| standing[j]) {
            if nearest[j].is_some_and(|(like, _)| like == removed) {
                nearest[j] = most_like(j, &standing);
            }
        }
        merges.push(merge);
    }
    Ok(merges)
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
        // W = (1, 0), (1, 1), (0, 3), b = 0, 0, 1; a = (2, 0), (1, 1), (0, 1) into two units.
        // ‖ε‖²: 01: 1, 02: 1 + 9 + 1 = 11, 12: 1 + 4 + 1 = 6. ⟨a²⟩ = 2, 1, 0.5.
        // Best of each: 2·1, 1·1, 0.5·6: neuron 1 goes into 0, a_0 = (3, 1), ⟨a²⟩ = 5.
        // Then 0 into 2 costs 5·11, 2 into 0 0.5·11: neuron 2 goes, a_0 = (3, 2).
        // By the smallest ‖ε‖² alone neuron 0 would have gone first.
        let neurons = Neurons::new(
            "fc1.weight",
            3,
            &[1.0, 0.0, 1.0, 1.0, 0.0, 3.0],
            Some(&[0.0, 0.0, 1.0]),
        )
        .unwrap();
        let mut out = outgoing(2, &[2.0, 1.0, 0.0, 0.0, 1.0, 1.0]);
        let merges = merge(&neurons, &mut out, Likeness::Weights, 2).unwrap();
        for (merge, (removed, into, saliency)) in merges.iter().zip([(1, 0, 1.0), (2, 0, 5.5)]) {
            assert_eq!((merge.removed, merge.into), (removed, into));
            assert!((merge.saliency - saliency).abs() < 1e-12, "{merges:?}");
        }
        assert_eq!(out.weights(), [3.0, 0.0, 0.0, 2.0, 0.0, 0.0]);
    }

    #[test]
    fn directions_by_hand() {
        // W = (3, 4) and (1, 0), b = 5, 1: sizes 5 and 1, directions (0.6, 0.8), (1, 0), b̂ = 1, 1.
        // ‖(-0.4, 0.8)‖ / ‖(1.6, 0.8)‖ = √0.8/√3.2 = 1/2, biases alike: ‖ε‖² = 1/4.
        // a = 1 and 2: a² α² = 25 and 4: neuron 1 goes, saliency 1, a_0 = 1 + 2·(1/5) = 1.4.
        let neurons = Neurons::new("w", 2, &[3.0, 4.0, 1.0, 0.0], Some(&[5.0, 1.0])).unwrap();
        let mut out = outgoing(1, &[1.0, 2.0]);
        let merges = merge(&neurons, &mut out, Likeness::Directions, 1).unwrap();
        assert_eq!((merges[0].removed, merges[0].into), (1, 0));
        assert!((merges[0].saliency - 1.0).abs() < 1e-12, "{merges:?}");
        assert!((out.weights()[0] - 1.4).abs() < 1e-12);
        // Biases 5 and -2: b̂ = 1, -2 and |3|/|-1| = 3: ‖ε‖² = 3.5².
        let neurons = Neurons::new("w", 2, &[3.0, 4.0, 1.0, 0.0], Some(&[5.0, -2.0])).unwrap();
        let merges = merge(
            &neurons,
            &mut outgoing(1, &[1.0, 2.0]),
            Likeness::Directions,
            1,
        );
        assert!((merges.unwrap()[0].saliency - 49.0).abs() < 1e-9);
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let neurons = Neurons::new("fc1.weight", 2, &[1.0; 4], None).unwrap();
        let error = merge(&neurons, &mut outgoing(1, &[1.0; 2]), Likeness::Weights, 2).unwrap_err();
        assert!(error.to_string().contains("removing 2"), "{error}");
        assert!(merge(&neurons, &mut outgoing(1, &[1.0; 3]), Likeness::Weights, 1).is_err());
        assert!(Neurons::new("w", 2, &[1.0; 5], None).is_err());
        assert!(Neurons::new("w", 2, &[1.0; 4], Some(&[1.0])).is_err());
        assert!(Outgoing::new("w", [1, 2, 1], vec![f64::NAN, 1.0]).is_err());
    }

    /// What the next layer gets, for a ReLU.
    fn response(neurons: &Neurons, outgoing: &Outgoing, x: &[f64]) -> Vec<f64> {
        let hidden = neurons
            .incoming
            .iter()
            .zip(&neurons.biases)
            .map(|(weights, bias)| {
                let sum: f64 = weights.iter().zip(x).map(|(w, x)| w * x).sum();
                (sum + bias).max(0.0)
            });
        let hidden: Vec<f64> = hidden.collect();
        let rows = outgoing.weights().chunks(hidden.len());
        rows.map(|a| a.iter().zip(&hidden).map(|(a, h)| a * h).sum())
            .collect()
    }

    fn layers() -> impl Strategy<Value = (usize, Vec<f64>, Vec<f64>, Vec<f64>)> {
        (2usize..7).prop_flat_map(|count| {
            let numbers = |n: usize| proptest::collection::vec(-2.0..2.0f64, n);
            (
                Just(count),
                numbers(3 * count),
                numbers(count),
                numbers(2 * count),
            )
        })
    }

    proptest! {
        #[test]
        fn a_double_goes_without_a_trace(
            (count, weights, biases, a) in layers(),
            factor in 0.1..4.0f64,
            x in proptest::collection::vec(-3.0..3.0f64, 3),
        ) {
            for (likeness, factor) in [(Likeness::Weights, 1.0), (Likeness::Directions, factor)] {
                // The last is the first again, times a factor that a ReLU lets through.
                let (mut weights, mut biases) = (weights.clone(), biases.clone());
                for tap in 0..3 {
                    weights[(count - 1) * 3 + tap] = factor * weights[tap];
                }
                biases[count - 1] = factor * biases[0];
                let neurons = Neurons::new("w", count, &weights, Some(&biases)).unwrap();
                let before = outgoing(2, &a);
                let mut after = before.clone();
                let merges = merge(&neurons, &mut after, likeness, 1).unwrap();
                prop_assert!(merges[0].saliency < 1e-20, "{:?}", merges);
                let pair = [merges[0].removed, merges[0].into];
                prop_assert!(pair == [0, count - 1] || pair == [count - 1, 0], "{:?}", merges);
                let (was, is) = (response(&neurons, &before, &x), response(&neurons, &after, &x));
                for (was, is) in was.iter().zip(is) {
                    prop_assert!((was - is).abs() < 1e-9, "{was} {is}");
                }
            }
        }

        /// The shortcut against all pairs, worked out afresh for each merge.
        #[test]
        fn as_if_all_pairs_were_compared_each_time((count, weights, biases, a) in layers()) {
            for likeness in [Likeness::Weights, Likeness::Directions] {
                let neurons = Neurons::new("w", count, &weights, Some(&biases)).unwrap();
                let mut fast = outgoing(2, &a);
                let merges = merge(&neurons, &mut fast, likeness, count - 1).unwrap();
                let sizes = neurons.sizes(likeness);
                let mut slow = outgoing(2, &a);
                let mut standing: Vec<usize> = (0..count).collect();
                for merge in merges {
                    let mut best = (f64::INFINITY, 0, 0);
                    for &j in &standing {
                        for &i in standing.iter().filter(|&&i| i != j) {
                            let square = slow.square(j) / 2.0 * sizes[j].powi(2);
                            let saliency = square * neurons.difference(likeness, &sizes, i, j);
                            if saliency < best.0 {
                                best = (saliency, j, i);
                            }
                        }
                    }
                    prop_assert_eq!((merge.removed, merge.into), (best.1, best.2));
                    slow.hand_over(best.1, best.2, sizes[best.1] / sizes[best.2]);
                    standing.retain(|&j| j != best.1);
                }
                prop_assert_eq!(fast, slow);
            }
        }
    }
}
