//! Which channels are to go, what that costs and saves, before anything is changed.

use std::fmt;

use secateur_graph::{Counts, Graph};

use crate::axes::Removed;
use crate::coupling::{Change, Coupling, Group, Side, Unit};
use crate::cut::Cut;
use crate::error::StructureError;

/// Channels that are to go from a model.
///
/// A plan changes nothing; it prints what it would do, and [`apply`](Self::apply) does it. Units
/// are added one by one, by layer and index, or by a choice from scores.
#[derive(Clone, Debug)]
pub struct Plan<'a> {
    coupling: &'a Coupling,
    removed: Removed,
}

impl<'a> Plan<'a> {
    /// Nothing goes yet.
    #[must_use]
    pub fn new(coupling: &'a Coupling) -> Self {
        Self {
            coupling,
            removed: Removed::new(),
        }
    }

    /// What the plan is made of.
    #[must_use]
    pub fn coupling(&self) -> &'a Coupling {
        self.coupling
    }

    /// The places that go, by axis.
    #[must_use]
    pub fn removed(&self) -> &Removed {
        &self.removed
    }

    /// Lets a unit go, with all that is coupled to it.
    ///
    /// # Errors
    ///
    /// [`StructureError::NoSuchUnit`], [`StructureError::Pinned`] where it has to stay,
    /// [`StructureError::LastPlace`] where it is the last of its axis.
    pub fn remove(&mut self, unit: Unit) -> Result<(), StructureError> {
        let no_such_unit = StructureError::NoSuchUnit {
            axis: unit.axis.0,
            place: unit.place,
        };
        let group = self.coupling.group(unit.axis).ok_or(no_such_unit.clone())?;
        if unit.place >= group.size {
            return Err(no_such_unit);
        }
        if !group.is_free() {
            return Err(pinned(group, group.name(), unit.place));
        }
        if self.removed.contains(unit.axis, unit.place) {
            return Ok(());
        }
        if self.removed.count(unit.axis) + 1 >= group.size {
            return Err(StructureError::LastPlace {
                path: group.name().into(),
                size: group.size,
            });
        }
        self.removed.insert(unit.axis, unit.place);
        Ok(())
    }

    /// Keeps a unit after all; whether it was to go.
    pub fn keep(&mut self, unit: Unit) -> bool {
        self.removed.keep(unit.axis, unit.place)
    }

    /// Lets outputs of a layer go (filters, neurons, features), with all that is coupled to them.
    /// `layer` is the path of the layer or of its weight. On an error nothing is added.
    ///
    /// # Errors
    ///
    /// [`StructureError::UnknownPath`], [`StructureError::OutOfRange`],
    /// [`StructureError::Pinned`], [`StructureError::LastPlace`]; [`StructureError::Ambiguous`]
    /// where an output can go in several ways, such as a feature with its head or with its place
    /// in every head: [`remove`](Self::remove) the unit that is meant.
    pub fn remove_outputs(&mut self, layer: &str, outputs: &[usize]) -> Result<(), StructureError> {
        self.remove_of(layer, Side::Out, outputs)
    }

    /// Lets inputs of a layer go, with all that is coupled to them: the channels of the layer
    /// before. As [`remove_outputs`](Self::remove_outputs).
    ///
    /// # Errors
    ///
    /// As [`remove_outputs`](Self::remove_outputs).
    pub fn remove_inputs(&mut self, layer: &str, inputs: &[usize]) -> Result<(), StructureError> {
        self.remove_of(layer, Side::In, inputs)
    }

    fn remove_of(
        &mut self,
        layer: &str,
        side: Side,
        places: &[usize],
    ) -> Result<(), StructureError> {
        let (path, dim) = self.coupling.weight_side(layer, side)?;
        let mut plan = self.clone();
        for &place in places {
            let units = self.coupling.units_at(&path, dim, place)?;
            let (free, stuck): (Vec<Unit>, Vec<Unit>) = units.into_iter().partition(|unit| {
                let group = self.coupling.group(unit.axis);
                group.is_some_and(Group::is_free)
            });
            match free.as_slice() {
                [unit] => plan.remove(*unit)?,
                [] => {
                    let group = stuck
                        .first()
                        .and_then(|unit| self.coupling.group(unit.axis));
                    return Err(match group {
                        Some(group) => pinned(group, &path, place),
                        None => StructureError::LastPlace { path, size: 1 },
                    });
                }
                several => {
                    return Err(StructureError::Ambiguous {
                        path,
                        place,
                        units: several
                            .iter()
                            .map(|unit| (unit.axis.0, unit.place))
                            .collect(),
                    });
                }
            }
        }
        *self = plan;
        Ok(())
    }

    /// What is left of every parameter.
    #[must_use]
    pub fn cut(&self) -> Cut {
        self.coupling.cut(&self.removed)
    }

    /// The graph of the smaller model.
    #[must_use]
    pub fn smaller_graph(&self) -> Graph {
        self.coupling.smaller_graph(&self.removed)
    }

    /// What the model costs before and after.
    #[must_use]
    pub fn counts(&self) -> (Counts, Counts) {
        let before = Counts::of(self.coupling.graph());
        (before, Counts::of(&self.smaller_graph()))
    }

    /// What else may change, beside that the channels are gone: normalisations and softmaxes over
    /// fewer values. Empty where removal is exact whatever the weights are.
    #[must_use]
    pub fn changes(&self) -> Vec<&Change> {
        let mut changes = Vec::new();
        for (axis, _) in self.removed.iter() {
            for change in self
                .coupling
                .group(axis)
                .into_iter()
                .flat_map(|g| &g.changes)
            {
                if !changes.contains(&change) {
                    changes.push(change);
                }
            }
        }
        changes
    }
}

fn pinned(group: &Group, path: &str, place: usize) -> StructureError {
    StructureError::Pinned {
        path: path.into(),
        place,
        why: group
            .pins
            .first()
            .map_or_else(String::new, ToString::to_string),
    }
}

impl fmt::Display for Plan<'_> {
    /// A line for each group that loses places, then what the model costs before and after.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let groups = self.coupling.groups().iter();
        let losing: Vec<&Group> = groups
            .filter(|group| self.removed.count(group.axis) > 0)
            .collect();
        let name_width = losing.iter().map(|group| group.name().len()).max();
        let width = name_width.unwrap_or(0).max("channels of".len());
        writeln!(
            f,
            "{:<width$}  {:>6}  {:>6}  {:>8}",
            "channels of", "before", "after", "coupled"
        )?;
        for group in &losing {
            let left = group.size - self.removed.count(group.axis);
            let coupled = group.members.len();
            let name = group.name();
            writeln!(
                f,
                "{name:<width$}  {:>6}  {left:>6}  {coupled:>8}",
                group.size
            )?;
        }
        let (before, after) = self.counts();
        let rows = [
            (
                "parameters",
                before.parameters().dense,
                after.parameters().dense,
            ),
            (
                "multiply-adds",
                before.multiply_adds().dense,
                after.multiply_adds().dense,
            ),
            (
                "bytes of weights",
                before.weight_bytes(),
                after.weight_bytes(),
            ),
            (
                "bytes of activations",
                before.activation_bytes(),
                after.activation_bytes(),
            ),
        ];
        for (name, before, after) in rows {
            let share = 100.0 * after as f64 / (before as f64).max(1.0);
            writeln!(f, "{name}: {before} -> {after} ({share:.1} %)")?;
        }
        for change in self.changes() {
            writeln!(f, "may differ: {change}")?;
        }
        Ok(())
    }
}
