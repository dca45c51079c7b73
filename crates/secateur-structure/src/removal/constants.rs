//! Constants that removed channels still emit: a bias or a norm's shift, through the activation.
//!
//! What reads such a channel gets the constant times its weights. Where it reads without padding
//! that is a constant too and goes into its bias. Where it pads with zeros the border gets less, so
//! that no bias is exact: one channel of the group, the carrier, stays to hold the constants of all.

use std::collections::{BTreeMap, BTreeSet};

use burn::module::Module;
use burn::tensor::TensorData;
use secateur_core::layers::Prunable;
use secateur_core::weights::write_weights;
use secateur_graph::{GraphTensors, ModelGraph, OpId, OpKind, Operation, Runner};

use super::certificate::Zeros;
use crate::axes::Removed;
use crate::coupling::{Coupling, Unit};
use crate::cut::{Cut, ParamCut};
use crate::error::StructureError;
use crate::settings::add_bias;

/// What an operation with weights reads of channels that emit a constant.
#[derive(Clone, Debug)]
struct Reader {
    op: OpId,
    /// Path of its weight.
    weight: String,
    /// The weight as the operation sees it: `[out, in, taps]`.
    values: Vec<f32>,
    shape: [usize; 3],
    /// Groups of a convolution.
    groups: usize,
    /// Whether it pads with zeros.
    pads: bool,
    /// Whether the weight lies `[in, out, taps]`.
    transposed: bool,
    /// The constants, by input channel, that are not zero.
    constants: BTreeMap<usize, f64>,
}

/// The constants that channels to be removed emit, by what reads them.
#[derive(Clone, Debug, Default)]
pub(super) struct Constants {
    readers: Vec<Reader>,
    /// What no bias can make up for.
    pub(super) inexact: Vec<String>,
}

/// What was taken out of a model.
#[derive(Clone, Copy, Debug)]
pub(super) struct Taken<'a> {
    pub(super) coupling: &'a Coupling,
    /// All places that were planned to go.
    pub(super) removed: &'a Removed,
    /// Those of them that stay after all.
    pub(super) carriers: &'a [Unit],
    /// What was set to zero in the whole model.
    pub(super) zeros: &'a Zeros,
    pub(super) cut: &'a Cut,
}

impl Constants {
    /// Runs the example through a model in which the channels are at zero, and looks.
    ///
    /// # Errors
    ///
    /// Those of running the graph.
    pub(super) fn of(
        coupling: &Coupling,
        removed: &Removed,
        masked: &ModelGraph,
        example: impl GraphTensors,
    ) -> Result<Self, StructureError> {
        let graph = masked.graph();
        let mut found = Self::default();
        let mut runner = Runner::new(masked);
        let outcome = runner.run(example, |seen| {
            let id = seen.id();
            let operation = graph.operation(id);
            if !matches!(
                operation.kind,
                OpKind::Linear | OpKind::Matmul | OpKind::Conv(_) | OpKind::ConvTranspose { .. }
            ) {
                return;
            }
            let rank = graph.value(operation.inputs[0]).shape.len();
            let channel = channels(operation, rank);
            let Some(weight) = graph.parameter(operation.inputs[1]) else {
                return;
            };
            let dim = &coupling.dims(operation.inputs[0])[channel];
            let stays = coupling.axes().stays(dim, removed);
            if stays.iter().all(|stays| *stays) {
                return;
            }
            let x = seen.input(0);
            let (constants, varying) = constants_of(&x, channel, &stays);
            if varying > 0 {
                found.inexact.push(format!(
                    "{varying} removed channels before operation {}, {}, emit what is no constant",
                    id.0, operation.kind
                ));
            }
            if constants.is_empty() {
                return;
            }
            let weight = weight.to_owned();
            found.readers.push(reader(
                id,
                weight,
                &operation.kind,
                &seen.input(1),
                constants,
            ));
        });
        outcome?;
        Ok(found)
    }

    /// For each axis whose constants a padding reader gets the unit that is to carry them: the one
    /// with the largest constant where it is smallest.
    pub(super) fn carriers(&self, coupling: &Coupling, removed: &Removed) -> Vec<Unit> {
        let mut least: BTreeMap<Unit, f64> = BTreeMap::new();
        let mut axes = BTreeSet::new();
        for reader in self.readers.iter().filter(|reader| reader.pads) {
            let mut seen: BTreeMap<Unit, f64> = BTreeMap::new();
            for (&channel, &constant) in &reader.constants {
                for unit in reader.units(coupling, removed, channel) {
                    let smallest = seen.entry(unit).or_insert(f64::INFINITY);
                    *smallest = smallest.min(constant.abs());
                    axes.insert(unit.axis);
                }
            }
            for &axis in &axes {
                for place in removed.of(axis) {
                    let unit = Unit { axis, place };
                    let here = seen.get(&unit).copied().unwrap_or(0.0);
                    let smallest = least.entry(unit).or_insert(f64::INFINITY);
                    *smallest = smallest.min(here);
                }
            }
        }
        axes.into_iter()
            .filter_map(|axis| {
                let units = least.iter().filter(|(unit, _)| unit.axis == axis);
                let largest = units.max_by(|(a, x), (b, y)| x.total_cmp(y).then(b.cmp(a)));
                largest
                    .filter(|(_, constant)| **constant > 0.0)
                    .map(|(unit, _)| *unit)
            })
            .collect()
    }

    /// Puts the constants into biases, and into the weights that read the carriers. `model` is the
    /// smaller one; `masked` holds the values of the whole one with the channels at zero.
    ///
    /// # Errors
    ///
    /// Those of [`add_bias`].
    pub(super) fn fold<M: Module + Prunable>(
        &mut self,
        model: &mut M,
        masked: &ModelGraph,
        taken: &Taken<'_>,
    ) -> Result<(), StructureError> {
        let Taken {
            coupling,
            removed,
            carriers,
            zeros,
            cut,
        } = *taken;
        let graph = masked.graph();
        let parameter = |path: &str| {
            let found = crate::coupling::parameters(graph).find(|(_, known)| *known == path);
            found.and_then(|(value, _)| masked.constant(value))
        };
        let mut written: BTreeMap<String, (Vec<usize>, Vec<f32>)> = BTreeMap::new();
        if !carriers.is_empty() {
            // A carrier's own filter is at zero, so that it emits its constant and nothing else.
            for path in zeros.keys() {
                if let Some(data) = parameter(path) {
                    let shape = data.shape().iter().copied().collect();
                    written.insert(path.clone(), (shape, data.iter::<f32>().collect()));
                }
            }
        }
        let mut shifts: BTreeMap<String, Vec<f64>> = BTreeMap::new();
        for reader in &self.readers {
            let mut shift = vec![0.0; reader.outputs()];
            for (&channel, &constant) in &reader.constants {
                let units = reader.units(coupling, removed, channel);
                let carrier = units
                    .iter()
                    .find_map(|unit| carriers.iter().find(|carrier| carrier.axis == unit.axis));
                match carrier {
                    Some(carrier) if reader.pads => {
                        let Some(held) = reader.carried_by(coupling, *carrier, channel) else {
                            continue;
                        };
                        let ratio = constant / reader.constants.get(&held).copied().unwrap_or(1.0);
                        if held != channel {
                            let (_, weights) =
                                written.entry(reader.weight.clone()).or_insert_with(|| {
                                    let data = parameter(&reader.weight);
                                    data.map_or_else(Default::default, |data| {
                                        let shape = data.shape().iter().copied().collect();
                                        (shape, data.iter::<f32>().collect())
                                    })
                                });
                            reader.add_column(weights, channel, held, ratio);
                        }
                    }
                    _ if reader.pads => self.inexact.push(format!(
                        "operation {}, {}, pads with zeros beside a constant of {constant:.3}",
                        reader.op.0,
                        graph.operation(reader.op).kind
                    )),
                    // The carrier itself is still read.
                    Some(carrier) if units.contains(carrier) => {}
                    _ => reader.add_shift(&mut shift, channel, constant),
                }
            }
            if shift.iter().any(|shift| *shift != 0.0) {
                let total = shifts
                    .entry(reader.weight.clone())
                    .or_insert_with(|| vec![0.0; shift.len()]);
                for (total, shift) in total.iter_mut().zip(&shift) {
                    *total += shift;
                }
            }
        }
        for (weight, shift) in shifts {
            let layer = weight.rsplit_once('.').map_or("", |(layer, _)| layer);
            let bias = match layer {
                "" => "bias".to_owned(),
                layer => format!("{layer}.bias"),
            };
            match parameter(&bias) {
                Some(data) => {
                    let entry = written.entry(bias).or_insert_with(|| {
                        let shape = data.shape().iter().copied().collect();
                        (shape, data.iter::<f32>().collect())
                    });
                    for (value, shift) in entry.1.iter_mut().zip(&shift) {
                        *value = (f64::from(*value) + shift) as f32;
                    }
                }
                None => {
                    let stays = outputs_that_stay(coupling, removed, &weight, carriers)?;
                    let left = shift.iter().zip(&stays).filter(|(_, stays)| **stays);
                    let left: Vec<f64> = left.map(|(shift, _)| *shift).collect();
                    add_bias(model, layer, &left)?;
                }
            }
        }
        let smaller = written.into_iter().filter_map(|(path, (shape, values))| {
            let data = sliced(&shape, &values, cut.params.get(&path));
            let dtype = parameter(&path)?.dtype();
            Some((path, data.convert_dtype(dtype)))
        });
        write_weights(model, &smaller.collect());
        Ok(())
    }
}

impl Reader {
    fn outputs(&self) -> usize {
        match self.transposed && self.groups > 1 {
            true => self.shape[0] * self.groups,
            false => self.shape[0],
        }
    }

    /// The units that an input channel goes with.
    fn all_units(&self, coupling: &Coupling, channel: usize) -> Vec<Unit> {
        let operation = coupling.graph().operation(self.op);
        let dims = coupling.dims(operation.inputs[0]);
        let mut units = Vec::new();
        coupling.units_in(&dims[channels(operation, dims.len())], channel, &mut units);
        units
    }

    /// Those of them that are removed.
    fn units(&self, coupling: &Coupling, removed: &Removed, channel: usize) -> Vec<Unit> {
        let mut units = self.all_units(coupling, channel);
        units.retain(|unit| removed.contains(unit.axis, unit.place));
        units
    }

    /// The channel that is where `channel` is, but at the carrier's place.
    fn carried_by(&self, coupling: &Coupling, carrier: Unit, channel: usize) -> Option<usize> {
        let mut own = self.all_units(coupling, channel);
        for unit in &mut own {
            if unit.axis == carrier.axis {
                *unit = carrier;
            }
        }
        let mut channels = self.constants.keys().copied();
        channels.find(|&other| self.all_units(coupling, other) == own)
    }

    /// The weight of an output, an input channel and a tap; `None` where they are of two groups.
    fn weight(&self, out: usize, channel: usize, tap: usize) -> Option<f32> {
        let [outs, ins, taps] = self.shape;
        if self.groups == 1 {
            return self.values.get((out * ins + channel) * taps + tap).copied();
        }
        let (out_group, in_group) = match self.transposed {
            // `outs` are those of one group, `ins` are all.
            true => (out / outs, channel / (ins / self.groups)),
            false => (out / (outs / self.groups), channel / ins),
        };
        if out_group != in_group {
            return None;
        }
        let (row, column) = match self.transposed {
            true => (out % outs, channel),
            false => (out, channel % ins),
        };
        self.values.get((row * ins + column) * taps + tap).copied()
    }

    fn add_shift(&self, shift: &mut [f64], channel: usize, constant: f64) {
        for (out, shift) in shift.iter_mut().enumerate() {
            for tap in 0..self.shape[2] {
                *shift += constant * f64::from(self.weight(out, channel, tap).unwrap_or(0.0));
            }
        }
    }

    /// Adds the weights of a channel, times `ratio`, to those of another.
    fn add_column(&self, weights: &mut [f32], from: usize, to: usize, ratio: f64) {
        let [outs, ins, taps] = self.shape;
        for out in 0..outs {
            for tap in 0..taps {
                let at = |channel: usize| match self.transposed {
                    true => (channel * outs + out) * taps + tap,
                    false => (out * ins + channel) * taps + tap,
                };
                // Groups see other channels; a carrier serves its own group only.
                let (from, to) = match self.groups {
                    1 => (at(from), at(to)),
                    _ => (at(from % ins), at(to % ins)),
                };
                if let (Some(&value), Some(sum)) =
                    (self.values_in_storage(from), weights.get_mut(to))
                {
                    *sum += (ratio * f64::from(value)) as f32;
                }
            }
        }
    }

    /// An element by its place in the parameter.
    fn values_in_storage(&self, at: usize) -> Option<&f32> {
        if !self.transposed {
            return self.values.get(at);
        }
        let [outs, ins, taps] = self.shape;
        let (channel, rest) = (at / (outs * taps), at % (outs * taps));
        let (out, tap) = (rest / taps, rest % taps);
        self.values.get((out * ins + channel) * taps + tap)
    }
}

/// Which dimension of what a product reads, of `rank` dimensions, holds the channels.
fn channels(operation: &Operation, rank: usize) -> usize {
    match operation.kind {
        OpKind::Conv(_) | OpKind::ConvTranspose { .. } => 1,
        _ => rank - 1,
    }
}

fn reader(
    op: OpId,
    weight: String,
    kind: &OpKind,
    data: &TensorData,
    constants: BTreeMap<usize, f64>,
) -> Reader {
    let shape: Vec<usize> = data.shape().iter().copied().collect();
    let stored: Vec<f32> = data.iter::<f32>().collect();
    let (groups, pads, transposed) = match kind {
        OpKind::Conv(options) => {
            let pads = options.padding.iter().any(|&sides| sides != (0, 0));
            (options.groups, pads, false)
        }
        // Taps overlap more inside than at the border, whatever the padding.
        OpKind::ConvTranspose { options, .. } => {
            let pads = shape[2..].iter().any(|&taps| taps > 1);
            (options.groups, pads, true)
        }
        _ => (1, false, true),
    };
    // A batch of equal matrices is one.
    let leading = match kind {
        OpKind::Linear | OpKind::Matmul => shape.len() - 2,
        _ => 0,
    };
    let [rows, columns] = [shape[leading], shape[leading + 1]];
    let taps: usize = shape[leading + 2..].iter().product();
    let (outs, ins) = if transposed {
        (columns, rows)
    } else {
        (rows, columns)
    };
    let mut values = vec![0.0; rows * columns * taps];
    for (at, value) in values.iter_mut().enumerate() {
        let (out, rest) = (at / (ins * taps), at % (ins * taps));
        let (channel, tap) = (rest / taps, rest % taps);
        let from = match transposed {
            true => (channel * outs + out) * taps + tap,
            false => at,
        };
        *value = stored[from];
    }
    Reader {
        op,
        weight,
        values,
        shape: [outs, ins, taps],
        groups,
        pads,
        transposed,
        constants,
    }
}

/// The constants other than zero of the channels that go, and how many of them emit something
/// else.
fn constants_of(x: &TensorData, channel: usize, stays: &[bool]) -> (BTreeMap<usize, f64>, usize) {
    let shape: Vec<usize> = x.shape().iter().copied().collect();
    let inner: usize = shape[channel + 1..].iter().product();
    let size = shape[channel];
    let values: Vec<f64> = x.iter::<f64>().collect();
    let mut range = vec![(f64::INFINITY, f64::NEG_INFINITY); size];
    for (at, &value) in values.iter().enumerate() {
        let (low, high) = &mut range[at / inner % size];
        *low = low.min(value);
        *high = high.max(value);
    }
    let mut constants = BTreeMap::new();
    let mut varying = 0;
    for (at, &(low, high)) in range.iter().enumerate().filter(|(at, _)| !stays[*at]) {
        if values.is_empty() {
            continue;
        }
        if high - low > 1e-5 * high.abs().max(low.abs()) + 1e-12 {
            varying += 1;
        } else if high != 0.0 {
            constants.insert(at, f64::midpoint(low, high));
        }
    }
    (constants, varying)
}

fn outputs_that_stay(
    coupling: &Coupling,
    removed: &Removed,
    weight: &str,
    carriers: &[Unit],
) -> Result<Vec<bool>, StructureError> {
    let mut removed = removed.clone();
    for carrier in carriers {
        removed.keep(carrier.axis, carrier.place);
    }
    let (path, dim) = coupling.weight_side(weight, crate::coupling::Side::Out)?;
    Ok(coupling
        .axes()
        .stays(&coupling.dims_of(&path)?[dim], &removed))
}

/// What a cut leaves of values on the host.
fn sliced(shape: &[usize], values: &[f32], cut: Option<&ParamCut>) -> TensorData {
    let Some(cut) = cut else {
        return TensorData::new(values.to_vec(), shape.to_vec());
    };
    let mut kept: Vec<usize> = vec![0];
    for (dim, &size) in shape.iter().enumerate() {
        let places: Vec<usize> = match &cut.kept[dim] {
            Some(places) => places.clone(),
            None => (0..size).collect(),
        };
        kept = kept
            .iter()
            .flat_map(|&base| places.iter().map(move |&place| base * size + place))
            .collect();
    }
    let values: Vec<f32> = kept.into_iter().map(|at| values[at]).collect();
    TensorData::new(values, cut.shape_after())
}
