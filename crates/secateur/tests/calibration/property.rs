//! The layers' outputs change least under SparseGPT, on models whose inputs are correlated.

use burn::module::{Module, Param};
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Tensor};
use secateur::graph::{GraphTensors, ModelGraph, Taps};
use secateur::methods::{sparse_gpt, wanda};
use secateur::prelude::*;
use secateur::schedule::OneShot;

use crate::models::{drawn, floats, random};

/// `‖f(x) - f'(x)‖²` of each method, and that each has pruned as many weights as it should.
fn errors<M: Module + Clone, const D: usize, const E: usize>(
    model: &M,
    weight: impl Fn(&M) -> Vec<f32>,
    x: &Tensor<D>,
    forward: fn(&M, Tensor<D>) -> Tensor<E>,
    pattern: Option<NofM>,
    sparsity: f64,
) -> [f64; 3]
where
    Tensor<D>: GraphTensors,
    Tensor<E>: GraphTensors,
{
    let dense = floats(forward(model, x.clone()));
    let magnitude = PrunerConfig::new().with_schedule(OneShot::new(sparsity));
    [magnitude, wanda(sparsity), sparse_gpt(sparsity)].map(|config| {
        let config = match pattern {
            Some(pattern) => config.with_pattern(pattern),
            None => config,
        };
        let mut pruned = model.clone();
        let mut pruner = config.init_module(&pruned).unwrap();
        let captured = ModelGraph::capture(model, x.clone(), forward).unwrap();
        Taps::new(&captured)
            .observe(&mut pruner, x.clone())
            .unwrap();
        pruner.prune(&mut pruned, 0).unwrap();
        let masks = pruner.masks(&pruned).unwrap();
        pruner.finish(&mut pruned).unwrap();
        let values = weight(&pruned);
        let zeros = values.iter().filter(|w| w.to_bits() == 0).count();
        let expected = (sparsity * values.len() as f64).round() as usize;
        assert_eq!(zeros, expected);
        if let Some(pattern) = pattern {
            for (path, mask) in &masks {
                let units = pattern.units(path, mask.shape()).unwrap();
                assert!(units.are_obeyed_by(mask).unwrap());
            }
        }
        let output = floats(forward(&pruned, x.clone()));
        let pairs = output.iter().zip(&dense);
        pairs.map(|(a, b)| f64::from(a - b).powi(2)).sum()
    })
}

/// The errors grow from SparseGPT over Wanda to magnitude.
fn assert_order(what: &str, [magnitude, wanda, gpt]: [f64; 3]) {
    println!("{what}: magnitude {magnitude:.3}, Wanda {wanda:.3}, SparseGPT {gpt:.3}");
    assert!(gpt < 0.95 * wanda, "{what}: {gpt} {wanda}");
    assert!(gpt < 0.95 * magnitude, "{what}: {gpt} {magnitude}");
}

/// Rows that share two signals, in features of different scales.
fn correlated(rows: usize, features: usize) -> Tensor<2> {
    let shared = drawn("signals", [rows, 2]).matmul(drawn("shares", [2, features]));
    let scales = (drawn("scales", [1, features]) * 0.7).exp();
    (random([rows, features]) * 0.5 + shared) * scales
}

#[test]
fn of_a_linear_layer() {
    let mut layer = LinearConfig::new(48, 24).init(&Device::flex());
    layer.weight = Param::from_tensor(drawn("weights", [48, 24]) * 0.1);
    let x = correlated(256, 48);
    let weight = |layer: &Linear| floats(layer.weight.val());
    for sparsity in [0.5, 0.75] {
        let errors = errors(&layer, weight, &x, Linear::forward, None, sparsity);
        assert_order("linear", errors);
        assert!(errors[1] < errors[0], "{errors:?}");
    }
    let pattern = NofM::keep(2).of(4).unwrap();
    let errors = errors(&layer, weight, &x, Linear::forward, Some(pattern), 0.5);
    assert_order("linear 2:4", errors);
}

#[test]
fn of_convolutions_with_groups_or_without() {
    for groups in [1, 2, 4] {
        let mut layer = Conv2dConfig::new([8, 12], [3, 3])
            .with_groups(groups)
            .init(&Device::flex());
        let weights = drawn("weights", [12, 8 / groups, 3, 3]);
        layer.weight = Param::from_tensor(weights * 0.1);
        // Neighbouring pixels share most of what they are.
        let x = correlated(4 * 8, 64).reshape([4, 8, 8, 8]);
        let weight = |layer: &Conv2d| floats(layer.weight.val());
        let found = errors(&layer, weight, &x, Conv2d::forward, None, 0.5);
        assert_order(&format!("convolution, {groups} groups"), found);
        if groups < 4 {
            // Groups along `in`, which do not lie side by side in a row.
            let pattern = NofM::keep(2).of(4).unwrap();
            let found = errors(&layer, weight, &x, Conv2d::forward, Some(pattern), 0.5);
            assert_order(&format!("convolution 2:4, {groups} groups"), found);
        }
    }
}
