//! Han, Pool, Tran, Dally 2015: small weights of a trained net go, the others are retrained.

use secateur_examples::data::{Data, Official};
use secateur_examples::nets::Classifier;
use secateur_examples::{ExampleError, Result};

use crate::job::Job;
use crate::row::Row;

pub(crate) fn run<M: Classifier>(job: &Job, _data: &Data<Official>) -> Result<Vec<Row>> {
    Err(ExampleError::NotBuiltYet(job.method_names()))
}
