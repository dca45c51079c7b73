//! Token by token.

use burn::nn::attention::{MhaCache, MhaInput, generate_autoregressive_mask};
use burn::tensor::Device;
use secateur_structure::attention::{
    AttentionCache, AttentionInput, GroupedQueryAttention, GroupedQueryAttentionConfig,
};

use crate::{assert_close, burns, random};

#[test]
fn every_step_equals_burns() {
    let device = Device::flex();
    let mha = burns(12, 3, &device);
    let attention = GroupedQueryAttention::from_multi_head(mha.clone()).unwrap();
    let x = random([2, 5, 12], &device);
    let (mut theirs, mut ours) = (MhaCache::autoregressive(), AttentionCache::autoregressive());
    for tokens in 2..=5 {
        let so_far = x.clone().narrow(1, 0, tokens);
        let mask = generate_autoregressive_mask(2, tokens, &device);
        let input = MhaInput::self_attn(so_far.clone()).mask_attn(mask.clone());
        let theirs = mha.forward_cache(input, &mut theirs);
        let input = AttentionInput::self_attn(so_far).mask_attn(mask);
        let ours = attention.forward_cache(input, &mut ours);
        assert_close(ours.weights, theirs.weights);
        assert_close(ours.context, theirs.context);
    }
}

#[test]
fn every_step_across_equals_burns() {
    let device = Device::flex();
    let mha = burns(12, 3, &device);
    let attention = GroupedQueryAttention::from_multi_head(mha.clone()).unwrap();
    let (x, memory) = (random([2, 4, 12], &device), random([2, 6, 12], &device));
    let mut theirs = MhaCache::autoregressive_cross_attention();
    let mut ours = AttentionCache::autoregressive_cross_attention();
    for tokens in 1..=4 {
        let so_far = x.clone().narrow(1, 0, tokens);
        let input = MhaInput::new(so_far.clone(), memory.clone(), memory.clone());
        let theirs = mha.forward_cache(input, &mut theirs);
        let input = AttentionInput::cross_attn(so_far, memory.clone());
        let ours = attention.forward_cache(input, &mut ours);
        assert_close(ours.weights, theirs.weights);
        assert_close(ours.context, theirs.context);
    }
}

#[test]
fn groups_step_by_step_equal_the_whole_sequence() {
    let device = Device::flex();
    let attention = GroupedQueryAttentionConfig::new(8, 4)
        .with_n_heads_kv(Some(2))
        .with_d_v(Some(3))
        .init(&device)
        .unwrap();
    let x = random([2, 4, 8], &device);
    let causal = |tokens| {
        AttentionInput::self_attn(x.clone().narrow(1, 0, tokens))
            .mask_attn(generate_autoregressive_mask(2, tokens, &device))
    };
    let mut cache = AttentionCache::autoregressive();
    for tokens in 1..=4 {
        let stepped = attention.forward_cache(causal(tokens), &mut cache);
        assert_close(stepped.context, attention.forward(causal(tokens)).context);
    }
}
