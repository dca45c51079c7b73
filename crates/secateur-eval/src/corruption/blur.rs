//! Blurs.

use crate::corruption::Size;
use crate::random::{Sample, Stream};

/// A square kernel of odd side.
pub(super) struct Kernel {
    weights: Vec<f32>,
    reach: usize,
}

impl Kernel {
    /// A disk on the grid of pixels, its edge smoothed by a small Gaussian (3×3, or 5×5 for radii
    /// above 8), without the zeros around it.
    pub(super) fn disk(radius: f32, alias: f32) -> Self {
        let soft: i64 = if radius <= 8.0 { 1 } else { 2 };
        let reach = radius.floor() as i64 + soft;
        let taps: Vec<f32> = (-soft..=soft)
            .map(|i| (-(i * i) as f32 / (2.0 * alias * alias)).exp())
            .collect();
        let sum: f32 = taps.iter().sum();
        let inside = |x: i64, y: i64| f32::from((x * x + y * y) as f32 <= radius * radius);
        let mut weights = Vec::new();
        for y in -reach..=reach {
            for x in -reach..=reach {
                let mut weight = 0.0;
                for (i, a) in taps.iter().enumerate() {
                    for (j, b) in taps.iter().enumerate() {
                        weight += a * b * inside(x + j as i64 - soft, y + i as i64 - soft);
                    }
                }
                weights.push(weight / (sum * sum));
            }
        }
        // What is below f32's precision costs time, as denormal numbers very much of it.
        for weight in weights.iter_mut().filter(|weight| **weight < 1e-8) {
            *weight = 0.0;
        }
        let total: f32 = weights.iter().sum();
        weights.iter_mut().for_each(|weight| *weight /= total);
        Self {
            weights,
            reach: reach as usize,
        }
    }

    /// Correlates every channel with the kernel; outside the image it is mirrored at the centres
    /// of the edge pixels.
    pub(super) fn apply(&self, image: &mut [f32], size: Size) {
        let side = 2 * self.reach + 1;
        let (padded_height, padded_width) = (size.height + side - 1, size.width + side - 1);
        let mut padded = vec![0.0; padded_height * padded_width];
        for plane in image.chunks_exact_mut(size.height * size.width) {
            for (y, row) in padded.chunks_exact_mut(padded_width).enumerate() {
                let from = mirror(y as i64 - self.reach as i64, size.height) * size.width;
                for (x, value) in row.iter_mut().enumerate() {
                    *value = plane[from + mirror(x as i64 - self.reach as i64, size.width)];
                }
            }
            plane.fill(0.0);
            for (y, row) in plane.chunks_exact_mut(size.width).enumerate() {
                for (i, weights) in self.weights.chunks_exact(side).enumerate() {
                    let source = &padded[(y + i) * padded_width..][..padded_width];
                    for (j, &weight) in weights.iter().enumerate() {
                        if weight != 0.0 {
                            let shifted = &source[j..];
                            row.iter_mut()
                                .zip(shifted)
                                .for_each(|(to, from)| *to += weight * from);
                        }
                    }
                }
            }
        }
    }
}

/// 2 1 | 0 1 2 3 | 2 1
fn mirror(at: i64, size: usize) -> usize {
    let last = size as i64 - 1;
    if last == 0 {
        return 0;
    }
    let at = at.rem_euclid(2 * last);
    at.min(2 * last - at) as usize
}

/// A half Gaussian along a line, as ImageMagick's motion blur: offsets are rounded to whole pixels
/// and the edge is repeated outside.
pub(super) fn motion(image: &mut [f32], size: Size, radius: f32, sigma: f32, stream: &mut Stream) {
    let angle = stream.between(-45.0, 45.0).to_radians();
    let taps = 2 * radius.ceil() as usize + 1;
    let weights: Vec<f32> = (0..taps)
        .map(|i| (-((i * i) as f32) / (2.0 * sigma * sigma)).exp())
        .collect();
    let total: f32 = weights.iter().sum();
    let offsets: Vec<(i64, i64, f32)> = weights
        .iter()
        .enumerate()
        .map(|(i, weight)| {
            let whole = |length: f32| (i as f32 * length - 0.5).ceil() as i64;
            (whole(angle.cos()), whole(angle.sin()), weight / total)
        })
        .collect();
    let (height, width) = (size.height as i64, size.width as i64);
    for plane in image.chunks_exact_mut(size.height * size.width) {
        let before = plane.to_vec();
        for (y, row) in plane.chunks_exact_mut(size.width).enumerate() {
            row.fill(0.0);
            for &(dx, dy, weight) in &offsets {
                let from = (y as i64 + dy).clamp(0, height - 1) * width;
                for (x, value) in row.iter_mut().enumerate() {
                    let at = from + (x as i64 + dx).clamp(0, width - 1);
                    *value += weight * before[at as usize];
                }
            }
        }
    }
}
