//! Neurons of a model that others take over: merging and NoiseOut on real layers.

use std::collections::{BTreeMap, BTreeSet};

use burn::module::Module;
use burn::tensor::TensorData;
use secateur_core::layers::Prunable;
use secateur_core::weights::{Weights, write_weights};
use secateur_graph::{Graph, GraphTensors, OpKind, Runner, ValueId};

use super::merging::{Likeness, Merge, Neurons, merge};
use super::noise_out::{Activity, Fold, noise_out};
use super::read_inputs::places;
use super::reader::{Reader, check_plain, numbers};
use super::{Outgoing, RepairError};
use crate::batches::by_shape;
use crate::coupling::{Coupling, Group, Member, Side, Unit};
use crate::error::StructureError;
use crate::plan::Plan;
use crate::removal::Certificate;
use crate::settings::add_bias;

/// A model in which neurons have handed over what they fed: nothing reads them any more.
#[derive(Clone, Debug)]
pub struct Folded<M, S> {
    /// The model, still of full size.
    pub model: M,
    /// Path of the weight whose outputs the neurons are.
    pub path: String,
    /// The outputs that can go, in the order in which they were folded.
    pub outputs: Vec<usize>,
    /// What was done, in order. Neurons are numbered as places of their coupled channels, which for
    /// most layers are the outputs.
    pub steps: Vec<S>,
}

impl<M: Module + Prunable, S> Folded<M, S> {
    /// The plan that takes the neurons out of [`model`](Self::model), whose coupled channels it
    /// wants: those of the model before do unless a bias was added.
    ///
    /// # Errors
    ///
    /// Those of [`Plan::remove_outputs`].
    pub fn plan<'a>(&self, coupling: &'a Coupling) -> Result<Plan<'a>, StructureError> {
        let mut plan = Plan::new(coupling);
        plan.remove_outputs(&self.path, &self.outputs)?;
        Ok(plan)
    }

    /// Takes the neurons out.
    ///
    /// # Errors
    ///
    /// Those of [`Coupling::of_model`] and [`Plan::apply`].
    pub fn remove<I, O>(
        &self,
        example: I,
        forward: impl Fn(&M, I) -> O,
    ) -> Result<(M, Certificate), StructureError>
    where
        I: GraphTensors + Clone,
        O: GraphTensors,
    {
        let coupling = Coupling::of_model(&self.model, example.clone(), &forward)?;
        self.plan(&coupling)?.apply(&self.model, example, forward)
    }
}

/// Merges `remove` outputs of a layer into those most like them, without data
/// ([`merge`]): the layer that they feed gets new weights. `layer` is the path of the
/// layer or its weight.
///
/// Between the two may be their bias, an activation, pooling and reshapes, for what is alike has to
/// stay so: with [`Likeness::Directions`] only such as let a positive factor through (ReLU). A norm
/// between them, or a second layer that reads the same outputs, is refused.
///
/// # Errors
///
/// [`RepairError::Unsupported`] where something else is between or beside them, or a mask acts;
/// [`RepairError::Choice`] unless one output is left, those of [`Plan::remove_outputs`] for a layer
/// that there is not or whose outputs have to stay.
pub fn merge_outputs<M: Module + Prunable>(
    model: &M,
    coupling: &Coupling,
    layer: &str,
    likeness: Likeness,
    remove: usize,
) -> Result<Folded<M, Merge>, StructureError> {
    let found = Between::of(coupling, layer)?;
    let (maker, maker_bias) = found.maker(coupling, likeness)?;
    let weights = found.weights(model, &[&maker.path])?;
    let own = weights
        .get(&maker.path)
        .ok_or_else(|| unknown(&maker.path))?;
    let ([_, inputs, taps], values) = maker.view_of(own);
    let each = inputs * taps;
    // A neuron's place among the layer's outputs may be another than in the group.
    let order: Vec<usize> = found.made.iter().flatten().copied().collect();
    let rows = order
        .iter()
        .flat_map(|&out| &values[out * each..(out + 1) * each]);
    let rows: Vec<f64> = rows.copied().collect();
    let biases = maker_bias.and_then(|path| numbers(&weights, &path));
    let biases = biases.map(|all| order.iter().map(|&out| all[out]).collect::<Vec<_>>());
    let neurons = Neurons::new(&maker.path, order.len(), &rows, biases.as_deref())?;
    let mut outgoing = found.outgoing(&weights)?;
    let steps = merge(&neurons, &mut outgoing, likeness, remove)?;
    let mut model = model.clone();
    write_weights(&mut model, &found.written(&weights, &outgoing)?);
    Ok(Folded {
        model,
        outputs: found.outputs(steps.iter().map(|step| step.removed)),
        path: found.path,
        steps,
    })
}

/// Folds `remove` outputs of a layer into those that they rise and fall with on calibration batches
/// ([`noise_out`]): the layer that they feed gets new weights and a new bias, which is added where
/// it has none. `layer` is the path of the layer or its weight.
///
/// Anything may be between the two; of what the outputs are when they are read the correlations
/// are taken. A second layer that reads the same outputs is refused. Where a convolution pads with
/// zeros the bias is not exact at the border.
///
/// # Errors
///
/// [`RepairError::NoBatches`]; those of [`merge_outputs`], and [`StructureError::Graph`].
pub fn fold_outputs<M, I, O>(
    model: &M,
    coupling: &Coupling,
    layer: &str,
    batches: impl IntoIterator<Item = I>,
    forward: impl Fn(&M, I) -> O,
    remove: usize,
) -> Result<Folded<M, Fold>, StructureError>
where
    M: Module + Prunable,
    I: GraphTensors + Clone,
    O: GraphTensors,
{
    let found = Between::of(coupling, layer)?;
    let weights = found.weights(model, &[])?;
    let activity = found.activity(model, batches, forward)?;
    let mut outgoing = found.outgoing(&weights)?;
    let bias_path = found.reader.bias_path();
    let old = numbers(&weights, &bias_path);
    let mut bias = old
        .clone()
        .unwrap_or_else(|| vec![0.0; outgoing.shape()[0]]);
    let steps = noise_out(&activity, &mut outgoing, &mut bias, remove)?;
    let mut model = model.clone();
    let mut written = found.written(&weights, &outgoing)?;
    match old {
        Some(_) => {
            let dtype = weights.get(&bias_path).map(TensorData::dtype);
            let data = TensorData::new(bias.clone(), [bias.len()]);
            written.extend(dtype.map(|dtype| (bias_path, data.convert_dtype(dtype))));
        }
        None if bias.iter().any(|bias| *bias != 0.0) => {
            let layer = found
                .reader
                .path
                .rsplit_once('.')
                .map_or("", |(layer, _)| layer);
            add_bias(&mut model, layer, &bias)?;
        }
        None => {}
    }
    write_weights(&mut model, &written);
    Ok(Folded {
        model,
        outputs: found.outputs(steps.iter().map(|step| step.removed)),
        path: found.path,
        steps,
    })
}

fn unknown(path: &str) -> StructureError {
    StructureError::UnknownParameter { path: path.into() }
}

fn unsupported(path: &str, why: String) -> StructureError {
    RepairError::Unsupported {
        path: path.into(),
        why,
        remedy: "take its outputs out by a plan, and repair what reads them by `Reconstruction`"
            .into(),
    }
    .into()
}

/// The outputs of one layer, and the one layer that reads them.
struct Between<'a> {
    group: &'a Group,
    graph: &'a Graph,
    path: String,
    reader: Reader,
    /// By place of the group the outputs that it is, and the inputs.
    made: Vec<Vec<usize>>,
    read: Vec<Vec<usize>>,
}

impl<'a> Between<'a> {
    fn of(coupling: &'a Coupling, layer: &str) -> Result<Self, StructureError> {
        let (path, dim) = coupling.weight_side(layer, Side::Out)?;
        let size = coupling.shape_of(&path)?[dim];
        let units = coupling.units_at(&path, dim, 0)?;
        let groups = units.iter().filter_map(|unit| coupling.group(unit.axis));
        let groups: Vec<&Group> = groups.collect();
        let group = match groups.as_slice() {
            [group] if group.size == size => *group,
            _ => {
                let why = "its outputs are more than one list of neurons".to_owned();
                return Err(unsupported(&path, why));
            }
        };
        // That its outputs may go is what a plan knows.
        Plan::new(coupling).remove(Unit {
            axis: group.axis,
            place: 0,
        })?;
        let consumers: Vec<&Member> = group.members.iter().filter(|m| m.consumes()).collect();
        let [consumer] = consumers.as_slice() else {
            let names: Vec<&str> = consumers.iter().map(|m| m.path.as_str()).collect();
            let why = match names.is_empty() {
                true => "no layer's weight reads its outputs".to_owned(),
                false => format!("several layers read its outputs: {}", names.join(", ")),
            };
            return Err(unsupported(&path, why));
        };
        let mut readers = Reader::all(coupling.graph()).into_iter();
        let reader = readers.find(|r| r.path == consumer.path && r.in_axis == consumer.dim);
        let reader = reader.filter(|r| r.groups == 1 && r.operations.len() == 1);
        let Some(reader) = reader else {
            let why = format!(
                "what reads its outputs, `{}`, is no linear layer or convolution with one group \
                 that `forward` uses once",
                consumer.path
            );
            return Err(unsupported(&path, why));
        };
        let mut made = group.members.iter();
        let made = made.find(|member| member.path == path && member.dim == dim);
        let made = made.map(|member| places(coupling, group, member));
        Ok(Self {
            graph: coupling.graph(),
            read: places(coupling, group, consumer),
            made: made.unwrap_or_default(),
            group,
            path,
            reader,
        })
    }

    /// The layer that makes the outputs and its bias, if like neurons are alike when they are read.
    fn maker(
        &self,
        coupling: &Coupling,
        likeness: Likeness,
    ) -> Result<(Reader, Option<String>), StructureError> {
        let graph = coupling.graph();
        let mut makers = Reader::all(graph).into_iter();
        let maker = makers.find(|reader| reader.path == self.path);
        let maker = maker.filter(|maker| maker.groups == 1 && maker.operations.len() == 1);
        let Some(maker) = maker else {
            let why =
                "it is no linear layer or convolution with one group that `forward` uses once";
            return Err(unsupported(&self.path, why.into()));
        };
        let bias = maker.bias.as_ref().map(|(path, _)| path.clone());
        let known = |path: &str| {
            path == self.path || path == self.reader.path || Some(path) == bias.as_deref()
        };
        if let Some(other) = self.group.members.iter().find(|m| !known(&m.path)) {
            let why = format!("`{}` treats its outputs differently", other.path);
            return Err(unsupported(&self.path, why));
        }
        let mut pending: Vec<ValueId> = graph.operation(maker.operations[0]).outputs.clone();
        let mut seen: BTreeSet<ValueId> = pending.iter().copied().collect();
        while let Some(value) = pending.pop() {
            for (id, operation) in graph.enumerate() {
                if !operation.inputs.contains(&value) || self.reader.operations.contains(&id) {
                    continue;
                }
                let others = operation.inputs.iter().filter(|&&input| input != value);
                let mut paths = others.map(|&input| graph.parameter(input));
                let alone = paths.all(|path| path.is_some() && path == bias.as_deref());
                if !alone || !passes(&operation.kind, likeness) {
                    let why = format!(
                        "operation {}, {}, comes between it and `{}`",
                        id.0, operation.kind, self.reader.path
                    );
                    return Err(unsupported(&self.path, why));
                }
                pending.extend(operation.outputs.iter().filter(|out| seen.insert(**out)));
            }
        }
        Ok((maker, bias))
    }

    /// All weights, if those that matter are what acts.
    fn weights<M: Module>(&self, model: &M, also: &[&str]) -> Result<Weights, StructureError> {
        for path in also.iter().copied().chain([self.reader.path.as_str()]) {
            check_plain(model, path)?;
        }
        Ok(Weights::of(model))
    }

    fn view(&self, weights: &Weights) -> Result<([usize; 3], Vec<f64>), StructureError> {
        let path = &self.reader.path;
        let data = weights.get(path).ok_or_else(|| unknown(path))?;
        Ok(self.reader.view_of(data))
    }

    /// For each neuron the places of its weights in a row of the reader's view.
    fn columns(&self, taps: usize) -> Vec<Vec<usize>> {
        let inputs = self.read.iter();
        let of = |inputs: &Vec<usize>| {
            let taps = inputs
                .iter()
                .flat_map(|&input| input * taps..(input + 1) * taps);
            taps.collect()
        };
        inputs.map(of).collect()
    }

    fn outgoing(&self, weights: &Weights) -> Result<Outgoing, StructureError> {
        let ([out, inputs, taps], values) = self.view(weights)?;
        let columns = self.columns(taps);
        let each = columns.first().map_or(0, Vec::len);
        let rows = values.chunks_exact((inputs * taps).max(1));
        let gathered = rows.flat_map(|row| columns.iter().flatten().map(|&at| row[at]));
        let shape = [out, columns.len(), each];
        Ok(Outgoing::new(&self.reader.path, shape, gathered.collect())?)
    }

    /// The reader's weight as it is stored.
    fn written(
        &self,
        weights: &Weights,
        outgoing: &Outgoing,
    ) -> Result<BTreeMap<String, TensorData>, StructureError> {
        let path = &self.reader.path;
        let stored = weights.get(path).ok_or_else(|| unknown(path))?;
        let (view, mut values) = self.view(weights)?;
        let columns: Vec<usize> = self.columns(view[2]).into_iter().flatten().collect();
        let rows = values.chunks_exact_mut((view[1] * view[2]).max(1));
        let new = outgoing.weights().chunks_exact(columns.len().max(1));
        for (row, new) in rows.zip(new) {
            for (&at, &value) in columns.iter().zip(new) {
                row[at] = value;
            }
        }
        Ok([(path.clone(), self.reader.stored(view, values, stored))].into())
    }

    /// The layer's outputs that places of the group are.
    fn outputs(&self, places: impl Iterator<Item = usize>) -> Vec<usize> {
        let outputs = places.filter_map(|place| self.made.get(place));
        outputs.flatten().copied().collect()
    }

    /// What the neurons are where they are read.
    fn activity<M, I, O>(
        &self,
        model: &M,
        batches: impl IntoIterator<Item = I>,
        forward: impl Fn(&M, I) -> O,
    ) -> Result<Activity, StructureError>
    where
        M: Module,
        I: GraphTensors + Clone,
        O: GraphTensors,
    {
        let mut activity = Activity::new(&self.path, self.group.size);
        let operation = self.reader.operations[0];
        let is_conv = matches!(self.graph.operation(operation).kind, OpKind::Conv(_));
        let batches = batches.into_iter().map(|batch| (batch, ()));
        let count = by_shape(model, batches, forward, |captured, batches| {
            let readers = Reader::all(captured.graph());
            let mut readers = readers.iter();
            let at = readers.find(|reader| reader.path == self.reader.path);
            let at = at.ok_or_else(|| unknown(&self.reader.path))?.operations[0];
            let mut runner = Runner::new(captured);
            batches.each(|batch, ()| {
                let mut added = Ok(());
                runner.run(batch, |seen| {
                    if seen.id() == at {
                        added = self.add(&mut activity, &seen.input(0), is_conv);
                    }
                })?;
                Ok(added?)
            })
        })?;
        match count {
            0 => Err(RepairError::NoBatches {
                what: "correlations".into(),
            }
            .into()),
            _ => Ok(activity),
        }
    }

    fn add(&self, activity: &mut Activity, x: &TensorData, conv: bool) -> Result<(), RepairError> {
        let shape: Vec<usize> = x.shape().iter().copied().collect();
        let axis = if conv {
            1
        } else {
            shape.len().saturating_sub(1)
        };
        let inner: usize = shape[axis + 1..].iter().product();
        let each = self.read.first().map_or(0, Vec::len);
        let values: Vec<f64> = x.iter::<f64>().collect();
        let mut rows = Vec::with_capacity(values.len());
        for slab in values.chunks_exact((shape[axis] * inner).max(1)) {
            for pixel in 0..inner {
                for nth in 0..each {
                    rows.extend(self.read.iter().map(|at| slab[at[nth] * inner + pixel]));
                }
            }
        }
        activity.add(&rows)
    }
}

/// Whether what is alike before an operation is alike after it.
fn passes(kind: &OpKind, likeness: Likeness) -> bool {
    match kind {
        OpKind::Pool { .. }
        | OpKind::AdaptivePool
        | OpKind::Interpolate
        | OpKind::Reshape
        | OpKind::Permute { .. }
        | OpKind::Cast => true,
        OpKind::Reduce { name, .. } => {
            likeness == Likeness::Weights || name.starts_with("Mean") || name.starts_with("Sum")
        }
        // Positive factors go through these.
        OpKind::Elementwise { name, .. } => {
            let homogeneous = [
                "Relu",
                "LeakyRelu",
                "Add",
                "Abs",
                "Neg",
                "MulScalar",
                "DivScalar",
            ];
            likeness == Likeness::Weights || homogeneous.contains(&name.as_str())
        }
        _ => false,
    }
}
