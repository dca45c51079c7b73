//! Matrices that keep n of every m weights.

use proptest::prelude::*;
use secateur_kernels::reference;
use secateur_kernels::{
    Csr, Epilogue, Format, KernelError, Layout, Precision, SparseMatrix, Threads,
};

use crate::cases::{
    MANY, activations, check, columns, multiply, on_cases, packings, size, weights,
};

/// `[keep, of]`.
const PATTERNS: [[usize; 2]; 8] = [
    [2, 4],
    [1, 4],
    [4, 8],
    [1, 2],
    [3, 7],
    [1, 100],
    [100, 128],
    [1, 128],
];

/// Weights with at most `keep` of every `of` columns: all of them, or about `fill` of those.
fn patterned(seed: u64, [m, k]: [usize; 2], [keep, of]: [usize; 2], fill: f64) -> Csr {
    let order = weights(seed, [m, k], 1.0);
    let chance = weights(seed ^ 0x55, [m, k], 1.0);
    let mut mask = vec![false; m * k];
    for row in 0..m {
        for first in (0..k).step_by(of) {
            let mut group: Vec<usize> = (row * k + first..row * k + (first + of).min(k)).collect();
            group.sort_by(|&a, &b| order.values()[a].total_cmp(&order.values()[b]));
            for &at in group.iter().take(keep) {
                mask[at] = f64::from(chance.values()[at]) < 2.0 * fill - 1.0;
            }
        }
    }
    Csr::from_masked(order.values(), &mask, [m, k]).unwrap()
}

proptest! {
    #![proptest_config(on_cases(48))]

    #[test]
    fn products_of_patterned_weights_match_the_reference(
        m in size(), k in size(), n in columns(), pattern in prop::sample::select(PATTERNS.to_vec()),
        fill in prop_oneof![Just(1.1), 0.0..1.0_f64], seed in any::<u64>(), nan: bool,
        at in any::<prop::sample::Index>(),
    ) {
        let [keep, of] = pattern;
        let format = Format::NofM { keep, of };
        let csr = patterned(seed, [m, k], pattern, fill);
        let packed = SparseMatrix::pack_as(&csr, format).unwrap();
        prop_assert_eq!(&packed.to_csr(), &csr);
        prop_assert_eq!(format.bytes(&csr, Precision::F32).unwrap(), packed.bytes());
        let mut x = activations(seed, k * n);
        if nan {
            x[at.index(k * n)] = f32::NAN;
        }
        for layout in [Layout::FeatureMajor, Layout::BatchMajor] {
            let expected = reference::matmul(&csr, &x, n, layout);
            for packed in packings(&csr, &[format]) {
                let [y, shared] = [Threads::One, MANY]
                    .map(|threads| multiply(&packed, &x, n, layout, Epilogue::none(), threads));
                prop_assert!(y.iter().map(|v| v.to_bits()).eq(shared.iter().map(|v| v.to_bits())));
                // A NaN of the reference has to be one here, and only there.
                let or_zero = |v: f64| if v.is_nan() { 0.0 } else { v };
                prop_assert!(y.iter().map(|v| v.is_nan()).eq(expected.iter().map(|v| v.is_nan())));
                let y: Vec<f32> = y.iter().map(|&v| or_zero(v.into()) as f32).collect();
                let expected: Vec<f64> = expected.iter().map(|&v| or_zero(v)).collect();
                check(&y, &expected, k, &(packed.format(), packed.isa(), layout, m, k, n));
            }
        }
    }
}

#[test]
fn the_first_group_that_breaks_the_pattern_is_named() {
    // Row 1 has three weights in columns 4 to 7.
    let mut dense = vec![0.0; 3 * 10];
    for at in [0, 2, 14, 15, 17, 21, 24] {
        dense[at] = 1.0;
    }
    let csr = Csr::from_dense(&dense, [3, 10]).unwrap();
    let format = Format::NofM { keep: 2, of: 4 };
    let error = SparseMatrix::pack_as(&csr, format).unwrap_err();
    assert!(
        matches!(
            error,
            KernelError::Pattern {
                row: 1,
                column: 4,
                got: 3,
                keep: 2,
                ..
            }
        ),
        "{error}"
    );
    assert_eq!(format.bytes(&csr, Precision::F32), Err(error));
    assert!(SparseMatrix::pack_as(&csr, Format::NofM { keep: 3, of: 4 }).is_ok());
}

#[test]
fn patterns_out_of_range_are_refused() {
    let csr = weights(1, [3, 10], 0.2);
    for (keep, of) in [
        (0, 4),
        (5, 4),
        (1, 0),
        (0, 0),
        (1, 129),
        (usize::MAX, usize::MAX),
    ] {
        let refused = SparseMatrix::pack_as(&csr, Format::NofM { keep, of });
        assert!(
            matches!(refused, Err(KernelError::Dimension { .. })),
            "{keep}:{of}"
        );
    }
}

#[test]
#[cfg_attr(miri, ignore = "large")]
fn a_full_pattern_takes_five_bytes_a_weight_at_most() {
    let csr = patterned(3, [512, 1024], [2, 4], 1.1);
    let bytes = Format::NofM { keep: 2, of: 4 }
        .bytes(&csr, Precision::F32)
        .unwrap();
    let each = bytes as f64 / csr.nnz() as f64;
    assert!((4.5..5.0).contains(&each), "{each}");
}

#[test]
fn patterned_matrices_are_read_back() {
    let csr = patterned(3, [33, 70], [2, 4], 0.9);
    let packed = SparseMatrix::pack_as(&csr, Format::NofM { keep: 2, of: 4 }).unwrap();
    assert_eq!(SparseMatrix::from_bytes(&packed.to_bytes()), Ok(packed));
}
