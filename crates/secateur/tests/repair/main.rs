//! Making up for what was removed, and whole blocks that go.
#![cfg(feature = "structure")]

mod blocks;
mod folding;
mod read_inputs;
mod recalibrate;
mod reconstruction;

use burn::module::Param;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Tensor, TensorData};

/// A linear layer with these weights, a row for each input, and a bias unless it is empty.
fn linear<const I: usize, const O: usize>(weight: [[f64; O]; I], bias: &[f64]) -> Linear {
    let device = Device::flex();
    let config = LinearConfig::new(I, O).with_bias(!bias.is_empty());
    let mut layer = config.init(&device);
    layer.weight = Param::from_data(weight, &device);
    if !bias.is_empty() {
        let data = TensorData::new(bias.to_vec(), [bias.len()]);
        layer.bias = Some(Param::from_data(data, &device));
    }
    layer
}

fn numbers<const D: usize>(tensor: Tensor<D>) -> Vec<f64> {
    tensor.into_data().iter::<f64>().collect()
}

fn close(got: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(got.len(), expected.len(), "{got:?} {expected:?}");
    for (a, b) in got.iter().zip(expected) {
        assert!((a - b).abs() <= tolerance, "{got:?} {expected:?}");
    }
}
