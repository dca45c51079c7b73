//! The operations on CubeCL devices: products and their gradients by kernels of their own, the
//! rest densely.

mod kernels;
mod upload;

use std::sync::Arc;

use burn::backend::{TensorMetadata, tensor::FloatTensor};
use burn::tensor::{DType, Shape};
use burn_cubecl::{
    CubeBackend,
    kernel::into_contiguous,
    ops::{numeric::empty_device_contiguous_dtype, permute, reshape},
    tensor::CubeTensor,
};
use cubecl::{CubeDim, calculate_cube_count_elemwise};

pub(super) use self::upload::Uploads;
use self::upload::{Form, Rows};
use super::{
    backend::{Convolution, SparseBackend, SparseGradients, with_last},
    dense,
    structure::Structure,
};

/// A matrix `[.., features]` with the features as rows, `[features, n]`: units next to each other
/// then read samples next to each other.
fn features_first(tensor: CubeTensor, features: usize) -> (CubeTensor, usize) {
    let n = tensor.shape().num_elements() / features;
    let flat = reshape(tensor, Shape::from(vec![n, features]));
    (into_contiguous(permute(flat, &[1, 0])), n)
}

/// The inverse of [`features_first`], with other features.
fn features_last(tensor: CubeTensor, shape: Shape) -> CubeTensor {
    reshape(permute(tensor, &[1, 0]), shape)
}

fn empty_like(tensor: &CubeTensor, dims: Vec<usize>) -> CubeTensor {
    let (client, device) = (tensor.client.clone(), tensor.device.clone());
    empty_device_contiguous_dtype(client, device, Shape::from(dims), DType::F32)
}

/// `W x + bias` for `x` `[columns, n]`, by the rows that were uploaded.
fn multiply(
    rows: &Rows,
    values: CubeTensor,
    bias: Option<CubeTensor>,
    x: CubeTensor,
    n: usize,
) -> CubeTensor {
    let y = empty_like(&x, vec![rows.count, n]);
    let client = x.client.clone();
    let has_bias = bias.is_some();
    let values = into_contiguous(values);
    // Something has to be bound; it is not read.
    let bias = bias.map_or_else(|| values.clone(), into_contiguous);
    let units = n * match rows.form {
        Form::Blocks { height, .. } => rows.count / height,
        Form::Even { .. } | Form::Any => rows.count,
    };
    let dim = CubeDim::new(&client, units);
    let count = calculate_cube_count_elemwise(&client, units, dim);
    let (starts, columns) = (rows.starts.clone(), rows.columns.clone());
    match rows.form {
        Form::Blocks { height, width } => kernels::blocks::launch(
            &client,
            count,
            dim,
            x.into_tensor_arg(),
            values.into_tensor_arg(),
            bias.into_tensor_arg(),
            starts.into_tensor_arg(),
            columns.into_tensor_arg(),
            y.clone().into_tensor_arg(),
            n,
            units,
            height,
            width,
            has_bias,
        ),
        Form::Even { kept } => kernels::even_rows::launch(
            &client,
            count,
            dim,
            x.into_tensor_arg(),
            values.into_tensor_arg(),
            bias.into_tensor_arg(),
            columns.into_tensor_arg(),
            y.clone().into_tensor_arg(),
            n,
            units,
            kept,
            has_bias,
        ),
        Form::Any => kernels::swizzled_rows::launch(
            &client,
            count,
            dim,
            x.into_tensor_arg(),
            values.into_tensor_arg(),
            bias.into_tensor_arg(),
            starts.into_tensor_arg(),
            columns.into_tensor_arg(),
            rows.order.clone().into_tensor_arg(),
            rows.entries.clone().into_tensor_arg(),
            y.clone().into_tensor_arg(),
            n,
            units,
            rows.turned,
            has_bias,
        ),
    }
    y
}

fn product(
    x: CubeTensor,
    values: CubeTensor,
    bias: Option<CubeTensor>,
    structure: &Structure,
) -> CubeTensor {
    let [rows, columns] = structure.shape();
    if structure.nnz() == 0 {
        return dense::product::<CubeBackend>(x, values, bias, structure);
    }
    let shape = with_last(&x.shape(), rows);
    let upload = structure.upload(&x.device);
    let (x, n) = features_first(x, columns);
    features_last(multiply(&upload.forward, values, bias, x, n), shape)
}

impl SparseBackend for CubeBackend {
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
        dense::convolution::<Self>(x, values, None, &structure, &convolution)
    }

    fn sparse_convolution_biased(
        x: FloatTensor<Self>,
        values: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        structure: Arc<Structure>,
        convolution: Convolution,
    ) -> FloatTensor<Self> {
        dense::convolution::<Self>(x, values, Some(bias), &structure, &convolution)
    }

    fn sparse_gather(dense: FloatTensor<Self>, structure: Arc<Structure>) -> FloatTensor<Self> {
        dense::gather::<Self>(dense, &structure)
    }

    fn sparse_scatter(values: FloatTensor<Self>, structure: Arc<Structure>) -> FloatTensor<Self> {
        dense::scatter::<Self>(values, &structure)
    }
}

impl SparseGradients for CubeBackend {
    fn sparse_input_gradient(
        dy: FloatTensor<Self>,
        values: FloatTensor<Self>,
        structure: Arc<Structure>,
    ) -> FloatTensor<Self> {
        let [rows, columns] = structure.shape();
        if structure.nnz() == 0 {
            return dense::input_gradient::<Self>(dy, values, &structure);
        }
        let shape = with_last(&dy.shape(), columns);
        let upload = structure.upload(&dy.device);
        let (dy, n) = features_first(dy, rows);
        features_last(multiply(&upload.backward, values, None, dy, n), shape)
    }

    fn sparse_value_gradient(
        dy: FloatTensor<Self>,
        x: FloatTensor<Self>,
        _values: FloatTensor<Self>,
        structure: Arc<Structure>,
    ) -> FloatTensor<Self> {
        let ([rows, columns], nnz) = (structure.shape(), structure.nnz());
        if nnz == 0 {
            return dense::value_gradient::<Self>(dy, x, &structure);
        }
        let upload = structure.upload(&dy.device);
        let n = dy.shape().num_elements() / rows;
        let gradient = empty_like(&dy, vec![nnz]);
        let client = dy.client.clone();
        let dim = CubeDim::new(&client, nnz);
        let count = calculate_cube_count_elemwise(&client, nnz, dim);
        kernels::sampled_products::launch(
            &client,
            count,
            dim,
            into_contiguous(dy).into_tensor_arg(),
            into_contiguous(x).into_tensor_arg(),
            upload.rows_of_entries.clone().into_tensor_arg(),
            upload.forward.columns.clone().into_tensor_arg(),
            gradient.clone().into_tensor_arg(),
            rows,
            columns,
            n,
            nnz,
        );
        gradient
    }
}

#[cfg(test)]
mod tests {
    use burn::backend::ops::FloatTensorOps;
    use burn::tensor::TensorData;
    use burn_cubecl::CubeDevice;

    use super::*;

    fn on(device: &CubeDevice, values: &[f32], shape: [usize; 2]) -> CubeTensor {
        CubeBackend::float_from_data(TensorData::new(values.to_vec(), shape), device)
    }

    fn floats(tensor: CubeTensor) -> Vec<f32> {
        let data = burn_cubecl::ops::into_data_sync(tensor);
        data.try_to_vec().unwrap()
    }

    /// Burn's devices fuse; the kernels below have to be right without that too. The facade's
    /// tests go through fusion.
    #[test]
    fn kernels_are_right_without_fusion() {
        if std::env::var("SECATEUR_DEVICE").as_deref() != Ok("wgpu") {
            println!("skipped: set SECATEUR_DEVICE=wgpu");
            return;
        }
        let device = burn::tensor::Device::wgpu(burn::tensor::DeviceKind::DefaultDevice);
        let burn::backend::DispatchDevice::Cube(device) = device.as_dispatch().clone() else {
            panic!("wgpu is a device of CubeCL");
        };
        // Blocks of 2 by 2, even rows, and neither.
        for kept in [
            [1, 1, 0, 0, 1, 1, 0, 0],
            [0, 1, 1, 0, 1, 0, 0, 1],
            [1, 1, 1, 0, 0, 0, 0, 1],
        ] {
            let dense: Vec<f32> = (1_u8..)
                .zip(kept)
                .map(|(at, k)| f32::from(at * k))
                .collect();
            let structure = Structure::from_dense(&dense, [2, 4]).unwrap();
            let values = structure.gather(&dense);
            let nnz = values.len();
            let values = CubeBackend::float_from_data(TensorData::new(values, [nnz]), &device);
            let x = [
                1.0, -2.0, 3.0, 0.5, 2.0, 1.0, 0.0, -1.0, 4.0, 4.0, -1.0, 1.0,
            ];
            let dy = [1.0, 2.0, -1.0, 0.5, 3.0, 0.0];
            let at = |sample: usize, row: usize, column: usize| -> [f32; 2] {
                [x[sample * 4 + column], dy[sample * 2 + row]]
            };
            let (mut y, mut dx, mut dw) = (vec![0.0; 6], vec![0.0; 12], vec![0.0; 8]);
            for sample in 0..3 {
                for row in 0..2 {
                    for column in 0..4 {
                        let [x, dy] = at(sample, row, column);
                        let w = dense[row * 4 + column];
                        y[sample * 2 + row] += w * x;
                        dx[sample * 4 + column] += w * dy;
                        dw[row * 4 + column] += dy * x;
                    }
                }
            }
            let (x, dy) = (on(&device, &x, [3, 4]), on(&device, &dy, [3, 2]));
            let product = CubeBackend::sparse_product(x.clone(), values.clone(), structure.clone());
            assert_eq!(floats(product), y);
            let gradient =
                CubeBackend::sparse_input_gradient(dy.clone(), values.clone(), structure.clone());
            assert_eq!(floats(gradient), dx);
            let gradient = CubeBackend::sparse_value_gradient(dy, x, values, structure.clone());
            assert_eq!(floats(gradient), structure.gather(&dw));
        }
    }
}
