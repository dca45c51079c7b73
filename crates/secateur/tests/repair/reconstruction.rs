//! New weights for layers that lost inputs.

use burn::module::{Module, Param};
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig, PaddingConfig2d};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Distribution, Int, Tensor};
use secateur::prelude::*;
use secateur::structure::coupling::Coupling;
use secateur::structure::error::StructureError;
use secateur::structure::plan::Plan;
use secateur::structure::repair::{Inputs, Reconstructed, Reconstruction, RepairError};

use super::{close, linear, numbers};

#[derive(Module, Prune, Debug)]
struct Mlp {
    fc1: Linear,
    fc2: Linear,
}

impl Mlp {
    /// Hidden units x₀, x₁ and x₀ + 2 x₁ + 2, all positive for positive x.
    fn dependent() -> Self {
        Self {
            fc1: linear([[1.0, 0.0, 1.0], [0.0, 1.0, 2.0]], &[0.0, 0.0, 2.0]),
            fc2: linear([[1.0, 0.0], [0.0, 1.0], [3.0, -1.0]], &[0.5, -0.5]),
        }
    }

    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        self.fc2.forward(relu(self.fc1.forward(x)))
    }
}

fn rows(count: usize) -> Tensor<2> {
    let at = |row: usize| [(row * 7 % 5) as f64 + 0.5, (row * 3 % 4) as f64 + 0.25];
    let rows: Vec<f64> = (0..count).flat_map(at).collect();
    let data = burn::tensor::TensorData::new(rows, [count, 2]);
    Tensor::from_data(data, &Device::flex())
}

fn without_last(net: &Mlp) -> (Mlp, Coupling, secateur::structure::cut::Cut) {
    let coupling = Coupling::of_model(net, rows(4), Mlp::forward).unwrap();
    let mut plan = Plan::new(&coupling);
    plan.remove_outputs("fc1", &[2]).unwrap();
    let (smaller, certificate) = plan.apply(net, rows(4), Mlp::forward).unwrap();
    (smaller, coupling.clone(), certificate.cut)
}

/// y = h₀ (1, 0) + h₁ (0, 1) + (h₀ + 2 h₁ + 2)(3, -1) + (0.5, -0.5).
#[test]
fn what_others_tell_is_recovered_by_hand() {
    let net = Mlp::dependent();
    // Batches of two sizes.
    let batches = [rows(12), rows(7)];
    for inputs in [Inputs::Whole, Inputs::Repaired] {
        let (mut smaller, coupling, cut) = without_last(&net);
        let report = Reconstruction::new()
            .with_damping(0.0)
            .with_inputs(inputs)
            .apply(
                &net,
                &mut smaller,
                &coupling,
                &cut,
                batches.clone(),
                Mlp::forward,
            )
            .unwrap();
        close(
            &numbers(smaller.fc2.weight.val()),
            &[4.0, -1.0, 6.0, -1.0],
            1e-4,
        );
        let bias = numbers(smaller.fc2.bias.as_ref().unwrap().val());
        close(&bias, &[6.5, -2.5], 1e-3);
        let (whole, left) = (net.forward(rows(9)), smaller.forward(rows(9)));
        close(&numbers(left), &numbers(whole), 1e-3);
        let [layer] = &report.layers[..] else {
            panic!("{report:?}");
        };
        assert_eq!((layer.path.as_str(), layer.rows), ("fc2.weight", 19));
        // Σ ‖(h₀ + 2 h₁ + 2)(3, -1)‖², without the bias that went with it.
        let lost = numbers(net.fc1.forward(Tensor::cat(batches.to_vec(), 0)));
        let lost: f64 = lost.chunks(3).map(|h| 10.0 * h[2] * h[2]).sum();
        assert!((layer.before / lost - 1.0).abs() < 1e-5, "{report}");
        assert!(layer.after < 1e-6 * layer.energy, "{report}");
        assert!(report.to_string().contains("fc2.weight"), "{report}");
    }
}

#[test]
fn a_layer_without_a_bias_gets_none() {
    let mut net = Mlp::dependent();
    net.fc1.bias = None;
    net.fc2.bias = None;
    let (mut smaller, coupling, cut) = without_last(&net);
    Reconstruction::new()
        .with_damping(0.0)
        .apply(
            &net,
            &mut smaller,
            &coupling,
            &cut,
            [rows(12)],
            Mlp::forward,
        )
        .unwrap();
    assert!(smaller.fc2.bias.is_none());
    close(
        &numbers(smaller.fc2.weight.val()),
        &[4.0, -1.0, 6.0, -1.0],
        1e-4,
    );
}

#[test]
fn what_cannot_be_repaired_is_an_error() {
    let net = Mlp::dependent();
    let (smaller, coupling, cut) = without_last(&net);
    let repair = |reconstruction: Reconstruction, smaller: &mut Mlp, batches: Vec<Tensor<2>>| {
        let before = smaller.clone();
        let outcome = reconstruction.apply(&net, smaller, &coupling, &cut, batches, Mlp::forward);
        let same = numbers(before.fc2.weight.val()) == numbers(smaller.fc2.weight.val());
        assert!(same, "changed in spite of an error");
        outcome.unwrap_err()
    };
    let new = Reconstruction::new;
    let error = repair(new(), &mut smaller.clone(), vec![]);
    let expected = matches!(error, StructureError::Repair(RepairError::NoBatches { .. }));
    assert!(expected, "{error}");
    let error = repair(new().with_damping(0.0), &mut smaller.clone(), vec![rows(1)]);
    let expected = matches!(error, StructureError::Repair(RepairError::Singular { .. }));
    assert!(expected, "{error}");
    let broken = rows(4).mul_scalar(f64::NAN);
    let error = repair(new(), &mut smaller.clone(), vec![broken]);
    let expected = matches!(error, StructureError::Repair(RepairError::NotFinite { .. }));
    assert!(expected, "{error}");
    let error = repair(
        new().with_damping(-1.0),
        &mut smaller.clone(),
        vec![rows(9)],
    );
    let expected = matches!(error, StructureError::Repair(RepairError::Choice { .. }));
    assert!(expected, "{error}");
    // Of full size, not what the cut left.
    let error = repair(new(), &mut net.clone(), vec![rows(9)]);
    let expected = matches!(error, StructureError::ShapeMismatch { .. });
    assert!(expected, "{error}");
    // Under a mask.
    let mut masked = smaller.clone();
    let pruner = PrunerConfig::new().with_schedule(OneShot::new(0.5));
    let mut pruner = pruner.init(&masked).unwrap();
    pruner.prune(&mut masked, 0).unwrap();
    let error = repair(new(), &mut masked, vec![rows(9)]);
    assert!(error.to_string().contains("a mask acts"), "{error}");
}

#[derive(Module, Prune, Debug)]
struct Cnn {
    conv1: Conv2d,
    bn1: BatchNorm,
    conv2: Conv2d,
    conv3: Conv2d,
    fc: Linear,
}

impl Cnn {
    fn new() -> Self {
        let device = Device::flex();
        let conv = |channels, groups| {
            let config = Conv2dConfig::new(channels, [3, 3]).with_groups(groups);
            config
                .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1))
                .init(&device)
        };
        let mut bn1 = BatchNormConfig::new(6).init(&device);
        bn1.beta = Param::from_data([0.3, -0.2, 0.1, 0.4, 0.0, 0.2], &device);
        Self {
            conv1: conv([2, 6], 1),
            bn1,
            conv2: conv([6, 8], 2),
            conv3: conv([8, 4], 1),
            fc: LinearConfig::new(4 * 5 * 4, 3).init(&device),
        }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<2> {
        let x = self.conv3.forward(self.before_conv3(x));
        self.fc.forward(relu(x).flatten(1, 3))
    }

    fn before_conv2(&self, x: Tensor<4>) -> Tensor<4> {
        relu(self.bn1.forward(self.conv1.forward(x)))
    }

    fn before_conv3(&self, x: Tensor<4>) -> Tensor<4> {
        relu(self.conv2.forward(self.before_conv2(x)))
    }
}

fn images(count: usize) -> Tensor<4> {
    let shape = [count, 2, 5, 4];
    Tensor::random(shape, Distribution::Normal(0.0, 1.0), &Device::flex())
}

fn select(x: Tensor<4>, channels: &[i64]) -> Tensor<4> {
    let device = x.device();
    x.select(1, Tensor::<1, Int>::from_data(channels, &device))
}

fn square(x: Tensor<4>) -> f64 {
    numbers(x).iter().map(|x| x * x).sum()
}

struct Repaired {
    whole: Cnn,
    plain: Cnn,
    smaller: Cnn,
    report: Reconstructed,
}

/// Without channel 1 of each group that conv2 reads, outputs 2 and 5 of conv2, output 0 of conv3.
fn repaired(reconstruction: &Reconstruction, batches: &[Tensor<4>]) -> Repaired {
    let whole = Cnn::new();
    let coupling = Coupling::of_model(&whole, images(2), Cnn::forward).unwrap();
    let mut plan = Plan::new(&coupling);
    let axis = |path: &str| coupling.units_at(path, 0, 0).unwrap();
    let inner = axis("conv1.weight").into_iter().map(|unit| unit.axis);
    for axis in inner.filter(|&axis| coupling.group(axis).is_some_and(|group| group.size == 3)) {
        plan.remove(secateur::structure::coupling::Unit { axis, place: 1 })
            .unwrap();
    }
    let outer = axis("conv2.weight").into_iter().map(|unit| unit.axis);
    for axis in outer.filter(|&axis| coupling.group(axis).is_some_and(|group| group.size == 4)) {
        plan.remove(secateur::structure::coupling::Unit { axis, place: 2 })
            .unwrap();
    }
    plan.remove_outputs("conv3", &[0]).unwrap();
    let (plain, certificate) = plan.apply(&whole, images(2), Cnn::forward).unwrap();
    assert_eq!(plain.conv2.weight.dims(), [6, 2, 3, 3]);
    let mut smaller = plain.clone();
    let report = reconstruction
        .apply(
            &whole,
            &mut smaller,
            &coupling,
            &certificate.cut,
            batches.to_vec(),
            Cnn::forward,
        )
        .unwrap();
    Repaired {
        whole,
        plain,
        smaller,
        report,
    }
}

/// The report's errors against the layers themselves run on the same inputs.
#[test]
fn errors_of_convolutions_are_what_the_layers_give() {
    let batches = [images(6), images(6)];
    // The last layer has fewer rows than features.
    let reconstruction = Reconstruction::new().with_damping(1e-7);
    let Repaired {
        whole,
        plain,
        smaller,
        report,
    } = repaired(&reconstruction, &batches);
    assert!(report.skipped.is_empty(), "{report}");
    let paths: Vec<&str> = report
        .layers
        .iter()
        .map(|layer| layer.path.as_str())
        .collect();
    assert_eq!(paths, ["conv2.weight", "conv3.weight", "fc.weight"]);
    let all = Tensor::cat(batches.to_vec(), 0);
    let (inputs, outputs) = ([0, 2, 3, 5], [0, 1, 3, 4, 5, 7]);
    let x2 = whole.before_conv2(all.clone());
    let y2 = select(whole.conv2.forward(x2.clone()), &outputs);
    let x3 = whole.before_conv3(all);
    let y3 = select(whole.conv3.forward(x3.clone()), &[1, 2, 3]);
    let error2 = |net: &Cnn| square(net.conv2.forward(select(x2.clone(), &inputs)) - y2.clone());
    let error3 = |net: &Cnn| square(net.conv3.forward(select(x3.clone(), &outputs)) - y3.clone());
    for (layer, errors) in [
        (&report.layers[0], [error2(&plain), error2(&smaller)]),
        (&report.layers[1], [error3(&plain), error3(&smaller)]),
    ] {
        for (got, expected) in [layer.before, layer.after].iter().zip(errors) {
            assert!(
                (got / expected - 1.0).abs() < 1e-3,
                "{got} {expected}\n{report}"
            );
        }
        assert!(layer.after < 0.9 * layer.before, "{report}");
    }
    // It is the least there is: any other weights give more.
    let mut other = smaller.clone();
    for change in [0.01, -0.01] {
        other.conv2.weight = smaller.conv2.weight.clone().map(|w| {
            let noise = Tensor::random(w.dims(), Distribution::Default, &w.device());
            w + noise.mul_scalar(change)
        });
        assert!(error2(&other) > error2(&smaller));
    }
}

/// Each layer is fitted to what it gets in the smaller model.
#[test]
fn layer_by_layer_those_before_are_made_up_for() {
    let batches = [images(10), images(10)];
    let reconstruction = Reconstruction::new().with_inputs(Inputs::Repaired);
    let Repaired {
        whole,
        smaller,
        report,
        ..
    } = repaired(&reconstruction, &batches);
    let all = Tensor::cat(batches.to_vec(), 0);
    let wanted = select(
        whole.conv3.forward(whole.before_conv3(all.clone())),
        &[1, 2, 3],
    );
    let given = smaller.conv3.forward(smaller.before_conv3(all.clone()));
    let (after, expected) = (report.layers[1].after, square(given - wanted));
    assert!((after / expected - 1.0).abs() < 1e-3, "{after} {expected}");
    let outputs = whole.forward(all.clone()) - smaller.forward(all);
    let error: f64 = numbers(outputs).iter().map(|x| x * x).sum();
    let after = report.layers[2].after;
    assert!((after / error - 1.0).abs() < 1e-3, "{after} {error}");
    assert!(
        report
            .layers
            .iter()
            .all(|layer| layer.after <= layer.before),
        "{report}"
    );
}

#[test]
fn some_rows_are_enough() {
    let batches = [images(6), images(6)];
    let reconstruction = Reconstruction::new().with_rows_per_batch(50);
    let report = repaired(&reconstruction, &batches).report;
    // The last layer has one row for each image.
    let rows: Vec<usize> = report.layers.iter().map(|layer| layer.rows).collect();
    assert_eq!(rows, [100, 100, 12]);
}
