//! The operations on Burn's default CPU backend.

use std::sync::Arc;

use burn::backend::{Flex, TensorMetadata, tensor::FloatTensor};
use burn::tensor::{Bytes, DType, Shape};
use burn_flex::{FlexTensor, Layout as FlexLayout};
use secateur_kernels::Layout;

use super::{
    backend::{Convolution, SparseBackend, SparseGradients, with_last},
    dense,
    packing::Values,
    structure::Structure,
};

/// A tensor that lies in one piece.
struct Piece(FlexTensor);

impl Piece {
    /// The tensor itself, or a copy where it has holes or is turned.
    fn of(tensor: &FlexTensor) -> Self {
        Self(if tensor.as_slice::<f32>().is_some() {
            tensor.clone()
        } else {
            tensor.to_contiguous()
        })
    }

    fn slice(&self) -> &[f32] {
        self.0.as_slice().unwrap_or_default()
    }

    fn values(&self) -> Values<'_> {
        Values {
            slice: self.slice(),
            owner: Some(self.0.data_arc()),
        }
    }
}

/// Activations as the kernels read them.
struct Columns {
    piece: Piece,
    n: usize,
    layout: Layout,
}

impl Columns {
    /// `tensor` `[.., features]`; a matrix that was transposed is read as it lies.
    fn of(tensor: &FlexTensor, features: usize) -> Self {
        let n = tensor.shape().num_elements() / features;
        if tensor.shape().num_dims() == 2 && tensor.as_slice::<f32>().is_none() {
            let turned = tensor.transpose(0, 1);
            if turned.as_slice::<f32>().is_some() {
                return Self {
                    piece: Piece(turned),
                    n,
                    layout: Layout::FeatureMajor,
                };
            }
        }
        Self::batch_major(tensor, n)
    }

    fn batch_major(tensor: &FlexTensor, n: usize) -> Self {
        Self {
            piece: Piece::of(tensor),
            n,
            layout: Layout::BatchMajor,
        }
    }

    /// The result of a product with these, of `shape`.
    fn result(&self, y: Vec<f32>, shape: Shape) -> FlexTensor {
        match self.layout {
            Layout::FeatureMajor => {
                let [n, features] = [shape[0], shape[1]];
                filled(y, Shape::from(vec![features, n])).transpose(0, 1)
            }
            _ => filled(y, shape),
        }
    }
}

fn filled(values: Vec<f32>, shape: Shape) -> FlexTensor {
    FlexTensor::new(
        Bytes::from_elems(values),
        FlexLayout::contiguous(shape),
        DType::F32,
    )
}

fn product(
    x: FlexTensor,
    values: FlexTensor,
    bias: Option<FlexTensor>,
    structure: &Structure,
) -> FlexTensor {
    let [rows, columns] = structure.shape();
    let shape = with_last(&x.shape(), rows);
    let input = Columns::of(&x, columns);
    let held = Piece::of(&values);
    let added = bias.as_ref().map(Piece::of);
    match structure.product(
        input.piece.slice(),
        input.n,
        input.layout,
        &held.values(),
        added.as_ref().map(Piece::slice),
    ) {
        Ok(y) => input.result(y, shape),
        Err(_) => dense::product::<Flex>(x, values, bias, structure),
    }
}

fn convolution_of(
    x: FlexTensor,
    values: FlexTensor,
    bias: Option<FlexTensor>,
    structure: &Structure,
    convolution: &Convolution,
) -> FlexTensor {
    let [batch, height, width] = [x.shape()[0], x.shape()[2], x.shape()[3]];
    let (input, held) = (Piece::of(&x), Piece::of(&values));
    let added = bias.as_ref().map(Piece::of);
    match structure.convolution(
        input.slice(),
        [batch, height, width],
        convolution.output,
        &held.values(),
        added.as_ref().map(Piece::slice),
        &convolution.geometry,
    ) {
        Ok(y) => {
            let [height, width] = convolution.output;
            let shape = vec![batch, structure.shape()[0], height, width];
            filled(y, Shape::from(shape))
        }
        Err(_) => dense::convolution::<Flex>(x, values, bias, structure, convolution),
    }
}

impl SparseBackend for Flex {
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
        let values = structure.gather(Piece::of(&dense).slice());
        filled(values, Shape::from(vec![structure.nnz()]))
    }

    fn sparse_scatter(values: FloatTensor<Self>, structure: Arc<Structure>) -> FloatTensor<Self> {
        let dense = structure.scatter(Piece::of(&values).slice());
        filled(dense, Shape::from(structure.shape().to_vec()))
    }
}

impl SparseGradients for Flex {
    fn sparse_input_gradient(
        dy: FloatTensor<Self>,
        values: FloatTensor<Self>,
        structure: Arc<Structure>,
    ) -> FloatTensor<Self> {
        let [rows, columns] = structure.shape();
        let shape = with_last(&dy.shape(), columns);
        let output = Columns::of(&dy, rows);
        let held = Piece::of(&values);
        match structure.input_gradient(
            output.piece.slice(),
            output.n,
            output.layout,
            &held.values(),
        ) {
            Ok(dx) => output.result(dx, shape),
            Err(_) => dense::input_gradient::<Self>(dy, values, &structure),
        }
    }

    fn sparse_value_gradient(
        dy: FloatTensor<Self>,
        x: FloatTensor<Self>,
        values: FloatTensor<Self>,
        structure: Arc<Structure>,
    ) -> FloatTensor<Self> {
        let [rows, columns] = structure.shape();
        let mut output = Columns::of(&dy, rows);
        let mut input = Columns::of(&x, columns);
        if output.layout != input.layout {
            output = Columns::batch_major(&dy, output.n);
            input = Columns::batch_major(&x, input.n);
        }
        let held = Piece::of(&values);
        match structure.value_gradient(
            output.piece.slice(),
            input.piece.slice(),
            output.n,
            output.layout,
            &held.values(),
        ) {
            Ok(gradient) => filled(gradient, Shape::from(vec![structure.nnz()])),
            Err(_) => dense::value_gradient::<Self>(dy, x, &structure),
        }
    }
}
