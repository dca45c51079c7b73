//! The methods, one file per family.

mod agp;
mod dense;
mod dynamic;
mod han;
mod random;
mod recipe;
mod snip;
mod ticket;

use secateur_examples::Result;
use secateur_examples::data::{Data, Official};
use secateur_examples::nets::Classifier;

use crate::job::Job;
use crate::method::Family;
use crate::row::Row;

/// Does one job; all of its methods are of one family.
pub(crate) fn run<M: Classifier>(job: &Job, data: &Data<Official>) -> Result<Vec<Row>> {
    let Some(family) = job.methods.first().map(|method| method.family()) else {
        return Ok(Vec::new());
    };
    match family {
        Family::Dense => dense::run::<M>(job, data),
        Family::Han => han::run(job),
        Family::Agp => agp::run(job),
        Family::Snip => snip::run(job),
        Family::Random => random::run(job),
        Family::Dynamic => dynamic::run(job),
        Family::Ticket => ticket::run(job),
    }
}
