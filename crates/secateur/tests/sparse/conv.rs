//! Convolutions: forward and gradients.

use burn::tensor::{
    Tensor,
    module::{conv1d, conv2d},
    ops::ConvOptions,
};
use secateur::sparse::ops::{sparse_conv1d, sparse_conv2d};

use crate::{
    device::training_device,
    weights::{Weight, assert_close, floats, noise, pruned},
};

/// Channels, kernel, and what else makes a convolution.
struct Case {
    channels: [usize; 2],
    kernel: [usize; 2],
    image: [usize; 2],
    batch: usize,
    options: ConvOptions<2>,
    density: f64,
}

fn options(
    stride: [usize; 2],
    padding: [(usize, usize); 2],
    dilation: [usize; 2],
    groups: usize,
) -> ConvOptions<2> {
    ConvOptions::new_with_padding(stride, padding, dilation, groups)
}

fn cases() -> Vec<Case> {
    let plain = || options([1, 1], [(0, 0); 2], [1, 1], 1);
    let case = |channels, kernel, image, batch, options, density| Case {
        channels,
        kernel,
        image,
        batch,
        options,
        density,
    };
    vec![
        case([4, 8], [3, 3], [7, 9], 2, plain(), 0.2),
        case([1, 3], [1, 1], [5, 5], 1, plain(), 0.7),
        case(
            [6, 4],
            [3, 3],
            [8, 8],
            3,
            options([1, 1], [(1, 1); 2], [1, 1], 1),
            0.1,
        ),
        case(
            [6, 4],
            [3, 2],
            [9, 7],
            1,
            options([2, 1], [(1, 2), (0, 1)], [1, 1], 1),
            0.4,
        ),
        case(
            [4, 6],
            [3, 3],
            [9, 9],
            2,
            options([1, 2], [(2, 2); 2], [2, 2], 2),
            0.4,
        ),
        case(
            [6, 6],
            [3, 3],
            [6, 6],
            2,
            options([1, 1], [(1, 1); 2], [1, 1], 6),
            0.5,
        ),
        case([3, 5], [3, 3], [6, 6], 2, plain(), 1.0),
    ]
}

#[test]
fn agrees_with_the_dense_convolution() {
    for case in cases() {
        let device = training_device();
        let [input, out] = case.channels;
        let [kernel_height, kernel_width] = case.kernel;
        let per_group = input / case.options.groups;
        let shape = [out, per_group * kernel_height * kernel_width];
        let weight = Weight::new(pruned(shape, case.density), shape);
        let [height, width] = case.image;
        let make = || {
            let x = noise::<4>("x", [case.batch, input, height, width], &device);
            let bias = noise::<1>("bias", [out], &device);
            (x.require_grad(), bias.require_grad())
        };
        for with_bias in [true, false] {
            let (x_sparse, bias_sparse) = make();
            let values = weight.values(&device).require_grad();
            let y_sparse = sparse_conv2d(
                x_sparse.clone(),
                values.clone(),
                with_bias.then(|| bias_sparse.clone()),
                &weight.structure,
                case.kernel,
                case.options.clone(),
            )
            .unwrap();
            let (x_dense, bias_dense) = make();
            let dense = weight.dense(&device).require_grad();
            let kernel = [out, per_group, kernel_height, kernel_width];
            let y_dense = conv2d(
                x_dense.clone(),
                dense.clone().reshape(kernel),
                with_bias.then(|| bias_dense.clone()),
                case.options.clone(),
            );
            assert_eq!(y_sparse.dims(), y_dense.dims());
            assert_close(&floats(y_sparse.clone()), &floats(y_dense.clone()));
            let g = noise::<4>("g", y_dense.dims(), &device);
            let sparse = (y_sparse * g.clone()).sum().backward();
            let expected = (y_dense * g).sum().backward();
            assert_close(
                &floats(x_sparse.grad(&sparse).unwrap()),
                &floats(x_dense.grad(&expected).unwrap()),
            );
            let of_dense = floats(dense.grad(&expected).unwrap());
            let of_values = floats(values.grad(&sparse).unwrap());
            assert_close(&of_values, &weight.kept(&of_dense));
            if with_bias {
                assert_close(
                    &floats(bias_sparse.grad(&sparse).unwrap()),
                    &floats(bias_dense.grad(&expected).unwrap()),
                );
            }
        }
    }
}

#[test]
fn one_dimension_agrees_with_the_dense_convolution() {
    let device = training_device();
    let weight = Weight::new(pruned([6, 2 * 3], 0.5), [6, 6]);
    let options = || ConvOptions::new_with_padding([2], [(1, 2)], [2], 2);
    let (a, b) = (
        noise::<3>("x", [2, 4, 15], &device).require_grad(),
        noise::<3>("x", [2, 4, 15], &device).require_grad(),
    );
    let values = weight.values(&device).require_grad();
    let sparse = sparse_conv1d(
        a.clone(),
        values.clone(),
        None,
        &weight.structure,
        3,
        options(),
    )
    .unwrap();
    let dense = weight.dense(&device).require_grad();
    let expected = conv1d(b.clone(), dense.clone().reshape([6, 2, 3]), None, options());
    assert_eq!(sparse.dims(), expected.dims());
    assert_close(&floats(sparse.clone()), &floats(expected.clone()));
    let g = noise::<3>("g", expected.dims(), &device);
    let sparse = (sparse * g.clone()).sum().backward();
    let expected = (expected * g).sum().backward();
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
fn an_empty_batch_gives_an_empty_result() {
    let device = training_device();
    let weight = Weight::new(pruned([6, 9], 0.5), [6, 9]);
    let x = Tensor::<4>::zeros([0, 1, 5, 5], &device);
    let y = sparse_conv2d(
        x,
        weight.values(&device),
        None,
        &weight.structure,
        [3, 3],
        options([1, 1], [(0, 0); 2], [1, 1], 1),
    );
    assert_eq!(y.unwrap().dims(), [0, 6, 3, 3]);
}
