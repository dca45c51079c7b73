//! Images that become coarser and finer.

use burn::module::Module;
use burn::nn::conv::{Conv2d, ConvTranspose2d, ConvTranspose2dConfig};
use burn::nn::interpolate::{Interpolate2d, Interpolate2dConfig};
use burn::nn::{Linear, PixelShuffle, PixelShuffleConfig, PixelUnshuffle, PixelUnshuffleConfig};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use secateur::Prune;

use super::check::{Topology, topologies};
use super::layers::{conv, halving, linear, pooled, values};

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

topologies! {
    u_net: UNet,
    super_resolution: SuperResolution,
    unshuffled: Unshuffled,
    pyramid: Pyramid,
}
