//! Images of nothing, for what does not depend on what is seen.

use burn::prelude::*;

/// `count` images, `[count, rows, cols]`, of numbers in [0, 1) that follow no picture: to capture
/// and to time a net.
#[must_use]
pub fn pattern(count: usize, [rows, cols]: [usize; 2], device: &Device) -> Tensor<3> {
    let pixels: Vec<f32> = (0..count * rows * cols)
        .map(|at| (at * 7 % 255) as f32 / 255.0)
        .collect();
    Tensor::from_data(TensorData::new(pixels, [count, rows, cols]), device)
}
