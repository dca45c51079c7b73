//! One-shot pruning of a pretrained ResNet with calibration batches: magnitude, Wanda and
//! SparseGPT side by side, without any retraining.
//!
//! `cargo run --release --example wanda_calibration`
//!
//! | file | what it shows |
//! | --- | --- |
//! | `prune.rs` | capture, calibrate through taps, prune, finish: layer after layer |
//! | `method.rs` | the methods as configurations |
//! | `measure.rs` | accuracy, and the error of a layer's output from its second moments |

mod args;
mod measure;
mod method;
mod prune;
mod table;

use std::process::ExitCode;

use burn::tensor::Device;
use secateur_examples::command_line;
use secateur_examples::data::{CifarPart, cifar_jpeg};
use secateur_examples::nets::ResNet;
use secateur_examples::{ExampleError, Result};

use args::{Args, Command};
use measure::accuracy;
use prune::{Calibration, pruned};
use table::{Cell, Table};

fn main() -> ExitCode {
    command_line::exit(run().map(|text| println!("{text}")))
}

fn run() -> Result<String> {
    match args::parse(std::env::args().skip(1))? {
        Command::Help => Ok(args::HELP.into()),
        Command::Compare(args) => match compare(&args) {
            Ok(table) => Ok(table.to_string()),
            Err(error @ ExampleError::NoData { .. }) if args.smoke => {
                Ok(format!("skipped: {error}"))
            }
            Err(error) => Err(error),
        },
    }
}

/// Prunes the net by each method to each sparsity.
fn compare(args: &Args) -> Result<Table> {
    let device = Device::flex();
    let dir = args.data.as_deref();
    let net = ResNet::pretrained(args.depth, dir, &device)?;
    let test = cifar_jpeg(CifarPart::Test, args.images, dir)?;
    let train = cifar_jpeg(CifarPart::Train, args.calibration, dir)?;
    let calibration = Calibration::new(&train, &device);

    let mut table = Table {
        depth: args.depth,
        images: test.len(),
        calibration: calibration.images(),
        dense: accuracy(&net, &test, &device),
        methods: args.methods.clone(),
        rows: Vec::new(),
    };
    for &sparsity in &args.sparsities {
        let mut cells = Vec::new();
        for &method in &args.methods {
            let outcome = pruned(&net, method, sparsity, &calibration)?;
            let cell = Cell {
                method,
                accuracy: accuracy(&outcome.net, &test, &device),
                error: outcome.mean_error(),
            };
            eprintln!("{} % {cell}", 100.0 * sparsity);
            cells.push(cell);
        }
        table.rows.push((sparsity, cells));
    }
    Ok(table)
}
