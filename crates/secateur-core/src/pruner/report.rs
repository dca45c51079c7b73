//! What was asked and what was got, parameter by parameter.

use std::fmt;

use burn::module::Module;
use serde::{Deserialize, Serialize};

use super::Pruner;
use crate::{error::PruneError, mask_set::MaskSet, target::Target};

/// One parameter of a [`Report`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ReportRow {
    /// Record path.
    pub path: String,
    /// The view's shape `[out, in, kernel]`.
    pub shape: [usize; 3],
    /// The pattern.
    pub pattern: String,
    /// Elements.
    pub total: usize,
    /// Elements kept.
    pub kept: usize,
    /// What the schedule last asked of the parameter; `None` before the first pruning.
    pub asked: Option<Target>,
    /// Units pruned and units in all at the last pruning.
    pub units: Option<(usize, usize)>,
    /// Units kept only because of a floor.
    pub floored: usize,
    /// Paths of fields tied to the parameter, masked as one and counted once.
    pub tied: Vec<String>,
}

impl ReportRow {
    /// Share of zeros; 0 for a parameter without elements.
    pub fn sparsity(&self) -> f64 {
        share(self.total - self.kept, self.total)
    }
}

/// Sparsity of every pruned parameter, asked and got. Prints as a table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Report {
    /// One row per pruned parameter, in Burn's order.
    pub rows: Vec<ReportRow>,
    /// Bytes that the masks take on the device, one per element.
    pub mask_bytes: usize,
    /// Bytes that the same masks take packed, in memory or in a file.
    pub packed_bytes: usize,
}

impl Report {
    /// Elements of all rows.
    pub fn total(&self) -> usize {
        self.rows.iter().map(|row| row.total).sum()
    }

    /// Elements kept in all rows.
    pub fn kept(&self) -> usize {
        self.rows.iter().map(|row| row.kept).sum()
    }

    /// Share of zeros over all rows.
    pub fn sparsity(&self) -> f64 {
        share(self.total() - self.kept(), self.total())
    }

    fn new(pruner: &Pruner, masks: &MaskSet) -> Self {
        let rows: Vec<_> = pruner
            .params
            .iter()
            .filter_map(|param| {
                let path = &param.info.path;
                let mask = masks.get(path)?;
                let asked = pruner.asked.get(path);
                Some(ReportRow {
                    path: path.clone(),
                    shape: mask.shape(),
                    pattern: param.pattern.to_string(),
                    total: mask.len(),
                    kept: mask.kept(),
                    asked: asked.map(|asked| asked.target),
                    units: asked.map(|asked| asked.units),
                    floored: asked.map_or(0, |asked| asked.floored),
                    tied: param.tied.clone(),
                })
            })
            .collect();
        Self {
            mask_bytes: rows
                .iter()
                .map(|row| row.total * (1 + row.tied.len()))
                .sum(),
            packed_bytes: masks.storage_bytes(),
            rows,
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let asked = |row: &ReportRow| match row.asked {
            None => "-".to_string(),
            Some(Target::Sparsity(s)) => format!("{:.2} %", s * 100.0),
            Some(Target::OfRemaining(s)) => format!("{:.2} % of rest", s * 100.0),
            Some(Target::Count(n)) => format!("{n} units"),
            Some(Target::Threshold(t)) => format!("score < {t}"),
            Some(Target::Band { low, high }) => format!("band {low}..{high}"),
        };
        let width = self
            .rows
            .iter()
            .map(|row| row.path.len())
            .max()
            .unwrap_or(0)
            .max(9);
        writeln!(
            f,
            "{:width$}  {:>16}  {:>11}  {:>11}  {:>16}  {:>8}",
            "parameter", "out x in x kernel", "weights", "kept", "asked", "got"
        )?;
        for row in &self.rows {
            let [out, input, kernel] = row.shape;
            write!(
                f,
                "{:width$}  {:>17}  {:>11}  {:>11}  {:>16}  {:>6.2} %",
                row.path,
                format!("{out} x {input} x {kernel}"),
                row.total,
                row.kept,
                asked(row),
                row.sparsity() * 100.0
            )?;
            if row.floored > 0 {
                write!(f, "  (floor kept {} units)", row.floored)?;
            }
            if !row.tied.is_empty() {
                write!(f, "  (tied: {})", row.tied.join(", "))?;
            }
            writeln!(f)?;
        }
        write!(
            f,
            "{:width$}  {:>17}  {:>11}  {:>11}  {:>16}  {:>6.2} %",
            "all",
            "",
            self.total(),
            self.kept(),
            "",
            self.sparsity() * 100.0
        )
    }
}

/// What a pruning would do, computed without doing it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Plan {
    /// The step that was planned.
    pub step: usize,
    /// The masks that pruning would put on the model.
    pub masks: MaskSet,
    /// The report that pruning would leave.
    pub report: Report,
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "plan for step {}", self.step)?;
        self.report.fmt(f)
    }
}

impl Pruner {
    /// Sparsity of every pruned parameter of the model as it is, beside what was asked of it.
    ///
    /// # Errors
    /// [`PruneError::ModelChanged`] for a model without one of the parameters.
    pub fn report<M: Module>(&self, model: &M) -> Result<Report, PruneError> {
        Ok(Report::new(self, &self.masks(model)?))
    }

    /// What pruning the model as it is to the schedule's end would do: a dry run.
    ///
    /// # Errors
    /// As [`prune`](Self::prune).
    pub fn plan<M: Module>(&self, model: &M) -> Result<Plan, PruneError> {
        let last = self.schedule.last_step();
        self.plan_at(model, last.or(self.last_step).unwrap_or(0))
    }

    /// What pruning the model as it is at `step` would do.
    ///
    /// # Errors
    /// As [`prune`](Self::prune).
    pub fn plan_at<M: Module>(&self, model: &M, step: usize) -> Result<Plan, PruneError> {
        let table = self.table_of(model)?;
        let mut after = self.clone();
        let mut masks = MaskSet::new();
        for choice in self.decide(model, &table, step)? {
            let path = self.params[choice.param].info.path.clone();
            masks.insert(path.clone(), choice.after);
            after.asked.insert(path, choice.asked);
        }
        let report = Report::new(&after, &masks);
        Ok(Plan {
            step,
            masks,
            report,
        })
    }
}

fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 {
        return 0.0;
    }
    part as f64 / whole as f64
}
