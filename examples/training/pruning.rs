//! Secateur's pruner as a hook of the training loop.

use burn::Tensor;
use burn::optim::GradientsParams;
use secateur::pruner::{Pruner, Step};

use super::hook::{Hook, Progress};
use super::student::Student;
use crate::Result;
use crate::nets::Classifier;

/// Calls a pruner at every step, in the order that suits every method: it observes the gradients
/// as they are, prepares them for the optimizer, and prunes afterwards.
#[derive(Debug)]
pub struct Pruning {
    pruner: Pruner,
    /// Added to the training's steps: 1 for a pruner that has already pruned at step 0.
    offset: usize,
}

impl Pruning {
    /// Steps are the training's, counted from 0.
    pub fn new(pruner: Pruner) -> Self {
        Self { pruner, offset: 0 }
    }

    /// For a pruner that has pruned at step 0, before the training: its steps count from 1.
    pub fn after_start(pruner: Pruner) -> Self {
        Self { pruner, offset: 1 }
    }

    /// Makes the zeros part of the weights and leaves a plain Burn module.
    ///
    /// # Errors
    ///
    /// If the net is not the pruner's.
    pub fn finish<M: Classifier, O: crate::data::Origin>(
        &mut self,
        student: &mut Student<M, O>,
    ) -> Result<()> {
        Ok(self.pruner.finish(student.model_mut())?)
    }
}

impl<M: Classifier, O: crate::data::Origin> Hook<M, O> for Pruning {
    fn penalty(&self, student: &Student<M, O>) -> Option<Tensor<1>> {
        self.pruner.penalty(student.model())
    }

    fn before_step(
        &mut self,
        student: &mut Student<M, O>,
        gradients: GradientsParams,
        at: Progress,
    ) -> Result<Option<GradientsParams>> {
        let step = at.step + self.offset;
        // Between two prunings only the last batch matters to the methods here.
        if self.pruner.schedule().is_due(step) {
            self.pruner.observe(student.model(), &gradients)?;
        }
        match self.pruner.before_step(student.model(), gradients, step)? {
            Step::Update(gradients) => Ok(Some(gradients)),
            Step::Skip => Ok(None),
        }
    }

    fn after_step(&mut self, student: &mut Student<M, O>, at: Progress) -> Result<()> {
        self.pruner
            .prune(student.model_mut(), at.step + self.offset)?;
        Ok(())
    }
}
