//! Models that between them use what an engine does itself, what it joins, and what it leaves to
//! Burn.

use burn::module::Param;
use burn::nn::conv::{Conv1d, Conv1dConfig, Conv2d, Conv2dConfig};
use burn::nn::pool::{AdaptiveAvgPool2d, AdaptiveAvgPool2dConfig, MaxPool2d, MaxPool2dConfig};
use burn::nn::{
    BatchNorm, BatchNormConfig, Embedding, EmbeddingConfig, LayerNorm, LayerNormConfig, Linear,
    LinearConfig, PaddingConfig1d, PaddingConfig2d,
};
use burn::prelude::*;
use burn::tensor::activation::{log_softmax, relu, sigmoid};
use burn::tensor::{Distribution, s};
use secateur::prelude::*;

/// `model` without nine of ten weights.
pub fn pruned<M: Module>(mut model: M, sparsity: f64) -> M {
    let config = PrunerConfig::new().with_schedule(OneShot::new(sparsity));
    let mut pruner = config.init_module(&model).unwrap();
    pruner.prune(&mut model, 0).unwrap();
    model
}

/// The largest difference over the largest value.
pub fn difference<const D: usize>(a: Tensor<D>, b: Tensor<D>) -> f32 {
    let scale = b.clone().abs().max().into_scalar::<f32>().max(1e-6);
    (a - b).abs().max().into_scalar::<f32>() / scale
}

pub fn random<const D: usize>(shape: [usize; D]) -> Tensor<D> {
    Tensor::random(shape, Distribution::Normal(0.0, 1.0), &Device::flex())
}

/// Linear layers with a sigmoid between, and a log-softmax.
#[derive(Module, Debug)]
pub struct Mlp {
    pub layers: Vec<Linear>,
}

impl Mlp {
    pub fn new(sizes: &[usize]) -> Self {
        let pairs = sizes.windows(2);
        let layer = |pair: &[usize]| LinearConfig::new(pair[0], pair[1]).init(&Device::flex());
        Self {
            layers: pairs.map(layer).collect(),
        }
    }

    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let (last, layers) = self.layers.split_last().unwrap();
        let hidden = |x: Tensor<2>, layer: &Linear| sigmoid(relu(layer.forward(x)) + 0.5);
        let x = layers.iter().fold(x, hidden);
        log_softmax(last.forward(x), 1)
    }
}

/// Convolutions with norms, a residual block that halves the image, pooling and a head.
#[derive(Module, Debug)]
pub struct Residual {
    pub stem: Conv2d,
    pub stem_norm: BatchNorm,
    pub pool: MaxPool2d,
    pub conv1: Conv2d,
    pub norm1: BatchNorm,
    pub conv2: Conv2d,
    pub norm2: BatchNorm,
    pub mean: AdaptiveAvgPool2d,
    pub head: Linear,
}

impl Residual {
    pub fn new() -> Self {
        let device = &Device::flex();
        let same = PaddingConfig2d::Explicit(1, 1, 1, 1);
        let conv = |from, to, stride: usize| {
            Conv2dConfig::new([from, to], [3, 3])
                .with_stride([stride, stride])
                .with_padding(same.clone())
                .init(device)
        };
        let norm = |channels: usize, offset: f32| {
            let mut norm = BatchNormConfig::new(channels).init(device);
            let ramp = Tensor::<1, Int>::arange(0..channels as i64, device).float();
            norm.gamma = Param::from_tensor(ramp.clone() * 0.1 + 0.5);
            norm.beta = Param::from_tensor(ramp * -0.05 + offset);
            norm
        };
        Self {
            stem: conv(3, 8, 1),
            stem_norm: norm(8, 0.1),
            pool: MaxPool2dConfig::new([2, 2]).with_strides([2, 2]).init(),
            conv1: conv(8, 16, 2),
            norm1: norm(16, 0.0),
            conv2: conv(16, 16, 1),
            norm2: norm(16, 0.2),
            mean: AdaptiveAvgPool2dConfig::new([2, 1]).init(),
            head: LinearConfig::new(32, 10).init(device),
        }
    }

    pub fn forward(&self, x: Tensor<4>) -> Tensor<2> {
        let x = self
            .pool
            .forward(relu(self.stem_norm.forward(self.stem.forward(x))));
        let y = relu(self.norm1.forward(self.conv1.forward(x.clone())));
        let y = self.norm2.forward(self.conv2.forward(y));
        let x = x.slice_dim(2, s![..;2]).slice_dim(3, s![..;2]);
        let [batch, channels, height, width] = x.dims();
        let zeros = Tensor::zeros([batch, channels / 2, height, width], &x.device());
        let x = Tensor::cat(vec![zeros.clone(), x, zeros], 1);
        let y = self.mean.forward(relu(y + x));
        self.head.forward(y.flatten(1, 3))
    }
}

/// A convolution in one dimension after an embedding: indices in, two outputs.
#[derive(Module, Debug)]
pub struct Words {
    pub table: Embedding,
    pub conv: Conv1d,
    pub norm: LayerNorm,
    pub head: Linear,
}

impl Words {
    pub fn new() -> Self {
        let device = &Device::flex();
        Self {
            table: EmbeddingConfig::new(30, 16).init(device),
            conv: Conv1dConfig::new(16, 24, 3)
                .with_padding(PaddingConfig1d::Explicit(1, 1))
                .init(device),
            norm: LayerNormConfig::new(24).init(device),
            head: LinearConfig::new(24, 4).init(device),
        }
    }

    pub fn forward(&self, words: Tensor<2, Int>) -> (Tensor<3>, Tensor<2, Int>) {
        let x = self.table.forward(words).swap_dims(1, 2);
        let x = relu(self.conv.forward(x)).swap_dims(1, 2);
        let scores = self.head.forward(self.norm.forward(x));
        let best = scores.clone().argmax(2).squeeze_dim::<2>(2);
        (scores, best)
    }
}
