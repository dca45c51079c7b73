//! Where the files lie that a resumed run needs.

use std::path::{Path, PathBuf};

use secateur_examples::{ExampleError, Result};

/// The folder into which Burn's checkpointers write, and the pruner beside them.
///
/// The masks are part of Burn's `model-<epoch>.bpk`, because they are attached to the model. The
/// pruner's own state (step, signals, seed) is a file of its own.
#[derive(Clone, Debug)]
pub(crate) struct Checkpoints {
    folder: PathBuf,
}

impl Checkpoints {
    /// The checkpoints of the run in `dir`; makes the folder if it is missing.
    pub(crate) fn new(dir: &Path) -> Result<Self> {
        let folder = dir.join("checkpoint");
        std::fs::create_dir_all(&folder).map_err(ExampleError::io("create", &folder))?;
        Ok(Self { folder })
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The pruner's state at the end of `epoch`.
    pub(crate) fn pruner(&self, epoch: usize) -> PathBuf {
        self.folder.join(format!("pruner-{epoch}.state"))
    }

    /// Burn's record of the model at the end of `epoch`, with the masks.
    pub(crate) fn model(&self, epoch: usize) -> PathBuf {
        self.burn("model", epoch)
    }

    /// Checks that a run can go on after `epoch`. Burn itself panics when a file is missing.
    pub(crate) fn check(&self, epoch: usize) -> Result<()> {
        let files = [
            self.model(epoch),
            self.burn("optim", epoch),
            self.burn("scheduler", epoch),
            self.pruner(epoch),
        ];
        match files.iter().find(|file| !file.is_file()) {
            None => Ok(()),
            Some(missing) => Err(ExampleError::Resume {
                epoch,
                why: format!("there is no {}", missing.display()),
                remedy: "choose an epoch that was finished, and the run's own --dir".into(),
            }),
        }
    }

    fn burn(&self, what: &str, epoch: usize) -> PathBuf {
        self.folder.join(format!("{what}-{epoch}.bpk"))
    }
}
