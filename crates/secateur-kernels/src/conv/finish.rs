//! From a tile of sums to the rows of the output image, through the epilogue.

use pulp::Simd;

use crate::epilogue::Epilogue;
use crate::vector::{load, store};

use super::copies::lanes_in;
use super::plane::{Plane, Tile};

/// Writes the finished sums of one output channel over one tile.
///
/// # Safety
///
/// `sums` holds the tile's vectors and is readable for one vector more; `y[at..]` has room for
/// the channel's image, and the pixels of the tile are ours to write. A residual is of the length
/// of Y.
#[inline(always)]
pub(crate) unsafe fn finish_row<S: Simd>(
    simd: S,
    plane: &Plane,
    tile: Tile,
    sums: *const f32,
    y: *mut f32,
    at: usize,
    row: usize,
    epilogue: &Epilogue<'_>,
) {
    let [height, width] = plane.output;
    let first = tile.first;
    let end = first + tile.vectors * S::F32_LANES;
    if plane.pitch == width && plane.strip == width {
        let count = end.min(height * width) - first;
        // SAFETY: without gaps the tile's pixels follow each other in the image.
        unsafe { finish_pixels(simd, sums, y, at + first, count, row, epilogue) };
        return;
    }
    let mut line = first / plane.pitch;
    while line < height && line * plane.pitch < end {
        let start = (line * plane.pitch).max(first);
        let stop = (line * plane.pitch + tile.width).min(end);
        if start < stop {
            let to = at + line * width + tile.column + (start - line * plane.pitch);
            // SAFETY: pixels `start` to `stop` of the flat row are this tile's, and lie in this
            // line of the image.
            unsafe {
                finish_pixels(
                    simd,
                    sums.add(start - first),
                    y,
                    to,
                    stop - start,
                    row,
                    epilogue,
                );
            }
        }
        line += 1;
    }
}

/// `y[at..at + count] = activation(sums + bias[row] + residual[at..])`.
///
/// # Safety
///
/// `sums` is readable for `count` floats and a vector more, `y[at..at + count]` is ours to write,
/// and a residual has as many places as Y.
#[inline(always)]
pub(crate) unsafe fn finish_pixels<S: Simd>(
    simd: S,
    sums: *const f32,
    y: *mut f32,
    at: usize,
    count: usize,
    row: usize,
    epilogue: &Epilogue<'_>,
) {
    let bias = epilogue
        .bias_values()
        .map(|bias| simd.splat_f32s(bias[row]));
    let residual = epilogue
        .residual_values()
        .map(|residual| residual[at..at + count].as_ptr());
    let activation = epilogue.activation_kind();
    let mut done = 0;
    while done < count {
        let lanes = S::F32_LANES.min(count - done);
        // SAFETY: `done < count`; partial vectors are read and written through a mask, except
        // the sums, which may be read past their end.
        unsafe {
            let mut v = load::<S>(sums.add(done));
            if let Some(bias) = bias {
                v = simd.add_f32s(v, bias);
            }
            let out = y.add(at + done);
            if lanes == S::F32_LANES {
                if let Some(residual) = residual {
                    v = simd.add_f32s(v, load::<S>(residual.add(done)));
                }
                store::<S>(out, activation.of_vector(simd, v));
            } else {
                let mask = lanes_in(simd, 0..lanes);
                if let Some(residual) = residual {
                    v = simd.add_f32s(v, simd.mask_load_ptr_f32s(mask, residual.add(done)));
                }
                simd.mask_store_ptr_f32s(mask, out, activation.of_vector(simd, v));
            }
        }
        done += lanes;
    }
}
