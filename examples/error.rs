//! What can go wrong in an example, and what to do about it.

use std::path::PathBuf;

use secateur::eval::EvalError;
use secateur::graph::GraphError;
use secateur::prelude::PruneError;
use secateur::sparse::SparseError;
use secateur::structure::error::StructureError;

/// The result of every fallible call of the examples.
pub type Result<T> = std::result::Result<T, ExampleError>;

/// The error of the examples; each message ends with what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExampleError {
    /// The data set was found nowhere.
    #[error("{dataset} was found in none of {}; {remedy}", list(.tried))]
    NoData {
        /// The data set asked for.
        dataset: String,
        /// The folders that were looked into, in order.
        tried: Vec<PathBuf>,
        /// What to do.
        remedy: String,
    },

    /// A data file is damaged, or is not what its name says.
    #[error("{file} is not a sound idx file: {why}; fetch it again")]
    Idx {
        /// File name.
        file: String,
        /// What is wrong with it.
        why: String,
    },

    /// A file of JPEG images is damaged, or is not what its name says.
    #[error("{file} is not a sound file of JPEG images: {why}; fetch it again")]
    Images {
        /// File name.
        file: String,
        /// What is wrong with it.
        why: String,
    },

    /// A pretrained net cannot be had.
    #[error("no ResNet-{depth} from {}: {why}; {remedy}", .file.display())]
    Pretrained {
        /// Layers of the net.
        depth: usize,
        /// The file.
        file: PathBuf,
        /// What is wrong.
        why: String,
        /// What to do.
        remedy: &'static str,
    },

    /// Images and labels do not belong together.
    #[error("{name} does not fit together: {why}; take images and labels from the same source")]
    Mismatch {
        /// Which part of which data set.
        name: String,
        /// What does not fit.
        why: String,
    },

    /// The operating system refused a file operation.
    #[error("cannot {action} {}: {why}", .file.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file.
        file: PathBuf,
        /// The system's message.
        why: std::io::Error,
    },

    /// Burn could not write or read a model.
    #[error("cannot {action} the model {}: {why}; check the folder and the free space", .file.display())]
    Model {
        /// What was tried.
        action: &'static str,
        /// The file.
        file: PathBuf,
        /// Burn's message.
        why: burn::store::RecordError,
    },

    /// A model could not be compiled or run.
    #[error(transparent)]
    Sparse(#[from] SparseError),

    /// The operating system gave no more threads.
    #[error("cannot start a thread: {0}; end other programs")]
    Thread(#[from] rayon::ThreadPoolBuildError),

    /// Secateur refused something.
    #[error(transparent)]
    Prune(#[from] PruneError),

    /// A model could not be captured or run as a graph.
    #[error(transparent)]
    Graph(#[from] GraphError),

    /// Channels could not be taken out.
    #[error(transparent)]
    Structure(#[from] StructureError),

    /// Models could not be compared.
    #[error(transparent)]
    Eval(#[from] EvalError),

    /// Burn's `Learner` ended on an error of its own.
    #[error("Burn stopped the training: {0}; mend that, then resume from the last checkpoint")]
    Training(String),

    /// There is nothing to resume from.
    #[error("cannot resume after epoch {epoch}: {why}; {remedy}")]
    Resume {
        /// The epoch asked for.
        epoch: usize,
        /// What is missing or does not fit.
        why: String,
        /// What to do.
        remedy: String,
    },

    /// A command line that says nothing sensible.
    #[error("{0}; see --help")]
    Usage(String),

    /// A setting of a training recipe outside its range.
    #[error("the recipe's {setting} is {value}; {remedy}")]
    Recipe {
        /// The setting.
        setting: &'static str,
        /// Its value.
        value: String,
        /// What to do.
        remedy: &'static str,
    },

    /// One of the runner's processes failed.
    #[error("the run `{run}` failed: {why}; repeat it alone with --only to see more")]
    Run {
        /// Which run.
        run: String,
        /// Its last words.
        why: String,
    },
}

impl ExampleError {
    /// For `map_err` on file operations: `action` reads like "read" or "create".
    pub fn io(
        action: &'static str,
        file: impl Into<PathBuf>,
    ) -> impl FnOnce(std::io::Error) -> Self {
        let file = file.into();
        move |why| Self::Io { action, file, why }
    }
}

fn list(folders: &[PathBuf]) -> String {
    let names: Vec<_> = folders.iter().map(|f| f.display().to_string()).collect();
    names.join(", ")
}
