//! Evci et al. 2020 (RigL), Mocanu et al. 2018 (SET): sparse from start to end, masks move. The
//! control, `static`, keeps the random mask that RigL starts from.

use secateur::methods::{Erk, rigl, set};
use secateur_examples::Result;
use secateur_examples::data::{Data, Official};
use secateur_examples::nets::Classifier;
use secateur_examples::training::{Pruning, Student, fit};

use super::recipe::from_scratch;
use super::sparse::{Verdict, pruned};
use crate::job::Job;
use crate::method::Method;
use crate::row::Row;

const SPARSITY: f64 = 0.98;

/// Steps between two exchanges.
const EVERY: usize = 100;

pub(crate) fn run<M: Classifier>(job: &Job, data: &Data<Official>) -> Result<Vec<Row>> {
    let recipe = from_scratch(job);
    let until = recipe.steps(data.train.len())? * 3 / 4;
    let mut rows = Vec::new();
    for &method in &job.methods {
        let config = match method {
            // The same layer sparsities for all three.
            Method::Set => set(SPARSITY, EVERY, until).with_allocation(Erk),
            _ => rigl(SPARSITY, EVERY, until),
        };
        let student = Student::<M, _>::fresh(job.seed);
        let (pruner, student) = pruned(config.with_seed(job.seed), student)?;
        let verdict = Verdict {
            job,
            data,
            method,
            sparsity: SPARSITY,
            epochs: job.epochs,
        };
        rows.push(match method {
            Method::Static => verdict.trained(pruner, student, &recipe)?,
            _ => {
                let mut pruning = Pruning::after_start(pruner);
                let mut student = fit(student, &data.train, &recipe, job.seed, &mut pruning)?;
                pruning.finish(&mut student)?;
                verdict.on(&student)
            }
        });
    }
    Ok(rows)
}
