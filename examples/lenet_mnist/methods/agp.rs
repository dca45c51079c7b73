//! Zhu, Gupta 2017: weights go little by little while the net learns.

use secateur_examples::{ExampleError, Result};

use crate::job::Job;
use crate::row::Row;

pub(crate) fn run(job: &Job) -> Result<Vec<Row>> {
    Err(ExampleError::NotBuiltYet(job.method_names()))
}
