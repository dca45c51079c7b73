//! Sizes that a model keeps in fields of its own, marked `#[prune(size = "..")]`.

use secateur_core::layers::{self, Prunable, layers_mut};

use crate::axes::Dim;
use crate::coupling::Side;
use crate::error::StructureError;
use crate::plan::Plan;

/// Makes the fields follow what the plan leaves.
///
/// # Errors
///
/// [`StructureError::UnknownPath`] for a layer that `forward` does not use,
/// [`StructureError::NoSuchFactor`] where `forward` does not split the dimension so.
pub(super) fn follow<M: Prunable>(model: &mut M, plan: &Plan<'_>) -> Result<(), StructureError> {
    let coupling = plan.coupling();
    let mut layers = layers_mut(model);
    for (field, of, size) in layers.sizes_mut() {
        let side = match of.side {
            layers::Side::In => Side::In,
            layers::Side::Out => Side::Out,
        };
        let (path, dim) = coupling.weight_side(&of.layer, side)?;
        let dim = &coupling.dims_of(&path)?[dim];
        let factors = match dim {
            Dim::Product(factors) => factors.as_slice(),
            whole => std::slice::from_ref(whole),
        };
        let left: Vec<usize> = factors
            .iter()
            .map(|factor| coupling.axes().left(factor, plan.removed()))
            .collect();
        *size = of
            .value(&left)
            .ok_or_else(|| StructureError::NoSuchFactor {
                field: field.into(),
                of: of.to_string(),
                factors: factors
                    .iter()
                    .map(|factor| coupling.axes().size(factor))
                    .collect(),
            })?;
    }
    Ok(())
}
