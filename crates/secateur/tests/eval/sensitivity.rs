//! Layers pruned one at a time.

use burn::module::{Module, Param};
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Tensor};
use secateur::eval::{EvalError, LayerDamage, Sensitivity};
use secateur::prelude::*;

#[derive(Module, Debug)]
struct Net {
    first: Linear,
    second: Linear,
}

/// Weights 1, 2, 3, 4 and 10, 20, 30, 40, without biases.
fn net() -> Net {
    let device = Device::flex();
    let layer = |scale: f32| {
        let mut layer = LinearConfig::new(4, 1).with_bias(false).init(&device);
        let weights = Tensor::<1>::from_floats([1.0, 2.0, 3.0, 4.0], &device) * scale;
        layer.weight = Param::from_tensor(weights.reshape([4, 1]));
        layer
    };
    Net {
        first: layer(1.0),
        second: layer(10.0),
    }
}

/// What is missing of the sum of all weights.
fn missing(net: &Net) -> f64 {
    let sum = net.first.weight.val().sum() + net.second.weight.val().sum();
    110.0 - f64::from(sum.into_scalar::<f32>())
}

fn scan(sensitivity: Sensitivity) -> Result<LayerDamage, EvalError> {
    sensitivity.scan(&net(), &PrunerConfig::new(), missing)
}

#[test]
fn each_layer_alone_by_hand() {
    // Of the first go 1; 1 + 2; 1 + 2 + 3. Of the second ten times that.
    let damage = scan(Sensitivity::new().with_sparsities([0.25, 0.5, 0.75])).unwrap();
    assert_eq!(damage.dense, 0.0);
    let first = &damage.layers["first.weight"];
    assert_eq!(first, &[(0.25, 1.0), (0.5, 3.0), (0.75, 6.0)]);
    let second = &damage.layers["second.weight"];
    assert_eq!(second, &[(0.25, 10.0), (0.5, 30.0), (0.75, 60.0)]);
    let text = damage.to_string();
    assert!(
        text.contains("first.weight") && text.contains("+30.0000"),
        "{text}"
    );
    assert!(text.contains("25 %") && text.contains("75 %"), "{text}");

    // Half of all eight are four. At the damage 90/13 = 6.92 the first is at 0.75 + 0.92/12 = 0.827
    // and the second at 6.92/40 = 0.173: they keep 0.69 and 3.31, rounded 1 and 3.
    let mut pruner = PrunerConfig::new()
        .with_allocation(damage.allocation().unwrap())
        .with_schedule(OneShot::new(0.5))
        .init_module(&net())
        .unwrap();
    let mut pruned = net();
    pruner.prune(&mut pruned, 0).unwrap();
    let masks = pruner.masks(&pruned).unwrap();
    assert_eq!(masks.get("first.weight").unwrap().kept(), 1);
    assert_eq!(masks.get("second.weight").unwrap().kept(), 3);
}

#[test]
fn a_layer_that_hurts_enough_is_left() {
    let sensitivity = Sensitivity::new().with_sparsities([0.25, 0.5, 0.75]);
    let damage = scan(sensitivity.with_stop_at(2.0)).unwrap();
    assert_eq!(damage.layers["first.weight"], [(0.25, 1.0), (0.5, 3.0)]);
    assert_eq!(damage.layers["second.weight"], [(0.25, 10.0)]);
    assert!(damage.to_string().contains('-'));
}

#[test]
fn what_gives_no_number_ends_a_layer() {
    let sensitivity = Sensitivity::new().with_sparsities([0.25, 0.5]);
    let infinite = |net: &Net| match missing(net) {
        damage if damage > 5.0 => f64::INFINITY,
        damage => damage,
    };
    let damage = sensitivity
        .scan(&net(), &PrunerConfig::new(), infinite)
        .unwrap();
    assert_eq!(damage.layers["first.weight"].len(), 2);
    assert!(damage.layers["second.weight"].is_empty());
    // A layer without a point has no curve.
    assert!(damage.allocation().is_err());
    let nan = sensitivity.scan(&net(), &PrunerConfig::new(), |_| f64::NAN);
    assert!(matches!(nan, Err(EvalError::NotFinite { .. })));
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    for sparsities in [
        vec![],
        vec![0.0, 0.5],
        vec![0.5, 0.5],
        vec![0.5, 1.0],
        vec![f64::NAN],
    ] {
        let error = scan(Sensitivity::new().with_sparsities(sparsities)).unwrap_err();
        assert!(matches!(error, EvalError::Setting { .. }), "{error}");
    }
    for damage in [-1.0, f64::NAN] {
        assert!(scan(Sensitivity::new().with_stop_at(damage)).is_err());
    }
    // The configuration's own mistakes are quoted.
    let config = PrunerConfig::new().with_only(["third.weight"]);
    let error = Sensitivity::new()
        .scan(&net(), &config, missing)
        .unwrap_err();
    assert!(error.to_string().contains("third.weight"), "{error}");
}

#[test]
fn a_pattern_and_skipped_layers_count() {
    let damage = Sensitivity::new()
        .with_sparsities([0.5])
        .scan(
            &net(),
            &PrunerConfig::new()
                .with_skip(["second.weight"])
                .with_pattern(Block::new(1, 2).unwrap()),
            missing,
        )
        .unwrap();
    assert_eq!(damage.layers.len(), 1);
    assert_eq!(damage.layers["first.weight"], [(0.5, 3.0)]);
}
