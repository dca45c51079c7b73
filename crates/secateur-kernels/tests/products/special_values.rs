//! NaN, infinities, subnormals and negative zero, one at a time.
//!
//! The contract: an output sums exactly the products that its format multiplies. Those are the
//! stored weights; for blocks, every place of a stored block; for dense, every place. The places
//! beyond the stored weights hold zeros, so only a NaN or an infinity in X shows them, as NaN.

use proptest::prelude::*;
use secateur_kernels::{Csr, Epilogue, Format, Layout, SparseMatrix, Threads, reference};

use crate::cases::{
    EXACT, activations, columns, formats, multiply, on_cases, packings, size, weights,
};

const SPECIAL: [f32; 6] = [
    f32::NAN,
    f32::INFINITY,
    f32::NEG_INFINITY,
    1e-42,
    -1e-42,
    -0.0,
];

const LAYOUTS: [Layout; 2] = [Layout::FeatureMajor, Layout::BatchMajor];

/// The weights that `format` multiplies for `csr`, with its zeros.
fn multiplied(csr: &Csr, format: Format) -> Csr {
    let [m, k] = csr.shape();
    let mut mask = vec![false; m * k];
    for row in 0..m {
        for (column, _) in csr.row(row) {
            let (rows, columns) = match format {
                Format::Dense => (0..m, 0..k),
                Format::Blocks {
                    rows: r,
                    columns: c,
                } => {
                    let (top, left) = (row / r * r, column / c * c);
                    (top..(top + r).min(m), left..(left + c).min(k))
                }
                _ => (row..row + 1, column..column + 1),
            };
            for row in rows {
                mask[row * k + columns.start..row * k + columns.end].fill(true);
            }
        }
    }
    if format == Format::Dense {
        mask.fill(true);
    }
    Csr::from_masked(&csr.to_dense(), &mask, [m, k]).unwrap()
}

/// Holds `packings` times `x` against the reference over what their format multiplies.
fn check_contract(packings: &[SparseMatrix], multiplied: &Csr, x: &[f32], n: usize) {
    for layout in LAYOUTS {
        let expected = reference::matmul(multiplied, x, n, layout);
        for packed in packings {
            let y = multiply(packed, x, n, layout, Epilogue::none(), Threads::One);
            for (at, (&got, &expected)) in y.iter().zip(&expected).enumerate() {
                let got = f64::from(got);
                let same = if expected.is_finite() {
                    (got - expected).abs() < 1e-4
                } else {
                    got == expected || (got.is_nan() && expected.is_nan())
                };
                let (format, isa) = (packed.format(), packed.isa());
                assert!(
                    same,
                    "{format} {isa} {layout:?}: output {at} is {got}, not {expected}"
                );
            }
        }
    }
}

/// Columns of W stay below it; more than a panel has, but for Miri.
const WIDEST: usize = if cfg!(miri) { 12 } else { 140 };

proptest! {
    #![proptest_config(on_cases(12))]

    #[test]
    fn in_x_they_reach_what_the_format_multiplies(
        m in size(), k in 2..WIDEST, n in columns(), density in 0.0..0.6_f64,
        seed in any::<u64>(), at in any::<prop::sample::Index>(),
    ) {
        let csr = weights(seed, [m, k], density);
        let clean = activations(seed, k * n);
        let at = at.index(k * n);
        for format in formats() {
            let multiplied = multiplied(&csr, format);
            let packings = packings(&csr, &[format]);
            for special in SPECIAL {
                let mut x = clean.clone();
                x[at] = special;
                check_contract(&packings, &multiplied, &x, n);
            }
        }
    }

    #[test]
    fn in_w_they_reach_their_row(
        m in size(), k in 2..WIDEST, n in columns(), density in 0.05..0.6_f64,
        seed in any::<u64>(), at in any::<prop::sample::Index>(),
    ) {
        let clean = weights(seed, [m, k], density);
        prop_assume!(clean.nnz() > 0);
        let x = activations(seed, k * n);
        let at = at.index(clean.nnz());
        for special in SPECIAL {
            let mut csr = clean.clone();
            csr.values_mut()[at] = special;
            check_contract(&packings(&csr, &formats()), &csr, &x, n);
        }
    }
}

#[test]
fn a_nan_reaches_exactly_the_rows_that_weigh_it() {
    // Column 2 is kept in row 1 alone.
    let dense = [
        [1.0, 0.0, 0.0, 1.0, 0.0, 1.0],
        [1.0, 1.0, 1.0, 1.0, 0.0, 1.0],
        [0.0, 1.0, 0.0, 1.0, 0.0, 1.0],
    ];
    let csr = Csr::from_dense(dense.as_flattened(), [3, 6]).unwrap();
    let x = [1.0, 1.0, f32::NAN, 1.0, 1.0, 1.0];
    let nans = |format| {
        let packed = SparseMatrix::pack_as(&csr, format).unwrap();
        let y = multiply(
            &packed,
            &x,
            1,
            Layout::BatchMajor,
            Epilogue::none(),
            Threads::One,
        );
        [y[0], y[1], y[2]].map(f32::is_nan)
    };
    for format in EXACT {
        assert_eq!(nans(format), [false, true, false], "{format}");
    }
    assert_eq!(nans(Format::Dense), [true; 3]);
    let [rows, columns] = [2, 1];
    assert_eq!(nans(Format::Blocks { rows, columns }), [true, true, false]);
}

#[test]
fn subnormals_are_not_flushed() {
    for (m, k, n) in [(37, 50, 1), (37, 50, 5), (20, 140, 64)] {
        let mut csr = weights(3, [m, k], 0.4);
        csr.values_mut()
            .iter_mut()
            .for_each(|v| *v = v.signum() * 0.5);
        // One activation a column, so that every output is one product, exact in f32.
        let mut x = vec![0.0; k * n];
        for column in 0..n {
            x[column % k * n + column] = 3e-42;
        }
        let expected = reference::matmul(&csr, &x, n, Layout::FeatureMajor);
        for packed in packings(&csr, &formats()) {
            let y = multiply(
                &packed,
                &x,
                n,
                Layout::FeatureMajor,
                Epilogue::none(),
                Threads::One,
            );
            for (&got, &expected) in y.iter().zip(&expected) {
                let expected = expected as f32;
                assert_eq!(got, expected, "{} {}", packed.format(), packed.isa());
            }
        }
    }
}
