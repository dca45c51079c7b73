//! Runs an engine out of its file; nothing in this program knows the model.
//!
//! `cargo run --release --example run_engine [FILE]`

use std::process::ExitCode;
use std::time::Instant;

use burn::prelude::*;
use secateur::sparse::SparseEngine;
use secateur_examples::Result;
use secateur_examples::command_line;
use secateur_examples::data::starter;

fn main() -> ExitCode {
    command_line::exit(run())
}

fn run() -> Result<()> {
    let named = std::env::args().nth(1);
    let file = named.unwrap_or_else(|| "target/sparse_inference/net.engine".into());
    let engine = SparseEngine::load(&file)?;
    let test = starter()?.test;
    let device = Device::flex();

    let start = Instant::now();
    let mut right = 0;
    for (index, &label) in test.labels().iter().enumerate() {
        let images = test.batch(&[index], &device).images;
        let scores: Tensor<2> = engine.run(images)?;
        let guess = scores.argmax(1).into_scalar::<i64>();
        right += usize::from(guess == i64::from(label));
    }
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "{file} is right on {:.1} % of the starter set's {} test images, one at a time, {:.0} us \
         each with preparation",
        100.0 * right as f64 / test.len() as f64,
        test.len(),
        1e6 * seconds / test.len() as f64
    );
    Ok(())
}
