//! Layers whose weights are still to be drawn by [`glorot`](super::glorot).

use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::pool::{MaxPool2d, MaxPool2dConfig};
use burn::nn::{Initializer, Linear, LinearConfig};
use burn::prelude::*;

pub(super) fn linear(from: usize, to: usize, device: &Device) -> Linear {
    LinearConfig::new(from, to)
        .with_initializer(Initializer::Zeros)
        .init(device)
}

pub(super) fn conv5x5(from: usize, to: usize, device: &Device) -> Conv2d {
    Conv2dConfig::new([from, to], [5, 5])
        .with_initializer(Initializer::Zeros)
        .init(device)
}

pub(super) fn halving_pool() -> MaxPool2d {
    MaxPool2dConfig::new([2, 2]).init()
}
