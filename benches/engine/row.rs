//! Measurements as JSON, one object a line.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::Result;

/// One contestant's time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) model: String,
    pub(crate) batch: usize,
    pub(crate) sparsity: f64,
    /// `uniform` or `global`.
    #[serde(default)]
    pub(crate) masks: String,
    pub(crate) threads: usize,
    pub(crate) contestant: String,
    pub(crate) ms: f64,
}

/// Rows of others, from a file.
pub(crate) fn read(path: Option<&Path>) -> Result<Vec<Row>> {
    let Some(path) = path else {
        return Ok(Vec::new());
    };
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let rows = text.lines().filter(|line| !line.trim().is_empty());
    rows.map(|line| serde_json::from_str(line).map_err(|error| format!("{line}: {error}").into()))
        .collect()
}

/// Where the rows go.
pub(crate) struct RowFile(Option<File>);

impl RowFile {
    pub(crate) fn create(path: Option<&Path>) -> Result<Self> {
        Ok(Self(path.map(File::create).transpose()?))
    }

    pub(crate) fn write(&mut self, rows: &[Row]) -> Result<()> {
        if let Some(file) = &mut self.0 {
            for row in rows {
                writeln!(file, "{}", serde_json::to_string(row)?)?;
            }
        }
        Ok(())
    }
}
