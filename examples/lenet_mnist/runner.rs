//! Runs the jobs, a few processes at a time.
//!
//! Processes and not threads, because a process of one thread never waits for another, and because
//! a job that fails takes nothing else with it.

use std::fs::File;
use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use indicatif::{ProgressBar, ProgressStyle};
use secateur_examples::{ExampleError, Result};

use crate::args::{Args, child_words};
use crate::job::{Job, jobs};
use crate::row::Row;

/// Runs all that `args` asks for and returns the rows in the table's order. A job that fails is
/// reported at once; the others still run, and their rows are in the file of `--json`.
pub(crate) fn run(args: &Args) -> Result<Vec<Row>> {
    let jobs = jobs(args);
    let journal = Journal::new(args, jobs.len() as u64)?;
    let next = AtomicUsize::new(0);
    let results: Mutex<Vec<(usize, Result<Vec<Row>>)>> = Mutex::default();

    std::thread::scope(|scope| {
        for _ in 0..args.processes {
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
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).map_err(|error| failed(format!("{line}: {error}"))))
        .collect()
}

/// Tells user and file what has come of each job, as soon as it has.
struct Journal {
    bar: ProgressBar,
    json: Option<Mutex<File>>,
}

impl Journal {
    fn new(args: &Args, jobs: u64) -> Result<Self> {
        let json = match &args.json {
            None => None,
            Some(path) => {
                let file = File::create(path).map_err(ExampleError::io("create", path))?;
                Some(Mutex::new(file))
            }
        };
        let style = ProgressStyle::with_template("[{elapsed_precise}] {bar:30} {pos}/{len} {msg}");
        let bar = ProgressBar::new(jobs);
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Ok(Self { bar, json })
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
                self.write(rows)?;
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

    fn write(&self, rows: &[Row]) -> Result<()> {
        let Some(json) = &self.json else {
            return Ok(());
        };
        let lines: String = rows
            .iter()
            .filter_map(|row| serde_json::to_string(row).ok())
            .map(|line| line + "\n")
            .collect();
        let mut file = json.lock().unwrap_or_else(|e| e.into_inner());
        file.write_all(lines.as_bytes())
            .map_err(ExampleError::io("write", "the file of --json"))
    }
}
