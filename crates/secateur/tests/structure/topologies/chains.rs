//! Layers one after the other.

use burn::module::Module;
use burn::nn::conv::{Conv1d, Conv1dConfig, Conv2d, Conv3d, Conv3dConfig};
use burn::nn::pool::{AdaptiveAvgPool2d, AdaptiveAvgPool2dConfig, MaxPool2d, MaxPool2dConfig};
use burn::nn::{BatchNorm, Linear};
use burn::tensor::activation::{gelu, leaky_relu, relu, tanh};
use burn::tensor::module::adaptive_avg_pool3d;
use burn::tensor::{Device, Tensor};
use secateur::Prune;

use super::check::{Topology, topologies};
use super::layers::{bare, conv, halving, linear, norm, pooled, values};

#[derive(Module, Prune, Debug)]
pub struct Perceptron {
    pub fc1: Linear,
    pub fc2: Linear,
    pub fc3: Linear,
}

impl Topology for Perceptron {
    type Input = Tensor<2>;
    type Output = Tensor<2>;
    const FREE: &'static [&'static str] = &["fc1.weight 8", "fc2.weight 6"];

    fn new(device: &Device) -> Self {
        Self {
            fc1: linear(device, [5, 8]),
            fc2: linear(device, [8, 6]),
            fc3: linear(device, [6, 4]),
        }
    }

    fn example(device: &Device) -> Tensor<2> {
        values(device, [3, 5])
    }

    fn run(&self, x: Tensor<2>) -> Tensor<2> {
        let x = relu(self.fc1.forward(x));
        self.fc3.forward(tanh(self.fc2.forward(x)))
    }
}

#[derive(Module, Prune, Debug)]
pub struct Unbiased {
    pub fc1: Linear,
    pub fc2: Linear,
}

impl Topology for Unbiased {
    type Input = Tensor<3>;
    type Output = Tensor<3>;
    const FREE: &'static [&'static str] = &["fc1.weight 9"];

    fn new(device: &Device) -> Self {
        Self {
            fc1: bare(device, [4, 9]),
            fc2: bare(device, [9, 4]),
        }
    }

    fn example(device: &Device) -> Tensor<3> {
        values(device, [3, 2, 4])
    }

    fn run(&self, x: Tensor<3>) -> Tensor<3> {
        self.fc2.forward(gelu(self.fc1.forward(x)))
    }
}

#[derive(Module, Prune, Debug)]
pub struct Plain {
    pub conv1: Conv2d,
    pub bn1: BatchNorm,
    pub conv2: Conv2d,
    pub bn2: BatchNorm,
    pub fc: Linear,
}

impl Topology for Plain {
    type Input = Tensor<4>;
    type Output = Tensor<2>;
    const FREE: &'static [&'static str] = &["conv1.weight 6", "conv2.weight 8"];

    fn new(device: &Device) -> Self {
        Self {
            conv1: conv(device, [2, 6], 3),
            bn1: norm(device, 6),
            conv2: halving(device, [6, 8], 3),
            bn2: norm(device, 8),
            fc: linear(device, [8, 4]),
        }
    }

    fn example(device: &Device) -> Tensor<4> {
        values(device, [3, 2, 5, 7])
    }

    fn run(&self, x: Tensor<4>) -> Tensor<2> {
        let x = relu(self.bn1.forward(self.conv1.forward(x)));
        let x = leaky_relu(self.bn2.forward(self.conv2.forward(x)), 0.1);
        self.fc.forward(pooled(x))
    }
}

#[derive(Module, Prune, Debug)]
pub struct Signal {
    pub conv1: Conv1d,
    pub conv2: Conv1d,
    pub fc: Linear,
}

impl Topology for Signal {
    type Input = Tensor<3>;
    type Output = Tensor<2>;
    const FREE: &'static [&'static str] = &["conv1.weight 6", "conv2.weight 5"];

    fn new(device: &Device) -> Self {
        Self {
            conv1: Conv1dConfig::new(2, 6, 3).init(device),
            conv2: Conv1dConfig::new(6, 5, 3).with_dilation(2).init(device),
            fc: linear(device, [5, 3]),
        }
    }

    fn example(device: &Device) -> Tensor<3> {
        values(device, [2, 2, 11])
    }

    fn run(&self, x: Tensor<3>) -> Tensor<2> {
        let x = relu(self.conv1.forward(x));
        let x = relu(self.conv2.forward(x));
        self.fc.forward(x.mean_dim(2).squeeze_dim(2))
    }
}

#[derive(Module, Prune, Debug)]
pub struct Volume {
    pub conv1: Conv3d,
    pub conv2: Conv3d,
    pub fc: Linear,
}

impl Topology for Volume {
    type Input = Tensor<5>;
    type Output = Tensor<2>;
    const FREE: &'static [&'static str] = &["conv1.weight 4", "conv2.weight 6"];

    fn new(device: &Device) -> Self {
        Self {
            conv1: Conv3dConfig::new([1, 4], [2, 2, 2]).init(device),
            conv2: Conv3dConfig::new([4, 6], [1, 2, 2]).init(device),
            fc: linear(device, [6, 3]),
        }
    }

    fn example(device: &Device) -> Tensor<5> {
        values(device, [2, 1, 3, 4, 5])
    }

    fn run(&self, x: Tensor<5>) -> Tensor<2> {
        let x = relu(self.conv1.forward(x));
        let x = relu(self.conv2.forward(x));
        self.fc
            .forward(adaptive_avg_pool3d(x, [1, 1, 1]).flatten(1, 4))
    }
}

#[derive(Module, Prune, Debug)]
pub struct Flattened {
    pub conv1: Conv2d,
    pub conv2: Conv2d,
    pub pool: MaxPool2d,
    pub fc1: Linear,
    pub fc2: Linear,
}

impl Topology for Flattened {
    type Input = Tensor<4>;
    type Output = Tensor<2>;
    const FREE: &'static [&'static str] = &["conv1.weight 4", "conv2.weight 6", "fc1.weight 7"];

    fn new(device: &Device) -> Self {
        Self {
            conv1: conv(device, [1, 4], 3),
            conv2: conv(device, [4, 6], 3),
            pool: MaxPool2dConfig::new([2, 2]).init(),
            fc1: linear(device, [6 * 2 * 3, 7]),
            fc2: linear(device, [7, 5]),
        }
    }

    fn example(device: &Device) -> Tensor<4> {
        values(device, [2, 1, 4, 6])
    }

    fn run(&self, x: Tensor<4>) -> Tensor<2> {
        let x = relu(self.conv1.forward(x));
        let x = self.pool.forward(relu(self.conv2.forward(x)));
        self.fc2.forward(relu(self.fc1.forward(x.flatten(1, 3))))
    }
}

#[derive(Module, Prune, Debug)]
pub struct Pooled {
    pub conv: Conv2d,
    pub pool: AdaptiveAvgPool2d,
    pub fc: Linear,
}

impl Topology for Pooled {
    type Input = Tensor<4>;
    type Output = Tensor<2>;
    const FREE: &'static [&'static str] = &["conv.weight 5"];

    fn new(device: &Device) -> Self {
        Self {
            conv: conv(device, [2, 5], 3),
            pool: AdaptiveAvgPool2dConfig::new([2, 3]).init(),
            fc: linear(device, [5 * 2 * 3, 4]),
        }
    }

    fn example(device: &Device) -> Tensor<4> {
        values(device, [2, 2, 5, 7])
    }

    fn run(&self, x: Tensor<4>) -> Tensor<2> {
        let x = self.pool.forward(relu(self.conv.forward(x)));
        let batch = x.dims()[0] as i32;
        self.fc.forward(x.reshape([batch, -1]))
    }
}

/// Channels last before they are flattened.
#[derive(Module, Prune, Debug)]
pub struct ChannelsLast {
    pub conv: Conv2d,
    pub fc: Linear,
}

impl Topology for ChannelsLast {
    type Input = Tensor<4>;
    type Output = Tensor<2>;
    const FREE: &'static [&'static str] = &["conv.weight 5"];

    fn new(device: &Device) -> Self {
        Self {
            conv: halving(device, [2, 5], 3),
            fc: linear(device, [2 * 3 * 5, 4]),
        }
    }

    fn example(device: &Device) -> Tensor<4> {
        values(device, [2, 2, 4, 6])
    }

    fn run(&self, x: Tensor<4>) -> Tensor<2> {
        let x = relu(self.conv.forward(x)).permute([0, 2, 3, 1]);
        self.fc.forward(x.flatten(1, 3))
    }
}

/// One layer three times: its inputs are its outputs.
#[derive(Module, Prune, Debug)]
pub struct Repeated {
    pub first: Linear,
    pub same: Linear,
    pub last: Linear,
}

impl Topology for Repeated {
    type Input = Tensor<2>;
    type Output = Tensor<2>;
    const FREE: &'static [&'static str] = &["first.weight 6"];

    fn new(device: &Device) -> Self {
        Self {
            first: linear(device, [4, 6]),
            same: linear(device, [6, 6]),
            last: linear(device, [6, 3]),
        }
    }

    fn example(device: &Device) -> Tensor<2> {
        values(device, [5, 4])
    }

    fn run(&self, x: Tensor<2>) -> Tensor<2> {
        let x = self.first.forward(x);
        let x = (0..3).fold(x, |x, _| relu(self.same.forward(x)));
        self.last.forward(x)
    }
}

#[derive(Module, Prune, Debug)]
pub struct Autoencoder {
    pub down1: Linear,
    pub down2: Linear,
    pub up1: Linear,
    pub up2: Linear,
}

impl Topology for Autoencoder {
    type Input = Tensor<2>;
    type Output = Tensor<2>;
    const FREE: &'static [&'static str] = &["down1.weight 8", "down2.weight 4", "up1.weight 7"];

    fn new(device: &Device) -> Self {
        Self {
            down1: linear(device, [9, 8]),
            down2: linear(device, [8, 4]),
            up1: linear(device, [4, 7]),
            up2: linear(device, [7, 9]),
        }
    }

    fn example(device: &Device) -> Tensor<2> {
        values(device, [3, 9])
    }

    fn run(&self, x: Tensor<2>) -> Tensor<2> {
        let code = self.down2.forward(relu(self.down1.forward(x)));
        self.up2.forward(relu(self.up1.forward(code)))
    }
}

topologies! {
    perceptron: Perceptron,
    unbiased: Unbiased,
    plain: Plain,
    signal: Signal,
    volume: Volume,
    flattened: Flattened,
    pooled_and_flattened: Pooled,
    channels_last: ChannelsLast,
    repeated: Repeated,
    autoencoder: Autoencoder,
}
