//! What one child process does: one job, its rows on standard output.

use secateur_examples::Result;
use secateur_examples::data::official;
use secateur_examples::nets::{LeNet5, LeNet300};

use crate::job::{Job, Net};
use crate::methods;
use crate::row::Row;

pub(crate) fn run(job: &Job) -> Result<()> {
    let mut data = official(job.dataset, job.data.as_deref())?;
    if job.smoke {
        data.train = data.train.first(20_000);
    }
    let print = |row: Row| {
        // A row of numbers and plain names always serialises.
        if let Ok(line) = serde_json::to_string(&row) {
            println!("{line}");
        }
    };
    let rows = match job.net {
        Net::LeNet300 => methods::run::<LeNet300>(job, &data)?,
        Net::LeNet5 => methods::run::<LeNet5>(job, &data)?,
    };
    rows.into_iter().for_each(print);
    Ok(())
}
