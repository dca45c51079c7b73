//! The results of all seeds as tables, in Markdown, one for each net and data set.

use std::fmt;

use secateur_examples::data::DatasetName;

use crate::job::Net;
use crate::method::Method;
use crate::row::Row;

/// Prints rows, in whatever order they come, with one line for all seeds of a setting. What it
/// prints is what stands in `docs/src/results.md`.
pub(crate) struct Tables<'a>(pub &'a [Row]);

/// What one table is about. Rows are of known nets, data sets and methods.
fn subject(row: &Row) -> (Option<Net>, Option<DatasetName>) {
    (row.net.parse().ok(), row.dataset.parse().ok())
}

/// What one line is about, in the order of the lines.
fn setting(row: &Row) -> (Option<Method>, u64, usize) {
    // Positive floats are ordered as their bits are.
    (row.method.parse().ok(), row.sparsity.to_bits(), row.epochs)
}

/// Mean and sample standard deviation; the latter is absent for a single value.
fn mean_and_deviation(values: &[f64]) -> (f64, Option<f64>) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (
        mean,
        (values.len() > 1).then(|| (squares / (n - 1.0)).sqrt()),
    )
}

/// With a comma at each power of a thousand.
fn with_commas(number: usize) -> String {
    let digits = number.to_string();
    let groups: Vec<_> = digits.as_bytes().rchunks(3).rev().collect();
    String::from_utf8_lossy(&groups.join(&b',')).into_owned()
}

impl fmt::Display for Tables<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rows: Vec<&Row> = self.0.iter().collect();
        rows.sort_by_key(|row| (subject(row), setting(row), row.seed));
        let tables = rows.chunk_by(|a, b| subject(a) == subject(b));
        for (index, table) in tables.enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            if let (Some(net), Some(dataset)) = subject(table[0]) {
                writeln!(f, "### {} on {}\n", net.title(), dataset.title())?;
            }
            writeln!(f, "| method | sparsity | weights kept | epochs | error % |")?;
            writeln!(f, "| --- | --- | --- | --- | --- |")?;
            for seeds in table.chunk_by(|a, b| setting(a) == setting(b)) {
                write_line(f, seeds)?;
            }
        }
        Ok(())
    }
}

fn write_line(f: &mut fmt::Formatter<'_>, seeds: &[&Row]) -> fmt::Result {
    let errors: Vec<f64> = seeds.iter().map(|row| row.error).collect();
    let error = match mean_and_deviation(&errors) {
        (mean, Some(deviation)) => format!("{mean:.2} ± {deviation:.2}"),
        (mean, None) => format!("{mean:.2}"),
    };
    let kept = seeds.iter().map(|row| row.kept).sum::<usize>() / seeds.len();
    let Row {
        method,
        sparsity,
        epochs,
        ..
    } = seeds[0];
    writeln!(
        f,
        "| {method} | {:.1} % | {} | {epochs} | {error} |",
        100.0 * sparsity,
        with_commas(kept)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(method: &str, seed: u64, error: f64) -> Row {
        Row {
            dataset: "mnist".into(),
            net: "lenet-300-100".into(),
            method: method.into(),
            sparsity: 0.9,
            kept: 26_620,
            total: 266_200,
            epochs: 10,
            seed,
            error,
        }
    }

    #[test]
    fn a_table_for_each_net_and_data_set_and_a_line_for_all_seeds() {
        let on_fashion = Row {
            dataset: "fashion-mnist".into(),
            ..row("dense", 1, 10.0)
        };
        let sparser = Row {
            sparsity: 0.98,
            kept: 524,
            ..row("agp", 1, 3.5)
        };
        let lenet5 = Row {
            net: "lenet-5".into(),
            sparsity: 0.0,
            kept: 1_430_500,
            epochs: 5,
            ..row("dense", 1, 0.9)
        };
        let rows = [
            row("snip", 1, 2.5),
            lenet5,
            sparser,
            row("agp", 1, 1.7),
            on_fashion,
            row("agp", 3, 1.8),
            row("agp", 2, 1.9),
        ];
        let head = "| method | sparsity | weights kept | epochs | error % |\n\
                    | --- | --- | --- | --- | --- |\n";
        let expected = format!(
            "### LeNet-300-100 on MNIST\n\n{head}\
             | agp | 90.0 % | 26,620 | 10 | 1.80 ± 0.10 |\n\
             | agp | 98.0 % | 524 | 10 | 3.50 |\n\
             | snip | 90.0 % | 26,620 | 10 | 2.50 |\n\n\
             ### LeNet-300-100 on Fashion-MNIST\n\n{head}\
             | dense | 90.0 % | 26,620 | 10 | 10.00 |\n\n\
             ### LeNet-5 on MNIST\n\n{head}\
             | dense | 0.0 % | 1,430,500 | 5 | 0.90 |\n"
        );
        assert_eq!(Tables(&rows).to_string(), expected);
    }

    #[test]
    fn nothing_is_no_table() {
        assert_eq!(Tables(&[]).to_string(), "");
    }

    #[test]
    fn deviation_is_that_of_a_sample() {
        let (mean, deviation) = mean_and_deviation(&[1.0, 2.0, 3.0]);
        assert_eq!((mean, deviation), (2.0, Some(1.0)));
        assert_eq!(mean_and_deviation(&[5.0]), (5.0, None));
    }

    #[test]
    fn thousands_are_set_off() {
        let written = [0, 999, 1_000, 26_620, 1_430_500].map(with_commas);
        assert_eq!(written, ["0", "999", "1,000", "26,620", "1,430,500"]);
    }
}
