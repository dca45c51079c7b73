//! The part of this example that is about pruning: what happens around an optimizer's step.

use std::fmt;

use burn::module::Module;
use burn::optim::GradientsParams;
use burn::train::train::WorkerFailure;
use burn::train::{Interrupter, TrainingError};
use secateur::prelude::*;

use crate::checkpoints::Checkpoints;

/// A pruner in the hands of Burn's `Learner`.
///
/// The `Learner`'s calls return no errors, so the first one is kept here and the run stopped
/// through its [`Interrupter`].
pub(crate) struct Pruning {
    pruner: Pruner,
    /// The step that comes next.
    step: usize,
    steps_per_epoch: usize,
    checkpoints: Checkpoints,
    interrupter: Interrupter,
    error: Option<PruneError>,
    /// Known from the last pruning, or read off the masks where there was none yet.
    sparsity: Option<f64>,
}

impl Pruning {
    /// Goes on where `pruner` was left: at step 0, or after the last step of the state it loaded.
    pub(crate) fn new(
        pruner: Pruner,
        steps_per_epoch: usize,
        checkpoints: Checkpoints,
        interrupter: Interrupter,
    ) -> Self {
        Self {
            step: pruner.last_step().map_or(0, |last| last + 1),
            pruner,
            steps_per_epoch,
            checkpoints,
            interrupter,
            error: None,
            sparsity: None,
        }
    }

    /// Steps done so far, over all runs.
    pub(crate) fn steps_done(&self) -> usize {
        self.step
    }

    pub(crate) fn pruner(&mut self) -> &mut Pruner {
        &mut self.pruner
    }

    /// The error that stopped the run, if the pruner had one.
    pub(crate) fn take_error(&mut self) -> Option<PruneError> {
        self.error.take()
    }

    /// One step of the training; `update` is the optimizer's part. After an error the net is
    /// returned as it is, for the few steps until the run has stopped.
    pub(crate) fn optimize<M: Module>(
        &mut self,
        mut net: M,
        gradients: GradientsParams,
        update: impl FnOnce(M, GradientsParams) -> M,
    ) -> M {
        if self.error.is_none()
            && let Err(error) = self.try_optimize(&mut net, gradients, update)
        {
            self.fail(error);
        }
        net
    }

    fn try_optimize<M: Module>(
        &mut self,
        net: &mut M,
        gradients: GradientsParams,
        update: impl FnOnce(M, GradientsParams) -> M,
    ) -> Result<(), PruneError> {
        self.pruner.observe(net, &gradients)?;
        if let Step::Update(gradients) = self.pruner.before_step(net, gradients, self.step)? {
            *net = update(net.clone(), gradients);
        }
        if let Some(event) = self.pruner.prune(net, self.step)? {
            self.sparsity = Some(event.sparsity());
        }
        self.pruner.after_step(net)?;
        self.step += 1;
        self.save_at_epoch_end()
    }

    /// Burn writes its checkpoints in threads of their own while the next epoch is under way. The
    /// pruner's state must be that of the epoch's last step, so it is the step that says when.
    fn save_at_epoch_end(&self) -> Result<(), PruneError> {
        if !self.step.is_multiple_of(self.steps_per_epoch) {
            return Ok(());
        }
        let epoch = self.step / self.steps_per_epoch;
        self.pruner.save_state(self.checkpoints.pruner(epoch))
    }

    /// Share of zeros among the pruned parameters of `net`.
    pub(crate) fn sparsity<M: Module>(&mut self, net: &M) -> f64 {
        if let Some(sparsity) = self.sparsity {
            return sparsity;
        }
        match self.pruner.masks(net) {
            Ok(masks) => *self.sparsity.insert(masks.sparsity()),
            Err(error) => {
                self.fail(error);
                f64::NAN
            }
        }
    }

    /// For gradients that come from several devices at once, which this example does not add up.
    pub(crate) fn refuse_several_devices(&mut self) {
        self.fail(PruneError::invalid(
            "training strategy",
            "several devices",
            "a single device",
            "leave `with_training_strategy` out",
        ));
    }

    fn fail(&mut self, error: PruneError) {
        // Of the errors that Burn knows, this is the one whose message is free.
        self.interrupter
            .fail(TrainingError::Workers(vec![WorkerFailure {
                device_id: 0,
                message: error.to_string(),
            }]));
        self.error.get_or_insert(error);
    }
}

/// Short, since Burn prints it as part of the model.
impl fmt::Debug for Pruning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pruning")
            .field("step", &self.step)
            .field("sparsity", &self.sparsity)
            .field("error", &self.error)
            .finish_non_exhaustive()
    }
}
