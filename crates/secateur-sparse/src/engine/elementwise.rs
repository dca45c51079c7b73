//! Operations on each element by itself.

use secateur_kernels::Activation;

use super::plan::{Binary, Unary};

impl Unary {
    /// Applies it to all of `y`, in place.
    pub(crate) fn apply(self, y: &mut [f32]) {
        match self {
            // NaN passes, as in Burn.
            Self::Relu => each(y, |v| if v < 0.0 { 0.0 } else { v }),
            Self::Gelu => each(y, |v| Activation::Gelu.of(v)),
            Self::Sigmoid => each(y, |v| 1.0 / (1.0 + (-v).exp())),
            Self::Tanh => each(y, f32::tanh),
            Self::Exp => each(y, f32::exp),
            Self::Sqrt => each(y, f32::sqrt),
            Self::LeakyRelu(slope) => each(y, |v| if v < 0.0 { slope * v } else { v }),
            Self::AtLeast(least) => each(y, |v| if v < least { least } else { v }),
            Self::AtMost(most) => each(y, |v| if v > most { most } else { v }),
            Self::Add(term) => each(y, |v| v + term),
            Self::Mul(factor) => each(y, |v| v * factor),
            Self::Div(divisor) => each(y, |v| v / divisor),
        }
    }
}

fn each(y: &mut [f32], f: impl Fn(f32) -> f32) {
    for v in y {
        *v = f(*v);
    }
}

impl Binary {
    /// `y = y op b`.
    pub(crate) fn apply(self, y: &mut [f32], b: &[f32]) {
        match self {
            Self::Add => both(y, b, |a, b| a + b),
            Self::Sub => both(y, b, |a, b| a - b),
            Self::Mul => both(y, b, |a, b| a * b),
            Self::Div => both(y, b, |a, b| a / b),
        }
    }
}

fn both(y: &mut [f32], b: &[f32], f: impl Fn(f32, f32) -> f32) {
    for (a, &b) in y.iter_mut().zip(b) {
        *a = f(*a, b);
    }
}

/// `y = y * scale + shift`, channel by channel; `y` is `[batch, channels, pixels]`.
pub(crate) fn affine(y: &mut [f32], scale: &[f32], shift: &[f32], pixels: usize) {
    let image = scale.len() * pixels;
    if image == 0 {
        return;
    }
    for image in y.chunks_exact_mut(image) {
        let channels = image.chunks_exact_mut(pixels);
        for (channel, (&scale, &shift)) in channels.zip(scale.iter().zip(shift)) {
            each(channel, |v| v * scale + shift);
        }
    }
}
