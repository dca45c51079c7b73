//! Turning and moving.

use crate::corruption::Size;

/// Around the centre, by `angle` in radians.
pub(super) fn rotate(image: &mut [f32], size: Size, angle: f32) {
    let (sin, cos) = angle.sin_cos();
    let centre = [
        (size.width as f32 - 1.0) / 2.0,
        (size.height as f32 - 1.0) / 2.0,
    ];
    warp(image, size, |x, y| {
        let (x, y) = (x - centre[0], y - centre[1]);
        [cos * x - sin * y + centre[0], sin * x + cos * y + centre[1]]
    });
}

/// By `dx` and `dy` pixels.
pub(super) fn translate(image: &mut [f32], size: Size, dx: f32, dy: f32) {
    warp(image, size, |x, y| [x + dx, y + dy]);
}

/// Every pixel from where `source` says, between four pixels, black outside.
fn warp(image: &mut [f32], size: Size, source: impl Fn(f32, f32) -> [f32; 2]) {
    let (height, width) = (size.height as i64, size.width as i64);
    for plane in image.chunks_exact_mut(size.height * size.width) {
        let before = plane.to_vec();
        let pixel = |x: i64, y: i64| match (0..width).contains(&x) && (0..height).contains(&y) {
            true => before[(y * width + x) as usize],
            false => 0.0,
        };
        for (at, value) in plane.iter_mut().enumerate() {
            let [x, y] = source((at % size.width) as f32, (at / size.width) as f32);
            let (left, top) = (x.floor(), y.floor());
            let (u, v) = (x - left, y - top);
            let (i, j) = (left as i64, top as i64);
            let upper = (1.0 - u) * pixel(i, j) + u * pixel(i + 1, j);
            let lower = (1.0 - u) * pixel(i, j + 1) + u * pixel(i + 1, j + 1);
            *value = (1.0 - v) * upper + v * lower;
        }
    }
}
