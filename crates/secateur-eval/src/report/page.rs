//! A page without populations: curves, tables and sentences of one's own.

use std::fmt;
use std::fs;
use std::path::Path;

use rayon::prelude::*;

use super::{Table, charts, csv, html, tables};
use crate::error::EvalError;
use crate::folder::write_whole;
use crate::picture::{self, Picture};
use crate::tradeoff::TradeOff;
use crate::weights::Histogram;

/// A page with pictures and tables that are not about who pays: trade-off curves, what is left of a
/// model.
///
/// ```
/// use secateur_eval::report::{Page, Table};
///
/// let mut table = Table::new("Layers", &["<layer", "kept"]);
/// table.row(["conv1".into(), "12".into()]);
/// let page = Page::new("What is left", "starter set, seed 1, one model")
///     .with_sentence("Nine of ten weights are gone.")
///     .with_table(table);
/// assert!(page.html()?.contains("conv1"));
/// # Ok::<(), secateur_eval::EvalError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Page {
    title: String,
    subtitle: String,
    sentences: Vec<String>,
    pictures: Vec<Picture>,
    tables: Vec<Table>,
    /// Further files, by name.
    files: Vec<(&'static str, Vec<u8>)>,
}

impl Page {
    /// A headline, and below it what was measured on: data set, seeds, number of models.
    #[must_use]
    pub fn new(title: impl Into<String>, subtitle: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            subtitle: subtitle.into(),
            sentences: Vec::new(),
            pictures: Vec::new(),
            tables: Vec::new(),
            files: Vec::new(),
        }
    }

    /// Something that is to be read first.
    #[must_use]
    pub fn with_sentence(mut self, sentence: impl Into<String>) -> Self {
        self.sentences.push(sentence.into());
        self
    }

    /// A table.
    #[must_use]
    pub fn with_table(mut self, table: Table) -> Self {
        self.tables.push(table);
        self
    }

    /// How weights are spread; `caption` tells of which model.
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

    /// Curves, with their table; the files get their numbers as CSV.
    ///
    /// # Errors
    ///
    /// If the numbers cannot be written as CSV.
    pub fn with_tradeoff(mut self, curves: &TradeOff) -> Result<Self, EvalError> {
        self.pictures.extend(charts::tradeoff(curves));
        self.tables.push(tables::tradeoff(curves));
        self.files.push(("tradeoff.csv", csv::tradeoff(curves)?));
        Ok(self)
    }

    /// The page, which asks no network for anything.
    ///
    /// # Errors
    ///
    /// If a picture cannot be drawn.
    pub fn html(&self) -> Result<String, EvalError> {
        let mut page = html::head(&self.title, &self.subtitle);
        if !self.sentences.is_empty() {
            page.push_str("<section class=\"short\"><strong>In short</strong>\n");
            html::list(&mut page, &self.sentences);
            page.push_str("</section>\n");
        }
        let pictures: Vec<&Picture> = self.pictures.iter().collect();
        let tables: Vec<&Table> = self.tables.iter().collect();
        html::section(&mut page, "How much is left", &pictures, &tables)?;
        page.push_str(html::TAIL);
        Ok(page)
    }

    /// Writes the page as `report.html`, its pictures as SVG and PNG, and its numbers into a
    /// folder, which is made if it is not there.
    ///
    /// # Errors
    ///
    /// If a file cannot be written or a picture not be drawn.
    pub fn write(&self, folder: impl AsRef<Path>) -> Result<(), EvalError> {
        let folder = folder.as_ref();
        fs::create_dir_all(folder).map_err(EvalError::io(folder))?;
        let write = |name: &str, bytes: &[u8]| write_whole(&folder.join(name), bytes);
        write("report.html", self.html()?.as_bytes())?;
        for (name, bytes) in &self.files {
            write(name, bytes)?;
        }
        picture::write(folder, self.pictures.par_iter())
    }
}

impl fmt::Display for Page {
    /// For a terminal: the sentences, then the tables.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n{}", self.title, self.subtitle)?;
        self.sentences
            .iter()
            .try_for_each(|sentence| writeln!(f, "* {sentence}"))?;
        self.tables
            .iter()
            .try_for_each(|table| write!(f, "\n{table}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tradeoff::{Costs, Point};

    fn curves() -> TradeOff {
        let point = |method: &str, sparsity, seed, accuracy| Point {
            method: method.into(),
            sparsity,
            seed,
            accuracy,
            costs: Costs {
                parameters: 1_000.0 * (1.0 - sparsity),
                multiply_adds: 5_000.0 * (1.0 - sparsity),
                bytes: 4_000.0 * (1.0 - sparsity),
                seconds: None,
            },
        };
        let points = [
            point("random", 0.5, 1, 0.7),
            point("random", 0.5, 2, 0.72),
            point("magnitude", 0.5, 1, 0.8),
            point("magnitude", 0.5, 2, 0.82),
        ];
        TradeOff::new("toy <set>", "random", &points).unwrap()
    }

    #[test]
    fn everything_is_on_the_page_and_in_the_folder() {
        let page = Page::new("Curves", "toy set, seeds 1 and 2")
            .with_sentence("One & only")
            .with_tradeoff(&curves())
            .unwrap();
        let html = page.html().unwrap();
        assert!(html.starts_with("<!doctype html>") && html.ends_with("</html>\n"));
        for text in [
            "Curves",
            "seeds 1 and 2",
            "One &amp; only",
            "<svg ",
            "magnitude",
        ] {
            assert!(html.contains(text), "{text}");
        }
        assert!(!html.contains("<set>"), "unescaped");
        let shown = page.to_string();
        assert!(
            shown.contains("* One & only") && shown.contains("81.0"),
            "{shown}"
        );

        let folder = tempfile::tempdir().unwrap();
        page.write(folder.path()).unwrap();
        let csv = fs::read_to_string(folder.path().join("tradeoff.csv")).unwrap();
        assert!(csv.contains("magnitude"));
        let names: Vec<String> = fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        assert!(names.iter().any(|name| name.ends_with(".svg")), "{names:?}");
        assert!(names.iter().any(|name| name.ends_with(".png")), "{names:?}");
        assert!(names.contains(&"report.html".into()));
    }
}
