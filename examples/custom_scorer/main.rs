//! A scorer, a pattern and a schedule of one's own: `cargo run --example custom_scorer`.

use burn::{Tensor, module::Module, nn, tensor::Device};
use secateur::{Prune, prelude::*, units::{Rest, Units}};

#[derive(Module, Prune, Debug)]
struct Net {
    fc1: nn::Linear,
    #[prune(skip)]
    fc2: nn::Linear,
}

/// Scorer: `|w|`, discounted for outputs whose bias is far below zero (their ReLU is mostly off).
#[derive(Debug)]
struct AwakeMagnitude;

impl ImportanceScorer for AwakeMagnitude {
    fn score(&self, ctx: &ScoreContext<'_>) -> Result<Vec<f32>, PruneError> {
        let [_, input, kernel] = ctx.shape();
        let bias = ctx.sibling(secateur::params::Role::Bias);
        let awake = |out: usize| bias.map_or(1.0, |b| b.values[out].min(0.0).exp());
        let score = |(i, w): (usize, &f32)| w.abs() * awake(i / (input * kernel));
        Ok(ctx.weight().iter().enumerate().map(score).collect())
    }
}

/// Pattern: neighbouring pairs of outputs live and die together.
#[derive(Debug)]
struct OutputPairs;

impl std::fmt::Display for OutputPairs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("output pairs")
    }
}

impl Pattern for OutputPairs {
    fn units(&self, _path: &str, shape: [usize; 3]) -> Result<Units, PruneError> {
        Ok(Units::boxes(shape, [2, 1, 1], Rest::Smaller))
    }
}

fn main() -> Result<(), PruneError> {
    let device = Device::flex();
    let mut net = Net {
        fc1: nn::LinearConfig::new(16, 8).init(&device),
        fc2: nn::LinearConfig::new(8, 2).init(&device),
    };
    let mut pruner = PrunerConfig::new()
        .with_scorer(AwakeMagnitude)
        .with_pattern(OutputPairs)
        .with_schedule(FnSchedule::new(|step| 0.1 * step as f64).between(0..=7))
        .init(&net)?;
    for step in 0..8 {
        pruner.prune(&mut net, step)?;
    }
    println!("{}", pruner.report(&net)?);
    let output = net.fc2.forward(net.fc1.forward(Tensor::<2>::ones([1, 16], &device)));
    println!("the net still answers: {}", output.into_data());
    Ok(())
}
