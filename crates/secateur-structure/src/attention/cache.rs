//! What an attention keeps from one token to the next.

use burn::tensor::Tensor;

/// What a [`GroupedQueryAttention`](super::GroupedQueryAttention) computed for the tokens so far, for
/// inference token by token. Works as Burn's `MhaCache` does.
#[derive(Debug, Clone)]
pub struct AttentionCache {
    pub(super) query: Kept<5>,
    pub(super) key: Kept<5>,
    pub(super) value: Kept<5>,
    pub(super) output: Kept<3>,
}

impl AttentionCache {
    /// Empty, for self-attention: queries, keys, values and output grow by a token at a time.
    pub fn autoregressive() -> Self {
        Self {
            query: Kept::growing(3),
            key: Kept::growing(3),
            value: Kept::growing(3),
            output: Kept::growing(1),
        }
    }

    /// Empty, for cross-attention: keys and values are computed once, the rest grows.
    pub fn autoregressive_cross_attention() -> Self {
        Self {
            key: Kept::fixed(),
            value: Kept::fixed(),
            ..Self::autoregressive()
        }
    }
}

/// One result, `None` until it was computed.
#[derive(Debug, Clone)]
pub(super) struct Kept<const D: usize> {
    result: Option<Tensor<D>>,
    /// The dimension of `result` along which tokens are appended; `None` if all came at once.
    tokens: Option<usize>,
}

impl<const D: usize> Kept<D> {
    fn growing(tokens: usize) -> Self {
        Self {
            result: None,
            tokens: Some(tokens),
        }
    }

    fn fixed() -> Self {
        Self {
            result: None,
            tokens: None,
        }
    }

    /// The result for all of `x`, `[batch_size, seq_length, features]`, where `compute` is asked only
    /// for what is not kept: everything at first, then nothing or the last token.
    pub(super) fn forward(
        &mut self,
        x: Tensor<3>,
        compute: impl Fn(Tensor<3>) -> Tensor<D>,
    ) -> Tensor<D> {
        let result = match (self.result.take(), self.tokens) {
            (None, _) => compute(x),
            (Some(kept), None) => kept,
            (Some(kept), Some(tokens)) => {
                let last = x.dims()[1].saturating_sub(1);
                Tensor::cat(vec![kept, compute(x.narrow(1, last, 1))], tokens)
            }
        };
        self.result = Some(result.clone());
        result
    }
}
