//! Pruning under Burn's own training loop: `Learner`, dashboard, checkpoints, resuming.
//!
//! `cargo run --release --example learner`
//!
//! Burn's `Learner` calls the model for every update of the weights, in
//! [`TrainStep::optimize`](burn::train::TrainStep::optimize). That is the place to prune:
//!
//! | file | what it shows |
//! | --- | --- |
//! | `model.rs` | the net that is trained, with its pruner in a `#[module(skip)]` field |
//! | `pruning.rs` | observe, before_step, optimizer, prune, after_step; errors; state at epoch ends |
//! | `run.rs` | building the `Learner`, resuming, and what is left at the end |
//! | `checkpoints.rs` | which files a resumed run needs |
//! | `images.rs` | an order of the images that a resumed run takes up again |
//! | `output.rs`, `sparsity.rs` | the sparsity as a metric on the dashboard |
//! | `plain.rs` | one line an epoch in place of the dashboard |

mod args;
mod checkpoints;
mod images;
mod model;
mod outcome;
mod output;
mod plain;
mod pruning;
mod run;
mod sparsity;

use std::process::ExitCode;

use secateur_examples::Result;
use secateur_examples::command_line;

use args::Command;

fn main() -> ExitCode {
    command_line::exit(run().map(|text| println!("{text}")))
}

fn run() -> Result<String> {
    match args::parse(std::env::args().skip(1))? {
        Command::Help => Ok(args::HELP.into()),
        Command::Train(args) => Ok(run::train(&args, run::method)?.to_string()),
    }
}
