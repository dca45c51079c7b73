//! Matrices, activations and comparisons that the tests of products share.

use proptest::prelude::*;
use secateur_kernels::{
    Csr, Epilogue, Format, Isa, Layout, Precision, Scratch, SparseMatrix, Threads,
};

/// Several threads; under Miri, which runs rayon's pool slowly and never sees it end, one.
pub const MANY: Threads = if cfg!(miri) {
    Threads::One
} else {
    Threads::Rayon
};

/// A property on `usual` cases; on two under Miri, which is a thousand times slower and has no files
/// to note failures in.
pub fn on_cases(usual: u32) -> ProptestConfig {
    if cfg!(miri) {
        ProptestConfig {
            failure_persistence: None,
            ..ProptestConfig::with_cases(2)
        }
    } else {
        ProptestConfig::with_cases(usual)
    }
}

/// Formats that multiply only the weights that are stored.
pub const EXACT: [Format; 7] = [
    Format::Csr,
    Format::Panels,
    Format::RowLists,
    Format::Lookup,
    Format::Bitmap,
    // Patterns that hold any matrix.
    Format::NofM { keep: 4, of: 4 },
    Format::NofM { keep: 1, of: 1 },
];

/// Every format, blocks in several shapes.
pub fn formats() -> Vec<Format> {
    let mut formats = EXACT.to_vec();
    formats.push(Format::Dense);
    for (rows, columns) in [(4, 1), (8, 1), (1, 4), (4, 4), (16, 1), (3, 2), (7, 5)] {
        formats.push(Format::Blocks { rows, columns });
    }
    formats
}

/// A matrix with about `density` of its weights, drawn from a seed.
pub fn weights(seed: u64, [m, k]: [usize; 2], density: f64) -> Csr {
    let mut state = seed.wrapping_mul(2).wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as f64 / (1_u64 << 53) as f64
    };
    let mask: Vec<bool> = (0..m * k).map(|_| next() < density).collect();
    let dense: Vec<f32> = (0..m * k).map(|_| (next() * 2.0 - 1.0) as f32).collect();
    Csr::from_masked(&dense, &mask, [m, k]).unwrap()
}

/// Values between -1 and 1, drawn from a seed.
pub fn activations(seed: u64, len: usize) -> Vec<f32> {
    let csr = weights(seed ^ 0xABCD, [1, len.max(1)], 1.0);
    csr.values()[..len].to_vec()
}

/// Rows or columns of a matrix: round ones, ragged ones, one.
pub fn size() -> impl Strategy<Value = usize> {
    if cfg!(miri) {
        return prop_oneof![Just(1), Just(5), 1_usize..12, Just(17)].boxed();
    }
    prop_oneof![
        Just(1),
        Just(3),
        Just(16),
        Just(17),
        Just(63),
        Just(64),
        1_usize..150,
        Just(300)
    ]
    .boxed()
}

/// Columns of X.
pub fn columns() -> impl Strategy<Value = usize> {
    if cfg!(miri) {
        return prop_oneof![Just(1), Just(3), Just(6)].boxed();
    }
    prop_oneof![
        Just(1),
        2_usize..=16,
        Just(17),
        Just(63),
        Just(64),
        1_usize..40,
        Just(130)
    ]
    .boxed()
}

/// Holds outputs against the reference; `terms` products were added for each.
pub fn check(got: &[f32], expected: &[f64], terms: usize, what: &dyn std::fmt::Debug) {
    for (at, (&got, &expected)) in got.iter().zip(expected).enumerate() {
        let error = (f64::from(got) - expected).abs();
        let bound = 4e-7 * (terms as f64 + 4.0) * expected.abs().max(1.0);
        assert!(
            error <= bound,
            "{what:?}: output {at} is {got}, not {expected}"
        );
    }
}

/// `epilogue(W x)`.
pub fn multiply(
    w: &SparseMatrix,
    x: &[f32],
    n: usize,
    layout: Layout,
    epilogue: Epilogue<'_>,
    threads: Threads,
) -> Vec<f32> {
    let mut y = vec![f32::NAN; w.shape()[0] * n];
    let mut scratch = Scratch::new().with_threads(threads);
    // Twice with one scratch: what the first call leaves must not matter.
    for _ in 0..2 {
        match layout {
            Layout::FeatureMajor => w.matmul(x, n, &mut y, epilogue, &mut scratch).unwrap(),
            _ => w.linear(x, n, &mut y, epilogue, &mut scratch).unwrap(),
        }
    }
    y
}

/// `csr` with its weights as `precision` stores them.
pub fn rounded(csr: &Csr, precision: Precision) -> Csr {
    let mut rounded = csr.clone();
    for value in rounded.values_mut() {
        *value = precision.round(*value);
    }
    rounded
}

/// `csr` packed in every one of `formats`, for every instruction set of this processor.
pub fn packings(csr: &Csr, formats: &[Format]) -> Vec<SparseMatrix> {
    let mut packings = Vec::new();
    for &format in formats {
        let packed = SparseMatrix::pack_as(csr, format).unwrap();
        for isa in Isa::available() {
            packings.push(packed.clone().with_isa(isa).unwrap());
        }
    }
    packings
}
