//! What an attention attends from and to.

use burn::tensor::{Bool, Tensor};

/// Input of a [`GroupedQueryAttention`](super::GroupedQueryAttention), made as Burn's `MhaInput` is.
#[derive(Debug, Clone)]
pub struct AttentionInput {
    pub(super) query: Tensor<3>,
    pub(super) key: Tensor<3>,
    pub(super) value: Tensor<3>,
    pub(super) mask_pad: Option<Tensor<2, Bool>>,
    pub(super) mask_attn: Option<Tensor<3, Bool>>,
}

impl AttentionInput {
    /// Query, key and value are one tensor, `[batch_size, seq_length, d_model]`.
    pub fn self_attn(tensor: Tensor<3>) -> Self {
        Self::new(tensor.clone(), tensor.clone(), tensor)
    }

    /// Key and value are one tensor: query `[batch_size, seq_length_1, d_model]`, context
    /// `[batch_size, seq_length_2, d_key]`.
    pub fn cross_attn(query: Tensor<3>, context: Tensor<3>) -> Self {
        Self::new(query, context.clone(), context)
    }

    /// Query `[batch_size, seq_length_1, d_model]`, key `[batch_size, seq_length_2, d_key]`, value
    /// `[batch_size, seq_length_2, d_value]`.
    pub fn new(query: Tensor<3>, key: Tensor<3>, value: Tensor<3>) -> Self {
        Self {
            query,
            key,
            value,
            mask_pad: None,
            mask_attn: None,
        }
    }

    /// Keys that nothing attends to: `true` hides one, `[batch_size, seq_length_2]`.
    pub fn mask_pad(mut self, mask_pad: Tensor<2, Bool>) -> Self {
        self.mask_pad = Some(mask_pad);
        self
    }

    /// Keys that a query does not attend to: `true` hides one, `[batch_size, seq_length_1,
    /// seq_length_2]`.
    pub fn mask_attn(mut self, mask_attn: Tensor<3, Bool>) -> Self {
        self.mask_attn = Some(mask_attn);
        self
    }
}
