//! Runs the jobs, a few processes at a time.
//!
//! Processes and not threads, because a process of one thread never waits for another, and because
//! a job that fails takes nothing else with it.

use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use indicatif::{ProgressBar, ProgressStyle};
use secateur_examples::{ExampleError, Result};

use crate::args::{Args, child_words};
use crate::job::{Job, jobs};
use crate::results::{Results, Standing, answers};
use crate::row::Row;

/// Runs what `args` asks for and the file of `--json` does not hold yet, and returns the rows of
/// both. A job that fails is reported at once; the others still run, and their rows are in the
/// file.
pub(crate) fn run(args: &Args) -> Result<Vec<Row>> {
    let wanted = jobs(args);
    let Some(path) = &args.json else {
        return run_jobs(&wanted, args.processes, None);
    };
    let jobs = wanted.len();
    let (file, standing) = Results::open(path, args.fresh, wanted)?;
    let Standing { kept, open, notes } = standing;
    let name = path.display();
    for note in notes {
        eprintln!("{name}: {note}");
    }
    if !kept.is_empty() {
        let (kept, open) = (kept.len(), open.len());
        eprintln!(
            "{name}: {kept} results kept, {open} of {jobs} jobs still to run; --fresh starts over"
        );
    }
    let new = run_jobs(&open, args.processes, Some(file))?;
    Ok([kept, new].concat())
}

/// Runs the jobs, so many at a time.
fn run_jobs(jobs: &[Job], processes: usize, file: Option<Results>) -> Result<Vec<Row>> {
    let journal = Journal::new(file, jobs.len() as u64);
    let next = AtomicUsize::new(0);
    let results: Mutex<Vec<(usize, Result<Vec<Row>>)>> = Mutex::default();

    std::thread::scope(|scope| {
        for _ in 0..processes {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(job) = jobs.get(index) else { break };
                    let result = journal.follow(job, || in_a_process(job));
                    let mut results = results.lock().unwrap_or_else(|e| e.into_inner());
                    results.push((index, result));
                }
            });
        }
    });
    journal.bar.finish_and_clear();

    let mut results = results.into_inner().unwrap_or_else(|e| e.into_inner());
    results.sort_by_key(|&(index, _)| index);
    let rows: Result<Vec<Vec<Row>>> = results.into_iter().map(|(_, rows)| rows).collect();
    Ok(rows?.concat())
}

/// Starts this program again for one job and reads its rows.
fn in_a_process(job: &Job) -> Result<Vec<Row>> {
    let failed = |why: String| ExampleError::Run {
        run: job.to_string(),
        why,
    };
    let program = std::env::current_exe().map_err(|error| failed(error.to_string()))?;
    let output = Command::new(program)
        .args(child_words(job))
        // The processes fill the cores; threads inside them would get in each other's way.
        .env("RAYON_NUM_THREADS", "1")
        .stdin(Stdio::null())
        .output()
        .map_err(|error| failed(error.to_string()))?;
    if !output.status.success() {
        let last_words = String::from_utf8_lossy(&output.stderr);
        return Err(failed(
            last_words.trim().trim_start_matches("error: ").into(),
        ));
    }
    let rows: Vec<Row> = String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).map_err(|error| failed(format!("{line}: {error}"))))
        .collect::<Result<_>>()?;
    if !answers(&rows, job) {
        let why = format!("it gave {} results, not those of its methods", rows.len());
        return Err(failed(why));
    }
    Ok(rows)
}

/// Tells user and file what has come of each job, as soon as it has.
struct Journal {
    bar: ProgressBar,
    file: Option<Results>,
}

impl Journal {
    fn new(file: Option<Results>, jobs: u64) -> Self {
        let style = ProgressStyle::with_template("[{elapsed_precise}] {bar:30} {pos}/{len} {msg}");
        let bar = ProgressBar::new(jobs);
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self { bar, file }
    }

    fn follow(&self, job: &Job, work: impl FnOnce() -> Result<Vec<Row>>) -> Result<Vec<Row>> {
        let start = Instant::now();
        let result = work();
        let seconds = start.elapsed().as_secs_f64();
        match &result {
            Ok(rows) => {
                for row in rows {
                    let Row {
                        method,
                        sparsity,
                        error,
                        ..
                    } = row;
                    let asked = 100.0 * sparsity;
                    self.say(&format!(
                        "{} {} seed {}: {method} {asked:.1} %: {error:.2} % error",
                        job.dataset, job.net, job.seed
                    ));
                }
                self.say(&format!("{job}: {seconds:.1} s"));
                if let Some(file) = &self.file {
                    file.add(rows)?;
                }
            }
            Err(error) => self.say(&format!("FAILED after {seconds:.1} s: {error}")),
        }
        self.bar.inc(1);
        result
    }

    /// Above the bar; plainly where there is no terminal and so no bar.
    fn say(&self, line: &str) {
        self.bar.suspend(|| eprintln!("{line}"));
    }
}
