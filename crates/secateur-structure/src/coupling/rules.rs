//! How each operation couples the dimensions of what it reads and writes.

mod parts;
mod products;

use secateur_graph::{Graph, OpId, OpKind, Operation, Source, ValueId};

use super::reason::{Change, Pin, Reason};
use super::values::Values;
use crate::axes::{Axes, Dim, Mark};

/// A walk over a graph that gives each dimension of each value an expression of axes.
pub(super) struct Tracer<'a> {
    pub(super) graph: &'a Graph,
    values: &'a dyn Values,
    pub(super) axes: Axes,
    /// By value.
    pub(super) dims: Vec<Vec<Dim>>,
    /// By mark.
    pub(super) reasons: Vec<Reason>,
    /// Groups of convolutions that have several.
    pub(super) groups: Vec<(OpId, Dim)>,
    /// Parts that are cut out of a dimension of a value.
    cuts: Vec<(ValueId, usize, usize, Dim)>,
}

impl<'a> Tracer<'a> {
    pub(super) fn new(graph: &'a Graph, values: &'a dyn Values) -> Self {
        let none = Reason::Pin(Pin::Mixed(OpId(0), String::new()));
        let mut tracer = Self {
            graph,
            values,
            axes: Axes::new(0),
            dims: Vec::with_capacity(graph.values.len()),
            reasons: vec![none],
            groups: Vec::new(),
            cuts: Vec::new(),
        };
        for (at, value) in graph.values.iter().enumerate() {
            let dims = match &value.source {
                Source::Operation(_) => Vec::new(),
                _ => tracer.fresh(&value.shape),
            };
            match &value.source {
                Source::Input(nth) => tracer.pin_all(&dims, Pin::Input(*nth)),
                Source::Constant => tracer.pin_what_varies(ValueId(at), &dims),
                Source::Parameter(_) | Source::Operation(_) => {}
            }
            tracer.dims.push(dims);
        }
        tracer
    }

    /// Goes through all operations.
    pub(super) fn trace(&mut self) {
        let graph = self.graph;
        for (id, operation) in graph.enumerate() {
            let mixed = self.reason(Reason::Pin(Pin::Mixed(id, operation.kind.to_string())));
            self.axes.mark_mixed_as(mixed);
            let outputs = self.operation(id, operation);
            for (&value, dims) in operation.outputs.iter().zip(outputs) {
                debug_assert_eq!(
                    dims.iter()
                        .map(|dim| self.axes.size(dim))
                        .collect::<Vec<_>>(),
                    graph.value(value).shape,
                    "{}",
                    operation.kind
                );
                self.dims[value.0] = dims;
            }
        }
        self.equal_parts();
        for (nth, &output) in graph.outputs.iter().enumerate() {
            let dims = self.dims[output.0].clone();
            self.pin_all(&dims, Pin::Output(nth));
        }
    }

    fn reason(&mut self, reason: Reason) -> Mark {
        let known = self.reasons.iter().rposition(|known| *known == reason);
        known.unwrap_or_else(|| {
            self.reasons.push(reason);
            self.reasons.len() - 1
        })
    }

    fn fresh(&mut self, shape: &[usize]) -> Vec<Dim> {
        shape.iter().map(|&size| self.axes.fresh(size)).collect()
    }

    fn fresh_pinned(&mut self, size: usize, pin: Pin) -> Dim {
        let dim = self.axes.fresh(size);
        self.pin(&dim, pin);
        dim
    }

    pub(super) fn pin(&mut self, dim: &Dim, pin: Pin) {
        let mark = self.reason(Reason::Pin(pin));
        self.axes.mark(dim, mark);
    }

    /// Pins all dimensions of the parameters at or below a path; whether there are any.
    pub(super) fn pin_below(&mut self, path: &str, pin: &Pin) -> bool {
        let mut found = false;
        for (at, value) in self.graph.values.iter().enumerate() {
            let Source::Parameter(parameter) = &value.source else {
                continue;
            };
            let below = parameter.strip_prefix(path);
            if below.is_some_and(|rest| rest.is_empty() || rest.starts_with('.')) {
                found = true;
                self.pin_all(&self.dims[at].clone(), pin.clone());
            }
        }
        found
    }

    fn pin_all(&mut self, dims: &[Dim], pin: Pin) {
        for dim in dims {
            self.pin(dim, pin.clone());
        }
    }

    fn changes(&mut self, dim: &Dim, change: Change) {
        let mark = self.reason(Reason::Change(change));
        self.axes.mark(dim, mark);
    }

    fn is_pinned(&self, dim: &Dim) -> bool {
        self.axes.axes_of(dim).into_iter().all(|axis| {
            let mut marks = self.axes.marks(axis);
            marks.any(|mark| matches!(self.reasons[mark], Reason::Pin(_)))
        })
    }

    fn pin_what_varies(&mut self, value: ValueId, dims: &[Dim]) {
        let varies = self.values.varies(value);
        for (nth, dim) in dims.iter().enumerate() {
            if varies.get(nth).copied().unwrap_or(true) {
                self.pin(dim, Pin::Constant);
            }
        }
    }

    fn equate(&mut self, a: &Dim, b: &Dim) {
        if self.axes.equate(a, b).is_err() {
            self.axes.mix_both(a, b);
        }
    }

    fn of(&self, value: ValueId) -> Vec<Dim> {
        self.dims[value.0].clone()
    }

    fn shape(&self, value: ValueId) -> &'a [usize] {
        &self.graph.value(value).shape
    }

    /// The output of values that are broadcast against each other, the last dimensions together.
    fn broadcast(&mut self, inputs: &[Vec<Dim>], shape: &[usize]) -> Vec<Dim> {
        let rank = shape.len();
        let mut out = Vec::with_capacity(rank);
        for (nth, &size) in shape.iter().enumerate() {
            let mut dim: Option<Dim> = None;
            for input in inputs {
                let from_end = rank - nth;
                let Some(at) = input.len().checked_sub(from_end) else {
                    continue;
                };
                if self.axes.size(&input[at]) != size {
                    continue;
                }
                match &dim {
                    None => dim = Some(input[at].clone()),
                    Some(first) => {
                        let first = first.clone();
                        self.equate(&first, &input[at]);
                    }
                }
            }
            out.push(dim.unwrap_or_else(|| self.axes.fresh(size)));
        }
        out
    }

    /// Dimensions of the outputs.
    fn operation(&mut self, id: OpId, operation: &Operation) -> Vec<Vec<Dim>> {
        let name = operation.kind.to_string();
        let inputs: Vec<Vec<Dim>> = operation.inputs.iter().map(|&id| self.of(id)).collect();
        let shapes: Vec<&[usize]> = operation.outputs.iter().map(|&id| self.shape(id)).collect();
        let Some(&shape) = shapes.first() else {
            return Vec::new();
        };
        let positions = Pin::Positions(id, name.clone());
        let all = |dims: Vec<Dim>| vec![dims; shapes.len()];
        match &operation.kind {
            OpKind::Linear => all(self.linear(&inputs)),
            OpKind::Matmul => all(self.matmul(&inputs, shape)),
            OpKind::Conv(options) => {
                all(self.convolution(id, &inputs, shape, options.groups, false, positions))
            }
            OpKind::ConvTranspose { options, .. } => {
                all(self.convolution(id, &inputs, shape, options.groups, true, positions))
            }
            OpKind::BatchNorm { .. } => {
                for vector in &inputs[1..] {
                    self.equate(&inputs[0][1], &vector[0]);
                }
                all(inputs[0].clone())
            }
            OpKind::LayerNorm { .. } => {
                let Some(features) = inputs[0].last().cloned() else {
                    return all(inputs[0].clone());
                };
                for vector in &inputs[1..] {
                    self.equate(&features, &vector[0]);
                }
                self.changes(&features, Change::Statistics(id, name));
                all(inputs[0].clone())
            }
            OpKind::Embedding => {
                self.pin(&inputs[0][0], positions);
                let mut dims = inputs[1].clone();
                dims.push(inputs[0][1].clone());
                all(dims)
            }
            OpKind::Attention => all(self.attention(id, name, &inputs)),
            OpKind::Pool { .. } | OpKind::AdaptivePool | OpKind::Interpolate => {
                all(self.windows(&inputs[0], shape, positions))
            }
            OpKind::Elementwise { name, .. } if name == "PRelu" => {
                let (x, slope) = (&inputs[0], &inputs[1]);
                if slope.len() == x.len() {
                    return all(self.broadcast(&inputs, shape));
                }
                if self.axes.size(&slope[0]) > 1 && x.len() > 1 {
                    self.equate(&x[1], &slope[0]);
                }
                all(x.clone())
            }
            OpKind::Elementwise { .. } => all(self.broadcast(&inputs, shape)),
            OpKind::Along { name, dim } => {
                let along = inputs[0][*dim].clone();
                match name.as_str() {
                    // What goes is zero and adds nothing.
                    "CumSum" => {}
                    "Softmax" | "LogSoftmax" | "Softmin" => {
                        self.changes(&along, Change::Shares(id, name.clone()));
                    }
                    "CumProd" | "CumMax" | "CumMin" => {
                        self.changes(&along, Change::Reduction(id, name.clone()));
                    }
                    _ => self.pin(&along, Pin::Indexed(id, name.clone())),
                }
                all(inputs[0].clone())
            }
            OpKind::Reduce { name, dims } => all(self.reduce(id, name, dims, &inputs[0], shape)),
            OpKind::Reshape => all(self.axes.reshape(&inputs[0], shape)),
            OpKind::Permute { axes } => {
                all(axes.iter().map(|&axis| inputs[0][axis].clone()).collect())
            }
            OpKind::Flip { axes } => {
                let mut dims = inputs[0].clone();
                for &axis in axes {
                    let size = self.axes.size(&dims[axis]);
                    let backwards: Vec<usize> = (0..size).rev().collect();
                    dims[axis] = self.pick(&dims[axis].clone(), &backwards, &positions);
                }
                all(dims)
            }
            OpKind::Expand => all(self.expand(&inputs[0], shape)),
            OpKind::Unfold { dim, .. } => {
                self.pin(&inputs[0][*dim], positions.clone());
                let mut dims = inputs[0].clone();
                dims[*dim] = self.fresh_pinned(shape[*dim], positions.clone());
                while dims.len() < shape.len() {
                    dims.push(self.fresh_pinned(shape[dims.len()], positions.clone()));
                }
                all(dims)
            }
            OpKind::Slice { spans } => {
                let source = operation.inputs[0];
                all(self.slice(source, &inputs[0], spans, &positions))
            }
            OpKind::SliceAssign { spans } => {
                let parts = self.slice(operation.inputs[0], &inputs[0], spans, &positions);
                for (part, value) in parts.iter().zip(&inputs[1]) {
                    if self.axes.size(part) == self.axes.size(value) {
                        self.equate(part, value);
                    }
                }
                all(inputs[0].clone())
            }
            OpKind::Concat { dim } => {
                let made = Pin::Made(id, name);
                all(self.concat(*dim, operation, &inputs, made))
            }
            OpKind::Repeat { dim, times } => {
                let mut dims = inputs[0].clone();
                let outer = self.axes.fresh(*times);
                dims[*dim] = Dim::Product(vec![outer, dims[*dim].clone()]);
                all(dims)
            }
            OpKind::Select { dim } => {
                let mut dims = inputs[0].clone();
                let indexed = Pin::Indexed(id, name);
                let size = self.axes.size(&dims[*dim]);
                let places = self.values.integers(operation.inputs[1]);
                let places = places.filter(|places| places.iter().all(|&place| place < size));
                dims[*dim] = match places {
                    Some(places) => self.pick(&dims[*dim].clone(), &places, &indexed),
                    None => {
                        self.pin(&dims[*dim], indexed.clone());
                        self.fresh_pinned(shape[*dim], indexed)
                    }
                };
                all(dims)
            }
            OpKind::Gather { dim } => {
                let indexed = Pin::Indexed(id, name);
                let (x, places) = (&inputs[0], &inputs[1]);
                for nth in 0..x.len() {
                    if nth == *dim {
                        self.pin(&x[nth], indexed.clone());
                        self.pin(&places[nth], indexed.clone());
                    } else if self.axes.size(&x[nth]) == self.axes.size(&places[nth]) {
                        self.equate(&x[nth], &places[nth]);
                    } else {
                        self.pin(&x[nth], indexed.clone());
                    }
                }
                all(places.clone())
            }
            OpKind::Pad { padding } => {
                let mut dims = inputs[0].clone();
                for (dim, &(before, after)) in dims.iter_mut().zip(padding) {
                    if (before, after) != (0, 0) {
                        *dim = self.padded(dim, before, after, &positions);
                    }
                }
                all(dims)
            }
            OpKind::Cast => all(inputs[0].clone()),
            OpKind::Create { .. } => shapes.iter().map(|shape| self.fresh(shape)).collect(),
            _ => {
                let unknown = Pin::Unknown(id, name);
                for dims in &inputs {
                    self.pin_all(dims, unknown.clone());
                }
                let outputs: Vec<Vec<Dim>> = shapes.iter().map(|shape| self.fresh(shape)).collect();
                for dims in &outputs {
                    self.pin_all(dims, unknown.clone());
                }
                outputs
            }
        }
    }

    /// Batch and channels stay, pixels become others.
    fn windows(&mut self, x: &[Dim], shape: &[usize], positions: Pin) -> Vec<Dim> {
        let mut dims: Vec<Dim> = x.iter().take(2).cloned().collect();
        for dim in x.iter().skip(2) {
            self.pin(dim, positions.clone());
        }
        while dims.len() < shape.len() {
            dims.push(self.fresh_pinned(shape[dims.len()], positions.clone()));
        }
        dims
    }

    fn reduce(
        &mut self,
        id: OpId,
        name: &str,
        dims: &[usize],
        x: &[Dim],
        shape: &[usize],
    ) -> Vec<Dim> {
        let reduced = |nth: usize| dims.is_empty() || dims.contains(&nth);
        for (_, dim) in x.iter().enumerate().filter(|(nth, _)| reduced(*nth)) {
            if name.starts_with("Arg") || name.contains("Indices") {
                self.pin(dim, Pin::Indexed(id, name.into()));
            } else if !matches!(name, "Sum" | "SumDim" | "SumDims") {
                self.changes(dim, Change::Reduction(id, name.into()));
            }
        }
        if shape.len() == x.len() {
            let kept = x.iter().enumerate();
            return kept
                .map(|(nth, dim)| match reduced(nth) {
                    true => Dim::one(),
                    false => dim.clone(),
                })
                .collect();
        }
        self.fresh(shape)
    }
}
