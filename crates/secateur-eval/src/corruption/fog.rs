//! Fog: a cloud from the diamond-square algorithm.

use crate::corruption::Size;
use crate::random::{Sample, Stream};

/// x ← (x + thickness · cloud) · m / (m + thickness), m the largest value of the image.
pub(super) fn fog(image: &mut [f32], size: Size, thickness: f32, decay: f32, stream: &mut Stream) {
    let side = size.height.max(size.width).next_power_of_two().max(2);
    let cloud = cloud(side, decay, stream);
    let most = image.iter().copied().fold(0.0, f32::max);
    for plane in image.chunks_exact_mut(size.height * size.width) {
        for (y, row) in plane.chunks_exact_mut(size.width).enumerate() {
            let above = &cloud[y * side..][..size.width];
            for (value, fog) in row.iter_mut().zip(above) {
                *value = (*value + thickness * fog) * most / (most + thickness);
            }
        }
    }
}

/// Heights from 0 to 1 on a torus of `side` × `side`, a power of two.
///
/// Squares and diamonds get the mean of their four corners and a random part, which shrinks by
/// `decay` from one size to the next. As in the authors' code the random part is the wobble times a
/// uniform number of plus or minus the wobble, so that it shrinks by `decay` squared.
fn cloud(side: usize, decay: f32, stream: &mut Stream) -> Vec<f32> {
    let mut map = vec![0.0_f32; side * side];
    let (mut step, mut wobble) = (side, 100.0_f32);
    let wrap = side - 1;
    while step >= 2 {
        let half = step / 2;
        let mut random = || wobble * stream.between(-wobble, wobble);
        for y in (0..side).step_by(step) {
            for x in (0..side).step_by(step) {
                let (below, right) = ((y + step) & wrap, (x + step) & wrap);
                let sum = map[y * side + x]
                    + map[below * side + x]
                    + map[y * side + right]
                    + map[below * side + right];
                map[(y + half) * side + x + half] = sum / 4.0 + random();
            }
        }
        for y in (0..side).step_by(step) {
            for x in (0..side).step_by(step) {
                let (below, right) = ((y + step) & wrap, (x + step) & wrap);
                let (above, left) = ((y + side - half) & wrap, (x + side - half) & wrap);
                let (corner, centre) = (map[y * side + x], map[(y + half) * side + x + half]);
                let top = corner + map[y * side + right] + centre + map[above * side + x + half];
                map[y * side + x + half] = top / 4.0 + random();
                let edge = corner + map[below * side + x] + centre + map[(y + half) * side + left];
                map[(y + half) * side + x] = edge / 4.0 + random();
            }
        }
        step = half;
        wobble /= decay;
    }
    let least = map.iter().copied().fold(f32::INFINITY, f32::min);
    let range = map.iter().copied().fold(f32::NEG_INFINITY, f32::max) - least;
    map.iter_mut()
        .for_each(|height| *height = (*height - least) / range.max(f32::MIN_POSITIVE));
    map
}
