//! Small nets that the pruning literature measures on, pretrained residual nets, and a net for the
//! quickstart.

mod init;
mod layers;
mod lenet300;
mod lenet5;
mod normed_mlp;
mod resnet;
mod small_conv;
mod vgg;
mod weights;

use burn::prelude::*;

pub use init::{gaussian_glorot, glorot};
pub use lenet5::LeNet5;
pub use lenet300::LeNet300;
pub use normed_mlp::NormedMlp;
pub use resnet::{ResNet, ResidualBlock};
pub use small_conv::SmallConv;
pub use vgg::{ConvNorm, SmallVgg};
pub use weights::{LayerWeights, count_weights};

/// A net that tells grey images of 28 by 28 pixels apart, ten classes.
pub trait Classifier: Module {
    /// Name in tables and files.
    const NAME: &'static str;

    /// A fresh net: weights after Glorot, biases zero, all drawn from `seed`.
    fn fresh(seed: u64, device: &Device) -> Self;

    /// From pixels in [0, 1], `[batch, 28, 28]`, to one logit per class, `[batch, 10]`.
    fn forward(&self, images: Tensor<3>) -> Tensor<2>;
}
