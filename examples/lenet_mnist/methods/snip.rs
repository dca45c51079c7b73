//! Lee, Ajanthan, Torr 2019: weights go before training, by |weight * gradient| of one batch.

use secateur::mask::Mask;
use secateur::mask_set::MaskSet;
use secateur::methods::snip;
use secateur::random::Stream;
use secateur_examples::Result;
use secateur_examples::data::{Data, Official};
use secateur_examples::nets::Classifier;
use secateur_examples::random::Generator;
use secateur_examples::training::{Student, gradients};

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
            let mut order = Generator::new(job.seed, "snip batch");
            for batch in gradients(student.model(), &data.train, [1, recipe.batch], &mut order) {
                pruner.observe(student.model(), &batch)?;
            }
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

/// The same number kept in every layer, at places chosen by lot.
fn shuffled(masks: &MaskSet, seed: u64) -> Result<MaskSet> {
    let shuffle = |(path, mask): (&str, &Mask)| {
        let mut kept: Vec<bool> = mask.iter().collect();
        Stream::new(seed, path, 0).shuffle(&mut kept);
        Ok((path.to_string(), Mask::from_bools(mask.shape(), &kept)?))
    };
    masks.iter().map(shuffle).collect()
}
