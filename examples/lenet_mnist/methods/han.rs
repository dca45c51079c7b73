//! Han, Pool, Tran, Dally 2015: small weights of a trained net go, the others are retrained.

use secateur_examples::{ExampleError, Result};

use crate::job::Job;
use crate::row::Row;

pub(crate) fn run(job: &Job) -> Result<Vec<Row>> {
    Err(ExampleError::NotBuiltYet(job.method_names()))
}
