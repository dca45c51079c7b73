//! From a captured model to the steps of an engine.

use std::collections::{BTreeMap, HashMap};

use burn::tensor::{DType, TensorData};
use burn_ir::{TensorId, TensorIr};
use secateur_graph::{ConvOptions, ModelGraph, OpId, OpKind, Operation, ValueId};

use super::batch::Sizes;
use super::plan::{Buffer, BufferId, Home, Part, Plan, Port, Step, Tail, Tensor};
use super::weight::{ConvWindows, Use, Weight};
use super::{constants, recognise, turns};
use crate::error::SparseError;

/// The steps of an engine and the weights they use.
pub(crate) struct Lowered {
    pub(crate) plan: Plan,
    pub(crate) weights: Vec<Weight>,
}

/// Makes steps of `captured`; `larger` is the same model captured with further entries in the
/// batch, where that could be.
pub(crate) fn lower(
    captured: &ModelGraph,
    larger: Option<&[ModelGraph; 2]>,
) -> Result<Lowered, SparseError> {
    let sizes = Sizes::of(captured, larger);
    let constants = constants::fold(captured, &sizes);
    let mut lowering = Lowering::new(captured, sizes, constants);
    lowering.add_inputs();
    for (id, operation) in captured.graph().enumerate() {
        let folded = |output| lowering.constants.contains_key(output);
        if !operation.outputs.iter().all(folded) {
            lowering.add_operation(id, operation)?;
        }
    }
    lowering.finish()
}

pub(crate) struct Lowering<'a> {
    pub(super) captured: &'a ModelGraph,
    pub(super) sizes: Sizes,
    pub(super) constants: BTreeMap<ValueId, TensorData>,
    /// How often each value is read, outputs of the model included.
    uses: Vec<usize>,
    /// Where each value is for the engine's own operations.
    native: HashMap<ValueId, BufferId>,
    /// Where it is for Burn.
    burn: HashMap<ValueId, usize>,
    /// Whether nothing else can see a buffer's elements but through this value.
    pub(super) sole: HashMap<ValueId, bool>,
    /// The step that wrote each buffer that owns its elements.
    pub(super) written_by: HashMap<BufferId, usize>,
    /// Steps; `None` where one has moved on.
    pub(super) steps: Vec<Option<Step>>,
    pub(super) weights: Vec<Weight>,
    plan: Plan,
}

impl<'a> Lowering<'a> {
    fn new(
        captured: &'a ModelGraph,
        sizes: Sizes,
        constants: BTreeMap<ValueId, TensorData>,
    ) -> Self {
        let graph = captured.graph();
        let mut uses = vec![0; graph.values.len()];
        for operation in &graph.operations {
            for input in &operation.inputs {
                uses[input.0] += 1;
            }
        }
        for output in &graph.outputs {
            uses[output.0] += 1;
        }
        let first = graph.inputs.first();
        let batch = first.and_then(|&input| graph.value(input).shape.first());
        Self {
            captured,
            plan: Plan {
                batch: batch.copied().unwrap_or(1),
                dynamic: sizes.dynamic(),
                buffers: Vec::new(),
                tensors: Vec::new(),
                steps: Vec::new(),
                inputs: Vec::new(),
                outputs: Vec::new(),
            },
            sizes,
            constants,
            uses,
            native: HashMap::new(),
            burn: HashMap::new(),
            sole: HashMap::new(),
            written_by: HashMap::new(),
            steps: Vec::new(),
            weights: Vec::new(),
        }
    }

    fn add_inputs(&mut self) {
        for (nth, &input) in self.captured.graph().inputs.iter().enumerate() {
            let is_float = self.is_f32(input);
            let (buffer, tensor) = if is_float {
                (Some(self.new_buffer(input, Home::Input(nth))), None)
            } else {
                (None, Some(self.new_tensor(input, None)))
            };
            self.plan.inputs.push(Port {
                shape: self.sizes.shape(input),
                dtype: self.dtype(input),
                buffer,
                tensor,
            });
        }
    }

    fn add_operation(&mut self, id: OpId, operation: &Operation) -> Result<(), SparseError> {
        if !self.add_product(id, operation)? && !self.fuse(id, operation) {
            let own = self.own_step(id, operation);
            if !own {
                self.add_burn(id, operation);
            }
        }
        Ok(())
    }

    /// A linear layer, or a convolution, by a constant weight.
    fn add_product(&mut self, id: OpId, operation: &Operation) -> Result<bool, SparseError> {
        let weight = match &operation.kind {
            OpKind::Linear | OpKind::Matmul => self.matrix(id, operation),
            OpKind::Conv(options) => self.convolution(id, operation, options),
            _ => None,
        };
        let Some(weight) = weight else {
            return Ok(false);
        };
        let bias = match operation.inputs.get(2) {
            None => None,
            Some(bias) => match self.floats(*bias) {
                Some(bias) => Some(bias),
                None => return Ok(false),
            },
        };
        let x = self.need_native(operation.inputs[0]);
        let number = self.weights.len();
        let is_conv = matches!(weight.used, Use::Conv { .. });
        self.weights.push(weight);
        let y = self.output(operation);
        let tail = Tail { bias, ..Tail::NONE };
        let step = if is_conv {
            Step::Conv {
                weight: number,
                x,
                y,
                tail,
            }
        } else {
            Step::Product {
                weight: number,
                x,
                y,
                tail,
            }
        };
        self.push(step);
        Ok(true)
    }

    /// The weight of `x W`, where W is a constant matrix.
    fn matrix(&self, id: OpId, operation: &Operation) -> Option<Weight> {
        let &[x, w, ..] = operation.inputs.as_slice() else {
            return None;
        };
        let shape = &self.captured.graph().value(w).shape;
        let (&[k, m], leading) = shape.split_last_chunk::<2>().map(|(l, two)| (two, l))?;
        let x_shape = &self.captured.graph().value(x).shape;
        let plain =
            leading.iter().all(|&size| size == 1) && leading.len() + 2 <= x_shape.len().max(2);
        let fits = x_shape.last() == Some(&k) && self.is_f32(x) && !self.constants.contains_key(&x);
        if !plain || !fits || k == 0 || m == 0 {
            return None;
        }
        let values = self.floats(w)?;
        let mut dense = vec![0.0; m * k];
        for (row, weights) in values.chunks_exact(m).enumerate() {
            for (column, &weight) in weights.iter().enumerate() {
                dense[column * k + row] = weight;
            }
        }
        let columns = x_shape.iter().product::<usize>() / k;
        Some(Weight {
            name: self.weight_name(id, w),
            dense,
            shape: [m, k],
            used: Use::Product { columns },
        })
    }

    fn convolution(
        &self,
        id: OpId,
        operation: &Operation,
        options: &ConvOptions,
    ) -> Option<Weight> {
        let &[x, w, ..] = operation.inputs.as_slice() else {
            return None;
        };
        let graph = self.captured.graph();
        let (x_shape, w_shape) = (&graph.value(x).shape, &graph.value(w).shape);
        if !self.is_f32(x) || self.constants.contains_key(&x) || w_shape.contains(&0) {
            return None;
        }
        // One dimension is two with a height of one.
        let (image, kernel, lift) = match (x_shape.as_slice(), w_shape.as_slice()) {
            (&[_, _, width], &[_, _, size]) => ([1, width], [1, size], true),
            (&[_, _, height, width], &[_, _, rows, columns]) => {
                ([height, width], [rows, columns], false)
            }
            _ => return None,
        };
        let both = |sizes: &[usize]| match *sizes {
            [size] if lift => Some([1, size]),
            [height, width] if !lift => Some([height, width]),
            _ => None,
        };
        let padding = match *options.padding {
            [(before, after)] if lift => [[0, 0], [before, after]],
            [rows, columns] if !lift => [[rows.0, rows.1], [columns.0, columns.1]],
            _ => return None,
        };
        let windows = ConvWindows {
            channels: [w_shape[0], x_shape[1]],
            kernel,
            stride: both(&options.stride)?,
            padding,
            dilation: both(&options.dilation)?,
            groups: options.groups,
        };
        let columns = w_shape[1..].iter().product();
        Some(Weight {
            name: self.weight_name(id, w),
            dense: self.floats(w)?,
            shape: [w_shape[0], columns],
            used: Use::Conv {
                windows,
                image,
                batch: x_shape[0].max(1),
            },
        })
    }

    fn weight_name(&self, id: OpId, weight: ValueId) -> String {
        let graph = self.captured.graph();
        let path = graph.parameter(weight).map(str::to_owned);
        path.unwrap_or_else(|| format!("{} {}", graph.operation(id).kind, id.0))
    }

    /// An operation that the engine runs itself, where its operands are at hand.
    fn own_step(&mut self, id: OpId, operation: &Operation) -> bool {
        if let (Some(value), true) = (
            recognise::fill(self.captured.burn_operation(id)),
            self.is_f32(operation.outputs[0]),
        ) {
            let y = self.output(operation);
            self.push(Step::Fill { value, y });
            return true;
        }
        let Some(&first) = operation.inputs.first() else {
            return false;
        };
        // A softmax is worth handing over for: Burn's takes several times as long.
        let at_hand = self.native.contains_key(&first) || is_softmax(operation);
        if !at_hand
            || self.constants.contains_key(&first)
            || operation.outputs.len() != 1
            || !self.is_f32(operation.outputs[0])
        {
            return false;
        }
        if operation.kind == OpKind::Reshape {
            self.alias(first, operation.outputs[0]);
            return true;
        }
        let burn = self.captured.burn_operation(id);
        let graph = self.captured.graph();
        let shape = |value: ValueId| graph.value(value).shape.as_slice();
        if let Some(of) = recognise::unary(burn) {
            let (x, y) = self.ends(first, operation);
            self.push(Step::Unary { of, x, y });
        } else if let (Some(of), &[a, b]) = (recognise::binary(burn), operation.inputs.as_slice()) {
            if shape(a) != shape(b) || !self.native.contains_key(&b) {
                return false;
            }
            let x = [self.need_native(a), self.need_native(b)];
            let y = self.output(operation);
            self.push(Step::Binary { of, x, y });
        } else if let (Some(pooling), 3 | 4) = (recognise::pooling(burn), shape(first).len()) {
            let (x, y) = self.ends(first, operation);
            self.push(Step::Pool { pooling, x, y });
        } else {
            return self.own_shaped(id, operation, first);
        }
        true
    }

    /// Steps that need the graph's own settings.
    fn own_shaped(&mut self, id: OpId, operation: &Operation, first: ValueId) -> bool {
        let graph = self.captured.graph();
        let shape = graph.value(first).shape.clone();
        let last = shape.len().checked_sub(1);
        match &operation.kind {
            OpKind::BatchNorm { epsilon } => {
                let Some((scale, shift)) = self.batch_norm(operation, *epsilon) else {
                    return false;
                };
                let (x, y) = self.ends(first, operation);
                self.push(Step::Affine { x, y, scale, shift });
            }
            OpKind::LayerNorm { epsilon } => {
                let Some(scale) = self.floats(operation.inputs[1]) else {
                    return false;
                };
                let shift = match operation.inputs.get(2) {
                    None => None,
                    Some(shift) => match self.floats(*shift) {
                        Some(shift) => Some(shift),
                        None => return false,
                    },
                };
                let (x, y) = self.ends(first, operation);
                let epsilon = *epsilon as f32;
                self.push(Step::LayerNorm {
                    x,
                    y,
                    scale,
                    shift,
                    epsilon,
                });
            }
            OpKind::Along { name, dim } if Some(*dim) == last => {
                let log = match name.as_str() {
                    "Softmax" => false,
                    "LogSoftmax" => true,
                    _ => return false,
                };
                let (x, y) = self.ends(first, operation);
                self.push(Step::Softmax { log, x, y });
            }
            OpKind::Slice { spans } if spans.iter().all(|span| span.step > 0) => {
                let mut parts: Vec<Part> = spans
                    .iter()
                    .map(|span| Part {
                        start: span.start,
                        step: span.step.unsigned_abs(),
                    })
                    .collect();
                parts.resize(shape.len(), Part { start: 0, step: 1 });
                let (x, y) = self.ends(first, operation);
                self.push(Step::Slice { parts, x, y });
            }
            OpKind::Concat { dim } => {
                let inputs = operation.inputs.iter();
                let x: Option<Vec<BufferId>> = inputs.map(|&input| self.native(input)).collect();
                let Some(x) = x else { return false };
                let y = self.output(operation);
                self.push(Step::Concat { dim: *dim, x, y });
            }
            OpKind::Pad { padding } => {
                let burn = self.captured.burn_operation(id);
                let (Some(value), true) =
                    (recognise::pad_value(burn), padding.len() == shape.len())
                else {
                    return false;
                };
                let before = padding.iter().map(|&(before, _)| before).collect();
                let (x, y) = self.ends(first, operation);
                self.push(Step::Pad {
                    before,
                    value,
                    x,
                    y,
                });
            }
            _ => return false,
        }
        true
    }

    /// Scale and shift of each channel.
    pub(super) fn batch_norm(
        &self,
        operation: &Operation,
        epsilon: f64,
    ) -> Option<(Vec<f32>, Vec<f32>)> {
        let &[_, gamma, beta, mean, variance] = operation.inputs.as_slice() else {
            return None;
        };
        let [gamma, beta] = [self.floats(gamma)?, self.floats(beta)?];
        let [mean, variance] = [self.floats(mean)?, self.floats(variance)?];
        let scale: Vec<f32> = gamma
            .iter()
            .zip(&variance)
            .map(|(&gamma, &variance)| {
                (f64::from(gamma) / (f64::from(variance) + epsilon).sqrt()) as f32
            })
            .collect();
        let shift = beta
            .iter()
            .zip(&mean)
            .zip(&scale)
            .map(|((&beta, &mean), &scale)| {
                (f64::from(beta) - f64::from(mean) * f64::from(scale)) as f32
            })
            .collect();
        Some((scale, shift))
    }

    fn add_burn(&mut self, id: OpId, operation: &Operation) {
        for &input in &operation.inputs {
            self.need_burn(input);
        }
        for &output in &operation.outputs {
            self.new_tensor(output, None);
        }
        self.steps.push(Some(Step::Burn {
            operation: Box::new(self.captured.reading_operation(id)),
            name: format!("{} {}", operation.kind, id.0),
        }));
    }

    fn ends(&mut self, input: ValueId, operation: &Operation) -> (BufferId, BufferId) {
        (self.need_native(input), self.output(operation))
    }

    /// A new buffer for an operation's output.
    fn output(&mut self, operation: &Operation) -> BufferId {
        self.new_buffer(operation.outputs[0], Home::Memory)
    }

    pub(super) fn push(&mut self, step: Step) {
        if let Some(buffer) = step.writes() {
            self.written_by.insert(buffer, self.steps.len());
        }
        self.steps.push(Some(step));
    }

    fn new_buffer(&mut self, value: ValueId, home: Home) -> BufferId {
        let buffer = self.plan.buffers.len();
        self.plan.buffers.push(Buffer {
            shape: self.sizes.shape(value),
            home,
            feature_major: false,
        });
        self.native.insert(value, buffer);
        self.sole.insert(value, self.uses[value.0] == 1);
        buffer
    }

    /// The elements of `of` as `value`.
    pub(super) fn alias(&mut self, of: ValueId, value: ValueId) {
        let sole = self.sole.get(&of).copied().unwrap_or(false);
        let root = self.root(self.native[&of]);
        self.new_buffer(value, Home::Alias(root));
        self.sole.insert(value, sole && self.uses[value.0] == 1);
    }

    /// The buffer that owns the elements of `buffer`.
    pub(super) fn root(&self, buffer: BufferId) -> BufferId {
        match self.plan.buffers[buffer].home {
            Home::Alias(of) => of,
            Home::Input(_) | Home::Memory => buffer,
        }
    }

    /// The buffer of a value that has one.
    pub(super) fn native(&self, value: ValueId) -> Option<BufferId> {
        self.native.get(&value).copied()
    }

    fn new_tensor(&mut self, value: ValueId, constant: Option<TensorData>) -> usize {
        let number = self.plan.tensors.len();
        self.plan.tensors.push(Tensor {
            id: self.captured.burn_tensor(value),
            shape: self.sizes.shape(value),
            dtype: self.dtype(value),
            constant,
        });
        self.burn.insert(value, number);
        number
    }

    /// A buffer with the elements of `value`, taken back from Burn if need be.
    pub(super) fn need_native(&mut self, value: ValueId) -> BufferId {
        if let Some(buffer) = self.native(value) {
            return buffer;
        }
        let tensor = self.need_burn(value);
        let y = self.new_buffer(value, Home::Memory);
        self.push(Step::Take { tensor, y });
        y
    }

    /// Burn's tensor of `value`, handed over if need be.
    fn need_burn(&mut self, value: ValueId) -> usize {
        if let Some(&tensor) = self.burn.get(&value) {
            return tensor;
        }
        if let Some(data) = self.constants.get(&value) {
            let data = data.clone();
            return self.new_tensor(value, Some(data));
        }
        let tensor = self.new_tensor(value, None);
        if let Some(x) = self.native(value) {
            // Burn has a copy of its own, but the engine must not write into what is read here.
            self.sole.insert(value, false);
            self.steps.push(Some(Step::Give { x, tensor }));
        }
        tensor
    }

    pub(super) fn is_f32(&self, value: ValueId) -> bool {
        self.dtype(value) == DType::F32
    }

    fn dtype(&self, value: ValueId) -> DType {
        self.captured.burn_value(value).dtype
    }

    /// The values of a constant.
    pub(super) fn floats(&self, value: ValueId) -> Option<Vec<f32>> {
        recognise::floats(self.constants.get(&value)?)
    }

    fn finish(mut self) -> Result<Lowered, SparseError> {
        for &output in &self.captured.graph().outputs {
            let is_own = self.native.contains_key(&output);
            let (buffer, tensor) = if is_own {
                (self.native(output), None)
            } else {
                (None, Some(self.need_burn(output)))
            };
            let port = Port {
                shape: self.sizes.shape(output),
                dtype: self.dtype(output),
                buffer,
                tensor,
            };
            self.plan.outputs.push(port);
        }
        self.plan.steps = self.steps.into_iter().flatten().collect();
        forget(&mut self.plan);
        turns::spare(&mut self.plan);
        Ok(Lowered {
            plan: self.plan,
            weights: self.weights,
        })
    }
}

fn is_softmax(operation: &Operation) -> bool {
    matches!(&operation.kind, OpKind::Along { name, .. } if name == "Softmax")
}

/// Has Burn forget each tensor after the last step that needs it.
fn forget(plan: &mut Plan) {
    let by_id: HashMap<TensorId, usize> = plan
        .tensors
        .iter()
        .enumerate()
        .map(|(number, tensor)| (tensor.id, number))
        .collect();
    let mut last = vec![None; plan.tensors.len()];
    for (at, step) in plan.steps.iter().enumerate() {
        match step {
            Step::Give { tensor, .. } | Step::Take { tensor, .. } => last[*tensor] = Some(at),
            Step::Burn { operation, .. } => {
                let touched = operation.inputs().chain(operation.outputs());
                for tensor in touched.filter_map(|tensor: &TensorIr| by_id.get(&tensor.id)) {
                    last[*tensor] = Some(at);
                }
            }
            _ => {}
        }
    }
    for port in &plan.outputs {
        if let Some(tensor) = port.tensor {
            last[tensor] = None;
        }
    }
    let mut steps = Vec::with_capacity(plan.steps.len());
    for (at, step) in std::mem::take(&mut plan.steps).into_iter().enumerate() {
        steps.push(step);
        for (tensor, &last) in last.iter().enumerate() {
            if last == Some(at) && plan.tensors[tensor].constant.is_none() {
                steps.push(Step::Drop { tensor });
            }
        }
    }
    plan.steps = steps;
}
