//! How good a net is, and how much a layer's output has changed.

use burn::tensor::Device;
use secateur::graph::InputGram;
use secateur::params::ParamInfo;
use secateur::prelude::*;
use secateur::view::{Layout, View};
use secateur_examples::data::ColourSamples;
use secateur_examples::nets::ResNet;

/// Share of the images that the net names right, 0 to 1.
pub(crate) fn accuracy(net: &ResNet, images: &ColourSamples, device: &Device) -> f64 {
    let right = images.batches(100, device).map(|batch| {
        let guess = net.forward(batch.images).argmax(1).squeeze_dim::<1>(1);
        let right = guess.equal(batch.labels).int().sum();
        f64::from(right.into_scalar::<i32>())
    });
    right.sum::<f64>() / images.len().max(1) as f64
}

/// Standard error of a share that was measured on so many images.
pub(crate) fn standard_error(share: f64, images: usize) -> f64 {
    (share * (1.0 - share) / images.max(1) as f64).sqrt()
}

/// `‖WX - W'X‖² / ‖WX‖²` of a layer, from the second moments `XXᵀ` of its inputs: of each row of
/// weights `w` the squared norm of `wX` is `w XXᵀ wᵀ`.
pub(crate) fn relative_error(
    layer: &ParamInfo,
    before: &Weights,
    after: &Weights,
    moments: &[f64],
) -> f64 {
    let (before, after) = (rows(layer, before), rows(layer, after));
    let change: Vec<f64> = before.iter().zip(&after).map(|(a, b)| a - b).collect();
    let features = layer.shape[1] * layer.shape[2];
    match InputGram::matrix(moments, features, 0) {
        Some(matrix) => squared_norm(&change, &matrix) / squared_norm(&before, &matrix),
        None => f64::NAN,
    }
}

/// `Σ w XXᵀ wᵀ` over rows of weights `w`.
fn squared_norm(weights: &[f64], matrix: &[f64]) -> f64 {
    let features = matrix.len().isqrt().max(1);
    let row = |w: &[f64]| {
        let products = matrix.chunks_exact(features).zip(w);
        let products = products.filter(|(_, w)| **w != 0.0);
        products.map(|(line, &own)| own * dot(line, w)).sum::<f64>()
    };
    weights.chunks_exact(features).map(row).sum()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// The weights of a layer, `[out, in · kernel]`.
fn rows(layer: &ParamInfo, weights: &Weights) -> Vec<f64> {
    let Some(data) = weights.get(&layer.path) else {
        return Vec::new();
    };
    let layout = match layer.layer.as_str() {
        "Linear" => Layout::InOut { groups: 1 },
        _ => Layout::OutIn,
    };
    let dims: Vec<usize> = data.shape().iter().copied().collect();
    View::new(&dims, layout).into_view(data.iter::<f64>().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn norms_from_moments_by_hand() {
        // X has the rows (1, 2) and (3, -1): moments 10, -1, 5. Of w = (1, 2) the products are 5
        // and 1, of (0, 1) they are 2 and -1.
        let matrix = [10.0, -1.0, -1.0, 5.0];
        assert_eq!(squared_norm(&[1.0, 2.0, 0.0, 1.0], &matrix), 26.0 + 5.0);
    }

    #[test]
    fn the_standard_error_of_a_share() {
        // √(0.8 · 0.2 / 1600) = 0.4 / 40
        assert!((standard_error(0.8, 1600) - 0.01).abs() < 1e-12);
    }
}
