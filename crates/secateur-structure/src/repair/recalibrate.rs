//! Running statistics of batch norms, taken anew after what runs through them has changed.

use std::collections::BTreeMap;
use std::fmt;

use burn::Tensor;
use burn::module::{Flag, Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::TensorData;
use secateur_core::layers::{LayerMut, Prunable, layers_mut};
use secateur_core::weights::write_weights;
use secateur_graph::GraphTensors;

use super::RepairError;
use crate::cut::Cut;
use crate::error::StructureError;
use crate::slice::slice_params;

/// What [`recalibrate`] did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recalibrated {
    /// Number of batches.
    pub batches: usize,
    /// Paths of the batch norms that have new statistics.
    pub norms: Vec<String>,
    /// Paths of those that keep theirs, because they are frozen.
    pub frozen: Vec<String>,
}

impl fmt::Display for Recalibrated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (norms, batches) = (self.norms.len(), self.batches);
        write!(f, "{norms} batch norms recalibrated on {batches} batches")?;
        match self.frozen.len() {
            0 => Ok(()),
            frozen => write!(f, ", {frozen} frozen"),
        }
    }
}

/// Gives a model's batch norms new running statistics: the plain mean over `batches` of each batch's
/// mean and variance, `r_k = (1 - 1/k) r_{k-1} + (1/k) b_k` from the first batch on (Wu and Johnson
/// 2021, *Rethinking "Batch" in BatchNorm*, arXiv 2105.07576, section 3; PyTorch's
/// `momentum=None`). What was there before does not count.
///
/// `forward` is the user's own, run as in training, so that each norm sees what the norms before it
/// make of the batch; the statistics are those that Burn's `BatchNorm` takes, with the variance over
/// all elements of a channel. Dropout and other layers with a training flag let everything through,
/// for the statistics serve inference. Weights, momenta and flags stay as they are, and other copies
/// of the model keep their statistics. A norm that was [frozen](Module::freeze) keeps its own.
///
/// The model may be on an autodiff device or not; batches are moved to where it is. Pass batches as
/// large as those of training: the mean of the variances of small ones is too small. Of a norm that
/// `forward` uses several times the last use counts more than the ones before; one that it does not
/// use keeps its statistics.
///
/// Cost: one forward pass a batch.
///
/// # Errors
///
/// [`RepairError::NoBatches`] without a batch, [`RepairError::NotFinite`] where statistics are
/// infinite or NaN. `model` then stays as it was. A panic of `forward` is passed on, and `model`
/// stays as it was, too.
pub fn recalibrate<M, I, O>(
    model: &mut M,
    batches: impl IntoIterator<Item = I>,
    forward: impl Fn(&M, I) -> O,
) -> Result<Recalibrated, StructureError>
where
    M: Module + Prunable,
    I: GraphTensors,
{
    let mut done = Recalibrated::default();
    // `valid` gives statistics of its own, `train` the flags and tensors of training.
    let mut copy = model.valid().train().no_grad();
    let device = copy.devices().into_iter().next();
    for (path, layer) in layers_mut(&mut copy).iter() {
        if let LayerMut::BatchNorm(norm) = layer {
            let norms = match norm.training.is_enabled() {
                true => &mut done.norms,
                false => &mut done.frozen,
            };
            norms.push(path.to_owned());
        }
    }
    copy = copy.map(&mut Flags(false));
    for (path, layer) in layers_mut(&mut copy).iter_mut() {
        if let LayerMut::BatchNorm(norm) = layer
            && done.norms.iter().any(|known| known == path)
        {
            norm.training = norm.training.clone().map(|flag| flag.with(true));
            // Infinities of before would outlast a momentum of 1. No variance is negative: that
            // tells which norms `forward` does not use.
            norm.running_mean = norm.running_mean.clone().map(&mut Constant(0.0));
            norm.running_var = norm.running_var.clone().map(&mut Constant(UNUSED));
        }
    }
    for batch in batches {
        done.batches += 1;
        for (_, layer) in layers_mut(&mut copy).iter_mut() {
            if let LayerMut::BatchNorm(norm) = layer {
                norm.momentum = 1.0 / done.batches as f64;
            }
        }
        let batch = match &device {
            Some(device) => batch.to_device(device),
            None => batch,
        };
        // A move leaves it to a tensor whether it has gradients.
        forward(&copy, batch.with_autodiff());
    }
    if done.batches == 0 {
        return Err(RepairError::NoBatches {
            what: "running statistics".into(),
        }
        .into());
    }
    let mut statistics = Statistics::of(&copy.valid(), &done.norms).found;
    let seen = |norm: &String| {
        let variance = statistics.get(&below(norm, "running_var"));
        variance.is_some_and(|data| data.iter::<f64>().all(|value| value != UNUSED))
    };
    done.norms = done
        .norms
        .iter()
        .filter(|norm| seen(norm))
        .cloned()
        .collect();
    statistics.retain(|path, _| {
        let names = ["running_mean", "running_var"];
        let mut norms = done.norms.iter();
        norms.any(|norm| names.iter().any(|name| below(norm, name) == *path))
    });
    for (path, data) in &statistics {
        if data.iter::<f64>().any(|value| !value.is_finite()) {
            return Err(RepairError::NotFinite {
                path: path.clone(),
                what: "the new running statistics".into(),
            }
            .into());
        }
    }
    let mut fresh = slice_params(model, &Cut::default())?;
    write_weights(&mut fresh, &statistics);
    *model = fresh;
    Ok(done)
}

/// The path of a layer's parameter.
fn below(layer: &str, name: &str) -> String {
    match layer {
        "" => name.to_owned(),
        layer => format!("{layer}.{name}"),
    }
}

/// Sets the training flag of every layer.
struct Flags(bool);

impl ModuleMapper for Flags {
    fn map_flag(&mut self, flag: Param<Flag>) -> Param<Flag> {
        flag.map(|flag| flag.with(self.0))
    }
}

/// The variance of a norm that has seen nothing yet.
const UNUSED: f64 = -1.0;

/// Every element the same.
struct Constant(f64);

impl ModuleMapper for Constant {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.map(|tensor| tensor.full_like(self.0))
    }
}

/// Running means and variances by path.
struct Statistics<'a> {
    path: Vec<String>,
    norms: &'a [String],
    found: BTreeMap<String, TensorData>,
}

impl<'a> Statistics<'a> {
    fn of<M: Module>(model: &M, norms: &'a [String]) -> Self {
        let mut statistics = Self {
            path: Vec::new(),
            norms,
            found: BTreeMap::new(),
        };
        model.visit(&mut statistics);
        statistics
    }
}

impl ModuleVisitor for Statistics<'_> {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.into());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let Some((name, layer)) = self.path.split_last() else {
            return;
        };
        let is_statistic = name == "running_mean" || name == "running_var";
        if is_statistic && self.norms.contains(&layer.join(".")) {
            let data = param.val().into_data();
            self.found.insert(self.path.join("."), data);
        }
    }
}
