//! How each net is trained from scratch here.

use secateur_examples::training::Recipe;

use crate::job::{Job, Net};

/// The full training of `job`'s net.
pub(crate) fn from_scratch(job: &Job) -> Recipe {
    match job.net {
        Net::LeNet300 => Recipe::from_scratch(job.epochs),
        // A rate of 0.1 makes the convolutions diverge.
        Net::LeNet5 => Recipe::from_scratch(job.epochs).with_learning_rate(0.02),
    }
}
