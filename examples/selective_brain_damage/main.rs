//! Who pays for pruning ("Selective brain damage", Hooker et al. 2019), with a control.
//!
//! `cargo run --release --example selective_brain_damage -- --help`
//!
//! Populations of one net are trained: dense, dense again, and pruned gradually to several
//! sparsities. The second dense population goes through everything as a control: what it seems to
//! lose is what nothing looks like.
//!
//! | file | what it shows |
//! | --- | --- |
//! | `worker.rs` | training, pruning, answers on clean and corrupted images, results in a folder |
//! | `parent.rs` | processes that share the models out, and resume |

mod args;
mod parent;
mod worker;

use std::process::ExitCode;

use secateur::eval::{Job, Jobs, Level, Report, ResultsFolder, Study};
use secateur_examples::command_line;
use secateur_examples::data::{Data, DatasetName, Origin, official, starter};
use secateur_examples::{ExampleError, Result};

use args::Args;

fn main() -> ExitCode {
    command_line::exit(run())
}

fn run() -> Result<()> {
    let Some(args) = args::parse(std::env::args().skip(1))? else {
        print!("{}", args::HELP);
        return Ok(());
    };
    if args.starter {
        return with(&args, &starter()?, 12);
    }
    match official(DatasetName::FashionMnist, args.data.as_deref()) {
        Ok(data) => with(&args, &data, 4),
        Err(error @ ExampleError::NoData { .. }) if args.data.is_none() => {
            if !args.worker {
                eprintln!("{error}\nTaking the starter set instead.");
            }
            with(&args, &starter()?, 12)
        }
        Err(error) => Err(error),
    }
}

/// Trains what is missing, and reports.
fn with<O: Origin>(args: &Args, data: &Data<O>, epochs: usize) -> Result<()> {
    let mut data = data.clone();
    if args.smoke {
        data.train = data.train.first(1_000);
        data.test = data.test.first(200);
    }
    let epochs = args.epochs.unwrap_or(epochs);
    let (index, of) = args.share;
    let jobs = jobs(args)?.share(index, of);
    let answers = args.out.join("models");
    let folder = ResultsFolder::create(&answers, &worker::test_set(&data)?)?;
    if args.worker {
        let open = folder.missing(&jobs)?;
        return worker::work(&open, &data, epochs, &args.severities, &folder);
    }
    if !args.report {
        parent::train(args, &jobs, &folder)?;
    }
    if of > 1 && !args.report {
        println!(
            "Trained this share; copy the other shares' files into {} and run again with --report.",
            answers.display()
        );
        return Ok(());
    }
    let analysis = Study::of(&folder)?.run()?;
    println!("{analysis}");
    let report = args.out.join("report");
    let images = worker::images(&data.test)?;
    Report::new(&analysis)
        .with_images(&images)?
        .write(&report)?;
    println!(
        "LeNet-300-100, gradual magnitude pruning, {epochs} epochs. The report lies in {}.",
        report.display()
    );
    if O::NAME == "starter" {
        println!("Starter set, not comparable with published figures.");
    }
    Ok(())
}

/// Every level has seeds of its own, whatever other levels there are and however many models: a
/// run can be made larger.
fn jobs(args: &Args) -> Result<Jobs> {
    let mut levels = vec![(0, Level::dense()), (1, Level::control())];
    for &sparsity in &args.sparsities {
        let hundredths = (sparsity * 10_000.0).round() as u64;
        levels.push((1 + hundredths, Level::pruned(sparsity)?));
    }
    let models = 0..args.models as u64;
    let jobs = levels.iter().flat_map(|(first, level)| {
        models.clone().map(move |model| Job {
            level: level.clone(),
            seed: first * 100_000 + model,
        })
    });
    Ok(Jobs::of(jobs))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn seeds_are_disjoint_and_stay_when_a_run_grows() {
        let seeds = |models, sparsities: &[f64]| -> BTreeSet<u64> {
            let args = Args {
                models,
                sparsities: sparsities.to_vec(),
                ..Args::default()
            };
            jobs(&args).unwrap().iter().map(|job| job.seed).collect()
        };
        let (few, many) = (seeds(5, &[0.9]), seeds(30, &[0.5, 0.9, 0.995]));
        assert_eq!((few.len(), many.len()), (15, 150));
        assert!(few.is_subset(&many));
    }
}
