//! A plain folder of results: one file per model, shared by any number of processes.
//!
//! | file | holds |
//! | --- | --- |
//! | `test_set.json` | names, labels and groupings of the test set, with its checksum |
//! | `90-%-5c1f03aa.seed-17.model` | one model: level, seed, answers |
//! | `.*.tmp` | a file that is being written, or was when its process ended |
//!
//! A file is written beside its destination, flushed to the disk and renamed, so it is there whole
//! or not at all, whoever is killed when. Nothing else is kept: no lock, no index. What is done is
//! what has a file; folders of several machines are merged by copying their files together.
//!
//! A model file of version 1, little-endian: magic `SECEVAL1`, version `u32`, length of the header
//! `u32`, the header as JSON (level, seed, checksum of the test set, number of examples,
//! corruptions, facts), the predicted classes as `u32`, the confidences as `f32`, the ranks of the
//! true class as `u32`, for each corruption one bit per example in words of `u64`, and the CRC-32
//! of all before.

mod file;
mod jobs;

use std::collections::HashSet;
use std::fs;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use secateur_core::random::fnv;

use crate::error::EvalError;
use crate::level::Level;
use crate::model::ModelResult;
use crate::test_set::TestSet;

pub use jobs::{Job, Jobs};

const TEST_SET: &str = "test_set.json";
const EXTENSION: &str = "model";

/// A folder of results on one test set.
///
/// ```
/// use secateur_eval::{Jobs, Level, ModelResult, Predictions, ResultsFolder, TestSet};
///
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("results");
/// let set = TestSet::new("toy", ["cat", "dog"], [0, 1, 1])?;
/// let folder = ResultsFolder::create(&path, &set)?;
/// let jobs = Jobs::disjoint([Level::dense(), Level::control(), Level::pruned(0.9)?], 10);
/// for job in folder.missing(&jobs)?.into_iter().take(3) {
///     // train and prune a model with `job.seed`, then ask it:
///     let answers = Predictions::from_logits(&set, &[0.9, 0.1, 0.3, 0.7, 0.8, 0.2])?;
///     folder.write(&ModelResult::new(job.level, job.seed, answers))?;
/// }
/// assert_eq!(folder.missing(&jobs)?.len(), 27);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct ResultsFolder {
    path: PathBuf,
    test_set: TestSet,
}

/// What `test_set.json` holds.
#[derive(Serialize, Deserialize)]
struct StoredTestSet {
    version: u32,
    checksum: String,
    test_set: TestSet,
}

impl ResultsFolder {
    /// Opens the folder for a test set, and makes it if it is not there.
    ///
    /// # Errors
    ///
    /// If the folder holds results of another test set, cannot be made, or is damaged.
    pub fn create(path: impl Into<PathBuf>, test_set: &TestSet) -> Result<Self, EvalError> {
        let path = path.into();
        fs::create_dir_all(&path).map_err(EvalError::io(&path))?;
        let file = path.join(TEST_SET);
        if !file.exists() {
            let stored = StoredTestSet {
                version: 1,
                checksum: format!("{:016x}", test_set.checksum()),
                test_set: test_set.clone(),
            };
            let bytes = serde_json::to_vec(&stored).map_err(|error| EvalError::Io {
                file: file.clone(),
                what: error.to_string(),
            })?;
            write_whole(&file, &bytes)?;
        }
        // Read back what is there: another process may have been first.
        let folder = Self::open(path)?;
        if folder.test_set.checksum() != test_set.checksum() {
            return Err(EvalError::UnequalTestSets {
                first: format!("the folder `{}`", folder.path.display()),
                first_sum: folder.test_set.checksum(),
                second: format!("the test set `{}`", test_set.name()),
                second_sum: test_set.checksum(),
            });
        }
        Ok(folder)
    }

    /// Opens a folder that is there.
    ///
    /// # Errors
    ///
    /// If it is not, or its `test_set.json` is damaged.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, EvalError> {
        let path = path.into();
        let file = path.join(TEST_SET);
        let bytes = fs::read(&file).map_err(EvalError::io(&file))?;
        let damaged = |what: String| EvalError::Damaged {
            file: file.clone(),
            what,
            remedy: "copy it from another machine's folder, or delete it and create the folder \
                     again with the same test set; the models stay valid",
        };
        let stored: StoredTestSet =
            serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))?;
        if stored.version != 1 {
            return Err(EvalError::Version {
                file,
                found: stored.version,
                known: 1,
            });
        }
        let test_set = stored.test_set;
        test_set
            .check()
            .map_err(|error| damaged(error.to_string()))?;
        if format!("{:016x}", test_set.checksum()) != stored.checksum {
            return Err(damaged("its checksum does not match its labels".into()));
        }
        Ok(Self { path, test_set })
    }

    /// Where it lies.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The test set of all its results.
    #[must_use]
    pub fn test_set(&self) -> &TestSet {
        &self.test_set
    }

    /// Where the results of a level and a seed lie, or would.
    #[must_use]
    pub fn file_of(&self, level: &Level, seed: u64) -> PathBuf {
        let plain: String = level
            .name()
            .chars()
            .map(|c| {
                if c.is_ascii_alphanumeric() || "%.".contains(c) {
                    c
                } else {
                    '-'
                }
            })
            .take(40)
            .collect();
        // The hash keeps apart what the plain name has in common.
        let hash = fnv(level.name().bytes()) as u32;
        self.path
            .join(format!("{plain}-{hash:08x}.seed-{seed}.{EXTENSION}"))
    }

    /// Writes a model's results, whole or not at all.
    ///
    /// # Errors
    ///
    /// If the model was evaluated on another test set, the folder cannot be written, or the same
    /// level and seed are there already with other results. Equal results are no error.
    pub fn write(&self, model: &ModelResult) -> Result<(), EvalError> {
        self.check_test_set(model)?;
        let file = self.file_of(&model.level, model.seed);
        if file.exists() {
            let there = file::read(&file)?;
            // Facts such as seconds differ from run to run.
            return match there.clean == model.clean && there.corrupted == model.corrupted {
                true => Ok(()),
                false => Err(EvalError::Differs { file }),
            };
        }
        write_whole(&file, &file::to_bytes(model))
    }

    /// Reads one model's results; `None` if there are none.
    ///
    /// # Errors
    ///
    /// If its file is damaged or of another test set.
    pub fn read(&self, level: &Level, seed: u64) -> Result<Option<ModelResult>, EvalError> {
        let file = self.file_of(level, seed);
        match file.exists() {
            true => Ok(Some(self.read_file(&file)?)),
            false => Ok(None),
        }
    }

    /// Reads all models, ordered by level and seed.
    ///
    /// # Errors
    ///
    /// If a file is damaged or of another test set, or a model is there twice.
    pub fn models(&self) -> Result<Vec<ModelResult>, EvalError> {
        let files = self.files()?;
        let mut models: Vec<ModelResult> = files
            .par_iter()
            .map(|file| self.read_file(file))
            .collect::<Result<_, _>>()?;
        models.sort_by(|a, b| a.level.order(&b.level).then(a.seed.cmp(&b.seed)));
        let mut seen = HashSet::new();
        for model in &models {
            if !seen.insert((model.level.name(), model.seed)) {
                return Err(EvalError::Duplicate {
                    level: model.level.name().into(),
                    seed: model.seed,
                });
            }
        }
        Ok(models)
    }

    /// The jobs that have no results yet.
    ///
    /// # Errors
    ///
    /// If a file that is there is damaged.
    pub fn missing(&self, jobs: &Jobs) -> Result<Vec<Job>, EvalError> {
        let mut missing = Vec::new();
        for job in jobs {
            if self.read(&job.level, job.seed)?.is_none() {
                missing.push(job.clone());
            }
        }
        Ok(missing)
    }

    /// Every file that is damaged, with what is wrong with it.
    ///
    /// # Errors
    ///
    /// If the folder cannot be listed.
    pub fn damaged(&self) -> Result<Vec<EvalError>, EvalError> {
        let files = self.files()?;
        Ok(files
            .iter()
            .filter_map(|file| self.read_file(file).err())
            .collect())
    }

    /// Deletes what killed processes left half written, where it is older than `age`; says how
    /// many files that were.
    ///
    /// # Errors
    ///
    /// If the folder cannot be listed or a file not deleted.
    pub fn sweep(&self, age: Duration) -> Result<usize, EvalError> {
        let mut swept = 0;
        for file in list(&self.path)? {
            let name = file
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            let old = fs::metadata(&file)
                .and_then(|data| data.modified())
                .is_ok_and(|at| {
                    SystemTime::now()
                        .duration_since(at)
                        .is_ok_and(|is| is >= age)
                });
            if name.starts_with('.') && name.ends_with(".tmp") && old {
                fs::remove_file(&file).map_err(EvalError::io(&file))?;
                swept += 1;
            }
        }
        Ok(swept)
    }

    fn files(&self) -> Result<Vec<PathBuf>, EvalError> {
        let mut files = list(&self.path)?;
        files.retain(|file| {
            let hidden = file
                .file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with('.'));
            !hidden
                && file
                    .extension()
                    .is_some_and(|extension| extension == EXTENSION)
        });
        files.sort();
        Ok(files)
    }

    fn read_file(&self, file: &Path) -> Result<ModelResult, EvalError> {
        let model = file::read(file)?;
        self.check_test_set(&model)?;
        Ok(model)
    }

    fn check_test_set(&self, model: &ModelResult) -> Result<(), EvalError> {
        let ours = self.test_set.checksum();
        if model.clean.test_set == ours && model.clean.len() == self.test_set.len() {
            return Ok(());
        }
        Err(EvalError::UnequalTestSets {
            first: format!("the folder `{}`", self.path.display()),
            first_sum: ours,
            second: model.to_string(),
            second_sum: model.clean.test_set,
        })
    }
}

fn list(folder: &Path) -> Result<Vec<PathBuf>, EvalError> {
    let entries = fs::read_dir(folder).map_err(EvalError::io(folder))?;
    entries
        .map(|entry| {
            entry
                .map(|entry| entry.path())
                .map_err(EvalError::io(folder))
        })
        .collect()
}

/// Writes beside the destination, flushes, renames.
pub(crate) fn write_whole(file: &Path, bytes: &[u8]) -> Result<(), EvalError> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let folder = file.parent().unwrap_or(Path::new("."));
    // Processes of several machines may share the folder, and their ids.
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    let unique = format!(
        "{}-{:x}-{}",
        std::process::id(),
        now.as_nanos(),
        COUNT.fetch_add(1, Ordering::Relaxed)
    );
    let temporary = folder.join(format!(".{name}.{unique}.tmp"));
    let written = (|| {
        let mut out = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&temporary)?;
        out.write_all(bytes)?;
        out.sync_all()?;
        drop(out);
        fs::rename(&temporary, file)
    })();
    written.map_err(|error| {
        if let Err(left) = fs::remove_file(&temporary)
            && left.kind() != ErrorKind::NotFound
        {
            return EvalError::io(&temporary)(left);
        }
        EvalError::io(file)(error)
    })
}
