//! Recording what a model does.

use std::any::Any;
use std::collections::{BTreeMap, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};

use burn::module::Module;
use burn::tensor::{DType, Device, TensorData};
use burn_capture::{CapturedGraph, TensorId};
use burn_ir::{IrVisitorMut, OperationIr, TensorIr, TensorStatus};

use crate::error::GraphError;
use crate::graph::{Element, Graph, OpId, Operation, Source, Value, ValueId};
use crate::parameters::{Parameters, initialise};
use crate::tensors::GraphTensors;
use crate::translate::{dims, translate};

thread_local! {
    // Capture devices are never given back, and there are 65,536 of them in a process.
    static DEVICE: Device = Device::capture();
}

/// A model's forward pass, operation by operation, with the values of its parameters.
///
/// What is captured is inference: as after [`Module::valid`], masks and other reparameterizations
/// folded into the weights.
#[derive(Clone, Debug)]
pub struct ModelGraph {
    graph: Graph,
    /// Burn's own operations, one for each of the graph's.
    operations: Vec<OperationIr>,
    /// Burn's description of each of the graph's values.
    tensors: Vec<TensorIr>,
    /// The values of parameters and constants.
    constants: BTreeMap<ValueId, TensorData>,
}

impl ModelGraph {
    /// Records `forward` of `model` on an example of its input; only the example's shapes matter.
    /// The model is as before.
    ///
    /// `forward` runs twice, on two inputs of the same shapes, and nothing is computed. A model
    /// whose `forward` changes with the batch size is captured once a size.
    ///
    /// # Errors
    ///
    /// Where `forward` panics, reads the values of its tensors, uses an operation without a form
    /// in the graph, or gives tensors from elsewhere.
    pub fn capture<M, I, O>(
        model: &M,
        example: I,
        forward: impl Fn(&M, I) -> O,
    ) -> Result<Self, GraphError>
    where
        M: Module,
        I: GraphTensors + Clone,
        O: GraphTensors,
    {
        let captured = Self::capture_once(model, example.clone(), &forward)?;
        captured.compare(&Self::capture_once(model, example.varied(), &forward)?)?;
        Ok(captured)
    }

    /// As [`capture`](Self::capture), with `forward` run once: what it does is not compared with
    /// what it does for another input. For a model whose `forward` was captured before and whose
    /// weights have changed since; each capture copies all weights.
    ///
    /// # Errors
    ///
    /// Those of [`capture`](Self::capture), except that a `forward` which follows the values of its
    /// input goes unnoticed.
    pub fn capture_once<M, I, O>(
        model: &M,
        example: I,
        forward: impl Fn(&M, I) -> O,
    ) -> Result<Self, GraphError>
    where
        M: Module,
        I: GraphTensors,
        O: GraphTensors,
    {
        Self::new(record(model, example, &forward)?)
    }

    /// Values and operations.
    #[must_use]
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// The values of a parameter or constant.
    #[must_use]
    pub fn constant(&self, id: ValueId) -> Option<&TensorData> {
        self.constants.get(&id)
    }

    /// Burn's own form of an operation.
    ///
    /// # Panics
    ///
    /// Where the id is of another graph.
    #[must_use]
    pub fn burn_operation(&self, id: OpId) -> &OperationIr {
        &self.operations[id.0]
    }

    /// Burn's own id of a value.
    ///
    /// # Panics
    ///
    /// Where the id is of another graph.
    #[must_use]
    pub fn burn_tensor(&self, id: ValueId) -> TensorId {
        self.tensors[id.0].id
    }

    /// Burn's own form of an operation that leaves what it reads to others: nothing is consumed.
    ///
    /// # Panics
    ///
    /// Where the id is of another graph.
    #[must_use]
    pub fn reading_operation(&self, id: OpId) -> OperationIr {
        let mut operation = self.operations[id.0].clone();
        operation.visit_mut(&mut ReadOnly);
        operation
    }

    /// Burn's own description of a value.
    ///
    /// # Panics
    ///
    /// Where the id is of another graph.
    #[must_use]
    pub fn burn_value(&self, id: ValueId) -> &TensorIr {
        &self.tensors[id.0]
    }

    /// All parameters and constants with their values.
    pub fn constants(&self) -> impl Iterator<Item = (ValueId, &TensorData)> {
        self.constants.iter().map(|(&id, data)| (id, data))
    }

    fn new(recorded: Recorded) -> Result<Self, GraphError> {
        let Recorded {
            captured,
            parameters,
        } = recorded;
        let mut builder = Builder::new(captured.values);
        for (nth, &id) in captured.graph.inputs.iter().enumerate() {
            builder.add_input(id, nth);
        }
        for (id, path) in parameters {
            builder.add_parameter(id, path);
        }
        for (index, operation) in captured.graph.operations.into_iter().enumerate() {
            builder.add_operation(index, operation)?;
        }
        builder.finish(&captured.graph.outputs)
    }

    /// Refuses where the graphs of two inputs differ.
    fn compare(&self, other: &Self) -> Result<(), GraphError> {
        let different = |what: String| Err(GraphError::DataDependent { what });
        let (ours, theirs) = (&self.graph, &other.graph);
        for (id, operation) in ours.enumerate() {
            let same = theirs.operations.get(id.0).is_some_and(|other| {
                let shapes = |graph: &Graph, values: &[ValueId]| -> Vec<Vec<usize>> {
                    values
                        .iter()
                        .map(|&id| graph.value(id).shape.clone())
                        .collect()
                };
                operation == other
                    && shapes(ours, &operation.outputs) == shapes(theirs, &other.outputs)
            });
            if !same {
                let kind = &operation.kind;
                return different(format!(
                    "operation {} is {kind} for one input and another for a second",
                    id.0
                ));
            }
        }
        if ours.operations.len() != theirs.operations.len() {
            let counts = [ours.operations.len(), theirs.operations.len()];
            return different(format!("it has {} operations or {}", counts[0], counts[1]));
        }
        for (id, value) in self.constants.iter() {
            let is_constant = ours.value(*id).source == Source::Constant;
            if is_constant && other.constants.get(id) != Some(value) {
                return different(format!(
                    "a constant of shape {:?} has other values for another input",
                    ours.value(*id).shape
                ));
            }
        }
        Ok(())
    }
}

/// Makes an operation read without consuming.
struct ReadOnly;

impl IrVisitorMut for ReadOnly {
    fn visit_tensor_mut(&mut self, tensor: &mut TensorIr) {
        if tensor.status == TensorStatus::ReadWrite {
            tensor.status = TensorStatus::ReadOnly;
        }
    }
}

/// What a capture scope gives, with the ids of the parameters.
struct Recorded {
    captured: CapturedGraph,
    parameters: Vec<(TensorId, String)>,
}

fn record<M, I, O>(
    model: &M,
    example: I,
    forward: impl Fn(&M, I) -> O,
) -> Result<Recorded, GraphError>
where
    M: Module,
    I: GraphTensors,
    O: GraphTensors,
{
    // `valid` makes running statistics of its own; a clone would share them with the model, and
    // moving the clone would move the model's.
    let model = model.valid().materialize();
    initialise(&model);
    let device = DEVICE.with(Clone::clone);
    let mut parameters = Vec::new();
    let mut problem = None;
    let captured = device.capture_scope(|scope| {
        let model = model.to_device(&device);
        let found = Parameters::of(&model);
        if let Some((path, reason)) = found.missing.into_iter().next() {
            problem = Some(GraphError::Boundary {
                boundary: "parameter",
                index: path,
                reason,
            });
        }
        parameters = found.paths;
        let example = example.to_device(&device);
        let inputs = boundary(&example, "input", &mut problem);
        let outputs = match catch_unwind(AssertUnwindSafe(|| forward(&model, example))) {
            Ok(output) => boundary(&output, "output", &mut problem),
            Err(panic) => {
                // Where it happened is known once the operations are.
                problem.get_or_insert(GraphError::Panicked {
                    message: words_of(&*panic),
                    last: String::new(),
                });
                Vec::new()
            }
        };
        scope.complete(inputs, outputs)
    });
    match (captured, problem) {
        (Ok(captured), None) => Ok(Recorded {
            captured,
            parameters,
        }),
        (Ok(captured), Some(GraphError::Panicked { message, .. })) => Err(GraphError::Panicked {
            message,
            last: last_words(&captured.graph.operations),
        }),
        (_, Some(problem)) => Err(problem),
        (Err(error), None) => Err(GraphError::Capture {
            reason: error.to_string(),
        }),
    }
}

/// The ids of the tensors at an end of the graph, each once.
fn boundary(
    tensors: &impl GraphTensors,
    boundary: &'static str,
    problem: &mut Option<GraphError>,
) -> Vec<TensorId> {
    let mut ids = Vec::new();
    let mut index = 0;
    tensors.ids(&mut |id| {
        match id {
            Ok(id) if !ids.contains(&id) => ids.push(id),
            Ok(_) => {}
            Err(reason) => {
                problem.get_or_insert(GraphError::Boundary {
                    boundary,
                    index: index.to_string(),
                    reason,
                });
            }
        }
        index += 1;
    });
    ids
}

pub(crate) fn words_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without words".into())
}

/// The last operation that computes something, in words.
fn last_words(operations: &[OperationIr]) -> String {
    let mut numbered = operations.iter().enumerate();
    let computes =
        |(_, operation): &(usize, &OperationIr)| !matches!(operation, OperationIr::Init(_));
    match numbered.rfind(computes) {
        None => "no operation at all".into(),
        Some((index, operation)) => match translate(operation) {
            Ok(translated) => {
                let shapes: Vec<_> = translated.outputs.iter().map(|out| dims(out)).collect();
                format!("operation {index}, {} to {shapes:?}", translated.kind)
            }
            Err(refused) => format!("operation {index}, {}", refused.name),
        },
    }
}

/// Makes a [`Graph`] of Burn's operations.
struct Builder {
    captured: BTreeMap<TensorId, TensorData>,
    graph: Graph,
    operations: Vec<OperationIr>,
    tensors: Vec<TensorIr>,
    index: HashMap<TensorId, ValueId>,
    constants: BTreeMap<ValueId, TensorData>,
}

impl Builder {
    fn new(captured: BTreeMap<TensorId, TensorData>) -> Self {
        Self {
            captured,
            graph: Graph::default(),
            operations: Vec::new(),
            tensors: Vec::new(),
            index: HashMap::new(),
            constants: BTreeMap::new(),
        }
    }

    fn add(&mut self, tensor: TensorIr, source: Source) -> ValueId {
        let at = ValueId(self.graph.values.len());
        self.graph.values.push(Value {
            shape: dims(&tensor),
            element: element(tensor.dtype),
            source,
            non_zeros: None,
        });
        self.index.insert(tensor.id, at);
        self.tensors.push(tensor);
        at
    }

    /// A value whose data was captured.
    fn add_captured(&mut self, id: TensorId, source: Source) -> Option<ValueId> {
        let data = self.captured.remove(&id)?;
        let is_input = matches!(source, Source::Input(_));
        let is_parameter = matches!(source, Source::Parameter(_));
        let tensor = TensorIr::uninit(id, data.shape().clone(), data.dtype());
        let at = self.add(tensor, source);
        self.graph.values[at.0].non_zeros = is_parameter.then(|| non_zeros(&data));
        if !is_input {
            self.constants.insert(at, data);
        }
        Some(at)
    }

    fn add_input(&mut self, id: TensorId, nth: usize) {
        let at = self.add_captured(id, Source::Input(nth));
        self.graph.inputs.extend(at);
    }

    fn add_parameter(&mut self, id: TensorId, path: String) {
        self.add_captured(id, Source::Parameter(path));
    }

    /// The value that an operation reads; one that nothing wrote is a constant.
    fn read(&mut self, tensor: &TensorIr) -> ValueId {
        if let Some(&id) = self.index.get(&tensor.id) {
            return id;
        }
        self.add_captured(tensor.id, Source::Constant)
            .unwrap_or_else(|| self.add(tensor.clone(), Source::Constant))
    }

    fn add_operation(&mut self, index: usize, operation: OperationIr) -> Result<(), GraphError> {
        if matches!(operation, OperationIr::Init(_)) {
            return Ok(());
        }
        let id = OpId(self.operations.len());
        let translated = translate(&operation).map_err(|refused| GraphError::Unsupported {
            index,
            name: refused.name,
            remedy: refused.remedy,
        })?;
        let inputs = translated
            .inputs
            .iter()
            .map(|tensor| self.read(tensor))
            .collect();
        let outputs = translated
            .outputs
            .iter()
            .map(|tensor| self.add((*tensor).clone(), Source::Operation(id)))
            .collect();
        self.graph.operations.push(Operation {
            kind: translated.kind,
            inputs,
            outputs,
        });
        self.operations.push(operation);
        Ok(())
    }

    fn finish(mut self, outputs: &[TensorId]) -> Result<ModelGraph, GraphError> {
        for (nth, id) in outputs.iter().enumerate() {
            let output = self.index.get(id).ok_or_else(|| GraphError::Boundary {
                boundary: "output",
                index: nth.to_string(),
                reason: "nothing computes it".into(),
            })?;
            self.graph.outputs.push(*output);
        }
        Ok(ModelGraph {
            graph: self.graph,
            operations: self.operations,
            tensors: self.tensors,
            constants: self.constants,
        })
    }
}

fn element(dtype: DType) -> Element {
    let bytes = dtype.size();
    if dtype.is_float() {
        Element::Float(bytes)
    } else if dtype.is_bool() {
        Element::Bool(bytes)
    } else {
        Element::Int(bytes)
    }
}

fn non_zeros(data: &TensorData) -> usize {
    // The general iterator converts one element at a time, and there are millions of them.
    match data.as_slice::<f32>() {
        Ok(values) => values.iter().filter(|value| **value != 0.0).count(),
        Err(_) => data.iter::<f64>().filter(|value| *value != 0.0).count(),
    }
}
