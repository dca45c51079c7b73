//! How long it takes to make a transformer smaller, step by step: `cargo bench --bench removal`.
//!
//! Encoders of width 768 with 3, 6 and 12 layers, a batch of 2 sequences of 16: capture and coupling,
//! scores of all neurons, a plan of half of them, and the removal with its certificate, which runs
//! the whole and the smaller model four times each. Wall-clock seconds of one run each.

use std::time::Instant;

use burn::nn::transformer::{
    TransformerEncoder, TransformerEncoderConfig, TransformerEncoderInput,
};
use burn::prelude::*;
use burn::tensor::Distribution;
use secateur::magnitude::Magnitude;
use secateur::structure::choice::ChannelPruning;
use secateur::structure::coupling::Coupling;
use secateur::structure::importance::Importance;

fn forward(model: &TransformerEncoder, x: Tensor<3>) -> Tensor<3> {
    model.forward(TransformerEncoderInput::new(x))
}

fn main() {
    let device = Device::flex();
    println!(
        "{:>6}  {:>10}  {:>8}  {:>8}  {:>8}  {:>8}  {:>8}",
        "layers", "parameters", "coupling", "scores", "plan", "removal", "in all"
    );
    for layers in [3, 6, 12] {
        let model = TransformerEncoderConfig::new(768, 3072, 12, layers).init(&device);
        let x = Tensor::random([2, 16, 768], Distribution::Default, &device);
        // Weights are drawn when they are first used.
        forward(&model, x.clone());
        let start = Instant::now();
        let mut last = start;
        let mut lap = || {
            let seconds = last.elapsed().as_secs_f64();
            last = Instant::now();
            seconds
        };
        let Ok(coupling) = Coupling::of_model(&model, x.clone(), forward) else {
            return println!("the encoder cannot be captured");
        };
        let coupled = lap();
        let Ok(scores) = Importance::new().score(&coupling, &model, Magnitude::l1()) else {
            return println!("the neurons cannot be scored");
        };
        let scored = lap();
        // The neurons between the linear layers; the width of the encoder is its input's and stays.
        let Ok(plan) = ChannelPruning::uniform(0.5).plan(&coupling, &scores) else {
            return println!("no plan can be made");
        };
        let planned = lap();
        match plan.apply(&model, x, forward) {
            Ok((smaller, certificate)) => {
                let removed = lap();
                let all = start.elapsed().as_secs_f64();
                println!(
                    "{layers:>6}  {:>10}  {coupled:>8.2}  {scored:>8.2}  {planned:>8.2}  \
                     {removed:>8.2}  {all:>8.2}   {} left; {certificate}",
                    model.num_params(),
                    smaller.num_params(),
                );
            }
            Err(error) => println!("{error}"),
        }
    }
}
