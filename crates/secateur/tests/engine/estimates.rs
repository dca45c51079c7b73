//! What a plan would bring is what it then brings.

use secateur::prelude::*;
use secateur::sparse::{SparseEngine, estimate};

use crate::nets::{Mlp, Residual, random};

#[test]
fn a_plan_is_estimated_before_it_is_carried_out() {
    let mut model = Residual::new();
    let config = PrunerConfig::new()
        .with_allocation(Global)
        .with_schedule(OneShot::new(0.9));
    let mut pruner = config.init_module(&model).unwrap();
    let plan = pruner.plan(&model).unwrap();
    let example = random([2, 3, 16, 16]);
    let forecast = estimate(&model, example.clone(), Residual::forward, &plan).unwrap();

    pruner.prune(&mut model, 0).unwrap();
    let engine = SparseEngine::compile(&model, example, Residual::forward).unwrap();
    let layers = engine.explain().unwrap().layers;
    assert_eq!(layers.len(), forecast.layers.len());
    for (got, forecast) in layers.iter().zip(&forecast.layers) {
        assert_eq!(got.name, forecast.name);
        assert_eq!(got.sparsity, forecast.after.sparsity);
        assert_eq!(forecast.before.sparsity, 0.0);
        if got.format == forecast.after.format {
            assert_eq!(got.bytes, forecast.after.bytes);
        }
    }
    let report = pruner.report(&model).unwrap();
    let kept = |path: &str| {
        report
            .rows
            .iter()
            .find(|row| row.path == path)
            .unwrap()
            .kept
    };
    // 3x3 windows at 16 by 16 places of two images.
    let stem = &forecast.layers[0];
    assert_eq!(stem.before.multiply_adds, 2 * 256 * 8 * 27);
    assert_eq!(
        stem.after.multiply_adds as usize,
        2 * 256 * kept("stem.weight")
    );
    let products = forecast.multiply_adds();
    assert!(products.effective < products.dense);
    let text = forecast.to_string();
    assert!(
        text.contains("conv1.weight") && text.contains("all"),
        "{text}"
    );
}

#[test]
fn layers_that_are_not_in_the_plan_stay_as_they_are() {
    let model = Mlp::new(&[32, 16, 8]);
    let config = PrunerConfig::new()
        .with_schedule(OneShot::new(0.75))
        .with_skip(["layers.1.**"]);
    let pruner = config.init_module(&model).unwrap();
    let plan = pruner.plan(&model).unwrap();
    let forecast = estimate(&model, random([1, 32]), Mlp::forward, &plan).unwrap();
    assert_eq!(forecast.layers[0].after.multiply_adds, 32 * 16 / 4);
    assert_eq!(forecast.layers[1].after, forecast.layers[1].before);
}
