//! Lee, Ajanthan, Torr 2019: weights go before training, by |weight * gradient| of one batch.

use secateur_examples::{ExampleError, Result};

use crate::job::Job;
use crate::row::Row;

pub(crate) fn run(job: &Job) -> Result<Vec<Row>> {
    Err(ExampleError::NotBuiltYet(job.method_names()))
}
