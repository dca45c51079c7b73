//! Normalisations and learned activations.

use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::nn::{
    BatchNorm, GroupNorm, GroupNormConfig, InstanceNorm, InstanceNormConfig, LayerNorm,
    LayerNormConfig, Linear, PRelu, PReluConfig, RmsNorm, RmsNormConfig,
};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use secateur::Prune;

use super::check::{Topology, topologies};
use super::layers::{bare, conv, linear, norm, pooled, values};

#[derive(Module, Prune, Debug)]
pub struct BatchNormed {
    pub fc1: Linear,
    pub bn: BatchNorm,
    pub fc2: Linear,
}

impl Topology for BatchNormed {
    type Input = Tensor<2>;
    type Output = Tensor<2>;
    const FREE: &'static [&'static str] = &["fc1.weight 7"];

    fn new(device: &Device) -> Self {
        Self {
            fc1: bare(device, [4, 7]),
            bn: norm(device, 7),
            fc2: linear(device, [7, 3]),
        }
    }

    fn example(device: &Device) -> Tensor<2> {
        values(device, [5, 4])
    }

    fn run(&self, x: Tensor<2>) -> Tensor<2> {
        self.fc2.forward(relu(self.bn.forward(self.fc1.forward(x))))
    }
}

#[derive(Module, Prune, Debug)]
pub struct GroupNormed {
    pub conv1: Conv2d,
    pub norm: GroupNorm,
    pub conv2: Conv2d,
    pub fc: Linear,
}

impl Topology for GroupNormed {
    type Input = Tensor<4>;
    type Output = Tensor<2>;
    // Groups of the norm, and places in each of them.
    const FREE: &'static [&'static str] = &["conv1.weight 3", "conv1.weight 4", "conv2.weight 6"];
    const EXACT: bool = false;

    fn new(device: &Device) -> Self {
        Self {
            conv1: conv(device, [2, 12], 3),
            norm: GroupNormConfig::new(3, 12).init(device),
            conv2: conv(device, [12, 6], 3),
            fc: linear(device, [6, 4]),
        }
    }

    fn example(device: &Device) -> Tensor<4> {
        values(device, [2, 2, 4, 5])
    }

    fn run(&self, x: Tensor<4>) -> Tensor<2> {
        let x = relu(self.norm.forward(self.conv1.forward(x)));
        self.fc.forward(pooled(relu(self.conv2.forward(x))))
    }
}

/// A channel's statistics are its own.
#[derive(Module, Prune, Debug)]
pub struct InstanceNormed {
    pub conv1: Conv2d,
    pub norm: InstanceNorm,
    pub fc: Linear,
}

impl Topology for InstanceNormed {
    type Input = Tensor<4>;
    type Output = Tensor<2>;
    const FREE: &'static [&'static str] = &["conv1.weight 8"];

    fn new(device: &Device) -> Self {
        Self {
            conv1: conv(device, [2, 8], 3),
            norm: InstanceNormConfig::new(8).init(device),
            fc: linear(device, [8, 4]),
        }
    }

    fn example(device: &Device) -> Tensor<4> {
        values(device, [2, 2, 4, 5])
    }

    fn run(&self, x: Tensor<4>) -> Tensor<2> {
        let x = self.norm.forward(self.conv1.forward(x));
        self.fc.forward(pooled(relu(x)))
    }
}

#[derive(Module, Prune, Debug)]
pub struct LayerNormed {
    pub fc1: Linear,
    pub norm: LayerNorm,
    pub fc2: Linear,
    pub fc3: Linear,
}

impl Topology for LayerNormed {
    type Input = Tensor<3>;
    type Output = Tensor<3>;
    const FREE: &'static [&'static str] = &["fc1.weight 8", "fc2.weight 6"];
    const EXACT: bool = false;

    fn new(device: &Device) -> Self {
        Self {
            fc1: linear(device, [3, 8]),
            norm: LayerNormConfig::new(8).init(device),
            fc2: linear(device, [8, 6]),
            fc3: linear(device, [6, 4]),
        }
    }

    fn example(device: &Device) -> Tensor<3> {
        values(device, [2, 5, 3])
    }

    fn run(&self, x: Tensor<3>) -> Tensor<3> {
        let x = relu(self.norm.forward(self.fc1.forward(x)));
        self.fc3.forward(relu(self.fc2.forward(x)))
    }
}

#[derive(Module, Prune, Debug)]
pub struct RmsNormed {
    pub fc1: Linear,
    pub norm: RmsNorm,
    pub fc2: Linear,
}

impl Topology for RmsNormed {
    type Input = Tensor<3>;
    type Output = Tensor<3>;
    const FREE: &'static [&'static str] = &["fc1.weight 8"];
    const EXACT: bool = false;

    fn new(device: &Device) -> Self {
        Self {
            fc1: linear(device, [3, 8]),
            norm: RmsNormConfig::new(8).init(device),
            fc2: linear(device, [8, 4]),
        }
    }

    fn example(device: &Device) -> Tensor<3> {
        values(device, [2, 5, 3])
    }

    fn run(&self, x: Tensor<3>) -> Tensor<3> {
        self.fc2.forward(self.norm.forward(self.fc1.forward(x)))
    }
}

/// A slope for each channel, and one for all.
#[derive(Module, Prune, Debug)]
pub struct Sloped {
    pub conv1: Conv2d,
    pub each: PRelu,
    pub conv2: Conv2d,
    pub all: PRelu,
    pub fc: Linear,
}

impl Topology for Sloped {
    type Input = Tensor<4>;
    type Output = Tensor<2>;
    const FREE: &'static [&'static str] = &["conv1.weight 6", "conv2.weight 5"];

    fn new(device: &Device) -> Self {
        Self {
            conv1: conv(device, [2, 6], 3),
            each: PReluConfig::new().with_num_parameters(6).init(device),
            conv2: conv(device, [6, 5], 3),
            all: PReluConfig::new().init(device),
            fc: linear(device, [5, 3]),
        }
    }

    fn example(device: &Device) -> Tensor<4> {
        values(device, [2, 2, 3, 4])
    }

    fn run(&self, x: Tensor<4>) -> Tensor<2> {
        let x = self.each.forward(self.conv1.forward(x));
        self.fc
            .forward(pooled(self.all.forward(self.conv2.forward(x))))
    }
}

/// A norm written out: `forward` divides by the number of features that it finds.
#[derive(Module, Prune, Debug)]
pub struct WrittenOut {
    pub fc1: Linear,
    pub fc2: Linear,
}

impl Topology for WrittenOut {
    type Input = Tensor<2>;
    type Output = Tensor<2>;
    const FREE: &'static [&'static str] = &["fc1.weight 8"];
    const EXACT: bool = false;

    fn new(device: &Device) -> Self {
        Self {
            fc1: linear(device, [3, 8]),
            fc2: linear(device, [8, 4]),
        }
    }

    fn example(device: &Device) -> Tensor<2> {
        values(device, [5, 3])
    }

    fn run(&self, x: Tensor<2>) -> Tensor<2> {
        let x = self.fc1.forward(x);
        let features = x.dims()[1] as f64;
        let scale = (x.clone().square().sum_dim(1) / features + 1e-3).sqrt();
        self.fc2.forward(x / scale)
    }
}

topologies! {
    batch_normed: BatchNormed,
    group_normed: GroupNormed,
    instance_normed: InstanceNormed,
    layer_normed: LayerNormed,
    rms_normed: RmsNormed,
    sloped: Sloped,
    written_out: WrittenOut,
}
