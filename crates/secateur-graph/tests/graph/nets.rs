//! Nets whose costs the literature states.

use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::pool::{AdaptiveAvgPool2d, AdaptiveAvgPool2dConfig, MaxPool2d, MaxPool2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig, PaddingConfig2d};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};

/// A linear stack with ReLUs between.
#[derive(Module, Debug)]
pub struct Mlp {
    pub layers: Vec<Linear>,
}

impl Mlp {
    pub fn new(sizes: &[usize], device: &Device) -> Self {
        let layers = sizes.windows(2);
        let layers = layers.map(|pair| LinearConfig::new(pair[0], pair[1]).init(device));
        Self {
            layers: layers.collect(),
        }
    }

    pub fn forward(&self, mut x: Tensor<2>) -> Tensor<2> {
        for (nth, layer) in self.layers.iter().enumerate() {
            if nth > 0 {
                x = relu(x);
            }
            x = layer.forward(x);
        }
        x
    }
}

/// Caffe's LeNet-5: 20-50-500-10.
#[derive(Module, Debug)]
pub struct LeNet5 {
    pub conv1: Conv2d,
    pub conv2: Conv2d,
    pub fc1: Linear,
    pub fc2: Linear,
    pool: MaxPool2d,
}

impl LeNet5 {
    pub fn new(device: &Device) -> Self {
        Self {
            conv1: Conv2dConfig::new([1, 20], [5, 5]).init(device),
            conv2: Conv2dConfig::new([20, 50], [5, 5]).init(device),
            fc1: LinearConfig::new(800, 500).init(device),
            fc2: LinearConfig::new(500, 10).init(device),
            pool: MaxPool2dConfig::new([2, 2]).with_strides([2, 2]).init(),
        }
    }

    pub fn forward(&self, x: Tensor<4>) -> Tensor<2> {
        let x = self.pool.forward(self.conv1.forward(x));
        let x = self.pool.forward(self.conv2.forward(x));
        let x: Tensor<2> = x.flatten(1, 3);
        self.fc2.forward(relu(self.fc1.forward(x)))
    }
}

fn conv3x3(channels: [usize; 2], stride: usize, device: &Device) -> Conv2d {
    Conv2dConfig::new(channels, [3, 3])
        .with_stride([stride, stride])
        .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1))
        .with_bias(false)
        .init(device)
}

/// VGG-16 for CIFAR-10 with a head of 512-512-10, as Li et al. (2017) prune it.
#[derive(Module, Debug)]
pub struct Vgg16 {
    pub convs: Vec<Conv2d>,
    pub norms: Vec<BatchNorm>,
    pub fc1: Linear,
    pub fc2: Linear,
    pool: MaxPool2d,
}

/// Output channels of its convolutions, and after which of them it pools.
pub const VGG16: ([usize; 13], [usize; 5]) = (
    [64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512],
    [1, 3, 6, 9, 12],
);

impl Vgg16 {
    pub fn new(device: &Device) -> Self {
        let mut input = 3;
        let mut convs = Vec::new();
        for out in VGG16.0 {
            convs.push(conv3x3([input, out], 1, device));
            input = out;
        }
        Self {
            convs,
            norms: VGG16.0.map(|out| BatchNormConfig::new(out).init(device)).into(),
            fc1: LinearConfig::new(512, 512).with_bias(false).init(device),
            fc2: LinearConfig::new(512, 10).with_bias(false).init(device),
            pool: MaxPool2dConfig::new([2, 2]).with_strides([2, 2]).init(),
        }
    }

    pub fn forward(&self, mut x: Tensor<4>) -> Tensor<2> {
        for (nth, (conv, norm)) in self.convs.iter().zip(&self.norms).enumerate() {
            x = relu(norm.forward(conv.forward(x)));
            if VGG16.1.contains(&nth) {
                x = self.pool.forward(x);
            }
        }
        let x: Tensor<2> = x.flatten(1, 3);
        self.fc2.forward(relu(self.fc1.forward(x)))
    }
}

/// Two convolutions beside a shortcut.
#[derive(Module, Debug)]
pub struct Block {
    conv1: Conv2d,
    norm1: BatchNorm,
    conv2: Conv2d,
    norm2: BatchNorm,
    /// A 1 x 1 convolution where the shape changes; without it channels of zeros are added.
    shortcut: Option<Conv2d>,
    stride: usize,
}

impl Block {
    fn new(channels: [usize; 2], stride: usize, projected: bool, device: &Device) -> Self {
        let [input, out] = channels;
        let projection = Conv2dConfig::new(channels, [1, 1])
            .with_stride([stride, stride])
            .with_bias(false);
        Self {
            conv1: conv3x3([input, out], stride, device),
            norm1: BatchNormConfig::new(out).init(device),
            conv2: conv3x3([out, out], 1, device),
            norm2: BatchNormConfig::new(out).init(device),
            shortcut: (projected && (stride != 1 || input != out))
                .then(|| projection.init(device)),
            stride,
        }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let y = relu(self.norm1.forward(self.conv1.forward(x.clone())));
        let y = self.norm2.forward(self.conv2.forward(y));
        let shortcut = match &self.shortcut {
            Some(conv) => conv.forward(x),
            None if self.stride == 1 => x,
            None => {
                let x = x.slice_dim(2, burn::tensor::s![..;2]);
                let x = x.slice_dim(3, burn::tensor::s![..;2]);
                let [batch, channels, height, width] = x.dims();
                let zeros = Tensor::zeros([batch, channels / 2, height, width], &x.device());
                Tensor::cat(vec![zeros.clone(), x, zeros], 1)
            }
        };
        relu(y + shortcut)
    }
}

/// A residual net: He et al. (2016), for CIFAR (shortcuts without weights) or ImageNet.
#[derive(Module, Debug)]
pub struct ResNet {
    stem: Conv2d,
    norm: BatchNorm,
    stem_pool: Option<MaxPool2d>,
    pub blocks: Vec<Block>,
    pool: AdaptiveAvgPool2d,
    fc: Linear,
}

impl ResNet {
    /// ResNet-(6n + 2) for CIFAR-10.
    pub fn cifar(n: usize, device: &Device) -> Self {
        let mut blocks = Vec::new();
        let mut input = 16;
        for out in [16, 32, 64] {
            for _ in 0..n {
                let stride = if input == out { 1 } else { 2 };
                blocks.push(Block::new([input, out], stride, false, device));
                input = out;
            }
        }
        Self {
            stem: conv3x3([3, 16], 1, device),
            norm: BatchNormConfig::new(16).init(device),
            stem_pool: None,
            blocks,
            pool: AdaptiveAvgPool2dConfig::new([1, 1]).init(),
            fc: LinearConfig::new(64, 10).with_bias(false).init(device),
        }
    }

    /// ResNet-18 for images of 224 x 224 and 1,000 classes.
    pub fn resnet18(device: &Device) -> Self {
        let mut blocks = Vec::new();
        let mut input = 64;
        for out in [64, 128, 256, 512] {
            for nth in 0..2 {
                let stride = if nth == 0 && out > 64 { 2 } else { 1 };
                blocks.push(Block::new([input, out], stride, true, device));
                input = out;
            }
        }
        Self {
            stem: Conv2dConfig::new([3, 64], [7, 7])
                .with_stride([2, 2])
                .with_padding(PaddingConfig2d::Explicit(3, 3, 3, 3))
                .with_bias(false)
                .init(device),
            norm: BatchNormConfig::new(64).init(device),
            stem_pool: Some(
                MaxPool2dConfig::new([3, 3])
                    .with_strides([2, 2])
                    .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1))
                    .init(),
            ),
            blocks,
            pool: AdaptiveAvgPool2dConfig::new([1, 1]).init(),
            fc: LinearConfig::new(512, 1000).init(device),
        }
    }

    pub fn forward(&self, x: Tensor<4>) -> Tensor<2> {
        let mut x = relu(self.norm.forward(self.stem.forward(x)));
        if let Some(pool) = &self.stem_pool {
            x = pool.forward(x);
        }
        for block in &self.blocks {
            x = block.forward(x);
        }
        self.fc.forward(self.pool.forward(x).flatten(1, 3))
    }
}
