//! The part of a run that Burn's interpreter does.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use burn::tensor::{Shape, TensorData};
use burn_flex::{Flex, FlexDevice};
use burn_ir::{HandleKind, OperationIr, TensorIr, TensorStatus};
use burn_router::TensorInterpreter;

use super::batch;
use super::plan::{Plan, Step, shape_at};
use crate::error::SparseError;

/// An interpreter with a plan's constants, and the plan's operations at one size of the batch.
pub(crate) struct BurnSide {
    interpreter: TensorInterpreter<Flex>,
    /// For each step of Burn's, its operation.
    operations: Vec<Option<OperationIr>>,
    shapes: Vec<Vec<usize>>,
}

impl BurnSide {
    /// `None` where no step and no boundary needs Burn.
    pub(crate) fn of(plan: &Plan, further: isize) -> Option<Self> {
        if plan.tensors.is_empty() {
            return None;
        }
        let shapes: Option<Vec<Vec<usize>>> = plan
            .tensors
            .iter()
            .map(|tensor| shape_at(&tensor.shape, further))
            .collect();
        let shapes = shapes?;
        let shape_of = |id| {
            let mut tensors = plan.tensors.iter();
            let number = tensors.position(|tensor| tensor.id == id)?;
            Some(shapes[number].clone())
        };
        let operations = plan.steps.iter().map(|step| match step {
            Step::Burn { operation, .. } => {
                let mut operation = (**operation).clone();
                batch::reshape(&mut operation, shape_of);
                Some(operation)
            }
            _ => None,
        });
        let operations = operations.collect();
        let mut side = Self {
            interpreter: TensorInterpreter::new(FlexDevice),
            operations,
            shapes,
        };
        side.start(plan);
        Some(side)
    }

    /// An interpreter that holds the constants and nothing else.
    fn start(&mut self, plan: &Plan) {
        self.interpreter = TensorInterpreter::new(FlexDevice);
        for tensor in &plan.tensors {
            if let Some(data) = &tensor.constant {
                self.interpreter
                    .register_tensor_data_id(tensor.id, data.clone());
            }
        }
    }

    /// Hands a tensor over.
    pub(crate) fn give(&mut self, plan: &Plan, tensor: usize, data: TensorData) {
        self.interpreter
            .register_tensor_data_id(plan.tensors[tensor].id, data);
    }

    /// The same from floats.
    pub(crate) fn give_floats(&mut self, plan: &Plan, tensor: usize, floats: &[f32]) {
        let shape = Shape::from(self.shapes[tensor].clone());
        self.give(plan, tensor, TensorData::new(floats.to_vec(), shape));
    }

    /// Runs the operation of a step.
    pub(crate) fn run(&mut self, plan: &Plan, step: usize, name: &str) -> Result<(), SparseError> {
        let Some(operation) = self.operations[step].clone() else {
            return Ok(());
        };
        let interpreter = &mut self.interpreter;
        let run = AssertUnwindSafe(|| interpreter.register_op(operation));
        catch_unwind(run).map_err(|panic| {
            // Half a run has left its values behind.
            self.start(plan);
            SparseError::Unsupported {
                what: format!("{name}, an operation of Burn's,"),
                remedy: format!("its backend says: {}", words_of(&*panic)),
            }
        })
    }

    /// Writes a tensor of floats to `to`.
    pub(crate) fn take_floats(
        &mut self,
        plan: &Plan,
        tensor: usize,
        to: &mut [f32],
    ) -> Result<(), SparseError> {
        let wrong = |got: String| SparseError::Element {
            what: format!("a tensor of {} elements from Burn", to.len()),
            got,
            expected: "f32".into(),
        };
        let handle = self.interpreter.get_tensor(&self.tensor(plan, tensor));
        let HandleKind::Float(handle) = handle else {
            return Err(wrong("not of floats".into()));
        };
        let handle = match handle.as_slice::<f32>() {
            Some(_) => handle,
            None => handle.to_contiguous(),
        };
        match handle.as_slice::<f32>() {
            Some(floats) if floats.len() == to.len() => {
                to.copy_from_slice(floats);
                Ok(())
            }
            Some(floats) => Err(wrong(format!("of {} elements", floats.len()))),
            None => Err(wrong(format!("{:?}", handle.dtype()))),
        }
    }

    /// The values of a tensor.
    pub(crate) fn read(&mut self, plan: &Plan, tensor: usize) -> TensorData {
        let tensor = self.tensor(plan, tensor);
        data_of(self.interpreter.get_tensor(&tensor))
    }

    /// Forgets the outputs of a run.
    pub(crate) fn clear(&mut self, plan: &Plan) {
        let mut tensors: Vec<usize> = plan.outputs.iter().filter_map(|port| port.tensor).collect();
        tensors.sort_unstable();
        tensors.dedup();
        for tensor in tensors {
            if plan.tensors[tensor].constant.is_none() {
                self.forget(plan, tensor);
            }
        }
    }

    pub(crate) fn forget(&mut self, plan: &Plan, tensor: usize) {
        let tensor = TensorIr {
            status: TensorStatus::ReadWrite,
            ..self.tensor(plan, tensor)
        };
        self.interpreter.register_op(OperationIr::Drop(tensor));
    }

    fn tensor(&self, plan: &Plan, tensor: usize) -> TensorIr {
        TensorIr {
            id: plan.tensors[tensor].id,
            shape: Shape::from(self.shapes[tensor].clone()),
            status: TensorStatus::ReadOnly,
            dtype: plan.tensors[tensor].dtype,
        }
    }
}

/// The values behind a handle; none of a quantized one, which no captured model has.
pub(crate) fn data_of(handle: HandleKind<Flex>) -> TensorData {
    match handle {
        HandleKind::Float(tensor) | HandleKind::Int(tensor) | HandleKind::Bool(tensor) => {
            tensor.into_data()
        }
        HandleKind::Quantized(_) => TensorData::new(Vec::<f32>::new(), [0]),
    }
}

fn words_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without words".into())
}
