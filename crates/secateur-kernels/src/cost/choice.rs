//! Which format to choose for a matrix, and why.

use std::fmt;
use std::time::Duration;

use super::CostModel;
use crate::csr::Csr;
use crate::error::KernelError;
use crate::format::Format;
use crate::matrix::SparseMatrix;
use crate::trial::{Trial, least_seconds};
use crate::values::Precision;

/// How often a measured hint runs each format at most.
const ROUNDS: usize = 10;

/// Time after which it is content with fewer runs.
const BUDGET: Duration = Duration::from_millis(50);

/// Formats predicted to take this many times as long as the best are not tried.
const HOPELESS: f64 = 3.0;

/// What is known of the products that a matrix will be packed for.
#[derive(Debug, Clone, PartialEq)]
pub struct Hint {
    columns: usize,
    precision: Precision,
    model: Option<CostModel>,
    measured: bool,
}

impl Hint {
    /// Products with about `columns` columns: the batch of a linear layer, the pixels of a
    /// convolution. The default is 1.
    #[must_use]
    pub fn batch(columns: usize) -> Self {
        Self {
            columns: columns.max(1),
            precision: Precision::F32,
            model: None,
            measured: false,
        }
    }

    /// Decides by `model` instead of the one measured on this machine; with
    /// [`CostModel::table`] the choice is the same on every run.
    #[must_use]
    pub fn with_model(self, model: CostModel) -> Self {
        Self {
            model: Some(model),
            ..self
        }
    }

    /// Decides by trying: the formats that the model thinks well of, and dense, are packed, run
    /// for some hundredths of a second (or three times, where that is longer) on one thread, and the fastest is kept. For
    /// matrices that are packed once and multiplied often; the choice may differ from run to run.
    ///
    /// ```
    /// use secateur_kernels::{Csr, Hint};
    ///
    /// # fn main() -> Result<(), secateur_kernels::KernelError> {
    /// let csr = Csr::from_dense(&[0.0, 2.0, 0.0, 1.0, 0.0, -3.0], [2, 3])?;
    /// let choice = Hint::batch(64).measured().choose(&csr)?;
    /// assert!(choice.is_measured() && choice.predictions()[0].1 <= choice.dense_seconds());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn measured(self) -> Self {
        Self {
            measured: true,
            ..self
        }
    }

    /// Stores the weights in `precision` instead of `f32`.
    #[must_use]
    pub fn with_precision(self, precision: Precision) -> Self {
        Self { precision, ..self }
    }

    /// How the weights will be stored.
    #[must_use]
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// Columns expected.
    #[must_use]
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// The choice for `csr`, with its reasons.
    ///
    /// # Errors
    ///
    /// Where `SECATEUR_ISA` cannot be honoured; if [`measured`](Self::measured), also where a weight
    /// is beyond the range of the precision.
    pub fn choose(&self, csr: &Csr) -> Result<Choice, KernelError> {
        let model = match &self.model {
            Some(model) => model,
            None => CostModel::of_this_machine()?,
        };
        let mut choice = model.choose_in(csr, self.columns, self.precision);
        if self.measured {
            choice.predictions = self.measure(csr, &choice)?;
            choice.measured = true;
        }
        Ok(choice)
    }

    /// Seconds of the formats worth trying, fastest first.
    fn measure(&self, csr: &Csr, choice: &Choice) -> Result<Vec<(Format, f64)>, KernelError> {
        let most = HOPELESS * choice.predictions.first().map_or(0.0, |best| best.1);
        let predictions = choice.predictions.iter();
        let worth =
            predictions.filter(|(format, seconds)| *format != Format::Dense && *seconds <= most);
        // Dense first, and the sort is stable: a sparse format has to be faster, not equal.
        let mut formats = vec![Format::Dense];
        formats.extend(worth.map(|&(format, _)| format));
        let mut trials = Vec::with_capacity(formats.len());
        for &format in &formats {
            let (packed, _) = SparseMatrix::pack_in(csr, format, self.precision)?;
            trials.push(Trial::new(packed, self.columns));
        }
        let seconds = least_seconds(&mut trials, ROUNDS, BUDGET, Trial::run)?;
        let mut measured: Vec<_> = formats.into_iter().zip(seconds).collect();
        measured.sort_by(|a, b| a.1.total_cmp(&b.1));
        Ok(measured)
    }
}

impl Default for Hint {
    fn default() -> Self {
        Self::batch(1)
    }
}

/// A choice of format and what speaks for it.
#[derive(Debug, Clone, PartialEq)]
pub struct Choice {
    pub(super) shape: [usize; 2],
    pub(super) sparsity: f64,
    pub(super) columns: usize,
    pub(super) break_even: f64,
    /// Whether the seconds were measured.
    pub(super) measured: bool,
    /// Fastest first.
    pub(super) predictions: Vec<(Format, f64)>,
}

impl Choice {
    /// The format chosen.
    #[must_use]
    pub fn format(&self) -> Format {
        self.predictions
            .first()
            .map_or(Format::Dense, |first| first.0)
    }

    /// Whether the seconds were measured for this very matrix, and not predicted.
    #[must_use]
    pub fn is_measured(&self) -> bool {
        self.measured
    }

    /// Each format considered with its predicted seconds (or [measured](Self::is_measured) ones),
    /// fastest first.
    #[must_use]
    pub fn predictions(&self) -> &[(Format, f64)] {
        &self.predictions
    }

    /// Seconds of the dense product.
    #[must_use]
    pub fn dense_seconds(&self) -> f64 {
        self.predictions
            .iter()
            .find(|(format, _)| *format == Format::Dense)
            .map_or(f64::INFINITY, |(_, seconds)| *seconds)
    }

    /// Sparsity from which this shape is faster sparse, for unstructured weights.
    #[must_use]
    pub fn break_even(&self) -> f64 {
        self.break_even
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [m, k] = self.shape;
        writeln!(
            f,
            "{m}x{k}, {:.1} % sparse, {} columns: {} (sparse pays from {:.0} %)",
            100.0 * self.sparsity,
            self.columns,
            self.format(),
            100.0 * self.break_even,
        )?;
        let dense = self.dense_seconds();
        for (format, seconds) in &self.predictions {
            writeln!(
                f,
                "  {format}: {:.4} ms, {:.2} x dense",
                seconds * 1e3,
                dense / seconds
            )?;
        }
        Ok(())
    }
}
