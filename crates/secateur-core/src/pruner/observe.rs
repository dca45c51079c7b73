//! Feeding signals: gradients of batches, of single examples, and of changed copies; what flows
//! through the layers.

use std::{borrow::Cow, cell::LazyCell, collections::HashMap};

use burn::{Tensor, module::Module, optim::GradientsParams, tensor::TensorData};

use super::{Pruned, Pruner, mask_in_view};
use crate::{
    attach::read_masks,
    error::PruneError,
    flow::Flow,
    signal::{CurrentMask, LazyMask, Observed, Observes, Signal},
    view::View,
    weights::{FloatParam, as_f32, check_dtype, visit_floats},
};

impl Pruner {
    /// Feeds the gradients of one batch to the signals that the scorer asked for. Does nothing
    /// when it asked for none.
    ///
    /// Signals that want single examples (Fisher) are not fed: use
    /// [`observe_examples`](Self::observe_examples).
    ///
    /// # Errors
    /// [`PruneError::MissingGradient`] for a pruned parameter that is frozen. A parameter that
    /// the loss does not depend on counts as having gradient zero.
    pub fn observe<M: Module>(
        &mut self,
        model: &M,
        grads: &GradientsParams,
    ) -> Result<(), PruneError> {
        self.feed(model, grads, Observes::Batches, false)
    }

    /// Runs `loss` on one example at a time and feeds each example's gradients. Returns how many
    /// examples there were.
    ///
    /// The result does not depend on how the examples were batched before. `loss` returns one
    /// element.
    ///
    /// # Errors
    /// As [`observe`](Self::observe).
    pub fn observe_examples<M: Module, E>(
        &mut self,
        model: &M,
        examples: impl IntoIterator<Item = E>,
        loss: impl Fn(&M, E) -> Tensor<1>,
    ) -> Result<usize, PruneError> {
        let mut seen = 0;
        let mut fed = self.clone();
        for example in examples {
            let grads = GradientsParams::from_grads(loss(model, example).backward(), model);
            fed.feed(model, &grads, Observes::Examples, false)?;
            seen += 1;
        }
        *self = fed;
        Ok(seen)
    }

    /// Feeds weights and gradients of a changed copy of the model: SynFlow's model of absolute
    /// weights, the second point of a difference quotient. Signals see
    /// [`Observed::probe`] set.
    ///
    /// # Errors
    /// As [`observe`](Self::observe).
    pub fn observe_with<M: Module>(
        &mut self,
        probe: &M,
        grads: &GradientsParams,
    ) -> Result<(), PruneError> {
        self.feed(probe, grads, Observes::Batches, true)
    }

    /// Feeds what a batch sent through one layer to the signals that scorer or selector asked for,
    /// and says whether it has fed any. The taps of `secateur-graph` call it for every layer of a
    /// captured model; a layer used several times feeds one state.
    ///
    /// A flow of a parameter that is not pruned, or that does not fit its view, feeds nothing.
    pub fn observe_flow(&mut self, flow: &Flow<'_>) -> bool {
        let signals = self.signals.fed_by(Observes::Flows);
        let Some(param) = self.flow_param(flow.path()) else {
            return false;
        };
        // A column-major linear shows its view the other way round until it is initialised.
        let [out, input, kernel] = param.info.shape;
        let turned = (param.info.layer == "Linear").then_some([input, out, kernel]);
        let mut shapes = std::iter::once(param.info.shape).chain(turned);
        if !shapes.any(|shape| flow.fits(shape, param.layout.in_axis())) {
            return false;
        }
        let path = param.info.path.clone();
        for signal in &signals {
            self.signals.update_flow(&**signal, &path, flow);
        }
        !signals.is_empty()
    }

    /// Whether [`observe_flow`](Self::observe_flow) has a use for what flows through the layer of
    /// the parameter at `path`.
    pub fn wants_flow(&self, path: &str) -> bool {
        !self.signals.fed_by(Observes::Flows).is_empty() && self.flow_param(path).is_some()
    }

    /// The pruned parameter at `path`, or tied to it.
    fn flow_param(&self, path: &str) -> Option<&Pruned> {
        self.params
            .iter()
            .find(|param| param.info.path == path || param.tied.iter().any(|tied| tied == path))
    }

    fn feed<M: Module>(
        &mut self,
        model: &M,
        grads: &GradientsParams,
        kind: Observes,
        probe: bool,
    ) -> Result<(), PruneError> {
        let signals = self.signals.fed_by(kind);
        if signals.is_empty() {
            return Ok(());
        }
        self.table_of(model)?;
        let attached = LazyCell::new(|| read_masks(model));
        let index_of: HashMap<&str, usize> = self
            .params
            .iter()
            .enumerate()
            .map(|(index, param)| (param.info.path.as_str(), index))
            .collect();
        let states = &mut self.signals;
        let needs_weight = signals.iter().any(|signal| signal.needs_weight());
        let pruned = |each: &mut dyn FnMut(&str, &dyn FloatParam, View)| {
            visit_floats(model, |path, tensor| {
                if let Some(&index) = index_of.get(path) {
                    let view = View::new(&tensor.dims(), self.params[index].layout);
                    each(path, tensor, view);
                }
            });
        };
        // All is checked before anything is fed, so that an error leaves the signals as they were.
        let mut result = Ok(());
        pruned(&mut |path, tensor, _| {
            result = std::mem::replace(&mut result, Ok(())).and_then(|()| observable(path, tensor));
        });
        result?;
        let mut result = Ok(());
        let step = self.last_step.map_or(0, |last| last + 1);
        pruned(&mut |path, tensor, view| {
            let mut feed = || {
                let gradient = match tensor.gradient(grads, &view) {
                    Some(gradient) => gradient,
                    None => TensorData::zeros::<f32, _>([view.len()]),
                };
                let weight = needs_weight.then(|| tensor.seen(&view));
                let mask = || mask_in_view(view, attached.get(path));
                let seen = Observed {
                    path,
                    weight: &match &weight {
                        Some(weight) => as_f32(path, weight)?,
                        None => Cow::Borrowed(&[][..]),
                    },
                    gradient: &as_f32(path, &gradient)?,
                    step,
                    probe,
                    mask: CurrentMask::Attached(&LazyMask::new(&mask)),
                };
                for signal in &signals {
                    states.update(&**signal as &dyn Signal, &seen);
                }
                Ok(())
            };
            if result.is_ok() {
                result = feed();
            }
        });
        result
    }
}

/// Whether gradients of this parameter can be fed.
fn observable(path: &str, tensor: &dyn FloatParam) -> Result<(), PruneError> {
    if !tensor.is_trained() {
        return Err(PruneError::MissingGradient {
            path: path.into(),
            why: "it is frozen; unfreeze it, skip it, or choose a scorer without gradients".into(),
        });
    }
    check_dtype(path, tensor.dtype())
}
