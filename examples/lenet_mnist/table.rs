//! The results of all seeds as one table, in Markdown.

use std::fmt;

use crate::row::Row;

/// Prints rows, which stand in the table's order, with one line for all seeds of a setting.
pub(crate) struct Table<'a>(pub &'a [Row]);

/// What one line of the table is about.
fn setting(row: &Row) -> (&str, &str, &str, u64, usize) {
    let Row {
        dataset,
        net,
        method,
        sparsity,
        epochs,
        ..
    } = row;
    (dataset, net, method, sparsity.to_bits(), *epochs)
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

impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Children finish out of order, so the rows of one setting need not stand together.
        let mut settings: Vec<Vec<&Row>> = Vec::new();
        for row in self.0 {
            match settings
                .iter_mut()
                .find(|rows| setting(rows[0]) == setting(row))
            {
                Some(rows) => rows.push(row),
                None => settings.push(vec![row]),
            }
        }
        writeln!(
            f,
            "| data set      | net           | method         | sparsity | weights kept | epochs | error %       | seeds |\n\
             |---------------|---------------|----------------|---------:|-------------:|-------:|--------------:|------:|"
        )?;
        for rows in settings {
            let errors: Vec<f64> = rows.iter().map(|row| row.error).collect();
            let error = match mean_and_deviation(&errors) {
                (mean, Some(deviation)) => format!("{mean:.2} ± {deviation:.2}"),
                (mean, None) => format!("{mean:.2}"),
            };
            let kept = rows.iter().map(|row| row.kept).sum::<usize>() / rows.len();
            let Row {
                dataset,
                net,
                method,
                sparsity,
                epochs,
                ..
            } = rows[0];
            writeln!(
                f,
                "| {dataset:13} | {net:13} | {method:14} | {:6.1} % | {kept:12} | {epochs:6} | {error:>13} | {:5} |",
                100.0 * sparsity,
                rows.len(),
            )?;
        }
        Ok(())
    }
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
    fn seeds_are_joined_and_all_lines_are_of_one_width() {
        let rows = [
            row("agp", 1, 1.7),
            row("snip", 1, 2.5),
            row("agp", 3, 1.8),
            row("agp", 2, 1.9),
        ];
        let text = Table(&rows).to_string();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 4, "{text}");
        assert!(
            lines[2].contains("agp") && lines[2].contains("1.80 ± 0.10"),
            "{text}"
        );
        assert!(
            lines[3].contains("snip") && lines[3].contains(" 2.50 |"),
            "{text}"
        );
        let width = lines[0].chars().count();
        assert!(
            lines.iter().all(|line| line.chars().count() == width),
            "{text}"
        );
    }

    #[test]
    fn deviation_is_that_of_a_sample() {
        let (mean, deviation) = mean_and_deviation(&[1.0, 2.0, 3.0]);
        assert_eq!((mean, deviation), (2.0, Some(1.0)));
        assert_eq!(mean_and_deviation(&[5.0]), (5.0, None));
    }
}
