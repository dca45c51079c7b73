//! Least squares on a model: every layer that lost inputs gets weights that make up for them.

use std::collections::BTreeMap;
use std::fmt;

use burn::module::Module;
use burn::tensor::TensorData;
use secateur_core::layers::Prunable;
use secateur_core::weights::{Weights, write_weights};
use secateur_graph::GraphTensors;
use serde::{Deserialize, Serialize};

use super::RepairError;
use super::least_squares::refit;
use super::reader::{Outputs, Reader, Watch, check_plain, flows, numbers};
use crate::coupling::Coupling;
use crate::cut::Cut;
use crate::error::StructureError;

/// Where the inputs come from that a layer's new weights are fitted to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Inputs {
    /// From the whole model: one pass over the batches for all layers.
    #[default]
    Whole,
    /// From the smaller model as far as it is repaired already, layer by layer as He et al. do: so
    /// each layer makes up for those before it, too. Two passes over the batches a layer.
    Repaired,
}

/// Gives the layers of a smaller model that lost inputs new weights, and biases where they have
/// some, so that they come nearest to what they gave in the whole model on calibration batches (He,
/// Zhang and Sun 2017, arXiv 1707.06168, second step; [`refit`] says what is solved).
///
/// Linear layers, products with a parameter, and convolutions, grouped ones too. The outputs that a
/// layer lost itself are left out of account.
///
/// ```no_run
/// # use burn::module::Module;
/// # use burn::tensor::Tensor;
/// # use secateur_core::layers::Prunable;
/// # use secateur_structure::{coupling::Coupling, error::StructureError, plan::Plan};
/// use secateur_structure::repair::Reconstruction;
///
/// # fn run<Net: Module + Prunable>(
/// #     net: Net, plan: Plan<'_>, example: Tensor<2>, batches: Vec<Tensor<2>>,
/// #     forward: impl Fn(&Net, Tensor<2>) -> Tensor<2> + Copy,
/// # ) -> Result<(), StructureError> {
/// let (mut smaller, certificate) = plan.apply(&net, example, forward)?;
/// let report = Reconstruction::new()
///     .apply(&net, &mut smaller, plan.coupling(), &certificate.cut, batches, forward)?;
/// println!("{report}");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reconstruction {
    damping: f64,
    inputs: Inputs,
    rows: Option<usize>,
}

impl Default for Reconstruction {
    fn default() -> Self {
        Self::new()
    }
}

impl Reconstruction {
    /// With a damping of 1e-4, inputs from the whole model, and all rows.
    #[must_use]
    pub fn new() -> Self {
        Self {
            damping: 1e-4,
            inputs: Inputs::default(),
            rows: None,
        }
    }

    /// Sets the damping, a share of the mean second moment: how much the weights that are left are
    /// drawn towards what they were. More than the rows determine needs some.
    #[must_use]
    pub fn with_damping(mut self, damping: f64) -> Self {
        self.damping = damping;
        self
    }

    /// Sets where the inputs come from.
    #[must_use]
    pub fn with_inputs(mut self, inputs: Inputs) -> Self {
        self.inputs = inputs;
        self
    }

    /// Takes at most so many rows (positions of images, tokens) of each batch and layer, evenly
    /// spaced. He et al. take ten positions an image.
    #[must_use]
    pub fn with_rows_per_batch(mut self, rows: usize) -> Self {
        self.rows = Some(rows);
        self
    }

    /// Repairs `smaller`, which `cut` left of `whole`: [`Certificate::cut`] of the removal.
    ///
    /// Layers that lost inputs and are of no kind named above are left and reported.
    ///
    /// [`Certificate::cut`]: crate::removal::Certificate::cut
    ///
    /// # Errors
    ///
    /// [`RepairError::NoBatches`], [`RepairError::Singular`] where the rows do not determine the
    /// weights, [`RepairError::NotFinite`], [`RepairError::Unsupported`] for a weight under a mask,
    /// [`StructureError::ShapeMismatch`] where `smaller` is not what the cut leaves,
    /// [`StructureError::Graph`] where a model cannot be captured. `smaller` then stays as it was.
    pub fn apply<M, I, O, B>(
        &self,
        whole: &M,
        smaller: &mut M,
        coupling: &Coupling,
        cut: &Cut,
        batches: B,
        forward: impl Fn(&M, I) -> O,
    ) -> Result<Reconstructed, StructureError>
    where
        M: Module + Prunable,
        I: GraphTensors + Clone,
        O: GraphTensors,
        B: IntoIterator<Item = I, IntoIter: Clone>,
    {
        let batches = batches.into_iter();
        let mut report = Reconstructed::default();
        let mut layers = self.layers(whole, smaller, coupling, cut, &mut report)?;
        let mut repaired = smaller.clone();
        match self.inputs {
            Inputs::Whole => {
                let mut failed = None;
                let wanted: Vec<String> = layers.iter().map(|l| l.reader.path.clone()).collect();
                let count = flows(
                    whole,
                    batches,
                    &forward,
                    |path| wanted.iter().any(|wanted| wanted == path),
                    |flow| {
                        let layer = layers.iter_mut().find(|l| l.reader.path == flow.path());
                        if let Some(layer) = layer.filter(|_| failed.is_none()) {
                            let outputs = Outputs::of(flow, layer.biases_inside());
                            failed = layer.watch.add(flow, &outputs, self.rows).err();
                        }
                    },
                )?;
                check(count, failed)?;
                for layer in &layers {
                    report
                        .layers
                        .push(layer.refit(&mut repaired, self.damping)?);
                }
            }
            Inputs::Repaired => {
                for layer in &mut layers {
                    let path = layer.reader.path.clone();
                    let mut outputs = Vec::new();
                    let batches_of = || batches.clone();
                    let count = flows(
                        whole,
                        batches_of(),
                        &forward,
                        |p| p == path,
                        |flow| {
                            outputs.push(Outputs::of(flow, layer.biases_inside()));
                        },
                    )?;
                    let (mut failed, mut nth) = (None, 0);
                    flows(
                        &repaired,
                        batches_of(),
                        &forward,
                        |p| p == path,
                        |flow| {
                            if let Some(outputs) = outputs.get(nth).filter(|_| failed.is_none()) {
                                failed = layer.watch.add(flow, outputs, self.rows).err();
                            }
                            nth += 1;
                        },
                    )?;
                    check(count, failed)?;
                    report
                        .layers
                        .push(layer.refit(&mut repaired, self.damping)?);
                }
            }
        }
        *smaller = repaired;
        Ok(report)
    }

    /// The layers that lost inputs.
    fn layers<M: Module>(
        &self,
        whole: &M,
        smaller: &M,
        coupling: &Coupling,
        cut: &Cut,
        report: &mut Reconstructed,
    ) -> Result<Vec<Layer>, StructureError> {
        let readers = Reader::all(coupling.graph());
        let lost = |path: &str, dim: usize| {
            let kept = cut.params.get(path).and_then(|cut| cut.kept.get(dim));
            kept.is_some_and(Option::is_some)
        };
        let members = coupling.groups().iter().flat_map(|group| &group.members);
        for member in members.filter(|m| m.consumes() && lost(&m.path, m.dim)) {
            let known = readers.iter().any(|reader| reader.path == member.path);
            if !known && report.skipped.iter().all(|(path, _)| *path != member.path) {
                let why = "it is no linear layer, product with a matrix, or convolution";
                report.skipped.push((member.path.clone(), why.into()));
            }
        }
        let (old, new) = (Weights::effective(whole)?, Weights::of(smaller));
        let mut layers = Vec::new();
        for reader in readers.into_iter().filter(|r| lost(&r.path, r.in_axis)) {
            check_plain(smaller, &reader.path)?;
            layers.push(Layer::new(reader, cut, &old, &new, self.inputs)?);
        }
        Ok(layers)
    }
}

fn check(batches: usize, failed: Option<RepairError>) -> Result<(), StructureError> {
    match (batches, failed) {
        (_, Some(error)) => Err(error.into()),
        (0, None) => Err(RepairError::NoBatches {
            what: "new weights".into(),
        }
        .into()),
        _ => Ok(()),
    }
}

/// A layer that lost inputs.
struct Layer {
    reader: Reader,
    watch: Watch,
    /// Biases of the whole layer, zeros where it has none.
    biases: Vec<f64>,
    /// The outputs that stay.
    outputs: Vec<usize>,
    /// Whether the smaller layer has a bias.
    has_bias: bool,
}

impl Layer {
    fn new(
        reader: Reader,
        cut: &Cut,
        old: &Weights,
        new: &Weights,
        inputs: Inputs,
    ) -> Result<Self, StructureError> {
        let unknown = || StructureError::UnknownParameter {
            path: reader.path.clone(),
        };
        let param = cut.params.get(&reader.path).ok_or_else(unknown)?;
        let found = new.get(&reader.path).ok_or_else(unknown)?;
        let found: Vec<usize> = found.shape().iter().copied().collect();
        if found != param.shape_after() || param.shape != reader.shape {
            return Err(StructureError::ShapeMismatch {
                path: reader.path.clone(),
                planned: param.shape_after(),
                lists: param.kept.len(),
                found,
            });
        }
        let [out, count, taps] = reader.view();
        let kept = |dim: usize, size: usize| match &param.kept[dim] {
            Some(places) => places.clone(),
            None => (0..size).collect(),
        };
        let outputs = kept(1 - reader.in_axis, out);
        let features = match inputs {
            Inputs::Whole => kept(reader.in_axis, count),
            Inputs::Repaired => (0..kept(reader.in_axis, count).len()).collect(),
        };
        let features = features
            .into_iter()
            .flat_map(|at| at * taps..(at + 1) * taps);
        let each = (out / reader.groups.max(1)).max(1);
        let mut groups: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for &output in &outputs {
            groups.entry(output / each).or_default().push(output);
        }
        let groups = groups
            .into_iter()
            .enumerate()
            .map(|(nth, (group, outputs))| {
                let group = if inputs == Inputs::Whole { group } else { nth };
                (group, outputs)
            });
        let bias = reader.bias_path();
        let has_bias = new
            .get(&bias)
            .is_some_and(|b| b.num_elements() == outputs.len());
        let biases = reader
            .bias
            .as_ref()
            .and_then(|(path, _)| numbers(old, path));
        Ok(Self {
            watch: Watch::new(&reader.path, features.collect(), has_bias, groups.collect()),
            biases: biases.unwrap_or_else(|| vec![0.0; out]),
            outputs,
            has_bias,
            reader,
        })
    }

    /// Biases that are in what the operation gives.
    fn biases_inside(&self) -> Option<&[f64]> {
        let (_, inside) = self.reader.bias.as_ref()?;
        inside.then_some(self.biases.as_slice())
    }

    /// Solves for the weights and writes them into `model`.
    fn refit<M: Module>(
        &self,
        model: &mut M,
        damping: f64,
    ) -> Result<RepairedLayer, StructureError> {
        let weights = Weights::of(model);
        let unknown = |path: &str| StructureError::UnknownParameter { path: path.into() };
        let (path, bias_path) = (&self.reader.path, self.reader.bias_path());
        let stored = weights.get(path).ok_or_else(|| unknown(path))?;
        let (view, mut values) = self.reader.view_of(stored);
        let features = view[1] * view[2];
        let kept_biases: Vec<f64> = self.outputs.iter().map(|&out| self.biases[out]).collect();
        let mut biases = match self.has_bias {
            true => numbers(&weights, &bias_path).ok_or_else(|| unknown(&bias_path))?,
            false => kept_biases.clone(),
        };
        let mut layer = RepairedLayer {
            path: path.clone(),
            rows: self.watch.rows,
            energy: 0.0,
            before: 0.0,
            after: 0.0,
        };
        let mut first = 0;
        for group in &self.watch.groups {
            let width = features + usize::from(self.has_bias);
            let outs = first..first + group.outputs.len();
            first = outs.end;
            let now: Vec<f64> = outs
                .clone()
                .flat_map(|out| {
                    let row = values[out * features..(out + 1) * features].iter().copied();
                    row.chain(self.has_bias.then(|| biases[out] - kept_biases[out]))
                        .collect::<Vec<_>>()
                })
                .collect();
            let all: Vec<usize> = (0..width).collect();
            let new = refit(&group.moments, &now, &all, damping)?;
            layer.energy += group.moments.energy();
            layer.before += group.moments.error(&now)?;
            layer.after += group.moments.error(&new)?;
            for (out, row) in outs.zip(new.chunks_exact(width)) {
                values[out * features..(out + 1) * features].copy_from_slice(&row[..features]);
                if self.has_bias {
                    biases[out] = kept_biases[out] + row[features];
                }
            }
        }
        let mut written = BTreeMap::new();
        if self.has_bias {
            let dtype = weights
                .get(&bias_path)
                .map_or(stored.dtype(), TensorData::dtype);
            let data = TensorData::new(biases, [self.outputs.len()]).convert_dtype(dtype);
            written.insert(bias_path, data);
        }
        written.insert(path.clone(), self.reader.stored(view, values, stored));
        write_weights(model, &written);
        Ok(layer)
    }
}

/// A layer that was repaired. Errors are sums of squares over rows and outputs, in the units of
/// [`energy`](Self::energy).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RepairedLayer {
    /// Path of its weight.
    pub path: String,
    /// Rows that its weights were fitted to.
    pub rows: usize,
    /// What it gave in the whole model, without its bias: `Σ ‖y‖²`.
    pub energy: f64,
    /// `Σ ‖y - y'‖²` before the repair.
    pub before: f64,
    /// The same afterwards.
    pub after: f64,
}

/// What a [`Reconstruction`] did.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Reconstructed {
    /// The layers with new weights, in the order of `forward`.
    pub layers: Vec<RepairedLayer>,
    /// Paths of the weights that lost inputs and are as they were, and why.
    pub skipped: Vec<(String, String)>,
}

impl fmt::Display for Reconstructed {
    /// A line for each layer, errors as shares of what it gave.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.layers.iter().map(|layer| layer.path.len()).max();
        let width = width.unwrap_or(0).max("layer".len());
        write!(
            f,
            "{:<width$}  {:>8}  {:>9}  {:>9}",
            "layer", "rows", "before", "after"
        )?;
        for layer in &self.layers {
            let share = |error: f64| error / layer.energy.max(f64::MIN_POSITIVE);
            let (before, after) = (share(layer.before), share(layer.after));
            let (path, rows) = (&layer.path, layer.rows);
            write!(
                f,
                "\n{path:<width$}  {rows:>8}  {before:>9.2e}  {after:>9.2e}"
            )?;
        }
        for (path, why) in &self.skipped {
            write!(f, "\n{path}: as it was, because {why}")?;
        }
        Ok(())
    }
}
