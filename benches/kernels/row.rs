//! One measurement, as `--json` writes it and `--rivals` reads it.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{BenchError, Result};
use crate::work::Work;

/// One JSON object a line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Row {
    pub case: String,
    pub m: usize,
    pub k: usize,
    pub n: usize,
    pub sparsity: f64,
    pub threads: usize,
    pub contestant: String,
    pub ms: f64,
}

impl Row {
    pub(crate) fn new(
        case: &str,
        work: Work,
        sparsity: f64,
        threads: usize,
        contestant: &str,
        ms: f64,
    ) -> Self {
        let [m, k, n] = work.size();
        Self {
            case: case.to_owned(),
            m,
            k,
            n,
            sparsity,
            threads,
            contestant: contestant.to_owned(),
            ms,
        }
    }

    /// Whether both are measurements of the same case.
    pub(crate) fn same_case(&self, other: &Self) -> bool {
        let key = |row: &Self| {
            let percent = (row.sparsity * 1e4).round() as u64;
            (
                row.case.clone(),
                [row.m, row.k, row.n],
                percent,
                row.threads,
            )
        };
        key(self) == key(other)
    }
}

/// Where rows are written as they come, if anywhere: a run that is stopped leaves what it has.
#[derive(Debug)]
pub(crate) struct RowFile {
    file: Option<(PathBuf, BufWriter<File>)>,
}

impl RowFile {
    pub(crate) fn create(path: Option<&Path>) -> Result<Self> {
        let file = match path {
            Some(path) => {
                let file = File::create(path).map_err(BenchError::io("create", path))?;
                Some((path.to_path_buf(), BufWriter::new(file)))
            }
            None => None,
        };
        Ok(Self { file })
    }

    pub(crate) fn write(&mut self, rows: &[Row]) -> Result<()> {
        let Some((path, file)) = &mut self.file else {
            return Ok(());
        };
        rows.iter()
            .try_for_each(|row| {
                let line = serde_json::to_string(row)?;
                writeln!(file, "{line}")
            })
            .and_then(|()| file.flush())
            .map_err(BenchError::io("write", path.as_path()))
    }
}

/// The rows of a file, one a line.
pub(crate) fn read_rows(path: &Path) -> Result<Vec<Row>> {
    let text = std::fs::read_to_string(path).map_err(BenchError::io("read", path))?;
    text.lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty())
        .map(|(at, line)| {
            serde_json::from_str(line).map_err(|error| BenchError::Damaged {
                file: path.to_path_buf(),
                why: format!("line {} is no row ({error})", at + 1),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(contestant: &str, sparsity: f64) -> Row {
        let (m, k, n) = (2, 3, 4);
        let work = Work::Product { m, k, n };
        Row::new("unstructured", work, sparsity, 1, contestant, 0.25)
    }

    #[test]
    fn a_row_has_the_fields_agreed_on() {
        assert_eq!(
            serde_json::to_string(&row("secateur", 0.9)).unwrap(),
            concat!(
                r#"{"case":"unstructured","m":2,"k":3,"n":4,"sparsity":0.9,"#,
                r#""threads":1,"contestant":"secateur","ms":0.25}"#
            )
        );
    }

    #[test]
    fn the_same_case_is_recognised() {
        assert!(row("a", 0.9).same_case(&row("b", 0.9 + 1e-7)));
        assert!(!row("a", 0.9).same_case(&row("a", 0.95)));
    }

    #[test]
    fn rows_are_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows.jsonl");
        let rows = [row("secateur", 0.9), row("dense-best", 0.5)];
        let mut file = RowFile::create(Some(&path)).unwrap();
        file.write(&rows[..1]).unwrap();
        file.write(&rows[1..]).unwrap();
        assert_eq!(read_rows(&path).unwrap(), rows);

        std::fs::write(&path, "{\"case\": 1}\n").unwrap();
        let message = read_rows(&path).unwrap_err().to_string();
        assert!(message.contains("line 1 is no row"), "{message}");
        RowFile::create(None).unwrap().write(&rows).unwrap();
        assert!(RowFile::create(Some(folder.path())).is_err());
    }
}
