//! One result.

use secateur_examples::data::{Data, Official};
use secateur_examples::nets::{Classifier, LayerWeights, count_weights};
use secateur_examples::training::Student;
use serde::{Deserialize, Serialize};

use crate::job::Job;
use crate::method::Method;

/// One trained net and its error.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Row {
    /// `mnist` or `fashion-mnist`.
    pub dataset: String,
    /// `lenet-300-100` or `lenet-5`.
    pub net: String,
    /// The method's name on the command line.
    pub method: String,
    /// The share of zeros asked for, 0 to 1.
    pub sparsity: f64,
    /// Weights of the finished net that are not zero, biases not counted.
    pub kept: usize,
    /// All weights, biases not counted.
    pub total: usize,
    /// Epochs of training behind this net, retraining included.
    pub epochs: usize,
    /// The seed of initial weights and image order.
    pub seed: u64,
    /// Wrong answers on the 10,000 official test images, in percent; of `ticket-fresh` the mean
    /// over three nets.
    pub error: f64,
}

impl Row {
    /// Whether both rows are of the same net, trained the same way from the same seed.
    pub(crate) fn is_same_run(&self, other: &Self) -> bool {
        let run = |row: &Self| (row.sparsity.to_bits(), row.epochs, row.seed);
        let named = |row: &Self| [&row.dataset, &row.net, &row.method].map(String::clone);
        run(self) == run(other) && named(self) == named(other)
    }

    /// Judges a finished net.
    pub(crate) fn judge<M: Classifier>(
        job: &Job,
        method: Method,
        sparsity: f64,
        epochs: usize,
        student: &Student<M, Official>,
        data: &Data<Official>,
    ) -> Self {
        let weights = LayerWeights::all(&count_weights(student.model()));
        Self {
            dataset: job.dataset.to_string(),
            net: job.net.to_string(),
            method: method.to_string(),
            sparsity,
            kept: weights.kept,
            total: weights.total,
            epochs,
            seed: job.seed,
            error: student.error_percent(&data.test),
        }
    }
}
