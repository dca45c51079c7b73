//! Noise.

use crate::random::{Sample, Stream};

pub(super) fn gaussian(values: &mut [f32], deviation: f32, stream: &mut Stream) {
    for pair in values.chunks_mut(2) {
        let normals = stream.normals();
        pair.iter_mut()
            .zip(normals)
            .for_each(|(value, normal)| *value += deviation * normal);
    }
}

/// Counts of a Poisson process of mean `photons` at white.
pub(super) fn shot(values: &mut [f32], photons: f32, stream: &mut Stream) {
    for value in values {
        *value = stream.poisson(*value * photons) as f32 / photons;
    }
}

/// Each value is replaced with probability `share`, by 0 or 1 with even odds.
pub(super) fn impulse(values: &mut [f32], share: f32, stream: &mut Stream) {
    for value in values {
        if stream.uniform() < share {
            *value = f32::from(stream.sign() > 0.0);
        }
    }
}
