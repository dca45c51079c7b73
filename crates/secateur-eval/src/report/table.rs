//! A table, to be shown anywhere.

use std::fmt;

/// Where a column's text stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

/// A table with a title and what has to be said below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// What it shows.
    pub title: String,
    /// How to read it.
    pub caption: String,
    /// Names of the columns.
    pub columns: Vec<(String, Align)>,
    /// Rows of as many cells.
    pub rows: Vec<Vec<String>>,
    /// Columns that are left out where there is little room, as on a terminal.
    pub details: Vec<usize>,
}

impl Table {
    /// An empty table; a column whose name begins with `<` has its text on the left.
    #[must_use]
    pub fn new(title: impl Into<String>, columns: &[&str]) -> Self {
        let column = |name: &&str| match name.strip_prefix('<') {
            Some(name) => (name.to_string(), Align::Left),
            None => ((*name).to_string(), Align::Right),
        };
        Self {
            title: title.into(),
            caption: String::new(),
            columns: columns.iter().map(column).collect(),
            rows: Vec::new(),
            details: Vec::new(),
        }
    }

    /// Adds a row. Cells that no column is for are kept in the row and not shown.
    pub fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(cells.into());
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            let all = cells.chain(self.columns.get(column).map(|(name, _)| name));
            all.map(|text| text.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.columns.len()).map(width).collect();
        let shown: Vec<usize> = (0..widths.len())
            .filter(|column| !self.details.contains(column))
            .collect();
        let line = |cells: &[&str]| {
            let padded = shown.iter().map(|&column| {
                let text = cells.get(column).copied().unwrap_or_default();
                let width = widths[column];
                match self.columns[column].1 {
                    Align::Left => format!("{text:<width$}"),
                    Align::Right => format!("{text:>width$}"),
                }
            });
            padded.collect::<Vec<_>>().join("  ").trim_end().to_string()
        };
        writeln!(f, "{}", self.title)?;
        let names: Vec<&str> = self.columns.iter().map(|(name, _)| name.as_str()).collect();
        let whole: usize = shown.iter().map(|&column| widths[column] + 2).sum();
        writeln!(
            f,
            "{}\n{}",
            line(&names),
            "-".repeat(whole.saturating_sub(2))
        )?;
        for row in &self.rows {
            let cells: Vec<&str> = row.iter().map(String::as_str).collect();
            writeln!(f, "{}", line(&cells))?;
        }
        if !self.caption.is_empty() {
            wrap(&self.caption, 100)
                .iter()
                .try_for_each(|line| writeln!(f, "  {line}"))?;
        }
        Ok(())
    }
}

/// Breaks a text between words.
pub(crate) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_string()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let mut table = Table::new("Title", &["<name", "n"]);
        table.row(["ab".into(), "1".into()]);
        table.row(["c".into(), "1,000".into()]);
        table.caption = "Words.".into();
        let expected = "Title\nname      n\n-----------\nab        1\nc     1,000\n  Words.\n";
        assert_eq!(table.to_string(), expected);
    }

    #[test]
    fn wrapping_keeps_every_word() {
        assert_eq!(wrap("aa bb cc", 5), ["aa bb", "cc"]);
        assert_eq!(wrap("longer than this", 3), ["longer", "than", "this"]);
    }
}
