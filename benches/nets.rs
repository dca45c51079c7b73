//! Nets to measure.

use burn::{
    module::Module,
    nn::{
        Embedding, EmbeddingConfig, Linear, LinearConfig, Lstm, LstmConfig, PaddingConfig2d,
        conv::{Conv2d, Conv2dConfig},
        pool::{MaxPool2d, MaxPool2dConfig},
    },
    tensor::{Device, Distribution, Int, Tensor, TensorData, activation::relu},
};

/// A net with a loss of its own, so that all are trained by the same loop.
pub trait Trainable: Module {
    /// Name in tables.
    const NAME: &'static str;

    /// The net on the device.
    fn new(device: &Device) -> Self;

    /// The loss on a fixed batch of `batch` examples.
    fn loss(&self, batch: usize) -> Tensor<1>;
}

fn images(batch: usize, device: &Device) -> Tensor<3> {
    Tensor::random([batch, 28, 28], Distribution::Default, device)
}

/// 784-300-100-10.
#[derive(Module, Debug)]
pub struct LeNet300 {
    fc1: Linear,
    fc2: Linear,
    fc3: Linear,
}

impl Trainable for LeNet300 {
    const NAME: &'static str = "LeNet-300-100";

    fn new(device: &Device) -> Self {
        Self {
            fc1: LinearConfig::new(784, 300).init(device),
            fc2: LinearConfig::new(300, 100).init(device),
            fc3: LinearConfig::new(100, 10).init(device),
        }
    }

    fn loss(&self, batch: usize) -> Tensor<1> {
        let x = images(batch, &self.devices()[0]).flatten::<2>(1, 2);
        let x = relu(self.fc1.forward(x));
        let x = relu(self.fc2.forward(x));
        self.fc3.forward(x).powi_scalar(2).mean()
    }
}

/// Two convolutions and a head.
#[derive(Module, Debug)]
pub struct SmallConv {
    conv1: Conv2d,
    conv2: Conv2d,
    pool: MaxPool2d,
    head: Linear,
}

impl Trainable for SmallConv {
    const NAME: &'static str = "small conv net";

    fn new(device: &Device) -> Self {
        let conv = |from, to| {
            Conv2dConfig::new([from, to], [3, 3])
                .with_padding(PaddingConfig2d::Same)
                .init(device)
        };
        Self {
            conv1: conv(1, 16),
            conv2: conv(16, 32),
            pool: MaxPool2dConfig::new([2, 2]).with_strides([2, 2]).init(),
            head: LinearConfig::new(32 * 7 * 7, 10).init(device),
        }
    }

    fn loss(&self, batch: usize) -> Tensor<1> {
        let x = images(batch, &self.devices()[0]).unsqueeze_dim(1);
        let x = self.pool.forward(relu(self.conv1.forward(x)));
        let x = self.pool.forward(relu(self.conv2.forward(x)));
        self.head.forward(x.flatten::<2>(1, 3)).powi_scalar(2).mean()
    }
}

/// 28 rows of an image through an LSTM, whose mask is applied at every use.
#[derive(Module, Debug)]
pub struct RowLstm {
    lstm: Lstm,
    head: Linear,
}

impl Trainable for RowLstm {
    const NAME: &'static str = "LSTM-128, 28 steps";

    fn new(device: &Device) -> Self {
        Self {
            lstm: LstmConfig::new(28, 128, true).init(device),
            head: LinearConfig::new(128, 10).init(device),
        }
    }

    fn loss(&self, batch: usize) -> Tensor<1> {
        let x = images(batch, &self.devices()[0]);
        let (_, state) = self.lstm.forward(x, None);
        self.head.forward(state.hidden).powi_scalar(2).mean()
    }
}

/// A vocabulary of 20,000 words of which a batch uses few.
#[derive(Module, Debug)]
pub struct Words {
    embedding: Embedding,
    head: Linear,
}

impl Trainable for Words {
    const NAME: &'static str = "embedding 20,000 x 128";

    fn new(device: &Device) -> Self {
        Self {
            embedding: EmbeddingConfig::new(20_000, 128).init(device),
            head: LinearConfig::new(128, 10).init(device),
        }
    }

    fn loss(&self, batch: usize) -> Tensor<1> {
        let words: Vec<i64> = (0..batch * 16).map(|i| (i * 7919 % 20_000) as i64).collect();
        let words = TensorData::new(words, [batch, 16]);
        let words = Tensor::<2, Int>::from_data(words, &self.devices()[0]);
        let x = self.embedding.forward(words).mean_dim(1).flatten::<2>(1, 2);
        self.head.forward(x).powi_scalar(2).mean()
    }
}

/// A stack of square linears, to have many weights.
#[derive(Module, Debug)]
pub struct Stack {
    layers: Vec<Linear>,
}

impl Stack {
    /// About `weights` weights in layers of a million each.
    pub fn new(weights: usize, device: &Device) -> Self {
        let layer = || LinearConfig::new(1_000, 1_000).with_bias(false).init(device);
        Self {
            layers: (0..weights / 1_000_000).map(|_| layer()).collect(),
        }
    }

    /// One pass of Burn over all weights: the sum of their absolute values.
    pub fn absolute_sum(&self) -> f32 {
        let sums = self.layers.iter().map(|layer| layer.weight.val().abs().sum());
        sums.map(|sum| sum.into_scalar::<f32>()).sum()
    }
}
