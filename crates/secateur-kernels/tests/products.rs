//! Every format, instruction set, layout, epilogue and thread count against the slow reference.

use proptest::prelude::*;
use secateur_kernels::reference::{self, position};
use secateur_kernels::{
    Activation, Csr, Epilogue, Format, Isa, Layout, Scratch, SparseMatrix, Threads, TrainingMatrix,
};

/// Formats that multiply only the weights that are stored.
const EXACT: [Format; 5] = [
    Format::Csr,
    Format::Panels,
    Format::RowLists,
    Format::Lookup,
    Format::Bitmap,
];

fn formats() -> Vec<Format> {
    let mut formats = EXACT.to_vec();
    formats.push(Format::Dense);
    for (rows, columns) in [(4, 1), (8, 1), (1, 4), (4, 4), (16, 1), (3, 2), (7, 5)] {
        formats.push(Format::Blocks { rows, columns });
    }
    formats
}

/// A matrix with about `density` of its weights, drawn from a seed.
fn weights(seed: u64, [m, k]: [usize; 2], density: f64) -> Csr {
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

fn activations(seed: u64, len: usize) -> Vec<f32> {
    let csr = weights(seed ^ 0xABCD, [1, len.max(1)], 1.0);
    csr.values()[..len].to_vec()
}

fn size() -> impl Strategy<Value = usize> {
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
}

fn columns() -> impl Strategy<Value = usize> {
    prop_oneof![
        Just(1),
        Just(3),
        Just(17),
        Just(63),
        Just(64),
        1_usize..40,
        Just(130)
    ]
}

fn check(got: &[f32], expected: &[f64], terms: usize, what: &dyn std::fmt::Debug) {
    for (at, (&got, &expected)) in got.iter().zip(expected).enumerate() {
        let error = (f64::from(got) - expected).abs();
        let bound = 4e-7 * (terms as f64 + 4.0) * expected.abs().max(1.0);
        assert!(
            error <= bound,
            "{what:?}: output {at} is {got}, not {expected}"
        );
    }
}

fn multiply(
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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn products_match_the_reference(
        m in size(), k in size(), n in columns(), density in 0.0..1.0_f64, seed in any::<u64>(),
    ) {
        let csr = weights(seed, [m, k], density);
        let x = activations(seed, k * n);
        for layout in [Layout::FeatureMajor, Layout::BatchMajor] {
            let expected = reference::matmul(&csr, &x, n, layout);
            for format in formats() {
                let packed = SparseMatrix::pack_as(&csr, format).unwrap();
                prop_assert_eq!(&packed.to_csr(), &csr, "{} loses weights", format);
                for isa in Isa::available() {
                    let packed = packed.clone().with_isa(isa).unwrap();
                    let y = multiply(&packed, &x, n, layout, Epilogue::none(), Threads::One);
                    check(&y, &expected, k, &(format, isa, layout, m, k, n));
                    let shared = multiply(&packed, &x, n, layout, Epilogue::none(), Threads::Rayon);
                    prop_assert_eq!(&y, &shared, "{} differs between thread counts", format);
                }
            }
        }
    }

    #[test]
    fn epilogues_match_the_reference(
        m in size(), n in columns(), seed in any::<u64>(), which in 0_usize..5,
        biased: bool, added: bool,
    ) {
        let k = 20;
        let csr = weights(seed, [m, k], 0.4);
        let x = activations(seed, k * n);
        let bias = activations(seed ^ 1, m);
        let residual = activations(seed ^ 2, m * n);
        let activation = [
            Activation::Identity, Activation::Relu, Activation::Gelu, Activation::Silu,
            Activation::Clamp { min: -0.25, max: 0.5 },
        ][which];
        let mut epilogue = if biased { Epilogue::bias(&bias) } else { Epilogue::none() };
        if added {
            epilogue = epilogue.residual(&residual);
        }
        epilogue = epilogue.activation(activation);
        for layout in [Layout::FeatureMajor, Layout::BatchMajor] {
            let mut expected = reference::matmul(&csr, &x, n, layout);
            for row in 0..m {
                for column in 0..n {
                    let at = position(layout, row, column, m, n);
                    let mut v = expected[at];
                    if biased { v += f64::from(bias[row]); }
                    if added { v += f64::from(residual[at]); }
                    expected[at] = f64::from(activation.of(v as f32));
                }
            }
            for format in [Format::Panels, Format::Dense] {
                for isa in Isa::available() {
                    let packed = SparseMatrix::pack_as(&csr, format).unwrap().with_isa(isa).unwrap();
                    let y = multiply(&packed, &x, n, layout, epilogue, Threads::One);
                    check(&y, &expected, k + 4, &(format, isa, layout, activation));
                }
            }
        }
    }

    #[test]
    fn special_values_reach_only_what_they_touch(
        m in size(), k in 2_usize..70, n in columns(), density in 0.0..0.6_f64, seed in any::<u64>(),
        special in prop::sample::select(vec![f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e-42, -0.0]),
        at in any::<prop::sample::Index>(),
    ) {
        let csr = weights(seed, [m, k], density);
        let mut x = activations(seed, k * n);
        x[at.index(k * n)] = special;
        for layout in [Layout::FeatureMajor, Layout::BatchMajor] {
            let expected = reference::matmul(&csr, &x, n, layout);
            for format in EXACT {
                for isa in Isa::available() {
                    let packed = SparseMatrix::pack_as(&csr, format).unwrap().with_isa(isa).unwrap();
                    let y = multiply(&packed, &x, n, layout, Epilogue::none(), Threads::One);
                    for (&got, &expected) in y.iter().zip(&expected) {
                        if expected.is_finite() {
                            prop_assert!((f64::from(got) - expected).abs() < 1e-4, "{} {}", got, expected);
                        } else if expected.is_nan() {
                            prop_assert!(got.is_nan());
                        } else {
                            prop_assert_eq!(f64::from(got), expected);
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn new_values_in_the_same_places(m in size(), k in size(), density in 0.0..1.0_f64, seed in any::<u64>()) {
        let csr = weights(seed, [m, k], density);
        let mut new = csr.clone();
        new.values_mut().iter_mut().for_each(|v| *v = 1.0 - *v);
        for format in formats() {
            let mut packed = SparseMatrix::pack_as(&csr, format).unwrap();
            packed.update_values(&new).unwrap();
            prop_assert_eq!(&packed, &SparseMatrix::pack_as(&new, format).unwrap());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn a_training_step_matches_the_reference(
        m in size(), k in size(), n in columns(), density in 0.0..1.0_f64, seed in any::<u64>(),
    ) {
        let first = weights(seed, [m, k], density);
        let mut csr = first.clone();
        csr.values_mut().iter_mut().for_each(|v| *v = 0.5 - *v);
        let x = activations(seed, k * n);
        let dy = activations(seed ^ 3, m * n);
        for layout in [Layout::FeatureMajor, Layout::BatchMajor] {
            let mut matrix =
                TrainingMatrix::new(first.clone(), Format::Panels, Format::RowLists).unwrap();
            matrix.set_values(csr.values()).unwrap();
            prop_assert_eq!(matrix.weights(), &csr);
            for (isa, threads) in Isa::available()
                .into_iter()
                .flat_map(|isa| [(isa, Threads::One), (isa, Threads::Rayon)])
            {
                let matrix = matrix.clone().with_isa(isa).unwrap();
                let mut scratch = Scratch::new().with_threads(threads);
                let mut y = vec![0.0; m * n];
                let none = Epilogue::none();
                matrix.forward(&x, n, layout, &mut y, none, &mut scratch).unwrap();
                check(&y, &reference::matmul(&csr, &x, n, layout), k, &"y");
                let mut dx = vec![0.0; k * n];
                matrix.input_gradient(&dy, n, layout, &mut dx, &mut scratch).unwrap();
                let expected = reference::matmul(&csr.transposed().0, &dy, n, layout);
                check(&dx, &expected, m, &"dx");
                let mut dw = vec![0.0; csr.nnz()];
                matrix.weight_gradient(&dy, &x, n, layout, &mut dw, &mut scratch).unwrap();
                check(&dw, &reference::sddmm(&csr, &dy, &x, n, layout), n, &"dw");
            }
        }
    }
}

#[test]
fn empty_and_full_matrices() {
    for density in [0.0, 1.0] {
        for [m, k] in [[1, 1], [8, 8], [5, 300]] {
            let csr = weights(7, [m, k], density);
            let x = activations(7, k * 5);
            let expected = reference::matmul(&csr, &x, 5, Layout::FeatureMajor);
            for format in formats() {
                let packed = SparseMatrix::pack_as(&csr, format).unwrap();
                let y = multiply(
                    &packed,
                    &x,
                    5,
                    Layout::FeatureMajor,
                    Epilogue::none(),
                    Threads::One,
                );
                check(&y, &expected, k, &format);
            }
        }
    }
}

#[test]
fn bad_lengths_are_refused() {
    let packed = SparseMatrix::pack_as(&weights(1, [4, 6], 0.5), Format::Panels).unwrap();
    let mut scratch = Scratch::new();
    let mut multiply = |x: usize, n: usize, y: usize| {
        packed.matmul(
            &vec![0.0; x],
            n,
            &mut vec![0.0; y],
            Epilogue::none(),
            &mut scratch,
        )
    };
    assert!(multiply(12, 2, 8).is_ok());
    assert!(multiply(0, 0, 0).is_ok());
    assert!(multiply(11, 2, 8).is_err());
    assert!(multiply(12, 2, 7).is_err());
    assert!(multiply(12, usize::MAX, 8).is_err());
}
