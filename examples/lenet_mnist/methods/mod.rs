//! The methods, one file per family.

mod agp;
mod dense;
mod dynamic;
mod han;
mod random;
mod recipe;
mod snip;
mod sparse;
mod ticket;

use secateur_examples::Result;
use secateur_examples::data::{Data, Official};
use secateur_examples::nets::Classifier;

use crate::job::Job;
use crate::method::{Family, Method};
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

/// The results that one method of a job gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Outlook {
    /// Rows, each at another sparsity.
    pub rows: usize,
    /// Epochs behind each of them.
    pub epochs: usize,
}

/// What `method` gives in `job`, known without running it.
pub(crate) fn outlook(job: &Job, method: Method) -> Outlook {
    let rows = match method.family() {
        Family::Dense | Family::Random | Family::Dynamic => 1,
        Family::Han => han::sparsities(job.net),
        Family::Agp => agp::sparsities(job.net).len(),
        Family::Snip => snip::sparsities(job.net).len(),
        Family::Ticket => ticket::judged(job).count(),
    };
    let epochs = match method.family() {
        Family::Han => han::epochs_in_all(job),
        Family::Ticket => ticket::epochs(job),
        _ => job.epochs,
    };
    Outlook { rows, epochs }
}
