//! What is refused, with an error that says what to do.

use burn::{
    Tensor,
    nn::LinearConfig,
    tensor::{DType, Device, ops::ConvOptions},
};
use secateur::sparse::{
    SparseError,
    layers::SparseLinear,
    ops::{Structure, gather, masked_matmul, scatter, sparse_conv2d, sparse_linear},
};

use crate::{
    device::device,
    weights::{Weight, pruned},
};

fn weight() -> Weight {
    Weight::new(pruned([4, 6], 0.5), [4, 6])
}

#[test]
fn shapes_that_do_not_fit() {
    let (weight, device) = (weight(), device());
    let product = |x: [usize; 2], values: usize, bias: Option<usize>| {
        sparse_linear(
            Tensor::<2>::zeros(x, &device),
            Tensor::<1>::zeros([values], &device),
            bias.map(|len| Tensor::<1>::zeros([len], &device)),
            &weight.structure,
        )
    };
    let nnz = weight.values.len();
    assert!(product([2, 6], nnz, Some(4)).is_ok());
    for (x, values, bias, what) in [
        ([2, 4], nnz, None, "x has the shape [2, 4] where [.., 6]"),
        ([2, 6], nnz - 1, None, "the values of the weight"),
        ([2, 6], nnz, Some(6), "the bias"),
    ] {
        let error = product(x, values, bias).unwrap_err();
        assert!(matches!(error, SparseError::Shape { .. }));
        assert!(error.to_string().starts_with(what), "{error}");
    }
    let square = Tensor::<2>::zeros([4, 6], &device);
    assert!(masked_matmul(square.clone(), square.clone(), &weight.structure).is_err());
    assert!(gather(square.transpose(), &weight.structure).is_err());
    assert!(scatter(Tensor::zeros([nnz + 1], &device), &weight.structure).is_err());
}

#[test]
fn other_floats_than_f32() {
    let (weight, device) = (weight(), Device::flex());
    for other in [DType::F64, DType::F16] {
        let x = Tensor::<2>::zeros([2, 6], &device).cast(other);
        let error = sparse_linear(x, weight.values(&device), None, &weight.structure);
        let error = error.unwrap_err();
        assert!(matches!(error, SparseError::Element { .. }), "{error}");
        let values = weight.values(&device).cast(other);
        let x = Tensor::<2>::zeros([2, 6], &device);
        assert!(sparse_linear(x, values, None, &weight.structure).is_err());
        let mut dense = LinearConfig::new(3, 2).init(&device);
        dense.weight = dense.weight.map(|weight| weight.cast(other));
        assert!(matches!(
            SparseLinear::from_dense(&dense),
            Err(SparseError::Element { .. })
        ));
    }
}

#[cfg(feature = "ndarray")]
#[test]
#[allow(deprecated)]
fn tensors_on_two_devices() {
    let weight = weight();
    let x = Tensor::<2>::zeros([2, 6], &Device::flex());
    let values = weight.values(&Device::ndarray());
    let error = sparse_linear(x, values, None, &weight.structure).unwrap_err();
    assert!(error.to_string().contains("`to_device`"), "{error}");
}

#[test]
fn convolutions_that_contradict_themselves() {
    let device = device();
    let weight = Weight::new(pruned([4, 2 * 9], 0.5), [4, 18]);
    let convolve = |channels, image, kernel, stride, groups| {
        let options = ConvOptions {
            stride: [stride; 2],
            padding: [(0, 0); 2],
            dilation: [1, 1],
            groups,
        };
        sparse_conv2d(
            Tensor::<4>::zeros([1, channels, image, image], &device),
            weight.values(&device),
            None,
            &weight.structure,
            [kernel; 2],
            options,
        )
    };
    assert!(convolve(2, 5, 3, 1, 1).is_ok());
    assert!(convolve(4, 5, 3, 1, 2).is_ok());
    for (channels, image, kernel, stride, groups) in [
        (3, 5, 3, 1, 1),
        (2, 2, 3, 1, 1),
        (2, 5, 0, 1, 1),
        (2, 5, 4, 1, 1),
        (2, 5, 3, 0, 1),
        (2, 5, 3, 1, 0),
        (6, 5, 3, 1, 3),
    ] {
        let result = convolve(channels, image, kernel, stride, groups);
        assert!(
            result.is_err(),
            "{channels} {image} {kernel} {stride} {groups}"
        );
    }
}

#[test]
fn structures_without_a_shape() {
    assert!(Structure::from_mask(&[true; 5], [2, 3]).is_err());
    assert!(Structure::from_mask(&[], [0, 3]).is_err());
    let empty = LinearConfig::new(4, 2).init(&device());
    let empty = burn::nn::Linear {
        weight: burn::module::Param::from_tensor(Tensor::zeros([0, 2], &device())),
        ..empty
    };
    assert!(SparseLinear::from_dense(&empty).is_err());
}
