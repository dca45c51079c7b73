//! An attention whose heads can go.
//!
//! Burn's `MultiHeadAttention` gives its output the width of the query, so its heads can go only
//! together with the whole stream; `CrossAttention` keeps its fields to itself.
//! [`GroupedQueryAttention`] stands in for both: query heads, groups of keys and values, the width of
//! a head and the width of the stream are sizes of their own, and weights are taken over from Burn's
//! layers.
//!
//! ```
//! use burn::nn::attention::{MhaInput, MultiHeadAttentionConfig};
//! use burn::tensor::{Device, Distribution, Tensor};
//! use secateur_structure::attention::{AttentionInput, GroupedQueryAttention};
//!
//! let device = Device::flex();
//! let burns = MultiHeadAttentionConfig::new(16, 4).init(&device);
//! let x = Tensor::random([1, 3, 16], Distribution::Default, &device);
//! let expected = burns.forward(MhaInput::self_attn(x.clone())).context;
//!
//! let attention = GroupedQueryAttention::from_multi_head(burns)?;
//! let context = attention.forward(AttentionInput::self_attn(x)).context;
//! context.into_data().assert_approx_eq::<f32>(&expected.into_data(), Default::default());
//! # Ok::<(), secateur_structure::attention::AttentionError>(())
//! ```

mod cache;
mod config;
mod convert;
mod error;
mod input;
mod parameters;

pub use cache::AttentionCache;
pub use config::GroupedQueryAttentionConfig;
pub use error::AttentionError;
pub use input::AttentionInput;

use burn::module::Module;
use burn::nn::attention::MhaOutput;
use burn::nn::{Dropout, Linear};
use burn::tensor::activation::{quiet_softmax, softmax};
use burn::tensor::{Bool, Tensor};
use secateur_core::layers::{LayerWalk, Prunable, Side, SizeOf};

/// Attention with `n_heads` query heads that share `n_heads_kv` heads of keys and values.
///
/// Query heads come in groups of `n_heads / n_heads_kv` neighbours, each group with a head of keys
/// and values of its own. With `n_heads_kv = n_heads` this is multi-head attention (Vaswani et al.
/// 2017, <https://arxiv.org/abs/1706.03762>), with `n_heads_kv = 1` multi-query attention (Shazeer
/// 2019, <https://arxiv.org/abs/1911.02150>), between the two grouped-query attention (Ainslie et al.
/// 2023, <https://arxiv.org/abs/2305.13245>):
///
/// ```text
/// context of head h = dropout(softmax(scale · Q_h K_gᵀ)) V_g,   g = h / (n_heads / n_heads_kv)
/// ```
///
/// The widths of the inputs and of the output are those of the weights. Whoever slices a weight sets
/// the sizes below to match; [`check`](Self::check) says what does not fit. Made by
/// [`GroupedQueryAttentionConfig`], or from a layer of Burn.
#[derive(Module, Debug)]
pub struct GroupedQueryAttention {
    /// To the queries, weight `[d_model, n_heads * d_qk]`.
    pub query: Linear,
    /// To the keys, weight `[d_key, n_heads_kv * d_qk]`.
    pub key: Linear,
    /// To the values, weight `[d_value, n_heads_kv * d_v]`.
    pub value: Linear,
    /// From the heads' contexts, weight `[n_heads * d_v, d_output]`.
    pub output: Linear,
    /// Acts on the attention weights.
    pub dropout: Dropout,
    /// Number of query heads, a multiple of `n_heads_kv`.
    pub n_heads: usize,
    /// Number of heads of keys and values.
    pub n_heads_kv: usize,
    /// Width of one head of queries and keys.
    pub d_qk: usize,
    /// Width of one head of values.
    pub d_v: usize,
    /// What scores are multiplied by, `1 / sqrt(d_qk)` of the layer as it was made. It stays when
    /// heads get narrower, so that taking out what was zero changes nothing.
    pub scale: f64,
    /// What masked scores are set to before the softmax.
    pub min_float: f64,
    /// Whether a query may attend to nothing.
    pub quiet_softmax: bool,
}

impl Prunable for GroupedQueryAttention {
    fn collect_layers<'a>(&'a mut self, walk: &mut LayerWalk<'a>) {
        let Self {
            query,
            key,
            value,
            output,
            dropout,
            n_heads,
            n_heads_kv,
            d_qk,
            d_v,
            scale: _,
            min_float: _,
            quiet_softmax: _,
        } = self;
        walk.field("query", query);
        walk.field("key", key);
        walk.field("value", value);
        walk.field("output", output);
        walk.field("dropout", dropout);
        // As `forward` splits what comes out: queries into (group, head of the group, width), keys
        // and values into (group, width).
        let out = |layer: &str| SizeOf::new(layer, Side::Out);
        walk.size("n_heads", n_heads, out("query").with_factors(0..2));
        walk.size("n_heads_kv", n_heads_kv, out("key").with_factors(0..1));
        walk.size("d_qk", d_qk, out("key").with_factors(1..2));
        walk.size("d_v", d_v, out("value").with_factors(1..2));
    }
}

impl GroupedQueryAttention {
    /// Attends from `input`'s queries to its keys and values.
    ///
    /// # Shapes
    ///
    /// - query: `[batch_size, seq_length_1, d_model]`
    /// - key: `[batch_size, seq_length_2, d_key]`
    /// - value: `[batch_size, seq_length_2, d_value]`
    /// - weights: `[batch_size, n_heads, seq_length_1, seq_length_2]`
    /// - context: `[batch_size, seq_length_1, d_output]`
    ///
    /// # Panics
    ///
    /// As Burn's layers do, if an input does not have these shapes, and if the sizes do not fit the
    /// weights ([`check`](Self::check)).
    pub fn forward(&self, input: AttentionInput) -> MhaOutput {
        let query = self.queries(input.query);
        let key = self.keys(input.key);
        let value = self.values(input.value);
        let weights = self.weights(query, key, input.mask_pad, input.mask_attn);
        let context = self.output.forward(Self::contexts(&weights, value));
        MhaOutput {
            weights: self.by_head(weights),
            context,
        }
    }

    /// Attends as [`forward`](Self::forward) does, computing only what `cache` does not hold yet.
    ///
    /// `input` is the whole sequence so far. The first call computes all of it, each later call only
    /// what its last token adds; the output covers the whole sequence again.
    ///
    /// # Shapes
    ///
    /// As for [`forward`](Self::forward).
    ///
    /// # Panics
    ///
    /// As for [`forward`](Self::forward), if the sequence is empty, and if the cache holds another
    /// batch.
    pub fn forward_cache(&self, input: AttentionInput, cache: &mut AttentionCache) -> MhaOutput {
        let query = cache.query.forward(input.query, |x| self.queries(x));
        let key = cache.key.forward(input.key, |x| self.keys(x));
        let value = cache.value.forward(input.value, |x| self.values(x));
        let weights = self.weights(query, key, input.mask_pad, input.mask_attn);
        let contexts = Self::contexts(&weights, value);
        let context = cache.output.forward(contexts, |x| self.output.forward(x));
        MhaOutput {
            weights: self.by_head(weights),
            context,
        }
    }

    /// `[batch_size, seq_length, d_model]` to `[batch_size, n_heads_kv, heads of a group, seq_length, d_qk]`.
    fn queries(&self, x: Tensor<3>) -> Tensor<5> {
        let [batch_size, seq_length, _] = x.dims();
        let (groups, heads) = (self.n_heads_kv, self.n_heads / self.n_heads_kv);
        self.query
            .forward(x)
            .reshape([batch_size, seq_length, groups, heads, self.d_qk])
            .permute([0, 2, 3, 1, 4])
    }

    /// `[batch_size, seq_length, d_key]` to `[batch_size, n_heads_kv, 1, seq_length, d_qk]`.
    fn keys(&self, x: Tensor<3>) -> Tensor<5> {
        split(self.key.forward(x), self.n_heads_kv, self.d_qk)
    }

    /// `[batch_size, seq_length, d_value]` to `[batch_size, n_heads_kv, 1, seq_length, d_v]`.
    fn values(&self, x: Tensor<3>) -> Tensor<5> {
        split(self.value.forward(x), self.n_heads_kv, self.d_v)
    }

    /// The attention weights, `[batch_size, n_heads_kv, heads of a group, seq_length_1, seq_length_2]`.
    fn weights(
        &self,
        query: Tensor<5>,
        key: Tensor<5>,
        mask_pad: Option<Tensor<2, Bool>>,
        mask_attn: Option<Tensor<3, Bool>>,
    ) -> Tensor<5> {
        // All heads of a group read the same keys: the product broadcasts them.
        let mut scores = query.matmul(key.transpose()).mul_scalar(self.scale);
        if let Some(mask) = mask_pad {
            let [batch_size, seq_length_2] = mask.dims();
            let mask = mask.reshape([batch_size, 1, 1, 1, seq_length_2]);
            scores = scores.mask_fill(mask, self.min_float);
        }
        if let Some(mask) = mask_attn {
            let [batch_size, seq_length_1, seq_length_2] = mask.dims();
            let mask = mask.reshape([batch_size, 1, 1, seq_length_1, seq_length_2]);
            scores = scores.mask_fill(mask, self.min_float);
        }
        let weights = if self.quiet_softmax {
            quiet_softmax(scores, 4)
        } else {
            softmax(scores, 4)
        };
        self.dropout.forward(weights)
    }

    /// The heads' contexts side by side, `[batch_size, seq_length_1, n_heads * d_v]`.
    fn contexts(weights: &Tensor<5>, value: Tensor<5>) -> Tensor<3> {
        let contexts = weights.clone().matmul(value);
        let [batch_size, groups, heads, seq_length, width] = contexts.dims();
        contexts
            .permute([0, 3, 1, 2, 4])
            .reshape([batch_size, seq_length, groups * heads * width])
    }

    /// `[batch_size, n_heads_kv, heads of a group, ..]` to `[batch_size, n_heads, ..]`.
    fn by_head(&self, weights: Tensor<5>) -> Tensor<4> {
        let [batch_size, _, _, seq_length_1, seq_length_2] = weights.dims();
        weights.reshape([batch_size, self.n_heads, seq_length_1, seq_length_2])
    }
}

/// `[batch_size, seq_length, groups * width]` to `[batch_size, groups, 1, seq_length, width]`.
fn split(x: Tensor<3>, groups: usize, width: usize) -> Tensor<5> {
    let [batch_size, seq_length, _] = x.dims();
    x.reshape([batch_size, seq_length, groups, width])
        .swap_dims(1, 2)
        .unsqueeze_dim(2)
}
