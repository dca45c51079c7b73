//! The table.

use std::fmt;

use secateur_kernels::Isa;

use crate::masks::Spread;
use crate::row::Row;

/// How many times as fast as each contestant the engine is to be at 90 %, and the share of the bound
/// that does where the bound is lower.
const GOALS: [(&str, f64); 3] = [("flex", 8.0), ("flex-x86-v4", 5.0), ("onnxruntime", 3.0)];
const SHARE_OF_BOUND: f64 = 0.65;

/// The model and batch of which more is asked, beside whom, and how much.
const HARDER: (&str, usize, &str, f64) = ("mlp-4x1024", 64, "onnxruntime", 5.0);

/// One row: a batch, a sparsity, and the contestants' times.
pub(crate) struct Line<'a> {
    pub(crate) batch: usize,
    pub(crate) sparsity: f64,
    pub(crate) spread: Spread,
    pub(crate) bound: f64,
    pub(crate) error: f32,
    pub(crate) rows: Vec<&'a Row>,
    pub(crate) weight_bytes: usize,
    pub(crate) run_bytes: usize,
    pub(crate) activation_bytes: usize,
}

pub(crate) fn columns() -> String {
    format!(
        "{:>5}  {:>4}  {:8}  {:>6}  {:>8}  {:>10}  {:>8}  {:>14}  others",
        "batch", "zero", "masks", "bound", "error", "secateur", "weights", "memory"
    )
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let own = self.rows.iter().find(|row| row.contestant == "secateur");
        let own = own.map_or(f64::NAN, |row| row.ms);
        write!(
            f,
            "{:>5}  {:>3.0}%  {:8}  {:>5.1}x  {:>8.0e}  {:>7.4} ms  {:>4} KiB  {:>4} of {:>3} KiB ",
            self.batch,
            100.0 * self.sparsity,
            self.spread.name(),
            self.bound,
            self.error,
            own,
            self.weight_bytes / 1024,
            self.run_bytes / 1024,
            self.activation_bytes / 1024,
        )?;
        for row in self.rows.iter().filter(|row| row.contestant != "secateur") {
            let ratio = row.ms / own;
            let verdict = match self.goal(&row.contestant) {
                Some(goal) if ratio >= goal => format!(", goal {goal:.1} met"),
                Some(goal) => format!(", goal {goal:.1}"),
                None => String::new(),
            };
            write!(
                f,
                " {} {:.4} ms ({ratio:.1}x{verdict})",
                row.contestant, row.ms
            )?;
        }
        Ok(())
    }
}

impl Line<'_> {
    /// How many times as fast as a contestant the engine is to be.
    fn goal(&self, contestant: &str) -> Option<f64> {
        if self.spread == Spread::Global {
            return None;
        }
        if self.sparsity < 0.9 {
            // Never slower than the honest dense rival; faster from a half.
            return (contestant == "flex-x86-v4").then_some(1.0);
        }
        let (model, batch, beside, more) = HARDER;
        let is_harder = self.rows.iter().any(|row| row.model == model)
            && self.batch == batch
            && contestant == beside;
        let goal = match GOALS.iter().find(|(name, _)| *name == contestant)?.1 {
            _ if is_harder => more,
            goal => goal,
        };
        Some(if self.bound < 8.0 {
            goal.min(SHARE_OF_BOUND * self.bound)
        } else {
            goal
        })
    }
}

/// How to read the table.
pub(crate) fn rules(isa: Isa, threads: usize) -> String {
    format!(
        "{isa}, {threads} thread{}; medians of rounds in which contestants take turns\n\
         bound     dense multiply-adds over those that are left\n\
         error     largest difference from Burn's output over the largest output\n\
         weights   packed, with indices; memory: of a run, and the least its activations need\n\
         uniform   so many zeros in every weight tensor, first and last included; global: the\n\
         \x20         smallest weights of the whole model",
        if threads == 1 { "" } else { "s" },
    )
}
