//! Stopping and resuming: what a pruner remembers, saved beside the model's record.

use std::{collections::BTreeMap, path::Path};

use burn::tensor::TensorData;
use serde::{Deserialize, Serialize};

use super::{Asked, Pruner};
use crate::{error::PruneError, pack::Container, signal::SignalState};

const KIND: &str = "pruner state";
const VERSION: u32 = 1;

/// Everything of a pruner's state that is not a tensor.
#[derive(Serialize, Deserialize)]
struct Body {
    last_step: Option<usize>,
    seed: u64,
    params: Vec<(String, usize)>,
    asked: BTreeMap<String, Asked>,
    /// Signal name, parameter path, observations; the sums are tensors `0`, `1`, ... in order.
    signals: Vec<(String, String, u64)>,
}

impl Pruner {
    /// Saves step, signals and seed, atomically. The masks are in the model's own record.
    ///
    /// # Errors
    /// [`PruneError::Io`].
    pub fn save_state(&self, file: impl AsRef<Path>) -> Result<(), PruneError> {
        let mut signals = Vec::new();
        let mut tensors = Vec::new();
        for (index, ((signal, path), state)) in self.signals.iter().enumerate() {
            signals.push((signal.clone(), path.clone(), state.observations));
            let data = TensorData::new(state.sum.clone(), [state.sum.len()]);
            tensors.push((index.to_string(), data));
        }
        let body = Body {
            last_step: self.last_step,
            seed: self.config.seed,
            params: self
                .params()
                .map(|info| (info.path.clone(), info.len()))
                .collect(),
            asked: self.asked.clone(),
            signals,
        };
        let body = serde_json::to_string(&body).map_err(|error| PruneError::Io {
            action: "encode",
            file: file.as_ref().into(),
            why: error.to_string(),
        })?;
        Container::new(KIND, VERSION)
            .with_body(body)
            .with_tensors(tensors)
            .save(file.as_ref())
    }

    /// Takes over a saved state, so that the run goes on as one that never stopped. The pruner
    /// must be configured as the one that saved it, and the model loaded from the record that was
    /// saved with it.
    ///
    /// # Errors
    /// [`PruneError::Io`], [`PruneError::CorruptFile`], [`PruneError::FileVersion`], and
    /// [`PruneError::ModelChanged`] for the state of another model.
    pub fn load_state(&mut self, file: impl AsRef<Path>) -> Result<(), PruneError> {
        let file = file.as_ref();
        let mut container = Container::load(file, KIND, VERSION)?;
        let corrupt = |why: String| PruneError::CorruptFile {
            file: file.display().to_string(),
            kind: KIND.into(),
            why,
        };
        let body: Body =
            serde_json::from_str(&container.body).map_err(|error| corrupt(error.to_string()))?;
        let own: Vec<_> = self
            .params()
            .map(|info| (info.path.clone(), info.len()))
            .collect();
        if let Some((path, len)) = body.params.iter().find(|param| !own.contains(param)) {
            return Err(PruneError::ModelChanged {
                path: path.clone(),
                why: format!("the saved state prunes it with {len} elements, this pruner does not"),
            });
        }
        if let Some((path, _)) = own.iter().find(|param| !body.params.contains(param)) {
            return Err(PruneError::ModelChanged {
                path: path.clone(),
                why: "this pruner prunes it, the saved state does not".into(),
            });
        }
        let mut signals = self.signals.clone();
        for (index, (signal, path, observations)) in body.signals.into_iter().enumerate() {
            let data = container
                .tensors
                .remove(&index.to_string())
                .ok_or_else(|| corrupt(format!("the {signal} of `{path}` is missing")))?;
            let sum = data
                .as_slice::<f64>()
                .map_err(|error| corrupt(format!("{error:?}")))?
                .to_vec();
            signals.insert(signal, path, SignalState { sum, observations });
        }
        self.signals = signals;
        self.config.seed = body.seed;
        self.last_step = body.last_step;
        self.asked = body.asked;
        self.undo = None;
        Ok(())
    }
}
