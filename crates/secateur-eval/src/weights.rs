//! What is left of the weights: how many in each layer, how they are spread, and what two masks
//! have in common. From counts and values that the caller has.

use serde::{Deserialize, Serialize};

use crate::error::EvalError;
use crate::report::Table;
use crate::report::number::{count, percent};

/// Under which share of kept weights a layer is said to be near collapse.
const NEARLY_NOTHING: f64 = 0.01;

/// What is left of a layer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerCount {
    /// Path of the parameter.
    pub name: String,
    /// Weights kept.
    pub kept: usize,
    /// Weights there were.
    pub total: usize,
    /// Outputs without a single kept weight, of how many.
    pub dead: Option<(usize, usize)>,
}

impl LayerCount {
    /// What is wrong with the layer, in words.
    #[must_use]
    pub fn warning(&self) -> Option<String> {
        let share = self.kept as f64 / self.total.max(1) as f64;
        match self.dead {
            _ if self.total == 0 => Some("has no weights".into()),
            _ if self.kept == 0 => Some("collapsed: nothing passes".into()),
            Some((dead, of)) if dead > 0 => Some(format!("{dead} of {of} outputs are dead")),
            _ if share < NEARLY_NOTHING => Some("near collapse: under 1 % left".into()),
            _ => None,
        }
    }
}

/// Sparsity layer by layer, with warnings.
#[must_use]
pub fn layer_table(layers: &[LayerCount]) -> Table {
    let mut table = Table::new(
        "Sparsity by layer",
        &["<layer", "kept", "of", "sparsity %", "<warning"],
    );
    let row = |name: &str, kept: usize, total: usize, warning: Option<String>| {
        let sparsity = 1.0 - kept as f64 / total.max(1) as f64;
        [
            name.to_string(),
            count(kept),
            count(total),
            percent(sparsity),
            warning.unwrap_or_default(),
        ]
    };
    for layer in layers {
        table.row(row(&layer.name, layer.kept, layer.total, layer.warning()));
    }
    let sum = |of: fn(&LayerCount) -> usize| layers.iter().map(of).sum();
    table.row(row(
        "total",
        sum(|layer| layer.kept),
        sum(|layer| layer.total),
        None,
    ));
    table
}

/// What two masks have in common.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overlap {
    /// One mask: a seed or a method.
    pub first: String,
    /// The other.
    pub second: String,
    /// Weights that the first keeps.
    pub kept_first: usize,
    /// Weights that the second keeps.
    pub kept_second: usize,
    /// Weights that both keep.
    pub both: usize,
    /// Weights there are.
    pub total: usize,
}

impl Overlap {
    /// Counts two masks, true where a weight is kept.
    ///
    /// # Errors
    ///
    /// If they have different lengths or none.
    pub fn of(
        [first, second]: [&str; 2],
        kept_first: &[bool],
        kept_second: &[bool],
    ) -> Result<Self, EvalError> {
        if kept_first.is_empty() {
            return Err(EvalError::Empty {
                what: first.into(),
                remedy: "pass the whole mask",
            });
        }
        if kept_first.len() != kept_second.len() {
            return Err(EvalError::Length {
                what: second.into(),
                expected: kept_first.len(),
                meaning: "as many as the first mask",
                found: kept_second.len(),
            });
        }
        let kept = |mask: &[bool]| mask.iter().filter(|kept| **kept).count();
        Ok(Self {
            first: first.into(),
            second: second.into(),
            kept_first: kept(kept_first),
            kept_second: kept(kept_second),
            both: kept_first
                .iter()
                .zip(kept_second)
                .filter(|(a, b)| **a && **b)
                .count(),
            total: kept_first.len(),
        })
    }

    /// Jaccard index: kept by both / kept by either; 1 if neither keeps any.
    #[must_use]
    pub fn jaccard(&self) -> f64 {
        let either = (self.kept_first + self.kept_second).saturating_sub(self.both);
        if either == 0 {
            1.0
        } else {
            self.both as f64 / either as f64
        }
    }

    /// The Jaccard index that two independent masks of these sizes have on average (of the counts).
    #[must_use]
    pub fn by_chance(&self) -> f64 {
        let both = self.kept_first as f64 * self.kept_second as f64 / self.total.max(1) as f64;
        let either = (self.kept_first + self.kept_second) as f64 - both;
        if either == 0.0 { 1.0 } else { both / either }
    }
}

/// Overlap of masks, pair by pair, beside what chance gives.
#[must_use]
pub fn overlap_table(overlaps: &[Overlap]) -> Table {
    let columns = [
        "<mask",
        "<and",
        "kept",
        "kept ",
        "both",
        "Jaccard %",
        "by chance %",
    ];
    let mut table = Table::new("Overlap of masks", &columns);
    for overlap in overlaps {
        table.row([
            overlap.first.clone(),
            overlap.second.clone(),
            count(overlap.kept_first),
            count(overlap.kept_second),
            count(overlap.both),
            percent(overlap.jaccard()),
            percent(overlap.by_chance()),
        ]);
    }
    table.caption = "Jaccard: kept by both / kept by either. By chance: two independent masks of the same sizes.".into();
    table
}

/// How values are spread.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Histogram {
    /// Lower end of the first bin.
    pub low: f64,
    /// Upper end of the last bin.
    pub high: f64,
    /// Values in each bin of equal width; the last holds its upper end.
    pub counts: Vec<usize>,
    /// Values that are exactly zero, which are in no bin: after pruning they would hide all others.
    pub zeros: usize,
}

impl Histogram {
    /// Counts values in `bins` bins between the smallest and the largest.
    ///
    /// # Errors
    ///
    /// Without values, without bins, or if a value is not finite.
    pub fn new(values: &[f32], bins: usize) -> Result<Self, EvalError> {
        let ends = values
            .iter()
            .fold([f32::INFINITY, f32::NEG_INFINITY], |[low, high], &value| {
                [low.min(value), high.max(value)]
            });
        Self::between(values, bins, ends.map(f64::from))
    }

    /// The same between ends of your choice, so that two histograms compare; values beyond are
    /// counted in the outer bins.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new), or if the ends are not in order.
    pub fn between(values: &[f32], bins: usize, [low, high]: [f64; 2]) -> Result<Self, EvalError> {
        if values.is_empty() {
            return Err(EvalError::Empty {
                what: "values".into(),
                remedy: "pass the weights",
            });
        }
        if bins == 0 {
            return Err(EvalError::setting("bins", bins, "give at least 1"));
        }
        if let Some(index) = values.iter().position(|value| !value.is_finite()) {
            let value = f64::from(values[index]);
            return Err(EvalError::NotFinite {
                what: "values".into(),
                index,
                value,
            });
        }
        if low.is_nan() || high.is_nan() || low > high {
            return Err(EvalError::setting(
                "low",
                low,
                format!("give at most {high}"),
            ));
        }
        let mut counts = vec![0; bins];
        let width = (high - low) / bins as f64;
        for &value in values.iter().filter(|value| **value != 0.0) {
            let at = if width > 0.0 {
                (f64::from(value) - low) / width
            } else {
                0.0
            };
            counts[(at.max(0.0) as usize).min(bins - 1)] += 1;
        }
        let zeros = values.iter().filter(|value| **value == 0.0).count();
        Ok(Self {
            low,
            high,
            counts,
            zeros,
        })
    }

    /// Middle of a bin.
    #[must_use]
    pub fn middle(&self, bin: usize) -> f64 {
        self.low + (self.high - self.low) * (bin as f64 + 0.5) / self.counts.len() as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlap_by_hand() {
        let first = [true, true, true, false, false, false];
        let second = [true, true, false, true, false, false];
        let overlap = Overlap::of(["a", "b"], &first, &second).unwrap();
        assert_eq!((overlap.both, overlap.jaccard()), (2, 0.5));
        // 3 · 3 / 6 = 1.5 in both, 4.5 in either.
        assert!((overlap.by_chance() - 1.0 / 3.0).abs() < 1e-12);
        assert!(Overlap::of(["a", "b"], &first, &second[1..]).is_err());
        assert!(overlap_table(&[overlap]).to_string().contains("50.00"));
    }

    #[test]
    fn layers_are_warned_of() {
        let layer = |kept, dead| LayerCount {
            name: "fc".into(),
            kept,
            total: 1000,
            dead,
        };
        assert!(layer(0, None).warning().unwrap().contains("collapsed"));
        assert!(layer(5, None).warning().unwrap().contains("near collapse"));
        assert_eq!(
            layer(500, Some((3, 10))).warning().unwrap(),
            "3 of 10 outputs are dead"
        );
        assert_eq!(layer(500, Some((0, 10))).warning(), None);
        assert!(
            layer_table(&[layer(500, None), layer(0, None)])
                .to_string()
                .contains("75.00")
        );
    }

    #[test]
    fn histograms_keep_zeros_apart() {
        let made = Histogram::new(&[-1.0, -0.5, 0.0, 0.0, 0.5, 1.0], 4).unwrap();
        assert_eq!((made.counts.as_slice(), made.zeros), (&[1, 1, 0, 2][..], 2));
        assert_eq!((made.middle(0), made.middle(3)), (-0.75, 0.75));
        assert_eq!(Histogram::new(&[2.0; 3], 2).unwrap().counts, [3, 0]);
        assert!(Histogram::new(&[], 2).is_err());
        assert!(Histogram::new(&[f32::NAN], 2).is_err());
        assert!(Histogram::new(&[1.0], 0).is_err());
    }
}
