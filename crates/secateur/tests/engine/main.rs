//! The sparse engine against Burn.
#![cfg(feature = "sparse")]

use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Distribution, Tensor};
use secateur::sparse::SparseEngine;

#[test]
fn a_linear_layer() {
    let device = Device::flex();
    let layer = LinearConfig::new(64, 8).init(&device);
    let x = Tensor::<2>::random([4, 64], Distribution::Default, &device);
    let engine = SparseEngine::compile(&layer, x.clone(), Linear::forward).unwrap();
    let y: Tensor<2> = engine.run(x.clone()).unwrap();
    let error = (y - layer.forward(x)).abs().max().into_scalar::<f32>();
    assert!(error < 1e-5);
    println!("{}", engine.explain().unwrap());
}
