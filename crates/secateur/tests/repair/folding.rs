//! Neurons that others take over.

use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::pool::{MaxPool2d, MaxPool2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig, PaddingConfig2d};
use burn::tensor::activation::{gelu, relu};
use burn::tensor::{Device, Distribution, Tensor, s};
use secateur::prelude::*;
use secateur::structure::coupling::Coupling;
use secateur::structure::error::StructureError;
use secateur::structure::repair::merging::Likeness;
use secateur::structure::repair::{RepairError, fold_outputs, merge_outputs};

use super::{close, linear, numbers};

#[derive(Module, Prune, Debug)]
struct Mlp {
    fc1: Linear,
    fc2: Linear,
    kind: usize,
}

impl Mlp {
    /// The third hidden unit is twice the first.
    fn doubled(kind: usize) -> Self {
        Self {
            fc1: linear([[1.0, 0.5, 2.0], [-1.0, 2.0, -2.0]], &[0.5, -1.0, 1.0]),
            fc2: linear([[1.0, 4.0], [5.0, 6.0], [0.25, -0.5]], &[]),
            kind,
        }
    }

    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let x = self.fc1.forward(x);
        self.fc2.forward(match self.kind {
            0 => relu(x),
            1 => gelu(x),
            _ => x,
        })
    }

    fn coupling(&self) -> Coupling {
        Coupling::of_model(self, rows(), Self::forward).unwrap()
    }
}

fn rows() -> Tensor<2> {
    let rows = [
        [1.0, 2.0],
        [-0.5, 0.25],
        [3.0, -1.0],
        [0.0, 1.5],
        [-2.0, -3.0],
    ];
    Tensor::from_data(rows, &Device::flex())
}

fn is_unsupported(error: &StructureError) -> bool {
    matches!(
        error,
        StructureError::Repair(RepairError::Unsupported { .. })
    )
}

/// The first is half of the third, behind the ReLU too: it goes, and half of its (1, 4) comes to
/// (0.25, -0.5). The third could go as well; of equals it is the first.
#[test]
fn a_double_goes_without_a_trace_by_hand() {
    let net = Mlp::doubled(0);
    let coupling = net.coupling();
    let folded = merge_outputs(&net, &coupling, "fc1", Likeness::Directions, 1).unwrap();
    let (step, output) = (folded.steps[0], folded.outputs[0]);
    assert_eq!((step.removed, step.into, output), (0, 2, 0));
    let weights = numbers(folded.model.fc2.weight.val());
    close(&weights, &[0.0, 0.0, 5.0, 6.0, 0.75, 1.5], 1e-6);
    let plan = folded.plan(&coupling).unwrap();
    let (smaller, certificate) = plan.apply(&folded.model, rows(), Mlp::forward).unwrap();
    assert!(certificate.is_exact(), "{certificate}");
    assert_eq!(smaller.fc1.weight.dims(), [2, 2]);
    let (whole, left) = (net.forward(rows()), smaller.forward(rows()));
    close(&numbers(left), &numbers(whole), 1e-5);
    // The model that was given is as it was.
    assert_eq!(numbers(net.fc2.weight.val())[4], 0.25);
}

#[test]
fn factors_do_not_go_through_every_activation() {
    let net = Mlp::doubled(1);
    let coupling = net.coupling();
    let error = merge_outputs(&net, &coupling, "fc1", Likeness::Directions, 1).unwrap_err();
    assert!(
        is_unsupported(&error) && error.to_string().contains("Gelu"),
        "{error}"
    );
    // Equals are equal behind anything.
    assert!(merge_outputs(&net, &coupling, "fc1", Likeness::Weights, 1).is_ok());
    let error = merge_outputs(&net, &coupling, "fc1", Likeness::Weights, 3).unwrap_err();
    assert!(
        matches!(error, StructureError::Repair(RepairError::Choice { .. })),
        "{error}"
    );
    let error = merge_outputs(&net, &coupling, "fc2", Likeness::Weights, 1).unwrap_err();
    assert!(matches!(error, StructureError::Pinned { .. }), "{error}");
    let error = merge_outputs(&net, &coupling, "fc3", Likeness::Weights, 1).unwrap_err();
    assert!(
        matches!(error, StructureError::UnknownPath { .. }),
        "{error}"
    );
}

/// Without an activation h = x₀ - x₁ + 0.5, .., 2 x₀ - 2 x₁ + 1 + 3: the bias is moved by 3, so that the
/// third is twice the first and 3 more, which a bias that fc2 did not have takes.
#[test]
fn correlated_units_are_folded_by_hand() {
    let mut net = Mlp::doubled(2);
    net.fc1.bias = linear([[0.0; 3]; 2], &[0.5, -1.0, 4.0]).bias;
    let coupling = net.coupling();
    let folded = fold_outputs(&net, &coupling, "fc1", [rows()], Mlp::forward, 1).unwrap();
    let step = folded.steps[0];
    // var(third) = 4 var(first), ‖a‖² = 0.3125 against 17: the third.
    assert_eq!((step.removed, step.into), (2, Some(0)));
    assert!(
        (step.slope - 2.0).abs() < 1e-5 && (step.offset - 3.0).abs() < 1e-5,
        "{step:?}"
    );
    let weights = numbers(folded.model.fc2.weight.val());
    close(&weights, &[1.5, 3.0, 5.0, 6.0, 0.0, 0.0], 1e-5);
    let bias = numbers(folded.model.fc2.bias.as_ref().unwrap().val());
    close(&bias, &[0.75, -1.5], 1e-5);
    // A bias is new, so the plan made for what there was before is refused.
    let plan = folded.plan(&coupling).unwrap();
    assert!(plan.apply(&folded.model, rows(), Mlp::forward).is_err());
    let (smaller, certificate) = folded.remove(rows(), Mlp::forward).unwrap();
    assert!(certificate.is_exact(), "{certificate}");
    let (whole, left) = (net.forward(rows()), smaller.forward(rows()));
    close(&numbers(left), &numbers(whole), 1e-4);
    let none = fold_outputs(
        &net,
        &coupling,
        "fc1",
        Vec::<Tensor<2>>::new(),
        Mlp::forward,
        1,
    );
    let expected = matches!(
        none,
        Err(StructureError::Repair(RepairError::NoBatches { .. }))
    );
    assert!(expected);
}

#[derive(Module, Prune, Debug)]
struct Cnn {
    conv1: Conv2d,
    norm: Option<BatchNorm>,
    conv2: Conv2d,
    pool: MaxPool2d,
    fc: Linear,
}

impl Cnn {
    /// Filter 3 of conv1 is half of filter 1; filter 0 of conv2 is three times filter 2.
    fn new(norm: bool) -> Self {
        let device = Device::flex();
        let conv = |channels| {
            let pad = PaddingConfig2d::Explicit(1, 1, 1, 1);
            Conv2dConfig::new(channels, [3, 3])
                .with_padding(pad)
                .init(&device)
        };
        let (mut conv1, mut conv2): (Conv2d, Conv2d) = (conv([2, 4]), conv([4, 3]));
        double(&mut conv1, 1, 3, 0.5);
        double(&mut conv2, 2, 0, 3.0);
        Self {
            conv1,
            norm: norm.then(|| BatchNormConfig::new(4).init(&device)),
            conv2,
            pool: MaxPool2dConfig::new([2, 2]).init(),
            fc: LinearConfig::new(3 * 2 * 3, 2).init(&device),
        }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<2> {
        let mut x = self.conv1.forward(x);
        if let Some(norm) = &self.norm {
            x = norm.forward(x);
        }
        let x = relu(self.conv2.forward(relu(x)));
        self.fc.forward(self.pool.forward(x).flatten(1, 3))
    }
}

/// Makes a filter a multiple of another.
fn double(conv: &mut Conv2d, of: usize, to: usize, factor: f64) {
    conv.weight = conv.weight.clone().map(|w| {
        let row = w.clone().narrow(0, of, 1).mul_scalar(factor);
        w.slice_assign(s![to..to + 1, .., .., ..], row)
    });
    conv.bias = conv.bias.take().map(|bias| {
        bias.map(|b| {
            let own = b.clone().narrow(0, of, 1).mul_scalar(factor);
            b.slice_assign(s![to..to + 1], own)
        })
    });
}

fn images() -> Tensor<4> {
    let shape = [3, 2, 4, 6];
    Tensor::random(shape, Distribution::Normal(0.0, 1.0), &Device::flex())
}

#[test]
fn filters_too_also_before_a_flatten() {
    let net = Cnn::new(false);
    let coupling = Coupling::of_model(&net, images(), Cnn::forward).unwrap();
    let x = images();
    let whole = numbers(net.forward(x.clone()));
    for (layer, pair) in [("conv1", [1, 3]), ("conv2", [0, 2])] {
        let merged = merge_outputs(&net, &coupling, layer, Likeness::Directions, 1).unwrap();
        let batches = [images(), images()];
        let folded = fold_outputs(&net, &coupling, layer, batches, Cnn::forward, 1).unwrap();
        assert!(pair.contains(&merged.steps[0].removed), "{layer}");
        assert!(pair.contains(&folded.steps[0].removed), "{layer}");
        for (model, plan) in [
            (&merged.model, merged.plan(&coupling).unwrap()),
            (&folded.model, folded.plan(&coupling).unwrap()),
        ] {
            let (smaller, certificate) = plan.apply(model, images(), Cnn::forward).unwrap();
            assert!(certificate.is_exact(), "{certificate}");
            close(&numbers(smaller.forward(x.clone())), &whole, 1e-4);
        }
    }
}

#[test]
fn a_norm_between_is_named() {
    let net = Cnn::new(true);
    let coupling = Coupling::of_model(&net, images(), Cnn::forward).unwrap();
    let error = merge_outputs(&net, &coupling, "conv1", Likeness::Weights, 1).unwrap_err();
    assert!(
        is_unsupported(&error) && error.to_string().contains("`norm.gamma`"),
        "{error}"
    );
    // NoiseOut looks at what is read.
    assert!(fold_outputs(&net, &coupling, "conv1", [images()], Cnn::forward, 1).is_ok());
}
