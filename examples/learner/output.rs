//! What a step hands to the metrics.

use burn::tensor::ExecutionError;
use burn::train::ClassificationOutput;
use burn::train::metric::{AccuracyInput, Adaptor, ItemLazy, LossInput};

use crate::sparsity::SparsityInput;

/// Burn's output of a classifier, and the sparsity that the net had in this step.
///
/// A metric's input is made from a step's output by an [`Adaptor`], one for each metric.
pub(crate) struct PrunedOutput {
    pub classes: ClassificationOutput,
    /// Share of zeros among the pruned parameters, 0 to 1.
    pub sparsity: f64,
}

impl ItemLazy for PrunedOutput {
    fn sync(self) -> Result<Self, ExecutionError> {
        Ok(Self {
            classes: self.classes.sync()?,
            ..self
        })
    }
}

impl Adaptor<LossInput> for PrunedOutput {
    fn adapt(&self) -> LossInput {
        self.classes.adapt()
    }
}

impl Adaptor<AccuracyInput> for PrunedOutput {
    fn adapt(&self) -> AccuracyInput {
        self.classes.adapt()
    }
}

impl Adaptor<SparsityInput> for PrunedOutput {
    fn adapt(&self) -> SparsityInput {
        SparsityInput(self.sparsity)
    }
}
