//! Running a convolution over the tiles of a batch of images.

use std::ops::Range;

use pulp::{Simd, WithSimd};

use crate::epilogue::Epilogue;
use crate::error::KernelError;
use crate::isa::Isa;
use crate::scratch::{LINE, Scratch};
use crate::threads::{SharedMut, Threads};

use super::copies::copy_channels;
use super::finish::finish_row;
use super::geometry::ConvGeometry;
use super::panels::ConvPanels;
use super::plane::{Plane, Tile};

/// One convolution of a batch.
struct Call<'a> {
    panels: &'a ConvPanels,
    geometry: &'a ConvGeometry,
    plane: &'a Plane,
    x: &'a [f32],
    y: SharedMut,
    epilogue: &'a Epilogue<'a>,
    isa: Isa,
}

/// `y = epilogue(conv(x))`. Lengths have been checked.
pub(crate) fn convolve(
    panels: &ConvPanels,
    geometry: &ConvGeometry,
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
    let workers = match threads {
        Threads::One => 1,
        Threads::Rayon => rayon::current_num_threads(),
    };
    let bands = panels.bands().len();
    let parts = workers.div_ceil(batch * bands);
    let width = panels.width();
    conv.plane
        .lay_out(geometry, image, width, isa.lanes(), parts, panels.tiling())?;
    let plane = &conv.plane;
    let [_, channels] = geometry.channels();
    let call = Call {
        panels,
        geometry,
        plane,
        x,
        y: SharedMut::new(y),
        epilogue,
        isa,
    };
    let tiles = batch * plane.tiles();
    let [group_rows, _] = geometry.group_channels();
    let sums_len = (group_rows * plane.widest() * plane.lanes).next_multiple_of(LINE);
    let panel_len = width * plane.channel;
    if workers == 1 || tiles >= 2 * workers {
        // A worker copies a panel's input just before it is used, and takes all bands of a tile.
        // A thread outside of the pool may be one more.
        let slots = if workers == 1 { 1 } else { workers + 1 };
        let panel = SharedMut::new(input.floats(panel_len * slots));
        let sums = SharedMut::new(sums.floats(sums_len * slots));
        threads.for_each(tiles, |part| {
            let worker = worker() % slots;
            call.tile(
                part,
                panel.at(worker * panel_len),
                sums.at(worker * sums_len),
            );
        });
    } else {
        // Few tiles: workers copy the input of all of them together, then share the bands.
        let tile_len = channels * plane.channel;
        let copied = SharedMut::new(input.floats(tiles * tile_len));
        let slots = workers + 1;
        let sums = SharedMut::new(sums.floats(sums_len * slots));
        let runs = channels.div_ceil(width);
        threads.for_each(tiles * runs, |part| {
            let (tile, run) = (part / runs, part % runs);
            let first = run * width;
            let range = first..(first + width).min(channels);
            let to = copied.at(tile * tile_len + first * plane.channel);
            call.copy(tile, range, to);
        });
        threads.for_each(tiles * bands, |part| {
            let (tile, band) = (part / bands, part % bands);
            let from = copied.at(tile * tile_len);
            let sums = sums.at(worker() % slots * sums_len);
            call.band(tile, band, from, sums);
        });
    }
    Ok(())
}

/// A number of the thread that no other thread of the pool has.
fn worker() -> usize {
    rayon::current_thread_index().map_or(0, |index| index + 1)
}

impl Call<'_> {
    /// All bands of one tile of one image, a panel at a time.
    fn tile(&self, part: usize, copied: SharedMut, sums: SharedMut) {
        let tile = part % self.plane.tiles();
        let vectors = self.plane.tile(tile).vectors;
        for group in 0..self.geometry.group_count() {
            let bands = self.panels.group_bands(group);
            let first = self.panels.bands()[bands.start].start;
            for panel in 0..self.panels.panel_count() {
                self.copy(part, self.panels.channels(group, panel), copied);
                for band in bands.clone() {
                    let row = self.panels.bands()[band].start - first;
                    let at = row * vectors * self.plane.lanes;
                    self.add(part, band, panel, copied, sums.at(at));
                }
            }
        }
    }

    /// One band of one tile, all of whose channels have been copied.
    fn band(&self, part: usize, band: usize, copied: SharedMut, sums: SharedMut) {
        let group = self.panels.group_of(band);
        for panel in 0..self.panels.panel_count() {
            let first = self.panels.channels(group, panel).start;
            let from = copied.at(first * self.plane.channel);
            self.add(part, band, panel, from, sums);
        }
    }

    fn copy(&self, part: usize, channels: Range<usize>, to: SharedMut) {
        let (image, tile) = (part / self.plane.tiles(), part % self.plane.tiles());
        let [_, all] = self.geometry.channels();
        let pixels = self.plane.input[0] * self.plane.input[1];
        let first = (image * all + channels.start) * pixels;
        self.isa.dispatch(CopyChannels {
            plane: self.plane,
            images: &self.x[first..first + channels.len() * pixels],
            tile,
            to: to.get(),
        });
    }

    /// What a panel adds to a band of a tile.
    fn add(&self, part: usize, band: usize, panel: usize, from: SharedMut, sums: SharedMut) {
        let (image, tile) = (part / self.plane.tiles(), part % self.plane.tiles());
        let tile = self.plane.tile(tile);
        let [out, _] = self.geometry.channels();
        let pixels = self.plane.output[0] * self.plane.output[1];
        let first = self.panels.bands()[band].start;
        let finish = Finish {
            plane: self.plane,
            tile,
            y: self.y.get(),
            at: (image * out + first) * pixels,
            first,
            epilogue: self.epilogue,
        };
        macro_rules! with {
            ($($t:literal)*) => {
                match tile.vectors {
                    $($t => self.isa.dispatch(AddPanel::<$t> {
                        panels: self.panels,
                        band,
                        panel,
                        offsets: &self.plane.offsets,
                        x: from.get(),
                        sums: sums.get(),
                        finish,
                    }),)*
                    _ => unreachable!("a tile has at most MAX_VECTORS vectors"),
                }
            };
        }
        with!(1 2 3 4 5 6 7 8 9 10 11 12 13 14);
    }
}

struct CopyChannels<'a> {
    plane: &'a Plane,
    tile: usize,
    images: &'a [f32],
    to: *mut f32,
}

impl WithSimd for CopyChannels<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        // SAFETY: the caller's buffer has `plane.channel` floats for each channel.
        unsafe { copy_channels(simd, self.plane, self.tile, self.images, self.to) };
    }
}

struct AddPanel<'a, const T: usize> {
    panels: &'a ConvPanels,
    band: usize,
    panel: usize,
    offsets: &'a [u32],
    x: *const f32,
    sums: *mut f32,
    finish: Finish<'a>,
}

impl<const T: usize> WithSimd for AddPanel<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        // SAFETY: `x` holds the copies of the panel's channels for a tile of at least `T`
        // vectors, and the plane's offsets leave `T` vectors after each; `sums` has room for the
        // band and is this worker's.
        unsafe {
            self.panels.add_panel::<S, T>(
                simd,
                self.band,
                self.panel,
                self.offsets,
                self.x,
                self.sums,
                &self.finish,
            );
        }
    }
}

/// Where the finished sums of a band go.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Finish<'a> {
    plane: &'a Plane,
    tile: Tile,
    y: *mut f32,
    /// Where the image of the band's first output channel begins.
    at: usize,
    /// The band's first output channel.
    first: usize,
    epilogue: &'a Epilogue<'a>,
}

impl Finish<'_> {
    /// Finishes the sums of the band's row `nth`.
    ///
    /// # Safety
    ///
    /// `sums` holds the tile's vectors and is readable for one more; the band and the tile are
    /// the caller's part of the work.
    #[inline(always)]
    pub(crate) unsafe fn row<S: Simd>(&self, simd: S, nth: usize, sums: *const f32) {
        let pixels = self.plane.output[0] * self.plane.output[1];
        // SAFETY: the caller's promise; each part has its own channels and pixels of Y.
        unsafe {
            finish_row(
                simd,
                self.plane,
                self.tile,
                sums,
                self.y,
                self.at + nth * pixels,
                self.first + nth,
                self.epilogue,
            );
        }
    }
}
