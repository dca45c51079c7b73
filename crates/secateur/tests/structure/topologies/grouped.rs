//! Convolutions whose channels do not all see each other, and transposed ones.

use burn::module::Module;
use burn::nn::conv::{Conv2d, ConvTranspose1d, ConvTranspose1dConfig};
use burn::nn::conv::{ConvTranspose2d, ConvTranspose2dConfig};
use burn::nn::{BatchNorm, Linear};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use secateur::Prune;

use super::check::{Topology, topologies};
use super::layers::{conv, grouped, halving, linear, norm, pooled, values};

/// Whole groups may go, and from each group the same places.
#[derive(Module, Prune, Debug)]
pub struct Grouped {
    pub conv1: Conv2d,
    pub conv2: Conv2d,
    pub fc: Linear,
}

impl Topology for Grouped {
    type Input = Tensor<4>;
    type Output = Tensor<2>;
    const FREE: &'static [&'static str] = &["conv1.weight 3", "conv1.weight 4", "conv2.weight 2"];

    fn new(device: &Device) -> Self {
        Self {
            conv1: conv(device, [2, 12], 3),
            conv2: grouped(device, [12, 6], 3, 3),
            fc: linear(device, [6, 4]),
        }
    }

    fn example(device: &Device) -> Tensor<4> {
        values(device, [2, 2, 4, 5])
    }

    fn run(&self, x: Tensor<4>) -> Tensor<2> {
        let x = relu(self.conv1.forward(x));
        self.fc.forward(pooled(relu(self.conv2.forward(x))))
    }
}

#[derive(Module, Prune, Debug)]
pub struct Separable {
    pub stem: Conv2d,
    pub depthwise: Conv2d,
    pub bn: BatchNorm,
    pub pointwise: Conv2d,
    pub fc: Linear,
}

impl Topology for Separable {
    type Input = Tensor<4>;
    type Output = Tensor<2>;
    const FREE: &'static [&'static str] = &["stem.weight 6", "pointwise.weight 8"];

    fn new(device: &Device) -> Self {
        Self {
            stem: halving(device, [3, 6], 3),
            depthwise: grouped(device, [6, 6], 3, 6),
            bn: norm(device, 6),
            pointwise: conv(device, [6, 8], 1),
            fc: linear(device, [8, 4]),
        }
    }

    fn example(device: &Device) -> Tensor<4> {
        values(device, [2, 3, 5, 6])
    }

    fn run(&self, x: Tensor<4>) -> Tensor<2> {
        let x = relu(self.stem.forward(x));
        let x = relu(self.bn.forward(self.depthwise.forward(x)));
        self.fc.forward(pooled(relu(self.pointwise.forward(x))))
    }
}

/// Each channel gives three.
#[derive(Module, Prune, Debug)]
pub struct Multiplied {
    pub stem: Conv2d,
    pub depthwise: Conv2d,
    pub fc: Linear,
}

impl Topology for Multiplied {
    type Input = Tensor<4>;
    type Output = Tensor<2>;
    const FREE: &'static [&'static str] = &["stem.weight 4", "depthwise.weight 3"];

    fn new(device: &Device) -> Self {
        Self {
            stem: conv(device, [2, 4], 3),
            depthwise: grouped(device, [4, 12], 3, 4),
            fc: linear(device, [12, 5]),
        }
    }

    fn example(device: &Device) -> Tensor<4> {
        values(device, [2, 2, 4, 5])
    }

    fn run(&self, x: Tensor<4>) -> Tensor<2> {
        let x = relu(self.stem.forward(x));
        self.fc.forward(pooled(relu(self.depthwise.forward(x))))
    }
}

/// MobileNetV2's block.
#[derive(Module, Prune, Debug)]
pub struct Inverted {
    pub stem: Conv2d,
    pub expand: Conv2d,
    pub bn1: BatchNorm,
    pub depthwise: Conv2d,
    pub bn2: BatchNorm,
    pub project: Conv2d,
    pub bn3: BatchNorm,
    pub fc: Linear,
}

impl Topology for Inverted {
    type Input = Tensor<4>;
    type Output = Tensor<2>;
    const FREE: &'static [&'static str] = &["stem.weight 5", "expand.weight 10"];

    fn new(device: &Device) -> Self {
        Self {
            stem: conv(device, [3, 5], 3),
            expand: conv(device, [5, 10], 1),
            bn1: norm(device, 10),
            depthwise: grouped(device, [10, 10], 3, 10),
            bn2: norm(device, 10),
            project: conv(device, [10, 5], 1),
            bn3: norm(device, 5),
            fc: linear(device, [5, 4]),
        }
    }

    fn example(device: &Device) -> Tensor<4> {
        values(device, [2, 3, 4, 5])
    }

    fn run(&self, x: Tensor<4>) -> Tensor<2> {
        let relu6 = |x: Tensor<4>| x.clamp(0.0, 6.0);
        let x = self.stem.forward(x);
        let y = relu6(self.bn1.forward(self.expand.forward(x.clone())));
        let y = relu6(self.bn2.forward(self.depthwise.forward(y)));
        let x = x + self.bn3.forward(self.project.forward(y));
        self.fc.forward(pooled(x))
    }
}

/// A bottleneck whose middle is grouped.
#[derive(Module, Prune, Debug)]
pub struct ResNeXt {
    pub stem: Conv2d,
    pub reduce: Conv2d,
    pub middle: Conv2d,
    pub restore: Conv2d,
    pub fc: Linear,
}

impl Topology for ResNeXt {
    type Input = Tensor<4>;
    type Output = Tensor<2>;
    const FREE: &'static [&'static str] = &[
        "stem.weight 7",
        "reduce.weight 4",
        "reduce.weight 2",
        "middle.weight 3",
    ];

    fn new(device: &Device) -> Self {
        Self {
            stem: conv(device, [3, 7], 3),
            reduce: conv(device, [7, 8], 1),
            middle: grouped(device, [8, 12], 3, 4),
            restore: conv(device, [12, 7], 1),
            fc: linear(device, [7, 4]),
        }
    }

    fn example(device: &Device) -> Tensor<4> {
        values(device, [2, 3, 4, 5])
    }

    fn run(&self, x: Tensor<4>) -> Tensor<2> {
        let x = relu(self.stem.forward(x));
        let y = relu(self.reduce.forward(x.clone()));
        let y = relu(self.middle.forward(y));
        self.fc.forward(pooled(x + self.restore.forward(y)))
    }
}

#[derive(Module, Prune, Debug)]
pub struct Generator {
    pub seed: Linear,
    pub up1: ConvTranspose2d,
    pub bn: BatchNorm,
    pub up2: ConvTranspose2d,
    pub last: Conv2d,
}

impl Topology for Generator {
    type Input = Tensor<2>;
    type Output = Tensor<4>;
    const FREE: &'static [&'static str] = &["seed.weight 6", "up1.weight 5", "up2.weight 4"];

    fn new(device: &Device) -> Self {
        let up = |channels| {
            ConvTranspose2dConfig::new(channels, [3, 3])
                .with_stride([2, 2])
                .with_padding([1, 1])
                .with_padding_out([1, 1])
                .init(device)
        };
        Self {
            seed: linear(device, [3, 6 * 2]),
            up1: up([6, 5]),
            bn: norm(device, 5),
            up2: up([5, 4]),
            last: conv(device, [4, 1], 3),
        }
    }

    fn example(device: &Device) -> Tensor<2> {
        values(device, [2, 3])
    }

    fn run(&self, x: Tensor<2>) -> Tensor<4> {
        let batch = x.dims()[0] as i32;
        // What the seed holds is channels of one by two pixels.
        let x = relu(self.seed.forward(x)).reshape([batch, -1, 1, 2]);
        let x = relu(self.bn.forward(self.up1.forward(x)));
        self.last.forward(relu(self.up2.forward(x)))
    }
}

#[derive(Module, Prune, Debug)]
pub struct GroupedUp {
    pub stem: Conv2d,
    pub up: ConvTranspose2d,
    pub fc: Linear,
}

impl Topology for GroupedUp {
    type Input = Tensor<4>;
    type Output = Tensor<2>;
    const FREE: &'static [&'static str] = &["stem.weight 3", "stem.weight 2", "up.weight 4"];

    fn new(device: &Device) -> Self {
        Self {
            stem: conv(device, [2, 6], 3),
            up: ConvTranspose2dConfig::new([6, 12], [2, 2])
                .with_stride([2, 2])
                .with_groups(3)
                .init(device),
            fc: linear(device, [12, 4]),
        }
    }

    fn example(device: &Device) -> Tensor<4> {
        values(device, [2, 2, 3, 4])
    }

    fn run(&self, x: Tensor<4>) -> Tensor<2> {
        let x = relu(self.stem.forward(x));
        self.fc.forward(pooled(relu(self.up.forward(x))))
    }
}

/// Each channel is made longer by itself.
#[derive(Module, Prune, Debug)]
pub struct DepthwiseUp {
    pub stem: Linear,
    pub up: ConvTranspose1d,
    pub fc: Linear,
}

impl Topology for DepthwiseUp {
    type Input = Tensor<3>;
    type Output = Tensor<3>;
    const FREE: &'static [&'static str] = &["stem.weight 6"];

    fn new(device: &Device) -> Self {
        Self {
            stem: linear(device, [2, 6]),
            up: ConvTranspose1dConfig::new([6, 6], 3)
                .with_groups(6)
                .init(device),
            fc: linear(device, [6, 4]),
        }
    }

    fn example(device: &Device) -> Tensor<3> {
        values(device, [2, 5, 2])
    }

    fn run(&self, x: Tensor<3>) -> Tensor<3> {
        let x = relu(self.stem.forward(x)).swap_dims(1, 2);
        self.fc.forward(relu(self.up.forward(x)).swap_dims(1, 2))
    }
}

topologies! {
    grouped_convolution: Grouped,
    separable: Separable,
    multiplied: Multiplied,
    inverted: Inverted,
    res_ne_xt: ResNeXt,
    generator: Generator,
    grouped_up: GroupedUp,
    depthwise_up: DepthwiseUp,
}
