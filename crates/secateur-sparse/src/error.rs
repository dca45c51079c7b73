//! What can go wrong when a pruned model is made to run.

use std::path::PathBuf;

use secateur_core::error::PruneError;
use secateur_graph::GraphError;
use secateur_kernels::KernelError;

/// Why a layer, an operation or an engine could not be made or run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SparseError {
    /// The model could not be captured.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// A mask or a record could not be read.
    #[error(transparent)]
    Prune(#[from] PruneError),
    /// A weight could not be packed or multiplied.
    #[error("{what}: {source}")]
    Kernel {
        /// The layer or operation.
        what: String,
        /// What the kernels say.
        source: KernelError,
    },
    /// A tensor has another shape than is needed.
    #[error("{what} has the shape {got:?} where {expected} is needed")]
    Shape {
        /// Which tensor.
        what: String,
        /// Its shape.
        got: Vec<usize>,
        /// What is needed, in words.
        expected: String,
    },
    /// A tensor's elements are not of the kind that is needed.
    #[error("{what} is {got} where {expected} is needed: convert it first")]
    Element {
        /// Which tensor.
        what: String,
        /// What its elements are.
        got: String,
        /// What is needed.
        expected: String,
    },
    /// More or fewer tensors than there are.
    #[error("{got} {what} where there are {expected}: give one tensor for each")]
    Inputs {
        /// `inputs` or `outputs`.
        what: &'static str,
        /// How many were given or asked for.
        got: usize,
        /// How many there are.
        expected: usize,
    },
    /// Something that cannot be done, with what to do instead.
    #[error("{what} cannot be run: {remedy}")]
    Unsupported {
        /// The layer, operation or device.
        what: String,
        /// What to do.
        remedy: String,
    },
    /// A file could not be read or written.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A file's content is not what it should be.
    #[error("{path} cannot be read: {reason}")]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}
