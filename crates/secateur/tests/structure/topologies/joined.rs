//! Channels joined, cut apart, dealt anew.

use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::nn::pool::{MaxPool2d, MaxPool2dConfig};
use burn::nn::{BatchNorm, Linear, PaddingConfig2d};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Int, Tensor};
use secateur::Prune;

use super::check::{Topology, topologies};
use super::layers::{conv, grouped, linear, norm, pooled, values};

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
                .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1))
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
    shuffled: Shuffled,
    halves: Halves,
    parts: Parts,
    stacked: Stacked,
    mirrored: Mirrored,
    picked: Picked,
}
