//! The operations as extensions of Burn's backends.
#![allow(deprecated)] // NdArray is deprecated in Burn 0.22 and supported here

use std::sync::Arc;

use burn::backend::{Backend, backend_extension, tensor::FloatTensor};
use burn::tensor::{Shape, ops::ConvOptions};
use secateur_kernels::ConvGeometry;

use super::structure::Structure;

/// A convolution, checked.
#[derive(Clone, Debug)]
pub(crate) struct Convolution {
    pub(super) geometry: ConvGeometry,
    pub(super) options: ConvOptions<2>,
    /// Height and width of the output.
    pub(super) output: [usize; 2],
}

/// The operations that have a gradient. Shapes and float types have been checked.
#[backend_extension(
    Flex,
    NdArray: cfg(feature = "ndarray"),
    Cube: cfg(feature = "wgpu"),
    Fusion: cfg(feature = "wgpu"),
    Autodiff
)]
pub(crate) trait SparseBackend: Backend {
    /// `x Wᵀ`: `x` is `[.., columns]`, the result `[.., rows]`.
    #[fusion(dtype = x, shape = with_last(x, structure.shape()[0]))]
    fn sparse_product(
        x: FloatTensor<Self>,
        values: FloatTensor<Self>,
        structure: Arc<Structure>,
    ) -> FloatTensor<Self>;

    /// `x Wᵀ + bias`.
    #[fusion(dtype = x, shape = with_last(x, structure.shape()[0]))]
    fn sparse_product_biased(
        x: FloatTensor<Self>,
        values: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        structure: Arc<Structure>,
    ) -> FloatTensor<Self>;

    /// A convolution of `x`, `[batch, in, height, width]`.
    #[fusion(dtype = x, shape = convolved(x, structure, convolution))]
    fn sparse_convolution(
        x: FloatTensor<Self>,
        values: FloatTensor<Self>,
        structure: Arc<Structure>,
        convolution: Convolution,
    ) -> FloatTensor<Self>;

    /// A convolution and a bias.
    #[fusion(dtype = x, shape = convolved(x, structure, convolution))]
    fn sparse_convolution_biased(
        x: FloatTensor<Self>,
        values: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        structure: Arc<Structure>,
        convolution: Convolution,
    ) -> FloatTensor<Self>;

    /// The kept weights of a dense `[rows, columns]`.
    #[fusion(dtype = dense, shape = Shape::from(vec![structure.nnz()]))]
    fn sparse_gather(dense: FloatTensor<Self>, structure: Arc<Structure>) -> FloatTensor<Self>;

    /// The dense `[rows, columns]` of values.
    #[fusion(dtype = values, shape = Shape::from(structure.shape().to_vec()))]
    fn sparse_scatter(values: FloatTensor<Self>, structure: Arc<Structure>) -> FloatTensor<Self>;
}

/// The gradients of [`SparseBackend::sparse_product`].
#[backend_extension(
    Flex,
    NdArray: cfg(feature = "ndarray"),
    Cube: cfg(feature = "wgpu"),
    Fusion: cfg(feature = "wgpu"),
)]
pub(crate) trait SparseGradients: Backend {
    /// `dy W`: `dy` is `[.., rows]`, the result `[.., columns]`.
    #[fusion(dtype = dy, shape = with_last(dy, structure.shape()[1]))]
    fn sparse_input_gradient(
        dy: FloatTensor<Self>,
        values: FloatTensor<Self>,
        structure: Arc<Structure>,
    ) -> FloatTensor<Self>;

    /// For each kept weight its column of `dy` times its column of `x`, summed over all else.
    #[fusion(dtype = dy, shape = Shape::from(vec![structure.nnz()]))]
    fn sparse_value_gradient(
        dy: FloatTensor<Self>,
        x: FloatTensor<Self>,
        values: FloatTensor<Self>,
        structure: Arc<Structure>,
    ) -> FloatTensor<Self>;
}

/// `shape` with another last dimension.
pub(super) fn with_last(shape: &Shape, last: usize) -> Shape {
    let mut dims = shape.as_slice().to_vec();
    if let Some(dim) = dims.last_mut() {
        *dim = last;
    }
    Shape::from(dims)
}

#[cfg(feature = "wgpu")]
fn convolved(x: &Shape, structure: &Structure, convolution: &Convolution) -> Shape {
    let [height, width] = convolution.output;
    Shape::from(vec![x[0], structure.shape()[0], height, width])
}
