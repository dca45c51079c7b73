//! Several inputs, several outputs.

use burn::module::Module;
use burn::nn::Linear;
use burn::nn::conv::Conv2d;
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use secateur::Prune;

use super::check::{Topology, topologies};
use super::layers::{conv, halving, linear, pooled, values};

/// Two inputs of different kinds.
#[derive(Module, Prune, Debug)]
pub struct TwoInputs {
    pub image: Conv2d,
    pub facts: Linear,
    pub both: Linear,
    pub last: Linear,
}

impl Topology for TwoInputs {
    type Input = (Tensor<4>, Tensor<2>);
    type Output = Tensor<2>;
    const FREE: &'static [&'static str] = &["image.weight 5", "facts.weight 4", "both.weight 6"];

    fn new(device: &Device) -> Self {
        Self {
            image: conv(device, [2, 5], 3),
            facts: linear(device, [3, 4]),
            both: linear(device, [9, 6]),
            last: linear(device, [6, 2]),
        }
    }

    fn example(device: &Device) -> (Tensor<4>, Tensor<2>) {
        (values(device, [2, 2, 3, 4]), values(device, [2, 3]))
    }

    fn run(&self, (image, facts): (Tensor<4>, Tensor<2>)) -> Tensor<2> {
        let image = pooled(relu(self.image.forward(image)));
        let facts = relu(self.facts.forward(facts));
        let both = self.both.forward(Tensor::cat(vec![image, facts], 1));
        self.last.forward(relu(both))
    }
}

/// Two outputs from one trunk.
#[derive(Module, Prune, Debug)]
pub struct TwoOutputs {
    pub trunk: Linear,
    pub inner: Linear,
    pub class: Linear,
    pub place: Linear,
}

impl Topology for TwoOutputs {
    type Input = Tensor<2>;
    type Output = (Tensor<2>, Tensor<2>);
    const FREE: &'static [&'static str] = &["trunk.weight 8", "inner.weight 5"];

    fn new(device: &Device) -> Self {
        Self {
            trunk: linear(device, [3, 8]),
            inner: linear(device, [8, 5]),
            class: linear(device, [5, 4]),
            place: linear(device, [8, 2]),
        }
    }

    fn example(device: &Device) -> Tensor<2> {
        values(device, [5, 3])
    }

    fn run(&self, x: Tensor<2>) -> (Tensor<2>, Tensor<2>) {
        let x = relu(self.trunk.forward(x));
        let class = self.class.forward(relu(self.inner.forward(x.clone())));
        (class, self.place.forward(x))
    }
}

/// One trunk for two images.
#[derive(Module, Prune, Debug)]
pub struct Siamese {
    pub conv1: Conv2d,
    pub conv2: Conv2d,
    pub fc: Linear,
}

impl Siamese {
    fn trunk(&self, x: Tensor<4>) -> Tensor<2> {
        let x = relu(self.conv1.forward(x));
        pooled(relu(self.conv2.forward(x)))
    }
}

impl Topology for Siamese {
    type Input = (Tensor<4>, Tensor<4>);
    type Output = Tensor<2>;
    const FREE: &'static [&'static str] = &["conv1.weight 4", "conv2.weight 7"];

    fn new(device: &Device) -> Self {
        Self {
            conv1: conv(device, [1, 4], 3),
            conv2: halving(device, [4, 7], 3),
            fc: linear(device, [7, 2]),
        }
    }

    fn example(device: &Device) -> (Tensor<4>, Tensor<4>) {
        let one = values(device, [2, 1, 4, 5]);
        (one.clone(), one.square() - 0.3)
    }

    fn run(&self, (a, b): (Tensor<4>, Tensor<4>)) -> Tensor<2> {
        self.fc.forward((self.trunk(a) - self.trunk(b)).abs())
    }
}

topologies! {
    two_inputs: TwoInputs,
    two_outputs: TwoOutputs,
    siamese: Siamese,
}
