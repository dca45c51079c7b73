//! Channels that scale other channels.

use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::nn::{Linear, SwiGlu, SwiGluConfig};
use burn::tensor::activation::{relu, sigmoid, silu};
use burn::tensor::{Device, Tensor};
use secateur::Prune;

use super::check::{Topology, topologies};
use super::layers::{bare, conv, linear, pooled, values};

#[derive(Module, Prune, Debug)]
pub struct Gated {
    pub stem: Linear,
    pub glu: SwiGlu,
    pub down: Linear,
    pub last: Linear,
}

impl Topology for Gated {
    type Input = Tensor<3>;
    type Output = Tensor<3>;
    const FREE: &'static [&'static str] = &["stem.weight 5", "glu.linear_inner.weight 9"];

    fn new(device: &Device) -> Self {
        Self {
            stem: linear(device, [3, 5]),
            glu: SwiGluConfig::new(5, 9).init(device),
            down: bare(device, [9, 5]),
            last: linear(device, [5, 2]),
        }
    }

    fn example(device: &Device) -> Tensor<3> {
        values(device, [2, 4, 3])
    }

    fn run(&self, x: Tensor<3>) -> Tensor<3> {
        let x = self.stem.forward(x);
        let y = self.down.forward(self.glu.forward(x.clone()));
        self.last.forward(x + y)
    }
}

/// Gate and value from one layer.
#[derive(Module, Prune, Debug)]
pub struct FusedGate {
    pub up: Linear,
    pub down: Linear,
}

impl Topology for FusedGate {
    type Input = Tensor<3>;
    type Output = Tensor<3>;
    const FREE: &'static [&'static str] = &["up.weight 8"];

    fn new(device: &Device) -> Self {
        Self {
            up: linear(device, [3, 16]),
            down: linear(device, [8, 3]),
        }
    }

    fn example(device: &Device) -> Tensor<3> {
        values(device, [2, 4, 3])
    }

    fn run(&self, x: Tensor<3>) -> Tensor<3> {
        let [gate, value] = self.up.forward(x).chunk(2, 2).try_into().unwrap();
        self.down.forward(silu(gate) * value)
    }
}

/// A gate for each channel, from the means of all.
#[derive(Module, Prune, Debug)]
pub struct Squeezed {
    pub conv1: Conv2d,
    pub squeeze: Linear,
    pub excite: Linear,
    pub conv2: Conv2d,
    pub fc: Linear,
}

impl Topology for Squeezed {
    type Input = Tensor<4>;
    type Output = Tensor<2>;
    const FREE: &'static [&'static str] = &["conv1.weight 8", "squeeze.weight 3", "conv2.weight 6"];

    fn new(device: &Device) -> Self {
        Self {
            conv1: conv(device, [2, 8], 3),
            squeeze: linear(device, [8, 3]),
            excite: linear(device, [3, 8]),
            conv2: conv(device, [8, 6], 3),
            fc: linear(device, [6, 4]),
        }
    }

    fn example(device: &Device) -> Tensor<4> {
        values(device, [3, 2, 4, 5])
    }

    fn run(&self, x: Tensor<4>) -> Tensor<2> {
        let x = relu(self.conv1.forward(x));
        let gate = relu(self.squeeze.forward(pooled(x.clone())));
        let gate = sigmoid(self.excite.forward(gate));
        let [batch, channels] = gate.dims();
        let x = x * gate.reshape([batch, channels, 1, 1]);
        self.fc.forward(pooled(relu(self.conv2.forward(x))))
    }
}

/// Squeeze and excitation as `MobileNetV3` has it, from convolutions of one pixel.
#[derive(Module, Prune, Debug)]
pub struct SqueezedByConvolution {
    pub stem: Conv2d,
    pub squeeze: Conv2d,
    pub excite: Conv2d,
    pub fc: Linear,
}

impl Topology for SqueezedByConvolution {
    type Input = Tensor<4>;
    type Output = Tensor<2>;
    const FREE: &'static [&'static str] = &["stem.weight 8", "squeeze.weight 4"];

    fn new(device: &Device) -> Self {
        Self {
            stem: conv(device, [2, 8], 3),
            squeeze: conv(device, [8, 4], 1),
            excite: conv(device, [4, 8], 1),
            fc: linear(device, [8, 4]),
        }
    }

    fn example(device: &Device) -> Tensor<4> {
        values(device, [3, 2, 4, 5])
    }

    fn run(&self, x: Tensor<4>) -> Tensor<2> {
        let x = relu(self.stem.forward(x));
        let mean = x.clone().mean_dim(3).mean_dim(2);
        let gate = sigmoid(self.excite.forward(relu(self.squeeze.forward(mean))));
        self.fc.forward(pooled(x * gate))
    }
}

/// A gate says how much passes and how much is new.
#[derive(Module, Prune, Debug)]
pub struct Highway {
    pub stem: Linear,
    pub gate: Linear,
    pub new: Linear,
    pub last: Linear,
}

impl Topology for Highway {
    type Input = Tensor<2>;
    type Output = Tensor<2>;
    const FREE: &'static [&'static str] = &["stem.weight 7"];

    fn new(device: &Device) -> Self {
        Self {
            stem: linear(device, [3, 7]),
            gate: linear(device, [7, 7]),
            new: linear(device, [7, 7]),
            last: linear(device, [7, 2]),
        }
    }

    fn example(device: &Device) -> Tensor<2> {
        values(device, [5, 3])
    }

    fn run(&self, x: Tensor<2>) -> Tensor<2> {
        let x = self.stem.forward(x);
        let gate = sigmoid(self.gate.forward(x.clone()));
        let new = relu(self.new.forward(x.clone()));
        let pass = gate.clone().neg() + 1.0;
        self.last.forward(gate * new + pass * x)
    }
}

topologies! {
    gated: Gated,
    fused_gate: FusedGate,
    squeezed: Squeezed,
    squeezed_by_convolution: SqueezedByConvolution,
    highway: Highway,
}
