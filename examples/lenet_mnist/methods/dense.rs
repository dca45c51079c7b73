//! The net as it is, with all of its weights: what the others are measured against.

use secateur_examples::Result;
use secateur_examples::data::{Data, Official};
use secateur_examples::nets::Classifier;
use secateur_examples::training::{NoHook, Student, fit};

use super::recipe::from_scratch;
use crate::job::Job;
use crate::method::Method;
use crate::row::Row;

pub(crate) fn run<M: Classifier>(job: &Job, data: &Data<Official>) -> Result<Vec<Row>> {
    let student = Student::<M, _>::fresh(job.seed);
    let student = fit(student, &data.train, &from_scratch(job), job.seed, NoHook)?;
    let row = Row::judge(job, Method::Dense, 0.0, job.epochs, &student, data);
    Ok(vec![row])
}
