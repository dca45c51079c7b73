//! Pooling of images.

use super::plan::{Pooling, Windows};

/// Height and width of images before and after.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    pub(crate) x: [usize; 2],
    pub(crate) y: [usize; 2],
}

/// Pools all images of `x`, one after the other, into `y`.
pub(crate) fn pool(pooling: Pooling, sizes: Sizes, x: &[f32], y: &mut [f32]) {
    let (before, after) = (sizes.x[0] * sizes.x[1], sizes.y[0] * sizes.y[1]);
    if before == 0 || after == 0 {
        return;
    }
    let images = x.chunks_exact(before).zip(y.chunks_exact_mut(after));
    for (x, y) in images {
        match pooling {
            Pooling::Max(windows) if windows.is_halving(sizes) => halve(sizes, x, y),
            Pooling::Max(windows) => {
                windowed(windows, sizes, y, |rows, columns| {
                    largest(x, sizes, rows, columns)
                });
            }
            Pooling::Mean {
                windows,
                with_padding,
            } => windowed(windows, sizes, y, |rows, columns| {
                let all = windows.kernel[0] * windows.kernel[1];
                let inside = rows.len() * columns.len();
                sum(x, sizes, rows, columns) / if with_padding { all } else { inside } as f32
            }),
            Pooling::Adaptive(_) => adaptive(sizes, x, y),
        }
    }
}

type Span = std::ops::Range<usize>;

impl Windows {
    /// Whether windows of two by two lie side by side.
    fn is_halving(self, sizes: Sizes) -> bool {
        let half = self.kernel == [2, 2] && self.stride == [2, 2] && self.padding == [0, 0];
        half && sizes.x[0] >= 2 * sizes.y[0] && sizes.x[1] >= 2 * sizes.y[1]
    }
}

/// The commonest pooling, without ranges.
fn halve(sizes: Sizes, x: &[f32], y: &mut [f32]) {
    let width = sizes.x[1];
    for (pair, y) in x
        .chunks_exact(2 * width)
        .zip(y.chunks_exact_mut(sizes.y[1]))
    {
        let (above, below) = pair.split_at(width);
        let columns = above.chunks_exact(2).zip(below.chunks_exact(2));
        for (y, (above, below)) in y.iter_mut().zip(columns) {
            *y = larger(larger(above[0], above[1]), larger(below[0], below[1]));
        }
    }
}

/// The larger one; NaN where either is.
fn larger(a: f32, b: f32) -> f32 {
    if a > b || a.is_nan() { a } else { b }
}

fn windowed(windows: Windows, sizes: Sizes, y: &mut [f32], f: impl Fn(Span, Span) -> f32) {
    let span = |axis: usize, at: usize| {
        let start = at * windows.stride[axis];
        let end = (start + windows.kernel[axis]).saturating_sub(windows.padding[axis]);
        start.saturating_sub(windows.padding[axis])..end.min(sizes.x[axis])
    };
    for (row, y) in y.chunks_exact_mut(sizes.y[1]).enumerate() {
        for (column, y) in y.iter_mut().enumerate() {
            *y = f(span(0, row), span(1, column));
        }
    }
}

/// Windows from `floor(i * size / out)` to `ceil((i + 1) * size / out)`, as in Burn and PyTorch.
fn adaptive(sizes: Sizes, x: &[f32], y: &mut [f32]) {
    let span = |axis: usize, at: usize| {
        let (size, out) = (sizes.x[axis], sizes.y[axis]);
        at * size / out..((at + 1) * size).div_ceil(out)
    };
    for (row, y) in y.chunks_exact_mut(sizes.y[1]).enumerate() {
        for (column, y) in y.iter_mut().enumerate() {
            let (rows, columns) = (span(0, row), span(1, column));
            let count = (rows.len() * columns.len()) as f32;
            *y = sum(x, sizes, rows, columns) / count;
        }
    }
}

fn lines(x: &[f32], sizes: Sizes, rows: Span, columns: Span) -> impl Iterator<Item = &[f32]> {
    let width = sizes.x[1];
    rows.map(move |row| &x[row * width + columns.start..row * width + columns.end])
}

fn largest(x: &[f32], sizes: Sizes, rows: Span, columns: Span) -> f32 {
    let all = lines(x, sizes, rows, columns).flatten();
    all.fold(f32::NEG_INFINITY, |a, &b| larger(a, b))
}

fn sum(x: &[f32], sizes: Sizes, rows: Span, columns: Span) -> f32 {
    lines(x, sizes, rows, columns).flatten().sum()
}
