//! First-order Taylor expansion of the loss in whole feature maps, example by example.

use std::sync::Arc;

use secateur_core::allocation::Global;
use secateur_core::error::PruneError;
use secateur_core::pattern::Filter;
use secateur_core::pruner::PrunerConfig;
use secateur_core::reduction::Reduction;
use secateur_core::schedule::Schedule;
use secateur_core::scorer::{ImportanceScorer, ScoreContext};
use secateur_core::signal::{Observed, Observes, Signal};
use serde::{Deserialize, Serialize};

/// `Σ w·g` over each filter of one example's gradient, as a power of its size, averaged over the
/// examples.
///
/// It is `Σ a·g` over the positions of the filter's map: `a` is linear in the weights, and a ReLU
/// behind it changes nothing, for it is so in `a`. What a bias adds to `a` is left out.
///
/// Scorers read one number for each filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum FilterProduct {
    /// `|Σ w·g|`.
    Size,
    /// `(Σ w·g)²`.
    Square,
}

impl Signal for FilterProduct {
    fn name(&self) -> &str {
        match self {
            Self::Size => "size of weight times gradient of each filter",
            Self::Square => "square of weight times gradient of each filter",
        }
    }

    fn observes(&self) -> Observes {
        Observes::Examples
    }

    fn update(&self, state: &mut [f64], seen: &Observed<'_>) {
        let mask = seen.mask();
        let [_, input, kernel] = mask.shape();
        let filter = (input * kernel).max(1);
        let filters = seen.weight.chunks(filter).zip(seen.gradient.chunks(filter));
        for (at, (sum, (weights, gradient))) in state.iter_mut().zip(filters).enumerate() {
            let products = weights.iter().zip(gradient).enumerate();
            let product: f64 = products
                .filter(|(element, _)| mask.get(at * filter + element))
                .map(|(_, (&w, &g))| f64::from(w) * f64::from(g))
                .sum();
            *sum += match self {
                Self::Size => product.abs(),
                Self::Square => product * product,
            };
        }
    }
}

impl FilterProduct {
    /// The mean of each filter.
    pub(crate) fn means(self, ctx: &ScoreContext<'_>) -> Result<Vec<f64>, PruneError> {
        let (state, observations) = ctx.accumulated(&self)?;
        let filters = state.iter().take(ctx.shape()[0]);
        Ok(filters
            .map(|sum| sum / observations.max(1) as f64)
            .collect())
    }
}

/// A score for each filter as one for each of its weights.
pub(crate) fn spread(ctx: &ScoreContext<'_>, filters: impl Iterator<Item = f64>) -> Vec<f32> {
    let [_, input, kernel] = ctx.shape();
    filters
        .flat_map(|score| std::iter::repeat_n(score as f32, input * kernel))
        .collect()
}

/// Taylor expansion over feature maps: `Θ_k = (1/N) Σ_n |Σ_pos a_nk g_nk|`, divided by the
/// Euclidean norm of `Θ` over its layer (Molchanov, Tyree, Karras, Aila and Kautz 2017, *Pruning
/// Convolutional Neural Networks for Resource Efficient Inference*, arXiv 1611.06440, equations 8
/// and 10).
///
/// The paper's `1/M` over the positions is the same for the whole layer and leaves with the norm.
/// Gradients of activations are not asked for: [`FilterProduct`] has the same sum of the weights,
/// as Molchanov et al. 2019 (*Importance Estimation for Neural Network Pruning*) do, exact for
/// layers without bias. Between a convolution and the batch norm behind it, in training, the sum is
/// always zero: a norm takes back what the filter's size does. There observe a copy of the model
/// whose norms are frozen, which use their running statistics, or take
/// [`NormScale`](crate::NormScale).
///
/// Every weight of filter `k` has the filter's score: reduce by the mean, as [`channel_taylor`]
/// does. Compared are the filters of all layers, which the norm makes comparable.
///
/// Cost: a backward pass for each example (`Pruner::observe_examples`), 8 bytes a weight.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelTaylor;

impl ImportanceScorer for ChannelTaylor {
    fn score(&self, ctx: &ScoreContext<'_>) -> Result<Vec<f32>, PruneError> {
        let theta = FilterProduct::Size.means(ctx)?;
        let norm = theta.iter().map(|t| t * t).sum::<f64>().sqrt();
        // Without any gradient all filters matter alike.
        let norm = if norm == 0.0 { 1.0 } else { norm };
        Ok(spread(ctx, theta.iter().map(|t| t / norm)))
    }

    fn signals(&self) -> Vec<Arc<dyn Signal>> {
        vec![Arc::new(FilterProduct::Size)]
    }
}

/// [`ChannelTaylor`] of the filters of all layers ranked together, under your schedule.
///
/// The paper removes one map, fine-tunes for 10 to 30 updates, and goes on. Its term for the cost
/// of a map, `-λ·FLOPs`, is left to the allocation.
pub fn channel_taylor(schedule: impl Schedule + 'static) -> PrunerConfig {
    PrunerConfig::new()
        .with_scorer(ChannelTaylor)
        .with_pattern(Filter)
        .with_reduction(Reduction::Mean)
        .with_allocation(Global)
        .with_schedule(schedule)
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use burn::Tensor;
    use burn::nn::conv::{Conv2d, Conv2dConfig};
    use burn::tensor::activation::relu;
    use burn::tensor::{Device, TensorData};
    use secateur_core::mask::Mask;
    use secateur_core::pruner::Pruner;
    use secateur_core::schedule::OneShot;

    use super::*;
    use crate::worked::{Both, Pair, assert_close, pruned, scores};

    const EXAMPLES: [Both<'static>; 2] = [
        (&[1.0, -2.0, 4.0, 0.0], &[2.0, 1.0, 0.0, 5.0]),
        (&[3.0, 2.0, -4.0, 2.0], &[4.0, -1.0, 1.0, 5.0]),
    ];

    fn model() -> Pair {
        Pair::new(&[2.0, -1.0, 0.5, 4.0], &[1.0, 2.0, -5.0, 2.0])
    }

    fn feed(pruner: &mut Pruner) {
        let model = model();
        let seen = pruner.observe_examples(&model, EXAMPLES, |model, example| model.loss(example));
        assert_eq!(seen, Ok(2));
    }

    #[test]
    fn two_examples_by_hand() {
        // Σ w·g over each row, by example:
        //   a: 2+2 = 4 and 6-2 = 4;      2+0 = 2 and -2+8 = 6     Θ = 4, 4
        //   b: 2+2 = 4 and 4-2 = 2;      0+10 = 10 and -5+10 = 5  Θ = 3, 7.5
        // Norms √32 and √(9 + 56.25) = √65.25. Sums of |w·g| would be 4, 8, ..; of a: (4+8)/2.
        let (a, b) = scores(channel_taylor(OneShot::new(0.5)), &model(), feed).unwrap();
        let half = 0.5f32.sqrt();
        assert_close(&a, &[half; 4]);
        let norm = 65.25f32.sqrt();
        assert_close(&b, &[3.0 / norm, 3.0 / norm, 7.5 / norm, 7.5 / norm]);
        // 0.71, 0.71 against 0.37, 0.93: of four filters the third goes, and the tie after it is
        // broken by index.
        let kept = pruned(channel_taylor(OneShot::new(0.25)), &model(), feed);
        assert_eq!(kept, (vec![0, 1, 2, 3], vec![2, 3]));
        let kept = pruned(channel_taylor(OneShot::new(0.5)), &model(), feed);
        assert_eq!(kept, (vec![0, 1], vec![2, 3]));
    }

    #[test]
    fn what_is_masked_does_not_count() {
        let (weight, gradient) = ([2.0, 3.0, 1.0, 1.0], [1.0, 1.0, -2.0, 4.0]);
        let mask = Mask::from_bools([2, 1, 2], &[true, false, true, true]).unwrap();
        let mut state = [0.0; 4];
        let seen = Observed::new("w", &weight, &gradient, &mask);
        FilterProduct::Size.update(&mut state, &seen);
        assert_eq!(state, [2.0, 2.0, 0.0, 0.0]);
    }

    #[test]
    fn batches_are_not_examples() {
        let error = scores(channel_taylor(OneShot::new(0.5)), &model(), |pruner| {
            let model = model();
            pruner.observe(&model, &model.grads(EXAMPLES[0])).unwrap();
        })
        .unwrap_err();
        assert!(error.to_string().contains("observe_examples"), "{error}");
    }

    /// The claim that the weights' sum is that of the activations, behind a ReLU, on a convolution.
    #[test]
    fn weights_say_what_activations_say() {
        let device = Device::flex().autodiff();
        let values =
            |n: usize, a: usize| (0..n).map(|i| ((i * a) % 17) as f32 / 8.0 - 1.0).collect();
        let tensor = |n: usize, a: usize, shape: [usize; 4]| {
            let values: Vec<f32> = values(n, a);
            Tensor::<4>::from_data(TensorData::new(values, shape), &device)
        };
        let mut conv = Conv2dConfig::new([2, 3], [3, 3])
            .with_bias(false)
            .init(&device);
        conv.weight = burn::module::Param::from_tensor(tensor(54, 7, [3, 2, 3, 3]));
        let (x, c) = (tensor(50, 5, [1, 2, 5, 5]), tensor(27, 11, [1, 3, 3, 3]));
        // A loss that is not linear in the activation.
        let loss = |conv: &Conv2d, a: &mut Option<Tensor<4>>| {
            let activation = relu(conv.forward(x.clone()));
            let leaf = activation.clone().detach().require_grad();
            *a = Some(leaf.clone());
            let of = |a: Tensor<4>| (a.clone() * a * c.clone()).sum();
            (of(activation), of(leaf))
        };
        let mut leaf = None;
        let (by_weight, by_activation) = loss(&conv, &mut leaf);
        let leaf = leaf.unwrap();
        let gradient = leaf.grad(&by_activation.backward()).unwrap();
        let activations = (leaf.inner() * gradient).sum_dim(3).sum_dim(2);
        let want: Vec<f32> = activations
            .into_data()
            .iter::<f32>()
            .map(f32::abs)
            .collect();

        let weight: Vec<f32> = conv.weight.val().into_data().iter::<f32>().collect();
        let gradient = conv.weight.val().grad(&by_weight.backward()).unwrap();
        let gradient: Vec<f32> = gradient.into_data().iter::<f32>().collect();
        let mask = Mask::keep_all([3, 2, 9]).unwrap();
        let mut state = [0.0; 54];
        let seen = Observed::new("weight", &weight, &gradient, &mask);
        FilterProduct::Size.update(&mut state, &seen);
        for (got, want) in state.iter().zip(want) {
            assert!(
                (*got as f32 - want).abs() < 1e-3 * want.max(1.0),
                "{got} {want}"
            );
        }
        assert!(state[..3].iter().any(|&s| s > 0.1), "{state:?}");
    }
}
