//! Which places of which parameters can only go together.
//!
//! Every operation of a captured model says which dimensions of what it reads and writes are the
//! same place by place, so that every dimension of every tensor becomes an expression of
//! [axes](crate::axes). The places of an axis that occurs in parameters are what structured pruning
//! can take out: one [`Unit`] of it goes from all of them at once, or stays in all.

mod explain;
mod members;
mod model;
mod reason;
mod rules;
mod values;
mod zeros;

use std::collections::{BTreeMap, BTreeSet};

use burn::module::Module;
use secateur_core::layers::{LayerMut, Prunable, layers_mut};
use secateur_graph::{Graph, ModelGraph, OpId, OpKind, Source, ValueId};
use serde::{Deserialize, Serialize};

use crate::axes::{Axes, AxisId, Dim, Removed};
use crate::cut::{Cut, ParamCut};
use crate::error::StructureError;
use reason::Reason;
use rules::Tracer;

pub use explain::{Chain, Link, Site};
pub use members::{Member, Side};
pub use reason::{Change, Pin};
pub use values::{Unknown, Values};

/// One place of an axis: what goes or stays as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Unit {
    /// The axis.
    pub axis: AxisId,
    /// The place in it.
    pub place: usize,
}

/// Coupled channels: an axis with all that its places go from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Group {
    /// The axis.
    pub axis: AxisId,
    /// Number of its places.
    pub size: usize,
    /// The dimensions of parameters that it occurs in, in the order of their first use.
    pub members: Vec<Member>,
    /// Why its places have to stay; empty where they may go.
    pub pins: Vec<Pin>,
    /// What else changes when places go whose values are zero.
    pub changes: Vec<Change>,
}

impl Group {
    /// Whether its places may go.
    #[must_use]
    pub fn is_free(&self) -> bool {
        self.pins.is_empty()
    }

    /// The members whose outputs the places are: filters, neurons, rows of values.
    pub fn producers(&self) -> impl Iterator<Item = &Member> {
        self.members.iter().filter(|member| member.produces())
    }

    /// The path that names the group: that of its first producer, or of its first member.
    #[must_use]
    pub fn name(&self) -> &str {
        let first = self.producers().next().or(self.members.first());
        first.map_or("", |member| &member.path)
    }
}

/// What an axis is in a product: the heads of an attention or their width, the groups of a
/// convolution or their channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Factor {
    /// Whether it is the outermost factor: heads, groups.
    pub outermost: bool,
    /// Whether the outermost factor are the groups of a convolution.
    pub of_convolution: bool,
}

impl Factor {
    /// Whether it is what one means by channels when whole heads are to go.
    #[must_use]
    pub fn is_coarse(self) -> bool {
        self.outermost != self.of_convolution
    }

    /// Whether it is what one means by channels when heads are to become narrower.
    #[must_use]
    pub fn is_fine(self) -> bool {
        !self.outermost
    }
}

/// The coupled channels of a model.
#[derive(Clone, Debug)]
pub struct Coupling {
    graph: Graph,
    axes: Axes,
    /// By value, in axes that are made of no others.
    dims: Vec<Vec<Dim>>,
    /// Groups of the convolutions that have several.
    conv_groups: Vec<(OpId, Dim)>,
    groups: Vec<Group>,
}

impl Coupling {
    /// The coupled channels of a captured model. Its inputs and outputs stay as they are, and so
    /// does what lies at or below a path of `skipped`. What layers of Burn hold to its size is not
    /// seen here but by [`of_model`](Self::of_model).
    ///
    /// # Errors
    ///
    /// [`StructureError::UnknownPath`] where nothing lies at or below a skipped path.
    pub fn of(captured: &ModelGraph, skipped: &[String]) -> Result<Self, StructureError> {
        Self::of_graph(captured.graph(), captured, skipped)
    }

    /// As [`of`](Self::of), and what layers hold to its size stays: Burn's attentions.
    ///
    /// # Errors
    ///
    /// As [`of`](Self::of).
    pub fn of_layers<M: Module + Prunable>(
        model: &M,
        captured: &ModelGraph,
        skipped: &[String],
    ) -> Result<Self, StructureError> {
        let mut copy = model.clone();
        let layers = layers_mut(&mut copy);
        let held = layers.iter().filter_map(|(path, layer)| match layer {
            // The number of its heads times their width is the width of what it reads and writes.
            LayerMut::MultiHeadAttention(_) | LayerMut::Opaque { .. } => {
                Some((path.to_owned(), layer.type_name().to_owned()))
            }
            _ => None,
        });
        let held: Vec<(String, String)> = held.collect();
        Self::build(captured.graph(), captured, skipped, &held)
    }

    /// As [`of`](Self::of), from a graph and what is known of its constants.
    ///
    /// # Errors
    ///
    /// As [`of`](Self::of).
    pub fn of_graph(
        graph: &Graph,
        values: &dyn Values,
        skipped: &[String],
    ) -> Result<Self, StructureError> {
        Self::build(graph, values, skipped, &[])
    }

    /// `held` are paths of layers that keep their sizes, with the names of their types.
    fn build(
        graph: &Graph,
        values: &dyn Values,
        skipped: &[String],
        held: &[(String, String)],
    ) -> Result<Self, StructureError> {
        let mut tracer = Tracer::new(graph, values);
        tracer.trace();
        for (path, kind) in held {
            tracer.pin_below(path, &Pin::Layer(path.clone(), kind.clone()));
        }
        for skip in skipped {
            if !tracer.pin_below(skip, &Pin::Skipped(skip.clone())) {
                return Err(StructureError::UnknownPath {
                    path: skip.clone(),
                    known: parameters(graph).map(|(_, path)| path.to_owned()).collect(),
                });
            }
        }
        let Tracer {
            axes,
            dims,
            reasons,
            groups: conv_groups,
            ..
        } = tracer;
        let dims: Vec<Vec<Dim>> = dims
            .iter()
            .map(|dims| dims.iter().map(|dim| axes.resolve(dim)).collect())
            .collect();
        let groups = groups(graph, &axes, &dims, &reasons);
        Ok(Self {
            graph: graph.clone(),
            axes,
            dims,
            conv_groups,
            groups,
        })
    }

    /// All groups, those that are pinned too, in the order of their first use.
    #[must_use]
    pub fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// The group of an axis.
    #[must_use]
    pub fn group(&self, axis: AxisId) -> Option<&Group> {
        self.groups.iter().find(|group| group.axis == axis)
    }

    /// The graph that was looked at.
    #[must_use]
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// The axes of all dimensions.
    #[must_use]
    pub fn axes(&self) -> &Axes {
        &self.axes
    }

    /// The dimensions of a value.
    #[must_use]
    pub fn dims(&self, value: ValueId) -> &[Dim] {
        &self.dims[value.0]
    }

    /// The dimensions of a parameter.
    ///
    /// # Errors
    ///
    /// [`StructureError::UnknownPath`] with the paths that there are.
    pub fn dims_of(&self, path: &str) -> Result<&[Dim], StructureError> {
        let found = parameters(&self.graph).find(|(_, known)| *known == path);
        match found {
            Some((value, _)) => Ok(self.dims(value)),
            None => Err(StructureError::UnknownPath {
                path: path.into(),
                known: parameters(&self.graph)
                    .map(|(_, path)| path.to_owned())
                    .collect(),
            }),
        }
    }

    /// The shape of a parameter.
    ///
    /// # Errors
    ///
    /// [`StructureError::UnknownPath`] with the paths that there are.
    pub fn shape_of(&self, path: &str) -> Result<&[usize], StructureError> {
        self.dims_of(path)?;
        let found = parameters(&self.graph).find(|(_, known)| *known == path);
        Ok(found.map_or(&[], |(value, _)| &self.graph.value(value).shape))
    }

    /// What an axis is in a product with others that may lose places too; `None` where it is in
    /// none.
    #[must_use]
    pub fn factor_of(&self, axis: AxisId) -> Option<Factor> {
        let is_free = |axis: &AxisId| {
            self.axes.len(*axis) > 1 && self.group(*axis).is_none_or(Group::is_free)
        };
        let mut found = None;
        for (value, _) in parameters(&self.graph) {
            for dim in self.dims(value) {
                let Dim::Product(factors) = dim else { continue };
                let axes: Vec<Vec<AxisId>> = factors
                    .iter()
                    .map(|factor| self.axes.axes_of(factor))
                    .filter(|axes| axes.iter().any(is_free))
                    .collect();
                let place = axes.iter().position(|axes| axes.contains(&axis));
                let Some(place) = place.filter(|_| axes.len() > 1) else {
                    continue;
                };
                let of_convolution = self.conv_groups.iter().any(|(_, group)| {
                    let group = self.axes.axes_of(group);
                    axes[0].iter().any(|axis| group.contains(axis))
                });
                let factor = Factor {
                    outermost: place == 0,
                    of_convolution,
                };
                // An axis that is outermost anywhere is what the others are inside of.
                found = match found {
                    Some(Factor {
                        outermost: true, ..
                    }) => found,
                    _ => Some(factor),
                };
            }
        }
        found
    }

    /// The units that a place of a parameter's dimension goes with; usually one. The place goes
    /// when any of them goes: a feature of an attention goes with its head, or with its place in
    /// every head.
    ///
    /// # Errors
    ///
    /// [`StructureError::UnknownPath`], [`StructureError::OutOfRange`].
    pub fn units_at(
        &self,
        path: &str,
        dim: usize,
        place: usize,
    ) -> Result<Vec<Unit>, StructureError> {
        let dims = self.dims_of(path)?;
        let out_of_range = |size| StructureError::OutOfRange {
            path: path.into(),
            dim,
            index: place,
            size,
        };
        let expression = dims.get(dim).ok_or_else(|| out_of_range(0))?;
        let size = self.axes.size(expression);
        if place >= size {
            return Err(out_of_range(size));
        }
        let mut units = Vec::new();
        self.units_in(expression, place, &mut units);
        Ok(units)
    }

    /// The weight of a layer (the path of the layer, or of a parameter) and which of its
    /// dimensions holds its outputs or inputs.
    ///
    /// # Errors
    ///
    /// [`StructureError::UnknownPath`].
    pub fn weight_side(&self, layer: &str, side: Side) -> Result<(String, usize), StructureError> {
        let uses = members::uses(&self.graph);
        let weight = format!("{layer}.weight");
        let found = uses.iter().find_map(|(_, path, dims)| {
            let dim = dims.iter().position(|used| used.is(side))?;
            (*path == layer || *path == weight).then(|| ((*path).to_owned(), dim))
        });
        found.ok_or_else(|| StructureError::UnknownPath {
            path: layer.into(),
            known: uses.iter().map(|(_, path, _)| (*path).to_owned()).collect(),
        })
    }

    pub(crate) fn units_in(&self, dim: &Dim, mut place: usize, units: &mut Vec<Unit>) {
        match dim {
            Dim::Axis(axis) => units.push(Unit { axis: *axis, place }),
            Dim::Sum(parts) => {
                for part in parts {
                    let size = self.axes.size(part);
                    if place < size {
                        return self.units_in(part, place, units);
                    }
                    place -= size;
                }
            }
            Dim::Product(factors) => {
                let mut inner: usize = factors.iter().map(|dim| self.axes.size(dim)).product();
                for factor in factors {
                    inner /= self.axes.size(factor);
                    self.units_in(factor, place / inner, units);
                    place %= inner;
                }
            }
        }
    }

    /// The places of a member that go with a unit, ascending.
    #[must_use]
    pub fn places(&self, member: &Member, unit: Unit) -> Vec<usize> {
        let dim = self.dims_of(&member.path).ok();
        let dim = dim.and_then(|dims| dims.get(member.dim));
        dim.map_or_else(Vec::new, |dim| self.axes.places(dim, unit.axis, unit.place))
    }

    /// What is left of every parameter, and the groups of convolutions that lose some.
    #[must_use]
    pub fn cut(&self, removed: &Removed) -> Cut {
        let mut cut = Cut::default();
        for (value, path) in parameters(&self.graph) {
            let kept = self.dims(value).iter().map(|dim| {
                let stays = self.axes.stays(dim, removed);
                let all = stays.iter().all(|stays| *stays);
                (!all).then(|| (0..stays.len()).filter(|&place| stays[place]).collect())
            });
            let param = ParamCut {
                shape: self.graph.value(value).shape.clone(),
                kept: kept.collect(),
            };
            if !param.is_whole() {
                cut.params.insert(path.to_owned(), param);
            }
        }
        for (op, group) in &self.conv_groups {
            let left = self.axes.left(group, removed);
            if left != self.axes.size(group)
                && let Some(layer) = self.graph.layer(*op)
            {
                cut.settings.insert(format!("{layer}.groups"), left);
            }
        }
        cut
    }

    /// The graph of the smaller model: all shapes as they will be. Which weights are zero is not
    /// known of it.
    #[must_use]
    pub fn smaller_graph(&self, removed: &Removed) -> Graph {
        let mut graph = self.graph.clone();
        for (value, dims) in graph.values.iter_mut().zip(&self.dims) {
            let sizes = dims.iter().map(|dim| self.axes.left(dim, removed));
            value.shape = sizes.collect();
            value.non_zeros = None;
        }
        for (op, group) in &self.conv_groups {
            let kind = &mut graph.operations[op.0].kind;
            if let OpKind::Conv(options) | OpKind::ConvTranspose { options, .. } = kind {
                options.groups = self.axes.left(group, removed);
            }
        }
        graph
    }
}

/// All parameters that are used, in the order of the graph's values.
pub(crate) fn parameters(graph: &Graph) -> impl Iterator<Item = (ValueId, &str)> {
    let values = graph.values.iter().enumerate();
    values.filter_map(|(at, value)| match &value.source {
        Source::Parameter(path) => Some((ValueId(at), path.as_str())),
        _ => None,
    })
}

/// The axes that something computed has.
fn computed(graph: &Graph, axes: &Axes, dims: &[Vec<Dim>]) -> BTreeSet<AxisId> {
    let values = (0..).map(ValueId).zip(&graph.values);
    values
        .filter(|(id, value)| {
            matches!(value.source, Source::Operation(_)) && graph.parameter(*id).is_none()
        })
        .flat_map(|(id, _)| dims[id.0].iter().flat_map(|dim| axes.axes_of(dim)))
        .collect()
}

fn groups(graph: &Graph, axes: &Axes, dims: &[Vec<Dim>], reasons: &[Reason]) -> Vec<Group> {
    let mut members: BTreeMap<AxisId, Vec<Member>> = BTreeMap::new();
    let mut order: Vec<AxisId> = Vec::new();
    let mut zeroed = Vec::new();
    for (value, path, sides) in members::uses(graph) {
        for (nth, dim) in dims[value.0].iter().enumerate() {
            if sides[nth].makes() {
                zeroed.push((value, nth));
            }
            for axis in axes.axes_of(dim) {
                if axes.len(axis) < 2 {
                    continue;
                }
                if !order.contains(&axis) {
                    order.push(axis);
                }
                let member = Member::new(path, nth, &sides[nth]);
                members.entry(axis).or_default().push(member);
            }
        }
    }
    let mut emissions = zeros::emissions(graph, axes, dims, &zeroed);
    let computed = computed(graph, axes, dims);
    let group = |axis: AxisId| {
        let (mut pins, mut changes) = (Vec::new(), Vec::new());
        for mark in axes.marks(axis) {
            match &reasons[mark] {
                Reason::Pin(pin) => pins.push(pin.clone()),
                Reason::Change(change) => changes.push(change.clone()),
            }
        }
        let members = members.remove(&axis).unwrap_or_default();
        if members.len() == 1 && !computed.contains(&axis) {
            pins.push(Pin::Unread);
        }
        // What stays emits what it always did.
        let emits = emissions.remove(&axis).filter(|_| pins.is_empty());
        changes.extend(emits.unwrap_or_default());
        Group {
            axis,
            size: axes.len(axis),
            members,
            pins,
            changes,
        }
    };
    order.into_iter().map(group).collect()
}
