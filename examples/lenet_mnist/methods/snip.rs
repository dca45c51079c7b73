//! Lee, Ajanthan, Torr 2019: weights go before training, by |weight * gradient| of one batch.

use burn::nn::loss::CrossEntropyLossConfig;
use burn::optim::GradientsParams;
use burn::prelude::*;
use secateur::mask::Mask;
use secateur::mask_set::MaskSet;
use secateur::methods::snip;
use secateur::random::Stream;
use secateur_examples::Result;
use secateur_examples::data::{Data, Official, batches};
use secateur_examples::nets::Classifier;
use secateur_examples::random::Generator;
use secateur_examples::training::Student;

use super::recipe::from_scratch;
use super::sparse::Verdict;
use crate::job::{Job, Net};
use crate::method::Method;
use crate::row::Row;

pub(crate) fn sparsities(net: Net) -> &'static [f64] {
    match net {
        Net::LeNet300 => &[0.95, 0.98],
        Net::LeNet5 => &[0.98],
    }
}

pub(crate) fn run<M: Classifier>(job: &Job, data: &Data<Official>) -> Result<Vec<Row>> {
    let recipe = from_scratch(job).with_weight_decay(5e-4);
    let mut rows = Vec::new();
    for &sparsity in sparsities(job.net) {
        for &method in &job.methods {
            let mut student = Student::<M, _>::fresh(job.seed);
            let mut pruner = snip(sparsity).init_module(student.model())?;
            let grads = gradients(&student, data, recipe.batch, job.seed);
            pruner.observe(student.model(), &grads)?;
            pruner.prune(student.model_mut(), 0)?;
            if method == Method::SnipShuffled {
                let masks = shuffled(&pruner.masks(student.model())?, job.seed)?;
                pruner.set_masks(student.model_mut(), &masks)?;
            }
            let verdict = Verdict {
                job,
                data,
                method,
                sparsity,
                epochs: job.epochs,
            };
            rows.push(verdict.trained(pruner, student, &recipe)?);
        }
    }
    Ok(rows)
}

/// Gradients of one batch at the initial weights.
fn gradients<M: Classifier>(
    student: &Student<M, Official>,
    data: &Data<Official>,
    size: usize,
    seed: u64,
) -> GradientsParams {
    let device = Device::flex().autodiff();
    let mut order = Generator::new(seed, "snip batch");
    let indices = batches(data.train.len(), size, &mut order)
        .into_iter()
        .next();
    let batch = data.train.batch(&indices.unwrap_or_default(), &device);
    let logits = student.model().forward(batch.images);
    let loss = CrossEntropyLossConfig::new().init(&device);
    let gradients = loss.forward(logits, batch.labels).backward();
    GradientsParams::from_grads(gradients, student.model())
}

/// The same number kept in every layer, at places chosen by lot.
fn shuffled(masks: &MaskSet, seed: u64) -> Result<MaskSet> {
    let shuffle = |(path, mask): (&str, &Mask)| {
        let mut kept: Vec<bool> = mask.iter().collect();
        Stream::new(seed, path, 0).shuffle(&mut kept);
        Ok((path.to_string(), Mask::from_bools(mask.shape(), &kept)?))
    };
    masks.iter().map(shuffle).collect()
}
