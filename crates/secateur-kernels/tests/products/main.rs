//! Every format, instruction set, layout and thread count against the slow reference; epilogues
//! and special values in modules of their own.

mod cases;
mod epilogues;
mod n_of_m;
mod precisions;
mod sizes;
mod special_values;

use cases::{MANY, activations, check, columns, formats, multiply, on_cases, size, weights};
use proptest::prelude::*;
use secateur_kernels::reference;
use secateur_kernels::{
    Csr, Epilogue, Format, Isa, KernelError, Layout, Precision, Repacked, Scratch, SparseMatrix,
    Threads, TrainingMatrix,
};

proptest! {
    #![proptest_config(on_cases(48))]

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
                    let shared = multiply(&packed, &x, n, layout, Epilogue::none(), MANY);
                    prop_assert_eq!(&y, &shared, "{} differs between thread counts", format);
                }
            }
        }
    }

    #[test]
    fn operands_may_lie_differently(
        m in size(), k in size(), n in columns(), density in 0.0..1.0_f64, seed in any::<u64>(),
    ) {
        let csr = weights(seed, [m, k], density);
        let turned = |values: &[f32], rows: usize, columns: usize| -> Vec<f32> {
            let places = (0..columns).flat_map(|c| (0..rows).map(move |r| r * columns + c));
            places.map(|place| values[place]).collect()
        };
        let x = activations(seed, k * n);
        let residual = activations(seed + 1, m * n);
        let bias = activations(seed + 2, m);
        let (x_turned, residual_turned) = (turned(&x, k, n), turned(&residual, m, n));
        for format in formats() {
            let packed = SparseMatrix::pack_as(&csr, format).unwrap();
            let run = |x: &[f32], residual: &[f32], layouts| {
                let mut y = vec![f32::NAN; m * n];
                let epilogue = Epilogue::bias(&bias).residual(residual).relu();
                let mut scratch = Scratch::new();
                packed.multiply_between(x, n, layouts, &mut y, &epilogue, &mut scratch).unwrap();
                y
            };
            use Layout::{BatchMajor, FeatureMajor};
            let expected = run(&x, &residual, [FeatureMajor, FeatureMajor]);
            let y = run(&x_turned, &residual, [BatchMajor, FeatureMajor]);
            prop_assert_eq!(&y, &expected, "{} {} {} {}", format, m, k, n);
            let expected = turned(&expected, m, n);
            for (x, from) in [(&x, FeatureMajor), (&x_turned, BatchMajor)] {
                let y = run(x, &residual_turned, [from, BatchMajor]);
                prop_assert_eq!(&y, &expected, "{} {} {} {}", format, m, k, n);
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

    #[test]
    fn a_changed_mask_is_packed_as_anew(
        m in size(), k in size(), density in 0.0..1.0_f64, seed in any::<u64>(),
        moves in prop::collection::vec(any::<prop::sample::Index>(), 0..9),
    ) {
        let old = weights(seed, [m, k], density);
        let new = moved(&old, &moves);
        let same_places = (old.starts(), old.indices()) == (new.starts(), new.indices());
        for (at, format) in formats().into_iter().enumerate() {
            let precision = Precision::ALL[at % 3];
            let isa = Isa::available()[at % Isa::available().len()];
            let pack = |csr: &Csr| {
                let packed = SparseMatrix::pack_as(csr, format).unwrap();
                packed.with_precision(precision).unwrap().with_isa(isa).unwrap()
            };
            let mut packed = pack(&old);
            let expected = if same_places { Repacked::Values } else { Repacked::Structure };
            prop_assert_eq!(packed.update(&new).unwrap(), expected);
            prop_assert_eq!(packed, pack(&new));
            if !same_places {
                let mut packed = pack(&old);
                let refused = packed.update_values(&new);
                let named = matches!(refused, Err(KernelError::MaskChanged { .. }));
                prop_assert!(named, "{} {:?}", format, refused);
                prop_assert_eq!(packed, pack(&old));
            }
        }
    }

    #[test]
    fn training_goes_on_with_a_changed_mask(
        m in size(), k in size(), density in 0.0..1.0_f64, seed in any::<u64>(),
        moves in prop::collection::vec(any::<prop::sample::Index>(), 1..9),
    ) {
        let old = weights(seed, [m, k], density);
        let new = moved(&old, &moves);
        for (forward, backward) in [(Format::Panels, Format::RowLists), (Format::Csr, Format::Dense)] {
            let pack = |csr: &Csr| TrainingMatrix::new(csr.clone(), forward, backward).unwrap();
            let mut matrix = pack(&old);
            matrix.update(new.clone()).unwrap();
            prop_assert_eq!(&matrix, &pack(&new));
            // Its values still go where they belong.
            let mut values = new.clone();
            values.values_mut().iter_mut().for_each(|v| *v = 0.5 - *v);
            matrix.set_values(values.values()).unwrap();
            prop_assert_eq!(matrix, pack(&values));
        }
    }
}

/// Other values, with the mask turned over at some places.
fn moved(csr: &Csr, moves: &[prop::sample::Index]) -> Csr {
    let [m, k] = csr.shape();
    let mut mask = vec![false; m * k];
    for row in 0..m {
        csr.row(row)
            .for_each(|(column, _)| mask[row * k + column] = true);
    }
    for at in moves {
        let at = at.index(m * k);
        mask[at] = !mask[at];
    }
    Csr::from_masked(&activations(7, m * k), &mask, [m, k]).unwrap()
}

#[test]
fn an_update_that_is_refused_changes_nothing() {
    let csr = weights(1, [8, 12], 0.5);
    let mut huge = csr.clone();
    huge.values_mut().fill(1e6);
    let mut packed = SparseMatrix::pack_as(&csr, Format::NofM { keep: 4, of: 4 })
        .unwrap()
        .with_precision(Precision::F16)
        .unwrap();
    let before = packed.clone();
    assert!(matches!(
        packed.update(&weights(1, [8, 13], 0.5)),
        Err(KernelError::MaskChanged { .. })
    ));
    assert!(matches!(
        packed.update(&huge),
        Err(KernelError::OutOfRange { .. })
    ));
    assert_eq!(packed, before);
    let few = Csr::from_dense(&[1.0, 0.0, 0.0, 1.0], [1, 4]).unwrap();
    let mut matrix =
        TrainingMatrix::new(few, Format::NofM { keep: 2, of: 4 }, Format::Csr).unwrap();
    let before = matrix.clone();
    let refused = matrix.update(Csr::from_dense(&[1.0; 4], [1, 4]).unwrap());
    assert!(matches!(refused, Err(KernelError::Pattern { .. })));
    assert_eq!(matrix, before);
}

proptest! {
    #![proptest_config(on_cases(32))]

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
                .flat_map(|isa| [(isa, Threads::One), (isa, MANY)])
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
        for [m, k] in [[1, 1], [8, 8], [5, if cfg!(miri) { 30 } else { 300 }]] {
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
