//! How activations lie in memory, and the copies into and out of column tiles.
//!
//! A kernel works on a tile: some columns of X for every k, `[k][width]`, the width a whole
//! number of vectors, missing columns zero. Columns never mix, so what a kernel computes in the
//! missing ones is dropped.

use pulp::{Simd, WithSimd};

use crate::epilogue::{Activation, Epilogue};
use crate::transpose::{transpose, transpose_raw};
use crate::vector::{load, store};

/// How the dense operands of a multiplication lie in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Layout {
    /// X is `[k, n]` and Y `[m, n]`, row-major: one row a feature.
    FeatureMajor,
    /// X is `[n, k]` and Y `[n, m]`, row-major: one row a sample, as in Burn.
    BatchMajor,
}

/// Some columns of X or Y.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Columns {
    /// The first.
    pub(crate) start: usize,
    /// How many.
    pub(crate) count: usize,
    /// Columns of the whole matrix.
    pub(crate) of: usize,
}

/// Copies `columns` of `x`, `k` rows in `layout`, into `tile`, `[k][width]`.
#[derive(Debug)]
pub(crate) struct PackTile<'a> {
    pub(crate) x: &'a [f32],
    pub(crate) k: usize,
    pub(crate) layout: Layout,
    pub(crate) columns: Columns,
    /// Rows after which a row of zeros follows, where there is to be one.
    pub(crate) panel: Option<usize>,
    pub(crate) width: usize,
    pub(crate) tile: &'a mut [f32],
}

impl WithSimd for PackTile<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self {
            x,
            k,
            layout,
            columns,
            panel,
            width,
            tile,
        } = self;
        let panel_rows = panel.unwrap_or(k);
        let mut written = 0;
        for first in (0..k).step_by(panel_rows) {
            let rows = panel_rows.min(k - first);
            let part = &mut tile[written..written + rows * width];
            match layout {
                Layout::FeatureMajor => {
                    for (row, out) in part.chunks_exact_mut(width).enumerate() {
                        let from = (first + row) * columns.of + columns.start;
                        out[..columns.count].copy_from_slice(&x[from..from + columns.count]);
                        out[columns.count..].fill(0.0);
                    }
                }
                Layout::BatchMajor => {
                    if columns.count < width {
                        part.fill(0.0);
                    }
                    let from = &x[columns.start * k + first..];
                    transpose(simd, from, k, [columns.count, rows], part, width);
                }
            }
            written += rows * width;
            if panel.is_some() {
                // The row that padding points at.
                let zeros = panel_rows - rows + 1;
                tile[written..written + zeros * width].fill(0.0);
                written += zeros * width;
            }
        }
    }
}

/// Floats of a packed tile of `k` rows.
pub(crate) fn tile_len(k: usize, panel: Option<usize>, width: usize) -> usize {
    match panel {
        Some(rows) => k.div_ceil(rows) * (rows + 1) * width,
        None => k * width,
    }
}

/// Where a band of sums goes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Target {
    pub(crate) y: *mut f32,
    /// Rows of the weights.
    pub(crate) m: usize,
    pub(crate) layout: Layout,
    pub(crate) columns: Columns,
    /// First row of the band and how many.
    pub(crate) first: usize,
    pub(crate) rows: usize,
}

/// Applies the epilogue to the sums of a band, `[rows][stride]`, and writes them to `target`.
///
/// # Safety
///
/// `sums` holds `rows` rows of `columns.count` floats `stride` apart, padded to whole vectors
/// unless it is the target itself; `target.y` has room for all of Y and nobody else touches
/// these rows and columns of it.
#[inline(always)]
pub(crate) unsafe fn finish_band<S: Simd>(
    simd: S,
    sums: *mut f32,
    stride: usize,
    target: Target,
    epilogue: &Epilogue<'_>,
) {
    let Target {
        y,
        m,
        layout,
        columns,
        first,
        rows,
    } = target;
    match layout {
        Layout::FeatureMajor => {
            for row in 0..rows {
                let at = (first + row) * columns.of + columns.start;
                // SAFETY: the row has `count` sums and `count` places in Y, which are the same
                // places or do not overlap.
                unsafe {
                    finish_row(
                        simd,
                        sums.add(row * stride),
                        y,
                        at,
                        columns.count,
                        first + row,
                        epilogue,
                    );
                }
            }
        }
        Layout::BatchMajor => {
            // With a residual, which lies as Y does, only the bias comes before the turn.
            let residual = epilogue.residual_values();
            let before = match (residual, epilogue.bias_values()) {
                (None, _) => *epilogue,
                (Some(_), Some(bias)) => Epilogue::bias(bias),
                (Some(_), None) => Epilogue::none(),
            };
            if !before.is_identity() {
                for row in 0..rows {
                    let sum = sums.wrapping_add(row * stride);
                    let bias = before.bias_of(first + row);
                    // SAFETY: in place over `count` sums of the row.
                    unsafe { finish_plain(simd, sum, sum, columns.count, bias, &before) };
                }
            }
            for column in 0..columns.count.div_ceil(16) {
                let from = column * 16;
                let count = 16.min(columns.count - from);
                let at = (columns.start + from) * m + first;
                // SAFETY: the rows of sums hold at least `from + count` floats, `stride` apart, and
                // rows `start + from ..` of Y, from `first` on, `count` rows of `rows` floats `m`
                // apart: ours alone, while others write what lies between.
                unsafe {
                    transpose_raw(simd, sums.add(from), stride, [rows, count], y.add(at), m);
                }
            }
            if let Some(residual) = residual {
                for column in 0..columns.count {
                    let at = (columns.start + column) * m + first;
                    // SAFETY: `rows` floats of one sample, written just now and ours alone.
                    unsafe {
                        let y = y.add(at);
                        add_residual(
                            simd,
                            y,
                            &residual[at..at + rows],
                            epilogue.activation_kind(),
                        );
                    }
                }
            }
        }
    }
}

/// `y = activation(y + residual)`.
///
/// # Safety
///
/// `y` holds as many floats as `residual`.
#[inline(always)]
unsafe fn add_residual<S: Simd>(simd: S, y: *mut f32, residual: &[f32], activation: Activation) {
    let whole = residual.len() / S::F32_LANES * S::F32_LANES;
    for at in (0..whole).step_by(S::F32_LANES) {
        // SAFETY: a whole vector lies within both from `at`.
        unsafe {
            let v = simd.add_f32s(load::<S>(y.add(at)), load::<S>(residual.as_ptr().add(at)));
            store::<S>(y.add(at), activation.of_vector(simd, v));
        }
    }
    for (at, residual) in residual.iter().enumerate().skip(whole) {
        // SAFETY: within both.
        unsafe { *y.add(at) = activation.of(*y.add(at) + residual) };
    }
}

/// # Safety
///
/// `sum` holds `count` floats, `y[at..at + count]` is ours to write, and they are the same or
/// apart.
#[inline(always)]
unsafe fn finish_row<S: Simd>(
    simd: S,
    sum: *mut f32,
    y: *mut f32,
    at: usize,
    count: usize,
    row: usize,
    epilogue: &Epilogue<'_>,
) {
    // SAFETY: `y[at]` is within Y.
    let out = unsafe { y.add(at) };
    if epilogue.is_identity() {
        if !std::ptr::eq(out, sum) {
            // SAFETY: both hold `count` floats and lie apart.
            unsafe { std::ptr::copy_nonoverlapping(sum, out, count) };
        }
        return;
    }
    let bias = epilogue.bias_of(row);
    let Some(residual) = epilogue.residual_values() else {
        // SAFETY: the caller's promise.
        unsafe { finish_plain(simd, sum, out, count, bias, epilogue) };
        return;
    };
    let plain = Epilogue::none();
    // SAFETY: the caller's promise, and then in place.
    unsafe {
        finish_plain(simd, sum, out, count, bias, &plain);
        let residual = &residual[at..at + count];
        add_residual(simd, out, residual, epilogue.activation_kind());
    }
}

/// `out = activation(sum + bias)` over one row.
///
/// # Safety
///
/// Both hold `count` floats; they are the same or apart.
#[inline(always)]
unsafe fn finish_plain<S: Simd>(
    simd: S,
    sum: *const f32,
    out: *mut f32,
    count: usize,
    bias: f32,
    epilogue: &Epilogue<'_>,
) {
    let activation = epilogue.activation_kind();
    let splat = simd.splat_f32s(bias);
    let whole = count / S::F32_LANES * S::F32_LANES;
    for at in (0..whole).step_by(S::F32_LANES) {
        // SAFETY: a whole vector lies within `count` floats from `at`.
        unsafe {
            let v = simd.add_f32s(load::<S>(sum.add(at)), splat);
            store::<S>(out.add(at), activation.of_vector(simd, v));
        }
    }
    for at in whole..count {
        // SAFETY: `at < count`.
        unsafe { *out.add(at) = activation.of(*sum.add(at) + bias) };
    }
}
