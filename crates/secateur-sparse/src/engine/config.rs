//! How an engine is made.

use std::path::Path;

use burn::module::Module;
use secateur_graph::{GraphTensors, ModelGraph};
use secateur_kernels::CostModel;

use super::batch::MORE;
use super::layer::{Choosing, Layer};
use super::lower::{Lowered, lower};
use super::{SparseEngine, file};
use crate::error::SparseError;

/// How an engine is made: its threads, and what its choices rest on.
#[derive(Clone, Debug)]
pub struct EngineConfig {
    threads: usize,
    choosing: Choosing,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self::new()
    }
}

impl EngineConfig {
    /// One thread, and the cost model measured on this machine.
    #[must_use]
    pub fn new() -> Self {
        Self {
            threads: 1,
            choosing: Choosing::default(),
        }
    }

    /// Uses so many threads of the engine's own; one is the thread that calls `run`. Results are the
    /// same bit for bit at any number.
    #[must_use]
    pub fn with_threads(mut self, threads: usize) -> Self {
        self.threads = threads.max(1);
        self
    }

    /// Chooses formats by `model` instead; with [`CostModel::table`] the choice is the same on
    /// every run.
    #[must_use]
    pub fn with_cost_model(mut self, model: CostModel) -> Self {
        self.choosing.model = Some(model);
        self
    }

    /// Chooses formats by trying those that the cost model thinks well of, and dense, on the
    /// weights themselves: some hundredths of a second a layer, and the choice may differ from run
    /// to run. For models that are compiled once and run often.
    #[must_use]
    pub fn measured(mut self) -> Self {
        self.choosing.measured = true;
        self
    }

    /// Compiles a model: [`SparseEngine::compile`] with these settings.
    ///
    /// # Errors
    ///
    /// As [`SparseEngine::compile`].
    pub fn compile<M, I, O>(
        &self,
        model: &M,
        example: I,
        forward: impl Fn(&M, I) -> O,
    ) -> Result<SparseEngine, SparseError>
    where
        M: Module,
        I: GraphTensors + Clone,
        O: GraphTensors,
    {
        let captured = ModelGraph::capture(model, example.clone(), &forward)?;
        // A forward pass that cannot take another batch is no error: it runs with this one alone.
        let [next, far] = MORE
            .map(|more| ModelGraph::capture(model, example.clone().extended(more), &forward).ok());
        let larger = next.zip(far).map(|(next, far)| [next, far]);
        let Lowered { plan, weights } = lower(&captured, larger.as_ref())?;
        let layers = weights
            .into_iter()
            .map(|weight| Layer::pack(weight, &self.choosing))
            .collect::<Result<_, _>>()?;
        let engine = SparseEngine::new(plan, layers, self.threads)?;
        engine.try_out()?;
        Ok(engine)
    }

    /// Reads an engine from a file: [`SparseEngine::load`] with these settings.
    ///
    /// # Errors
    ///
    /// As [`SparseEngine::load`].
    pub fn load(&self, path: impl AsRef<Path>) -> Result<SparseEngine, SparseError> {
        let (plan, layers) = file::load(path.as_ref(), &self.choosing)?;
        SparseEngine::new(plan, layers, self.threads)
    }
}
