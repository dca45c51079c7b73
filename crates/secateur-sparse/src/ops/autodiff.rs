//! The gradients of the operations.

use std::sync::Arc;

use burn::backend::{
    Autodiff, Backend, TensorMetadata,
    autodiff::{
        NodeId,
        checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
        grads::Gradients,
        ops::{Backward, Ops, OpsKind, unary},
    },
    tensor::FloatTensor,
};
use burn::tensor::Shape;

use super::{
    backend::{Convolution, SparseBackend, SparseGradients},
    structure::Structure,
};

/// What a product leaves for its gradients: its input where the values want it, its values.
#[derive(Debug, Clone)]
struct ProductState {
    x: Option<NodeId>,
    values: NodeId,
    structure: Arc<Structure>,
}

impl ProductState {
    fn register<B: SparseGradients>(
        self,
        [x, values]: [Option<NodeId>; 2],
        grad: FloatTensor<B>,
        grads: &mut Gradients,
        checkpointer: &mut Checkpointer,
    ) {
        let kept = self
            .x
            .map(|id| checkpointer.retrieve_node_output::<FloatTensor<B>>(id));
        let held = checkpointer.retrieve_node_output::<FloatTensor<B>>(self.values);
        if let Some(node) = x {
            let structure = Arc::clone(&self.structure);
            let dx = B::sparse_input_gradient(grad.clone(), held.clone(), structure);
            grads.register::<B>(node, dx);
        }
        if let (Some(node), Some(x)) = (values, kept) {
            let dvalues = B::sparse_value_gradient(grad, x, held, self.structure);
            grads.register::<B>(node, dvalues);
        }
    }
}

/// The gradient of a bias: all but the last dimension summed.
fn bias_gradient<B: Backend>(grad: FloatTensor<B>) -> FloatTensor<B> {
    let shape = grad.shape();
    let rows = shape.as_slice().last().copied().unwrap_or(1);
    let columns = shape.num_elements() / rows.max(1);
    let flat = B::float_reshape(grad, Shape::from(vec![columns, rows]));
    B::float_reshape(B::float_sum_dim(flat, 0), Shape::from(vec![rows]))
}

#[derive(Debug)]
struct Product;

impl<B: SparseGradients> Backward<B, 2> for Product {
    type State = ProductState;

    fn backward(
        self,
        ops: Ops<Self::State, 2>,
        grads: &mut Gradients,
        checkpointer: &mut Checkpointer,
    ) {
        let [x, values] = ops.parents.map(|node| node.map(|node| node.id));
        let grad = grads.consume::<B>(&ops.node);
        ops.state
            .register::<B>([x, values], grad, grads, checkpointer);
    }
}

impl<B: SparseGradients> Backward<B, 3> for Product {
    type State = ProductState;

    fn backward(
        self,
        ops: Ops<Self::State, 3>,
        grads: &mut Gradients,
        checkpointer: &mut Checkpointer,
    ) {
        let [x, values, bias] = ops.parents.map(|node| node.map(|node| node.id));
        let grad = grads.consume::<B>(&ops.node);
        if let Some(node) = bias {
            grads.register::<B>(node, bias_gradient::<B>(grad.clone()));
        }
        ops.state
            .register::<B>([x, values], grad, grads, checkpointer);
    }
}

/// What a convolution leaves for its gradients.
#[derive(Debug, Clone)]
struct ConvolutionState {
    x: NodeId,
    values: NodeId,
    structure: Arc<Structure>,
    convolution: Convolution,
}

impl ConvolutionState {
    fn register<B: SparseBackend>(
        self,
        [x, values]: [Option<NodeId>; 2],
        grad: FloatTensor<B>,
        grads: &mut Gradients,
        checkpointer: &mut Checkpointer,
    ) {
        let kept = checkpointer.retrieve_node_output::<FloatTensor<B>>(self.x);
        let held = checkpointer.retrieve_node_output::<FloatTensor<B>>(self.values);
        let weight = B::float_reshape(
            B::sparse_scatter(held, Arc::clone(&self.structure)),
            Shape::from(self.convolution.geometry.weight_shape().to_vec()),
        );
        let options = self.convolution.options;
        if let Some(node) = x {
            let dx =
                B::conv2d_x_backward(kept.clone(), weight.clone(), grad.clone(), options.clone());
            grads.register::<B>(node, dx);
        }
        if let Some(node) = values {
            let dense = B::conv2d_weight_backward(kept, weight, grad, options);
            let dense = B::float_reshape(dense, Shape::from(self.structure.shape().to_vec()));
            grads.register::<B>(node, B::sparse_gather(dense, self.structure));
        }
    }
}

#[derive(Debug)]
struct Convolved;

impl<B: SparseBackend> Backward<B, 2> for Convolved {
    type State = ConvolutionState;

    fn backward(
        self,
        ops: Ops<Self::State, 2>,
        grads: &mut Gradients,
        checkpointer: &mut Checkpointer,
    ) {
        let parents = ops.parents.map(|node| node.map(|node| node.id));
        let grad = grads.consume::<B>(&ops.node);
        ops.state.register::<B>(parents, grad, grads, checkpointer);
    }
}

impl<B: SparseBackend> Backward<B, 3> for Convolved {
    type State = ConvolutionState;

    fn backward(
        self,
        ops: Ops<Self::State, 3>,
        grads: &mut Gradients,
        checkpointer: &mut Checkpointer,
    ) {
        let [x, values, bias] = ops.parents.map(|node| node.map(|node| node.id));
        let grad = grads.consume::<B>(&ops.node);
        if let Some(node) = bias {
            // [batch, out, height, width]: channels last, then as for a product.
            let last = B::float_permute(grad.clone(), &[0, 2, 3, 1]);
            grads.register::<B>(node, bias_gradient::<B>(last));
        }
        ops.state
            .register::<B>([x, values], grad, grads, checkpointer);
    }
}

/// The gradient of gathering scatters.
#[derive(Debug)]
struct Gathered;

impl<B: SparseBackend> Backward<B, 1> for Gathered {
    type State = Arc<Structure>;

    fn backward(
        self,
        ops: Ops<Self::State, 1>,
        grads: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        unary::<B, _>(ops.parents, ops.node, grads, |grad| {
            B::sparse_scatter(grad, ops.state)
        });
    }
}

/// The gradient of scattering gathers.
#[derive(Debug)]
struct Scattered;

impl<B: SparseBackend> Backward<B, 1> for Scattered {
    type State = Arc<Structure>;

    fn backward(
        self,
        ops: Ops<Self::State, 1>,
        grads: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        unary::<B, _>(ops.parents, ops.node, grads, |grad| {
            B::sparse_gather(grad, ops.state)
        });
    }
}

impl<B: SparseBackend + SparseGradients, C: CheckpointStrategy> SparseBackend for Autodiff<B, C> {
    fn sparse_product(
        x: FloatTensor<Self>,
        values: FloatTensor<Self>,
        structure: Arc<Structure>,
    ) -> FloatTensor<Self> {
        let output = B::sparse_product(
            x.primitive().clone(),
            values.primitive().clone(),
            Arc::clone(&structure),
        );
        let parents = [x.node(), values.node()];
        match Product.prepare::<C>(parents).compute_bound().stateful() {
            OpsKind::Tracked(mut prep) => {
                let state = ProductState {
                    x: values.is_tracked().then(|| prep.checkpoint(&x)),
                    values: prep.checkpoint(&values),
                    structure,
                };
                prep.finish(state, output)
            }
            OpsKind::UnTracked(prep) => prep.finish(output),
        }
    }

    fn sparse_product_biased(
        x: FloatTensor<Self>,
        values: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        structure: Arc<Structure>,
    ) -> FloatTensor<Self> {
        let output = B::sparse_product_biased(
            x.primitive().clone(),
            values.primitive().clone(),
            bias.primitive().clone(),
            Arc::clone(&structure),
        );
        let parents = [x.node(), values.node(), bias.node()];
        match Product.prepare::<C>(parents).compute_bound().stateful() {
            OpsKind::Tracked(mut prep) => {
                let state = ProductState {
                    x: values.is_tracked().then(|| prep.checkpoint(&x)),
                    values: prep.checkpoint(&values),
                    structure,
                };
                prep.finish(state, output)
            }
            OpsKind::UnTracked(prep) => prep.finish(output),
        }
    }

    fn sparse_convolution(
        x: FloatTensor<Self>,
        values: FloatTensor<Self>,
        structure: Arc<Structure>,
        convolution: Convolution,
    ) -> FloatTensor<Self> {
        let output = B::sparse_convolution(
            x.primitive().clone(),
            values.primitive().clone(),
            Arc::clone(&structure),
            convolution.clone(),
        );
        let parents = [x.node(), values.node()];
        match Convolved.prepare::<C>(parents).compute_bound().stateful() {
            OpsKind::Tracked(mut prep) => {
                let state = ConvolutionState {
                    x: prep.checkpoint(&x),
                    values: prep.checkpoint(&values),
                    structure,
                    convolution,
                };
                prep.finish(state, output)
            }
            OpsKind::UnTracked(prep) => prep.finish(output),
        }
    }

    fn sparse_convolution_biased(
        x: FloatTensor<Self>,
        values: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        structure: Arc<Structure>,
        convolution: Convolution,
    ) -> FloatTensor<Self> {
        let output = B::sparse_convolution_biased(
            x.primitive().clone(),
            values.primitive().clone(),
            bias.primitive().clone(),
            Arc::clone(&structure),
            convolution.clone(),
        );
        let parents = [x.node(), values.node(), bias.node()];
        match Convolved.prepare::<C>(parents).compute_bound().stateful() {
            OpsKind::Tracked(mut prep) => {
                let state = ConvolutionState {
                    x: prep.checkpoint(&x),
                    values: prep.checkpoint(&values),
                    structure,
                    convolution,
                };
                prep.finish(state, output)
            }
            OpsKind::UnTracked(prep) => prep.finish(output),
        }
    }

    fn sparse_gather(dense: FloatTensor<Self>, structure: Arc<Structure>) -> FloatTensor<Self> {
        let (dense, node) = dense.into_parts();
        let output = B::sparse_gather(dense, Arc::clone(&structure));
        match Gathered.prepare::<C>([node]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish(structure, output),
            OpsKind::UnTracked(prep) => prep.finish(output),
        }
    }

    fn sparse_scatter(values: FloatTensor<Self>, structure: Arc<Structure>) -> FloatTensor<Self> {
        let (values, node) = values.into_parts();
        let output = B::sparse_scatter(values, Arc::clone(&structure));
        match Scattered.prepare::<C>([node]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish(structure, output),
            OpsKind::UnTracked(prep) => prep.finish(output),
        }
    }
}
