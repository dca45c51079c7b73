//! The quickstart's pruned net, compiled: faster, smaller, and in a file that runs without the
//! model's code.
//!
//! `cargo run --release --example sparse_inference`

use std::path::Path;
use std::process::ExitCode;

use burn::module::Module;
use burn::prelude::*;
use secateur::prelude::*;
use secateur::sparse::SparseEngine;
use secateur_examples::command_line;
use secateur_examples::data::{Data, Starter, starter};
use secateur_examples::nets::{Classifier, SmallConv};
use secateur_examples::speed::Speed;
use secateur_examples::training::{Hook, Progress, Recipe, Student, fit};
use secateur_examples::{ExampleError, Result};

/// What the quickstart leaves behind.
const PRUNED: &str = "target/quickstart/pruned-starter.sparse";
const FOLDER: &str = "target/sparse_inference";

fn main() -> ExitCode {
    command_line::exit(run())
}

fn run() -> Result<()> {
    let data = starter()?;
    let model = pruned(&data)?;
    let device = Device::flex();
    let example = |batch| Tensor::<3>::zeros([batch, 28, 28], &device);

    // One call, and nothing about the model changes.
    let engine = SparseEngine::compile(&model, example(1), SmallConv::forward)?;
    println!(
        "\nThe engine for one image at a time\n\n{}",
        engine.explain()?
    );

    println!("Time of a call in microseconds");
    for batch in [1, 64] {
        let engine = SparseEngine::compile(&model, example(batch), SmallConv::forward)?;
        let images = data
            .test
            .batch(&(0..batch).collect::<Vec<_>>(), &device)
            .images;
        let speed = Speed::measure(&model, &engine, &images)?;
        println!(
            "  batch {batch:>3}: {:>8.1} in Burn, {:>8.1} compiled: {:.1} times as fast",
            speed.burn,
            speed.engine,
            speed.ratio()
        );
    }

    std::fs::create_dir_all(FOLDER).map_err(ExampleError::io("create", FOLDER))?;
    let file = Path::new(FOLDER).join("net.engine");
    engine.save(&file)?;
    let bytes = |file: &Path| {
        let found = std::fs::metadata(file).map_err(ExampleError::io("look at", file))?;
        Ok::<f64, ExampleError>(found.len() as f64 / 1000.0)
    };
    let weights: usize = model.num_params();
    println!("\nSize in kB");
    println!(
        "  {:>8.1}  the weights as dense floats",
        weights as f64 * 4.0 / 1000.0
    );
    println!("  {:>8.1}  {}", bytes(&file)?, file.display());

    let student = Student::<SmallConv, Starter>::new(model);
    println!(
        "\nIn Burn the net is right on {:.1} % of the starter set's test images.\n\
         The file is all that another program needs:\n  cargo run --release --example run_engine",
        100.0 - student.error_percent(&data.test)
    );
    Ok(())
}

/// The net that the quickstart has pruned, or one that is pruned now in the same way.
fn pruned(data: &Data<Starter>) -> Result<SmallConv> {
    let file = Path::new(PRUNED);
    if file.is_file() {
        println!("taking {PRUNED}");
        let net = SmallConv::fresh(1, &Device::flex());
        return Ok(secateur::load_sparse(net, file)?);
    }
    println!("{PRUNED} is not there (the quickstart makes it): pruning a net for two epochs");
    let recipe = Recipe::from_scratch(2)
        .with_batch(50)
        .with_learning_rate(0.05);
    let steps = recipe.steps(data.train.len())?;
    let student = Student::<SmallConv, Starter>::fresh(1);
    let pruner = PrunerConfig::new()
        .with_allocation(Global)
        .with_schedule(
            Cubic::new(0.9)
                .between(steps / 10..=steps * 3 / 4)
                .every(20),
        )
        .init_module(student.model())?;
    let mut pruning = Pruning(pruner);
    let mut student = fit(student, &data.train, &recipe, 1, &mut pruning)?;
    pruning.0.finish(student.model_mut())?;
    Ok(student.model().valid())
}

struct Pruning(Pruner);

impl Hook<SmallConv, Starter> for Pruning {
    fn after_step(
        &mut self,
        student: &mut Student<SmallConv, Starter>,
        at: Progress,
    ) -> Result<()> {
        self.0.prune(student.model_mut(), at.step)?;
        Ok(())
    }
}
