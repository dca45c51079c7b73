//! Contrast and brightness.

use crate::corruption::Size;

/// Every channel closer to its mean.
pub(super) fn contrast(image: &mut [f32], size: Size, factor: f32) {
    for plane in image.chunks_exact_mut(size.height * size.width) {
        let mean = plane.iter().sum::<f32>() / plane.len() as f32;
        plane
            .iter_mut()
            .for_each(|value| *value = (*value - mean) * factor + mean);
    }
}

/// The value of HSV, the largest channel, goes up and is cut off at 1; hue and saturation stay, so
/// all channels grow by the same factor. Black has neither and becomes grey.
pub(super) fn brightness(image: &mut [f32], size: Size, more: f32) {
    let pixels = size.height * size.width;
    for pixel in 0..pixels {
        let channels = (0..size.channels).map(|channel| channel * pixels + pixel);
        let value = channels
            .clone()
            .fold(0.0_f32, |most, at| most.max(image[at]));
        let brighter = (value + more).min(1.0);
        for at in channels {
            image[at] = if value > 0.0 {
                image[at] * brighter / value
            } else {
                brighter
            };
        }
    }
}
