//! Starts workers, shows how far they are, and makes the report.

use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use secateur::eval::{Jobs, ResultsFolder};
use secateur_examples::{ExampleError, Result};

use crate::args::{Args, worker_words};

/// Has every model of `jobs` trained that `folder` does not hold yet.
///
/// Processes and not threads: a model then draws its random numbers alone, and whoever is stopped
/// takes nothing with him but the model he was at.
pub(crate) fn train(args: &Args, jobs: &Jobs, folder: &ResultsFolder) -> Result<()> {
    let open = folder.missing(jobs)?.len();
    if open == 0 {
        return Ok(());
    }
    if open < jobs.len() {
        eprintln!(
            "{} of {} models are there already",
            jobs.len() - open,
            jobs.len()
        );
    }
    let style = ProgressStyle::with_template(
        "[{elapsed_precise}] {bar:30} {pos}/{len} models, {eta_precise} left",
    );
    let bar = ProgressBar::new(open as u64);
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.tick();
    let mut workers: Vec<Child> = Vec::new();
    for index in 0..args.processes {
        workers.push(start(args, index)?);
    }
    let outcome = follow(&mut workers, || {
        let left = jobs
            .iter()
            .filter(|job| !folder.file_of(&job.level, job.seed).exists())
            .count();
        bar.set_position((open - left.min(open)) as u64);
        Ok(())
    });
    for mut worker in workers {
        // Those that are done cannot be killed, and need not be.
        let _ = worker.kill();
        let _ = worker.wait();
    }
    bar.finish_and_clear();
    outcome
}

fn start(args: &Args, index: usize) -> Result<Child> {
    let failed = |error: std::io::Error| ExampleError::Run {
        run: format!("worker {index}"),
        why: error.to_string(),
    };
    Command::new(std::env::current_exe().map_err(failed)?)
        .args(worker_words(args, index))
        // The processes fill the cores; threads inside them would get in each other's way.
        .env("RAYON_NUM_THREADS", "1")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .map_err(failed)
}

/// Looks at the workers now and then until all are done; the first that fails ends it.
fn follow(workers: &mut [Child], mut look: impl FnMut() -> Result<()>) -> Result<()> {
    loop {
        let mut running = 0;
        for (index, worker) in workers.iter_mut().enumerate() {
            let status = worker.try_wait().map_err(|error| ExampleError::Run {
                run: format!("worker {index}"),
                why: error.to_string(),
            })?;
            match status {
                None => running += 1,
                Some(status) if status.success() => {}
                Some(status) => {
                    return Err(ExampleError::Run {
                        run: format!("worker {index}"),
                        why: format!("{status}; what it finished is kept, run it again"),
                    });
                }
            }
        }
        look()?;
        if running == 0 {
            return Ok(());
        }
        sleep(Duration::from_secs(1));
    }
}
