//! The size of every format, told before packing.

use proptest::prelude::*;
use secateur_kernels::{Format, Precision, SparseMatrix};

use crate::cases::{formats, on_cases, size, weights};

/// Rows or columns of several bands and panels as well.
fn tall() -> impl Strategy<Value = usize> {
    if cfg!(miri) {
        return size().boxed();
    }
    prop_oneof![size(), Just(700), Just(900)].boxed()
}

proptest! {
    #![proptest_config(on_cases(24))]

    #[test]
    fn a_size_told_before_packing_is_the_size_after(
        m in tall(), k in tall(),
        density in prop_oneof![0.0..1.0_f64, 0.0..0.08_f64, Just(0.0), Just(1.0)],
        seed in any::<u64>(),
    ) {
        let csr = weights(seed, [m, k], density);
        let mut mask = vec![false; m * k];
        for row in 0..m {
            for (column, _) in csr.row(row) {
                mask[row * k + column] = true;
            }
        }
        for format in formats() {
            let mut packed = SparseMatrix::pack_as(&csr, format).unwrap();
            for precision in Precision::ALL {
                packed = packed.with_precision(precision).unwrap();
                let told = format.bytes(&csr, precision).unwrap();
                prop_assert_eq!(told, packed.bytes(), "{} {}", format, precision);
                let told = format.bytes_masked(&mask, [m, k], precision).unwrap();
                prop_assert_eq!(told, packed.bytes());
            }
        }
    }
}

#[test]
fn a_size_is_refused_where_packing_is() {
    let csr = weights(1, [4, 6], 0.5);
    for (rows, columns) in [(0, 1), (1, 0), (257, 1), (1, usize::MAX)] {
        let format = Format::Blocks { rows, columns };
        assert_eq!(
            format.bytes(&csr, Precision::F32).unwrap_err(),
            SparseMatrix::pack_as(&csr, format).unwrap_err()
        );
    }
    assert!(
        Format::Csr
            .bytes_masked(&[true; 5], [2, 3], Precision::F32)
            .is_err()
    );
    assert!(
        Format::Csr
            .bytes_masked(&[], [0, 3], Precision::F32)
            .is_err()
    );
}
