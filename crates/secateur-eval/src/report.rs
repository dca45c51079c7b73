//! An analysis on the screen, on a page, and in files.

pub(crate) mod csv;
mod number;
mod table;
mod tables;

use std::fs;
use std::path::Path;

use crate::analysis::Analysis;
use crate::error::EvalError;
use crate::folder::write_whole;

pub use table::{Align, Table};

impl Analysis {
    /// The tables a person reads, in order.
    #[must_use]
    pub fn tables(&self) -> Vec<Table> {
        tables::all(self)
    }

    /// As JSON, which [`from_json`](Self::from_json) reads.
    ///
    /// # Errors
    ///
    /// If a number is not finite, which an analysis never has.
    pub fn to_json(&self) -> Result<String, EvalError> {
        serde_json::to_string_pretty(self).map_err(|error| EvalError::Setting {
            name: "analysis",
            value: "not to be written as JSON".into(),
            remedy: error.to_string(),
        })
    }

    /// An analysis from its JSON.
    ///
    /// # Errors
    ///
    /// If it is none, or of a later version.
    pub fn from_json(json: &str) -> Result<Self, EvalError> {
        let analysis: Self = serde_json::from_str(json)
            .map_err(|error| EvalError::setting("json", error, "pass what `to_json` gave"))?;
        match analysis.version {
            1 => Ok(analysis),
            found => Err(EvalError::Version {
                file: "analysis.json".into(),
                found,
                known: 1,
            }),
        }
    }

    /// Writes the report into a folder, which is made if it is not there.
    ///
    /// # Errors
    ///
    /// If a file cannot be written or a picture not be drawn.
    pub fn write(&self, folder: impl AsRef<Path>) -> Result<(), EvalError> {
        let folder = folder.as_ref();
        fs::create_dir_all(folder).map_err(EvalError::io(folder))?;
        write_whole(&folder.join("analysis.json"), self.to_json()?.as_bytes())?;
        for (name, bytes) in csv::files(self)? {
            write_whole(&folder.join(name), &bytes)?;
        }
        Ok(())
    }
}

impl std::fmt::Display for Analysis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{}", tables::headline(self))?;
        for table in self.tables() {
            write!(f, "\n{table}")?;
        }
        writeln!(f)?;
        self.notes
            .iter()
            .try_for_each(|note| writeln!(f, "* {note}"))
    }
}
