//! How each net is trained from scratch here.

use secateur_examples::training::Recipe;

use crate::job::{Job, Net};

/// The full training of `job`'s net.
pub(crate) fn from_scratch(job: &Job) -> Recipe {
    match job.net {
        Net::LeNet300 => Recipe::from_scratch(job.epochs),
        // The recipe is for LeNet-300-100; these rates are ours, set after a few trials. In five
        // epochs a net that is pruned until 75 % of the steps has to learn until then.
        Net::LeNet5 => Recipe::from_scratch(job.epochs)
            .with_learning_rate(0.05)
            .with_drops([0.8, 0.95]),
    }
}

/// Retraining after a cut: a constant tenth of the net's learning rate (Han et al. 2015).
pub(crate) fn retrain(job: &Job, epochs: usize) -> Recipe {
    let rate = from_scratch(job).learning_rate / 10.0;
    Recipe::retrain(epochs).with_learning_rate(rate)
}
