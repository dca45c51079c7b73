//! The model that Burn's `Learner` trains: a net and its pruner.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use burn::module::Module;
use burn::nn::loss::CrossEntropyLossConfig;
use burn::optim::lr_scheduler::module_lr_scheduler::ModuleLearningRate;
use burn::optim::{GradientsParams, ModuleOptimizer, MultiGradientsParams};
use burn::train::{ClassificationOutput, InferenceStep, TrainOutput, TrainStep};
use secateur_examples::data::Batch;
use secateur_examples::nets::{Classifier, SmallConv};

use crate::output::PrunedOutput;
use crate::pruning::Pruning;

/// A net that is pruned while it learns.
///
/// Burn clones the model for every step and takes it apart for its records. The field with the
/// pruner is skipped by records and shared by all clones, so there is one pruner a run.
#[derive(Module, Debug)]
pub(crate) struct PrunedNet {
    pub net: SmallConv,
    #[module(skip)]
    pub pruning: Arc<Mutex<Pruning>>,
}

impl PrunedNet {
    pub(crate) fn new(net: SmallConv, pruning: Pruning) -> Self {
        Self {
            net,
            pruning: Arc::new(Mutex::new(pruning)),
        }
    }

    /// The pruner and what goes with it.
    pub(crate) fn pruning(&self) -> MutexGuard<'_, Pruning> {
        lock(&self.pruning)
    }

    fn classify(&self, batch: Batch) -> PrunedOutput {
        let logits = self.net.forward(batch.images);
        let loss = CrossEntropyLossConfig::new()
            .init(&logits.device())
            .forward(logits.clone(), batch.labels.clone());
        PrunedOutput {
            classes: ClassificationOutput::new(loss, logits, batch.labels),
            sparsity: self.pruning().sparsity(&self.net),
        }
    }
}

/// A panic elsewhere leaves the pruner as it was before the call that panicked.
fn lock(pruning: &Mutex<Pruning>) -> MutexGuard<'_, Pruning> {
    pruning.lock().unwrap_or_else(PoisonError::into_inner)
}

impl TrainStep for PrunedNet {
    type Input = Batch;
    type Output = PrunedOutput;

    fn step(&self, batch: Batch) -> TrainOutput<PrunedOutput> {
        let output = self.classify(batch);
        TrainOutput::new(self, output.classes.loss.backward(), output)
    }

    /// The place where pruning joins in.
    fn optimize(
        mut self,
        optimizer: &mut ModuleOptimizer,
        rate: ModuleLearningRate,
        gradients: GradientsParams,
    ) -> Self {
        let pruning = Arc::clone(&self.pruning);
        self.net = lock(&pruning).optimize(self.net, gradients, |net, gradients| {
            optimizer.step(rate, net, gradients)
        });
        self
    }

    /// Several devices would train on unpruned here, in silence, without this.
    fn optimize_multi(
        self,
        _optimizer: &mut ModuleOptimizer,
        _rate: ModuleLearningRate,
        _gradients: MultiGradientsParams,
    ) -> Self {
        self.pruning().refuse_several_devices();
        self
    }
}

impl InferenceStep for PrunedNet {
    type Input = Batch;
    type Output = PrunedOutput;

    fn step(&self, batch: Batch) -> PrunedOutput {
        self.classify(batch)
    }
}
