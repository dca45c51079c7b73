//! Which channels a model can do without, by what the layers that read them make of them.

use std::collections::BTreeMap;

use burn::module::Module;
use secateur_core::weights::Weights;
use secateur_graph::GraphTensors;

use super::lasso::inputs_that_stay;
use super::reader::{Outputs, Reader, Watch, flows, numbers};
use super::thinet::greedy;
use super::{Contributions, RepairError};
use crate::axes::AxisId;
use crate::choice::ChannelPruning;
use crate::coupling::{Coupling, Group, Member, Unit};
use crate::error::StructureError;
use crate::plan::Plan;

/// What the channels of each group contribute to the layers that read them, on calibration batches:
/// what He 2017 and ThiNet choose channels by.
///
/// Where several layers read a group their errors are added up, each as a share of what the layer
/// gives. A place that is several inputs of a layer, as behind a flatten, counts as their sum.
///
/// ```no_run
/// # use burn::module::Module;
/// # use burn::tensor::Tensor;
/// # use secateur_structure::{choice::ChannelPruning, coupling::Coupling, error::StructureError};
/// use secateur_structure::repair::ReadInputs;
///
/// # fn run<Net: Module>(
/// #     net: Net, coupling: Coupling, batches: Vec<Tensor<2>>,
/// #     forward: impl Fn(&Net, Tensor<2>) -> Tensor<2> + Copy,
/// # ) -> Result<(), StructureError> {
/// let read = ReadInputs::of(&net, &coupling, batches, forward)?;
/// let plan = read.thinet(&ChannelPruning::uniform(0.5).with_multiple_of(8), &coupling)?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct ReadInputs {
    groups: BTreeMap<AxisId, (Contributions, Vec<f64>)>,
}

impl ReadInputs {
    /// Runs batches through the model. Groups that no linear layer, product or convolution reads
    /// have no contributions: leave them out of the choice.
    ///
    /// Memory: the square of the features of each layer that reads a group.
    ///
    /// # Errors
    ///
    /// [`RepairError::NoBatches`], [`RepairError::NotFinite`], [`StructureError::Graph`].
    pub fn of<M, I, O>(
        model: &M,
        coupling: &Coupling,
        batches: impl IntoIterator<Item = I>,
        forward: impl Fn(&M, I) -> O,
    ) -> Result<Self, StructureError>
    where
        M: Module,
        I: GraphTensors + Clone,
        O: GraphTensors,
    {
        let free = || coupling.groups().iter().filter(|group| group.is_free());
        let reads = |reader: &Reader| {
            let mut members = free().flat_map(|group| &group.members);
            members.any(|m| m.consumes() && m.path == reader.path && m.dim == reader.in_axis)
        };
        let readers: Vec<Reader> = Reader::all(coupling.graph())
            .into_iter()
            .filter(reads)
            .collect();
        let weights = Weights::effective(model)?;
        let mut watched: Vec<(Reader, Option<Vec<f64>>, Watch)> = Vec::new();
        for reader in readers {
            let [out, inputs, taps] = reader.view();
            let each = out / reader.groups.max(1);
            let groups = (0..reader.groups).map(|g| (g, (g * each..(g + 1) * each).collect()));
            let features = (0..inputs * taps).collect();
            let watch = Watch::new(&reader.path, features, false, groups.collect());
            let inside = reader.bias.as_ref().filter(|(_, inside)| *inside);
            let biases = inside.and_then(|(path, _)| numbers(&weights, path));
            watched.push((reader, biases, watch));
        }
        let mut failed = None;
        let wanted: Vec<String> = watched.iter().map(|(r, ..)| r.path.clone()).collect();
        let count = flows(
            model,
            batches,
            forward,
            |path| wanted.iter().any(|wanted| wanted == path),
            |flow| {
                let layer = watched
                    .iter_mut()
                    .find(|(reader, ..)| reader.path == flow.path());
                if let Some((_, biases, watch)) = layer.filter(|_| failed.is_none()) {
                    let outputs = Outputs::of(flow, biases.as_deref());
                    failed = watch.add(flow, &outputs, None).err();
                }
            },
        )?;
        match (count, failed) {
            (_, Some(error)) => return Err(error.into()),
            (0, None) => {
                return Err(RepairError::NoBatches {
                    what: "contributions".into(),
                }
                .into());
            }
            _ => {}
        }
        let mut groups = BTreeMap::new();
        for group in free() {
            let of_group = group_contributions(coupling, group, &watched, &weights)?;
            if let Some(found) = of_group {
                groups.insert(group.axis, found);
            }
        }
        Ok(Self { groups })
    }

    /// The contributions of a group's channels; `None` where nothing that was watched reads it.
    #[must_use]
    pub fn of_group(&self, axis: AxisId) -> Option<&Contributions> {
        self.groups
            .get(&axis)
            .map(|(contributions, _)| contributions)
    }

    /// The plan that keeps the channels which LASSO keeps (He et al. 2017; [`inputs_that_stay`]).
    /// The weights that make up for the others are those of a
    /// [`Reconstruction`](super::Reconstruction) afterwards.
    ///
    /// # Errors
    ///
    /// Those of [`ChannelPruning::plan_by`], [`StructureError::NoScores`] for a group without
    /// contributions.
    pub fn lasso<'a>(
        &self,
        pruning: &ChannelPruning,
        coupling: &'a Coupling,
    ) -> Result<Plan<'a>, StructureError> {
        pruning.plan_by(coupling, |group, keep| {
            let (contributions, norms) = self.get(group)?;
            Ok(inputs_that_stay(contributions, norms, keep)?)
        })
    }

    /// The plan that takes out the channels whose sum ThiNet finds smallest (Luo et al. 2017;
    /// [`greedy`]). New weights by a [`Reconstruction`](super::Reconstruction) make up for more than
    /// its one scale a channel.
    ///
    /// # Errors
    ///
    /// As [`lasso`](Self::lasso).
    pub fn thinet<'a>(
        &self,
        pruning: &ChannelPruning,
        coupling: &'a Coupling,
    ) -> Result<Plan<'a>, StructureError> {
        pruning.plan_by(coupling, |group, keep| {
            let (contributions, _) = self.get(group)?;
            let gone = greedy(contributions, group.size - keep)?;
            Ok((0..group.size)
                .filter(|place| !gone.contains(place))
                .collect())
        })
    }

    fn get(&self, group: &Group) -> Result<&(Contributions, Vec<f64>), StructureError> {
        self.groups
            .get(&group.axis)
            .ok_or_else(|| StructureError::NoScores {
                path: group.name().into(),
                judged: "the layers that read them".into(),
            })
    }
}

/// The contributions of a group, and the norms of the weights that read each channel.
fn group_contributions(
    coupling: &Coupling,
    group: &Group,
    watched: &[(Reader, Option<Vec<f64>>, Watch)],
    weights: &Weights,
) -> Result<Option<(Contributions, Vec<f64>)>, StructureError> {
    let mut layers = Vec::new();
    let mut squares = vec![0.0; group.size];
    for member in group.members.iter().filter(|member| member.consumes()) {
        let found = watched
            .iter()
            .find(|(reader, ..)| reader.path == member.path && reader.in_axis == member.dim);
        let Some((reader, _, watch)) = found else {
            continue;
        };
        let Some(data) = weights.get(&reader.path) else {
            continue;
        };
        let ([_, inputs, taps], values) = reader.view_of(data);
        let energy: f64 = watch
            .groups
            .iter()
            .map(|group| group.moments.energy())
            .sum();
        let factor = if energy > 0.0 { 1.0 / energy } else { 0.0 };
        let places = places(coupling, group, member);
        for watched in &watch.groups {
            let rows = watched.outputs.iter();
            let own: Vec<f64> = rows
                .flat_map(|&out| &values[out * inputs * taps..(out + 1) * inputs * taps])
                .copied()
                .collect();
            for (unit, square) in squares.iter_mut().enumerate() {
                for &input in &places[unit] {
                    for row in own.chunks_exact(inputs * taps) {
                        let weights = &row[input * taps..(input + 1) * taps];
                        *square += factor * weights.iter().map(|w| w * w).sum::<f64>();
                    }
                }
            }
            // Of taps a channel is all that are its own.
            let contributions = Contributions::of(&watched.moments, &own)?;
            let features = |at: &usize| at * taps..(at + 1) * taps;
            let of_unit = |inputs: &Vec<usize>| inputs.iter().flat_map(features).collect();
            let places: Vec<Vec<usize>> = places.iter().map(of_unit).collect();
            layers.push((contributions, places, factor));
        }
    }
    if layers.is_empty() {
        return Ok(None);
    }
    let all = Contributions::of_units(group.name(), group.size, &layers)?;
    let norms = squares.into_iter().map(f64::sqrt).collect();
    Ok(Some((all, norms)))
}

/// The inputs of a member that each place of the group is.
pub(super) fn places(coupling: &Coupling, group: &Group, member: &Member) -> Vec<Vec<usize>> {
    let units = (0..group.size).map(|place| Unit {
        axis: group.axis,
        place,
    });
    units.map(|unit| coupling.places(member, unit)).collect()
}
