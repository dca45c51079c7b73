//! Taking planned channels out of a model, and proof that nothing else changed.

mod certificate;
mod constants;
mod dead;
mod probe;
mod shrink;
mod sizes;
mod trial;

use burn::module::Module;
use secateur_core::layers::Prunable;
use secateur_graph::{GraphTensors, ModelGraph};

use crate::coupling::Unit;
use crate::cut::Cut;
use crate::error::StructureError;
use crate::plan::Plan;
use crate::slice;
use constants::{Constants, Taken};
use dead::Dead;

pub(crate) use certificate::Zeros;
pub(crate) use probe::{stirred, zeroed};

pub use certificate::Certificate;
pub use shrink::shrink;

impl Plan<'_> {
    /// Takes the planned channels out: a model of the same type with smaller parameters, and the
    /// certificate that it computes what `model` computes with the filters of those channels at
    /// zero. `model` stays as it is, so there is nothing to undo.
    ///
    /// A channel whose filter is zero already may still emit a constant, its bias or a norm's
    /// shift behind the activation: that goes into the biases of what reads it. Where a convolution
    /// that pads with zeros reads it no bias is exact at the border; there one of the channels stays
    /// to carry the constants of all ([`Certificate::carriers`]). A channel whose filter is not zero
    /// goes with its bias and shift.
    ///
    /// `forward` is the user's own and runs on the smaller model, first without computing
    /// anything: a size that is written into it shows there.
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
        // That `forward` does the same for all values was seen when the coupling was found.
        let capture = |model: &M| ModelGraph::capture_once(model, example.clone(), &forward);
        let coupling = self.coupling();
        let dead = Dead::of(coupling, model, |group| {
            self.removed().of(group.axis).next().is_some()
        });
        let zeros = certificate::producers(self, Some(&dead));
        let masked = zeroed(&model.valid(), &zeros);
        let mut removal = Removal {
            plan: self,
            kept: self.clone(),
            carriers: Vec::new(),
            cut: self.cut(),
            inexact: Vec::new(),
        };
        let seen = capture(&masked)?;
        let constants = Constants::of(coupling, self.removed(), &seen, example.clone())?;
        removal.carriers = constants.carriers(coupling, self.removed());
        for carrier in &removal.carriers {
            removal.kept.keep(*carrier);
        }
        removal.cut = removal.kept.cut();

        let plain = removal.sliced(model)?;
        let scalars = trial::run(&removal.kept, &plain, example.clone(), &forward)?;
        let smaller = removal.folded(plain, &seen, constants, &zeros)?;

        // The model as it is, then one whose fresh zeros and ones hide nothing.
        let mut certificate =
            Certificate::new(&removal.kept, &removal.cut, &removal.carriers, &scalars);
        certificate.compare(&masked, &smaller.valid(), &example, &forward);
        let zeros = certificate::producers(self, None);
        let masked = zeroed(&stirred(model), &zeros);
        let plain = removal.sliced(&masked)?;
        let seen = capture(&masked)?;
        let constants = Constants::of(coupling, self.removed(), &seen, example.clone())?;
        let stirred = removal.folded(plain, &seen, constants, &zeros)?;
        certificate.compare(&masked, &stirred, &example, &forward);
        certificate.changes.append(&mut removal.inexact);
        Ok((smaller, certificate.checked()?))
    }
}

/// A removal under way.
struct Removal<'p, 'c> {
    plan: &'p Plan<'c>,
    /// The plan without the carriers.
    kept: Plan<'c>,
    carriers: Vec<Unit>,
    cut: Cut,
    inexact: Vec<String>,
}

impl Removal<'_, '_> {
    fn sliced<M: Module + Prunable>(&self, model: &M) -> Result<M, StructureError> {
        let mut smaller = slice::apply(model, &self.cut)?;
        sizes::follow(&mut smaller, &self.kept)?;
        Ok(smaller)
    }

    /// The smaller model with the constants that were seen in the whole one with the channels at
    /// zero.
    fn folded<M: Module + Prunable>(
        &mut self,
        mut smaller: M,
        seen: &ModelGraph,
        mut constants: Constants,
        zeros: &Zeros,
    ) -> Result<M, StructureError> {
        let taken = Taken {
            coupling: self.plan.coupling(),
            removed: self.plan.removed(),
            carriers: &self.carriers,
            zeros,
            cut: &self.cut,
        };
        constants.fold(&mut smaller, seen, &taken)?;
        self.inexact.append(&mut constants.inexact);
        Ok(smaller)
    }
}
