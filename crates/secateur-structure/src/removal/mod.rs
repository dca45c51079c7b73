//! Taking planned channels out of a model, and proof that nothing else changed.

mod certificate;
mod probe;
mod trial;

use burn::module::Module;
use secateur_core::layers::Prunable;
use secateur_graph::GraphTensors;

use crate::error::StructureError;
use crate::plan::Plan;
use crate::slice;

pub use certificate::Certificate;

impl Plan<'_> {
    /// Takes the planned channels out: a model of the same type with smaller parameters, and the
    /// certificate that it computes what `model` computes with those channels at zero. `model`
    /// stays as it is, so there is nothing to undo.
    ///
    /// `forward` is the user's own and runs on the smaller model, first without computing
    /// anything: a size that it has written in shows there.
    ///
    /// # Errors
    ///
    /// [`StructureError::HardCoded`] where `forward` does not follow the smaller sizes,
    /// [`StructureError::NotEqual`] where the outputs differ though nothing says they should, and
    /// those of [`slice::apply`].
    pub fn apply<M, I, O>(
        &self,
        model: &M,
        example: I,
        forward: impl Fn(&M, I) -> O,
    ) -> Result<(M, Certificate), StructureError>
    where
        M: Module + Prunable,
        I: GraphTensors + Clone,
        O: GraphTensors,
    {
        let cut = self.cut();
        let smaller = slice::apply(model, &cut)?;
        let scalars = trial::run(self, &smaller, example.clone(), &forward)?;
        let certificate = certificate::compare(self, model, &cut, &scalars, example, &forward)?;
        Ok((smaller, certificate))
    }
}
