//! An analysis on the screen, on a page, and in files.
//!
//! | file | holds |
//! | --- | --- |
//! | `report.html` | everything, in one file that needs no network |
//! | `*.svg`, `*.png` | the pictures |
//! | `*.csv` | the numbers behind them, unrounded |
//! | `pies-*.png` | a sheet of the examples that a level sees differently, where images were given |
//! | `analysis.json` | all of it, for [`Analysis::from_json`] |

mod charts;
pub(crate) mod csv;
mod html;
pub(crate) mod number;
mod page;
mod sheet;
pub(crate) mod summary;
mod table;
pub(crate) mod tables;

use std::fs;
use std::path::Path;

use rayon::prelude::*;

use crate::analysis::Analysis;
use crate::error::EvalError;
use crate::folder::write_whole;
use crate::images::Images;
use crate::picture::{self, Picture};
use crate::tradeoff::TradeOff;
use crate::weights::Histogram;

pub use page::Page;
pub use table::{Align, Table};

/// An analysis with what can be shown beside it.
///
/// ```no_run
/// # fn f(analysis: secateur_eval::Analysis, images: secateur_eval::Images) -> Result<(), secateur_eval::EvalError> {
/// use secateur_eval::Report;
///
/// Report::new(&analysis).with_images(&images)?.write("report")?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Report<'a> {
    analysis: &'a Analysis,
    images: Option<&'a Images>,
    tradeoff: Option<&'a TradeOff>,
    pictures: Vec<Picture>,
    tables: Vec<Table>,
}

impl<'a> Report<'a> {
    /// A report of an analysis alone.
    #[must_use]
    pub fn new(analysis: &'a Analysis) -> Self {
        Self {
            analysis,
            images: None,
            tradeoff: None,
            pictures: Vec::new(),
            tables: Vec::new(),
        }
    }

    /// Shows the PIEs too: one image for every example of the test set.
    ///
    /// # Errors
    ///
    /// If there is not one for every example.
    pub fn with_images(mut self, images: &'a Images) -> Result<Self, EvalError> {
        if images.len() != self.analysis.data.examples {
            return Err(EvalError::Length {
                what: "images".into(),
                expected: self.analysis.data.examples,
                meaning: "one for every example of the test set",
                found: images.len(),
            });
        }
        self.images = Some(images);
        Ok(self)
    }

    /// Shows trade-off curves too.
    #[must_use]
    pub fn with_tradeoff(mut self, curves: &'a TradeOff) -> Self {
        self.tradeoff = Some(curves);
        self
    }

    /// Shows how weights are spread, before and after, say; `caption` tells which model that is.
    #[must_use]
    pub fn with_histograms(
        mut self,
        name: &str,
        shown: &[(String, Histogram)],
        caption: &str,
    ) -> Self {
        self.pictures.push(charts::histogram(name, shown, caption));
        self
    }

    /// Shows a table too: sparsity by layer, overlap of masks.
    #[must_use]
    pub fn with_table(mut self, table: Table) -> Self {
        self.tables.push(table);
        self
    }

    /// The page.
    ///
    /// # Errors
    ///
    /// If a picture cannot be drawn.
    pub fn html(&self) -> Result<String, EvalError> {
        self.page(&charts::all(self.analysis), &self.extra_pictures())
    }

    fn page(&self, pictures: &[Picture], extra_pictures: &[Picture]) -> Result<String, EvalError> {
        let mut extra_tables: Vec<Table> = self
            .tradeoff
            .iter()
            .map(|curves| tables::tradeoff(curves))
            .collect();
        extra_tables.extend(self.tables.iter().cloned());
        let parts = html::Parts {
            pictures,
            tables: &self.analysis.tables(),
            extra_pictures,
            extra_tables: &extra_tables,
            images: self.images,
        };
        html::page(self.analysis, &parts)
    }

    fn extra_pictures(&self) -> Vec<Picture> {
        let mut pictures: Vec<Picture> = self.tradeoff.map(charts::tradeoff).unwrap_or_default();
        pictures.extend(self.pictures.iter().cloned());
        pictures
    }

    /// Writes everything into a folder, which is made if it is not there.
    ///
    /// # Errors
    ///
    /// If a file cannot be written or a picture not be drawn.
    pub fn write(&self, folder: impl AsRef<Path>) -> Result<(), EvalError> {
        let folder = folder.as_ref();
        fs::create_dir_all(folder).map_err(EvalError::io(folder))?;
        let (pictures, extra) = (charts::all(self.analysis), self.extra_pictures());
        let write = |name: &str, bytes: &[u8]| write_whole(&folder.join(name), bytes);
        write("report.html", self.page(&pictures, &extra)?.as_bytes())?;
        write("analysis.json", self.analysis.to_json()?.as_bytes())?;
        for (name, bytes) in csv::files(self.analysis)? {
            write(name, &bytes)?;
        }
        if let Some(curves) = self.tradeoff {
            write("tradeoff.csv", &csv::tradeoff(curves)?)?;
        }
        picture::write(folder, pictures.par_iter().chain(&extra))?;
        if let Some(images) = self.images {
            for level in self.analysis.pies.iter().filter(|level| level.count > 0) {
                let name = format!("pies-{}.png", charts::file_name(&level.level));
                write(&name, &sheet::sheet(self.analysis, level, images)?)?;
            }
        }
        Ok(())
    }
}

impl Analysis {
    /// The tables a person reads, in order.
    #[must_use]
    pub fn tables(&self) -> Vec<Table> {
        tables::all(self)
    }

    /// What may be claimed, in sentences.
    #[must_use]
    pub fn summary(&self) -> Vec<String> {
        summary::of(self)
    }

    /// As JSON, which [`from_json`](Self::from_json) reads.
    ///
    /// # Errors
    ///
    /// If a number is not finite, which an analysis never has.
    pub fn to_json(&self) -> Result<String, EvalError> {
        serde_json::to_string_pretty(self).map_err(|error| {
            EvalError::setting("analysis", "not to be written as JSON", error.to_string())
        })
    }

    /// An analysis from its JSON; numbers are the same but for the last bit.
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

    /// Writes the report into a folder, which is made if it is not there; [`Report`] shows more.
    ///
    /// # Errors
    ///
    /// If a file cannot be written or a picture not be drawn.
    pub fn write(&self, folder: impl AsRef<Path>) -> Result<(), EvalError> {
        Report::new(self).write(folder)
    }
}

impl std::fmt::Display for Analysis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{}\n", tables::headline(self))?;
        bullets(f, &self.summary())?;
        for table in self.tables() {
            write!(f, "\n{table}")?;
        }
        writeln!(f)?;
        bullets(f, &self.notes)
    }
}

fn bullets(f: &mut std::fmt::Formatter<'_>, sentences: &[String]) -> std::fmt::Result {
    for sentence in sentences {
        for (at, line) in table::wrap(sentence, 98).iter().enumerate() {
            writeln!(f, "{}{line}", if at == 0 { "* " } else { "  " })?;
        }
    }
    Ok(())
}
