//! Rows of `benches/rivals.py`, printed beside the cases that they are of.
//!
//! They come from another program at another time, so their ratios say less than those of the
//! contestants that took turns.

use std::path::Path;

use crate::error::Result;
use crate::row::{Row, read_rows};

/// Part of the name of a contestant that convolves by Winograd's algorithm.
const WINOGRAD: &str = "winograd";

/// The rows of a file, or none.
#[derive(Debug)]
pub(crate) struct RivalRows {
    rows: Vec<Row>,
}

impl RivalRows {
    pub(crate) fn read(path: Option<&Path>) -> Result<Self> {
        let rows = path.map_or_else(|| Ok(Vec::new()), read_rows)?;
        Ok(Self { rows })
    }

    /// A line for each rival that measured the same case as `ours`, Winograd last. The rows of a
    /// dense rival are of sparsity 0 and stand beside every sparsity.
    pub(crate) fn beside(&self, ours: &Row) -> Vec<String> {
        let mut rows: Vec<_> = self
            .rows
            .iter()
            .filter(|row| {
                let dense = row.sparsity == 0.0;
                let sparsity = if dense { ours.sparsity } else { row.sparsity };
                let same = Row {
                    sparsity,
                    ..(*row).clone()
                };
                same.same_case(ours)
            })
            .collect();
        rows.sort_by_key(|row| row.contestant.contains(WINOGRAD));
        rows.iter()
            .map(|row| {
                format!(
                    "            {:>6.2} x {} ({:.4} ms, another run)",
                    row.ms / ours.ms,
                    row.contestant,
                    row.ms
                )
            })
            .collect()
    }

    /// Whether anyone convolved by Winograd's algorithm.
    pub(crate) fn has_winograd(&self) -> bool {
        self.rows
            .iter()
            .any(|row| row.contestant.contains(WINOGRAD))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::section::Section;

    #[test]
    fn rivals_stand_beside_their_case() {
        let work = Section::Conv3x3.works(true)[0];
        let row =
            |sparsity, contestant: &str, ms| Row::new("conv3x3", work, sparsity, 1, contestant, ms);
        let rivals = RivalRows {
            rows: vec![
                row(0.0, "onednn-winograd", 1.0),
                row(0.9, "torch-csr", 0.8),
                row(0.5, "torch-csr", 0.9),
            ],
        };
        let lines = rivals.beside(&row(0.9, "secateur", 0.2));
        assert_eq!(lines.len(), 2);
        assert!(
            lines[0].contains("4.00 x torch-csr (0.8000 ms"),
            "{lines:?}"
        );
        assert!(lines[1].contains("5.00 x onednn-winograd"), "{lines:?}");
        assert!(rivals.has_winograd());
        assert!(!RivalRows::read(None).unwrap().has_winograd());
        assert!(RivalRows::read(Some(Path::new("absent"))).is_err());
    }
}
