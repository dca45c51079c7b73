//! A model's forward pass as data: values, operations, and where each value comes from.
//!
//! Nothing here knows Burn, so that whatever reasons about graphs can be tested on graphs made by
//! hand.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::kind::OpKind;

/// What a parameter does in the operation that uses it.
pub use secateur_core::params::Role;

/// A value's place in [`Graph::values`].
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct ValueId(pub usize);

/// An operation's place in [`Graph::operations`].
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct OpId(pub usize);

/// What the elements of a value are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Element {
    /// Floats of this many bytes.
    Float(usize),
    /// Integers of this many bytes.
    Int(usize),
    /// Truth values of this many bytes.
    Bool(usize),
}

impl Element {
    /// Bytes of one element.
    #[must_use]
    pub fn bytes(self) -> usize {
        match self {
            Self::Float(bytes) | Self::Int(bytes) | Self::Bool(bytes) => bytes,
        }
    }
}

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Source {
    /// The input of the model with this number.
    Input(usize),
    /// A parameter of the model, by its record path.
    Parameter(String),
    /// A constant that `forward` made.
    Constant,
    /// An operation's output.
    Operation(OpId),
}

/// A tensor of the forward pass.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Value {
    /// Its dimensions.
    pub shape: Vec<usize>,
    /// What its elements are.
    pub element: Element,
    /// Where it comes from.
    pub source: Source,
    /// For a parameter: how many of its elements are not zero.
    pub non_zeros: Option<usize>,
}

impl Value {
    /// Number of elements.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether there are no elements.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of all elements.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.len() * self.element.bytes()
    }
}

/// One operation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Operation {
    /// What it computes.
    pub kind: OpKind,
    /// What it reads, in the order that [`OpKind`] gives.
    pub inputs: Vec<ValueId>,
    /// What it writes.
    pub outputs: Vec<ValueId>,
}

/// The forward pass of a model, operations in order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Graph {
    /// All values, by [`ValueId`].
    pub values: Vec<Value>,
    /// All operations in the order of execution, by [`OpId`].
    pub operations: Vec<Operation>,
    /// The model's inputs.
    pub inputs: Vec<ValueId>,
    /// The model's outputs.
    pub outputs: Vec<ValueId>,
}

impl Graph {
    /// The value with this id.
    ///
    /// # Panics
    ///
    /// Where the id is of another graph.
    #[must_use]
    pub fn value(&self, id: ValueId) -> &Value {
        &self.values[id.0]
    }

    /// The operation with this id.
    ///
    /// # Panics
    ///
    /// Where the id is of another graph.
    #[must_use]
    pub fn operation(&self, id: OpId) -> &Operation {
        &self.operations[id.0]
    }

    /// All operations with their ids, in the order of execution.
    pub fn enumerate(&self) -> impl Iterator<Item = (OpId, &Operation)> {
        (0..).map(OpId).zip(&self.operations)
    }

    /// The parameter that a value is, or is a rearrangement of: a transposed weight and a
    /// normalisation's scale made as wide as an image are still that parameter.
    #[must_use]
    pub fn parameter(&self, id: ValueId) -> Option<&str> {
        self.parameter_value(id).and_then(|id| match &self.value(id).source {
            Source::Parameter(path) => Some(path.as_str()),
            _ => None,
        })
    }

    /// The value of the parameter behind `id`, as [`parameter`](Self::parameter) finds it.
    pub(crate) fn parameter_value(&self, mut id: ValueId) -> Option<ValueId> {
        loop {
            match &self.value(id).source {
                Source::Parameter(_) => return Some(id),
                Source::Operation(op) => {
                    let operation = self.operation(*op);
                    if !operation.kind.rearranges() {
                        return None;
                    }
                    id = *operation.inputs.first()?;
                }
                Source::Input(_) | Source::Constant => return None,
            }
        }
    }

    /// The parameters an operation uses, with what each does there.
    #[must_use]
    pub fn parameters_of(&self, id: OpId) -> Vec<(&str, Role)> {
        let operation = self.operation(id);
        let inputs = operation.inputs.iter().enumerate();
        inputs
            .filter_map(|(slot, &input)| Some((self.parameter(input)?, operation.kind.role(slot))))
            .collect()
    }

    /// The path of the layer that an operation belongs to: that of its first parameter.
    #[must_use]
    pub fn layer(&self, id: OpId) -> Option<&str> {
        let (path, _) = *self.parameters_of(id).first()?;
        Some(path.rsplit_once('.').map_or(path, |(layer, _)| layer))
    }

    /// Paths of the parameters that no operation reads.
    #[must_use]
    pub fn unused_parameters(&self) -> Vec<&str> {
        let mut read = vec![false; self.values.len()];
        for operation in &self.operations {
            for input in &operation.inputs {
                read[input.0] = true;
            }
        }
        for output in &self.outputs {
            read[output.0] = true;
        }
        let values = self.values.iter().zip(read);
        values
            .filter_map(|(value, read)| match &value.source {
                Source::Parameter(path) if !read => Some(path.as_str()),
                _ => None,
            })
            .collect()
    }
}

impl fmt::Display for Graph {
    /// One operation a line: `%7 [8, 20, 24, 24] = Conv2d(%0, conv1.weight, conv1.bias)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |id: ValueId| match &self.value(id).source {
            Source::Parameter(path) => path.clone(),
            _ => format!("%{}", id.0),
        };
        for operation in &self.operations {
            for (nth, &output) in operation.outputs.iter().enumerate() {
                let comma = if nth > 0 { ", " } else { "" };
                write!(f, "{comma}%{} {:?}", output.0, self.value(output).shape)?;
            }
            let inputs: Vec<String> = operation.inputs.iter().map(|&id| name(id)).collect();
            writeln!(f, " = {}({})", operation.kind, inputs.join(", "))?;
        }
        Ok(())
    }
}
