//! How an output image becomes one long row of pixels, and where each weight finds its inputs.
//!
//! The output rows are laid end to end, a *pitch* apart, and the flat row is cut into tiles of a
//! few vectors. For each channel the input is copied in a few versions, each shifted so that the
//! pixels which one place of the kernel multiplies stand exactly under the output pixels: a tile
//! then needs whole, aligned vectors only, whatever the kernel. Pixels between the end of a row
//! and the pitch are computed and dropped.

use crate::error::KernelError;
use crate::scratch::LINE;

use super::geometry::ConvGeometry;
use super::segments::Segment;

/// Most vectors of a tile: with one more for the weight they fill AVX2's sixteen registers.
pub(crate) const MAX_VECTORS: usize = 14;

/// One version of a channel of the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Copy {
    /// Its row `j` is row `stride * j + row` of the padded input.
    pub(crate) row: usize,
    /// Its column `c` is column `stride * c + column` of the padded input.
    pub(crate) column: usize,
    /// Its first pixel is this far into the tile's flat row.
    pub(crate) shift: usize,
    /// Floats it has.
    pub(crate) len: usize,
    /// Where it begins within its channel.
    pub(crate) base: usize,
}

/// What the layout of a plane depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Key {
    geometry: ConvGeometry,
    image: [usize; 2],
    width: usize,
    lanes: usize,
    parts: usize,
    tiling: Tiling,
}

/// How images are best cut and copied for some weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tiling {
    /// Most vectors of a tile.
    pub(crate) vectors: usize,
    /// How the columns of a kernel find their pixels.
    pub(crate) shifts: Shifts,
}

/// How the columns of a kernel find their pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Shifts {
    /// Each in a copy of its own, shifted, so that every load is aligned: for many weights.
    #[default]
    Copied,
    /// All in one copy, by loads that straddle cache lines: for few weights, when copying is most
    /// of the work.
    Loaded,
}

/// The flat row of one image and the copies of its input.
#[derive(Debug, Clone, Default)]
pub(crate) struct Plane {
    /// Floats of a vector.
    pub(crate) lanes: usize,
    /// Input `[height, width]`.
    pub(crate) input: [usize; 2],
    /// Output `[height, width]`.
    pub(crate) output: [usize; 2],
    /// Zeros above and left of the input.
    pub(crate) padding: [usize; 2],
    /// Strides.
    pub(crate) stride: [usize; 2],
    /// How the columns of the kernel find their pixels.
    shifts: Shifts,
    /// Flat pixels from an output row to the next.
    pub(crate) pitch: usize,
    /// Pixels of a copy's row that are looked at; zeros follow up to the pitch.
    pub(crate) columns: usize,
    /// Output columns of a strip. Wide images are cut into strips, each flattened by itself, for
    /// a tile to be many rows high and so share most of its input rows.
    pub(crate) strip: usize,
    /// Vectors of the flat row of a strip.
    vectors: usize,
    /// Tiles it is cut into.
    tiles: usize,
    /// The copies of a channel.
    pub(crate) copies: Vec<Copy>,
    /// Floats from the copies of a channel to those of the next.
    pub(crate) channel: usize,
    /// For each channel of a panel and each tap: where its vectors begin.
    pub(crate) offsets: Vec<u32>,
    /// The vectors of a channel's copies, tile after tile.
    pub(super) segments: Vec<Segment>,
    /// The masks of lanes that occur, all ones where a lane is seen.
    pub(crate) masks: Vec<[u32; LINE]>,
    /// By tile: its first segment; one more at the end.
    pub(super) segment_starts: Vec<usize>,
    /// What is laid out now.
    key: Option<Key>,
}

/// What a convolution keeps from call to call.
#[derive(Debug, Clone, Default)]
pub(crate) struct ConvScratch {
    pub(crate) plane: Plane,
}

impl ConvScratch {
    /// Bytes held.
    pub(crate) fn bytes(&self) -> usize {
        self.plane.copies.capacity() * size_of::<Copy>()
            + self.plane.offsets.capacity() * size_of::<u32>()
            + self.plane.segments.capacity() * size_of::<Segment>()
            + self.plane.masks.capacity() * size_of::<[u32; LINE]>()
            + self.plane.segment_starts.capacity() * size_of::<usize>()
    }
}

impl Plane {
    /// Lays out images of `image` pixels for panels of `width` channels, to be worked on in at
    /// least `parts` tiles where they are large enough. Reuses what is allocated.
    pub(crate) fn lay_out(
        &mut self,
        geometry: &ConvGeometry,
        image: [usize; 2],
        width: usize,
        lanes: usize,
        parts: usize,
        tiling: Tiling,
    ) -> Result<(), KernelError> {
        let key = Key {
            geometry: *geometry,
            image,
            width,
            lanes,
            parts,
            tiling,
        };
        if self.key == Some(key) {
            return Ok(());
        }
        self.key = None;
        self.outline(geometry, image, lanes, parts, tiling)?;
        let floats = self
            .channel
            .checked_mul(width)
            .filter(|&floats| u32::try_from(floats).is_ok());
        if floats.is_none() {
            return Err(KernelError::Overflow {
                what: "the input rows that one tile of a convolution sees",
            });
        }
        self.fill_offsets(geometry, width);
        self.clear_segments();
        for tile in 0..self.tiles() {
            let Tile { first, column, .. } = self.tile(tile);
            self.add_segments(first, column);
        }
        self.key = Some(key);
        Ok(())
    }

    /// The pitch, the tiles and the copies for images of `image` pixels: all that a cost depends
    /// on, but nothing yet to run by.
    pub(crate) fn outline(
        &mut self,
        geometry: &ConvGeometry,
        image: [usize; 2],
        lanes: usize,
        parts: usize,
        tiling: Tiling,
    ) -> Result<(), KernelError> {
        self.key = None;
        let mut output = geometry.output(image)?;
        let mut input = image;
        if geometry.is_pointwise() {
            // Rows need not be told apart.
            input = [1, image[0] * image[1]];
            output = input;
        }
        self.set_image(geometry, input, output, lanes);
        self.strip = strip(geometry, output[1]);
        self.shifts = tiling.shifts;
        let across = match tiling.shifts {
            Shifts::Copied => 0,
            Shifts::Loaded => reach_across(geometry),
        };
        self.columns = self.strip + across;
        self.pitch = pitch(geometry, self.columns, lanes);
        let flat = (output[0] - 1)
            .checked_mul(self.pitch)
            .and_then(|flat| flat.checked_add(self.strip))
            .ok_or(KernelError::Overflow {
                what: "an image's height x width",
            })?;
        // What lies below the first row that a tile sees, in floats, with much room to spare.
        let below = self.columns.max(self.pitch) + MAX_VECTORS * lanes;
        let below = (reach_down(geometry) + 1).saturating_mul(below);
        if below.saturating_mul(geometry.taps()) > u32::MAX as usize {
            return Err(KernelError::Overflow {
                what: "the input rows that one tile of a convolution sees",
            });
        }
        self.vectors = flat.div_ceil(lanes);
        let widest = MAX_VECTORS
            .min(tiling.vectors)
            .min(self.vectors.div_ceil(parts))
            .max(1);
        self.tiles = self.vectors.div_ceil(widest);
        self.lay_copies(geometry);
        Ok(())
    }

    fn set_image(
        &mut self,
        geometry: &ConvGeometry,
        input: [usize; 2],
        output: [usize; 2],
        lanes: usize,
    ) {
        self.lanes = lanes;
        self.input = input;
        self.output = output;
        self.padding = geometry.leading_padding();
        self.stride = geometry.strides();
    }

    /// Lays out images of `image` pixels for the dense kernel, which needs no alignment: one copy
    /// of the padded image for each phase of the strides, and for each tap where in it the first
    /// output pixel finds its input.
    pub(crate) fn lay_out_whole(
        &mut self,
        geometry: &ConvGeometry,
        image: [usize; 2],
        lanes: usize,
    ) -> Result<(), KernelError> {
        let key = Key {
            geometry: *geometry,
            image,
            width: 0,
            lanes,
            parts: 0,
            tiling: Tiling {
                vectors: 0,
                shifts: Shifts::Loaded,
            },
        };
        if self.key == Some(key) {
            return Ok(());
        }
        self.key = None;
        let output = geometry.output(image)?;
        self.set_image(geometry, image, output, lanes);
        let [_, kernel_width] = geometry.kernel_size();
        let [dilation_height, dilation_width] = geometry.dilations();
        let down = reach_down(geometry);
        self.pitch = output[1] + reach_across(geometry);
        self.columns = self.pitch;
        self.strip = output[1];
        self.vectors = 1;
        self.tiles = 1;
        let len = (output[0] + down)
            .checked_mul(self.pitch)
            .filter(|&len| {
                let copy = len.saturating_add(2 * LINE);
                u32::try_from(copy.saturating_mul(geometry.taps())).is_ok()
            })
            .ok_or(KernelError::Overflow {
                what: "the padded image",
            })?;
        self.copies.clear();
        self.offsets.clear();
        for tap in 0..geometry.taps() {
            let row = tap / kernel_width * dilation_height;
            let column = tap % kernel_width * dilation_width;
            let copy = Copy {
                row: row % self.stride[0],
                column: column % self.stride[1],
                shift: 0,
                len,
                base: self.copies.len() * (len + lanes).next_multiple_of(LINE),
            };
            let base = match self.copies.iter().find(|known| same(known, &copy)) {
                Some(known) => known.base,
                None => {
                    self.copies.push(copy);
                    copy.base
                }
            };
            let at = base + row / self.stride[0] * self.pitch + column / self.stride[1];
            self.offsets.push(at as u32);
        }
        let floats = self.copies.len() * (len + lanes).next_multiple_of(LINE);
        self.channel = ((floats / LINE) | 1) * LINE;
        self.clear_segments();
        self.add_segments(0, 0);
        self.key = Some(key);
        Ok(())
    }

    /// The copies that the taps of `geometry` need for tiles of the present width.
    fn lay_copies(&mut self, geometry: &ConvGeometry) {
        self.copies.clear();
        let tile = self.widest() * self.lanes;
        for tap in 0..geometry.taps() {
            let (wanted, offset) = self.copy_of(geometry, tap);
            let len = offset + tile;
            match self.copies.iter_mut().find(|copy| same(copy, &wanted)) {
                Some(copy) => copy.len = copy.len.max(len),
                None => self.copies.push(Copy { len, ..wanted }),
            }
        }
        let mut base = 0;
        for copy in &mut self.copies {
            copy.base = base;
            // Where rows do not begin with a vector, the last of a copy ends beyond it.
            let beyond = if self.pitch.is_multiple_of(self.lanes) && copy.len.is_multiple_of(LINE) {
                0
            } else {
                self.lanes
            };
            base += (copy.len + beyond).next_multiple_of(LINE);
        }
        // An odd number of cache lines, so that channels do not compete for the same places of
        // the cache.
        self.channel = ((base / LINE) | 1) * LINE;
    }

    fn fill_offsets(&mut self, geometry: &ConvGeometry, width: usize) {
        self.offsets.clear();
        for channel in 0..width {
            for tap in 0..geometry.taps() {
                let (wanted, offset) = self.copy_of(geometry, tap);
                let base = self
                    .copies
                    .iter()
                    .find(|copy| same(copy, &wanted))
                    .map_or(0, |copy| copy.base);
                self.offsets
                    .push((channel * self.channel + base + offset) as u32);
            }
        }
    }

    /// The copy that a tap reads, and from which of its floats a tile begins there.
    fn copy_of(&self, geometry: &ConvGeometry, tap: usize) -> (Copy, usize) {
        let [_, kernel_width] = geometry.kernel_size();
        let [dilation_height, dilation_width] = geometry.dilations();
        let row = tap / kernel_width * dilation_height;
        let column = tap % kernel_width * dilation_width;
        let down = row / self.stride[0] * self.pitch;
        let copy = Copy {
            row: row % self.stride[0],
            column,
            shift: 0,
            len: 0,
            base: 0,
        };
        match self.shifts {
            Shifts::Copied => {
                let shift = down % self.lanes;
                (Copy { shift, ..copy }, down - shift)
            }
            Shifts::Loaded => {
                let column = column % self.stride[1];
                let across = tap % kernel_width * dilation_width / self.stride[1];
                (Copy { column, ..copy }, down + across)
            }
        }
    }

    /// Vectors of the widest tile.
    pub(crate) fn widest(&self) -> usize {
        self.vectors.div_ceil(self.tiles.max(1)).max(1)
    }

    /// Tiles of an image.
    pub(crate) fn tiles(&self) -> usize {
        self.output[1].div_ceil(self.strip) * self.strip_tiles()
    }

    fn strip_tiles(&self) -> usize {
        self.vectors.div_ceil(self.widest())
    }

    /// Where a tile lies.
    pub(crate) fn tile(&self, tile: usize) -> Tile {
        let (strip, nth) = (tile / self.strip_tiles(), tile % self.strip_tiles());
        let first = nth * self.widest();
        let column = strip * self.strip;
        Tile {
            first: first * self.lanes,
            vectors: self.widest().min(self.vectors - first),
            column,
            width: self.strip.min(self.output[1] - column),
        }
    }
}

/// Where a tile lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tile {
    /// Its first flat pixel.
    pub(crate) first: usize,
    /// Its vectors.
    pub(crate) vectors: usize,
    /// First output column of its strip.
    pub(crate) column: usize,
    /// Output columns of its strip.
    pub(crate) width: usize,
}

fn same(a: &Copy, b: &Copy) -> bool {
    (a.row, a.column, a.shift) == (b.row, b.column, b.shift)
}

/// Rows of a copy that the kernel sees below an output pixel's first.
fn reach_down(geometry: &ConvGeometry) -> usize {
    (geometry.kernel_size()[0] - 1) * geometry.dilations()[0] / geometry.strides()[0]
}

/// Columns of a copy that the kernel sees beyond an output row.
fn reach_across(geometry: &ConvGeometry) -> usize {
    (geometry.kernel_size()[1] - 1) * geometry.dilations()[1] / geometry.strides()[1]
}

/// Output columns of a strip: up to seven times a cache line, so that the gaps at the right end of an image
/// are small, and among the ways with the smallest gaps the narrowest.
fn strip(geometry: &ConvGeometry, width: usize) -> usize {
    let lines = width.div_ceil(LINE);
    if geometry.kernel_size()[0] == 1 || lines <= 7 {
        return width;
    }
    let best = (4..=7)
        .min_by_key(|&strip| lines.div_ceil(strip) * strip)
        .unwrap_or(7);
    best * LINE
}

/// Flat pixels from an output row to the next: a whole number of vectors makes one shift serve
/// all rows of the kernel; for small images, where that would compute mostly gaps, half a vector.
fn pitch(geometry: &ConvGeometry, width: usize, lanes: usize) -> usize {
    if geometry.kernel_size()[0] == 1 {
        return width;
    }
    let whole = width.next_multiple_of(lanes);
    let halves = width.next_multiple_of((lanes / 2).max(1));
    if halves * 3 <= whole * 2 {
        halves
    } else {
        whole
    }
}
