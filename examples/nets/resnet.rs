//! The residual nets for CIFAR-10 (He, Zhang, Ren, Sun 2016), with shortcuts without weights
//! (their option A), and pretrained weights for three of them.

use std::path::{Path, PathBuf};

use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::pool::{AdaptiveAvgPool2d, AdaptiveAvgPool2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, Initializer, Linear, PaddingConfig2d};
use burn::prelude::*;
use burn::tensor::activation::relu;
use burn::tensor::s;
use burn_store::{ModuleSnapshot, PyTorchToBurnAdapter, SafetensorsStore};
use secateur::Prune;

use super::layers::linear;
use crate::data::folders::find;
use crate::{ExampleError, Result};

/// Two convolutions of 3x3 with batch norms, beside a shortcut.
#[derive(Module, Prune, Debug)]
pub struct ResidualBlock {
    /// The first convolution; it may halve the image.
    pub conv1: Conv2d,
    /// Its norm.
    pub bn1: BatchNorm,
    /// The second convolution.
    pub conv2: Conv2d,
    /// Its norm.
    pub bn2: BatchNorm,
    halves: bool,
}

impl ResidualBlock {
    fn new(from: usize, to: usize, device: &Device) -> Self {
        let halves = from != to;
        Self {
            conv1: conv3x3(from, to, if halves { 2 } else { 1 }, device),
            bn1: BatchNormConfig::new(to).init(device),
            conv2: conv3x3(to, to, 1, device),
            bn2: BatchNormConfig::new(to).init(device),
            halves,
        }
    }

    /// From `[batch, from, height, width]` to `[batch, to, height, width]`; where `to` is twice
    /// `from`, height and width are halved.
    #[must_use]
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let y = relu(self.bn1.forward(self.conv1.forward(x.clone())));
        let y = self.bn2.forward(self.conv2.forward(y));
        let shortcut = if self.halves {
            // Every other pixel, between channels of zeros: half of the new ones on each side.
            let x = x.slice_dim(2, s![..;2]).slice_dim(3, s![..;2]);
            let [batch, channels, height, width] = x.dims();
            let zeros = Tensor::zeros([batch, channels / 2, height, width], &x.device());
            Tensor::cat(vec![zeros.clone(), x, zeros], 1)
        } else {
            x
        };
        relu(y + shortcut)
    }
}

/// ResNet-(6n + 2): a convolution, three layers of n blocks with 16, 32 and 64 channels, a mean
/// over the image, a linear head. The fields have the names of the pretrained files.
#[derive(Module, Prune, Debug)]
pub struct ResNet {
    /// 3 to 16 channels.
    pub conv1: Conv2d,
    /// Its norm.
    pub bn1: BatchNorm,
    /// 16 channels of 32 x 32.
    pub layer1: Vec<ResidualBlock>,
    /// 32 channels of 16 x 16.
    pub layer2: Vec<ResidualBlock>,
    /// 64 channels of 8 x 8.
    pub layer3: Vec<ResidualBlock>,
    /// 64 to 10.
    pub linear: Linear,
    pool: AdaptiveAvgPool2d,
}

impl ResNet {
    /// The net of `depth` layers with convolutions as Burn draws them; `depth` is rounded down to
    /// 6n + 2, and at least 8.
    #[must_use]
    pub fn cifar(depth: usize, device: &Device) -> Self {
        let blocks = (depth.saturating_sub(2) / 6).max(1);
        let layer = |from, to| {
            let first = ResidualBlock::new(from, to, device);
            let rest = (1..blocks).map(|_| ResidualBlock::new(to, to, device));
            std::iter::once(first).chain(rest).collect()
        };
        Self {
            conv1: conv3x3(3, 16, 1, device),
            bn1: BatchNormConfig::new(16).init(device),
            layer1: layer(16, 16),
            layer2: layer(16, 32),
            layer3: layer(32, 64),
            linear: linear(64, 10, device),
            pool: AdaptiveAvgPool2dConfig::new([1, 1]).init(),
        }
    }

    /// The pretrained net of `depth` 20, 32 or 44 layers, from `resnetNN.safetensors` with
    /// PyTorch's names; found as the data is, in a folder `cifar10-resnet`.
    ///
    /// # Errors
    ///
    /// [`ExampleError::NoData`] if no folder has it, [`ExampleError::Pretrained`] if the file does
    /// not fit the net.
    pub fn pretrained(depth: usize, dir: Option<&Path>, device: &Device) -> Result<Self> {
        let refuse = |file: PathBuf, why: String, remedy| ExampleError::Pretrained {
            depth,
            file,
            why,
            remedy,
        };
        let name = format!("resnet{depth}.safetensors");
        if ![20, 32, 44].contains(&depth) {
            let remedy = "take 20, 32 or 44 layers";
            return Err(refuse(name.into(), "there are no weights".into(), remedy));
        }
        let file = find("cifar10-resnet", &name, dir)?;
        let mut net = Self::cifar(depth, device);
        let mut store = SafetensorsStore::from_file(&file).with_from_adapter(PyTorchToBurnAdapter);
        match net.load_from(&mut store) {
            Ok(applied) if applied.missing.is_empty() && applied.errors.is_empty() => Ok(net),
            Ok(applied) => {
                let why = format!(
                    "missing {:?}, not fitting {:?}",
                    applied.missing, applied.errors
                );
                Err(refuse(file, why, "fetch it again"))
            }
            Err(error) => Err(refuse(file, error.to_string(), "fetch it again")),
        }
    }

    /// From normalised images, `[batch, 3, 32, 32]`, to one logit per class, `[batch, 10]`.
    #[must_use]
    pub fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        let stem = relu(self.bn1.forward(self.conv1.forward(images)));
        let blocks = self.layer1.iter().chain(&self.layer2).chain(&self.layer3);
        let x = blocks.fold(stem, |x, block| block.forward(x));
        self.linear.forward(self.pool.forward(x).flatten(1, 3))
    }
}

fn conv3x3(from: usize, to: usize, stride: usize, device: &Device) -> Conv2d {
    Conv2dConfig::new([from, to], [3, 3])
        .with_stride([stride, stride])
        .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1))
        .with_bias(false)
        .with_initializer(Initializer::KaimingNormal {
            gain: std::f64::consts::SQRT_2,
            fan_out_only: true,
        })
        .init(device)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::folders::for_tests;
    use crate::data::{CifarPart, cifar_jpeg};

    #[test]
    fn the_nets_have_their_published_sizes() {
        let device = Device::flex();
        for (depth, size) in [(20, 269_722), (32, 464_154), (44, 658_586)] {
            let net = ResNet::cifar(depth, &device);
            // Burn counts running statistics, too: a mean and a variance beside scale and shift.
            let norms = 16 + (depth - 2) / 6 * 2 * (16 + 32 + 64);
            assert_eq!(net.num_params(), size + 2 * norms, "{depth}");
        }
        let net = ResNet::cifar(20, &device);
        let logits = net.forward(Tensor::zeros([2, 3, 32, 32], &device));
        assert_eq!(logits.dims(), [2, 10]);
    }

    #[test]
    fn depths_without_weights_are_refused() {
        let error = ResNet::pretrained(56, None, &Device::flex()).unwrap_err();
        assert!(error.to_string().contains("take 20, 32 or 44"), "{error}");
    }

    #[test]
    fn the_pretrained_net_knows_its_classes() {
        let device = Device::flex();
        let dir = for_tests();
        let loaded = ResNet::pretrained(20, Some(&dir), &device).and_then(|net| {
            let images = cifar_jpeg(CifarPart::Test, 200, Some(&dir))?;
            Ok((net, images))
        });
        let (net, images) = match loaded {
            Ok(loaded) => loaded,
            Err(error) => {
                println!("skipped: {error}");
                return;
            }
        };
        let mut right = 0;
        for batch in images.batches(50, &device) {
            let guess = net.forward(batch.images).argmax(1).squeeze_dim::<1>(1);
            right += guess.equal(batch.labels).int().sum().into_scalar::<i32>();
        }
        // 81.0 % of all 10,000: 162 of 200, with a standard error of 5.5.
        assert!((140..=184).contains(&right), "{right} of 200");
    }
}
