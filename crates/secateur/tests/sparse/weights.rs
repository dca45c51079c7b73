//! Weights to prune and ways to compare, the same on every device.

use std::sync::Arc;

use burn::{
    Tensor,
    tensor::{Device, TensorData},
};
use secateur::{random::Stream, sparse::ops::Structure};

/// Normal numbers from Secateur's own generator.
pub fn normal(name: &str, len: usize) -> Vec<f32> {
    let mut stream = Stream::new(11, name, 0);
    (0..len).map(|_| stream.normal()).collect()
}

/// A tensor of them.
pub fn noise<const D: usize>(name: &str, shape: [usize; D], device: &Device) -> Tensor<D> {
    let values = normal(name, shape.iter().product());
    Tensor::from_data(TensorData::new(values, shape), device)
}

/// A weight `[rows, columns]` with its zeros, of which about `density` is kept.
pub fn pruned(shape: [usize; 2], density: f64) -> Vec<f32> {
    let len = shape[0] * shape[1];
    let chances = normal("chances", len);
    // Of a standard normal, the share above this bound; exact enough to choose by.
    let mut sorted = chances.clone();
    sorted.sort_unstable_by(|a, b| b.total_cmp(a));
    let kept = (len as f64 * density).round() as usize;
    let bound = sorted.get(kept).copied().unwrap_or(f32::NEG_INFINITY);
    let weights = normal("weights", len).into_iter().zip(chances);
    weights
        .map(|(weight, chance)| if chance > bound { weight } else { 0.0 })
        .collect()
}

/// A sparse weight, in parts and with its zeros.
#[derive(Debug)]
pub struct Weight {
    pub structure: Arc<Structure>,
    pub values: Vec<f32>,
    pub dense: Vec<f32>,
    pub shape: [usize; 2],
}

impl Weight {
    pub fn new(dense: Vec<f32>, shape: [usize; 2]) -> Self {
        Self {
            structure: Structure::from_dense(&dense, shape).unwrap(),
            values: dense.iter().copied().filter(|w| *w != 0.0).collect(),
            dense,
            shape,
        }
    }

    pub fn values(&self, device: &Device) -> Tensor<1> {
        let len = self.values.len();
        Tensor::from_data(TensorData::new(self.values.clone(), [len]), device)
    }

    /// `[rows, columns]`.
    pub fn dense(&self, device: &Device) -> Tensor<2> {
        Tensor::from_data(TensorData::new(self.dense.clone(), self.shape), device)
    }

    /// The elements of a dense `[rows, columns]` that are kept, asked one by one.
    pub fn kept(&self, dense: &[f32]) -> Vec<f32> {
        let pairs = dense.iter().zip(&self.dense);
        pairs.filter(|(_, w)| **w != 0.0).map(|(d, _)| *d).collect()
    }
}

pub fn floats<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_to_vec().unwrap()
}

/// Refuses differences beyond `1e-5` of the largest element.
#[track_caller]
pub fn assert_close(got: &[f32], expected: &[f32]) {
    assert_eq!(got.len(), expected.len(), "lengths");
    let scale = expected.iter().fold(1e-3_f32, |max, e| max.max(e.abs()));
    for (at, (got, expected)) in got.iter().zip(expected).enumerate() {
        let difference = (got - expected).abs();
        assert!(
            difference <= 1e-5 * scale,
            "{at}: {got} where {expected} is expected, of up to {scale}"
        );
    }
}
