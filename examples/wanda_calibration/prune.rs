//! Layer after layer: each is calibrated with what the pruned layers before it give.

use burn::tensor::{Device, Tensor};
use secateur::graph::{InputGram, ModelGraph, Taps};
use secateur::prelude::*;
use secateur_examples::Result;
use secateur_examples::data::ColourSamples;
use secateur_examples::nets::ResNet;

use crate::measure::relative_error;
use crate::method::Method;

/// Images of a calibration batch.
const AT_ONCE: usize = 64;

/// Batches of one size, which is what a captured model runs.
pub(crate) struct Calibration(Vec<Tensor<4>>);

impl Calibration {
    /// Of images `AT_ONCE` at a time, of all at once where there are fewer; those that do not fill
    /// a last batch are left out.
    pub(crate) fn new(images: &ColourSamples, device: &Device) -> Self {
        let size = images.len().clamp(1, AT_ONCE);
        let batches = images.batches(size, device).map(|batch| batch.images);
        Self(batches.filter(|images| images.dims()[0] == size).collect())
    }

    pub(crate) fn images(&self) -> usize {
        self.0.iter().map(|images| images.dims()[0]).sum()
    }
}

/// A pruned net and what its layers' outputs lost.
pub(crate) struct Outcome {
    pub net: ResNet,
    /// For each layer `‖WX - W'X‖² / ‖WX‖²` over the inputs that it was calibrated with.
    pub errors: Vec<f64>,
}

impl Outcome {
    pub(crate) fn mean_error(&self) -> f64 {
        self.errors.iter().sum::<f64>() / self.errors.len().max(1) as f64
    }
}

/// A copy of `net` in which every layer has lost the share `sparsity` of its weights.
pub(crate) fn pruned(
    net: &ResNet,
    method: Method,
    sparsity: f64,
    calibration: &Calibration,
) -> Result<Outcome> {
    let mut net = net.clone();
    let all = method.config(sparsity).init_module(&net)?;
    let mut errors = Vec::new();
    for layer in all.params() {
        let config = method.config(sparsity).with_only([&layer.path]);
        let mut pruner = config.init_module(&net)?;

        // The net as it is now: the layers before this one are pruned already.
        let example = calibration.0[0].clone();
        let captured = ModelGraph::capture(&net, example, ResNet::forward)?;
        let mut taps = Taps::new(&captured);
        let mut moments = Vec::new();
        for images in &calibration.0 {
            let this = |path: &str| path == layer.path;
            taps.run_where(images.clone(), this, |flow| {
                // `taps.observe(&mut pruner, images)` would do, were it not for the error below.
                pruner.observe_flow(flow);
                InputGram.update_flow(&mut moments, flow);
            })?;
        }

        let before = Weights::of(&net);
        pruner.prune(&mut net, 0)?;
        pruner.finish(&mut net)?;
        errors.push(relative_error(layer, &before, &Weights::of(&net), &moments));
    }
    Ok(Outcome { net, errors })
}
