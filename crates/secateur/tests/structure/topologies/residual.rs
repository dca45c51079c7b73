//! What is added to what was there.

use burn::module::{Module, Param};
use burn::nn::conv::Conv2d;
use burn::nn::{BatchNorm, Linear};
use burn::tensor::activation::relu;
use burn::tensor::ops::PadMode;
use burn::tensor::{Device, Tensor, s};
use secateur::Prune;

use super::check::{Topology, topologies};
use super::layers::{conv, halving, learned, linear, norm, pooled, values};

#[derive(Module, Prune, Debug)]
pub struct Block {
    pub conv1: Conv2d,
    pub bn1: BatchNorm,
    pub conv2: Conv2d,
    pub bn2: BatchNorm,
}

impl Block {
    fn new(device: &Device, width: usize, inner: usize) -> Self {
        Self {
            conv1: conv(device, [width, inner], 3),
            bn1: norm(device, inner),
            conv2: conv(device, [inner, width], 3),
            bn2: norm(device, width),
        }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let y = relu(self.bn1.forward(self.conv1.forward(x.clone())));
        relu(self.bn2.forward(self.conv2.forward(y)) + x)
    }
}

#[derive(Module, Prune, Debug)]
pub struct Identity {
    pub stem: Conv2d,
    pub blocks: Vec<Block>,
    pub fc: Linear,
}

impl Topology for Identity {
    type Input = Tensor<4>;
    type Output = Tensor<2>;
    const FREE: &'static [&'static str] = &[
        "stem.weight 6",
        "blocks.0.conv1.weight 5",
        "blocks.1.conv1.weight 4",
    ];

    fn new(device: &Device) -> Self {
        Self {
            stem: conv(device, [3, 6], 3),
            blocks: vec![Block::new(device, 6, 5), Block::new(device, 6, 4)],
            fc: linear(device, [6, 4]),
        }
    }

    fn example(device: &Device) -> Tensor<4> {
        values(device, [2, 3, 4, 5])
    }

    fn run(&self, x: Tensor<4>) -> Tensor<2> {
        let x = self.stem.forward(x);
        let x = self.blocks.iter().fold(x, |x, block| block.forward(x));
        self.fc.forward(pooled(x))
    }
}

/// The shortcut has a convolution of its own.
#[derive(Module, Prune, Debug)]
pub struct Projected {
    pub stem: Conv2d,
    pub conv1: Conv2d,
    pub bn1: BatchNorm,
    pub conv2: Conv2d,
    pub bn2: BatchNorm,
    pub shortcut: Conv2d,
    pub bn3: BatchNorm,
    pub fc: Linear,
}

impl Topology for Projected {
    type Input = Tensor<4>;
    type Output = Tensor<2>;
    const FREE: &'static [&'static str] = &["stem.weight 6", "conv1.weight 7", "conv2.weight 8"];

    fn new(device: &Device) -> Self {
        Self {
            stem: conv(device, [3, 6], 3),
            conv1: halving(device, [6, 7], 3),
            bn1: norm(device, 7),
            conv2: conv(device, [7, 8], 3),
            bn2: norm(device, 8),
            shortcut: halving(device, [6, 8], 1),
            bn3: norm(device, 8),
            fc: linear(device, [8, 4]),
        }
    }

    fn example(device: &Device) -> Tensor<4> {
        values(device, [2, 3, 5, 6])
    }

    fn run(&self, x: Tensor<4>) -> Tensor<2> {
        let x = relu(self.stem.forward(x));
        let y = relu(self.bn1.forward(self.conv1.forward(x.clone())));
        let y = self.bn2.forward(self.conv2.forward(y));
        let x = self.bn3.forward(self.shortcut.forward(x));
        self.fc.forward(pooled(relu(x + y)))
    }
}

#[derive(Module, Prune, Debug)]
pub struct Bottleneck {
    pub stem: Conv2d,
    pub reduce: Conv2d,
    pub bn1: BatchNorm,
    pub middle: Conv2d,
    pub bn2: BatchNorm,
    pub restore: Conv2d,
    pub bn3: BatchNorm,
    pub fc: Linear,
}

impl Topology for Bottleneck {
    type Input = Tensor<4>;
    type Output = Tensor<2>;
    const FREE: &'static [&'static str] = &["stem.weight 10", "reduce.weight 4", "middle.weight 5"];

    fn new(device: &Device) -> Self {
        Self {
            stem: conv(device, [3, 10], 3),
            reduce: conv(device, [10, 4], 1),
            bn1: norm(device, 4),
            middle: conv(device, [4, 5], 3),
            bn2: norm(device, 5),
            restore: conv(device, [5, 10], 1),
            bn3: norm(device, 10),
            fc: linear(device, [10, 4]),
        }
    }

    fn example(device: &Device) -> Tensor<4> {
        values(device, [2, 3, 5, 6])
    }

    fn run(&self, x: Tensor<4>) -> Tensor<2> {
        let x = relu(self.stem.forward(x));
        let y = relu(self.bn1.forward(self.reduce.forward(x.clone())));
        let y = relu(self.bn2.forward(self.middle.forward(y)));
        let y = self.bn3.forward(self.restore.forward(y));
        self.fc.forward(pooled(relu(x + y)))
    }
}

/// Norms and activations come before the convolutions.
#[derive(Module, Prune, Debug)]
pub struct PreActivated {
    pub stem: Conv2d,
    pub bn1: BatchNorm,
    pub conv1: Conv2d,
    pub bn2: BatchNorm,
    pub conv2: Conv2d,
    pub fc: Linear,
}

impl Topology for PreActivated {
    type Input = Tensor<4>;
    type Output = Tensor<2>;
    const FREE: &'static [&'static str] = &["stem.weight 6", "conv1.weight 5"];

    fn new(device: &Device) -> Self {
        Self {
            stem: conv(device, [3, 6], 3),
            bn1: norm(device, 6),
            conv1: conv(device, [6, 5], 3),
            bn2: norm(device, 5),
            conv2: conv(device, [5, 6], 3),
            fc: linear(device, [6, 4]),
        }
    }

    fn example(device: &Device) -> Tensor<4> {
        values(device, [2, 3, 4, 5])
    }

    fn run(&self, x: Tensor<4>) -> Tensor<2> {
        let x = self.stem.forward(x);
        let y = self.conv1.forward(relu(self.bn1.forward(x.clone())));
        let y = self.conv2.forward(relu(self.bn2.forward(y)));
        self.fc.forward(pooled(x + y))
    }
}

/// The shortcut of ResNets for CIFAR: every second pixel, and channels of zeros around.
#[derive(Module, Prune, Debug)]
pub struct Padded {
    pub stem: Conv2d,
    pub conv1: Conv2d,
    pub conv2: Conv2d,
    pub fc: Linear,
}

impl Topology for Padded {
    type Input = Tensor<4>;
    type Output = Tensor<2>;
    // The channels beside the zeros stay.
    const FREE: &'static [&'static str] = &["stem.weight 6", "conv1.weight 7"];

    fn new(device: &Device) -> Self {
        Self {
            stem: conv(device, [3, 6], 3),
            conv1: halving(device, [6, 7], 3),
            conv2: conv(device, [7, 12], 3),
            fc: linear(device, [12, 4]),
        }
    }

    fn example(device: &Device) -> Tensor<4> {
        values(device, [2, 3, 5, 7])
    }

    fn run(&self, x: Tensor<4>) -> Tensor<2> {
        let x = relu(self.stem.forward(x));
        let y = self.conv2.forward(relu(self.conv1.forward(x.clone())));
        let shortcut = x.slice(s![.., .., ..;2, ..;2]);
        let around = [(0, 0), (3, 3), (0, 0), (0, 0)];
        let shortcut = shortcut.pad(around, PadMode::Constant(0.0));
        self.fc.forward(pooled(relu(y + shortcut)))
    }
}

/// As [`Padded`], the zeros joined as a tensor whose size follows the layers.
#[derive(Module, Prune, Debug)]
pub struct Zeros {
    pub stem: Conv2d,
    pub conv1: Conv2d,
    pub conv2: Conv2d,
    pub fc: Linear,
}

impl Topology for Zeros {
    type Input = Tensor<4>;
    type Output = Tensor<2>;
    const FREE: &'static [&'static str] = &["stem.weight 6", "conv1.weight 7"];

    fn new(device: &Device) -> Self {
        Self {
            stem: conv(device, [3, 6], 3),
            conv1: halving(device, [6, 7], 3),
            conv2: conv(device, [7, 9], 3),
            fc: linear(device, [9, 4]),
        }
    }

    fn example(device: &Device) -> Tensor<4> {
        values(device, [2, 3, 5, 7])
    }

    fn run(&self, x: Tensor<4>) -> Tensor<2> {
        let x = relu(self.stem.forward(x));
        let y = self.conv2.forward(relu(self.conv1.forward(x.clone())));
        let shortcut = x.slice(s![.., .., ..;2, ..;2]);
        let [batch, channels, height, width] = shortcut.dims();
        let missing = y.dims()[1] - channels;
        let zeros = Tensor::zeros([batch, missing, height, width], &y.device());
        let shortcut = Tensor::cat(vec![shortcut, zeros], 1);
        self.fc.forward(pooled(relu(y + shortcut)))
    }
}

/// What is added is scaled channel by channel.
#[derive(Module, Prune, Debug)]
pub struct LayerScale {
    pub stem: Conv2d,
    pub conv1: Conv2d,
    pub conv2: Conv2d,
    pub scale: Param<Tensor<3>>,
    pub fc: Linear,
}

impl Topology for LayerScale {
    type Input = Tensor<4>;
    type Output = Tensor<2>;
    const FREE: &'static [&'static str] = &["stem.weight 6", "conv1.weight 5"];

    fn new(device: &Device) -> Self {
        Self {
            stem: conv(device, [3, 6], 3),
            conv1: conv(device, [6, 5], 3),
            conv2: conv(device, [5, 6], 1),
            scale: learned(device, [6, 1, 1]),
            fc: linear(device, [6, 4]),
        }
    }

    fn example(device: &Device) -> Tensor<4> {
        values(device, [2, 3, 4, 5])
    }

    fn run(&self, x: Tensor<4>) -> Tensor<2> {
        let x = self.stem.forward(x);
        let y = self.conv2.forward(relu(self.conv1.forward(x.clone())));
        let x = x + y * self.scale.val().unsqueeze();
        self.fc.forward(pooled(x))
    }
}

/// The model's own input is what is added to.
#[derive(Module, Prune, Debug)]
pub struct AroundInput {
    pub fc1: Linear,
    pub fc2: Linear,
}

impl Topology for AroundInput {
    type Input = Tensor<2>;
    type Output = Tensor<2>;
    const FREE: &'static [&'static str] = &["fc1.weight 7"];

    fn new(device: &Device) -> Self {
        Self {
            fc1: linear(device, [5, 7]),
            fc2: linear(device, [7, 5]),
        }
    }

    fn example(device: &Device) -> Tensor<2> {
        values(device, [3, 5])
    }

    fn run(&self, x: Tensor<2>) -> Tensor<2> {
        x.clone() + self.fc2.forward(relu(self.fc1.forward(x)))
    }
}

topologies! {
    identity: Identity,
    projected: Projected,
    bottleneck: Bottleneck,
    pre_activated: PreActivated,
    padded: Padded,
    zeros: Zeros,
    layer_scale: LayerScale,
    around_input: AroundInput,
}
