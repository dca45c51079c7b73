//! Accuracy against what a net costs: several methods, sparsities and seeds from the same starting
//! weights, random pruning among them ("What is the state of neural network pruning?", Blalock et
//! al. 2020).
//!
//! `cargo run --release --example tradeoff -- --help`
//!
//! | file | what it shows |
//! | --- | --- |
//! | `method.rs` | the methods, as configurations or as plans of channels |
//! | `measure.rs` | what a net costs, in parameters, products, bytes and time |

mod args;
mod measure;
mod method;

use std::process::ExitCode;
use std::sync::Mutex;

use indicatif::{ProgressBar, ProgressStyle};
use secateur::eval::report::Page;
use secateur::eval::{Cost, Point, TradeOff};
use secateur_examples::command_line;
use secateur_examples::data::{Data, Starter, starter};
use secateur_examples::nets::{Classifier, SmallConv};
use secateur_examples::training::{NoHook, Recipe, Student, fit};
use secateur_examples::{ExampleError, Result};

use args::Args;
use method::Method;

fn main() -> ExitCode {
    command_line::exit(run())
}

fn run() -> Result<()> {
    let Some(args) = args::parse(std::env::args().skip(1))? else {
        print!("{}", args::HELP);
        return Ok(());
    };
    let mut data = starter()?;
    if args.smoke {
        data.train = data.train.first(400);
        data.test = data.test.first(100);
    }
    let nets = trained(&args, &data)?;
    // Times are taken when nothing else runs.
    let mut points = Vec::new();
    let files = args.out.join("compiled");
    std::fs::create_dir_all(&files).map_err(ExampleError::io("create", &files))?;
    for net in &nets {
        let name = format!("{}-{}-{}.engine", net.method, net.sparsity, net.seed);
        points.push(Point {
            method: net.method.to_string(),
            sparsity: net.sparsity,
            seed: net.seed,
            accuracy: 1.0 - net.student.error_percent(&data.test) / 100.0,
            costs: measure::costs(net.student.model(), &files.join(name.replace(' ', "-")))?,
        });
    }
    let curves = TradeOff::new(data.name.as_str(), &Method::Random.to_string(), &points)?;
    let subtitle = format!(
        "{} on {}, {}",
        SmallConv::NAME,
        data.name,
        seeds(args.seeds)
    );
    let mut page = Page::new("Accuracy against cost", subtitle);
    for cost in [Cost::Parameters, Cost::MultiplyAdds, Cost::Seconds] {
        let front = curves.pareto(cost).into_iter();
        let front: Vec<String> = front
            .map(|step| format!("{} {:.0} %", step.method, 100.0 * step.sparsity))
            .collect();
        let front = front.join(", ");
        page = page.with_sentence(format!("By {}, nothing beats {front}.", cost.name()));
    }
    let page = page
        .with_sentence("Starter set, not comparable with published figures.")
        .with_tradeoff(&curves)?;
    println!("{page}");
    page.write(&args.out)?;
    println!("Curves, tables and numbers lie in {}.", args.out.display());
    Ok(())
}

fn seeds(count: u64) -> String {
    match count {
        1 => "one seed".into(),
        _ => format!("{count} seeds"),
    }
}

/// A net that went through a method.
struct Pruned {
    method: Method,
    sparsity: f64,
    seed: u64,
    student: Student<SmallConv, Starter>,
}

/// All nets, the seeds side by side.
fn trained(args: &Args, data: &Data<Starter>) -> Result<Vec<Pruned>> {
    let steps = 1 + Method::ALL.len() * args.sparsities.len();
    let bar = ProgressBar::new(args.seeds * steps as u64);
    let style = ProgressStyle::with_template("[{elapsed_precise}] {bar:30} {pos}/{len} trainings");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    let nets: Mutex<Vec<Pruned>> = Mutex::default();
    let results: Vec<Result<()>> = std::thread::scope(|scope| {
        let seeds: Vec<_> = (1..=args.seeds)
            .map(|seed| {
                scope.spawn({
                    let (bar, nets) = (&bar, &nets);
                    move || {
                        one_seed(args, data, seed, |net| {
                            bar.inc(1);
                            nets.lock().unwrap_or_else(|e| e.into_inner()).push(net);
                        })
                    }
                })
            })
            .collect();
        let lost = |_| {
            Err(ExampleError::Run {
                run: "a seed".into(),
                why: "its thread panicked".into(),
            })
        };
        seeds
            .into_iter()
            .map(|seed| seed.join().unwrap_or_else(lost))
            .collect()
    });
    bar.finish_and_clear();
    results.into_iter().collect::<Result<()>>()?;
    Ok(nets.into_inner().unwrap_or_else(|e| e.into_inner()))
}

/// Everything from one seed's starting weights.
fn one_seed(
    args: &Args,
    data: &Data<Starter>,
    seed: u64,
    mut done: impl FnMut(Pruned),
) -> Result<()> {
    let (full, little) = if args.smoke { (1, 1) } else { (7, 2) };
    let recipe = Recipe::from_scratch(full).with_learning_rate(0.05);
    let tuning = Recipe::retrain(little);
    let fresh = Student::<SmallConv, Starter>::fresh(seed);
    let dense = fit(fresh.fork(), &data.train, &recipe, seed, NoHook)?;
    done(Pruned {
        method: Method::Dense,
        sparsity: 0.0,
        seed,
        student: dense.fork(),
    });
    for &sparsity in &args.sparsities {
        for method in Method::ALL {
            let student = match method {
                // Before the training, which then is as long as the dense one and the tuning.
                Method::Snip => method.pruned(&fresh, data, sparsity, seed, &recipe)?,
                _ => method.pruned(&dense, data, sparsity, seed, &tuning)?,
            };
            done(Pruned {
                method,
                sparsity,
                seed,
                student,
            });
        }
    }
    Ok(())
}
