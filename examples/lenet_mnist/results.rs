//! The file of `--json`: what it holds already is not run again.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use secateur_examples::{ExampleError, Result};

use crate::job::Job;
use crate::method::Method;
use crate::methods::outlook;
use crate::row::Row;

/// Where a run stands before it starts.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Standing {
    /// Rows asked for that are there already.
    pub kept: Vec<Row>,
    /// What is still to be run, each job with the methods that it lacks.
    pub open: Vec<Job>,
    /// What the user should know, a sentence each.
    pub notes: Vec<String>,
}

/// The file of `--json`, open to be added to.
#[derive(Debug)]
pub(crate) struct Results {
    path: PathBuf,
    file: Mutex<File>,
}

impl Results {
    /// Opens the file and tells what it leaves of `jobs`. `fresh` empties it first.
    ///
    /// Damaged lines, repeated ones, and rows of a job that lacks others of them are left out; the
    /// file is then written anew, in one go. A file without any row is not taken for one of ours.
    pub(crate) fn open(path: &Path, fresh: bool, jobs: Vec<Job>) -> Result<(Self, Standing)> {
        let text = match fs::read(path) {
            _ if fresh => String::new(),
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
            Err(error) => return Err(ExampleError::io("read", path)(error)),
        };
        let Lines { sound, damaged } = Lines::of(&text);
        if sound.is_empty() && !damaged.is_empty() {
            return Err(ExampleError::Usage(format!(
                "{} holds no results; name another file, or start over with --fresh",
                path.display()
            )));
        }
        let (standing, lines) = standing(sound, damaged, jobs);
        let wanted: String = lines.iter().map(|line| format!("{line}\n")).collect();
        if wanted != text || fresh {
            replace(path, &wanted)?;
        }
        let file = OpenOptions::new().create(true).append(true).open(path);
        let file = file.map_err(ExampleError::io("open", path))?;
        let results = Self {
            path: path.into(),
            file: Mutex::new(file),
        };
        Ok((results, standing))
    }

    /// Adds a job's rows, all in one write, and waits until they are on disk.
    pub(crate) fn add(&self, rows: &[Row]) -> Result<()> {
        let lines: String = rows
            .iter()
            .filter_map(|row| serde_json::to_string(row).ok())
            .map(|line| line + "\n")
            .collect();
        let mut file = self.file.lock().unwrap_or_else(|e| e.into_inner());
        file.write_all(lines.as_bytes())
            .and_then(|()| file.sync_data())
            .map_err(ExampleError::io("write", &self.path))
    }
}

/// Writes a file beside its place and then moves it there, so that there is always a whole one.
fn replace(path: &Path, text: &str) -> Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".part");
    let beside = PathBuf::from(beside);
    let written = File::create(&beside).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()
    });
    written
        .and_then(|()| fs::rename(&beside, path))
        .map_err(ExampleError::io("write", path))
}

/// The lines of a file, read.
#[derive(Debug, Default)]
struct Lines {
    sound: Vec<(String, Row)>,
    /// Their numbers, and what is wrong with them.
    damaged: Vec<(usize, String)>,
}

impl Lines {
    fn of(text: &str) -> Self {
        let mut lines = Self::default();
        for (index, line) in text.lines().enumerate() {
            match serde_json::from_str(line) {
                Ok(row) => lines.sound.push((line.into(), row)),
                Err(error) => lines.damaged.push((index + 1, error.to_string())),
            }
        }
        lines
    }
}

/// What the lines of a file leave to be run, and the lines that stay in it.
fn standing(
    sound: Vec<(String, Row)>,
    damaged: Vec<(usize, String)>,
    jobs: Vec<Job>,
) -> (Standing, Vec<String>) {
    let mut standing = Standing::default();
    for (number, why) in damaged {
        let note = format!("line {number} is damaged and left out: {why}");
        standing.notes.push(note);
    }
    let mut lines: Vec<(String, Row)> = Vec::new();
    for (line, row) in sound {
        if lines.iter().any(|(_, known)| known.is_same_run(&row)) {
            let note = format!("left out, for it is there twice: {line}");
            standing.notes.push(note);
        } else {
            lines.push((line, row));
        }
    }
    for mut job in jobs {
        let is_open = |&method: &Method| {
            let is_of = |row: &Row| belongs(row, &job, method);
            let there = lines.iter().filter(|(_, row)| is_of(row)).count();
            if there == outlook(&job, method).rows {
                let there = lines.iter().map(|(_, row)| row).filter(|row| is_of(row));
                standing.kept.extend(there.cloned());
                return false;
            }
            if there > 0 {
                let note = format!("{method} seed {} is incomplete and run again", job.seed);
                standing.notes.push(note);
                lines.retain(|(_, row)| !is_of(row));
            }
            true
        };
        let methods = job.methods.iter().copied().filter(is_open).collect();
        job.methods = methods;
        if !job.methods.is_empty() {
            standing.open.push(job);
        }
    }
    (standing, lines.into_iter().map(|(line, _)| line).collect())
}

/// Whether a row is a result of `method` in `job`.
fn belongs(row: &Row, job: &Job, method: Method) -> bool {
    row.dataset == job.dataset.to_string()
        && row.net == job.net.to_string()
        && row.method == method.name()
        && row.seed == job.seed
        && row.epochs == outlook(job, method).epochs
}

/// Whether these are the rows that a job is to give.
pub(crate) fn answers(rows: &[Row], job: &Job) -> bool {
    job.methods.iter().all(|&method| {
        let there = rows.iter().filter(|row| belongs(row, job, method));
        there.count() == outlook(job, method).rows
    })
}

#[cfg(test)]
mod tests;
