//! Copying a tile's input, shifted and padded.

use std::ops::Range;

use pulp::{MemMask, Simd};

use crate::scratch::LINE;
use crate::vector::{load, store};

use super::plane::Plane;
use super::segments::Segment;

static LANES: [u32; LINE] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];

/// Lanes `range` of a vector.
#[inline(always)]
pub(crate) fn lanes_in<S: Simd>(simd: S, range: Range<usize>) -> MemMask<S::m32s> {
    // SAFETY: a vector has at most as many lanes as the table; `u32s` is plain data.
    let lanes = unsafe { LANES.as_ptr().cast::<S::u32s>().read_unaligned() };
    let from = simd.greater_than_or_equal_u32s(lanes, simd.splat_u32s(range.start as u32));
    let to = simd.less_than_u32s(lanes, simd.splat_u32s(range.end as u32));
    simd.and_m32s(from, to).into()
}

/// Writes the copies that a tile needs of the channels in `images` (one image after the other,
/// `[channels, height, width]`).
///
/// # Safety
///
/// `to` has room for `plane.channel` floats a channel, ours alone.
#[inline(always)]
pub(crate) unsafe fn copy_channels<S: Simd>(
    simd: S,
    plane: &Plane,
    tile: usize,
    images: &[f32],
    to: *mut f32,
) {
    let pixels = plane.input[0] * plane.input[1];
    for (channel, image) in images.chunks_exact(pixels).enumerate() {
        let to = to.wrapping_add(channel * plane.channel);
        for segment in plane.segments(tile) {
            // SAFETY: the plane made its segments for images of this size: the lanes seen lie in
            // the image, and a whole vector in the channel's copies.
            unsafe { copy_segment(simd, plane, segment, image.as_ptr(), to) };
        }
    }
}

/// `to[lane] = image[from + step * lane]` for the lanes that see a pixel, 0 for others.
///
/// # Safety
///
/// The lanes seen lie in the image, and there is room for a whole vector.
#[inline(always)]
unsafe fn copy_segment<S: Simd>(
    simd: S,
    plane: &Plane,
    segment: &Segment,
    image: *const f32,
    to: *mut f32,
) {
    let from = image.wrapping_offset(segment.from);
    let step = plane.stride[1];
    // SAFETY: the caller's promise; a masked load touches the lanes seen only, a segment's mask is
    // one of the plane's, and a vector has no more lanes than a mask or the array.
    unsafe {
        let v = if step == 1 {
            let mask = plane.masks.as_ptr().add(usize::from(segment.mask));
            let mask = mask.cast::<S::u32s>().read_unaligned();
            let seen = simd.greater_than_u32s(mask, simd.splat_u32s(0));
            simd.mask_load_ptr_f32s(seen.into(), from)
        } else {
            let mut lanes = [0.0_f32; LINE];
            if step == 2 && segment.lanes == [0, S::F32_LANES as u8] {
                // Of known length, for the compiler to make shuffles of it.
                for lane in 0..S::F32_LANES {
                    lanes[lane] = *from.add(2 * lane);
                }
            } else {
                for lane in usize::from(segment.lanes[0])..usize::from(segment.lanes[1]) {
                    lanes[lane] = *from.wrapping_add(lane * step);
                }
            }
            load::<S>(lanes.as_ptr())
        };
        store::<S>(to.add(segment.to as usize), v);
    }
}
