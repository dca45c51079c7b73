//! What can go wrong with a graph, and what to do then.

use thiserror::Error;

/// Why a model could not be captured or run as a graph.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum GraphError {
    /// `forward` panicked, as it does when it needs the value of something computed.
    #[error(
        "`forward` panicked after {last}: {message}; a captured forward pass must not read the \
         values of its tensors (`into_scalar`, `to_data`) nor seed a device"
    )]
    Panicked {
        /// The panic's own words.
        message: String,
        /// The last operation that was recorded.
        last: String,
    },
    /// Two inputs of the same shape gave two different graphs.
    #[error(
        "`forward` depends on the values of its input: {what}; make the choice outside of \
         `forward`, or write it with tensor operations such as `mask_where`"
    )]
    DataDependent {
        /// The first difference.
        what: String,
    },
    /// An operation that the graph has no form for.
    #[error("operation {index}, `{name}`, has no form in the graph: {remedy}")]
    Unsupported {
        /// Its number in the order of execution.
        index: usize,
        /// Burn's name of it.
        name: String,
        /// What to do.
        remedy: &'static str,
    },
    /// A tensor among the model's inputs or outputs is not on the capture device.
    #[error(
        "the {boundary} tensor {index} is not part of the capture ({reason}); compute outputs \
         from the inputs that `forward` is given, and give the model as `forward`'s first argument"
    )]
    Boundary {
        /// `input`, `output` or `parameter`.
        boundary: &'static str,
        /// Which of them.
        index: String,
        /// Burn's own words.
        reason: String,
    },
    /// Burn refused the capture.
    #[error("the capture did not complete: {reason}; call it from outside of other captures")]
    Capture {
        /// Burn's own words.
        reason: String,
    },
    /// An input of another shape than the captured one.
    #[error(
        "input {index} is {got:?} where {expected:?} was captured; capture the model with an \
         example of this shape"
    )]
    Shape {
        /// Which input.
        index: usize,
        /// Its dimensions.
        got: Vec<usize>,
        /// Those that were captured.
        expected: Vec<usize>,
    },
    /// Another number of inputs than was captured.
    #[error("{got} inputs are given where {expected} were captured; give each tensor once")]
    Inputs {
        /// How many are given.
        got: usize,
        /// How many were captured.
        expected: usize,
    },
    /// The backend could not run an operation.
    #[error("operation {index}, {name}, could not be run: {message}; run the model itself")]
    Run {
        /// Its number in the order of execution.
        index: usize,
        /// What it computes.
        name: String,
        /// The backend's own words.
        message: String,
    },
}
