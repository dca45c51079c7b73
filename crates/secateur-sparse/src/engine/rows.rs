//! Operations along the last dimension.

/// Each row of `scale.len()` less its mean, over its standard deviation, scaled and shifted; in
/// place (Ba, Kiros and Hinton 2016, equation 3).
pub(crate) fn layer_norm(y: &mut [f32], scale: &[f32], shift: Option<&[f32]>, epsilon: f32) {
    let width = scale.len();
    if width == 0 {
        return;
    }
    for row in y.chunks_exact_mut(width) {
        let mean = sum_of(row, |v| v) / width as f32;
        let variance = sum_of(row, |v| (v - mean) * (v - mean)) / width as f32;
        let factor = 1.0 / (variance + epsilon).sqrt();
        match shift {
            Some(shift) => {
                for ((v, &scale), &shift) in row.iter_mut().zip(scale).zip(shift) {
                    *v = (*v - mean) * factor * scale + shift;
                }
            }
            None => {
                for (v, &scale) in row.iter_mut().zip(scale) {
                    *v = (*v - mean) * factor * scale;
                }
            }
        }
    }
}

/// A sum in sixteen parts, which a compiler can keep in vectors.
fn sum_of(row: &[f32], f: impl Fn(f32) -> f32) -> f32 {
    let mut parts = [0.0; 16];
    let chunks = row.chunks_exact(16);
    let rest = chunks.remainder();
    for chunk in chunks {
        for (part, &v) in parts.iter_mut().zip(chunk) {
            *part += f(v);
        }
    }
    parts.iter().sum::<f32>() + rest.iter().map(|&v| f(v)).sum::<f32>()
}
