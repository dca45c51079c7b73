//! Slow, obvious products in f64: what every kernel is tested against.

use crate::csr::Csr;
use crate::layout::Layout;

/// Position of feature `row`, column `column` of `n` in an array of `features` rows.
#[must_use]
pub fn position(layout: Layout, row: usize, column: usize, features: usize, n: usize) -> usize {
    match layout {
        Layout::FeatureMajor => row * n + column,
        Layout::BatchMajor => column * features + row,
    }
}

/// `W X` by the definition, `[m, n]` in `layout`. Only weights that are stored are multiplied.
#[must_use]
pub fn matmul(weights: &Csr, x: &[f32], n: usize, layout: Layout) -> Vec<f64> {
    let [m, k] = weights.shape();
    let mut y = vec![0.0; m * n];
    for row in 0..m {
        for column in 0..n {
            y[position(layout, row, column, m, n)] = weights
                .row(row)
                .map(|(inner, value)| {
                    f64::from(value) * f64::from(x[position(layout, inner, column, k, n)])
                })
                .sum();
        }
    }
    y
}

/// `dY Xᵀ` at the places that `weights` stores, in the order of its entries.
#[must_use]
pub fn sddmm(weights: &Csr, dy: &[f32], x: &[f32], n: usize, layout: Layout) -> Vec<f64> {
    let [m, k] = weights.shape();
    let mut gradient = Vec::with_capacity(weights.nnz());
    for row in 0..m {
        for (inner, _) in weights.row(row) {
            gradient.push(
                (0..n)
                    .map(|column| {
                        f64::from(dy[position(layout, row, column, m, n)])
                            * f64::from(x[position(layout, inner, column, k, n)])
                    })
                    .sum(),
            );
        }
    }
    gradient
}
