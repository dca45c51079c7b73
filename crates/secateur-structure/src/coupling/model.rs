//! The coupled channels of a model with its author's wishes.

use std::collections::BTreeMap;

use burn::module::Module;
use secateur_core::layers::{Prunable, attributes};
use secateur_graph::{GraphTensors, ModelGraph};

use super::{Coupling, Side};
use crate::error::StructureError;

impl Coupling {
    /// The coupled channels of a model: `forward` is captured on an example of its input, and
    /// nothing is computed. What is marked `#[prune(skip)]` stays as it is, and layers marked
    /// `#[prune(tied = "..")]` are checked to be coupled.
    ///
    /// # Errors
    ///
    /// [`StructureError::Graph`] where the model cannot be captured, [`StructureError::NotTied`]
    /// where layers that are declared tied are not.
    pub fn of_model<M, I, O>(
        model: &M,
        example: I,
        forward: impl Fn(&M, I) -> O,
    ) -> Result<Self, StructureError>
    where
        M: Module + Prunable,
        I: GraphTensors + Clone,
        O: GraphTensors,
    {
        let captured = ModelGraph::capture(model, example, forward)?;
        let wishes = attributes(model);
        let used: Vec<&str> = super::parameters(captured.graph())
            .map(|(_, path)| path)
            .collect();
        let below = |path: &str| {
            used.iter().any(|used| {
                let rest = used.strip_prefix(path);
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            })
        };
        // What `forward` does not use needs no protection.
        let skipped: Vec<String> = wishes
            .iter()
            .filter(|(path, wish)| wish.skip && below(path))
            .map(|(path, _)| path.to_owned())
            .collect();
        let coupling = Self::of_layers(model, &captured, &skipped)?;
        let mut tied: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (path, wish) in wishes.iter() {
            if let Some(name) = &wish.tied {
                tied.entry(name).or_default().push(path);
            }
        }
        for (name, layers) in tied {
            coupling.check_tied(name, &layers)?;
        }
        Ok(coupling)
    }

    fn check_tied(&self, name: &str, layers: &[&str]) -> Result<(), StructureError> {
        let outputs = |layer: &str| {
            let (path, dim) = self.weight_side(layer, Side::Out)?;
            Ok::<_, StructureError>(self.dims_of(&path)?[dim].clone())
        };
        let Some((first, others)) = layers.split_first() else {
            return Ok(());
        };
        let expected = outputs(first)?;
        for other in others {
            if outputs(other)? != expected {
                let goes_with = |layer: &str| {
                    let (path, dim) = self.weight_side(layer, Side::Out)?;
                    let units = self.units_at(&path, dim, 0)?;
                    let group = units.first().and_then(|unit| self.group(unit.axis));
                    let names = group.into_iter().flat_map(|group| &group.members);
                    let names: Vec<&str> = names.map(|member| member.path.as_str()).collect();
                    Ok::<_, StructureError>(names.join(", "))
                };
                return Err(StructureError::NotTied {
                    name: name.into(),
                    first: (*first).into(),
                    first_goes_with: goes_with(first)?,
                    second: (*other).into(),
                    second_goes_with: goes_with(other)?,
                });
            }
        }
        Ok(())
    }
}
