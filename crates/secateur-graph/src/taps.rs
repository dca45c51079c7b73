//! Calibration batches through a captured model: what flows through every layer.

use burn::tensor::TensorData;
use burn_flex::Flex;
use burn_ir::BackendIr;
use secateur_core::flow::{Flow, Rows};
use secateur_core::pruner::Pruner;

use crate::capture::ModelGraph;
use crate::error::GraphError;
use crate::features::Features;
use crate::graph::{Graph, OpId, Source, ValueId};
use crate::kind::OpKind;
use crate::run::Runner;
use crate::signals::ValueRows;
use crate::tensors::GraphTensors;

/// Runs batches through a captured model and hands what flows through each layer to a pruner, or
/// to any observer: no hook in the model is needed.
///
/// Layers are linear layers, products with a parameter, and convolutions. A layer used several
/// times is seen at each use.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use burn::nn::{Linear, LinearConfig};
/// use burn::tensor::{Device, Tensor};
/// use secateur_core::flow::Part;
/// use secateur_graph::{Gram, ModelGraph, Taps};
///
/// let device = Device::flex();
/// let layer = LinearConfig::new(3, 2).init(&device);
/// let x = Tensor::<2>::ones([4, 3], &device);
/// let captured = ModelGraph::capture(&layer, x.clone(), Linear::forward)?;
///
/// let mut gram = Gram::new(3);
/// Taps::new(&captured).run(x, |flow| {
///     assert_eq!(flow.path(), "weight");
///     if let Some(rows) = flow.rows(Part::Input) {
///         rows.for_each(&mut |_, row| gram.add(row));
///     }
/// })?;
/// assert_eq!((gram.rows(), gram.at(0, 1)), (4, 4.0));
/// # Ok(())
/// # }
/// ```
pub struct Taps<'a, B: BackendIr = Flex> {
    runner: Runner<'a, B>,
    graph: &'a Graph,
    layers: Vec<Layer>,
    /// The activations that are still to come, by the operation that gives them.
    activations: Vec<(OpId, usize)>,
}

/// A use of a layer.
struct Layer {
    operation: OpId,
    path: String,
    in_axis: usize,
    features: Features,
    /// The axis of output and activation that counts outputs.
    out_axis: usize,
    activation: Option<ValueId>,
}

/// What has been read of a layer.
struct Read {
    input: Vec<f32>,
    output: Vec<f32>,
}

impl<'a> Taps<'a> {
    /// Runs on Flex, Burn's default CPU backend.
    #[must_use]
    pub fn new(captured: &'a ModelGraph) -> Self {
        Self::with_runner(captured, Runner::new(captured))
    }
}

impl<'a, B: BackendIr> Taps<'a, B> {
    /// Runs on a device of a backend's own.
    #[must_use]
    pub fn on(captured: &'a ModelGraph, device: B::Device) -> Self {
        Self::with_runner(captured, Runner::on(captured, device))
    }

    fn with_runner(captured: &'a ModelGraph, runner: Runner<'a, B>) -> Self {
        let graph = captured.graph();
        let layers: Vec<Layer> = graph
            .enumerate()
            .filter_map(|(id, _)| Layer::of(graph, id))
            .collect();
        let activations = layers.iter().enumerate().filter_map(|(index, layer)| {
            match graph.value(layer.activation?).source {
                Source::Operation(id) => Some((id, index)),
                _ => None,
            }
        });
        Self {
            runner,
            graph,
            activations: activations.collect(),
            layers,
        }
    }

    /// Feeds a batch to the signals of a pruner, and gives the model's outputs. The batch has the
    /// captured shape; there may be any number of batches.
    ///
    /// # Errors
    ///
    /// As [`Runner::run`]. After an error in the middle of a run the pruner has observed a part of
    /// the batch.
    pub fn observe(
        &mut self,
        pruner: &mut Pruner,
        batch: impl GraphTensors,
    ) -> Result<Vec<TensorData>, GraphError> {
        let wanted = self.wanted(|path| pruner.wants_flow(path));
        self.run_wanted(batch, &wanted, |flow| {
            pruner.observe_flow(flow);
        })
    }

    /// Calls `observe` with what a batch sends through each layer, and gives the model's outputs.
    /// A layer is seen when its activation is known.
    ///
    /// # Errors
    ///
    /// As [`Runner::run`].
    pub fn run(
        &mut self,
        batch: impl GraphTensors,
        observe: impl FnMut(&Flow<'_>),
    ) -> Result<Vec<TensorData>, GraphError> {
        self.run_where(batch, |_| true, observe)
    }

    /// As [`run`](Self::run), for the layers whose weight's path is `wanted`: what the others have
    /// is not read.
    ///
    /// # Errors
    ///
    /// As [`Runner::run`].
    pub fn run_where(
        &mut self,
        batch: impl GraphTensors,
        wanted: impl Fn(&str) -> bool,
        observe: impl FnMut(&Flow<'_>),
    ) -> Result<Vec<TensorData>, GraphError> {
        let wanted = self.wanted(wanted);
        self.run_wanted(batch, &wanted, observe)
    }

    fn wanted(&self, wanted: impl Fn(&str) -> bool) -> Vec<bool> {
        let paths = self.layers.iter().map(|layer| layer.path.as_str());
        paths.map(wanted).collect()
    }

    fn run_wanted(
        &mut self,
        batch: impl GraphTensors,
        wanted: &[bool],
        mut observe: impl FnMut(&Flow<'_>),
    ) -> Result<Vec<TensorData>, GraphError> {
        let (graph, layers, activations) = (self.graph, &self.layers, &self.activations);
        // What waits for its activation.
        let mut waiting: Vec<Option<Read>> = layers.iter().map(|_| None).collect();
        self.runner.run(batch, |seen| {
            let id = seen.id();
            let mut here = layers.iter().zip(wanted).enumerate();
            if let Some((index, (layer, _))) =
                here.find(|(_, (layer, wanted))| layer.operation == id && **wanted)
            {
                let read = Read {
                    input: floats(&seen.input(0)),
                    output: floats(&seen.output(0)),
                };
                if layer.activation.is_some() {
                    waiting[index] = Some(read);
                } else {
                    layer.show(graph, &read, None, &mut observe);
                }
            }
            let mut activation = None;
            for &(_, index) in activations.iter().filter(|(at, _)| *at == id) {
                if let Some(read) = waiting[index].take() {
                    let activation = activation.get_or_insert_with(|| floats(&seen.output(0)));
                    layers[index].show(graph, &read, Some(activation), &mut observe);
                }
            }
        })
    }
}

impl<B: BackendIr> std::fmt::Debug for Taps<'_, B> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let paths: Vec<_> = self.layers.iter().map(|layer| &layer.path).collect();
        f.debug_struct("Taps")
            .field("runner", &self.runner)
            .field("layers", &paths)
            .finish()
    }
}

impl Layer {
    /// The layer that an operation is, if it is one.
    fn of(graph: &Graph, operation: OpId) -> Option<Self> {
        let features = Features::of(graph, operation)?;
        let Op { kind, weight, out } = Op::of(graph, operation)?;
        let is_conv = matches!(kind, OpKind::Conv(_));
        let rank = graph.value(out).shape.len();
        let out_axis = if is_conv { 1 } else { rank.checked_sub(1)? };
        Some(Self {
            operation,
            path: graph.parameter(weight)?.to_owned(),
            in_axis: Features::in_axis(graph, operation)?,
            features,
            out_axis,
            activation: activation(graph, out, out_axis),
        })
    }

    fn show(
        &self,
        graph: &Graph,
        read: &Read,
        activation: Option<&Vec<f32>>,
        observe: &mut impl FnMut(&Flow<'_>),
    ) {
        let input = InputRows {
            features: &self.features,
            values: &read.input,
        };
        let Some(out) = graph.operation(self.operation).outputs.first() else {
            return;
        };
        let output = rows(graph, *out, self.out_axis, &read.output);
        let activation = self
            .activation
            .zip(activation)
            .map(|(value, values)| rows(graph, value, self.out_axis, values));
        let mut flow = Flow::new(&self.path, &input)
            .with_groups(self.features.groups)
            .with_in_axis(self.in_axis)
            .with_output(&output);
        if let Some(activation) = &activation {
            flow = flow.with_activation(activation);
        }
        observe(&flow);
    }
}

/// What a layer's operation has.
struct Op<'a> {
    kind: &'a OpKind,
    weight: ValueId,
    out: ValueId,
}

impl<'a> Op<'a> {
    fn of(graph: &'a Graph, id: OpId) -> Option<Self> {
        let operation = graph.operation(id);
        Some(Self {
            kind: &operation.kind,
            weight: *operation.inputs.get(1)?,
            out: *operation.outputs.first()?,
        })
    }
}

const ACTIVATIONS: [&str; 11] = [
    "Relu",
    "LeakyRelu",
    "PRelu",
    "Gelu",
    "Sigmoid",
    "HardSigmoid",
    "LogSigmoid",
    "Tanh",
    "ClampMin",
    "Clamp",
    "Erf",
];

/// The first activation behind a layer's output, past norms, sums and pools that keep the outputs
/// apart, as long as nothing else reads what is on the way.
fn activation(graph: &Graph, output: ValueId, out_axis: usize) -> Option<ValueId> {
    let mut at = output;
    loop {
        let mut readers = graph
            .enumerate()
            .filter(|(_, operation)| operation.inputs.contains(&at));
        let (_, reader) = readers.next()?;
        let alone = readers.next().is_none() && !graph.outputs.contains(&at);
        let next = *reader.outputs.first()?;
        let [before, after] = [at, next].map(|id| &graph.value(id).shape);
        let apart = before.len() == after.len() && before.get(out_axis) == after.get(out_axis);
        if !alone || !apart {
            return None;
        }
        match &reader.kind {
            OpKind::Elementwise { name, .. } if ACTIVATIONS.contains(&name.as_str()) => {
                return Some(next);
            }
            OpKind::Elementwise { .. } | OpKind::BatchNorm { .. } | OpKind::Pool { .. } => {
                at = next;
            }
            _ => return None,
        }
    }
}

fn floats(data: &TensorData) -> Vec<f32> {
    match data.as_slice::<f32>() {
        Ok(values) => values.to_vec(),
        Err(_) => data.iter::<f32>().collect(),
    }
}

fn rows<'v>(graph: &Graph, value: ValueId, axis: usize, values: &'v [f32]) -> ValueRows<'v> {
    let shape = &graph.value(value).shape;
    ValueRows {
        values,
        outer: shape[..axis].iter().product(),
        features: shape[axis],
        inner: shape[axis + 1..].iter().product(),
    }
}

/// The rows that a layer's weights multiply.
struct InputRows<'a> {
    features: &'a Features,
    values: &'a [f32],
}

impl Rows for InputRows<'_> {
    fn features(&self) -> usize {
        self.features.features
    }

    fn for_each(&self, visit: &mut dyn FnMut(usize, &[f32])) {
        self.features.for_each_row(self.values, visit);
    }
}
