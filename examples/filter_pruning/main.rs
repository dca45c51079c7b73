//! A small net with filters taken out for real: which filters matter, and whether the trained
//! weights that are left matter at all.
//!
//! `cargo run --release --example filter_pruning` (`--seeds N`, three by default; with `--distil` the
//! smaller nets learn from the dense one too)
//!
//! The quickstart's net is trained on the starter set, cut to half of its multiply-adds by several
//! scores, and trained on for a few epochs. Beside them stands the smaller net trained from scratch
//! for as long as the dense one ("Rethinking the value of network pruning", Liu et al. 2019).

use std::fmt;
use std::process::ExitCode;

use burn::prelude::*;
use burn::tensor::{Distribution, TensorData};
use secateur::magnitude::{Magnitude, Random};
use secateur::methods::Distillation;
use secateur::methods::fpgm::FilterDistance;
use secateur::sparse::SparseEngine;
use secateur::structure::choice::{Budget, ChannelPruning, Cost};
use secateur::structure::coupling::Coupling;
use secateur::structure::importance::{Importance, Normalisation, UnitScores};
use secateur::structure::plan::Plan;
use secateur_examples::data::{Data, Starter, starter};
use secateur_examples::nets::{Classifier, SmallConv};
use secateur_examples::speed::Speed;
use secateur_examples::training::{self, NoHook, Recipe, Student, fit};
use secateur_examples::{ExampleError, Result};

const HELP: &str = "\
usage: filter_pruning [--seeds N] [--distil] [--smoke]

  --seeds N  trainings of each kind (3)
  --distil   the smaller nets are tuned by the dense net's soft targets beside the labels
  --smoke    one seed, few images, one epoch: only to see that it runs
";

fn main() -> ExitCode {
    match run() {
        Ok(text) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What is run.
#[derive(Clone, Copy, Debug)]
struct Args {
    seeds: u64,
    distil: bool,
    smoke: bool,
}

fn run() -> Result<String> {
    let mut args = Args {
        seeds: 3,
        distil: false,
        smoke: false,
    };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--help" => return Ok(HELP.into()),
            "--smoke" => (args.seeds, args.smoke) = (1, true),
            "--distil" => args.distil = true,
            "--seeds" => {
                let number = words.next().and_then(|word| word.parse().ok());
                let number = number.filter(|seeds| *seeds > 0);
                args.seeds = number.ok_or_else(|| usage("--seeds wants a number from 1 on"))?;
            }
            other => return Err(usage(&format!("there is no `{other}`"))),
        }
    }
    let mut table = Table::default();
    for seed in 1..=args.seeds {
        one_seed(seed, args, &mut table)?;
    }
    Ok(table.to_string())
}

fn usage(why: &str) -> ExampleError {
    ExampleError::Usage(format!("{why}\n\n{HELP}"))
}

/// How a net came to its size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Dense,
    Scored(Score),
    Scratch,
}

/// What filters are ranked by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Score {
    Norm,
    Distance,
    Chance,
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Dense => "dense",
            Self::Scored(Score::Norm) => "L1 (Li 2017)",
            Self::Scored(Score::Distance) => "FPGM (He 2019)",
            Self::Scored(Score::Chance) => "by lot",
            Self::Scratch => "smaller, from scratch",
        })
    }
}

fn one_seed(seed: u64, args: Args, table: &mut Table) -> Result<()> {
    let Args { distil, smoke, .. } = args;
    let Data { train, test, .. } = starter()?;
    let (train, test) = match smoke {
        true => (train.first(400), test.first(200)),
        false => (train, test),
    };
    let epochs = if smoke { 1 } else { 7 };
    let recipe = Recipe::from_scratch(epochs).with_learning_rate(0.05);
    let tuning = Recipe::retrain(if smoke { 1 } else { 3 });

    let example = Tensor::<3>::random([4, 28, 28], Distribution::Default, &Device::flex());
    let dense = fit(
        Student::<SmallConv, Starter>::fresh(seed),
        &train,
        &recipe,
        seed,
        NoHook,
    )?;
    table.add(Way::Dense, &dense, &dense, &test, seed)?;

    let coupling = Coupling::of_model(dense.model(), example.clone(), SmallConv::forward)?;
    for score in [Score::Norm, Score::Distance, Score::Chance] {
        let scores = scores(score, &coupling, dense.model())?;
        let plan = half(&coupling, &scores)?;
        if score == Score::Norm && seed == 1 {
            println!("{plan}");
        }
        let (smaller, certificate) =
            plan.apply(dense.model(), example.clone(), SmallConv::forward)?;
        if score == Score::Norm && seed == 1 {
            println!("{certificate}\n");
        }
        let cut = Student::new(smaller);
        let tuned = match distil {
            true => {
                let soft = Distillation::new();
                training::distil(cut.fork(), &dense, &train, &tuning, seed, soft)?
            }
            false => fit(cut.fork(), &train, &tuning, seed, NoHook)?,
        };
        table.add(Way::Scored(score), &cut, &tuned, &test, seed)?;
        if score == Score::Norm {
            // Its shape, with weights that have learned nothing.
            let fresh = Student::<SmallConv, Starter>::fresh(seed + 1_000);
            let (fresh, _) = plan.apply(fresh.model(), example.clone(), SmallConv::forward)?;
            let fresh = Student::new(fresh);
            let trained = fit(fresh.fork(), &train, &recipe, seed, NoHook)?;
            table.add(Way::Scratch, &fresh, &trained, &test, seed)?;
        }
    }
    Ok(())
}

fn scores(score: Score, coupling: &Coupling, net: &SmallConv) -> Result<UnitScores> {
    // Filters of different layers are compared by their share of their layer's mean.
    let importance = Importance::new().with_normalisation(Normalisation::Mean);
    Ok(match score {
        Score::Norm => importance.score(coupling, net, Magnitude::l1())?,
        Score::Distance => importance.score(coupling, net, FilterDistance)?,
        Score::Chance => importance.score(coupling, net, Random)?,
    })
}

/// The plan that leaves half of the multiply-adds.
fn half<'a>(coupling: &'a Coupling, scores: &UnitScores) -> Result<Plan<'a>> {
    let budget = Budget::share(Cost::MultiplyAdds, 0.5);
    Ok(ChannelPruning::within(budget)
        .with_largest_share(0.75)
        .plan(coupling, scores)?)
}

/// What was seen.
#[derive(Debug, Default)]
struct Table {
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    way: Way,
    parameters: u64,
    products: u64,
    /// Percent right, before and after the last training.
    before: f64,
    after: f64,
    speed: Speed,
}

impl Table {
    fn add(
        &mut self,
        way: Way,
        before: &Student<SmallConv, Starter>,
        after: &Student<SmallConv, Starter>,
        test: &secateur_examples::data::Samples<Starter>,
        seed: u64,
    ) -> Result<()> {
        let net = after.model().valid();
        let device = Device::flex();
        let pixels: Vec<f32> = (0..16 * 784).map(|at| (at % 255) as f32 / 255.0).collect();
        let images = Tensor::<3>::from_data(TensorData::new(pixels, [16, 28, 28]), &device);
        let one = images.clone().narrow(0, 0, 1);
        let captured = secateur::graph::ModelGraph::capture(&net, one, SmallConv::forward)?;
        let counts = secateur::graph::Counts::of(captured.graph());
        let engine = SparseEngine::compile(&net, images.clone(), SmallConv::forward)?;
        let row = Row {
            way,
            parameters: counts.parameters().dense,
            products: counts.multiply_adds().dense,
            before: 100.0 - before.error_percent(test),
            after: 100.0 - after.error_percent(test),
            speed: Speed::measure(&net, &engine, &images)?,
        };
        eprintln!("seed {seed}: {way}, {:.1} % right", row.after);
        self.rows.push(row);
        Ok(())
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "| net | parameters | multiply-adds | right after the cut, % | after training, % | \
             Flex, us | engine, us |\n| --- | --- | --- | --- | --- | --- | --- |"
        )?;
        let scored = [Score::Norm, Score::Distance, Score::Chance].map(Way::Scored);
        for way in [Way::Dense].into_iter().chain(scored).chain([Way::Scratch]) {
            let rows: Vec<&Row> = self.rows.iter().filter(|row| row.way == way).collect();
            let mean = |of: &dyn Fn(&Row) -> f64| {
                rows.iter().map(|row| of(row)).sum::<f64>() / rows.len().max(1) as f64
            };
            writeln!(
                f,
                "| {way} | {:.0} | {:.0} | {:.1} | {:.1} | {:.0} | {:.0} |",
                mean(&|row| row.parameters as f64),
                mean(&|row| row.products as f64),
                mean(&|row| row.before),
                mean(&|row| row.after),
                mean(&|row| row.speed.burn),
                mean(&|row| row.speed.engine),
            )?;
        }
        let seeds = self.rows.iter().filter(|row| row.way == Way::Dense).count();
        write!(
            f,
            "Means of {seeds} seeds; 16 images a call, one run. Starter set, not comparable with \
             published figures."
        )
    }
}
