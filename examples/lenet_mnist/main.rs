//! The pruning literature on LeNet-300-100 and LeNet-5: MNIST and Fashion-MNIST in full.
//!
//! `cargo run --release --example lenet_mnist -- --help`

mod args;
mod child;
mod job;
mod method;
mod methods;
mod results;
mod row;
mod runner;
mod table;

use std::process::ExitCode;

use args::{Args, Command, HELP};
use secateur_examples::command_line;
use secateur_examples::data::official;
use secateur_examples::{ExampleError, Result};

fn main() -> ExitCode {
    command_line::exit(run())
}

fn run() -> Result<()> {
    match args::parse(std::env::args().skip(1))? {
        Command::Help => {
            println!("{HELP}");
            Ok(())
        }
        Command::Child(job) => child::run(&job),
        Command::Parent(args) => parent(&args),
    }
}

fn parent(args: &Args) -> Result<()> {
    for &dataset in &args.datasets {
        match official(dataset, args.data.as_deref()) {
            Err(error @ ExampleError::NoData { .. }) if args.smoke => {
                println!("skipped: {error}");
                return Ok(());
            }
            other => drop(other?),
        }
    }
    let rows = runner::run(args)?;
    print!("{}", table::Tables(&rows));
    if args.epochs.is_some() {
        println!("\nShortened: a check that it runs, not a result.");
    }
    Ok(())
}
