//! The operations on Burn's former CPU backend.
#![allow(deprecated)] // NdArray is deprecated in Burn 0.22 and supported here

use std::sync::Arc;

use burn::backend::{NdArray, TensorMetadata, tensor::FloatTensor};
use burn::tensor::{Shape, TensorData};
use burn_ndarray::NdArrayTensor;
use secateur_kernels::{KernelError, Layout};

use super::{
    backend::{Convolution, SparseBackend, SparseGradients, with_last},
    dense,
    packing::Values,
    structure::Structure,
};

/// Calls `read` with the elements row by row: as they lie, or a copy where they lie otherwise.
fn with_slice<T>(tensor: &NdArrayTensor, read: impl FnOnce(&[f32]) -> T) -> T {
    let NdArrayTensor::F32(storage) = tensor else {
        // Float types have been checked; what is none has no elements.
        return read(&[]);
    };
    let view = storage.view();
    match view.as_slice() {
        Some(slice) => read(slice),
        None => read(&view.iter().copied().collect::<Vec<f32>>()),
    }
}

fn with_bias<T>(bias: Option<&NdArrayTensor>, read: impl FnOnce(Option<&[f32]>) -> T) -> T {
    match bias {
        Some(bias) => with_slice(bias, |bias| read(Some(bias))),
        None => read(None),
    }
}

fn with_values<T>(values: &NdArrayTensor, read: impl FnOnce(&Values<'_>) -> T) -> T {
    with_slice(values, |slice| read(&Values { slice, owner: None }))
}

fn filled(values: Vec<f32>, shape: Shape) -> NdArrayTensor {
    NdArrayTensor::from_data(TensorData::new(values, shape))
}

fn columns_of(tensor: &NdArrayTensor, features: usize) -> usize {
    tensor.shape().num_elements() / features
}

fn product(
    x: NdArrayTensor,
    values: NdArrayTensor,
    bias: Option<NdArrayTensor>,
    structure: &Structure,
) -> NdArrayTensor {
    let [rows, columns] = structure.shape();
    let n = columns_of(&x, columns);
    let y: Result<Vec<f32>, KernelError> = with_slice(&x, |x| {
        with_values(&values, |values| {
            with_bias(bias.as_ref(), |bias| {
                structure.product(x, n, Layout::BatchMajor, values, bias)
            })
        })
    });
    match y {
        Ok(y) => filled(y, with_last(&x.shape(), rows)),
        Err(_) => dense::product::<NdArray>(x, values, bias, structure),
    }
}

fn convolution_of(
    x: NdArrayTensor,
    values: NdArrayTensor,
    bias: Option<NdArrayTensor>,
    structure: &Structure,
    convolution: &Convolution,
) -> NdArrayTensor {
    let shape = x.shape();
    let images = [shape[0], shape[2], shape[3]];
    let y = with_slice(&x, |x| {
        with_values(&values, |values| {
            with_bias(bias.as_ref(), |bias| {
                let (output, geometry) = (convolution.output, &convolution.geometry);
                structure.convolution(x, images, output, values, bias, geometry)
            })
        })
    });
    match y {
        Ok(y) => {
            let [height, width] = convolution.output;
            let shape = vec![images[0], structure.shape()[0], height, width];
            filled(y, Shape::from(shape))
        }
        Err(_) => dense::convolution::<NdArray>(x, values, bias, structure, convolution),
    }
}

impl SparseBackend for NdArray {
    fn sparse_product(
        x: FloatTensor<Self>,
        values: FloatTensor<Self>,
        structure: Arc<Structure>,
    ) -> FloatTensor<Self> {
        product(x, values, None, &structure)
    }

    fn sparse_product_biased(
        x: FloatTensor<Self>,
        values: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        structure: Arc<Structure>,
    ) -> FloatTensor<Self> {
        product(x, values, Some(bias), &structure)
    }

    fn sparse_convolution(
        x: FloatTensor<Self>,
        values: FloatTensor<Self>,
        structure: Arc<Structure>,
        convolution: Convolution,
    ) -> FloatTensor<Self> {
        convolution_of(x, values, None, &structure, &convolution)
    }

    fn sparse_convolution_biased(
        x: FloatTensor<Self>,
        values: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        structure: Arc<Structure>,
        convolution: Convolution,
    ) -> FloatTensor<Self> {
        convolution_of(x, values, Some(bias), &structure, &convolution)
    }

    fn sparse_gather(dense: FloatTensor<Self>, structure: Arc<Structure>) -> FloatTensor<Self> {
        let values = with_slice(&dense, |dense| structure.gather(dense));
        filled(values, Shape::from(vec![structure.nnz()]))
    }

    fn sparse_scatter(values: FloatTensor<Self>, structure: Arc<Structure>) -> FloatTensor<Self> {
        let dense = with_slice(&values, |values| structure.scatter(values));
        filled(dense, Shape::from(structure.shape().to_vec()))
    }
}

impl SparseGradients for NdArray {
    fn sparse_input_gradient(
        dy: FloatTensor<Self>,
        values: FloatTensor<Self>,
        structure: Arc<Structure>,
    ) -> FloatTensor<Self> {
        let [rows, columns] = structure.shape();
        let n = columns_of(&dy, rows);
        let dx = with_slice(&dy, |dy| {
            with_values(&values, |values| {
                structure.input_gradient(dy, n, Layout::BatchMajor, values)
            })
        });
        match dx {
            Ok(dx) => filled(dx, with_last(&dy.shape(), columns)),
            Err(_) => dense::input_gradient::<Self>(dy, values, &structure),
        }
    }

    fn sparse_value_gradient(
        dy: FloatTensor<Self>,
        x: FloatTensor<Self>,
        values: FloatTensor<Self>,
        structure: Arc<Structure>,
    ) -> FloatTensor<Self> {
        let n = columns_of(&dy, structure.shape()[0]);
        let gradient = with_slice(&dy, |dy| {
            with_slice(&x, |x| {
                with_values(&values, |values| {
                    structure.value_gradient(dy, x, n, Layout::BatchMajor, values)
                })
            })
        });
        match gradient {
            Ok(gradient) => filled(gradient, Shape::from(vec![structure.nnz()])),
            Err(_) => dense::value_gradient::<Self>(dy, x, &structure),
        }
    }
}
