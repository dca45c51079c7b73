//! Zhu, Gupta 2017: weights go little by little while the net learns.

use secateur::methods::agp;
use secateur::schedule::Window;
use secateur_examples::Result;
use secateur_examples::data::{Data, Official};
use secateur_examples::nets::Classifier;
use secateur_examples::training::{Pruning, Student, fit};

use super::recipe::from_scratch;
use super::sparse::Verdict;
use crate::job::{Job, Net};
use crate::method::Method;
use crate::row::Row;

/// Steps between two prunings.
const EVERY: usize = 100;

pub(crate) fn sparsities(net: Net) -> &'static [f64] {
    match net {
        Net::LeNet300 => &[0.9, 0.95, 0.98],
        Net::LeNet5 => &[0.95, 0.98],
    }
}

pub(crate) fn run<M: Classifier>(job: &Job, data: &Data<Official>) -> Result<Vec<Row>> {
    let recipe = from_scratch(job);
    let steps = recipe.steps(data.train.len())?;
    let mut rows = Vec::new();
    for &sparsity in sparsities(job.net) {
        let student = Student::<M, _>::fresh(job.seed);
        // From 10 % to 75 % of the training.
        let window = Window::new(steps / 10..=steps * 3 / 4).every(EVERY);
        let pruner = agp(sparsity, window).init_module(student.model())?;
        let mut pruning = Pruning::new(pruner);
        let mut student = fit(student, &data.train, &recipe, job.seed, &mut pruning)?;
        pruning.finish(&mut student)?;
        let verdict = Verdict {
            job,
            data,
            method: Method::Agp,
            sparsity,
            epochs: job.epochs,
        };
        rows.push(verdict.on(&student));
    }
    Ok(rows)
}
