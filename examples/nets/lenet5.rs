//! LeNet-5 as Caffe has it, which is the one that the pruning papers measure on.

use burn::nn::conv::Conv2d;
use burn::nn::pool::MaxPool2d;
use burn::nn::{Linear, Relu};
use burn::prelude::*;
use secateur::Prune;

use super::layers::{conv5x5, halving_pool, linear};
use super::{Classifier, glorot};

/// Two convolutions of 5x5 (20 and 50 filters), each followed by 2x2 max pooling, then 800-500-10:
/// 430,500 weights and 580 biases. The only ReLU is between the last two layers.
#[derive(Module, Prune, Debug)]
pub struct LeNet5 {
    /// 1 to 20 channels, 5x5.
    pub conv1: Conv2d,
    /// 20 to 50 channels, 5x5.
    pub conv2: Conv2d,
    /// 800 to 500.
    pub fc1: Linear,
    /// 500 to 10.
    pub fc2: Linear,
    pool: MaxPool2d,
    relu: Relu,
}

impl Classifier for LeNet5 {
    const NAME: &'static str = "lenet-5";

    fn fresh(seed: u64, device: &Device) -> Self {
        let net = Self {
            conv1: conv5x5(1, 20, device),
            conv2: conv5x5(20, 50, device),
            fc1: linear(800, 500, device),
            fc2: linear(500, 10, device),
            pool: halving_pool(),
            relu: Relu::new(),
        };
        glorot(net, seed)
    }

    fn forward(&self, images: Tensor<3>) -> Tensor<2> {
        let x = images.unsqueeze_dim::<4>(1);
        let x = self.pool.forward(self.conv1.forward(x));
        let x = self.pool.forward(self.conv2.forward(x));
        let x = self.relu.forward(self.fc1.forward(x.flatten::<2>(1, 3)));
        self.fc2.forward(x)
    }
}
