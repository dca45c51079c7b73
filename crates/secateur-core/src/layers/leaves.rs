//! Burn's layers that have parameters of their own.

use burn::nn::attention::CrossAttention;
use burn::nn::conv::{
    Conv1d, Conv2d, Conv3d, ConvTranspose1d, ConvTranspose2d, ConvTranspose3d, DeformConv2d,
};
use burn::nn::{BatchNorm, Embedding, GroupNorm, InstanceNorm, LayerNorm, Linear, PRelu, RmsNorm};

use super::{LayerMut, LayerWalk, ParamSpec, Prunable};
use crate::params::Role;
use crate::view::Layout;

macro_rules! lent_whole {
    ($($layer:ident),* $(,)?) => {$(
        impl Prunable for $layer {
            fn collect_layers<'a>(&'a mut self, walk: &mut LayerWalk<'a>) {
                walk.layer(LayerMut::$layer(self));
            }
        }
    )*};
}

lent_whole!(
    Linear,
    Conv1d,
    Conv2d,
    Conv3d,
    ConvTranspose1d,
    ConvTranspose2d,
    ConvTranspose3d,
    DeformConv2d,
    Embedding,
    BatchNorm,
    GroupNorm,
    InstanceNorm,
    LayerNorm,
    RmsNorm,
    PRelu,
);

impl Prunable for CrossAttention {
    fn collect_layers<'a>(&'a mut self, walk: &mut LayerWalk<'a>) {
        walk.layer(LayerMut::Opaque {
            type_name: "CrossAttention",
            why: "its fields are private in Burn 0.22; use `GroupedQueryAttention` of \
                  `secateur-structure`, which takes over its weights, or a layer of your own that \
                  derives `Prune`",
        });
    }
}

/// What is known about the parameters of `layer`, in the order in which Burn visits them.
pub(super) fn params(layer: &LayerMut<'_>) -> Vec<ParamSpec> {
    let transposed = |groups| Layout::InOut { groups };
    match layer {
        LayerMut::Linear(layer) => weight_and_bias(transposed(1), layer.bias.is_some()),
        LayerMut::Conv1d(layer) => weight_and_bias(Layout::OutIn, layer.bias.is_some()),
        LayerMut::Conv2d(layer) => weight_and_bias(Layout::OutIn, layer.bias.is_some()),
        LayerMut::Conv3d(layer) => weight_and_bias(Layout::OutIn, layer.bias.is_some()),
        LayerMut::DeformConv2d(layer) => weight_and_bias(Layout::OutIn, layer.bias.is_some()),
        LayerMut::ConvTranspose1d(layer) => {
            weight_and_bias(transposed(layer.groups), layer.bias.is_some())
        }
        LayerMut::ConvTranspose2d(layer) => {
            weight_and_bias(transposed(layer.groups), layer.bias.is_some())
        }
        LayerMut::ConvTranspose3d(layer) => {
            weight_and_bias(transposed(layer.groups), layer.bias.is_some())
        }
        LayerMut::Embedding(_) => weight_and_bias(transposed(1), false),
        LayerMut::BatchNorm(_) => {
            let mut specs = scale_and_shift(true, true);
            specs.push(vector("running_mean", Role::RunningStatistic));
            specs.push(vector("running_var", Role::RunningStatistic));
            specs
        }
        LayerMut::GroupNorm(layer) => scale_and_shift(layer.gamma.is_some(), layer.beta.is_some()),
        LayerMut::InstanceNorm(layer) => {
            scale_and_shift(layer.gamma.is_some(), layer.beta.is_some())
        }
        LayerMut::LayerNorm(layer) => scale_and_shift(true, layer.beta.is_some()),
        LayerMut::RmsNorm(_) => scale_and_shift(true, false),
        LayerMut::PRelu(_) => vec![vector("alpha", Role::ActivationSlope)],
        LayerMut::Custom(layer) => layer.params(),
        LayerMut::Opaque { .. } => Vec::new(),

        // Containers: whatever they hold is a layer with a path of its own.
        LayerMut::MultiHeadAttention(_)
        | LayerMut::SwiGlu
        | LayerMut::PositionWiseFeedForward(_)
        | LayerMut::TransformerEncoder(_)
        | LayerMut::TransformerEncoderLayer(_)
        | LayerMut::TransformerDecoder(_)
        | LayerMut::TransformerDecoderLayer(_)
        | LayerMut::GateController
        | LayerMut::Rnn(_)
        | LayerMut::BiRnn(_)
        | LayerMut::Gru(_)
        | LayerMut::BiGru(_)
        | LayerMut::Lstm(_)
        | LayerMut::BiLstm(_) => Vec::new(),
    }
}

fn vector(name: &'static str, role: Role) -> ParamSpec {
    ParamSpec::new(name, role, Layout::OutIn)
}

fn weight_and_bias(layout: Layout, has_bias: bool) -> Vec<ParamSpec> {
    let mut specs = vec![ParamSpec::new("weight", Role::Weight, layout)];
    if has_bias {
        specs.push(vector("bias", Role::Bias));
    }
    specs
}

fn scale_and_shift(has_scale: bool, has_shift: bool) -> Vec<ParamSpec> {
    let mut specs = Vec::with_capacity(2);
    if has_scale {
        specs.push(vector("gamma", Role::NormScale));
    }
    if has_shift {
        specs.push(vector("beta", Role::NormShift));
    }
    specs
}
