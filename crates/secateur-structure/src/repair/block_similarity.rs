//! Which residual blocks do next to nothing.

use super::least_squares::refit;
use super::{LayerMoments, RepairError};

/// How little a block changes what runs through it: `1 - (1/n) Σ cos(x, f(x))` over rows of its
/// input `x` and output `f(x)` (the block influence of Men, Xu, Zhang, Wang, Lin, Lu, Han and Chen
/// 2024, *ShortGPT*, arXiv 2403.03853, equation 1; a row is a token, a position or an example).
///
/// Compared are blocks whose output has the shape of their input: those that the shortcut alone can
/// stand in for. The smallest goes first.
///
/// Cost: two numbers; one pass over the rows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BlockSimilarity {
    cosines: f64,
    rows: usize,
}

impl BlockSimilarity {
    /// Of no rows yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds rows of `features` numbers of the input and the output of the block at `path`.
    ///
    /// # Errors
    /// [`RepairError::Size`] unless both are as many whole rows, [`RepairError::NotFinite`].
    pub fn add(
        &mut self,
        path: &str,
        features: usize,
        inputs: &[f64],
        outputs: &[f64],
    ) -> Result<(), RepairError> {
        let rows = inputs.len() / features.max(1);
        let remedy = "pass whole rows, as many of inputs as of outputs; a block that changes the \
                      shape cannot be left out";
        let expected = rows * features;
        RepairError::check_len(path, "a batch of inputs", inputs.len(), expected, remedy)?;
        RepairError::check_len(path, "a batch of outputs", outputs.len(), expected, remedy)?;
        RepairError::check_finite(path, "the inputs", inputs)?;
        RepairError::check_finite(path, "the outputs", outputs)?;
        let features = features.max(1);
        let pairs = inputs.chunks(features).zip(outputs.chunks(features));
        self.cosines += pairs.map(|(x, y)| cosine(x, y)).sum::<f64>();
        self.rows += rows;
        Ok(())
    }

    /// The importance, 0 to 2; 0 without a row.
    #[must_use]
    pub fn importance(&self) -> f64 {
        match self.rows {
            0 => 0.0,
            rows => 1.0 - self.cosines / rows as f64,
        }
    }
}

/// The cosine of two rows: 1 of two that are zero, 0 if one is.
fn cosine(x: &[f64], y: &[f64]) -> f64 {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let (xx, yy) = (dot(x, x), dot(y, y));
    match (xx == 0.0, yy == 0.0) {
        (true, true) => 1.0,
        (false, false) => (dot(x, y) / (xx.sqrt() * yy.sqrt())).clamp(-1.0, 1.0),
        _ => 0.0,
    }
}

/// What a linear probe cannot tell of the targets from features, as a share of them, 0 to 1 (after
/// Chen and Zhao 2019, *Shallowing Deep Networks: Layer-wise Pruning based on Feature
/// Representations*, which compare the accuracies of probes).
///
/// The probe is fitted by ridge regression: pass moments of features with the classes as one-hot
/// targets, and a damping of 0.01 or so. A block is worth what the rest falls by from its input to
/// its output.
///
/// # Errors
/// Those of [`refit`].
pub fn probe_rest(features: &LayerMoments, damping: f64) -> Result<f64, RepairError> {
    let [out, inputs, kernel] = features.shape();
    let all: Vec<usize> = (0..inputs).collect();
    let probe = refit(features, &vec![0.0; out * inputs * kernel], &all, damping)?;
    match features.energy() {
        0.0 => Ok(0.0),
        energy => Ok(features.error(&probe)? / energy),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cosines_by_hand() {
        // (3, 4) to (6, 8): 1. (1, 0) to (0, 2): 0. (1, 0) to (-1, 0): -1. (1, 1) to (1, 0): √½.
        let mut block = BlockSimilarity::new();
        assert_eq!(block.importance(), 0.0);
        block
            .add("blocks.1", 2, &[3., 4., 1., 0.], &[6., 8., 0., 2.])
            .unwrap();
        assert_eq!(block.importance(), 0.5);
        block
            .add("blocks.1", 2, &[1., 0., 1., 1.], &[-1., 0., 1., 0.])
            .unwrap();
        assert!((block.importance() - (1.0 - 0.5f64.sqrt() / 4.0)).abs() < 1e-12);
        // Rows without anything in them.
        let mut block = BlockSimilarity::new();
        block
            .add("b", 2, &[0., 0., 0., 0.], &[0., 0., 1., 0.])
            .unwrap();
        assert_eq!(block.importance(), 0.5);
        let error = block.add("blocks.2", 2, &[1.0; 4], &[1.0; 2]).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("`blocks.2`: a batch of outputs"),
            "{error}"
        );
    }

    #[test]
    fn probes_by_hand() {
        // Classes (1, 0), (0, 1). One feature of 1, -1: w = ±1/2 leaves ¼·4 of 2: a half.
        let mut before = LayerMoments::new("blocks.1", [2, 1, 1]);
        before.add(&[1.0, -1.0], &[1.0, 0.0, 0.0, 1.0]).unwrap();
        assert!((probe_rest(&before, 0.0).unwrap() - 0.5).abs() < 1e-12);
        // Two features that are the classes leave nothing.
        let mut after = LayerMoments::new("blocks.1", [2, 2, 1]);
        after
            .add(&[1.0, 0.0, 0.0, 1.0], &[1.0, 0.0, 0.0, 1.0])
            .unwrap();
        assert!(probe_rest(&after, 0.0).unwrap() < 1e-12);
        assert_eq!(probe_rest(&LayerMoments::new("b", [2, 2, 1]), 0.0), Ok(0.0));
    }
}
