//! Products with sparse weights in CubeCL: one source for Vulkan, Metal, CUDA and ROCm.
//!
//! Activations are `[features, n]`. A unit makes one element of the result (of a block, one a
//! row), its neighbours the same rows for the next samples: they read the weights together and
//! activations side by side.
// What `#[cube]` generates beside each kernel has no documentation of its own.
#![allow(missing_docs, clippy::too_many_arguments)]

use cubecl::prelude::*;

/// Compressed rows, the longest first: units that run together finish together.
///
/// `values` are those of the kept weights; with `turned`, the value of an entry is found through
/// `entries`, which is how the transposed weight reads the values of the weight itself.
#[cube(launch)]
pub(super) fn swizzled_rows(
    x: &Tensor<f32>,
    values: &Tensor<f32>,
    bias: &Tensor<f32>,
    starts: &Tensor<i32>,
    columns: &Tensor<i32>,
    order: &Tensor<i32>,
    entries: &Tensor<i32>,
    y: &mut Tensor<f32>,
    n: usize,
    units: usize,
    #[comptime] turned: bool,
    #[comptime] has_bias: bool,
) {
    if ABSOLUTE_POS >= units {
        terminate!();
    }
    let row = usize::cast_from(order[ABSOLUTE_POS / n]);
    let sample = ABSOLUTE_POS % n;
    let mut sum = 0.0f32;
    if has_bias {
        sum = bias[row];
    }
    let start = usize::cast_from(starts[row]);
    let end = usize::cast_from(starts[row + 1]);
    for entry in start..end {
        let column = usize::cast_from(columns[entry]);
        if turned {
            let value = values[usize::cast_from(entries[entry])];
            sum += value * x[column * n + sample];
        } else {
            sum += values[entry] * x[column * n + sample];
        }
    }
    y[row * n + sample] = sum;
}

/// Rows that all keep `kept` weights, as n:m weights do: no row has to be looked up, and all units
/// do the same work.
#[cube(launch)]
pub(super) fn even_rows(
    x: &Tensor<f32>,
    values: &Tensor<f32>,
    bias: &Tensor<f32>,
    columns: &Tensor<i32>,
    y: &mut Tensor<f32>,
    n: usize,
    units: usize,
    kept: usize,
    #[comptime] has_bias: bool,
) {
    if ABSOLUTE_POS >= units {
        terminate!();
    }
    let row = ABSOLUTE_POS / n;
    let sample = ABSOLUTE_POS % n;
    let mut sum = 0.0f32;
    if has_bias {
        sum = bias[row];
    }
    let start = row * kept;
    for entry in start..start + kept {
        let column = usize::cast_from(columns[entry]);
        sum += values[entry] * x[column * n + sample];
    }
    y[row * n + sample] = sum;
}

/// Blocks of `height` by `width`: a unit makes one sample of all rows of a row of blocks, and
/// reads each activation and each block's place once for all of them. The values lie row by row,
/// as in any other weight: rows of one row of blocks are equally long.
#[cube(launch)]
pub(super) fn blocks(
    x: &Tensor<f32>,
    values: &Tensor<f32>,
    bias: &Tensor<f32>,
    starts: &Tensor<i32>,
    columns: &Tensor<i32>,
    y: &mut Tensor<f32>,
    n: usize,
    units: usize,
    #[comptime] height: usize,
    #[comptime] width: usize,
    #[comptime] has_bias: bool,
) {
    if ABSOLUTE_POS >= units {
        terminate!();
    }
    let first = (ABSOLUTE_POS / n) * height;
    let sample = ABSOLUTE_POS % n;
    let mut sums = Array::<f32>::new(height);
    #[unroll]
    for i in 0..height {
        if has_bias {
            sums[i] = bias[first + i];
        } else {
            sums[i] = 0.0f32;
        }
    }
    let start = usize::cast_from(starts[first]);
    let length = usize::cast_from(starts[first + 1]) - start;
    let count = length / width;
    for block in 0..count {
        let at = start + block * width;
        let column = usize::cast_from(columns[at]);
        #[unroll]
        for j in 0..width {
            let activation = x[(column + j) * n + sample];
            #[unroll]
            for i in 0..height {
                sums[i] += values[at + i * length + j] * activation;
            }
        }
    }
    #[unroll]
    for i in 0..height {
        y[(first + i) * n + sample] = sums[i];
    }
}

/// For each kept weight the product of its row of `dy` with its column of `x`, over the samples:
/// `dy` is `[n, rows]` and `x` `[n, columns]`.
#[cube(launch)]
pub(super) fn sampled_products(
    dy: &Tensor<f32>,
    x: &Tensor<f32>,
    rows_of_entries: &Tensor<i32>,
    columns_of_entries: &Tensor<i32>,
    gradient: &mut Tensor<f32>,
    rows: usize,
    columns: usize,
    n: usize,
    units: usize,
) {
    if ABSOLUTE_POS >= units {
        terminate!();
    }
    let row = usize::cast_from(rows_of_entries[ABSOLUTE_POS]);
    let column = usize::cast_from(columns_of_entries[ABSOLUTE_POS]);
    let mut sum = 0.0f32;
    for sample in 0..n {
        sum += dy[sample * rows + row] * x[sample * columns + column];
    }
    gradient[ABSOLUTE_POS] = sum;
}
