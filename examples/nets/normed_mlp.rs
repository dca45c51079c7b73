//! The fully connected net that network slimming was measured on.

use burn::nn::{BatchNorm, Linear};
use burn::prelude::*;
use burn::tensor::activation::relu;
use secateur::Prune;

use super::layers::linear;
use super::vgg::norm_from_half;
use super::{Classifier, glorot};

/// 784-500-300-10 with a batch norm and ReLU behind each hidden layer: 545,000 weights.
#[derive(Module, Prune, Debug)]
pub struct NormedMlp {
    /// 784 to 500.
    pub fc1: Linear,
    /// Of the 500.
    pub norm1: BatchNorm,
    /// 500 to 300.
    pub fc2: Linear,
    /// Of the 300.
    pub norm2: BatchNorm,
    /// 300 to 10.
    pub fc3: Linear,
}

impl Classifier for NormedMlp {
    const NAME: &'static str = "normed-mlp";

    fn fresh(seed: u64, device: &Device) -> Self {
        let net = Self {
            fc1: linear(784, 500, device),
            norm1: norm_from_half(500, device),
            fc2: linear(500, 300, device),
            norm2: norm_from_half(300, device),
            fc3: linear(300, 10, device),
        };
        glorot(net, seed)
    }

    fn forward(&self, images: Tensor<3>) -> Tensor<2> {
        let x = images.flatten::<2>(1, 2);
        let x = relu(self.norm1.forward(self.fc1.forward(x)));
        let x = relu(self.norm2.forward(self.fc2.forward(x)));
        self.fc3.forward(x)
    }
}
