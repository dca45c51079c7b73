//! Whole models, pruned and compiled, beside Burn: the table of `docs/src/performance.md`.
//!
//! `cargo run --release -p secateur-benches --bin engine -- --help`

mod args;
mod contest;
mod masks;
mod nets;
mod overhead;
mod row;
mod table;

use std::error::Error;
use std::process::ExitCode;

use secateur::graph::{Counts, ModelGraph};
use secateur::sparse::{EngineConfig, SparseEngine};
use secateur_benches::second_program::{HOW_TO_BUILD, SecondProgram};
use secateur_benches::stopwatch::Clock;
use secateur_kernels::Isa;

use args::{Args, HELP};
use contest::{Contest, Effort};
use masks::Spread;
use nets::{Input, Model, Net};
use row::{Row, RowFile};
use table::Line;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> ExitCode {
    let args = match args::parse(std::env::args().skip(1)) {
        Ok(Some(args)) => args,
        Ok(None) => {
            println!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Err(why) => {
            eprintln!("error: {why}");
            return ExitCode::FAILURE;
        }
    };
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<()> {
    // Burn's Flex uses this pool.
    rayon::ThreadPoolBuilder::new()
        .num_threads(args.threads)
        .build_global()?;
    let rivals = row::read(args.rivals.as_deref())?;
    let mut file = RowFile::create(args.json.as_deref())?;
    let mut program = match SecondProgram::find() {
        Some(executable) => Some(SecondProgram::start(&executable, args.threads)?),
        None => {
            println!("flex-x86-v4 is left out; to build it:\n  {HOW_TO_BUILD}");
            None
        }
    };
    let clock = Clock::of_threads(args.threads);
    println!(
        "{}\n{}",
        table::rules(Isa::from_env()?, args.threads),
        overhead::measure(clock)?
    );
    // In the pool, so that no call has to wake it first.
    rayon::scope(|_| {
        for &model in &args.models {
            measure(model, args, program.as_mut(), &rivals, &mut file)?;
        }
        Ok(())
    })
}

/// All batches and sparsities of one model.
fn measure(
    model: Model,
    args: &Args,
    mut program: Option<&mut SecondProgram>,
    rivals: &[Row],
    file: &mut RowFile,
) -> Result<()> {
    let device = burn::tensor::Device::flex();
    let (dense, trained) = masks::trained(model, args.data.as_deref(), &device);
    let weights = if trained { "trained" } else { "as drawn" };
    println!("\n{model}, weights {weights}\n{}", table::columns());
    for batch in model.batches() {
        let x = Input::random(model, batch, &device);
        for (sparsity, spread) in [
            (0.0, Spread::Uniform),
            (0.5, Spread::Uniform),
            (0.9, Spread::Uniform),
            (0.9, Spread::Global),
        ] {
            let net = masks::pruned(&dense, sparsity, spread)?;
            let engine = compile(&net, &x, args.threads)?;
            let error = difference(&engine, &net, &x)?;
            if error > 1e-4 {
                return Err(format!("{model} differs from Burn by {error} of its range").into());
            }
            let bound = amdahl(&net, &x)?;
            let mut contest = Contest::new(Clock::of_threads(args.threads));
            contest.enter_engine(&engine, batch, &x)?;
            contest.enter("flex", {
                let (dense, x) = (dense.clone(), x.clone());
                Box::new(move || drop(dense.forward(x.clone())))
            });
            #[cfg(feature = "ndarray")]
            contest.enter("ndarray", on_ndarray(model, batch));
            if let Some(program) = program.as_deref_mut() {
                program.prepare(format_args!("model {model} {batch}"))?;
                contest.enter_program("flex-x86-v4", program);
            }
            let times = contest.medians(Effort::new(args.quick))?;
            let rows: Vec<Row> = times
                .iter()
                .map(|&(contestant, ms)| Row {
                    model: model.to_string(),
                    batch,
                    sparsity,
                    masks: spread.name().into(),
                    threads: args.threads,
                    contestant: contestant.into(),
                    ms,
                })
                .collect();
            file.write(&rows)?;
            let others = rivals.iter().filter(|row| {
                row.model == model.name() && row.batch == batch && row.threads == args.threads
            });
            let line = Line {
                batch,
                sparsity,
                spread,
                bound,
                error,
                rows: rows.iter().chain(others).collect(),
                weight_bytes: engine.weight_bytes(),
                run_bytes: engine.run_bytes(),
                activation_bytes: engine.activation_bytes(),
            };
            println!("{line}");
            if args.explain && sparsity == 0.9 && spread == Spread::Uniform {
                println!("{}", engine.explain()?);
            }
        }
    }
    Ok(())
}

fn compile(net: &Net, x: &Input, threads: usize) -> Result<SparseEngine> {
    let config = EngineConfig::new().with_threads(threads).measured();
    Ok(match x.clone() {
        Input::Rows(x) => config.compile(net, x, |net, x| net.forward(Input::Rows(x)))?,
        Input::Images(x) => config.compile(net, x, |net, x| net.forward(Input::Images(x)))?,
        Input::Tokens(x) => config.compile(net, x, |net, x| net.forward(Input::Tokens(x)))?,
    })
}

/// The largest difference from Burn's output, over the largest output.
fn difference(engine: &SparseEngine, net: &Net, x: &Input) -> Result<f32> {
    let expected = net.forward(x.clone());
    let got: burn::tensor::Tensor<2> = match x.clone() {
        Input::Rows(x) => engine.run(x)?,
        Input::Images(x) => engine.run(x)?,
        Input::Tokens(x) => engine.run(x)?,
    };
    let range = expected.clone().abs().max().into_scalar::<f32>();
    Ok((got - expected).abs().max().into_scalar::<f32>() / range)
}

/// Dense multiply-adds over those that are left: no engine can be more times as fast.
fn amdahl(net: &Net, x: &Input) -> Result<f64> {
    let graph = match x.clone() {
        Input::Rows(x) => ModelGraph::capture(net, x, |net, x| net.forward(Input::Rows(x)))?,
        Input::Images(x) => ModelGraph::capture(net, x, |net, x| net.forward(Input::Images(x)))?,
        Input::Tokens(x) => ModelGraph::capture(net, x, |net, x| net.forward(Input::Tokens(x)))?,
    };
    Ok(Counts::of(graph.graph()).multiply_adds().reduction())
}

/// The dense model on Burn's former CPU backend.
#[cfg(feature = "ndarray")]
fn on_ndarray(model: Model, batch: usize) -> Box<dyn FnMut()> {
    use burn::module::Module;
    #[allow(deprecated)]
    let device = burn::tensor::Device::ndarray();
    let net = model.net(&device).valid();
    let x = Input::random(model, batch, &device);
    Box::new(move || drop(net.forward(x.clone())))
}
