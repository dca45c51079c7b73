//! The net of the quickstart: small enough to train in seconds.

use burn::nn::conv::Conv2d;
use burn::nn::pool::MaxPool2d;
use burn::nn::{Linear, Relu};
use burn::prelude::*;
use secateur::Prune;

use super::layers::{conv5x5, halving_pool, linear};
use super::{Classifier, glorot};

/// Two convolutions of 5x5 (8 and 16 filters), each followed by 2x2 max pooling and ReLU, then
/// 256-256-10: 71,496 weights and 290 biases.
#[derive(Module, Prune, Debug)]
pub struct SmallConv {
    /// 1 to 8 channels, 5x5.
    pub conv1: Conv2d,
    /// 8 to 16 channels, 5x5.
    pub conv2: Conv2d,
    /// 256 to 256.
    pub fc1: Linear,
    /// 256 to 10.
    pub fc2: Linear,
    pool: MaxPool2d,
    relu: Relu,
}

impl Classifier for SmallConv {
    const NAME: &'static str = "small-conv";

    fn fresh(seed: u64, device: &Device) -> Self {
        let net = Self {
            conv1: conv5x5(1, 8, device),
            conv2: conv5x5(8, 16, device),
            fc1: linear(256, 256, device),
            fc2: linear(256, 10, device),
            pool: halving_pool(),
            relu: Relu::new(),
        };
        glorot(net, seed)
    }

    fn forward(&self, images: Tensor<3>) -> Tensor<2> {
        let x = images.unsqueeze_dim::<4>(1);
        let x = self.relu.forward(self.pool.forward(self.conv1.forward(x)));
        let x = self.relu.forward(self.pool.forward(self.conv2.forward(x)));
        let x = self.relu.forward(self.fc1.forward(x.flatten::<2>(1, 3)));
        self.fc2.forward(x)
    }
}
