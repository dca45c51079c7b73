//! Products: forward and gradients.

use burn::{
    Tensor,
    tensor::{TensorData, module::linear},
};
use proptest::prelude::*;
use secateur::sparse::ops::{Structure, gather, masked_matmul, scatter, sparse_linear};

use crate::{
    device::{device, training_device},
    weights::{Weight, assert_close, floats, noise, pruned},
};

/// `x Wᵀ + bias` and its gradients, of the loss `Σ y ∘ g`, sparse and dense.
fn compare<const D: usize>(weight: &Weight, x: &[usize; D], with_bias: bool) {
    let device = training_device();
    let [rows, columns] = weight.shape;
    let mut shape = *x;
    shape[D - 1] = rows;
    let g = noise::<D>("g", shape, &device);
    let make = || {
        let x = noise::<D>("x", *x, &device).require_grad();
        let bias = noise::<1>("bias", [rows], &device).require_grad();
        (x, bias)
    };

    let (x_sparse, bias_sparse) = make();
    let values = weight.values(&device).require_grad();
    let bias = with_bias.then(|| bias_sparse.clone());
    let y_sparse = sparse_linear(x_sparse.clone(), values.clone(), bias, &weight.structure);
    let y_sparse = y_sparse.unwrap();

    let (x_dense, bias_dense) = make();
    let dense = weight.dense(&device).require_grad();
    let bias = with_bias.then(|| bias_dense.clone());
    let y_dense = linear(x_dense.clone(), dense.clone().transpose(), bias);

    assert_eq!(y_sparse.dims(), shape);
    assert_close(&floats(y_sparse.clone()), &floats(y_dense.clone()));
    let sparse = (y_sparse * g.clone()).sum().backward();
    let expected = (y_dense * g).sum().backward();
    let grads = |a: Option<Tensor<D>>, b: Option<Tensor<D>>| {
        assert_close(&floats(a.unwrap()), &floats(b.unwrap()));
    };
    grads(x_sparse.grad(&sparse), x_dense.grad(&expected));
    let of_values = floats(values.grad(&sparse).unwrap());
    let of_dense = floats(dense.grad(&expected).unwrap());
    assert_eq!(of_dense.len(), rows * columns);
    assert_close(&of_values, &weight.kept(&of_dense));
    if with_bias {
        let of_bias = floats(bias_sparse.grad(&sparse).unwrap());
        assert_close(&of_bias, &floats(bias_dense.grad(&expected).unwrap()));
    }
}

#[test]
fn worked_by_hand() {
    // W = [[0, 2, 0], [1, 0, 3]], x = [1, 10, 100], dy = [1, -1].
    let device = training_device();
    let structure = Structure::from_dense(&[0.0, 2.0, 0.0, 1.0, 0.0, 3.0], [2, 3]).unwrap();
    let values = Tensor::<1>::from_floats([2.0, 1.0, 3.0], &device).require_grad();
    let bias = Tensor::<1>::from_floats([0.5, 0.25], &device).require_grad();
    let x = Tensor::<2>::from_floats([[1.0, 10.0, 100.0]], &device).require_grad();
    let y = sparse_linear(x.clone(), values.clone(), Some(bias.clone()), &structure).unwrap();
    assert_eq!(floats(y.clone()), [20.5, 301.25]);
    let dy = Tensor::<2>::from_floats([[1.0, -1.0]], &device);
    let grads = (y * dy).sum().backward();
    // dx = dy W, dw[row, column] = dy[row] x[column] where kept, db = dy.
    assert_eq!(floats(x.grad(&grads).unwrap()), [-1.0, 2.0, -3.0]);
    assert_eq!(floats(values.grad(&grads).unwrap()), [10.0, -1.0, -100.0]);
    assert_eq!(floats(bias.grad(&grads).unwrap()), [1.0, -1.0]);
}

#[test]
fn agrees_with_the_dense_product() {
    for (shape, density) in [
        ([24, 40], 0.1),
        ([40, 24], 0.5),
        ([33, 65], 0.02),
        ([5, 7], 1.0),
        ([1, 19], 0.3),
        ([19, 1], 0.3),
    ] {
        let weight = Weight::new(pruned(shape, density), shape);
        for with_bias in [false, true] {
            compare(&weight, &[1, shape[1]], with_bias);
            compare(&weight, &[13, shape[1]], with_bias);
            compare(&weight, &[70, shape[1]], with_bias);
            compare(&weight, &[shape[1]], with_bias);
            compare(&weight, &[3, 5, shape[1]], with_bias);
            compare(&weight, &[2, 3, 2, shape[1]], with_bias);
        }
    }
}

#[test]
fn blocks_and_n_of_m_agree_with_the_dense_product() {
    let shape = [32, 48];
    let weights = pruned(shape, 1.0);
    let kept = |keep: &dyn Fn(usize, usize) -> bool| {
        let places = weights.iter().enumerate();
        let kept = places.map(|(at, w)| if keep(at / 48, at % 48) { *w } else { 0.0 });
        Weight::new(kept.collect(), shape)
    };
    for weight in [
        kept(&|row, column| (row / 4 * 5 + column) % 6 == 0),
        kept(&|row, column| (row / 8 + column / 8) % 3 == 0),
        kept(&|row, column| column % 4 == row % 4 || column % 4 == (row + 1) % 4),
        kept(&|row, column| column % 8 == row % 8),
    ] {
        compare(&weight, &[1, 48], true);
        compare(&weight, &[17, 48], true);
    }
}

#[test]
fn empty_rows_and_a_weight_without_weights() {
    let shape = [6, 9];
    let mut rows = pruned(shape, 0.6);
    rows[..9].fill(0.0);
    rows[27..45].fill(0.0);
    compare(&Weight::new(rows, shape), &[4, 9], true);

    let nothing = Weight::new(vec![0.0; 54], shape);
    let device = training_device();
    let x = noise::<2>("x", [4, 9], &device).require_grad();
    let bias = noise::<1>("bias", [6], &device);
    let values = nothing.values(&device).require_grad();
    let y = sparse_linear(
        x.clone(),
        values.clone(),
        Some(bias.clone()),
        &nothing.structure,
    );
    let y = y.unwrap();
    let expected: Vec<f32> = (0..4).flat_map(|_| floats(bias.clone())).collect();
    assert_eq!(floats(y.clone()), expected);
    let grads = y.sum().backward();
    assert!(floats(x.grad(&grads).unwrap()).iter().all(|g| *g == 0.0));
}

#[test]
fn an_empty_batch_gives_an_empty_result() {
    let weight = Weight::new(pruned([6, 9], 0.5), [6, 9]);
    let device = training_device();
    let x = Tensor::<3>::zeros([2, 0, 9], &device);
    let y = sparse_linear(x, weight.values(&device), None, &weight.structure).unwrap();
    assert_eq!(y.dims(), [2, 0, 6]);
}

#[test]
fn activations_that_were_turned_or_cut_are_read_right() {
    let weight = Weight::new(pruned([12, 20], 0.3), [12, 20]);
    let device = device();
    let (values, structure) = (weight.values(&device), &weight.structure);
    let dense = weight.dense(&device).transpose();
    let turned = noise::<2>("x", [20, 9], &device).transpose();
    let cut = noise::<2>("x", [9, 30], &device).slice([0..9, 5..25]);
    let swapped = noise::<3>("x", [4, 20, 3], &device).swap_dims(1, 2);
    for x in [turned, cut] {
        let y = sparse_linear(x.clone(), values.clone(), None, structure).unwrap();
        assert_eq!(y.dims(), [9, 12]);
        assert_close(&floats(y), &floats(x.matmul(dense.clone())));
    }
    let y = sparse_linear(swapped.clone(), values, None, structure).unwrap();
    let expected = swapped.matmul(dense.unsqueeze());
    assert_close(&floats(y), &floats(expected));
}

#[test]
fn the_gradient_of_a_turned_input_is_that_of_the_input() {
    let weight = Weight::new(pruned([12, 20], 0.3), [12, 20]);
    let device = training_device();
    let g = noise::<2>("g", [9, 12], &device);
    let (a, b) = (
        noise::<2>("x", [20, 9], &device),
        noise::<2>("x", [20, 9], &device),
    );
    let (a, b) = (a.require_grad(), b.require_grad());
    let values = weight.values(&device).require_grad();
    let y = sparse_linear(
        a.clone().transpose(),
        values.clone(),
        None,
        &weight.structure,
    );
    let sparse = (y.unwrap() * g.clone()).sum().backward();
    let dense = weight.dense(&device).require_grad();
    let y = b.clone().transpose().matmul(dense.clone().transpose());
    let expected = (y * g).sum().backward();
    assert_close(
        &floats(a.grad(&sparse).unwrap()),
        &floats(b.grad(&expected).unwrap()),
    );
    assert_close(
        &floats(values.grad(&sparse).unwrap()),
        &weight.kept(&floats(dense.grad(&expected).unwrap())),
    );
}

#[test]
fn a_weight_is_packed_anew_when_its_values_change() {
    let weight = Weight::new(pruned([12, 20], 0.3), [12, 20]);
    let device = device();
    for n in [1, 40] {
        let x = noise::<2>("x", [n, 20], &device);
        let expected = floats(x.clone().matmul(weight.dense(&device).transpose()));
        let values = weight.values(&device);
        for factor in [1.0, 2.0, 2.0, -3.0, 1.0] {
            let values = values.clone() * factor;
            let y = sparse_linear(x.clone(), values, None, &weight.structure).unwrap();
            let scaled: Vec<f32> = expected.iter().map(|e| e * factor).collect();
            assert_close(&floats(y), &scaled);
        }
    }
}

#[test]
fn any_number_of_threads_share_a_structure() {
    let weight = Weight::new(pruned([64, 64], 0.2), [64, 64]);
    std::thread::scope(|scope| {
        for thread in 0..4_usize {
            let weight = &weight;
            scope.spawn(move || {
                let device = device();
                let factor = (thread + 1) as f32;
                let x = noise::<2>("x", [thread * 20 + 1, 64], &device);
                let expected = x.clone().matmul(weight.dense(&device).transpose()) * factor;
                let expected = floats(expected);
                for _ in 0..20 {
                    let values = weight.values(&device) * factor;
                    let y = sparse_linear(x.clone(), values, None, &weight.structure);
                    assert_close(&floats(y.unwrap()), &expected);
                }
            });
        }
    });
}

#[test]
fn a_masked_product_has_no_gradient_where_the_mask_is() {
    let shape = [6, 10];
    let weight = Weight::new(pruned(shape, 0.3), shape);
    let device = training_device();
    // Values where the mask is, too: they must not act.
    let full = noise::<2>("full", [10, 6], &device).require_grad();
    let x = noise::<2>("x", [5, 10], &device);
    let y = masked_matmul(x.clone(), full.clone(), &weight.structure).unwrap();
    let mask = weight
        .dense(&device)
        .transpose()
        .not_equal_elem(0.0)
        .float();
    let other = noise::<2>("full", [10, 6], &device).require_grad();
    let expected = x.matmul(other.clone() * mask.clone());
    assert_close(&floats(y.clone()), &floats(expected.clone()));
    let g = noise::<2>("g", [5, 6], &device);
    let sparse = (y * g.clone()).sum().backward();
    let dense = (expected * g).sum().backward();
    let got = floats(full.grad(&sparse).unwrap());
    assert_close(&got, &floats(other.grad(&dense).unwrap()));
    for (gradient, kept) in got.iter().zip(floats(mask.inner())) {
        assert!(kept != 0.0 || gradient.to_bits() == 0);
    }
}

#[test]
fn gathering_and_scattering_are_each_others_gradient() {
    let weight = Weight::new(pruned([4, 9], 0.4), [4, 9]);
    let device = training_device();
    let dense = noise::<2>("dense", [4, 9], &device).require_grad();
    let values = gather(dense.clone(), &weight.structure).unwrap();
    assert_eq!(floats(values.clone()), weight.kept(&floats(dense.clone())),);
    let g = noise::<1>("g", [weight.values.len()], &device);
    let grads = (values * g.clone()).sum().backward();
    let scattered = scatter(g.clone().inner(), &weight.structure).unwrap();
    assert_eq!(floats(dense.grad(&grads).unwrap()), floats(scattered));

    let values = weight.values(&device).require_grad();
    let g = noise::<2>("g", [4, 9], &device);
    let grads = (scatter(values.clone(), &weight.structure).unwrap() * g.clone()).sum();
    let grads = grads.backward();
    assert_eq!(
        floats(values.grad(&grads).unwrap()),
        weight.kept(&floats(g))
    );
}

fn weights() -> impl Strategy<Value = Weight> {
    (1..40_usize, 1..40_usize).prop_flat_map(|(rows, columns)| {
        let weight = prop_oneof![2 => Just(0.0_f32), 1 => -2.0..2.0_f32];
        prop::collection::vec(weight, rows * columns)
            .prop_map(move |dense| Weight::new(dense, [rows, columns]))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn any_weight_multiplies_as_its_dense_form(weight in weights(), n in 1..80_usize) {
        prop_assume!(weight.structure.nnz() > 0);
        compare(&weight, &[n, weight.shape[1]], n % 2 == 0);
    }

    #[test]
    fn a_structure_and_its_mask_say_the_same(kept in prop::collection::vec(any::<bool>(), 60)) {
        let structure = Structure::from_mask(&kept, [5, 12]).unwrap();
        prop_assert_eq!(structure.to_mask(), kept.clone());
        prop_assert_eq!(structure.nnz(), kept.iter().filter(|kept| **kept).count());
        let data = TensorData::new(kept.iter().map(|k| f32::from(*k)).collect::<Vec<_>>(), [5, 12]);
        let dense = Tensor::<2>::from_data(data.clone(), &device());
        let values = gather(dense, &structure).unwrap();
        prop_assert_eq!(scatter(values, &structure).unwrap().into_data(), data);
    }
}
