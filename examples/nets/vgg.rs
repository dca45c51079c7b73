//! A net after VGG (Simonyan and Zisserman 2015), with batch norms, for images of 28 by 28 pixels.

use burn::module::Param;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::pool::MaxPool2d;
use burn::nn::{BatchNorm, BatchNormConfig, Initializer, Linear, PaddingConfig2d};
use burn::prelude::*;
use burn::tensor::activation::relu;
use secateur::Prune;

use super::layers::{halving_pool, linear};
use super::{Classifier, glorot};

/// A convolution of 3x3 that keeps the size of its image, a batch norm, ReLU.
#[derive(Module, Prune, Debug)]
pub struct ConvNorm {
    /// 3x3, without a bias.
    pub conv: Conv2d,
    /// Its norm; its scales start at 0.5, as network slimming has it.
    pub norm: BatchNorm,
}

impl ConvNorm {
    fn new(from: usize, to: usize, device: &Device) -> Self {
        let conv = Conv2dConfig::new([from, to], [3, 3])
            .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1))
            .with_bias(false)
            .with_initializer(Initializer::Zeros)
            .init(device);
        Self {
            conv,
            norm: norm_from_half(to, device),
        }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        relu(self.norm.forward(self.conv.forward(x)))
    }
}

/// A batch norm whose scales start at 0.5.
pub(super) fn norm_from_half(channels: usize, device: &Device) -> BatchNorm {
    let mut norm = BatchNormConfig::new(channels).init(device);
    norm.gamma = Param::from_tensor(Tensor::full([channels], 0.5, device));
    norm
}

/// Three stages of two convolutions with 16, 32 and 64 channels, each followed by 2x2 max pooling,
/// then 576-10: 77,328 weights.
#[derive(Module, Prune, Debug)]
pub struct SmallVgg {
    /// The six convolutions with their norms.
    pub stages: Vec<ConvNorm>,
    /// 576 to 10.
    pub head: Linear,
    pool: MaxPool2d,
}

impl Classifier for SmallVgg {
    const NAME: &'static str = "small-vgg";

    fn fresh(seed: u64, device: &Device) -> Self {
        let widths = [1, 16, 16, 32, 32, 64, 64];
        let stages = widths.windows(2);
        let net = Self {
            stages: stages
                .map(|pair| ConvNorm::new(pair[0], pair[1], device))
                .collect(),
            head: linear(64 * 3 * 3, 10, device),
            pool: halving_pool(),
        };
        glorot(net, seed)
    }

    fn forward(&self, images: Tensor<3>) -> Tensor<2> {
        let x = images.unsqueeze_dim::<4>(1);
        let x = self.stages.chunks(2).fold(x, |x, stage| {
            let x = stage.iter().fold(x, |x, layer| layer.forward(x));
            self.pool.forward(x)
        });
        self.head.forward(x.flatten::<2>(1, 3))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_has_the_weights_that_its_description_says() {
        let device = Device::flex();
        let net = SmallVgg::fresh(1, &device);
        let convs = 9 * (16 + 16 * 16 + 16 * 32 + 32 * 32 + 32 * 64 + 64 * 64);
        assert_eq!(convs + 5_760, 77_328);
        // Scale, shift and two running statistics for each of 224 channels, and the head's bias.
        assert_eq!(net.num_params(), convs + 5_760 + 10 + 4 * 224);
        let logits = net.forward(Tensor::zeros([2, 28, 28], &device));
        assert_eq!(logits.dims(), [2, 10]);
    }
}
