//! What a score that wants gradients is given.

use burn::nn::loss::CrossEntropyLossConfig;
use burn::optim::GradientsParams;
use burn::prelude::*;

use crate::data::{Origin, Samples, batches};
use crate::nets::Classifier;
use crate::random::Generator;

/// The gradients of `model` on `count` batches of `size` images, in the order that `order` draws.
pub fn gradients<M: Classifier, O: Origin>(
    model: &M,
    samples: &Samples<O>,
    [count, size]: [usize; 2],
    order: &mut Generator,
) -> Vec<GradientsParams> {
    let device = Device::flex().autodiff();
    let loss = CrossEntropyLossConfig::new().init(&device);
    let all = batches(samples.len(), size, order);
    let gradients = all.into_iter().take(count).map(|indices| {
        let batch = samples.batch(&indices, &device);
        let value = loss.forward(model.forward(batch.images), batch.labels);
        GradientsParams::from_grads(value.backward(), model)
    });
    gradients.collect()
}
