//! The models of the program `engine`, with Burn alone: this file is compiled into the program
//! `flex-x86-v4` as well.

use std::fmt;
use std::str::FromStr;

use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::pool::{AdaptiveAvgPool2d, AdaptiveAvgPool2dConfig, MaxPool2d, MaxPool2dConfig};
use burn::nn::transformer::{
    TransformerEncoder, TransformerEncoderConfig, TransformerEncoderInput,
};
use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig, PaddingConfig2d};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Distribution, Tensor, s};

/// A model that is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Model {
    LeNet300,
    LeNet5,
    Mlp,
    ResNet20,
    ResNet44,
    Transformer,
}

impl Model {
    pub const ALL: [Self; 6] = [
        Self::LeNet300,
        Self::LeNet5,
        Self::Mlp,
        Self::ResNet20,
        Self::ResNet44,
        Self::Transformer,
    ];

    /// Name in tables and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::LeNet300 => "lenet-300-100",
            Self::LeNet5 => "lenet-5",
            Self::Mlp => "mlp-4x1024",
            Self::ResNet20 => "resnet-20",
            Self::ResNet44 => "resnet-44",
            Self::Transformer => "transformer",
        }
    }

    /// The sizes of a batch that it is measured with.
    pub fn batches(self) -> [usize; 2] {
        match self {
            Self::LeNet300 | Self::LeNet5 | Self::Mlp => [1, 64],
            Self::ResNet20 | Self::ResNet44 | Self::Transformer => [1, 16],
        }
    }

    /// The shape of an input.
    pub fn shape(self, batch: usize) -> Vec<usize> {
        match self {
            Self::LeNet300 => vec![batch, 784],
            Self::LeNet5 => vec![batch, 1, 28, 28],
            Self::Mlp => vec![batch, 1024],
            Self::ResNet20 | Self::ResNet44 => vec![batch, 3, 32, 32],
            Self::Transformer => vec![batch, 64, 256],
        }
    }

    /// The model with weights as Burn draws them.
    pub fn net(self, device: &Device) -> Net {
        match self {
            Self::LeNet300 => Net::Perceptron(Perceptron::new(&[784, 300, 100, 10], device)),
            Self::Mlp => Net::Perceptron(Perceptron::new(&[1024; 5], device)),
            Self::LeNet5 => Net::LeNet5(LeNet5::new(device)),
            Self::ResNet20 => Net::ResNet(ResNet::new(20, device)),
            Self::ResNet44 => Net::ResNet(ResNet::new(44, device)),
            Self::Transformer => {
                let config = TransformerEncoderConfig::new(256, 1024, 4, 4);
                Net::Transformer(config.init(device))
            }
        }
    }
}

impl fmt::Display for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Model {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let mut all = Self::ALL.into_iter();
        let found = all.find(|model| model.name() == name);
        found.ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            format!("there is no model `{name}`; there are {names}")
        })
    }
}

/// Any of the models.
#[derive(Module, Debug)]
#[allow(clippy::large_enum_variant)]
pub enum Net {
    Perceptron(Perceptron),
    LeNet5(LeNet5),
    ResNet(ResNet),
    Transformer(TransformerEncoder),
}

impl Net {
    /// From an input of [`Model::shape`], flattened behind the batch.
    pub fn forward(&self, x: Input) -> Tensor<2> {
        match (self, x) {
            (Self::Perceptron(net), Input::Rows(x)) => net.forward(x),
            (Self::LeNet5(net), Input::Images(x)) => net.forward(x),
            (Self::ResNet(net), Input::Images(x)) => net.forward(x),
            (Self::Transformer(net), Input::Tokens(x)) => {
                net.forward(TransformerEncoderInput::new(x)).flatten(0, 1)
            }
            (_, x) => x.rows(),
        }
    }
}

/// What a model is given.
#[derive(Clone, Debug)]
pub enum Input {
    Rows(Tensor<2>),
    Images(Tensor<4>),
    Tokens(Tensor<3>),
}

impl Input {
    /// Random numbers.
    pub fn random(model: Model, batch: usize, device: &Device) -> Self {
        let normal = Distribution::Normal(0.0, 1.0);
        match *model.shape(batch) {
            [a, b] => Self::Rows(Tensor::random([a, b], normal, device)),
            [a, b, c] => Self::Tokens(Tensor::random([a, b, c], normal, device)),
            [a, b, c, d] => Self::Images(Tensor::random([a, b, c, d], normal, device)),
            _ => unreachable!("models have inputs of two to four dimensions"),
        }
    }

    fn rows(self) -> Tensor<2> {
        match self {
            Self::Rows(x) => x,
            Self::Tokens(x) => x.flatten(0, 1),
            Self::Images(x) => x.flatten(1, 3),
        }
    }
}

/// Linear layers with ReLU between.
#[derive(Module, Debug)]
pub struct Perceptron {
    layers: Vec<Linear>,
}

impl Perceptron {
    fn new(sizes: &[usize], device: &Device) -> Self {
        let pairs = sizes.windows(2);
        let layers = pairs.map(|pair| LinearConfig::new(pair[0], pair[1]).init(device));
        Self {
            layers: layers.collect(),
        }
    }

    fn forward(&self, mut x: Tensor<2>) -> Tensor<2> {
        for (at, layer) in self.layers.iter().enumerate() {
            x = layer.forward(x);
            if at + 1 < self.layers.len() {
                x = relu(x);
            }
        }
        x
    }
}

/// Caffe's LeNet-5, 20-50-500-10.
#[derive(Module, Debug)]
pub struct LeNet5 {
    conv1: Conv2d,
    conv2: Conv2d,
    pool: MaxPool2d,
    fc1: Linear,
    fc2: Linear,
}

impl LeNet5 {
    fn new(device: &Device) -> Self {
        Self {
            conv1: Conv2dConfig::new([1, 20], [5, 5]).init(device),
            conv2: Conv2dConfig::new([20, 50], [5, 5]).init(device),
            pool: MaxPool2dConfig::new([2, 2]).with_strides([2, 2]).init(),
            fc1: LinearConfig::new(800, 500).init(device),
            fc2: LinearConfig::new(500, 10).init(device),
        }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<2> {
        let x = self.pool.forward(self.conv1.forward(x));
        let x = self.pool.forward(self.conv2.forward(x));
        self.fc2.forward(relu(self.fc1.forward(x.flatten(1, 3))))
    }
}

/// Two convolutions beside a shortcut.
#[derive(Module, Debug)]
pub struct Block {
    conv1: Conv2d,
    bn1: BatchNorm,
    conv2: Conv2d,
    bn2: BatchNorm,
    halves: bool,
}

impl Block {
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

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let y = relu(self.bn1.forward(self.conv1.forward(x.clone())));
        let y = self.bn2.forward(self.conv2.forward(y));
        let shortcut = if self.halves {
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

/// The residual nets for CIFAR-10 (He, Zhang, Ren, Sun 2016), shortcuts of option A; fields named
/// as in the pretrained files.
#[derive(Module, Debug)]
pub struct ResNet {
    conv1: Conv2d,
    bn1: BatchNorm,
    layer1: Vec<Block>,
    layer2: Vec<Block>,
    layer3: Vec<Block>,
    pool: AdaptiveAvgPool2d,
    linear: Linear,
}

impl ResNet {
    fn new(depth: usize, device: &Device) -> Self {
        let blocks = (depth - 2) / 6;
        let layer = |from, to| {
            let first = Block::new(from, to, device);
            let rest = (1..blocks).map(|_| Block::new(to, to, device));
            std::iter::once(first).chain(rest).collect()
        };
        Self {
            conv1: conv3x3(3, 16, 1, device),
            bn1: BatchNormConfig::new(16).init(device),
            layer1: layer(16, 16),
            layer2: layer(16, 32),
            layer3: layer(32, 64),
            pool: AdaptiveAvgPool2dConfig::new([1, 1]).init(),
            linear: LinearConfig::new(64, 10).init(device),
        }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<2> {
        let x = relu(self.bn1.forward(self.conv1.forward(x)));
        let blocks = self.layer1.iter().chain(&self.layer2).chain(&self.layer3);
        let x = blocks.fold(x, |x, block| block.forward(x));
        self.linear.forward(self.pool.forward(x).flatten(1, 3))
    }
}

fn conv3x3(from: usize, to: usize, stride: usize, device: &Device) -> Conv2d {
    Conv2dConfig::new([from, to], [3, 3])
        .with_stride([stride, stride])
        .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1))
        .with_bias(false)
        .init(device)
}
