//! The slow, obvious convolution in f64: what the kernels are tested against.

use crate::csr::Csr;
use crate::error::KernelError;

use super::geometry::ConvGeometry;

/// The convolution of `x`, `[batch, in, height, width]`, by its definition: `[batch, out, ..]`.
/// Only weights that are stored are multiplied; padding is zeros like any other.
///
/// # Errors
///
/// Where `geometry` contradicts itself or does not fit `image`.
pub fn convolve(
    weights: &Csr,
    geometry: &ConvGeometry,
    x: &[f32],
    batch: usize,
    [height, width]: [usize; 2],
) -> Result<Vec<f64>, KernelError> {
    let [out_height, out_width] = geometry.output([height, width])?;
    let [out, input] = geometry.channels();
    let [group_rows, group_channels] = geometry.group_channels();
    let [_, kernel_width] = geometry.kernel_size();
    let (stride, dilation) = (geometry.strides(), geometry.dilations());
    let padding = geometry.leading_padding();
    let mut y = Vec::with_capacity(batch * out * out_height * out_width);
    for image in 0..batch {
        for row in 0..out {
            let first = row / group_rows * group_channels;
            for down in 0..out_height {
                for across in 0..out_width {
                    let mut sum = 0.0;
                    for (column, weight) in weights.row(row) {
                        let (channel, tap) =
                            (first + column / geometry.taps(), column % geometry.taps());
                        let line = down * stride[0] + tap / kernel_width * dilation[0];
                        let place = across * stride[1] + tap % kernel_width * dilation[1];
                        let inside = line >= padding[0]
                            && line - padding[0] < height
                            && place >= padding[1]
                            && place - padding[1] < width;
                        let pixel = if inside {
                            let at = ((image * input + channel) * height + line - padding[0])
                                * width
                                + place
                                - padding[1];
                            f64::from(x[at])
                        } else {
                            0.0
                        };
                        sum += f64::from(weight) * pixel;
                    }
                    y.push(sum);
                }
            }
        }
    }
    Ok(y)
}
