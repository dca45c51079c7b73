//! The operations by Burn's own, on a weight with its zeros: what is done where a kernel is
//! missing.

use burn::backend::{
    Backend, TensorMetadata,
    tensor::{FloatTensor, IntTensor},
};
use burn::tensor::{FloatDType, IndexingUpdateOp, Shape, TensorData};

use super::{
    backend::{Convolution, with_last},
    structure::Structure,
};

/// The places of the kept weights, `[nnz]`.
pub(super) fn places(structure: &Structure) -> TensorData {
    // A structure has at most i32::MAX places.
    let places: Vec<i32> = structure.places().map(|place| place as i32).collect();
    TensorData::new(places, [structure.nnz()])
}

fn indices<B: Backend>(structure: &Structure, device: &B::Device) -> IntTensor<B> {
    B::int_from_data(places(structure), device)
}

fn zeros<B: Backend>(dims: Vec<usize>, device: &B::Device) -> FloatTensor<B> {
    B::float_zeros(Shape::from(dims), device, FloatDType::F32)
}

/// As a matrix `[.., last]`.
fn flat<B: Backend>(tensor: FloatTensor<B>, last: usize) -> FloatTensor<B> {
    let columns = tensor.shape().num_elements() / last;
    B::float_reshape(tensor, Shape::from(vec![columns, last]))
}

pub(super) fn gather<B: Backend>(dense: FloatTensor<B>, structure: &Structure) -> FloatTensor<B> {
    let device = dense.device();
    let [rows, columns] = structure.shape();
    if structure.nnz() == 0 {
        return zeros::<B>(vec![0], &device);
    }
    let dense = B::float_reshape(dense, Shape::from(vec![rows * columns]));
    B::float_select(dense, 0, indices::<B>(structure, &device))
}

pub(super) fn scatter<B: Backend>(values: FloatTensor<B>, structure: &Structure) -> FloatTensor<B> {
    let device = values.device();
    let [rows, columns] = structure.shape();
    if structure.nnz() == 0 {
        return zeros::<B>(vec![rows, columns], &device);
    }
    let dense = B::float_select_assign(
        zeros::<B>(vec![rows * columns], &device),
        0,
        indices::<B>(structure, &device),
        values,
        IndexingUpdateOp::Add,
    );
    B::float_reshape(dense, Shape::from(vec![rows, columns]))
}

pub(super) fn product<B: Backend>(
    x: FloatTensor<B>,
    values: FloatTensor<B>,
    bias: Option<FloatTensor<B>>,
    structure: &Structure,
) -> FloatTensor<B> {
    let [rows, columns] = structure.shape();
    let shape = with_last(&x.shape(), rows);
    let weight = B::float_swap_dims(scatter::<B>(values, structure), 0, 1);
    let y = B::float_matmul(flat::<B>(x, columns), weight);
    let y = match bias {
        Some(bias) => B::float_add(y, B::float_reshape(bias, Shape::from(vec![1, rows]))),
        None => y,
    };
    B::float_reshape(y, shape)
}

pub(super) fn input_gradient<B: Backend>(
    dy: FloatTensor<B>,
    values: FloatTensor<B>,
    structure: &Structure,
) -> FloatTensor<B> {
    let [rows, columns] = structure.shape();
    let shape = with_last(&dy.shape(), columns);
    let dx = B::float_matmul(flat::<B>(dy, rows), scatter::<B>(values, structure));
    B::float_reshape(dx, shape)
}

pub(super) fn value_gradient<B: Backend>(
    dy: FloatTensor<B>,
    x: FloatTensor<B>,
    structure: &Structure,
) -> FloatTensor<B> {
    let [rows, columns] = structure.shape();
    let dy = B::float_swap_dims(flat::<B>(dy, rows), 0, 1);
    gather::<B>(B::float_matmul(dy, flat::<B>(x, columns)), structure)
}

pub(super) fn convolution<B: Backend>(
    x: FloatTensor<B>,
    values: FloatTensor<B>,
    bias: Option<FloatTensor<B>>,
    structure: &Structure,
    convolution: &Convolution,
) -> FloatTensor<B> {
    let shape = Shape::from(convolution.geometry.weight_shape().to_vec());
    let weight = B::float_reshape(scatter::<B>(values, structure), shape);
    B::conv2d(x, weight, bias, convolution.options.clone())
}
