//! `GroupedQueryAttention` against Burn's attention layers and against itself before pruning.

mod cache;
mod capture;
mod config;
mod convert;
mod forward;
mod sizes;

use burn::nn::attention::{MultiHeadAttention, MultiHeadAttentionConfig};
use burn::tensor::{Bool, Device, Distribution, Tensor};

fn random<const D: usize>(shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::random(shape, Distribution::Normal(0.0, 1.0), device)
}

/// Without dropout, so that it can be compared on every device.
fn burns(d_model: usize, n_heads: usize, device: &Device) -> MultiHeadAttention {
    MultiHeadAttentionConfig::new(d_model, n_heads)
        .with_dropout(0.0)
        .init(device)
}

/// Hides the last `hidden` of `seq_length` keys.
fn padding(
    batch_size: usize,
    seq_length: usize,
    hidden: usize,
    device: &Device,
) -> Tensor<2, Bool> {
    let row: Vec<bool> = (0..seq_length)
        .map(|key| key >= seq_length - hidden)
        .collect();
    Tensor::<1, Bool>::from_data(vec![row; batch_size].concat().as_slice(), device)
        .reshape([batch_size, seq_length])
}

#[track_caller]
fn assert_close<const D: usize>(found: Tensor<D>, expected: Tensor<D>) {
    assert_eq!(found.dims(), expected.dims());
    let (found, expected) = (found.into_data(), expected.into_data());
    for (found, expected) in found.iter::<f32>().zip(expected.iter::<f32>()) {
        assert!(
            (found - expected).abs() <= 1e-6,
            "{found} is not {expected}"
        );
    }
}
