//! Channels and places that change dimensions on the way.

use burn::module::{Module, Param};
use burn::nn::conv::Conv2d;
use burn::nn::{LayerNorm, LayerNormConfig, Linear};
use burn::tensor::activation::gelu;
use burn::tensor::{Device, Tensor};
use secateur::Prune;

use super::check::{Topology, topologies};
use super::layers::{conv, grouped, learned, linear, pooled, values};

/// `ConvNeXt`'s block: linear layers on channels that come last.
#[derive(Module, Prune, Debug)]
pub struct ConvNeXt {
    pub stem: Conv2d,
    pub depthwise: Conv2d,
    pub norm: LayerNorm,
    pub up: Linear,
    pub down: Linear,
    pub scale: Param<Tensor<1>>,
    pub fc: Linear,
}

impl Topology for ConvNeXt {
    type Input = Tensor<4>;
    type Output = Tensor<2>;
    const FREE: &'static [&'static str] = &["stem.weight 6", "up.weight 9"];
    const EXACT: bool = false;

    fn new(device: &Device) -> Self {
        Self {
            stem: conv(device, [3, 6], 3),
            depthwise: grouped(device, [6, 6], 5, 6),
            norm: LayerNormConfig::new(6).init(device),
            up: linear(device, [6, 9]),
            down: linear(device, [9, 6]),
            scale: learned(device, [6]),
            fc: linear(device, [6, 4]),
        }
    }

    fn example(device: &Device) -> Tensor<4> {
        values(device, [2, 3, 4, 5])
    }

    fn run(&self, x: Tensor<4>) -> Tensor<2> {
        let x = self.stem.forward(x);
        let y = self.depthwise.forward(x.clone()).permute([0, 2, 3, 1]);
        let y = gelu(self.up.forward(self.norm.forward(y)));
        let y = self.down.forward(y) * self.scale.val().unsqueeze();
        self.fc.forward(pooled(x + y.permute([0, 3, 1, 2])))
    }
}

/// Layers over places and layers over channels in turn.
#[derive(Module, Prune, Debug)]
pub struct Mixer {
    pub stem: Linear,
    pub places_up: Linear,
    pub places_down: Linear,
    pub channels_up: Linear,
    pub channels_down: Linear,
    pub last: Linear,
}

impl Topology for Mixer {
    type Input = Tensor<3>;
    type Output = Tensor<2>;
    const FREE: &'static [&'static str] = &[
        "stem.weight 7",
        "places_up.weight 8",
        "channels_up.weight 9",
    ];
    // The layers over places give a channel without weights their biases.
    const EXACT: bool = false;

    fn new(device: &Device) -> Self {
        Self {
            stem: linear(device, [4, 7]),
            places_up: linear(device, [5, 8]),
            places_down: linear(device, [8, 5]),
            channels_up: linear(device, [7, 9]),
            channels_down: linear(device, [9, 7]),
            last: linear(device, [7, 3]),
        }
    }

    fn example(device: &Device) -> Tensor<3> {
        values(device, [2, 5, 4])
    }

    fn run(&self, x: Tensor<3>) -> Tensor<2> {
        let x = self.stem.forward(x);
        let y = gelu(self.places_up.forward(x.clone().swap_dims(1, 2)));
        let x = x + self.places_down.forward(y).swap_dims(1, 2);
        let y = gelu(self.channels_up.forward(x.clone()));
        let x = x + self.channels_down.forward(y);
        self.last.forward(x.mean_dim(1).squeeze_dim(1))
    }
}

/// Patches of an image as tokens.
#[derive(Module, Prune, Debug)]
pub struct Patches {
    pub patch: Conv2d,
    pub inner: Linear,
    pub last: Linear,
}

impl Topology for Patches {
    type Input = Tensor<4>;
    type Output = Tensor<3>;
    const FREE: &'static [&'static str] = &["patch.weight 6", "inner.weight 5"];

    fn new(device: &Device) -> Self {
        let patch = burn::nn::conv::Conv2dConfig::new([3, 6], [2, 2]).with_stride([2, 2]);
        Self {
            patch: patch.init(device),
            inner: linear(device, [6, 5]),
            last: linear(device, [5, 2]),
        }
    }

    fn example(device: &Device) -> Tensor<4> {
        values(device, [2, 3, 4, 6])
    }

    fn run(&self, x: Tensor<4>) -> Tensor<3> {
        let x: Tensor<3> = self.patch.forward(x).flatten(2, 3);
        let x = gelu(self.inner.forward(x.swap_dims(1, 2)));
        self.last.forward(x)
    }
}

topologies! {
    conv_ne_xt: ConvNeXt,
    mixer: Mixer,
    patches: Patches,
}
