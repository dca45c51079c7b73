//! A layer of a model, lent with its type.

use std::any::Any;
use std::fmt;

use burn::nn::conv::{
    Conv1d, Conv2d, Conv3d, ConvTranspose1d, ConvTranspose2d, ConvTranspose3d, DeformConv2d,
};
use burn::nn::{BatchNorm, Embedding, GroupNorm, InstanceNorm, LayerNorm, Linear, PRelu, RmsNorm};

use super::{
    BidirectionalMut, FeedForwardMut, GruMut, LstmMut, MultiHeadAttentionMut, ParamSpec,
    PrunableLayer, RnnMut, TransformerLayerMut, TransformerMut, leaves,
};

/// A layer of a model, lent with its type.
///
/// A layer with parameters of its own is lent whole. A container is lent as its own settings, because
/// the layers inside it are listed too, under paths of their own: `lstm` is an [`LstmMut`], and
/// `lstm.input_gate.input_transform` is a [`Linear`].
#[derive(Debug)]
#[non_exhaustive]
pub enum LayerMut<'a> {
    /// A linear layer, weight `[d_input, d_output]`.
    Linear(&'a mut Linear),
    /// A convolution, weight `[channels_out, channels_in / groups, kernel]`.
    Conv1d(&'a mut Conv1d),
    /// A convolution, weight `[channels_out, channels_in / groups, kernel_1, kernel_2]`.
    Conv2d(&'a mut Conv2d),
    /// A convolution, weight `[channels_out, channels_in / groups, kernel_1, kernel_2, kernel_3]`.
    Conv3d(&'a mut Conv3d),
    /// A transposed convolution, weight `[channels_in, channels_out / groups, kernel]`.
    ConvTranspose1d(&'a mut ConvTranspose1d),
    /// A transposed convolution, weight `[channels_in, channels_out / groups, kernel_1, kernel_2]`.
    ConvTranspose2d(&'a mut ConvTranspose2d),
    /// A transposed convolution, weight
    /// `[channels_in, channels_out / groups, kernel_1, kernel_2, kernel_3]`.
    ConvTranspose3d(&'a mut ConvTranspose3d),
    /// A deformable convolution, weight `[channels_out, channels_in / groups, kernel_1, kernel_2]`.
    DeformConv2d(&'a mut DeformConv2d),
    /// An embedding, weight `[n_embedding, d_model]`.
    Embedding(&'a mut Embedding),
    /// A batch norm with running statistics, all `[num_features]`.
    BatchNorm(&'a mut BatchNorm),
    /// A group norm, scale and shift `[num_channels]` unless it is not affine.
    GroupNorm(&'a mut GroupNorm),
    /// An instance norm, scale and shift `[num_channels]` unless it is not affine.
    InstanceNorm(&'a mut InstanceNorm),
    /// A layer norm, scale and shift `[d_model]`.
    LayerNorm(&'a mut LayerNorm),
    /// A root-mean-square norm, scale `[d_model]`.
    RmsNorm(&'a mut RmsNorm),
    /// An activation with a learned slope for each channel, or one for all.
    PRelu(&'a mut PRelu),

    /// The settings of a multi-head attention; its layers are `query`, `key`, `value` and `output`.
    MultiHeadAttention(MultiHeadAttentionMut<'a>),
    /// A gated linear unit, without settings; its layers are `linear_inner` and `linear_outer`.
    SwiGlu,
    /// The settings of a feed-forward block; its layers are `linear_inner` and `linear_outer`.
    PositionWiseFeedForward(FeedForwardMut<'a>),
    /// The settings of a transformer encoder; its layers are `layers.0`, `layers.1` and so on.
    TransformerEncoder(TransformerMut<'a>),
    /// The settings of one layer of an encoder; its layers are `mha`, `pwff`, `norm_1` and `norm_2`.
    TransformerEncoderLayer(TransformerLayerMut<'a>),
    /// The settings of a transformer decoder; its layers are `layers.0`, `layers.1` and so on.
    TransformerDecoder(TransformerMut<'a>),
    /// The settings of one layer of a decoder; its layers are `cross_attn`, `self_attn`, `pwff` and
    /// `norm_1` to `norm_3`.
    TransformerDecoderLayer(TransformerLayerMut<'a>),
    /// A gate of a recurrent layer, without settings; its layers are `input_transform` and
    /// `hidden_transform`.
    GateController,
    /// The settings of a recurrent layer; its gate is `gate`.
    Rnn(RnnMut<'a>),
    /// The settings of a bidirectional recurrent layer; its layers are `forward` and `reverse`.
    BiRnn(BidirectionalMut<'a>),
    /// The settings of a GRU; its gates are `update_gate`, `reset_gate` and `new_gate`.
    Gru(GruMut<'a>),
    /// The settings of a bidirectional GRU; its layers are `forward` and `reverse`.
    BiGru(BidirectionalMut<'a>),
    /// The settings of an LSTM; its gates are `input_gate`, `forget_gate`, `output_gate` and
    /// `cell_gate`.
    Lstm(LstmMut<'a>),
    /// The settings of a bidirectional LSTM; its layers are `forward` and `reverse`.
    BiLstm(BidirectionalMut<'a>),

    /// A layer of the model's author; see [`downcast_mut`](Self::downcast_mut).
    Custom(&'a mut dyn PrunableLayer),
    /// A layer whose fields nobody outside can reach. Its parameters take masks like all others, but
    /// it cannot be made smaller.
    Opaque {
        /// The layer's type.
        type_name: &'static str,
        /// Why it is closed, and what to use instead.
        why: &'static str,
    },
}

impl LayerMut<'_> {
    /// Name of the layer's type, e.g. `Conv2d`.
    pub fn type_name(&self) -> &str {
        match self {
            Self::Linear(_) => "Linear",
            Self::Conv1d(_) => "Conv1d",
            Self::Conv2d(_) => "Conv2d",
            Self::Conv3d(_) => "Conv3d",
            Self::ConvTranspose1d(_) => "ConvTranspose1d",
            Self::ConvTranspose2d(_) => "ConvTranspose2d",
            Self::ConvTranspose3d(_) => "ConvTranspose3d",
            Self::DeformConv2d(_) => "DeformConv2d",
            Self::Embedding(_) => "Embedding",
            Self::BatchNorm(_) => "BatchNorm",
            Self::GroupNorm(_) => "GroupNorm",
            Self::InstanceNorm(_) => "InstanceNorm",
            Self::LayerNorm(_) => "LayerNorm",
            Self::RmsNorm(_) => "RmsNorm",
            Self::PRelu(_) => "PRelu",
            Self::MultiHeadAttention(_) => "MultiHeadAttention",
            Self::SwiGlu => "SwiGlu",
            Self::PositionWiseFeedForward(_) => "PositionWiseFeedForward",
            Self::TransformerEncoder(_) => "TransformerEncoder",
            Self::TransformerEncoderLayer(_) => "TransformerEncoderLayer",
            Self::TransformerDecoder(_) => "TransformerDecoder",
            Self::TransformerDecoderLayer(_) => "TransformerDecoderLayer",
            Self::GateController => "GateController",
            Self::Rnn(_) => "Rnn",
            Self::BiRnn(_) => "BiRnn",
            Self::Gru(_) => "Gru",
            Self::BiGru(_) => "BiGru",
            Self::Lstm(_) => "Lstm",
            Self::BiLstm(_) => "BiLstm",
            Self::Custom(layer) => layer.type_name(),
            Self::Opaque { type_name, .. } => type_name,
        }
    }

    /// The layer's own parameters, in Burn's order. Containers have none, and opaque layers tell of
    /// none.
    pub fn params(&self) -> Vec<ParamSpec> {
        leaves::params(self)
    }

    /// The layer as the type `L` of the model's author, or `None` if it is something else.
    pub fn downcast_mut<L: PrunableLayer>(&mut self) -> Option<&mut L> {
        match self {
            Self::Custom(layer) => {
                let layer: &mut dyn Any = &mut **layer;
                layer.downcast_mut()
            }
            _ => None,
        }
    }
}

impl fmt::Display for LayerMut<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.type_name())
    }
}
