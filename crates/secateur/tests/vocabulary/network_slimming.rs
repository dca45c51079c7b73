//! Network slimming (Liu, Li, Shen, Huang, Yan, Zhang 2017, arXiv 1708.06519): the batch norms' scales
//! say which channels matter.
//!
//! Training adds `λ Σ |γ|` to the loss; then the channels with the smallest `|γ|` of the whole model
//! go, and with them the filters that feed them.

use std::collections::BTreeMap;

use burn::{
    Tensor,
    module::Module,
    nn::{
        BatchNorm, BatchNormConfig,
        conv::{Conv2d, Conv2dConfig},
    },
};
use secateur::{
    Prune,
    params::{ParamInfo, Role},
    penalty::Penalty,
    prelude::*,
};

use crate::{
    device::training_device,
    nets::{param, values},
};

// The method.

#[derive(Clone, Debug)]
struct Slimming {
    /// The scale that multiplies the output of each convolution.
    scale_of: BTreeMap<String, String>,
    lambda: f64,
}

impl ModelScorer for Slimming {
    fn score_model(&self, contexts: &[ScoreContext<'_>]) -> Result<Vec<Vec<f32>>, PruneError> {
        let score = |ctx: &ScoreContext<'_>| {
            let scale = self.scale_of.get(ctx.path());
            let scale = scale.ok_or_else(|| PruneError::custom(ctx.path(), "name its norm"))?;
            let filter = ctx.shape()[1] * ctx.shape()[2];
            let scales = ctx.vector(scale)?.values.iter();
            Ok(scales.flat_map(|scale| vec![scale.abs(); filter]).collect())
        };
        contexts.iter().map(score).collect()
    }
}

impl Penalty for Slimming {
    fn of(&self, info: &ParamInfo, weight: Tensor<3>) -> Option<Tensor<1>> {
        (info.role == Role::NormScale).then(|| weight.abs().sum() * self.lambda)
    }
}

fn network_slimming(scale_of: &[(&str, &str)], lambda: f64, share: f64) -> PrunerConfig {
    let scale_of = scale_of
        .iter()
        .map(|(w, scale)| (w.to_string(), scale.to_string()));
    let slimming = Slimming {
        scale_of: scale_of.collect(),
        lambda,
    };
    PrunerConfig::new()
        .with_model_scorer(slimming.clone())
        .with_penalty(slimming)
        .with_pattern(Filter)
        .with_reduction(Reduction::Mean)
        .with_allocation(Global)
        .with_schedule(OneShot::new(share))
}

// Its steps by hand.

/// Two convolutions whose filters differ in size, each with its norm.
#[derive(Module, Prune, Debug)]
struct Net {
    first: Conv2d,
    first_norm: BatchNorm,
    second: Conv2d,
    second_norm: BatchNorm,
}

#[test]
fn the_smallest_scales_of_the_model_go_by_hand() {
    let device = training_device();
    let mut model = Net {
        first: Conv2dConfig::new([1, 3], [1, 1]).init(&device),
        first_norm: BatchNormConfig::new(3).init(&device),
        second: Conv2dConfig::new([3, 2], [3, 3]).init(&device),
        second_norm: BatchNormConfig::new(2).init(&device),
    };
    // The weights themselves say the opposite.
    model.first.weight = param(&[0.1, 50.0, 0.2], [3, 1, 1, 1], &device);
    model.second.weight = param(
        &[&[9.0; 27][..], &[0.1; 27]].concat(),
        [2, 3, 3, 3],
        &device,
    );
    model.first_norm.gamma = param(&[0.5, -0.1, 0.3], [3], &device);
    model.second_norm.gamma = param(&[0.05, -0.9], [2], &device);
    let scales = [
        ("first.weight", "first_norm.gamma"),
        ("second.weight", "second_norm.gamma"),
    ];
    let mut pruner = network_slimming(&scales, 1e-2, 0.4).init(&model).unwrap();

    // 0.01·(0.5 + 0.1 + 0.3 + 0.05 + 0.9) = 0.0185, and its gradient is 0.01 times the sign.
    let penalty = pruner.penalty(&model).unwrap();
    assert!((values(penalty.clone())[0] - 0.0185).abs() < 1e-7);
    let grads = penalty.backward();
    let gradient = values(model.first_norm.gamma.val().grad(&grads).unwrap());
    for (got, wanted) in gradient.iter().zip([0.01, -0.01, 0.01]) {
        assert!((got - wanted).abs() < 1e-8, "{got}");
    }

    // 40 % of five filters are two: 0.05 and |-0.1|. A sum over each filter, 1 against 27 elements,
    // would take 0.1 and 0.3; signed scales would take -0.9 and -0.1.
    pruner.prune(&mut model, 0).unwrap();
    let masks = pruner.masks(&model).unwrap();
    let kept = |path: &str| masks.get(path).unwrap().iter().collect::<Vec<_>>();
    assert_eq!(kept("first.weight"), [true, false, true]);
    assert_eq!(kept("second.weight"), [[false; 27], [true; 27]].concat());
}
