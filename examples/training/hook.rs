//! Where something else joins the training loop: pruning, a progress bar, a curve.

use burn::Tensor;
use burn::optim::GradientsParams;

use super::student::Student;
use crate::Result;

/// Where the training stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The step, counted from 0.
    pub step: usize,
    /// How many steps there will be.
    pub total: usize,
}

impl Progress {
    /// Whether this is the last step.
    pub fn is_last(self) -> bool {
        self.step + 1 == self.total
    }
}

/// Something that watches or changes a net while it learns.
///
/// Hooks join in a pair: `(a, b)` calls `a`, then `b`.
pub trait Hook<M, O> {
    /// What is added to the loss of a batch.
    fn penalty(&self, student: &Student<M, O>) -> Option<Tensor<1>> {
        let _ = student;
        None
    }

    /// Called with the gradients before the optimizer has them. `None` instead of gradients skips
    /// the optimizer in this step, which RigL asks for.
    ///
    /// # Errors
    ///
    /// An error ends the training.
    fn before_step(
        &mut self,
        student: &mut Student<M, O>,
        gradients: GradientsParams,
        at: Progress,
    ) -> Result<Option<GradientsParams>> {
        let _ = (student, at);
        Ok(Some(gradients))
    }

    /// Called after the optimizer.
    ///
    /// # Errors
    ///
    /// An error ends the training.
    fn after_step(&mut self, student: &mut Student<M, O>, at: Progress) -> Result<()> {
        let _ = (student, at);
        Ok(())
    }
}

/// Plain training.
#[derive(Clone, Copy, Debug)]
pub struct NoHook;

impl<M, O> Hook<M, O> for NoHook {}

impl<M, O, A: Hook<M, O>, B: Hook<M, O>> Hook<M, O> for (A, B) {
    fn penalty(&self, student: &Student<M, O>) -> Option<Tensor<1>> {
        match (self.0.penalty(student), self.1.penalty(student)) {
            (Some(a), Some(b)) => Some(a + b),
            (a, b) => a.or(b),
        }
    }

    fn before_step(
        &mut self,
        student: &mut Student<M, O>,
        gradients: GradientsParams,
        at: Progress,
    ) -> Result<Option<GradientsParams>> {
        match self.0.before_step(student, gradients, at)? {
            Some(gradients) => self.1.before_step(student, gradients, at),
            None => Ok(None),
        }
    }

    fn after_step(&mut self, student: &mut Student<M, O>, at: Progress) -> Result<()> {
        self.0.after_step(student, at)?;
        self.1.after_step(student, at)
    }
}

impl<M, O, H: Hook<M, O> + ?Sized> Hook<M, O> for &mut H {
    fn penalty(&self, student: &Student<M, O>) -> Option<Tensor<1>> {
        (**self).penalty(student)
    }

    fn before_step(
        &mut self,
        student: &mut Student<M, O>,
        gradients: GradientsParams,
        at: Progress,
    ) -> Result<Option<GradientsParams>> {
        (**self).before_step(student, gradients, at)
    }

    fn after_step(&mut self, student: &mut Student<M, O>, at: Progress) -> Result<()> {
        (**self).after_step(student, at)
    }
}
