//! Zhu, Gupta 2017: weights go little by little while the net learns.

use secateur_examples::data::{Data, Official};
use secateur_examples::nets::Classifier;
use secateur_examples::{ExampleError, Result};

use crate::job::Job;
use crate::row::Row;

pub(crate) fn run<M: Classifier>(job: &Job, _data: &Data<Official>) -> Result<Vec<Row>> {
    Err(ExampleError::NotBuiltYet(job.method_names()))
}
