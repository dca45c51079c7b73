//! Joining what follows a product to the product.

use secateur_graph::{OpId, OpKind, Operation, ValueId};

use super::lower::Lowering;
use super::plan::{Binary, BufferId, End, Step, Tail, Unary};
use super::recognise;

impl Lowering<'_> {
    /// Makes an operation part of the product before it, where nothing else reads what lies
    /// between. The product then runs where the operation stood.
    pub(super) fn fuse(&mut self, id: OpId, operation: &Operation) -> bool {
        if operation.outputs.len() != 1 || !self.is_f32(operation.outputs[0]) {
            return false;
        }
        let burn = self.captured.burn_operation(id);
        match &operation.kind {
            OpKind::BatchNorm { epsilon } => self.fuse_norm(operation, *epsilon),
            _ => match (recognise::unary(burn), recognise::binary(burn)) {
                (Some(unary), _) => self.fuse_activation(operation, unary),
                (_, Some(Binary::Add)) => self.fuse_sum(operation),
                _ => false,
            },
        }
    }

    /// The step whose output is `value` and nothing else's, where it is a product.
    fn product_of(&self, value: ValueId) -> Option<(usize, BufferId)> {
        if !self.sole.get(&value).copied().unwrap_or(false) {
            return None;
        }
        let buffer = self.root(self.native(value)?);
        let at = *self.written_by.get(&buffer)?;
        match self.steps[at] {
            Some(Step::Product { .. } | Step::Conv { .. }) => Some((at, buffer)),
            _ => None,
        }
    }

    fn tail(&self, at: usize) -> Option<&Tail> {
        match self.steps[at].as_ref()? {
            Step::Product { tail, .. } | Step::Conv { tail, .. } => Some(tail),
            _ => None,
        }
    }

    /// Moves a product to the end, changed, and gives its output the name `output`.
    fn extend(
        &mut self,
        at: usize,
        input: ValueId,
        output: ValueId,
        change: impl FnOnce(&mut Tail),
    ) -> bool {
        let Some(mut step) = self.steps[at].take() else {
            return false;
        };
        if let Step::Product { tail, .. } | Step::Conv { tail, .. } = &mut step {
            change(tail);
        }
        self.push(step);
        self.alias(input, output);
        true
    }

    fn fuse_activation(&mut self, operation: &Operation, unary: Unary) -> bool {
        let end = match unary {
            Unary::Relu => End::Relu,
            Unary::Gelu => End::Gelu,
            _ => return false,
        };
        let input = operation.inputs[0];
        let Some((at, _)) = self.product_of(input) else {
            return false;
        };
        if self.tail(at).is_none_or(|tail| tail.end != End::Identity) {
            return false;
        }
        self.extend(at, input, operation.outputs[0], |tail| tail.end = end)
    }

    /// `(x W) * scale + shift` is `x (W * scale) + shift`, where channels are rows of W.
    fn fuse_norm(&mut self, operation: &Operation, epsilon: f64) -> bool {
        let input = operation.inputs[0];
        let Some((at, _)) = self.product_of(input) else {
            return false;
        };
        let rank = self.captured.graph().value(input).shape.len();
        let (weight, is_conv) = match self.steps[at] {
            Some(Step::Conv { weight, .. }) => (weight, true),
            Some(Step::Product { weight, .. }) => (weight, false),
            _ => return false,
        };
        let plain = self
            .tail(at)
            .is_some_and(|tail| tail.end == End::Identity && tail.residual.is_none());
        if !plain || !(is_conv || rank == 2) {
            return false;
        }
        let Some((scale, shift)) = self.batch_norm(operation, epsilon) else {
            return false;
        };
        if scale.len() != self.weights[weight].shape[0] {
            return false;
        }
        self.weights[weight].scale_rows(&scale);
        self.extend(at, input, operation.outputs[0], |tail| {
            let bias = match tail.bias.take() {
                None => shift,
                Some(bias) => {
                    let pairs = bias.iter().zip(scale.iter().zip(&shift));
                    pairs.map(|(b, (scale, shift))| b * scale + shift).collect()
                }
            };
            tail.bias = Some(bias);
        })
    }

    /// A bias, or another tensor of the same shape.
    fn fuse_sum(&mut self, operation: &Operation) -> bool {
        let &[a, b] = operation.inputs.as_slice() else {
            return false;
        };
        self.fuse_bias(operation, a, b)
            || self.fuse_bias(operation, b, a)
            || self.fuse_residual(operation, b, a)
            || self.fuse_residual(operation, a, b)
    }

    fn fuse_bias(&mut self, operation: &Operation, product: ValueId, bias: ValueId) -> bool {
        let Some((at, _)) = self.product_of(product) else {
            return false;
        };
        let graph = self.captured.graph();
        let out = &graph.value(operation.outputs[0]).shape;
        let shape = &graph.value(bias).shape;
        if *out != graph.value(product).shape || shape.len() != out.len() {
            return false;
        }
        let is_conv = matches!(self.steps[at], Some(Step::Conv { .. }));
        let channel = if is_conv { 1 } else { out.len() - 1 };
        let others_are_one = shape
            .iter()
            .enumerate()
            .all(|(axis, &size)| axis == channel || size == 1);
        if !others_are_one || shape.get(channel) != out.get(channel) {
            return false;
        }
        let free = self
            .tail(at)
            .is_some_and(|tail| tail.end == End::Identity && tail.residual.is_none());
        let Some(values) = self.floats(bias).filter(|_| free) else {
            return false;
        };
        self.extend(at, product, operation.outputs[0], |tail| {
            tail.bias = Some(match tail.bias.take() {
                None => values,
                Some(bias) => bias.iter().zip(&values).map(|(a, b)| a + b).collect(),
            });
        })
    }

    fn fuse_residual(&mut self, operation: &Operation, product: ValueId, other: ValueId) -> bool {
        let Some((at, buffer)) = self.product_of(product) else {
            return false;
        };
        let graph = self.captured.graph();
        let shape = |value: ValueId| &graph.value(value).shape;
        let free = self
            .tail(at)
            .is_some_and(|tail| tail.end == End::Identity && tail.residual.is_none());
        if !free || shape(product) != shape(other) || self.constants.contains_key(&other) {
            return false;
        }
        let residual = self.need_native(other);
        if self.root(residual) == buffer {
            return false;
        }
        self.extend(at, product, operation.outputs[0], |tail| {
            tail.residual = Some(residual);
        })
    }
}
