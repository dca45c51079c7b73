//! Feeding signals: gradients of batches, of single examples, and of changed copies.

use std::{cell::LazyCell, collections::HashMap};

use burn::{Tensor, module::Module, optim::GradientsParams};

use super::{Pruner, mask_in_view};
use crate::{
    attach::read_masks,
    error::PruneError,
    signal::{CurrentMask, LazyMask, Observed, Observes, Signal},
    view::View,
    weights::{to_f32, visit_floats},
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
        let needs_weight = signals.iter().any(|signal| signal.needs_weight());
        let mut store = self.signals.clone();
        let mut result = Ok(());
        visit_floats(model, |path, tensor| {
            let Some(&index) = index_of.get(path) else {
                return;
            };
            if result.is_err() {
                return;
            }
            result = (|| {
                if !tensor.is_trained() {
                    return Err(PruneError::MissingGradient {
                        path: path.into(),
                        why: "it is frozen; unfreeze it, skip it, or choose a scorer without \
                              gradients"
                            .into(),
                    });
                }
                let view = View::new(&tensor.dims(), self.params[index].layout);
                let gradient = match tensor.gradient(grads) {
                    Some(data) => view.into_view(to_f32(path, &data)?),
                    None => vec![0.0; view.len()],
                };
                let weight = if needs_weight {
                    view.into_view(to_f32(path, &tensor.data())?)
                } else {
                    Vec::new()
                };
                let read = || mask_in_view(view, attached.get(path));
                let mask = LazyMask::new(&read);
                let seen = Observed {
                    path,
                    weight: &weight,
                    gradient: &gradient,
                    step: self.last_step.map_or(0, |last| last + 1),
                    probe,
                    mask: CurrentMask::Attached(&mask),
                };
                for signal in &signals {
                    store.update(&**signal as &dyn Signal, &seen);
                }
                Ok(())
            })();
        });
        result?;
        self.signals = store;
        Ok(())
    }
}
