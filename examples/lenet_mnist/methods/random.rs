//! Random masks from the start: what any method has to beat.

use secateur::magnitude::Random;
use secateur::methods::Erk;
use secateur::pruner::PrunerConfig;
use secateur::schedule::OneShot;
use secateur_examples::Result;
use secateur_examples::data::{Data, Official};
use secateur_examples::nets::Classifier;
use secateur_examples::training::Student;

use super::recipe::from_scratch;
use super::sparse::{Verdict, pruned};
use crate::job::{Job, Net};
use crate::method::Method;
use crate::row::Row;

pub(crate) fn run<M: Classifier>(job: &Job, data: &Data<Official>) -> Result<Vec<Row>> {
    let sparsity = match job.net {
        Net::LeNet300 => 0.95,
        Net::LeNet5 => 0.98,
    };
    let mut rows = Vec::new();
    for &method in &job.methods {
        let config = PrunerConfig::new()
            .with_scorer(Random)
            .with_seed(job.seed)
            .with_schedule(OneShot::new(sparsity));
        let config = match method {
            Method::RandomErk => config.with_allocation(Erk),
            _ => config,
        };
        let (pruner, student) = pruned(config, Student::<M, _>::fresh(job.seed))?;
        let verdict = Verdict {
            job,
            data,
            method,
            sparsity,
            epochs: job.epochs,
        };
        rows.push(verdict.trained(pruner, student, &from_scratch(job))?);
    }
    Ok(rows)
}
