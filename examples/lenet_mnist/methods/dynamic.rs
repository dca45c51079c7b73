//! Evci et al. 2020 (RigL), Mocanu et al. 2018 (SET): sparse from start to end, masks move.

use secateur_examples::{ExampleError, Result};

use crate::job::Job;
use crate::row::Row;

pub(crate) fn run(job: &Job) -> Result<Vec<Row>> {
    Err(ExampleError::NotBuiltYet(job.method_names()))
}
