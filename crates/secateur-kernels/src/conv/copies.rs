//! Copying a tile's input, shifted and padded.

use std::ops::Range;

use pulp::{MemMask, Simd};

use super::plane::{Copy, Plane};

static LANES: [u32; 16] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];

/// Lanes `range` of a vector.
#[inline(always)]
pub(crate) fn lanes_in<S: Simd>(simd: S, range: Range<usize>) -> MemMask<S::m32s> {
    // SAFETY: a vector has at most as many lanes as the table; `u32s` is plain data.
    let lanes = unsafe { LANES.as_ptr().cast::<S::u32s>().read_unaligned() };
    let from = simd.greater_than_or_equal_u32s(lanes, simd.splat_u32s(range.start as u32));
    let to = simd.less_than_u32s(lanes, simd.splat_u32s(range.end as u32));
    simd.and_m32s(from, to).into()
}

/// Writes the copies that the tile from flat pixel `first` on needs, of the channels in `images`
/// (one image after the other, `[channels, height, width]`).
///
/// # Safety
///
/// `to` has room for `plane.channel` floats a channel, ours alone.
#[inline(always)]
pub(crate) unsafe fn copy_channels<S: Simd>(
    simd: S,
    plane: &Plane,
    images: &[f32],
    first: usize,
    to: *mut f32,
) {
    let pixels = plane.input[0] * plane.input[1];
    let channels = images.len() / pixels;
    assert!(images.len() == channels * pixels);
    for copy in &plane.copies {
        // SAFETY: a copy lies within its channel.
        unsafe { copy_tile(simd, plane, copy, images, channels, first, to.add(copy.base)) };
    }
}

/// One copy of all channels.
///
/// # Safety
///
/// As [`copy_channels`], for `to` where the copy of the first channel begins.
#[inline(always)]
unsafe fn copy_tile<S: Simd>(
    simd: S,
    plane: &Plane,
    copy: &Copy,
    images: &[f32],
    channels: usize,
    first: usize,
    to: *mut f32,
) {
    let [height, width] = plane.input;
    let pixels = height * width;
    let step = plane.stride[1];
    let from = first + copy.shift;
    let mut row = from / plane.pitch;
    let mut column = from % plane.pitch;
    let mut at = 0;
    while at < copy.len {
        let run = (plane.pitch - column).min(copy.len - at);
        let y = (plane.stride[0] * row + copy.row)
            .checked_sub(plane.padding[0])
            .filter(|&y| y < height);
        let mut done = 0;
        while done < run {
            let lanes = S::F32_LANES.min(run - done);
            // SAFETY: this run is within the copy but for lanes of its last vector, which belong
            // to what is written next or to the room that the plane leaves after a copy.
            let to = unsafe { to.add(at + done) };
            // Lanes that see a pixel of the image: those whose column, less the padding, is one.
            let left = step * (column + done) + copy.column;
            let begin = plane.padding[1].saturating_sub(left).div_ceil(step);
            let end = (width + plane.padding[1])
                .saturating_sub(left)
                .div_ceil(step)
                .min(plane.columns.saturating_sub(column + done))
                .min(lanes);
            match y {
                Some(y) if begin < end => {
                    let at = (y * width + left).wrapping_sub(plane.padding[1]);
                    let from = images.as_ptr().wrapping_add(at);
                    // SAFETY: lanes `begin` to `end` of this row lie in the image of each
                    // channel.
                    unsafe {
                        copy_vector(
                            simd,
                            from,
                            pixels,
                            step,
                            begin..end,
                            channels,
                            to,
                            plane.channel,
                        );
                    }
                }
                _ => {
                    let zero = simd.splat_f32s(0.0);
                    for channel in 0..channels {
                        // SAFETY: as above.
                        unsafe {
                            crate::vector::store::<S>(to.add(channel * plane.channel), zero)
                        };
                    }
                }
            }
            done += lanes;
        }
        at += run;
        column = 0;
        row += 1;
    }
}

/// One vector of each channel: `to[lane] = from[step * lane]` for the lanes of `seen`, 0 for
/// others.
///
/// # Safety
///
/// The lanes seen are readable in each channel, `pixels` apart; `to` has room for a vector in
/// each channel, `stride` apart.
#[inline(always)]
unsafe fn copy_vector<S: Simd>(
    simd: S,
    from: *const f32,
    pixels: usize,
    step: usize,
    seen: Range<usize>,
    channels: usize,
    to: *mut f32,
    stride: usize,
) {
    if step == 1 {
        let mask = lanes_in(simd, seen);
        for channel in 0..channels {
            // SAFETY: a masked load touches the lanes seen only.
            unsafe {
                let v = simd.mask_load_ptr_f32s(mask, from.wrapping_add(channel * pixels));
                crate::vector::store::<S>(to.add(channel * stride), v);
            }
        }
        return;
    }
    for channel in 0..channels {
        let from = from.wrapping_add(channel * pixels);
        // SAFETY: as above; a vector has no more lanes than the array.
        unsafe {
            let mut lanes = [0.0_f32; 16];
            for lane in seen.clone() {
                lanes[lane] = *from.wrapping_add(lane * step);
            }
            let v = crate::vector::load::<S>(lanes.as_ptr());
            crate::vector::store::<S>(to.add(channel * stride), v);
        }
    }
}
