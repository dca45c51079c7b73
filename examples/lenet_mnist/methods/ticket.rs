//! Frankle, Carbin 2019: what magnitude leaves of a trained net, trained again from its start.

use burn::prelude::*;
use secateur::methods::{LotteryTicket, lottery};
use secateur_examples::Result;
use secateur_examples::data::{Data, Official};
use secateur_examples::nets::{Classifier, gaussian_glorot};
use secateur_examples::training::{NoHook, Recipe, Student, fit};

use super::sparse::Verdict;
use crate::job::Job;
use crate::method::Method;
use crate::row::Row;

/// Rounds that each take a fifth of what is left, a tenth in the output layer.
const ROUNDS: usize = 15;

/// Epochs in each round.
const EPOCHS: usize = 5;

/// Rounds after which the ticket is judged: 100, 51, 21, 11, 7 and 3.6 % are left.
const JUDGED: [usize; 6] = [0, 3, 7, 10, 12, 15];

/// Added to the seed for the control's initial weights, which are drawn three times, as in the
/// paper: single drawings differ by half a point and more.
const FRESH: [u64; 3] = [1_000, 2_000, 3_000];

/// Epochs in each round of `job`.
pub(crate) fn epochs(job: &Job) -> usize {
    EPOCHS.min(job.epochs)
}

/// Rounds of `job`: a shortened run takes fewer.
fn rounds(job: &Job) -> usize {
    if epochs(job) < EPOCHS { 1 } else { ROUNDS }
}

/// Rounds of `job` after which the ticket is judged.
pub(crate) fn judged(job: &Job) -> impl Iterator<Item = usize> {
    let rounds = rounds(job);
    (0..=rounds).filter(move |round| rounds < ROUNDS || JUDGED.contains(round))
}

/// One row with the mean error of several that differ in nothing else.
fn mean(rows: Vec<Row>) -> Option<Row> {
    let error = rows.iter().map(|row| row.error).sum::<f64>() / rows.len() as f64;
    let row = rows.into_iter().next()?;
    Some(Row { error, ..row })
}

/// A net that has learned nothing yet, with the paper's Gaussian weights.
fn fresh<M: Classifier>(seed: u64) -> Student<M, Official> {
    let net = M::fresh(seed, &Device::flex().autodiff());
    Student::new(gaussian_glorot(net, seed))
}

pub(crate) fn run<M: Classifier>(job: &Job, data: &Data<Official>) -> Result<Vec<Row>> {
    let (epochs, rounds) = (epochs(job), rounds(job));
    let recipe = Recipe::from_scratch(epochs).with_learning_rate(0.05);
    let train = |student| fit(student, &data.train, &recipe, job.seed, NoHook);
    let mut student = fresh::<M>(job.seed);
    let mut ticket =
        LotteryTicket::of_module(lottery(0.2, rounds, "fc3.weight")?, student.model())?;
    let mut rows = Vec::new();
    for round in 0..=rounds {
        let sparsity = ticket.pruner().masks(student.model())?.sparsity();
        let judged = judged(job).any(|judged| judged == round);
        let verdict = |method| Verdict {
            job,
            data,
            method,
            sparsity,
            epochs,
        };
        if judged && job.methods.contains(&Method::TicketFresh) {
            let mut drawings = Vec::new();
            for offset in FRESH {
                let mut control = fresh::<M>(job.seed + offset);
                ticket.wear(student.model(), control.model_mut())?;
                let mut control = train(control)?;
                ticket.pruner_mut().clone().finish(control.model_mut())?;
                drawings.push(verdict(Method::TicketFresh).on(&control));
            }
            rows.extend(mean(drawings));
        }
        student = train(student)?;
        if judged && job.methods.contains(&Method::Ticket) {
            let mut finished = student.clone();
            ticket.pruner_mut().clone().finish(finished.model_mut())?;
            rows.push(verdict(Method::Ticket).on(&finished));
        }
        ticket.prune_and_rewind(student.model_mut())?;
    }
    Ok(rows)
}
