//! The methods, one file per family.

mod agp;
mod dense;
mod dynamic;
mod han;
mod random;
mod recipe;
mod sparse;
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
        Family::Han => han::run::<M>(job, data),
        Family::Agp => agp::run::<M>(job, data),
        Family::Snip => snip::run::<M>(job, data),
        Family::Random => random::run::<M>(job, data),
        Family::Dynamic => dynamic::run::<M>(job, data),
        Family::Ticket => ticket::run::<M>(job, data),
    }
}
