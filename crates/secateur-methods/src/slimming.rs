//! Network slimming: channels whose batch norm turns them down.

use std::collections::BTreeMap;

use burn::Tensor;
use secateur_core::allocation::Global;
use secateur_core::error::PruneError;
use secateur_core::params::{ParamInfo, Role};
use secateur_core::pattern::Filter;
use secateur_core::penalty::Penalty;
use secateur_core::pruner::PrunerConfig;
use secateur_core::reduction::Reduction;
use secateur_core::schedule::OneShot;
use secateur_core::scorer::{ImportanceScorer, ScoreContext};
use serde::{Deserialize, Serialize};

/// `|γ_c|` of the norm behind a layer, for every weight of output `c` (Liu, Li, Shen, Huang, Yan
/// and Zhang 2017, *Learning Efficient Convolutional Networks through Network Slimming*, arXiv
/// 1708.06519).
///
/// Compared are the outputs of all layers together, as [`network_slimming`] does: behind a norm all
/// channels have the same variance, and `γ` alone says how loud each is. Only a training with
/// [`ScalePenalty`] makes `γ` tell them apart.
///
/// Every layer that is scored has to be named with its norm; leave out others by `with_skip`.
///
/// Cost: nothing to speak of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NormScale {
    scale_of: BTreeMap<String, String>,
}

impl NormScale {
    /// By pairs of a weight's path and the path of the scale that multiplies its outputs:
    /// `("conv1.weight", "norm1.gamma")`.
    #[must_use]
    pub fn new<W: Into<String>, S: Into<String>>(pairs: impl IntoIterator<Item = (W, S)>) -> Self {
        let pairs = pairs.into_iter();
        Self {
            scale_of: pairs.map(|(w, s)| (w.into(), s.into())).collect(),
        }
    }
}

impl ImportanceScorer for NormScale {
    fn score(&self, ctx: &ScoreContext<'_>) -> Result<Vec<f32>, PruneError> {
        let scale = self.scale_of.get(ctx.path()).ok_or_else(|| {
            PruneError::custom(
                ctx.path(),
                "no norm is named for its outputs; name it in `NormScale::new`, or leave the \
                 layer out by `PrunerConfig::with_skip`",
            )
        })?;
        let [out, input, kernel] = ctx.shape();
        let scales = &ctx.vector(scale)?.values;
        if scales.len() != out {
            return Err(PruneError::custom(
                ctx.path(),
                format!(
                    "its {out} outputs do not fit the {} scales of `{scale}`; name the norm that \
                     follows the layer",
                    scales.len()
                ),
            ));
        }
        Ok(scales
            .iter()
            .flat_map(|scale| std::iter::repeat_n(scale.abs(), input * kernel))
            .collect())
    }
}

/// Network slimming's term of the loss, `λ Σ |γ|` over the scales of all batch norms of the model.
///
/// Add [`Pruner::penalty`](secateur_core::pruner::Pruner::penalty) to the loss of every batch. The
/// paper takes 1e-4 for VGG and 1e-5 for residual nets, and starts every `γ` at 0.5.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScalePenalty {
    lambda: f64,
}

impl ScalePenalty {
    /// With this `λ`.
    ///
    /// # Errors
    /// [`PruneError::InvalidSetting`] unless `λ` is a number of 0 or more.
    pub fn new(lambda: f64) -> Result<Self, PruneError> {
        let lambda = check_lambda(lambda, "take 1e-4, as the paper does")?;
        Ok(Self { lambda })
    }
}

/// The strength of a penalty.
pub(crate) fn check_lambda(lambda: f64, remedy: &str) -> Result<f64, PruneError> {
    match lambda >= 0.0 && lambda.is_finite() {
        true => Ok(lambda),
        false => Err(PruneError::invalid(
            "lambda",
            lambda,
            "a number of 0 or more",
            remedy,
        )),
    }
}

impl Penalty for ScalePenalty {
    fn of(&self, info: &ParamInfo, weight: Tensor<3>) -> Option<Tensor<1>> {
        let applies = info.role == Role::NormScale && info.layer == "BatchNorm";
        applies.then(|| weight.abs().sum() * self.lambda)
    }
}

/// Network slimming: training is penalised by `λ Σ |γ|`, and at `step` the share `sparsity` of all
/// filters goes whose `|γ|` is smallest in the model.
///
/// `pairs` are as in [`NormScale::new`].
///
/// # Errors
/// As [`ScalePenalty::new`].
pub fn network_slimming<W: Into<String>, S: Into<String>>(
    pairs: impl IntoIterator<Item = (W, S)>,
    lambda: f64,
    sparsity: f64,
    step: usize,
) -> Result<PrunerConfig, PruneError> {
    Ok(PrunerConfig::new()
        .with_scorer(NormScale::new(pairs))
        .with_penalty(ScalePenalty::new(lambda)?)
        .with_pattern(Filter)
        .with_reduction(Reduction::Mean)
        .with_allocation(Global)
        .with_schedule(OneShot::new(sparsity).at(step)))
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use burn::module::{Module, Param};
    use burn::nn::{BatchNorm, BatchNormConfig, LayerNorm, LayerNormConfig, Linear, LinearConfig};
    use burn::tensor::Device;

    use super::*;

    #[derive(Module, Debug)]
    struct Net {
        first: Linear,
        first_norm: BatchNorm,
        second: Linear,
        second_norm: BatchNorm,
        after: LayerNorm,
    }

    const PAIRS: [(&str, &str); 2] = [
        ("first.weight", "first_norm.gamma"),
        ("second.weight", "second_norm.gamma"),
    ];

    /// Scales 0.5, -0.1, 0.3 behind filters of one weight and 0.05, -0.9 behind filters of three.
    fn net() -> Net {
        let device = Device::flex().autodiff();
        let mut net = Net {
            first: LinearConfig::new(1, 3).init(&device),
            first_norm: BatchNormConfig::new(3).init(&device),
            second: LinearConfig::new(3, 2).init(&device),
            second_norm: BatchNormConfig::new(2).init(&device),
            after: LayerNormConfig::new(2).init(&device),
        };
        let scale = |values: &[f32]| Param::from_tensor(Tensor::from_floats(values, &device));
        net.first_norm.gamma = scale(&[0.5, -0.1, 0.3]);
        net.second_norm.gamma = scale(&[0.05, -0.9]);
        net
    }

    #[test]
    fn two_layers_by_hand() {
        let mut net = net();
        let config = network_slimming(PAIRS, 1e-2, 0.4, 3).unwrap();
        let mut pruner = config.init_module(&net).unwrap();
        // 0.01·(0.5 + 0.1 + 0.3 + 0.05 + 0.9) = 0.0185; the layer norm's ones do not count. The
        // gradient is 0.01 times the sign.
        let penalty = pruner.penalty(&net).unwrap();
        assert!((penalty.clone().into_scalar::<f32>() - 0.0185).abs() < 1e-7);
        let grads = penalty.backward();
        let gradient = net.first_norm.gamma.val().grad(&grads).unwrap();
        let gradient: Vec<f32> = gradient.into_data().iter::<f32>().collect();
        for (got, want) in gradient.iter().zip([0.01, -0.01, 0.01]) {
            assert!((got - want).abs() < 1e-8, "{gradient:?}");
        }
        // 40 % of five filters are two: 0.05 and |-0.1|. Signed scales would take -0.9 and -0.1.
        for step in 0..=3 {
            pruner.prune(&mut net, step).unwrap();
            assert_eq!(pruner.masks(&net).unwrap().sparsity() > 0.0, step == 3);
        }
        let masks = pruner.masks(&net).unwrap();
        let kept = |path: &str| masks.get(path).unwrap().iter().collect::<Vec<_>>();
        assert_eq!(kept("first.weight"), [true, false, true]);
        assert_eq!(
            kept("second.weight"),
            [false, false, false, true, true, true]
        );
    }

    #[test]
    fn what_is_not_named_or_does_not_fit_is_refused() {
        let net = net();
        let refused = |pairs: &[(&str, &str)]| {
            let config = network_slimming(pairs.iter().copied(), 1e-4, 0.4, 0).unwrap();
            let pruner = config.init_module(&net).unwrap();
            pruner.select(&net, 0).unwrap_err().to_string()
        };
        assert!(refused(&PAIRS[..1]).contains("`second.weight`: no norm is named"));
        let swapped = [PAIRS[0], ("second.weight", "first_norm.gamma")];
        assert!(refused(&swapped).contains("2 outputs do not fit the 3 scales"));
        let missing = [PAIRS[0], ("second.weight", "third_norm.gamma")];
        assert!(refused(&missing).contains("third_norm.gamma"));
        assert!(network_slimming(PAIRS, f64::NAN, 0.4, 0).is_err());
    }
}
