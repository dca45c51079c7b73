//! Products and convolutions with sparse weights, as differentiable operations on Burn tensors.
//!
//! A sparse weight comes in two parts: a [`Structure`], which says where the kept weights stand,
//! and a tensor of their *values*, `[nnz]`, which an optimizer can train. The gradient of the
//! values has one element for each kept weight; what the mask removed has none.
//!
//! | operation | computes | gradients |
//! | --- | --- | --- |
//! | [`sparse_linear`] | `x Wᵀ + bias` | input: the transposed weight times `dy`; values: a sampled product, only where a weight is kept |
//! | [`sparse_conv1d`], [`sparse_conv2d`] | a convolution | Burn's own, of the dense convolution, gathered at the kept weights |
//! | [`masked_matmul`] | `x (W ∘ M)` of a dense `W` | as `sparse_linear`; that of `W` is dense, and zero where the mask is |
//! | [`gather`], [`scatter`] | dense to values and back | each other |
//!
//! On Flex and NdArray they run on the kernels of `secateur-kernels`. Activations are read as they
//! lie: Flex's transposed matrices too, anything else that is not contiguous is copied first. On
//! CubeCL devices (feature `wgpu`) products and their gradients run on kernels of their own and
//! convolutions densely. Every other device takes Burn's dense operations.
//!
//! All tensors are `f32`, on one device; others are refused, not converted.

#![cfg_attr(feature = "ndarray", allow(deprecated))] // NdArray, deprecated in Burn 0.22

mod autodiff;
mod backend;
#[cfg(feature = "wgpu")]
mod cube;
mod dense;
mod flex;
#[cfg(feature = "ndarray")]
mod ndarray;
mod packing;
mod structure;

use std::sync::Arc;

use burn::Tensor;
use burn::backend::{Dispatch, DispatchDevice};
use burn::tensor::{
    DType, Device, IndexingUpdateOp, Int, module::conv2d, module::linear, ops::ConvOptions,
};
use secateur_kernels::ConvGeometry;

use self::backend::{Convolution, SparseBackend};
pub use self::structure::Structure;
use crate::SparseError;

/// Whether the backend of `device` has the operations.
fn covers(device: &Device) -> bool {
    match device.clone().without_autodiff().as_dispatch() {
        DispatchDevice::Flex(_) => true,
        #[cfg(feature = "ndarray")]
        DispatchDevice::NdArray(_) => true,
        #[cfg(feature = "wgpu")]
        DispatchDevice::Cube(_) => true,
        #[allow(unreachable_patterns)]
        _ => false,
    }
}

/// `x Wᵀ + bias`, a linear layer with a sparse weight: a convolution's or an attention's product
/// as well, whatever ends in a matrix.
///
/// # Shapes
///
/// - `x`: `[.., columns]`, any rank
/// - `values`: `[nnz]`, in the order of `structure`, which is `[rows, columns]`: outputs by inputs
/// - `bias`: `[rows]`
/// - the result: `[.., rows]`
///
/// An empty batch gives an empty result, and no gradients.
///
/// ```
/// use burn::{Tensor, tensor::Device};
/// use secateur_sparse::ops::{Structure, sparse_linear};
///
/// let device = Device::flex();
/// // Three inputs, two outputs: W = [[0, 2, 0], [1, 0, 3]].
/// let structure = Structure::from_dense(&[0.0, 2.0, 0.0, 1.0, 0.0, 3.0], [2, 3])?;
/// let values = Tensor::<1>::from_floats([2.0, 1.0, 3.0], &device);
/// let x = Tensor::<2>::from_floats([[1.0, 10.0, 100.0]], &device);
/// let y = sparse_linear(x, values, None, &structure)?;
/// assert_eq!(y.into_data().try_to_vec::<f32>().unwrap(), [20.0, 301.0]);
/// # Ok::<(), secateur_sparse::SparseError>(())
/// ```
///
/// # Errors
///
/// [`SparseError::Shape`] where a shape does not fit, [`SparseError::Element`] for tensors other
/// than `f32`, [`SparseError::Unsupported`] for tensors on different devices.
pub fn sparse_linear<const D: usize>(
    x: Tensor<D>,
    values: Tensor<1>,
    bias: Option<Tensor<1>>,
    structure: &Arc<Structure>,
) -> Result<Tensor<D>, SparseError> {
    let [rows, columns] = structure.shape();
    check_float("x", &x)?;
    check_weight(&x.device(), &values, bias.as_ref(), structure)?;
    let mut shape = x.dims();
    if shape.last() != Some(&columns) {
        return Err(refused("x", &shape, format!("[.., {columns}]")));
    }
    shape[D - 1] = rows;
    if shape.contains(&0) {
        return Ok(Tensor::zeros(shape, &x.device()));
    }
    if !covers(&x.device()) {
        let weight = scatter(values, structure)?;
        return Ok(linear(x, weight.transpose(), bias));
    }
    let (x, values) = (x.into_dispatch(), values.into_dispatch());
    let structure = Arc::clone(structure);
    Ok(Tensor::from_dispatch(match bias {
        Some(bias) => Dispatch::sparse_product_biased(x, values, bias.into_dispatch(), structure),
        None => Dispatch::sparse_product(x, values, structure),
    }))
}

/// `x (W ∘ M)`: the product with a *dense* weight of which only what the mask keeps acts, for
/// weights that stay dense because the mask still moves.
///
/// # Shapes
///
/// - `x`: `[.., k]`, any rank
/// - `weight`: `[k, m]`, as Burn's `Linear` keeps it
/// - `structure`: `[m, k]`, the places that the mask keeps, of the transpose of `weight`
/// - the result: `[.., m]`
///
/// The gradient of `weight` is dense, and zero where the mask is.
///
/// # Errors
///
/// As [`sparse_linear`].
pub fn masked_matmul<const D: usize>(
    x: Tensor<D>,
    weight: Tensor<2>,
    structure: &Arc<Structure>,
) -> Result<Tensor<D>, SparseError> {
    let [rows, columns] = structure.shape();
    if weight.dims() != [columns, rows] {
        let expected = format!("[{columns}, {rows}]");
        return Err(refused("the weight", &weight.dims(), expected));
    }
    let values = gather(weight.transpose(), structure)?;
    sparse_linear(x, values, None, structure)
}

/// A convolution in one dimension with a sparse weight.
///
/// # Shapes
///
/// - `x`: `[batch, in, length]`
/// - `values`: `[nnz]`, in the order of `structure`, which is `[out, in / groups * kernel]`
/// - `bias`: `[out]`
/// - the result: `[batch, out, length after it]`
///
/// # Errors
///
/// As [`sparse_conv2d`].
pub fn sparse_conv1d(
    x: Tensor<3>,
    values: Tensor<1>,
    bias: Option<Tensor<1>>,
    structure: &Arc<Structure>,
    kernel: usize,
    options: ConvOptions<1>,
) -> Result<Tensor<3>, SparseError> {
    let ConvOptions {
        stride: [stride],
        padding: [padding],
        dilation: [dilation],
        groups,
        ..
    } = options;
    // Images of height 1.
    let options = ConvOptions {
        stride: [1, stride],
        padding: [(0, 0), padding],
        dilation: [1, dilation],
        groups,
    };
    let x = x.unsqueeze_dim::<4>(2);
    let y = sparse_conv2d(x, values, bias, structure, [1, kernel], options)?;
    Ok(y.squeeze_dim::<3>(2))
}

/// A convolution in two dimensions with a sparse weight.
///
/// Forward it runs on the sparse kernels. Its gradients are those of Burn's dense convolution,
/// gathered at the kept weights: right, and no faster than without pruning.
///
/// # Shapes
///
/// - `x`: `[batch, in, height, width]`
/// - `values`: `[nnz]`, in the order of `structure`, which is
///   `[out, in / groups * kernel height * kernel width]`
/// - `bias`: `[out]`
/// - the result: `[batch, out, height after it, width after it]`
///
/// An empty batch gives an empty result, and no gradients.
///
/// # Errors
///
/// Those of [`sparse_linear`], and [`SparseError::Kernel`] where stride, dilation or groups
/// contradict themselves or the kernel is larger than the padded image.
pub fn sparse_conv2d(
    x: Tensor<4>,
    values: Tensor<1>,
    bias: Option<Tensor<1>>,
    structure: &Arc<Structure>,
    kernel: [usize; 2],
    options: ConvOptions<2>,
) -> Result<Tensor<4>, SparseError> {
    let [out, columns] = structure.shape();
    check_float("x", &x)?;
    check_weight(&x.device(), &values, bias.as_ref(), structure)?;
    let [batch, channels, height, width] = x.dims();
    let taps = kernel[0].saturating_mul(kernel[1]).max(1);
    let input = (columns / taps).saturating_mul(options.groups);
    if columns % taps != 0 || channels != input {
        let expected = format!(
            "[batch, {input}, height, width], for a weight of {columns} columns and a kernel of \
             {} by {}",
            kernel[0], kernel[1]
        );
        return Err(refused("x", &x.dims(), expected));
    }
    let geometry = ConvGeometry::conv2d([out, input], kernel)
        .stride(options.stride)
        .padding_each(options.padding.map(|(begin, end)| [begin, end]))
        .dilation(options.dilation)
        .groups(options.groups);
    let output = geometry
        .output([height, width])
        .map_err(|source| SparseError::Kernel {
            what: "a convolution".into(),
            source,
        })?;
    if batch == 0 {
        let shape = [batch, out, output[0], output[1]];
        return Ok(Tensor::zeros(shape, &x.device()));
    }
    if !covers(&x.device()) {
        let weight = scatter(values, structure)?.reshape(geometry.weight_shape());
        return Ok(conv2d(x, weight, bias, options));
    }
    let convolution = Convolution {
        geometry,
        options,
        output,
    };
    let (x, values) = (x.into_dispatch(), values.into_dispatch());
    let structure = Arc::clone(structure);
    Ok(Tensor::from_dispatch(match bias {
        Some(bias) => Dispatch::sparse_convolution_biased(
            x,
            values,
            bias.into_dispatch(),
            structure,
            convolution,
        ),
        None => Dispatch::sparse_convolution(x, values, structure, convolution),
    }))
}

/// The kept weights of a dense `weight` `[rows, columns]`: its values, `[nnz]`.
///
/// # Errors
///
/// As [`sparse_linear`].
pub fn gather(weight: Tensor<2>, structure: &Arc<Structure>) -> Result<Tensor<1>, SparseError> {
    let [rows, columns] = structure.shape();
    check_float("the weight", &weight)?;
    if weight.dims() != [rows, columns] {
        let expected = format!("[{rows}, {columns}]");
        return Err(refused("the weight", &weight.dims(), expected));
    }
    let device = weight.device();
    if covers(&device) {
        let (weight, structure) = (weight.into_dispatch(), Arc::clone(structure));
        return Ok(Tensor::from_dispatch(Dispatch::sparse_gather(
            weight, structure,
        )));
    }
    if structure.nnz() == 0 {
        return Ok(Tensor::zeros([0], &device));
    }
    let weight = weight.reshape([rows * columns]);
    Ok(weight.select(0, places(structure, &device)))
}

/// The dense `[rows, columns]` of `values` `[nnz]`, +0.0 wherever no weight is kept.
///
/// # Errors
///
/// As [`sparse_linear`].
pub fn scatter(values: Tensor<1>, structure: &Arc<Structure>) -> Result<Tensor<2>, SparseError> {
    let [rows, columns] = structure.shape();
    let device = values.device();
    check_weight(&device, &values, None, structure)?;
    if covers(&device) {
        let (values, structure) = (values.into_dispatch(), Arc::clone(structure));
        return Ok(Tensor::from_dispatch(Dispatch::sparse_scatter(
            values, structure,
        )));
    }
    let dense = Tensor::<1>::zeros([rows * columns], &device);
    if structure.nnz() == 0 {
        return Ok(dense.reshape([rows, columns]));
    }
    let places = places(structure, &device);
    let dense = dense.select_assign(0, places, values, IndexingUpdateOp::Add);
    Ok(dense.reshape([rows, columns]))
}

fn places(structure: &Structure, device: &Device) -> Tensor<1, Int> {
    Tensor::from_data(dense::places(structure), device)
}

fn refused(what: &str, got: &[usize], expected: String) -> SparseError {
    SparseError::Shape {
        what: what.into(),
        got: got.to_vec(),
        expected,
    }
}

fn check_float<const D: usize>(what: &str, tensor: &Tensor<D>) -> Result<(), SparseError> {
    match tensor.dtype() {
        DType::F32 => Ok(()),
        other => Err(SparseError::Element {
            what: what.into(),
            got: format!("{other:?}"),
            expected: "F32".into(),
        }),
    }
}

fn check_device<const D: usize>(
    what: &str,
    tensor: &Tensor<D>,
    device: &Device,
) -> Result<(), SparseError> {
    if tensor.device().without_autodiff() == device.clone().without_autodiff() {
        return Ok(());
    }
    Err(SparseError::Unsupported {
        what: format!("a product of tensors on two devices, {what} on another one,"),
        remedy: "move them to one with `to_device`".into(),
    })
}

fn check_weight(
    device: &Device,
    values: &Tensor<1>,
    bias: Option<&Tensor<1>>,
    structure: &Structure,
) -> Result<(), SparseError> {
    check_float("the values of the weight", values)?;
    check_device("the values of the weight", values, device)?;
    if values.dims() != [structure.nnz()] {
        let expected = format!("[{}]: one for each kept weight", structure.nnz());
        return Err(refused(
            "the values of the weight",
            &values.dims(),
            expected,
        ));
    }
    if let Some(bias) = bias {
        check_float("the bias", bias)?;
        check_device("the bias", bias, device)?;
        let rows = structure.shape()[0];
        if bias.dims() != [rows] {
            return Err(refused("the bias", &bias.dims(), format!("[{rows}]")));
        }
    }
    Ok(())
}
