//! What can go wrong, and what to do about it.

use std::path::PathBuf;

use secateur::prelude::PruneError;
use secateur_examples::ExampleError;
use secateur_kernels::KernelError;

/// The result of every fallible call of this program.
pub(crate) type Result<T> = std::result::Result<T, BenchError>;

/// The error of this program; each message ends with what to do.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BenchError {
    /// A command line that says nothing sensible.
    #[error("{0}; see --help")]
    Usage(String),

    /// The operating system refused a file operation.
    #[error("cannot {action} {}: {why}; check the path", .file.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file.
        file: PathBuf,
        /// The system's message.
        why: std::io::Error,
    },

    /// A file is not what its name says.
    #[error("{} is damaged: {why}; fetch or make it again", .file.display())]
    Damaged {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        why: String,
    },

    /// The operating system gave no more threads.
    #[error("cannot start the threads: {0}; ask for fewer with --threads")]
    Threads(#[from] rayon::ThreadPoolBuildError),

    /// A contestant's time is worth nothing because its result is wrong.
    #[error(
        "{contestant} is wrong for {work}: output {at} is {got} where {expected} is right; \
         leave that case out with --only and report this"
    )]
    WrongResult {
        /// Who.
        contestant: String,
        /// What was computed.
        work: String,
        /// Which output.
        at: usize,
        /// What came out.
        got: f32,
        /// What the slow reference says.
        expected: f64,
    },

    /// A rival does not take the matrix.
    #[error("{rival} refuses a matrix: {why}; leave that case out with --only and report this")]
    Refused {
        /// Who.
        rival: &'static str,
        /// Its message.
        why: String,
    },

    /// The second executable does not do as it should.
    #[error("{0}; build it again or leave SECATEUR_FLEX_X86_V4 empty")]
    SecondProgram(std::io::Error),

    /// The kernels refused something.
    #[error(transparent)]
    Kernels(#[from] KernelError),

    /// The training of a net failed.
    #[error(transparent)]
    Example(#[from] ExampleError),

    /// The pruning of a net failed.
    #[error(transparent)]
    Prune(#[from] PruneError),
}

impl BenchError {
    /// For `map_err` on file operations: `action` reads like "read" or "write".
    pub(crate) fn io(
        action: &'static str,
        file: impl Into<PathBuf>,
    ) -> impl FnOnce(std::io::Error) -> Self {
        let file = file.into();
        move |why| Self::Io { action, file, why }
    }
}
