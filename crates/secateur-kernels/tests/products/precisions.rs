//! Weights in half precision: exactly the products of the rounded weights.

use half::{bf16, f16};
use proptest::prelude::*;
use secateur_kernels::reference;
use secateur_kernels::{
    CostModel, Csr, Epilogue, Format, Hint, Isa, KernelError, Layout, Precision, SparseMatrix,
    Threads,
};

use crate::cases::{
    MANY, activations, check, columns, formats, multiply, on_cases, rounded, size, weights,
};

const HALVES: [Precision; 2] = [Precision::F16, Precision::Bf16];

proptest! {
    #![proptest_config(on_cases(32))]

    #[test]
    fn products_are_those_of_the_rounded_weights(
        m in size(), k in size(), n in columns(), density in 0.0..1.0_f64, seed in any::<u64>(),
    ) {
        let csr = weights(seed, [m, k], density);
        let x = activations(seed, k * n);
        for precision in HALVES {
            let stored = rounded(&csr, precision);
            for layout in [Layout::FeatureMajor, Layout::BatchMajor] {
                let expected = reference::matmul(&stored, &x, n, layout);
                for format in formats() {
                    let wide = SparseMatrix::pack_as(&stored, format).unwrap();
                    let packed = SparseMatrix::pack_as(&csr, format).unwrap();
                    let packed = packed.with_precision(precision).unwrap();
                    prop_assert_eq!(packed.precision(), precision);
                    prop_assert_eq!(&packed.to_csr(), &stored, "{} {}", format, precision);
                    for isa in Isa::available() {
                        let packed = packed.clone().with_isa(isa).unwrap();
                        let y = multiply(&packed, &x, n, layout, Epilogue::none(), Threads::One);
                        let what = (format, precision, isa, layout, [m, k, n]);
                        check(&y, &expected, k, &what);
                        let shared =
                            multiply(&packed, &x, n, layout, Epilogue::none(), MANY);
                        prop_assert_eq!(&y, &shared, "{:?}", what);
                        // The sums are those of `f32`, bit for bit.
                        let wide = wide.clone().with_isa(isa).unwrap();
                        let wide = multiply(&wide, &x, n, layout, Epilogue::none(), Threads::One);
                        prop_assert_eq!(&y, &wide, "{:?}", what);
                    }
                }
            }
        }
    }

    #[test]
    fn new_values_are_rounded(
        m in size(), k in size(), density in 0.0..1.0_f64, seed in any::<u64>(),
    ) {
        let csr = weights(seed, [m, k], density);
        let mut new = csr.clone();
        new.values_mut().iter_mut().for_each(|v| *v = 1.0 - *v);
        for (format, precision) in formats().into_iter().zip(HALVES.into_iter().cycle()) {
            let pack = |csr| SparseMatrix::pack_as(csr, format).unwrap().with_precision(precision);
            let mut packed = pack(&csr).unwrap();
            packed.update_values(&new).unwrap();
            prop_assert_eq!(packed, pack(&new).unwrap());
        }
    }
}

#[test]
fn rounding_is_that_of_half() {
    let values = [0.1, -1.0 / 3.0, 1e-7, -1e-9, 2049.0, 65504.0, 1e-40, -0.0];
    for precision in HALVES {
        for value in values {
            let expected = match precision {
                Precision::F16 => f16::from_f32(value).to_f32(),
                _ => bf16::from_f32(value).to_f32(),
            };
            assert_eq!(precision.round(value).to_bits(), expected.to_bits());
        }
    }
}

#[test]
fn weights_that_become_zero_are_still_kept() {
    let csr = Csr::from_dense(&[1e-12, 0.0, 2.0, 3.0], [2, 2]).unwrap();
    for format in formats() {
        let packed = SparseMatrix::pack_as(&csr, format).unwrap();
        let packed = packed.with_precision(Precision::F16).unwrap();
        assert_eq!(
            (packed.nnz(), packed.to_csr().values()[0]),
            (3, 0.0),
            "{format}"
        );
    }
}

#[test]
fn special_weights_stay_what_they_are() {
    let special = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -0.0];
    let csr = Csr::from_masked(&special, &[true; 4], [4, 1]).unwrap();
    for precision in Precision::ALL {
        let packed = SparseMatrix::pack_as(&csr, Format::Panels).unwrap();
        let stored = packed.with_precision(precision).unwrap().to_csr();
        let stored = stored.values();
        assert!(stored[0].is_nan());
        assert_eq!(stored[1..3], special[1..3]);
        assert_eq!(stored[3].to_bits(), (-0.0_f32).to_bits());
    }
}

#[test]
fn what_would_become_infinite_is_named() {
    let csr = Csr::from_dense(&[1.0, 65519.0, 0.0, f32::INFINITY, 0.0, -65520.0], [3, 2]).unwrap();
    let error = KernelError::OutOfRange {
        row: 2,
        column: 1,
        value: -65520.0,
        precision: Precision::F16,
        max: 65504.0,
    };
    for format in formats() {
        let packed = SparseMatrix::pack_as(&csr, format).unwrap();
        assert_eq!(
            packed.clone().with_precision(Precision::F16),
            Err(error.clone())
        );
        assert!(packed.with_precision(Precision::Bf16).is_ok());
    }
    let hint = Hint::batch(4).with_precision(Precision::F16);
    let hint = hint.with_model(CostModel::table(Isa::Scalar));
    assert_eq!(SparseMatrix::pack_csr(&csr, &hint), Err(error.clone()));
    assert_eq!(
        error.to_string(),
        "the weight -65520 at row 2, column 1 is beyond the range of f16, which ends at 65504; \
         scale the weights down, or store them as bf16 or f32"
    );

    let small = Csr::from_dense(&[1.0, 1.0, 0.0, 1.0, 0.0, 1.0], [3, 2]).unwrap();
    let mut packed = SparseMatrix::pack_csr(&small, &hint).unwrap();
    let before = packed.clone();
    assert_eq!(packed.update_values(&csr), Err(error));
    assert_eq!(packed, before);
}

#[test]
#[cfg_attr(miri, ignore = "large")]
fn a_hint_says_how_weights_are_stored() {
    let csr = weights(3, [256, 256], 0.2);
    for precision in Precision::ALL {
        let hint = Hint::batch(64).with_precision(precision);
        assert_eq!(hint.precision(), precision);
        let packed = SparseMatrix::pack_csr(&csr, &hint).unwrap();
        assert_eq!(packed.precision(), precision);
        let told = packed.format().bytes(&csr, precision).unwrap();
        assert_eq!(packed.bytes(), told);
    }
}

#[test]
#[cfg_attr(miri, ignore = "large")]
fn fewer_bytes_make_a_column_faster_where_memory_is_the_limit() {
    let model = CostModel::table(Isa::Avx512Vbmi);
    let csr = weights(3, [2048, 2048], 0.5);
    let wide = model.choose_in(&csr, 1, Precision::F32);
    for precision in HALVES {
        let half = model.choose_in(&csr, 1, precision);
        assert!(half.dense_seconds() < 0.6 * wide.dense_seconds());
        // Against a batch arithmetic is the limit.
        let [half, wide] = [precision, Precision::F32].map(|p| model.choose_in(&csr, 64, p));
        assert_eq!(half, wide);
    }
}
