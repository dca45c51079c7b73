//! Burn's Flex with the feature `x86-v4`, as a contestant of the programs `kernels` and `engine`, which
//! start this program and ask it, round by round, for one sample.
//!
//! ```text
//! flex-x86-v4 THREADS
//! > work product 1024 1024 64      (see `Work`)
//! < ready
//! > sample
//! < 0.5821                         (milliseconds of a call)
//! > model resnet-20 16             (see `Model`: a name and the size of a batch)
//! < ready
//! ```
//!
//! What cannot be done is answered by `error` and why. The end of the input is the end.

#[path = "../kernels/burn_flex.rs"]
mod burn_flex;
#[path = "../engine/nets.rs"]
mod nets;
#[path = "../stopwatch.rs"]
mod stopwatch;
#[path = "../kernels/work.rs"]
mod work;

use std::convert::Infallible;
use std::io::{self, BufRead, Write};
use std::process::ExitCode;

use burn::module::Module;
use burn::tensor::Device;
use burn_flex::BurnFlex;
use nets::{Input, Model};
use stopwatch::{Clock, Stopwatch};
use work::Work;

fn main() -> ExitCode {
    let threads = std::env::args().nth(1).and_then(|word| word.parse().ok());
    let Some(threads @ 1_usize..) = threads else {
        eprintln!("usage: flex-x86-v4 THREADS, which the program `kernels` does");
        return ExitCode::FAILURE;
    };
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build_global();
    // In the pool, so that no call has to wake it first.
    let outcome = pool
        .map_err(io::Error::other)
        .and_then(|()| rayon::scope(|_| answer(Clock::of_threads(threads))));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("flex-x86-v4: {error}");
            ExitCode::FAILURE
        }
    }
}

fn answer(clock: Clock) -> io::Result<()> {
    let mut contestant = None;
    for line in io::stdin().lock().lines() {
        let line = line?;
        let reply = match (line.split_once(' '), &mut contestant) {
            (Some(("work", work)), _) => match work.parse() {
                Ok(work) => {
                    contestant = Some(prepare(work, clock));
                    "ready".to_owned()
                }
                Err(why) => format!("error {why}"),
            },
            (Some(("model", model)), _) => match load(model, clock) {
                Ok(loaded) => {
                    contestant = Some(loaded);
                    "ready".to_owned()
                }
                Err(why) => format!("error {why}"),
            },
            (None, Some((run, stopwatch))) if line == "sample" => {
                sample(*stopwatch, run).to_string()
            }
            (None, None) if line == "sample" => "error no work yet".to_owned(),
            _ => format!("error `{line}` is neither work nor a sample"),
        };
        let mut out = io::stdout().lock();
        writeln!(out, "{reply}")?;
        out.flush()?;
    }
    Ok(())
}

/// What is timed.
type Run = Box<dyn FnMut()>;

fn prepare(work: Work, clock: Clock) -> (Run, Stopwatch) {
    // Dense work takes the same time whatever the numbers, as long as none is subnormal.
    let [weights, x, dy] = work.lengths().map(|len| {
        (0..len)
            .map(|at| (at % 251) as f32 / 251.0 - 0.4)
            .collect::<Vec<_>>()
    });
    let mut flex = BurnFlex::new(work, &weights, &x, &dy);
    timed(Box::new(move || flex.run()), clock)
}

/// A whole model with weights as Burn draws them.
fn load(words: &str, clock: Clock) -> Result<(Run, Stopwatch), String> {
    let wrong = || format!("`{words}` is no model and batch");
    let (name, batch) = words.split_once(' ').ok_or_else(wrong)?;
    let model: Model = name.parse()?;
    let batch = batch.parse().map_err(|_| wrong())?;
    let device = Device::flex();
    let net = model.net(&device).valid();
    let x = Input::random(model, batch, &device);
    let run = move || drop(net.forward(x.clone()));
    Ok(timed(Box::new(run), clock))
}

fn timed(mut run: Run, clock: Clock) -> (Run, Stopwatch) {
    let Ok(stopwatch) = Stopwatch::fitting(clock, calling(&mut run));
    (run, stopwatch)
}

fn sample(stopwatch: Stopwatch, run: &mut Run) -> f64 {
    let Ok(ms) = stopwatch.sample(calling(run));
    ms
}

fn calling(run: &mut Run) -> impl FnMut() -> Result<(), Infallible> {
    || {
        run();
        Ok(())
    }
}
