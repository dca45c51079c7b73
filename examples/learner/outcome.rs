//! What a run leaves behind.

use std::fmt;
use std::path::PathBuf;

use secateur::prelude::{MaskSet, Report};

use crate::args::Args;
use crate::checkpoints::Checkpoints;

/// The end of a run.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub args: Args,
    /// Right answers on the images to be judged on, in percent.
    pub accuracy: f64,
    pub report: Report,
    pub masks: MaskSet,
    pub checkpoints: Checkpoints,
    /// Epochs that were finished, over all runs.
    pub epochs_done: usize,
    /// The net with its zeros baked in, a plain Burn record.
    pub file: PathBuf,
    /// Why the run ended early, if the user stopped it.
    pub interrupted: Option<String>,
}

impl Outcome {
    /// The options of a run that takes up where this one ended; where it has reached its end, one
    /// that repeats the last epoch. `None` where there is no checkpoint to start from.
    fn resuming(&self) -> Option<Args> {
        let epoch = self.epochs_done.min(self.args.epochs - 1);
        (epoch > 0).then(|| Args {
            resume: Some(epoch),
            stop_after: None,
            ..self.args.clone()
        })
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            accuracy, report, ..
        } = self;
        let (done, all) = (self.epochs_done, self.args.epochs);
        if let Some(reason) = &self.interrupted {
            writeln!(f, "\nStopped: {reason}")?;
        }
        writeln!(
            f,
            "\nAfter {done} of {all} epochs the net is right on {accuracy:.1} % of the images\n\
             (starter set of 8,000 + 2,000 images: not comparable with published figures)\n\n\
             {report}\n"
        )?;
        writeln!(
            f,
            "checkpoints   {}\n              \
             model-<epoch>.bpk, with the masks; optim- and scheduler-<epoch>.bpk;\n              \
             pruner-<epoch>.state\n\
             pruned net    {}\n              without masks: the zeros are part of its weights",
            self.checkpoints.folder().display(),
            self.file.display()
        )?;
        match self.resuming() {
            Some(args) => write!(
                f,
                "go on         cargo run --release --example learner -- {args}"
            ),
            None => write!(
                f,
                "go on         not possible: no epoch was finished before this one"
            ),
        }
    }
}
