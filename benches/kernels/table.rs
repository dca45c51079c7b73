//! The table, line by line as cases are measured.

use secateur_benches::median::median;

use crate::cell::{Cell, FAER, FAER_SPARSE, FLEX, FLEX_X86_V4, SECATEUR_DENSE, SPRS};
use crate::goals;
use crate::section::Section;

/// Columns of ratios beside those that have goals.
const RIVALS: [&str; 5] = [FLEX_X86_V4, SECATEUR_DENSE, FAER, SPRS, FAER_SPARSE];

/// The heading of the columns.
pub(crate) fn columns() -> String {
    let mut line = format!(
        "{:>8}  {:14} {:>8} {:>6} | {:>8} {:14} {:>5} {:>6} | {:>8} {:>6} {:>5} | {:>6} {:>5}",
        "sparsity",
        "format",
        "ms",
        "bound",
        "dense ms",
        "by",
        "peak",
        "ratio",
        "counts",
        "ratio",
        "goal",
        FLEX,
        "goal"
    );
    for rival in RIVALS {
        line.push_str(&format!(" {rival:>14}"));
    }
    line
}

/// One case.
pub(crate) fn line(section: Section, cell: &Cell) -> String {
    let goal = |goal: Option<f64>| goal.map_or_else(String::new, |goal| format!("{goal}"));
    let (best, best_ms) = cell.dense_best;
    let mut line = format!(
        "{:>6.1} %  {:14} {:>8.4} {:>4.0} % | {:>8.4} {:14} {:>3.0} % {:>6.2} \
         | {:>7.4}{} {:>6.2} {:>5} | {:>6} {:>5}",
        100.0 * cell.sparsity,
        cell.format,
        cell.sparse_ms(),
        100.0 * cell.share_of_bound(),
        best_ms,
        best,
        100.0 * cell.dense_share_of_peak(),
        best_ms / cell.sparse_ms(),
        cell.reference.ms,
        if cell.reference.expected { '*' } else { ' ' },
        cell.ratio_to_dense(),
        goal(goals::against_dense(section, cell.work, cell.sparsity)),
        ratio(cell, FLEX),
        goal(goals::against_flex(section, cell.sparsity)),
    );
    for rival in RIVALS {
        line.push_str(&format!(" {:>14}", ratio(cell, rival)));
    }
    line
}

fn ratio(cell: &Cell, rival: &str) -> String {
    cell.ratio(rival)
        .map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2}"))
}

/// The bounds of a group of cases.
pub(crate) fn bounds(cells: &[Cell]) -> String {
    let of = |values: Vec<f64>| median(&values);
    let peak = of(cells.iter().map(|cell| cell.peak).collect());
    let mut line = format!("  multiply-add peak beside these: {peak:.0} GFLOP/s");
    let reads: Vec<_> = cells
        .iter()
        .filter_map(|cell| cell.reads)
        .map(|(bytes, speed)| format!("{:.2} MB {speed:.0}", bytes as f64 * 1e-6))
        .collect();
    if !reads.is_empty() {
        line.push_str(&format!(
            "; packed weights and the GB/s at which as many bytes are read: {}",
            reads.join(", ")
        ));
    }
    line
}

/// Which goals were met; `wide` where the kernels use AVX-512, which the goals are for.
pub(crate) fn summary(cells: &[(Section, Cell)], wide: bool) -> String {
    let mut met = 0;
    let mut short = Vec::new();
    let mut judge = |what: String, reached: f64, goal: f64| {
        if reached >= goal {
            met += 1;
        } else {
            short.push(format!("  {what}: {reached:.2} of {goal}"));
        }
    };
    for (section, cell) in cells {
        let [m, k, n] = cell.work.size();
        let name = format!("{section} {m}x{k}, n = {n}, {:.0} %", 100.0 * cell.sparsity);
        if let Some(goal) = goals::against_dense(*section, cell.work, cell.sparsity) {
            judge(
                format!("{name}, against dense"),
                cell.ratio_to_dense(),
                goal,
            );
        }
        if let (Some(goal), Some(ratio)) = (
            goals::against_flex(*section, cell.sparsity),
            cell.ratio(FLEX),
        ) {
            judge(format!("{name}, against Flex"), ratio, goal);
        }
        if *section == Section::Unstructured && (cell.sparsity - 0.9).abs() < 1e-6 {
            let share = cell.share_of_bound();
            judge(
                format!("{name}, share of the peak"),
                share,
                goals::PEAK_SHARE,
            );
        }
    }
    let mut text = format!("{met} of {} goals met", met + short.len());
    if !wide {
        text.push_str(" (they are for AVX-512)");
    }
    if !short.is_empty() {
        text.push_str("; short of theirs:\n");
        text.push_str(&short.join("\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cell::SECATEUR;
    use crate::dense_reference::DenseReference;

    fn cell(sparse_ms: f64) -> Cell {
        let work = Section::Unstructured.works(true)[0];
        Cell {
            work,
            sparsity: 0.9,
            format: "panels".to_owned(),
            nnz: 104_858,
            times: vec![(SECATEUR, sparse_ms), (FLEX, 1.25)],
            dense_best: (SECATEUR_DENSE, 1.0),
            reference: DenseReference {
                ms: 0.9,
                expected: true,
            },
            peak: 150.0,
            reads: None,
        }
    }

    #[test]
    fn a_line_has_ratios_and_goals() {
        let line = line(Section::Unstructured, &cell(0.1));
        for part in [
            "90.0 %",
            "panels",
            "0.9000*",
            " 9.00     6 |",
            " 12.50    12 ",
            " - ",
        ] {
            assert!(line.contains(part), "{part}: {line}");
        }
        assert_eq!(columns().split('|').count(), line.split('|').count());
    }

    #[test]
    fn the_summary_counts_and_names() {
        let met = summary(&[(Section::Unstructured, cell(0.1))], true);
        assert_eq!(met, "3 of 3 goals met");
        let short = summary(&[(Section::Unstructured, cell(0.18))], false);
        assert!(short.starts_with("0 of 3 goals met (they are for AVX-512)"));
        assert!(
            short.contains("n = 64, 90 %, against dense: 5.00 of 6"),
            "{short}"
        );
        assert!(short.contains("against Flex: 6.94 of 12"), "{short}");
    }

    #[test]
    fn bounds_say_how_fast_memory_is() {
        let mut cell = cell(0.1);
        assert!(!bounds(&[cell.clone()]).contains("GB/s"));
        cell.reads = Some((2_500_000, 40.0));
        let line = bounds(&[cell]);
        assert!(
            line.contains("150 GFLOP/s") && line.contains("2.50 MB 40"),
            "{line}"
        );
    }
}
