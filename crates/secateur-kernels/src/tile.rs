//! Multiplying by a batch of columns, a tile at a time: what all batched formats share.

use pulp::{Simd, WithSimd};

use crate::bands::Banded;
use crate::epilogue::Epilogue;
use crate::isa::Isa;
use crate::layout::{Columns, Layout, PackTile, Target, finish_band, tile_len};
use crate::scratch::{AlignedBuffer, LINE, Scratch};
use crate::threads::{SharedMut, Threads};
use crate::values::{Values, Weights};
use crate::vector::{load, store};

/// Most vectors of columns that a kernel keeps in registers.
pub(crate) const MAX_VECTORS: usize = 4;

/// A format that multiplies a tile of columns.
pub(crate) trait TileProduct: Banded {
    /// How many vectors of columns to work on at once, at most [`MAX_VECTORS`].
    fn vectors(&self, isa: Isa) -> usize;

    /// Rows of X after which the kernel expects a row of zeros, for its padding to point at.
    fn zero_row_every(&self) -> Option<usize> {
        None
    }

    /// The sums of one band over one tile.
    ///
    /// # Safety
    ///
    /// The promises of [`Part`].
    unsafe fn multiply<S: Simd, const T: usize>(&self, simd: S, part: Part<'_, '_>);
}

/// One band over one tile of `T` vectors of columns.
#[derive(Debug)]
pub(crate) struct Part<'a, 'w> {
    pub(crate) band: usize,
    /// The weights of the matrix.
    pub(crate) weights: &'a mut Weights<'w>,
    /// The tile: `k` rows, with zero rows beside, of `T` vectors each.
    pub(crate) x: *const f32,
    /// Room for the rows of the band, `T` vectors each, ours alone.
    pub(crate) sums: Sums,
}

/// Room for the sums of a band over a tile.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sums {
    /// Where finished sums go.
    out: *mut f32,
    /// Floats from a row of `out` to the next.
    stride: usize,
    /// Where unfinished sums wait, rows as wide as the tile; perhaps `out` itself, and then
    /// `stride` is the width.
    carry: *mut f32,
}

impl Sums {
    /// The sums as panel `panel` of `panels` sees them: the first begins them, the last finishes
    /// them.
    #[inline(always)]
    pub(crate) fn of_panel(self, panel: usize, panels: usize) -> PanelSums {
        PanelSums {
            sums: self,
            first: panel == 0,
            last: panel + 1 == panels,
        }
    }
}

/// The sums of a band, carried from panel to panel.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PanelSums {
    sums: Sums,
    first: bool,
    last: bool,
}

impl PanelSums {
    /// The sums so far of the first `count` of `R` rows from `row` on; zero in the others.
    ///
    /// # Safety
    ///
    /// The `count` rows are rows of the band.
    #[inline(always)]
    pub(crate) unsafe fn load<S: Simd, const T: usize, const R: usize>(
        self,
        simd: S,
        row: usize,
        count: usize,
    ) -> [[S::f32s; T]; R] {
        let width = T * S::F32_LANES;
        // Constant subscripts only: the sums have to stay in registers.
        let mut acc = [[simd.splat_f32s(0.0); T]; R];
        if !self.first {
            for member in 0..R {
                if member < count {
                    for t in 0..T {
                        // SAFETY: the band's rows of `T` vectors each, by the caller's promise.
                        acc[member][t] = unsafe {
                            let row = self.sums.carry.add((row + member) * width);
                            load::<S>(row.add(t * S::F32_LANES))
                        };
                    }
                }
            }
        }
        acc
    }

    /// Writes the sums of the first `count` of `R` rows from `row` on.
    ///
    /// # Safety
    ///
    /// The `count` rows are rows of the band.
    #[inline(always)]
    pub(crate) unsafe fn store<S: Simd, const T: usize, const R: usize>(
        self,
        row: usize,
        acc: [[S::f32s; T]; R],
        count: usize,
    ) {
        let (to, stride) = if self.last {
            (self.sums.out, self.sums.stride)
        } else {
            (self.sums.carry, T * S::F32_LANES)
        };
        for member in 0..R {
            if member < count {
                for t in 0..T {
                    // SAFETY: the band's rows of `T` vectors each, by the caller's promise.
                    unsafe {
                        let row = to.add((row + member) * stride);
                        store::<S>(row.add(t * S::F32_LANES), acc[member][t]);
                    }
                }
            }
        }
    }
}

/// `y = epilogue(W x)` for `n` columns in `layout`. Lengths have been checked.
pub(crate) fn multiply<P: TileProduct>(
    product: &P,
    values: &Values,
    isa: Isa,
    x: &[f32],
    n: usize,
    [from, to]: [Layout; 2],
    y: &mut [f32],
    epilogue: &Epilogue<'_>,
    scratch: &mut Scratch,
) {
    let bands = product.bands();
    let [m, k] = bands.shape();
    assert!(x.len() == k * n && y.len() == m * n);
    let tiling = Tiling::new(isa, product.vectors(isa), n);
    let Scratch {
        threads,
        input,
        sums,
        weights,
        ..
    } = scratch;
    let widest = tiling.width(0);
    let panel = product.zero_row_every();
    let tile_floats = tile_len(k, panel, widest).next_multiple_of(LINE);
    let band_floats = bands.tallest() * widest.max(LINE);
    let room_floats = Weights::room(values, || product.longest_part()).next_multiple_of(LINE);
    let bands = bands.count();
    let call = Call {
        product,
        values,
        isa,
        x,
        n,
        from,
        to,
        y: SharedMut::new(y),
        epilogue,
        tiling,
    };
    match threads {
        Threads::One => {
            let sums = SharedMut::new(sums.floats(band_floats));
            let room = weights.floats(room_floats);
            for tile in 0..tiling.count {
                let packed = call.packed(tile, panel, input, tile_floats);
                for band in 0..bands {
                    call.run(tile, band, packed, sums, room);
                }
            }
        }
        Threads::Rayon => {
            let workers = rayon::current_num_threads() + 1;
            let sums = SharedMut::new(sums.floats(band_floats * workers));
            let rooms = SharedMut::new(weights.floats(room_floats * workers));
            let direct = call.direct(0, panel);
            let tiles = SharedMut::new(input.floats(if direct {
                0
            } else {
                tile_floats * tiling.count
            }));
            if !direct {
                threads.for_each(tiling.count, |tile| {
                    // SAFETY: each tile has `tile_floats` of its own in the buffer.
                    let part = unsafe {
                        std::slice::from_raw_parts_mut(
                            tiles.get().add(tile * tile_floats),
                            tile_floats,
                        )
                    };
                    call.pack(tile, panel, part);
                });
            }
            threads.for_each(tiling.count * bands, |part| {
                let (tile, band) = (part / bands, part % bands);
                let packed = if direct {
                    x.as_ptr()
                } else {
                    tiles.get().wrapping_add(tile * tile_floats).cast_const()
                };
                let worker = rayon::current_thread_index().map_or(0, |index| index + 1) % workers;
                // SAFETY: each worker has floats of its own in the buffer, and runs one part at
                // a time.
                let room = unsafe {
                    std::slice::from_raw_parts_mut(
                        rooms.at(worker * room_floats).get(),
                        room_floats,
                    )
                };
                call.run(tile, band, packed, sums.at(worker * band_floats), room);
            });
        }
    }
}

/// How `n` columns are cut into tiles: whole ones, and a narrower last.
#[derive(Debug, Clone, Copy)]
struct Tiling {
    lanes: usize,
    vectors: usize,
    n: usize,
    count: usize,
}

impl Tiling {
    fn new(isa: Isa, vectors: usize, n: usize) -> Self {
        let lanes = isa.lanes();
        let vectors = vectors.clamp(1, MAX_VECTORS).min(n.div_ceil(lanes));
        Self {
            lanes,
            vectors,
            n,
            count: n.div_ceil(lanes * vectors),
        }
    }

    fn columns(&self, tile: usize) -> Columns {
        let start = tile * self.lanes * self.vectors;
        Columns {
            start,
            count: (self.lanes * self.vectors).min(self.n - start),
            of: self.n,
        }
    }

    fn vectors(&self, tile: usize) -> usize {
        self.columns(tile).count.div_ceil(self.lanes)
    }

    fn width(&self, tile: usize) -> usize {
        self.vectors(tile) * self.lanes
    }
}

/// One multiplication.
struct Call<'a, P> {
    product: &'a P,
    values: &'a Values,
    isa: Isa,
    x: &'a [f32],
    n: usize,
    from: Layout,
    to: Layout,
    y: SharedMut,
    epilogue: &'a Epilogue<'a>,
    tiling: Tiling,
}

impl<P: TileProduct> Call<'_, P> {
    /// Whether X itself is the one tile, as it stands.
    fn direct(&self, tile: usize, panel: Option<usize>) -> bool {
        self.from == Layout::FeatureMajor
            && panel.is_none()
            && self.tiling.width(tile) == self.n
            && self.x.as_ptr().addr().is_multiple_of(64)
    }

    fn packed(
        &self,
        tile: usize,
        panel: Option<usize>,
        buffer: &mut AlignedBuffer,
        floats: usize,
    ) -> *const f32 {
        if self.direct(tile, panel) {
            return self.x.as_ptr();
        }
        let packed = buffer.floats(floats);
        self.pack(tile, panel, packed);
        packed.as_ptr()
    }

    fn pack(&self, tile: usize, panel: Option<usize>, packed: &mut [f32]) {
        self.isa.dispatch(PackTile {
            x: self.x,
            k: self.product.bands().shape()[1],
            layout: self.from,
            columns: self.tiling.columns(tile),
            panel,
            width: self.tiling.width(tile),
            tile: packed,
        });
    }

    fn run(&self, tile: usize, band: usize, x: *const f32, sums: SharedMut, room: &mut [f32]) {
        match self.tiling.vectors(tile) {
            1 => self.run_with::<1>(tile, band, x, sums, room),
            2 => self.run_with::<2>(tile, band, x, sums, room),
            3 => self.run_with::<3>(tile, band, x, sums, room),
            _ => self.run_with::<4>(tile, band, x, sums, room),
        }
    }

    fn run_with<const T: usize>(
        &self,
        tile: usize,
        band: usize,
        x: *const f32,
        sums: SharedMut,
        room: &mut [f32],
    ) {
        let rows = self.product.bands().rows(band);
        let columns = self.tiling.columns(tile);
        let width = self.tiling.width(tile);
        // Finished sums go straight to Y where whole vectors of its rows are ours.
        let own = self
            .y
            .get()
            .wrapping_add(rows.start * self.n + columns.start);
        let carry = sums.get();
        let straight = self.to == Layout::FeatureMajor && columns.count == width;
        let (out, stride) = if straight {
            (own, self.n)
        } else {
            (carry, width)
        };
        let sums = Sums { out, stride, carry };
        self.isa.dispatch(Sum::<P, T> {
            product: self.product,
            band,
            weights: Weights::new(self.values, self.isa, room),
            x,
            sums,
        });
        self.isa.dispatch(Finish {
            sums: out,
            stride,
            target: Target {
                y: self.y.get(),
                m: self.product.bands().shape()[0],
                layout: self.to,
                columns,
                first: rows.start,
                rows: rows.len(),
            },
            epilogue: self.epilogue,
        });
    }
}

/// The sums of one band of one tile.
struct Sum<'a, P, const T: usize> {
    product: &'a P,
    band: usize,
    weights: Weights<'a>,
    x: *const f32,
    sums: Sums,
}

impl<P: TileProduct, const T: usize> WithSimd for Sum<'_, P, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        // SAFETY: `x` is a packed tile of `T` vectors, and `sums` has room for the band: a
        // scratch of this worker, and perhaps the rows and columns of Y that are this part's own.
        unsafe {
            self.product.multiply::<S, T>(
                simd,
                Part {
                    band: self.band,
                    weights: &mut self.weights,
                    x: self.x,
                    sums: self.sums,
                },
            );
        }
    }
}

/// What follows the sums; apart from [`Sum`], so that it is compiled once for all formats.
struct Finish<'a> {
    sums: *mut f32,
    stride: usize,
    target: Target,
    epilogue: &'a Epilogue<'a>,
}

impl WithSimd for Finish<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        // SAFETY: `sums` holds the band that was just summed, and Y is ours at its rows and the
        // columns of the tile.
        unsafe { finish_band(simd, self.sums, self.stride, self.target, self.epilogue) };
    }
}
