//! The direct dense convolution: what a sparse form has to beat, and the right choice when it
//! cannot.
//!
//! Vectors hold output channels; each input pixel is broadcast and serves two vectors, up to
//! fourteen neighbouring pixels at a time.

use std::ops::Range;

use pulp::{Simd, WithSimd};

use crate::csr::Csr;
use crate::epilogue::Epilogue;
use crate::error::KernelError;
use crate::isa::Isa;
use crate::scratch::{LINE, Scratch};
use crate::slots::Slots;
use crate::threads::{SharedMut, Threads};
use crate::transpose::transpose_raw;
use crate::vector::{load, store};

use super::copies::copy_channels;
use super::finish::finish_pixels;
use super::geometry::ConvGeometry;
use super::plane::Plane;

/// Output channels stored side by side, whatever the instruction set.
const CHUNK: usize = 16;

/// Most output rows that one part of the work takes.
const ROWS: usize = 4;

/// The weights of a dense convolution.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ConvDense {
    geometry: ConvGeometry,
    /// By group, then chunk of output channels, input channel and tap: 16 weights, of channels
    /// that are not there 0.
    values: Vec<f32>,
    /// Which weights the mask keeps, in the order of the CSR matrix; empty where it keeps all.
    kept: Vec<bool>,
}

impl ConvDense {
    /// Packs `csr`, of the shape of `geometry`'s matrix, zeros included.
    pub(crate) fn pack(csr: &Csr, geometry: &ConvGeometry) -> Result<Self, KernelError> {
        let [rows, columns] = csr.shape();
        let [group_rows, _] = geometry.group_channels();
        let len = group_rows
            .next_multiple_of(CHUNK)
            .checked_mul(geometry.group_count())
            .and_then(|padded| padded.checked_mul(columns))
            .ok_or(KernelError::Overflow {
                what: "out channels x in channels x kernel",
            })?;
        let mut dense = Self {
            geometry: *geometry,
            values: vec![0.0; len],
            kept: Vec::new(),
        };
        if csr.nnz() < rows * columns {
            dense.kept = vec![false; rows * columns];
        }
        for row in 0..rows {
            for (column, value) in csr.row(row) {
                let slot = dense.slot(row, column);
                dense.values[slot] = value;
                if let Some(kept) = dense.kept.get_mut(row * columns + column) {
                    *kept = true;
                }
            }
        }
        Ok(dense)
    }

    /// Where the weight of an output channel stands.
    fn slot(&self, row: usize, column: usize) -> usize {
        let [group_rows, _] = self.geometry.group_channels();
        let [_, columns] = self.geometry.matrix_shape();
        let (group, member) = (row / group_rows, row % group_rows);
        let chunk = group * group_rows.div_ceil(CHUNK) + member / CHUNK;
        (chunk * columns + column) * CHUNK + member % CHUNK
    }

    /// `y = epilogue(conv(x))`. Lengths have been checked.
    pub(crate) fn convolve(
        &self,
        isa: Isa,
        x: &[f32],
        batch: usize,
        image: [usize; 2],
        y: &mut [f32],
        epilogue: &Epilogue<'_>,
        scratch: &mut Scratch,
    ) -> Result<(), KernelError> {
        let Scratch {
            threads,
            input,
            sums,
            conv,
            ..
        } = scratch;
        conv.plane
            .lay_out_whole(&self.geometry, image, isa.lanes())?;
        let plane = &conv.plane;
        let [_, channels] = self.geometry.channels();
        let pixels = image[0] * image[1];
        let copied = input.floats(channels * plane.channel);
        let padded = SharedMut::new(copied);
        let row_len = 2 * CHUNK * (plane.output[1].next_multiple_of(CHUNK) + CHUNK) * 2;
        let workers = match threads {
            Threads::One => 1,
            Threads::Rayon => rayon::current_num_threads() + 1,
        };
        let rows = SharedMut::new(sums.floats(row_len * workers));
        let [group_rows, _] = self.geometry.group_channels();
        let pairs = group_rows.div_ceil(2 * CHUNK);
        let blocks = pairs * self.geometry.group_count();
        let strips = plane.output[0].div_ceil(ROWS);
        let y = SharedMut::new(y);
        for sample in 0..batch {
            let image = &x[sample * channels * pixels..(sample + 1) * channels * pixels];
            // Eight channels a part: enough to share, few enough to balance.
            threads.for_each(channels.div_ceil(8), |part| {
                let range = part * 8..(part * 8 + 8).min(channels);
                isa.dispatch(CopyImages {
                    plane,
                    images: &image[range.start * pixels..range.end * pixels],
                    to: padded.at(range.start * plane.channel).get(),
                });
            });
            threads.for_each(blocks * strips, |part| {
                let (block, strip) = (part / strips, part % strips);
                let worker = rayon::current_thread_index().map_or(0, |index| index + 1) % workers;
                isa.dispatch(Strip {
                    dense: self,
                    plane,
                    padded: padded.get(),
                    group: block / pairs,
                    first: block % pairs * 2 * CHUNK,
                    lines: strip * ROWS..((strip + 1) * ROWS).min(plane.output[0]),
                    sums: rows.at(worker * row_len).get(),
                    y: y.get(),
                    sample,
                    epilogue,
                });
            });
        }
        Ok(())
    }
}

struct CopyImages<'a> {
    plane: &'a Plane,
    images: &'a [f32],
    to: *mut f32,
}

impl WithSimd for CopyImages<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        // SAFETY: the caller's buffer has `plane.channel` floats for each channel.
        unsafe { copy_channels(simd, self.plane, 0, self.images, self.to) };
    }
}

/// Some lines of the output image, for two chunks of output channels.
struct Strip<'a> {
    dense: &'a ConvDense,
    plane: &'a Plane,
    padded: *const f32,
    group: usize,
    /// First output channel within the group.
    first: usize,
    lines: Range<usize>,
    sums: *mut f32,
    y: *mut f32,
    sample: usize,
    epilogue: &'a Epilogue<'a>,
}

impl WithSimd for Strip<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let [group_rows, _] = self.dense.geometry.group_channels();
        let one = group_rows - self.first <= CHUNK;
        if S::F32_LANES == 16 {
            if one {
                self.run::<S, 1>(simd, 14);
            } else {
                self.run::<S, 2>(simd, 14);
            }
        } else if S::F32_LANES == 8 {
            self.run::<S, 2>(simd, 6);
        } else if S::F32_LANES == 4 {
            self.run::<S, 4>(simd, 6);
        } else {
            self.run::<S, 16>(simd, 1);
        }
    }
}

impl Strip<'_> {
    /// All lines with `V` vectors of channels and at most `most` pixels at a time.
    #[inline(always)]
    fn run<S: Simd, const V: usize>(&self, simd: S, most: usize) {
        let [group_rows, _] = self.dense.geometry.group_channels();
        let [out, _] = self.dense.geometry.channels();
        let [height, width] = self.plane.output;
        let end = (self.first + 2 * CHUNK).min(group_rows);
        let channels = V * S::F32_LANES;
        // Tiles of about equal width; the last steps back to be as wide as the others.
        let tiles = width.div_ceil(most);
        let tile = width.div_ceil(tiles);
        let padded_width = width.next_multiple_of(CHUNK);
        for line in self.lines.clone() {
            for first in (self.first..end).step_by(channels) {
                for nth in 0..tiles {
                    let column = (nth * tile).min(width - tile);
                    self.pixels::<S, V>(simd, first, line, column, tile);
                }
                let rows = channels.min(end - first);
                let turned = self.sums.wrapping_add(padded_width * channels);
                // SAFETY: `sums` holds a line of up to `padded_width` pixels by `channels`, and
                // as much again, a vector more a channel, for it turned about; the pixels beyond
                // the line are initialised and dropped.
                unsafe {
                    transpose_raw(
                        simd,
                        self.sums.cast_const(),
                        channels,
                        [padded_width, channels],
                        turned,
                        padded_width,
                    );
                }
                for member in 0..rows {
                    let row = self.group * group_rows + first + member;
                    let at = ((self.sample * out + row) * height + line) * width;
                    // SAFETY: line `line` of channel `row` of the image is this part's; the
                    // turned sums hold it, and room for a vector more follows.
                    unsafe {
                        finish_pixels(
                            simd,
                            turned.add(member * padded_width),
                            self.y,
                            at,
                            width,
                            row,
                            self.epilogue,
                        );
                    }
                }
            }
        }
    }

    /// The sums of `count` pixels of a line from `column` on.
    #[inline(always)]
    fn pixels<S: Simd, const V: usize>(
        &self,
        simd: S,
        first: usize,
        line: usize,
        column: usize,
        count: usize,
    ) {
        macro_rules! with {
            ($($p:literal)*) => {
                match count {
                    $($p => if 16 * $p <= 14 * S::F32_LANES || $p == 1
                        || ($p <= 6 && S::F32_LANES > 1)
                    {
                        simd.vectorize(Pixels::<V, $p> { strip: self, first, line, column })
                    } else {
                        unreachable!("tiles are no wider than the registers allow")
                    },)*
                    _ => unreachable!("a tile has at most 14 pixels"),
                }
            };
        }
        with!(1 2 3 4 5 6 7 8 9 10 11 12 13 14);
    }
}

/// `P` pixels by `V` vectors of output channels, in registers.
struct Pixels<'a, const V: usize, const P: usize> {
    strip: &'a Strip<'a>,
    /// First output channel within the group.
    first: usize,
    line: usize,
    column: usize,
}

impl<const V: usize, const P: usize> WithSimd for Pixels<'_, V, P> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Strip {
            dense,
            plane,
            padded,
            group,
            sums,
            ..
        } = *self.strip;
        let [group_rows, group_channels] = dense.geometry.group_channels();
        let taps = dense.geometry.taps();
        let [_, columns] = dense.geometry.matrix_shape();
        let chunk = group * group_rows.div_ceil(CHUNK) + self.first / CHUNK;
        let chunk_len = columns * CHUNK;
        let chunks = (V * S::F32_LANES).div_ceil(CHUNK);
        let weights = &dense.values[chunk * chunk_len..(chunk + chunks) * chunk_len];
        let mut weight = weights.as_ptr().wrapping_add(self.first % CHUNK);
        let offsets = &plane.offsets[..taps];
        let begin = group * group_channels * plane.channel + self.line * plane.pitch + self.column;
        let mut acc = [[simd.splat_f32s(0.0); V]; P];
        for channel in 0..group_channels {
            let x = padded.wrapping_add(begin + channel * plane.channel);
            for &offset in offsets {
                // SAFETY: an offset leads to the input of the first output pixel, and pixels
                // further right and down follow it by one and a pitch: all within the copies of
                // the channel. The slice above has `CHUNK` weights a chunk for each channel and
                // tap.
                unsafe {
                    let x = x.add(offset as usize);
                    let mut w = [simd.splat_f32s(0.0); V];
                    for v in 0..V {
                        let lane = v * S::F32_LANES;
                        w[v] = load::<S>(weight.add(lane / CHUNK * chunk_len + lane % CHUNK));
                    }
                    for p in 0..P {
                        let pixel = simd.splat_f32s(*x.add(p));
                        for v in 0..V {
                            acc[p][v] = simd.mul_add_e_f32s(pixel, w[v], acc[p][v]);
                        }
                    }
                }
                weight = weight.wrapping_add(CHUNK);
            }
        }
        for p in 0..P {
            for v in 0..V {
                let at = ((self.column + p) * V + v) * S::F32_LANES;
                // SAFETY: the strip's sums hold a line of pixels by `V` vectors.
                unsafe { store::<S>(sums.add(at), acc[p][v]) };
            }
        }
    }
}

impl ConvDense {
    /// The stored values, padding included.
    pub(crate) fn values(&self) -> &[f32] {
        &self.values
    }

    /// The same, to be changed; padding must stay zero.
    pub(crate) fn values_mut(&mut self) -> &mut [f32] {
        &mut self.values
    }
}

impl Slots for ConvDense {
    fn for_each_slot(&self, visit: &mut dyn FnMut(usize, usize, usize)) {
        let [rows, columns] = self.geometry.matrix_shape();
        for row in 0..rows {
            for column in 0..columns {
                if self
                    .kept
                    .get(row * columns + column)
                    .copied()
                    .unwrap_or(true)
                {
                    visit(row, column, self.slot(row, column));
                }
            }
        }
    }

    fn bytes(&self) -> usize {
        size_of_val(&self.kept[..])
    }
}

const _: () = assert!(CHUNK == LINE, "a line of sums is padded to whole chunks");
