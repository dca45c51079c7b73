//! What pruning is, on one screen: a net is trained three times from the same start, with all of
//! its weights, pruned to a tenth of them while it learns, and with a tenth chosen by lot.
//!
//! `cargo run --release --example quickstart`

mod compiled;
mod curve;
mod outcome;
mod paired_test;
mod pruning;
mod report;
mod screen;

use std::panic::resume_unwind;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use indicatif::{ProgressBar, ProgressStyle};
use rayon::ThreadPoolBuilder;
use secateur_examples::Result;
use secateur_examples::command_line;
use secateur_examples::data::starter;
use secateur_examples::nets::SmallConv;
use secateur_examples::training::{Recipe, Student};

use outcome::train;
use pruning::Plan;
use screen::Screen;

/// Share of the weights that go.
const SPARSITY: f64 = 0.9;

/// Of initial weights, image order and the random mask.
const SEED: u64 = 1;

fn main() -> ExitCode {
    command_line::exit(run().map(|screen| print!("{screen}")))
}

fn run() -> Result<Screen> {
    let start = Instant::now();
    let data = starter()?;
    let recipe = Recipe::from_scratch(7)
        .with_batch(50)
        .with_learning_rate(0.05);
    let student = Student::<SmallConv, _>::fresh(SEED);

    let plans = [Plan::Dense, Plan::Gradual, Plan::Random];
    let steps = recipe.steps(data.train.len())? * plans.len();
    let bar = progress_bar(steps as u64);
    let (data, recipe, bar) = (&data, &recipe, &bar);
    // Side by side with one thread each, so that none waits for another.
    let [dense, pruned, random] = std::thread::scope(|scope| {
        let threads = plans.map(|plan| {
            let student = student.fork();
            scope.spawn(move || {
                let pool = ThreadPoolBuilder::new().num_threads(1).build()?;
                pool.install(|| train(student, data, recipe, plan, bar))
            })
        });
        threads.map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)))
    });
    bar.finish_and_clear();
    let (dense, pruned, random) = (dense?, pruned?, random?);

    let folder = Path::new("target/quickstart");
    let dense_file = dense.student.save(folder, "dense")?;
    let pruned_file = pruning::save(&pruned.student, folder)?;
    let (engine_file, speed) = compiled::compile(&pruned.student, data, folder)?;
    let outcomes = [dense, pruned, random];
    let page = report::write(&outcomes, data, folder)?;
    Screen::new(
        outcomes,
        [dense_file, pruned_file, engine_file],
        page,
        speed,
        start.elapsed(),
    )
}

fn progress_bar(steps: u64) -> ProgressBar {
    let template = "training three nets {bar:30} {percent:>3} %  {eta} left";
    let style = ProgressStyle::with_template(template);
    let bar = ProgressBar::new(steps);
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}
