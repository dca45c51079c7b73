//! Han, Pool, Tran, Dally 2015: small weights of a trained net go, the others are retrained.

use secateur::magnitude::Random;
use secateur::methods::{han, han_iterative};
use secateur_examples::Result;
use secateur_examples::data::{Data, Official};
use secateur_examples::nets::Classifier;
use secateur_examples::training::{NoHook, Pruning, Recipe, Student, fit};

use super::recipe::{from_scratch, retrain};
use super::sparse::{Verdict, han_shares, overall, pruned};
use crate::job::{Job, Net};
use crate::method::Method;
use crate::row::Row;

/// Rounds of the iterative variant, and epochs after each.
const ROUNDS: usize = 4;
const EPOCHS_A_ROUND: usize = 2;

/// How many sparsities the net is run at: the paper's, and a higher one.
pub(crate) fn sparsities(net: Net) -> usize {
    match net {
        Net::LeNet300 => 2,
        Net::LeNet5 => 1,
    }
}

/// Epochs behind a net: its training and its retraining.
pub(crate) fn epochs_in_all(job: &Job) -> usize {
    job.epochs + ROUNDS * epochs_a_round(job)
}

/// A shortened run shortens the retraining too.
fn epochs_a_round(job: &Job) -> usize {
    EPOCHS_A_ROUND.min(job.epochs)
}

pub(crate) fn run<M: Classifier>(job: &Job, data: &Data<Official>) -> Result<Vec<Row>> {
    let student = Student::<M, _>::fresh(job.seed);
    let dense = fit(student, &data.train, &from_scratch(job), job.seed, NoHook)?;
    let shares = han_shares(job.net);
    let mut rows = run_at(job, data, &dense, shares)?;
    if sparsities(job.net) > 1 {
        // Forty times fewer weights: the same shares, each by the same factor.
        let factor = (1.0 / 40.0) / (1.0 - overall(&dense, shares));
        let shares: Vec<_> = shares
            .iter()
            .map(|(path, kept)| (*path, kept * factor))
            .collect();
        rows.extend(run_at(job, data, &dense, &shares)?);
    }
    Ok(rows)
}

fn run_at<M: Classifier>(
    job: &Job,
    data: &Data<Official>,
    dense: &Student<M, Official>,
    shares: &[(&str, f64)],
) -> Result<Vec<Row>> {
    let a_round = epochs_a_round(job);
    let epochs = ROUNDS * a_round;
    let mut rows = Vec::new();
    for &method in &job.methods {
        let verdict = Verdict {
            job,
            data,
            method,
            sparsity: overall(dense, shares),
            epochs: epochs_in_all(job),
        };
        let kept = || shares.iter().copied();
        let recipe = retrain(job, epochs);
        rows.push(match method {
            Method::HanIterative => {
                let every = retrain(job, a_round).steps(data.train.len())?;
                iterative(verdict, dense.clone(), kept(), every, &recipe)?
            }
            _ => {
                let config = han(kept())?;
                let config = match method {
                    Method::HanRandom => config.with_scorer(Random).with_seed(job.seed),
                    _ => config,
                };
                let (pruner, student) = pruned(config, dense.clone())?;
                verdict.trained(pruner, student, &recipe)?
            }
        });
    }
    Ok(rows)
}

fn iterative<'a, M: Classifier>(
    verdict: Verdict<'_>,
    mut student: Student<M, Official>,
    kept: impl IntoIterator<Item = (&'a str, f64)>,
    every: usize,
    recipe: &Recipe,
) -> Result<Row> {
    let config = han_iterative(kept, ROUNDS, every)?;
    let mut pruner = config.init_module(student.model())?;
    // The first round comes before the first step of retraining.
    pruner.prune(student.model_mut(), 0)?;
    let mut pruning = Pruning::new(pruner);
    let (train, seed) = (&verdict.data.train, verdict.job.seed);
    let mut student = fit(student, train, recipe, seed, &mut pruning)?;
    pruning.finish(&mut student)?;
    Ok(verdict.on(&student))
}
