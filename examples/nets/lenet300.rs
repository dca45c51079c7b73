//! LeNet-300-100 (LeCun, Bottou, Bengio, Haffner 1998): three fully connected layers.

use burn::nn::{Linear, Relu};
use burn::prelude::*;
use secateur::Prune;

use super::layers::linear;
use super::{Classifier, glorot};

/// 784-300-100-10 with ReLU: 266,200 weights and 410 biases.
#[derive(Module, Prune, Debug)]
pub struct LeNet300 {
    /// 784 to 300.
    pub fc1: Linear,
    /// 300 to 100.
    pub fc2: Linear,
    /// 100 to 10.
    pub fc3: Linear,
    relu: Relu,
}

impl Classifier for LeNet300 {
    const NAME: &'static str = "lenet-300-100";

    fn fresh(seed: u64, device: &Device) -> Self {
        let net = Self {
            fc1: linear(784, 300, device),
            fc2: linear(300, 100, device),
            fc3: linear(100, 10, device),
            relu: Relu::new(),
        };
        glorot(net, seed)
    }

    fn forward(&self, images: Tensor<3>) -> Tensor<2> {
        let x = images.flatten::<2>(1, 2);
        let x = self.relu.forward(self.fc1.forward(x));
        let x = self.relu.forward(self.fc2.forward(x));
        self.fc3.forward(x)
    }
}
