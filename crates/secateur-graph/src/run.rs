//! Running a captured graph, with a look at what every operation reads and writes.

use std::panic::{AssertUnwindSafe, catch_unwind};

use burn::tensor::TensorData;
use burn_flex::{Flex, FlexDevice};
use burn_ir::{BackendIr, OperationIr, TensorIr, TensorStatus};
use burn_router::TensorInterpreter;

use crate::capture::{ModelGraph, words_of};
use crate::error::GraphError;
use crate::graph::{OpId, ValueId};
use crate::tensors::GraphTensors;

/// Runs a captured model on a backend of Burn's, one operation after the other.
///
/// No hook in the model is needed to see what flows through it: [`run`](Self::run) calls an
/// observer after each operation.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use burn::nn::{Linear, LinearConfig};
/// use burn::tensor::{Device, Tensor};
/// use secateur_graph::{ModelGraph, Runner};
///
/// let device = Device::flex();
/// let layer = LinearConfig::new(3, 2).init(&device);
/// let x = Tensor::<2>::ones([1, 3], &device);
/// let captured = ModelGraph::capture(&layer, x.clone(), Linear::forward)?;
///
/// let mut seen = Vec::new();
/// let outputs = Runner::new(&captured).run(x.clone(), |operation| {
///     seen.push(operation.output(0).shape().to_vec());
/// })?;
/// assert_eq!(seen.last(), Some(&vec![1, 2]));
/// assert_eq!(outputs[0], layer.forward(x).into_data());
/// # Ok(())
/// # }
/// ```
pub struct Runner<'a, B: BackendIr = Flex> {
    captured: &'a ModelGraph,
    device: B::Device,
    interpreter: TensorInterpreter<B>,
    /// Burn's operations, reading so that nothing an observer or a later run needs is consumed.
    operations: Vec<OperationIr>,
    /// What each operation is the last to need.
    spent: Vec<Vec<TensorIr>>,
}

impl<'a> Runner<'a> {
    /// Runs on Flex, Burn's default CPU backend.
    #[must_use]
    pub fn new(captured: &'a ModelGraph) -> Self {
        Self::on(captured, FlexDevice)
    }
}

impl<'a, B: BackendIr> Runner<'a, B> {
    /// Runs on a device of a backend's own.
    #[must_use]
    pub fn on(captured: &'a ModelGraph, device: B::Device) -> Self {
        let graph = captured.graph();
        let operations = graph
            .enumerate()
            .map(|(id, _)| captured.reading_operation(id));
        Self {
            interpreter: interpreter(captured, &device),
            operations: operations.collect(),
            spent: spent(captured),
            captured,
            device,
        }
    }

    /// The outputs for `inputs`, of the shapes that were captured. `observe` is called after each
    /// operation, in order.
    ///
    /// # Errors
    ///
    /// Where an input has another shape than the captured one, or the backend cannot run an
    /// operation. The runner can be used again.
    pub fn run(
        &mut self,
        inputs: impl GraphTensors,
        mut observe: impl FnMut(&mut Seen<'_, B>),
    ) -> Result<Vec<TensorData>, GraphError> {
        self.feed(inputs)?;
        for (id, operation) in self.captured.graph().enumerate() {
            let compute = AssertUnwindSafe(|| {
                self.interpreter.register_op(self.operations[id.0].clone());
            });
            if let Err(panic) = catch_unwind(compute) {
                // Half a run has left its values behind.
                self.interpreter = interpreter(self.captured, &self.device);
                return Err(GraphError::Run {
                    index: id.0,
                    name: operation.kind.to_string(),
                    message: words_of(&*panic),
                });
            }
            observe(&mut Seen {
                captured: self.captured,
                interpreter: &mut self.interpreter,
                id,
            });
            for tensor in &self.spent[id.0] {
                self.interpreter
                    .register_op(OperationIr::Drop(tensor.clone()));
            }
        }
        let outputs = self.captured.graph().outputs.clone();
        let outputs: Vec<TensorData> = outputs
            .into_iter()
            .map(|output| read(self.captured, &mut self.interpreter, output))
            .collect();
        self.clear();
        Ok(outputs)
    }

    fn feed(&mut self, inputs: impl GraphTensors) -> Result<(), GraphError> {
        let graph = self.captured.graph();
        let mut given = Vec::new();
        inputs.data(&mut |data| given.push(data));
        if given.len() != graph.inputs.len() {
            return Err(GraphError::Inputs {
                got: given.len(),
                expected: graph.inputs.len(),
            });
        }
        for (index, (data, &input)) in given.iter().zip(&graph.inputs).enumerate() {
            let expected = &graph.value(input).shape;
            let got: Vec<usize> = data.shape().iter().copied().collect();
            if got != *expected {
                return Err(GraphError::Shape {
                    index,
                    got,
                    expected: expected.clone(),
                });
            }
        }
        for (data, &input) in given.into_iter().zip(&graph.inputs) {
            let id = self.captured.burn_tensor(input);
            self.interpreter.register_tensor_data_id(id, data);
        }
        Ok(())
    }

    /// Frees what is left of a run: outputs, and inputs that nothing reads.
    fn clear(&mut self) {
        let graph = self.captured.graph();
        let mut left: Vec<ValueId> = graph.inputs.iter().chain(&graph.outputs).copied().collect();
        left.sort_unstable();
        left.dedup();
        for value in left {
            if self.captured.constant(value).is_none() {
                let tensor = tensor(self.captured, value, TensorStatus::ReadWrite);
                self.interpreter.register_op(OperationIr::Drop(tensor));
            }
        }
    }
}

impl<B: BackendIr> std::fmt::Debug for Runner<'_, B> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Runner")
            .field("device", &self.device)
            .field("operations", &self.operations.len())
            .finish()
    }
}

/// An operation that has just run.
pub struct Seen<'a, B: BackendIr = Flex> {
    captured: &'a ModelGraph,
    interpreter: &'a mut TensorInterpreter<B>,
    id: OpId,
}

impl<B: BackendIr> Seen<'_, B> {
    /// Which operation it is.
    #[must_use]
    pub fn id(&self) -> OpId {
        self.id
    }

    /// The values of one of its inputs, in the order of its kind.
    ///
    /// # Panics
    ///
    /// Where it has fewer.
    #[must_use]
    pub fn input(&mut self, nth: usize) -> TensorData {
        let value = self.captured.graph().operation(self.id).inputs[nth];
        read(self.captured, self.interpreter, value)
    }

    /// The values of one of its outputs.
    ///
    /// # Panics
    ///
    /// Where it has fewer.
    #[must_use]
    pub fn output(&mut self, nth: usize) -> TensorData {
        let value = self.captured.graph().operation(self.id).outputs[nth];
        read(self.captured, self.interpreter, value)
    }
}

impl<B: BackendIr> std::fmt::Debug for Seen<'_, B> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Seen").field("id", &self.id).finish()
    }
}

/// An interpreter that holds the parameters and constants.
fn interpreter<B: BackendIr>(captured: &ModelGraph, device: &B::Device) -> TensorInterpreter<B> {
    let mut interpreter = TensorInterpreter::new(device.clone());
    for (value, data) in captured.constants() {
        interpreter.register_tensor_data_id(captured.burn_tensor(value), data.clone());
    }
    interpreter
}

fn read<B: BackendIr>(
    captured: &ModelGraph,
    interpreter: &mut TensorInterpreter<B>,
    value: ValueId,
) -> TensorData {
    let tensor = tensor(captured, value, TensorStatus::ReadOnly);
    let data = pollster::block_on(interpreter.read_tensor_async(tensor));
    data.unwrap_or_else(|_| TensorData::new(Vec::<f32>::new(), [0]))
}

fn tensor(captured: &ModelGraph, value: ValueId, status: TensorStatus) -> TensorIr {
    TensorIr {
        status,
        ..captured.burn_value(value).clone()
    }
}

/// For each operation the values that no later one reads: those it writes in vain among them,
/// inputs, outputs and constants not.
fn spent(captured: &ModelGraph) -> Vec<Vec<TensorIr>> {
    let graph = captured.graph();
    let mut last: Vec<Option<usize>> = vec![None; graph.values.len()];
    for (id, operation) in graph.enumerate() {
        for value in operation.inputs.iter().chain(&operation.outputs) {
            last[value.0] = Some(id.0);
        }
    }
    let mut spent = vec![Vec::new(); graph.operations.len()];
    for (at, last) in last.into_iter().enumerate() {
        let value = ValueId(at);
        let stays = captured.constant(value).is_some()
            || graph.inputs.contains(&value)
            || graph.outputs.contains(&value);
        if let (Some(last), false) = (last, stays) {
            spent[last].push(tensor(captured, value, TensorStatus::ReadWrite));
        }
    }
    spent
}
