//! Burn's layers that are made of other layers.
//!
//! Each is listed as its settings, then the layers inside it under paths of their own. The impls name
//! every field of Burn's structs: a field that a later Burn adds fails to compile here and is not
//! overlooked.

use burn::nn::activation::Activation;
use burn::nn::attention::MultiHeadAttention;
use burn::nn::norm::Normalization;
use burn::nn::transformer::{
    PositionWiseFeedForward, TransformerDecoder, TransformerDecoderLayer, TransformerEncoder,
    TransformerEncoderLayer,
};
use burn::nn::{BiGru, BiLstm, BiRnn, GateController, Gru, Lstm, Rnn, SwiGlu};

use super::{LayerMut, LayerWalk, Prunable};

/// The settings of a [`MultiHeadAttention`]. Heads can go only together with the width of the query,
/// for `forward` gives its output that width.
#[derive(Debug)]
#[non_exhaustive]
pub struct MultiHeadAttentionMut<'a> {
    /// Width of the query and of the output.
    pub d_model: &'a mut usize,
    /// Number of heads.
    pub n_heads: &'a mut usize,
    /// Width of one head.
    pub d_k: &'a mut usize,
    /// What masked scores are set to before the softmax.
    pub min_float: &'a mut f64,
    /// Whether a query may attend to nothing.
    pub quiet_softmax: &'a mut bool,
}

/// The settings of a [`PositionWiseFeedForward`].
#[derive(Debug)]
#[non_exhaustive]
pub struct FeedForwardMut<'a> {
    /// Between the two linear layers. Burn keeps it out of records, so a layer inside it has no path.
    pub activation: &'a mut Activation,
}

/// The settings of a [`TransformerEncoder`] or [`TransformerDecoder`], which serve for display.
#[derive(Debug)]
#[non_exhaustive]
pub struct TransformerMut<'a> {
    /// Width of input and output.
    pub d_model: &'a mut usize,
    /// Width inside the feed-forward blocks.
    pub d_ff: &'a mut usize,
    /// Number of attention heads.
    pub n_heads: &'a mut usize,
    /// Number of layers.
    pub n_layers: &'a mut usize,
    /// Share of values dropped in training.
    pub dropout: &'a mut f64,
    /// Whether norms come before what they normalise.
    pub norm_first: &'a mut bool,
    /// Whether a query may attend to nothing.
    pub quiet_softmax: &'a mut bool,
}

/// The settings of a [`TransformerEncoderLayer`] or [`TransformerDecoderLayer`].
#[derive(Debug)]
#[non_exhaustive]
pub struct TransformerLayerMut<'a> {
    /// Whether norms come before what they normalise.
    pub norm_first: &'a mut bool,
}

/// The settings of an [`Rnn`].
#[derive(Debug)]
#[non_exhaustive]
pub struct RnnMut<'a> {
    /// Size of the hidden state.
    pub d_hidden: &'a mut usize,
    /// Whether input is `[batch, sequence, features]` and not `[sequence, batch, features]`.
    pub batch_first: &'a mut bool,
    /// Whether the sequence is read from its end.
    pub reverse: &'a mut bool,
    /// Bound on the state after each step.
    pub clip: &'a mut Option<f64>,
}

/// The settings of a [`Gru`].
#[derive(Debug)]
#[non_exhaustive]
pub struct GruMut<'a> {
    /// Size of the hidden state.
    pub d_hidden: &'a mut usize,
    /// Whether the reset gate acts after the hidden state's product.
    pub reset_after: &'a mut bool,
    /// Bound on the state after each step.
    pub clip: &'a mut Option<f64>,
}

/// The settings of an [`Lstm`].
#[derive(Debug)]
#[non_exhaustive]
pub struct LstmMut<'a> {
    /// Size of the hidden state.
    pub d_hidden: &'a mut usize,
    /// Whether input is `[batch, sequence, features]` and not `[sequence, batch, features]`.
    pub batch_first: &'a mut bool,
    /// Whether the sequence is read from its end.
    pub reverse: &'a mut bool,
    /// Bound on the cell after each step.
    pub clip: &'a mut Option<f64>,
    /// Whether the input gate serves as forget gate too, which is then absent.
    pub input_forget: &'a mut bool,
}

/// The settings of a [`BiRnn`], [`BiGru`] or [`BiLstm`].
#[derive(Debug)]
#[non_exhaustive]
pub struct BidirectionalMut<'a> {
    /// Size of the hidden state of one direction.
    pub d_hidden: &'a mut usize,
    /// Whether input is `[batch, sequence, features]` and not `[sequence, batch, features]`.
    pub batch_first: &'a mut bool,
}

/// `Layer as Variant(Settings { own fields }) with inner fields`, the latter in Burn's order.
macro_rules! container {
    ($layer:ident as $($settings:ident)::+ { $($own:ident),* } with $($inner:ident),+) => {
        container!(@impl $layer, LayerMut::$layer($($settings)::+ { $($own),* }), [$($own),*], [$($inner),+]);
    };
    ($layer:ident with $($inner:ident),+) => {
        container!(@impl $layer, LayerMut::$layer, [], [$($inner),+]);
    };
    (@impl $layer:ident, $listed:expr, [$($own:ident),*], [$($inner:ident),+]) => {
        impl Prunable for $layer {
            fn collect_layers<'a>(&'a mut self, walk: &mut LayerWalk<'a>) {
                let Self { $($own,)* $($inner,)+ } = self;
                walk.layer($listed);
                $(walk.field(stringify!($inner), $inner);)+
            }
        }
    };
}

container!(MultiHeadAttention as MultiHeadAttentionMut { d_model, n_heads, d_k, min_float, quiet_softmax }
    with query, key, value, output, dropout, activation);
container!(SwiGlu with linear_inner, linear_outer);
container!(PositionWiseFeedForward as FeedForwardMut { activation }
    with linear_inner, linear_outer, dropout);
container!(TransformerEncoder as TransformerMut {
        d_model, d_ff, n_heads, n_layers, dropout, norm_first, quiet_softmax
    } with layers);
container!(TransformerEncoderLayer as TransformerLayerMut { norm_first }
    with mha, pwff, norm_1, norm_2, dropout);
container!(TransformerDecoder as TransformerMut {
        d_model, d_ff, n_heads, n_layers, dropout, norm_first, quiet_softmax
    } with layers);
container!(TransformerDecoderLayer as TransformerLayerMut { norm_first }
    with cross_attn, self_attn, pwff, norm_1, norm_2, norm_3, dropout);
container!(GateController with input_transform, hidden_transform);
container!(Rnn as RnnMut { d_hidden, batch_first, reverse, clip } with gate, hidden_activation);
container!(BiRnn as BidirectionalMut { d_hidden, batch_first } with forward, reverse);
container!(Gru as GruMut { d_hidden, reset_after, clip }
    with update_gate, reset_gate, new_gate, gate_activation, hidden_activation);
container!(BiGru as BidirectionalMut { d_hidden, batch_first } with forward, reverse);
container!(Lstm as LstmMut { d_hidden, batch_first, reverse, clip, input_forget }
    with input_gate, forget_gate, output_gate, cell_gate,
    gate_activation, cell_activation, hidden_activation);
container!(BiLstm as BidirectionalMut { d_hidden, batch_first } with forward, reverse);

impl Prunable for Activation {
    fn collect_layers<'a>(&'a mut self, walk: &mut LayerWalk<'a>) {
        match self {
            Self::PRelu(layer) => walk.field("PRelu", layer),
            Self::SwiGlu(layer) => walk.field("SwiGlu", layer),
            // The others have no parameters; Burn keeps the list open.
            _ => {}
        }
    }
}

impl Prunable for Normalization {
    fn collect_layers<'a>(&'a mut self, walk: &mut LayerWalk<'a>) {
        match self {
            Self::Batch(layer) => walk.field("Batch", layer),
            Self::Group(layer) => walk.field("Group", layer),
            Self::Instance(layer) => walk.field("Instance", layer),
            Self::Layer(layer) => walk.field("Layer", layer),
            Self::Rms(layer) => walk.field("Rms", layer),
            // `Identity`; Burn keeps the list open.
            _ => {}
        }
    }
}
