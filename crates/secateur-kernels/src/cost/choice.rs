//! Which format to choose for a matrix, and why.

use std::fmt;

use super::CostModel;
use crate::csr::Csr;
use crate::error::KernelError;
use crate::format::Format;
use crate::values::Precision;

/// What is known of the products that a matrix will be packed for.
#[derive(Debug, Clone, PartialEq)]
pub struct Hint {
    columns: usize,
    precision: Precision,
    model: Option<CostModel>,
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
    /// Where `SECATEUR_ISA` cannot be honoured.
    pub fn choose(&self, csr: &Csr) -> Result<Choice, KernelError> {
        let model = match &self.model {
            Some(model) => model,
            None => CostModel::of_this_machine()?,
        };
        Ok(model.choose_in(csr, self.columns, self.precision))
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

    /// Each format considered with its predicted seconds, fastest first.
    #[must_use]
    pub fn predictions(&self) -> &[(Format, f64)] {
        &self.predictions
    }

    /// Predicted seconds of the dense product.
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
