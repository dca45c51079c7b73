//! Multiplying by one column, or a few: one after the other, or all in one pass over the weights.

use std::ops::Range;

use pulp::{Simd, WithSimd};

use crate::bands::Banded;
use crate::dense::Dense;
use crate::epilogue::Epilogue;
use crate::isa::Isa;
use crate::layout::Layout;
use crate::lookup::BLOCK;
use crate::reference::position;
use crate::rows::Rows;
use crate::scratch::{LINE, Scratch};
use crate::threads::{SharedMut, Threads};
use crate::transpose::transpose;
use crate::values::{Stored, Values, Weights, with_stored};

/// A format that multiplies a single column, or a few.
pub(crate) trait VectorProduct: Banded {
    /// Columns that [`sum`](Self::sum) takes together.
    fn columns_at_once(&self) -> usize {
        1
    }

    /// Floats wanted for a single column in a form of the format's own.
    fn prepared_len(&self) -> usize {
        0
    }

    /// Writes that form; false where [`sum`](Self::sum) is to work from the column itself.
    fn prepare(&self, _isa: Isa, _x: &[f32], _prepared: &mut [f32]) -> bool {
        false
    }

    /// The sums of a band.
    fn sum(&self, isa: Isa, part: VectorPart<'_, '_>);
}

/// One band against one column, or as many as the format takes together.
#[derive(Debug)]
pub(crate) struct VectorPart<'a, 'w> {
    pub(crate) band: usize,
    /// The weights of the matrix.
    pub(crate) weights: &'a mut Weights<'w>,
    /// The columns, `k` values each.
    pub(crate) x: &'a [f32],
    /// The same in the format's own form, where it made one.
    pub(crate) prepared: Option<&'a [f32]>,
    /// Room for the rows of the band, rounded up to [`BLOCK`], once for each column.
    pub(crate) sums: &'a mut [f32],
    /// Floats from one column's sums to the next one's.
    pub(crate) stride: usize,
}

/// `y = epilogue(W x)` for `n` columns. Lengths have been checked.
pub(crate) fn multiply<P: VectorProduct>(
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
    let Scratch {
        threads,
        input,
        sums,
        weights,
        ..
    } = scratch;
    let at_once = product.columns_at_once().min(n);
    let prepared_len = product.prepared_len().next_multiple_of(16);
    let contiguous = n == 1 || from == Layout::BatchMajor;
    let together = n == 1 || to == Layout::BatchMajor;
    let input = input.floats(prepared_len + if contiguous { 0 } else { at_once * k });
    let (prepared, copies) = input.split_at_mut(prepared_len);
    // Each band begins a block of its own, so that rounding up cannot reach into the next.
    let stride = bands.tallest().next_multiple_of(BLOCK);
    let sums_len = stride * at_once;
    let sums = SharedMut::new(sums.floats(sums_len * bands.count()));
    let workers = match threads {
        Threads::One => 1,
        Threads::Rayon => rayon::current_num_threads() + 1,
    };
    let room_len = Weights::room(values, || product.longest_part()).next_multiple_of(LINE);
    let rooms = SharedMut::new(weights.floats(room_len * workers));
    let y = SharedMut::new(y);
    for first in (0..n).step_by(at_once) {
        let columns = first..n.min(first + at_once);
        let x = if contiguous {
            &x[columns.start * k..columns.end * k]
        } else {
            let copies = &mut copies[..columns.len() * k];
            isa.dispatch(CopyColumns {
                from: &x[first..],
                stride: n,
                shape: [k, columns.len()],
                to: &mut *copies,
            });
            &*copies
        };
        let ready = product.prepare(isa, x, prepared);
        let prepared = ready.then_some(&*prepared);
        threads.for_each(bands.count(), |band| {
            let worker = rayon::current_thread_index().map_or(0, |index| index + 1) % workers;
            // SAFETY: `sums_len` floats for each band, and room for each worker, which runs one
            // band at a time: both are ours alone.
            let (sums, room) = unsafe {
                let sums = sums.at(band * sums_len).get();
                let room = rooms.at(worker * room_len).get();
                (
                    std::slice::from_raw_parts_mut(sums, sums_len),
                    std::slice::from_raw_parts_mut(room, room_len),
                )
            };
            let part = VectorPart {
                band,
                weights: &mut Weights::new(values, isa, room),
                x,
                prepared,
                sums: &mut *sums,
                stride,
            };
            product.sum(isa, part);
            for (column, sums) in columns.clone().zip(sums.chunks(stride)) {
                isa.dispatch(FinishColumn {
                    sums,
                    rows: bands.rows(band),
                    y,
                    at: |row| position(to, row, column, m, n),
                    together,
                    epilogue,
                });
            }
        });
    }
}

/// Copies some columns of an X that has features for rows, each to lie in one piece.
struct CopyColumns<'a> {
    /// From the first feature of the first column on.
    from: &'a [f32],
    /// Floats from a feature to the next.
    stride: usize,
    /// Features and columns.
    shape: [usize; 2],
    to: &'a mut [f32],
}

impl WithSimd for CopyColumns<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let features = self.shape[0];
        transpose(simd, self.from, self.stride, self.shape, self.to, features);
    }
}

/// Epilogue of some rows of one column of Y.
struct FinishColumn<'a, F> {
    sums: &'a [f32],
    rows: Range<usize>,
    y: SharedMut,
    /// Position in Y of a row.
    at: F,
    /// Whether rows follow each other in Y.
    together: bool,
    epilogue: &'a Epilogue<'a>,
}

impl<F: Fn(usize) -> usize> WithSimd for FinishColumn<'_, F> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let bias = self.epilogue.bias_values().map(|b| &b[self.rows.clone()]);
        let residual = self.epilogue.residual_values();
        let activation = self.epilogue.activation_kind();
        let count = self.rows.len();
        let lanes = S::F32_LANES;
        let whole = if self.together {
            count / lanes * lanes
        } else {
            0
        };
        for at in (0..whole).step_by(lanes) {
            let to = (self.at)(self.rows.start + at);
            let mut v = simd.partial_load_f32s(&self.sums[at..at + lanes]);
            if let Some(bias) = bias {
                v = simd.add_f32s(v, simd.partial_load_f32s(&bias[at..at + lanes]));
            }
            if let Some(residual) = residual {
                v = simd.add_f32s(v, simd.partial_load_f32s(&residual[to..to + lanes]));
            }
            // SAFETY: `lanes` rows of the band from `at` follow each other in Y and are ours.
            unsafe {
                crate::vector::store::<S>(self.y.get().add(to), activation.of_vector(simd, v));
            }
        }
        for at in whole..count {
            let to = (self.at)(self.rows.start + at);
            let mut v = self.sums[at];
            if let Some(bias) = bias {
                v += bias[at];
            }
            if let Some(residual) = residual {
                v += residual[to];
            }
            // SAFETY: a row of the band, in Y and ours.
            unsafe { *self.y.get().add(to) = activation.of(v) };
        }
    }
}

impl VectorProduct for Rows {
    fn sum(&self, _: Isa, part: VectorPart<'_, '_>) {
        self.multiply_vector(part);
    }
}

impl VectorProduct for Dense {
    fn columns_at_once(&self) -> usize {
        // The widest vector.
        LINE
    }

    fn sum(&self, isa: Isa, part: VectorPart<'_, '_>) {
        with_stored!(part.weights.stored(), weights => isa.dispatch(DenseRows {
            dense: self,
            band: part.band,
            weights,
            x: part.x,
            sums: part.sums,
            stride: part.stride,
        }));
    }
}

struct DenseRows<'a, W> {
    dense: &'a Dense,
    band: usize,
    weights: &'a [W],
    x: &'a [f32],
    sums: &'a mut [f32],
    stride: usize,
}

impl<W: Stored> WithSimd for DenseRows<'_, W> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self {
            dense,
            band,
            weights,
            x,
            sums,
            stride,
        } = self;
        dense.multiply_columns(simd, band, weights, x, sums, stride);
    }
}
