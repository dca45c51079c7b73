//! Channels joined, cut apart, dealt anew; several inputs and outputs.

use burn::module::Module;
use burn::nn::conv::{Conv2d, ConvTranspose2d, ConvTranspose2dConfig};
use burn::nn::interpolate::{Interpolate2d, Interpolate2dConfig};
use burn::nn::pool::{MaxPool2d, MaxPool2dConfig};
use burn::nn::{BatchNorm, Linear, PixelShuffle, PixelShuffleConfig};
use burn::nn::{PixelUnshuffle, PixelUnshuffleConfig};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Int, Tensor};
use secateur::Prune;

use super::check::{Topology, topologies};
use super::layers::{conv, grouped, halving, linear, norm, pooled, values};

/// Each layer sees the outputs of all before it.
#[derive(Module, Prune, Debug)]
pub struct Dense {
    pub stem: Conv2d,
    pub norms: Vec<BatchNorm>,
    pub layers: Vec<Conv2d>,
    pub fc: Linear,
}

impl Topology for Dense {
    type Input = Tensor<4>;
    type Output = Tensor<2>;
    const FREE: &'static [&'static str] = &[
        "stem.weight 5",
        "layers.0.weight 4",
        "layers.1.weight 4",
        "layers.2.weight 4",
    ];

    fn new(device: &Device) -> Self {
        let widths = [5, 9, 13];
        Self {
            stem: conv(device, [2, 5], 3),
            norms: widths.map(|width| norm(device, width)).to_vec(),
            layers: widths.map(|width| conv(device, [width, 4], 3)).to_vec(),
            fc: linear(device, [17, 3]),
        }
    }

    fn example(device: &Device) -> Tensor<4> {
        values(device, [3, 2, 4, 5])
    }

    fn run(&self, x: Tensor<4>) -> Tensor<2> {
        let mut x = self.stem.forward(x);
        for (norm, layer) in self.norms.iter().zip(&self.layers) {
            let new = layer.forward(relu(norm.forward(x.clone())));
            x = Tensor::cat(vec![x, new], 1);
        }
        self.fc.forward(pooled(x))
    }
}

#[derive(Module, Prune, Debug)]
pub struct Inception {
    pub stem: Conv2d,
    pub narrow: Conv2d,
    pub reduce: Conv2d,
    pub wide: Conv2d,
    pub pool: MaxPool2d,
    pub pooled: Conv2d,
    pub after: Conv2d,
    pub fc: Linear,
}

impl Topology for Inception {
    type Input = Tensor<4>;
    type Output = Tensor<2>;
    const FREE: &'static [&'static str] = &[
        "stem.weight 6",
        "narrow.weight 3",
        "reduce.weight 4",
        "wide.weight 5",
        "pooled.weight 2",
        "after.weight 7",
    ];

    fn new(device: &Device) -> Self {
        Self {
            stem: conv(device, [2, 6], 3),
            narrow: conv(device, [6, 3], 1),
            reduce: conv(device, [6, 4], 1),
            wide: conv(device, [4, 5], 5),
            pool: MaxPool2dConfig::new([3, 3])
                .with_strides([1, 1])
                .with_padding(burn::nn::PaddingConfig2d::Explicit(1, 1, 1, 1))
                .init(),
            pooled: conv(device, [6, 2], 1),
            after: conv(device, [10, 7], 3),
            fc: linear(device, [7, 3]),
        }
    }

    fn example(device: &Device) -> Tensor<4> {
        values(device, [3, 2, 5, 6])
    }

    fn run(&self, x: Tensor<4>) -> Tensor<2> {
        let x = relu(self.stem.forward(x));
        let branches = vec![
            self.narrow.forward(x.clone()),
            self.wide.forward(relu(self.reduce.forward(x.clone()))),
            self.pooled.forward(self.pool.forward(x)),
        ];
        let x = relu(Tensor::cat(branches, 1));
        self.fc.forward(pooled(relu(self.after.forward(x))))
    }
}

/// Down and up again, what was there before joined to what came back.
#[derive(Module, Prune, Debug)]
pub struct UNet {
    pub down1: Conv2d,
    pub down2: Conv2d,
    pub bottom: Conv2d,
    pub up2: ConvTranspose2d,
    pub join2: Conv2d,
    pub up1: ConvTranspose2d,
    pub join1: Conv2d,
    pub last: Conv2d,
}

impl Topology for UNet {
    type Input = Tensor<4>;
    type Output = Tensor<4>;
    const FREE: &'static [&'static str] = &[
        "down1.weight 4",
        "down2.weight 6",
        "bottom.weight 8",
        "up2.weight 7",
        "join2.weight 6",
        "up1.weight 5",
        "join1.weight 4",
    ];

    fn new(device: &Device) -> Self {
        let up = |channels| {
            ConvTranspose2dConfig::new(channels, [2, 2])
                .with_stride([2, 2])
                .init(device)
        };
        Self {
            down1: conv(device, [1, 4], 3),
            down2: halving(device, [4, 6], 3),
            bottom: halving(device, [6, 8], 3),
            up2: up([8, 7]),
            join2: conv(device, [13, 6], 3),
            up1: up([6, 5]),
            join1: conv(device, [9, 4], 3),
            last: conv(device, [4, 2], 1),
        }
    }

    fn example(device: &Device) -> Tensor<4> {
        values(device, [2, 1, 4, 8])
    }

    fn run(&self, x: Tensor<4>) -> Tensor<4> {
        let first = relu(self.down1.forward(x));
        let second = relu(self.down2.forward(first.clone()));
        let x = relu(self.bottom.forward(second.clone()));
        let x = Tensor::cat(vec![second, self.up2.forward(x)], 1);
        let x = relu(self.join2.forward(x));
        let x = Tensor::cat(vec![self.up1.forward(x), first], 1);
        self.last.forward(relu(self.join1.forward(x)))
    }
}

/// ShuffleNet's unit: half of the channels pass, then the halves are dealt into each other.
#[derive(Module, Prune, Debug)]
pub struct Shuffled {
    pub stem: Conv2d,
    pub enter: Conv2d,
    pub depthwise: Conv2d,
    pub leave: Conv2d,
    pub fc: Linear,
}

impl Topology for Shuffled {
    type Input = Tensor<4>;
    type Output = Tensor<2>;
    // Both halves lose the same places: `chunk` divides what is left.
    const FREE: &'static [&'static str] = &["stem.weight 4", "enter.weight 5"];

    fn new(device: &Device) -> Self {
        Self {
            stem: conv(device, [2, 8], 3),
            enter: conv(device, [4, 5], 1),
            depthwise: grouped(device, [5, 5], 3, 5),
            leave: conv(device, [5, 4], 1),
            fc: linear(device, [8, 3]),
        }
    }

    fn example(device: &Device) -> Tensor<4> {
        values(device, [3, 2, 4, 5])
    }

    fn run(&self, x: Tensor<4>) -> Tensor<2> {
        let x = relu(self.stem.forward(x));
        let mut halves = x.chunk(2, 1).into_iter();
        let (Some(pass), Some(work)) = (halves.next(), halves.next()) else {
            unreachable!("two chunks were asked for")
        };
        let work = self.depthwise.forward(relu(self.enter.forward(work)));
        let work = relu(self.leave.forward(work));
        let x = Tensor::cat(vec![pass, work], 1);
        let [batch, channels, height, width] = x.dims();
        let x = x.reshape([batch, 2, channels / 2, height, width]);
        let x = x.swap_dims(1, 2).reshape([batch, channels, height, width]);
        self.fc.forward(pooled(x))
    }
}

/// The first half of the channels works, the second is added to it.
#[derive(Module, Prune, Debug)]
pub struct Halves {
    pub stem: Conv2d,
    pub fc: Linear,
}

impl Topology for Halves {
    type Input = Tensor<4>;
    type Output = Tensor<2>;
    const FREE: &'static [&'static str] = &["stem.weight 5"];

    fn new(device: &Device) -> Self {
        Self {
            stem: conv(device, [2, 10], 3),
            fc: linear(device, [5, 3]),
        }
    }

    fn example(device: &Device) -> Tensor<4> {
        values(device, [3, 2, 4, 5])
    }

    fn run(&self, x: Tensor<4>) -> Tensor<2> {
        let x = self.stem.forward(x);
        let half = x.dims()[1] / 2;
        let (first, second) = (x.clone().narrow(1, 0, half), x.narrow(1, half, half));
        self.fc.forward(pooled(relu(first) + second))
    }
}

/// Three parts that go different ways, of the size that the layers after them take.
#[derive(Module, Prune, Debug)]
pub struct Parts {
    pub stem: Linear,
    pub first: Linear,
    pub second: Linear,
}

impl Topology for Parts {
    type Input = Tensor<2>;
    type Output = Tensor<2>;
    const FREE: &'static [&'static str] = &["stem.weight 4", "stem.weight 6"];

    fn new(device: &Device) -> Self {
        Self {
            stem: linear(device, [5, 10]),
            first: linear(device, [4, 3]),
            second: linear(device, [6, 3]),
        }
    }

    fn example(device: &Device) -> Tensor<2> {
        values(device, [2, 5])
    }

    fn run(&self, x: Tensor<2>) -> Tensor<2> {
        let x = relu(self.stem.forward(x));
        let [first] = [&self.first].map(|layer| layer.weight.dims()[0]);
        let second = self.second.weight.dims()[0];
        let a = self.first.forward(x.clone().narrow(1, 0, first));
        a + self.second.forward(x.narrow(1, first, second))
    }
}

/// Channels become pixels.
#[derive(Module, Prune, Debug)]
pub struct SuperResolution {
    pub first: Conv2d,
    pub second: Conv2d,
    pub shuffle: PixelShuffle,
    pub last: Conv2d,
}

impl Topology for SuperResolution {
    type Input = Tensor<4>;
    type Output = Tensor<4>;
    const FREE: &'static [&'static str] = &["first.weight 5", "second.weight 3"];

    fn new(device: &Device) -> Self {
        Self {
            first: conv(device, [1, 5], 3),
            second: conv(device, [5, 12], 3),
            shuffle: PixelShuffleConfig::new(2).init(),
            last: conv(device, [3, 1], 3),
        }
    }

    fn example(device: &Device) -> Tensor<4> {
        values(device, [2, 1, 3, 4])
    }

    fn run(&self, x: Tensor<4>) -> Tensor<4> {
        let x = self.second.forward(relu(self.first.forward(x)));
        self.last.forward(relu(self.shuffle.forward(x)))
    }
}

/// Pixels become channels.
#[derive(Module, Prune, Debug)]
pub struct Unshuffled {
    pub first: Conv2d,
    pub unshuffle: PixelUnshuffle,
    pub second: Conv2d,
    pub fc: Linear,
}

impl Topology for Unshuffled {
    type Input = Tensor<4>;
    type Output = Tensor<2>;
    const FREE: &'static [&'static str] = &["first.weight 4", "second.weight 6"];

    fn new(device: &Device) -> Self {
        Self {
            first: conv(device, [1, 4], 3),
            unshuffle: PixelUnshuffleConfig::new(2).init(),
            second: conv(device, [16, 6], 3),
            fc: linear(device, [6, 3]),
        }
    }

    fn example(device: &Device) -> Tensor<4> {
        values(device, [2, 1, 4, 6])
    }

    fn run(&self, x: Tensor<4>) -> Tensor<2> {
        let x = self.unshuffle.forward(relu(self.first.forward(x)));
        self.fc.forward(pooled(relu(self.second.forward(x))))
    }
}

/// Features of two scales, the coarse ones enlarged.
#[derive(Module, Prune, Debug)]
pub struct Pyramid {
    pub fine: Conv2d,
    pub coarse: Conv2d,
    pub beside_fine: Conv2d,
    pub beside_coarse: Conv2d,
    pub enlarge: Interpolate2d,
    pub last: Conv2d,
}

impl Topology for Pyramid {
    type Input = Tensor<4>;
    type Output = (Tensor<4>, Tensor<4>);
    const FREE: &'static [&'static str] =
        &["fine.weight 4", "coarse.weight 6", "beside_coarse.weight 5"];

    fn new(device: &Device) -> Self {
        Self {
            fine: conv(device, [1, 4], 3),
            coarse: halving(device, [4, 6], 3),
            beside_fine: conv(device, [4, 5], 1),
            beside_coarse: conv(device, [6, 5], 1),
            enlarge: Interpolate2dConfig::new()
                .with_scale_factor(Some([2.0, 2.0]))
                .init(),
            last: conv(device, [5, 2], 3),
        }
    }

    fn example(device: &Device) -> Tensor<4> {
        values(device, [2, 1, 4, 6])
    }

    fn run(&self, x: Tensor<4>) -> (Tensor<4>, Tensor<4>) {
        let fine = relu(self.fine.forward(x));
        let coarse = relu(self.coarse.forward(fine.clone()));
        let coarse = self.beside_coarse.forward(coarse);
        let fine = self.beside_fine.forward(fine) + self.enlarge.forward(coarse.clone());
        (self.last.forward(fine), self.last.forward(coarse))
    }
}

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

/// Branches as a dimension of their own.
#[derive(Module, Prune, Debug)]
pub struct Stacked {
    pub branches: Vec<Linear>,
    pub last: Linear,
}

impl Topology for Stacked {
    type Input = Tensor<2>;
    type Output = Tensor<2>;
    const FREE: &'static [&'static str] = &["branches.0.weight 6"];

    fn new(device: &Device) -> Self {
        Self {
            branches: [0, 1, 2].map(|_| linear(device, [4, 6])).to_vec(),
            last: linear(device, [6, 2]),
        }
    }

    fn example(device: &Device) -> Tensor<2> {
        values(device, [5, 4])
    }

    fn run(&self, x: Tensor<2>) -> Tensor<2> {
        let branches = self.branches.iter();
        let branches = branches.map(|branch| branch.forward(x.clone())).collect();
        let x: Tensor<3> = Tensor::stack(branches, 1);
        self.last.forward(relu(x.mean_dim(1).squeeze_dim(1)))
    }
}

/// Channels backwards, and joined to themselves.
#[derive(Module, Prune, Debug)]
pub struct Mirrored {
    pub conv: Conv2d,
    pub fc: Linear,
}

impl Topology for Mirrored {
    type Input = Tensor<4>;
    type Output = Tensor<2>;
    const FREE: &'static [&'static str] = &["conv.weight 5"];

    fn new(device: &Device) -> Self {
        Self {
            conv: conv(device, [2, 5], 3),
            fc: linear(device, [10, 2]),
        }
    }

    fn example(device: &Device) -> Tensor<4> {
        values(device, [3, 2, 4, 3])
    }

    fn run(&self, x: Tensor<4>) -> Tensor<2> {
        let x = self.conv.forward(x);
        let both = Tensor::cat(vec![x.clone(), x.neg()], 1);
        self.fc.forward(pooled(relu(both)))
    }
}

/// Places of a sequence picked by a constant index: its features may go.
#[derive(Module, Prune, Debug)]
pub struct Picked {
    pub inner: Linear,
    pub last: Linear,
}

impl Topology for Picked {
    type Input = Tensor<3>;
    type Output = Tensor<3>;
    const FREE: &'static [&'static str] = &["inner.weight 6"];

    fn new(device: &Device) -> Self {
        Self {
            inner: linear(device, [4, 6]),
            last: linear(device, [6, 2]),
        }
    }

    fn example(device: &Device) -> Tensor<3> {
        values(device, [2, 5, 4])
    }

    fn run(&self, x: Tensor<3>) -> Tensor<3> {
        let x = relu(self.inner.forward(x));
        let places = Tensor::<1, Int>::from_data([4, 0, 2], &x.device());
        self.last.forward(x.select(1, places))
    }
}

topologies! {
    dense: Dense,
    inception: Inception,
    u_net: UNet,
    shuffled: Shuffled,
    halves: Halves,
    parts: Parts,
    super_resolution: SuperResolution,
    unshuffled: Unshuffled,
    pyramid: Pyramid,
    two_inputs: TwoInputs,
    two_outputs: TwoOutputs,
    siamese: Siamese,
    stacked: Stacked,
    mirrored: Mirrored,
    picked: Picked,
}
