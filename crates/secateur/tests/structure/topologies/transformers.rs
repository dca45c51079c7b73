//! Transformers, written out and Burn's own.

use burn::module::{Module, Param};
use burn::nn::attention::{MhaInput, MultiHeadAttention, MultiHeadAttentionConfig};
use burn::nn::transformer::{
    TransformerEncoder, TransformerEncoderConfig, TransformerEncoderInput,
};
use burn::nn::{LayerNorm, LayerNormConfig, Linear};
use burn::tensor::activation::{gelu, softmax};
use burn::tensor::{Bool, Device, Tensor};
use secateur::Prune;

use super::attention::{Projections, attend, join, split, width_of};
use super::check::{Topology, topologies};
use super::layers::{learned, linear, values};

/// Queries and keys turned by their place: the table of angles holds the width.
#[derive(Module, Prune, Debug)]
pub struct Rotary {
    pub attention: Projections,
    pub width: usize,
}

impl Rotary {
    fn turned(x: Tensor<4>) -> Tensor<4> {
        let [_, _, length, width] = x.dims();
        let device = x.device();
        let angles = |function: fn(f32) -> f32| {
            let places = (0..length * width).map(|at| {
                let (place, feature) = (at / width, at % width % (width / 2));
                function(place as f32 / 10.0_f32.powi(feature as i32))
            });
            let values: Vec<f32> = places.collect();
            let table = Tensor::<1>::from_floats(values.as_slice(), &device);
            table.reshape([1, 1, length, width])
        };
        let [first, second] = x.clone().chunk(2, 3).try_into().unwrap();
        let half = Tensor::cat(vec![second.neg(), first], 3);
        x * angles(f32::cos) + half * angles(f32::sin)
    }
}

impl Topology for Rotary {
    type Input = Tensor<3>;
    type Output = Tensor<3>;
    const FREE: &'static [&'static str] = &["attention.query.weight 3", "attention.value.weight 4"];

    fn new(device: &Device) -> Self {
        Self {
            attention: Projections::new(device, 5, [12, 12, 12]),
            width: 4,
        }
    }

    fn example(device: &Device) -> Tensor<3> {
        values(device, [2, 6, 5])
    }

    fn run(&self, x: Tensor<3>) -> Tensor<3> {
        let layers = &self.attention;
        let heads = width_of(&layers.query) / self.width;
        let [query, key, value] = [&layers.query, &layers.key, &layers.value]
            .map(|layer| split(layer.forward(x.clone()), heads));
        let y = attend(Self::turned(query), Self::turned(key), value, self.width);
        x + layers.output.forward(join(y))
    }
}

/// A small vision transformer, written out: a token of its own, places, a norm before each part,
/// a mask.
#[derive(Module, Prune, Debug)]
pub struct Written {
    pub stem: Linear,
    pub class: Param<Tensor<3>>,
    pub places: Param<Tensor<3>>,
    pub norm1: LayerNorm,
    pub attention: Projections,
    pub norm2: LayerNorm,
    pub up: Linear,
    pub down: Linear,
    pub last: Linear,
    pub width: usize,
}

impl Topology for Written {
    type Input = Tensor<3>;
    type Output = Tensor<2>;
    const FREE: &'static [&'static str] = &[
        "stem.weight 8",
        "attention.query.weight 3",
        "attention.query.weight 4",
        "attention.value.weight 4",
        "up.weight 9",
    ];
    const HELD: &'static [&'static str] = &["attention.query.weight 4"];
    const EXACT: bool = false;

    fn new(device: &Device) -> Self {
        Self {
            stem: linear(device, [5, 8]),
            class: learned(device, [1, 1, 8]),
            places: learned(device, [1, 10, 8]),
            norm1: LayerNormConfig::new(8).init(device),
            attention: Projections::new(device, 8, [12, 12, 12]),
            norm2: LayerNormConfig::new(8).init(device),
            up: linear(device, [8, 9]),
            down: linear(device, [9, 8]),
            last: linear(device, [8, 2]),
            width: 4,
        }
    }

    fn example(device: &Device) -> Tensor<3> {
        values(device, [2, 6, 5])
    }

    fn run(&self, x: Tensor<3>) -> Tensor<2> {
        let x = self.stem.forward(x);
        let [batch, length, _] = x.dims();
        let class = self.class.val().repeat_dim(0, batch);
        let x = Tensor::cat(vec![class, x], 1);
        let x = x + self.places.val().narrow(1, 0, length + 1);
        let layers = &self.attention;
        let heads = width_of(&layers.query) / self.width;
        let y = self.norm1.forward(x.clone());
        let [query, key, value] = [&layers.query, &layers.key, &layers.value]
            .map(|layer| split(layer.forward(y.clone()), heads));
        let scores = query.matmul(key.transpose()) / 2.0;
        let later = Tensor::<2, Bool>::tril_mask([length + 1, length + 1], 0, &x.device());
        let scores = scores.mask_fill(later.unsqueeze::<4>(), -1e4);
        let y = join(softmax(scores, 3).matmul(value));
        let x = x + layers.output.forward(y);
        let y = gelu(self.up.forward(self.norm2.forward(x.clone())));
        let x = x + self.down.forward(y);
        self.last.forward(x.narrow(1, 0, 1).squeeze_dim(1))
    }
}

/// Burn's own attention beside a layer that may shrink.
#[derive(Module, Prune, Debug)]
pub struct OfBurn {
    pub stem: Linear,
    pub inner: Linear,
    pub attention: MultiHeadAttention,
    pub last: Linear,
}

impl Topology for OfBurn {
    type Input = Tensor<3>;
    type Output = Tensor<3>;
    const FREE: &'static [&'static str] = &["stem.weight 6"];
    const EXACT: bool = false;

    fn new(device: &Device) -> Self {
        Self {
            stem: linear(device, [5, 6]),
            inner: linear(device, [6, 8]),
            attention: MultiHeadAttentionConfig::new(8, 2).init(device),
            last: linear(device, [8, 2]),
        }
    }

    fn example(device: &Device) -> Tensor<3> {
        values(device, [2, 5, 5])
    }

    fn run(&self, x: Tensor<3>) -> Tensor<3> {
        let x = self.inner.forward(gelu(self.stem.forward(x)));
        let y = self.attention.forward(MhaInput::self_attn(x.clone()));
        self.last.forward(x + y.context)
    }
}

/// Burn's own encoder: what lies between its two linear layers may go.
#[derive(Module, Prune, Debug)]
pub struct Encoder {
    pub encoder: TransformerEncoder,
    pub last: Linear,
}

impl Topology for Encoder {
    type Input = Tensor<3>;
    type Output = Tensor<3>;
    const FREE: &'static [&'static str] = &[
        "encoder.layers.0.pwff.linear_inner.weight 10",
        "encoder.layers.1.pwff.linear_inner.weight 10",
    ];
    const EXACT: bool = false;

    fn new(device: &Device) -> Self {
        Self {
            encoder: TransformerEncoderConfig::new(8, 10, 2, 2).init(device),
            last: linear(device, [8, 2]),
        }
    }

    fn example(device: &Device) -> Tensor<3> {
        values(device, [2, 5, 8])
    }

    fn run(&self, x: Tensor<3>) -> Tensor<3> {
        let x = self.encoder.forward(TransformerEncoderInput::new(x));
        self.last.forward(x)
    }
}

topologies! {
    rotary: Rotary,
    written: Written,
    of_burn: OfBurn,
    encoder: Encoder,
}
