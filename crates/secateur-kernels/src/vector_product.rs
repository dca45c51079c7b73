//! Multiplying by one column, or a few, one after the other.

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
use crate::values::{Stored, Values, Weights, with_stored};

/// A format that multiplies a single column.
pub(crate) trait VectorProduct: Banded {
    /// Floats wanted for the column in a form of the format's own.
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

/// One band against one column.
#[derive(Debug)]
pub(crate) struct VectorPart<'a, 'w> {
    pub(crate) band: usize,
    /// The weights of the matrix.
    pub(crate) weights: &'a mut Weights<'w>,
    /// The column, `k` values.
    pub(crate) x: &'a [f32],
    /// The same in the format's own form, where it made one.
    pub(crate) prepared: Option<&'a [f32]>,
    /// Room for the rows of the band, rounded up to [`BLOCK`].
    pub(crate) sums: &'a mut [f32],
}

/// `y = epilogue(W x)` for `n` columns, one at a time. Lengths have been checked.
pub(crate) fn multiply<P: VectorProduct>(
    product: &P,
    values: &Values,
    isa: Isa,
    x: &[f32],
    n: usize,
    layout: Layout,
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
    let prepared_len = product.prepared_len().next_multiple_of(16);
    let contiguous = n == 1 || layout == Layout::BatchMajor;
    let input = input.floats(prepared_len + if contiguous { 0 } else { k });
    let (prepared, column_copy) = input.split_at_mut(prepared_len);
    // Each band begins a block of its own, so that rounding up cannot reach into the next.
    let sums_len = bands.tallest().next_multiple_of(BLOCK);
    let sums = SharedMut::new(sums.floats(sums_len * bands.count()));
    let workers = match threads {
        Threads::One => 1,
        Threads::Rayon => rayon::current_num_threads() + 1,
    };
    let room_len = Weights::room(values, || product.longest_part()).next_multiple_of(LINE);
    let rooms = SharedMut::new(weights.floats(room_len * workers));
    let y = SharedMut::new(y);
    for column in 0..n {
        let x = if contiguous {
            &x[column * k..(column + 1) * k]
        } else {
            for (inner, v) in column_copy.iter_mut().enumerate() {
                *v = x[inner * n + column];
            }
            &*column_copy
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
            };
            product.sum(isa, part);
            isa.dispatch(FinishColumn {
                sums,
                rows: bands.rows(band),
                y,
                at: |row| position(layout, row, column, m, n),
                together: contiguous,
                epilogue,
            });
        });
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
    fn sum(&self, isa: Isa, part: VectorPart<'_, '_>) {
        with_stored!(part.weights.stored(), weights => isa.dispatch(DenseRows {
            dense: self,
            band: part.band,
            weights,
            x: part.x,
            sums: part.sums,
        }));
    }
}

struct DenseRows<'a, W> {
    dense: &'a Dense,
    band: usize,
    weights: &'a [W],
    x: &'a [f32],
    sums: &'a mut [f32],
}

impl<W: Stored> WithSimd for DenseRows<'_, W> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        self.dense
            .multiply_vector(simd, self.band, self.weights, self.x, self.sums);
    }
}
