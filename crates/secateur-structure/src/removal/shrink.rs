//! Channels that a mask or training has made zero, taken out in one call.

use burn::module::Module;
use secateur_core::layers::Prunable;
use secateur_graph::GraphTensors;

use super::certificate::Certificate;
use super::dead::Dead;
use crate::coupling::{Coupling, Unit};
use crate::error::StructureError;
use crate::plan::Plan;

/// Takes out every channel whose filters are zero, by a mask or by themselves: what a model that was
/// pruned by filters, channels or neurons becomes. Of a layer that is zero altogether one channel
/// stays.
///
/// The smaller model computes what `model` does; constants that such channels emit are kept as
/// [`Plan::apply`] says. `model` stays as it is.
///
/// # Errors
///
/// Those of [`Coupling::of_model`] and [`Plan::apply`].
pub fn shrink<M, I, O>(
    model: &M,
    example: I,
    forward: impl Fn(&M, I) -> O,
) -> Result<(M, Certificate), StructureError>
where
    M: Module + Prunable,
    I: GraphTensors + Clone,
    O: GraphTensors,
{
    let coupling = Coupling::of_model(model, example.clone(), &forward)?;
    let dead = Dead::of(&coupling, model, |group| group.is_free());
    let mut plan = Plan::new(&coupling);
    for group in coupling.groups().iter().filter(|group| group.is_free()) {
        for place in dead.of_group(group.axis) {
            let unit = Unit {
                axis: group.axis,
                place,
            };
            let is_last = plan.removed().count(group.axis) + 1 == group.size;
            if !is_last {
                plan.remove(unit)?;
            }
        }
    }
    plan.apply(model, example, forward)
}
