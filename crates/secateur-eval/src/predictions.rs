//! What one model answered on one test set.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::error::EvalError;
use crate::test_set::TestSet;

/// One model's answers on a test set, reduced to what is asked of them.
///
/// Of the `classes` numbers a model gives for an example three are kept: the predicted class, its
/// probability (the confidence), and the place of the true class among all, from which follows
/// whether it is among the first k. Equal probabilities go to the lower class, in every one of the
/// three.
///
/// ```
/// use secateur_eval::{Predictions, TestSet};
///
/// let set = TestSet::new("toy", ["cat", "dog", "eel"], [0, 2])?;
/// let made = Predictions::from_probabilities(&set, &[0.7, 0.2, 0.1, 0.1, 0.6, 0.3])?;
/// assert_eq!(made.labels(), [0, 1]);
/// assert_eq!(made.accuracy(), 0.5);
/// assert_eq!(made.top(2), 1.0);
/// # Ok::<(), secateur_eval::EvalError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Predictions {
    pub(crate) test_set: u64,
    pub(crate) labels: Vec<u32>,
    pub(crate) confidence: Vec<f32>,
    pub(crate) rank: Vec<u32>,
}

impl Predictions {
    /// From probabilities `[examples, classes]`, row by row.
    ///
    /// # Errors
    ///
    /// If the length is not examples × classes, or a row has a NaN, a negative number, or does not
    /// add up to 1 within 0.001.
    pub fn from_probabilities(set: &TestSet, values: &[f32]) -> Result<Self, EvalError> {
        Self::new(set, values, "probabilities", |example, row| {
            if let Some(&value) = row.iter().find(|&&value| value < 0.0) {
                let why = format!("contain {value}");
                return Err(EvalError::NotProbabilities { example, why });
            }
            let sum: f64 = row.iter().map(|&value| f64::from(value)).sum();
            if (sum - 1.0).abs() > 1e-3 {
                let why = format!("add up to {sum:.4}");
                return Err(EvalError::NotProbabilities { example, why });
            }
            Ok(|best: f32, _: &[f32]| best.min(1.0))
        })
    }

    /// From a model's outputs before the softmax, `[examples, classes]`, row by row.
    ///
    /// # Errors
    ///
    /// If the length is not examples × classes, or a number is NaN or infinite.
    pub fn from_logits(set: &TestSet, values: &[f32]) -> Result<Self, EvalError> {
        Self::new(set, values, "logits", |_, _| {
            Ok(|best: f32, row: &[f32]| {
                let sum: f64 = row.iter().map(|&value| f64::from(value - best).exp()).sum();
                (1.0 / sum) as f32
            })
        })
    }

    fn new<C: Fn(f32, &[f32]) -> f32>(
        set: &TestSet,
        values: &[f32],
        what: &'static str,
        check: impl Fn(usize, &[f32]) -> Result<C, EvalError> + Sync,
    ) -> Result<Self, EvalError> {
        let classes = set.classes().len();
        if values.len() != classes * set.len() {
            return Err(EvalError::Length {
                what: what.into(),
                expected: classes * set.len(),
                meaning: "examples x classes",
                found: values.len(),
            });
        }
        let rows = values
            .par_chunks_exact(classes)
            .zip(set.labels())
            .enumerate();
        let rows: Vec<(u32, f32, u32)> = rows
            .map(|(example, (row, &label))| {
                if let Some(column) = row.iter().position(|value| !value.is_finite()) {
                    return Err(EvalError::NotFinite {
                        what: what.into(),
                        index: example * classes + column,
                        value: f64::from(row[column]),
                    });
                }
                let confidence = check(example, row)?;
                let best =
                    (1..classes).fold(0, |best, i| if row[i] > row[best] { i } else { best });
                let truth = row[label as usize];
                let rank = row
                    .iter()
                    .enumerate()
                    .filter(|&(i, &value)| value > truth || (value == truth && i < label as usize))
                    .count();
                Ok((best as u32, confidence(row[best], row), rank as u32))
            })
            .collect::<Result<_, _>>()?;
        Ok(Self {
            test_set: set.checksum(),
            labels: rows.iter().map(|row| row.0).collect(),
            confidence: rows.iter().map(|row| row.1).collect(),
            rank: rows.iter().map(|row| row.2).collect(),
        })
    }

    /// Checksum of the test set.
    #[must_use]
    pub fn test_set(&self) -> u64 {
        self.test_set
    }

    /// How many examples there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The predicted class of every example.
    #[must_use]
    pub fn labels(&self) -> &[u32] {
        &self.labels
    }

    /// The probability of the predicted class, of every example.
    #[must_use]
    pub fn confidence(&self) -> &[f32] {
        &self.confidence
    }

    /// Whether the example is classified rightly.
    #[must_use]
    pub fn hit(&self, example: usize) -> bool {
        self.rank.get(example) == Some(&0)
    }

    /// Share of examples that are classified rightly.
    #[must_use]
    pub fn accuracy(&self) -> f64 {
        self.top(1)
    }

    /// Share of examples whose true class is among the `k` most probable.
    #[must_use]
    pub fn top(&self, k: usize) -> f64 {
        self.top_hits(k).share()
    }

    /// Which examples are classified rightly.
    #[must_use]
    pub fn hits(&self) -> Hits {
        self.top_hits(1)
    }

    /// Whose true class is among the `k` most probable.
    pub(crate) fn top_hits(&self, k: usize) -> Hits {
        self.rank.iter().map(|&rank| (rank as usize) < k).collect()
    }
}

/// Which examples were classified rightly, one bit each.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hits {
    pub(crate) words: Vec<u64>,
    pub(crate) len: usize,
}

impl FromIterator<bool> for Hits {
    fn from_iter<I: IntoIterator<Item = bool>>(bits: I) -> Self {
        let mut hits = Self::default();
        for bit in bits {
            if hits.len.is_multiple_of(64) {
                hits.words.push(0);
            }
            if let Some(word) = hits.words.last_mut() {
                *word |= u64::from(bit) << (hits.len % 64);
            }
            hits.len += 1;
        }
        hits
    }
}

impl Hits {
    /// How many examples there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether an example was classified rightly.
    #[must_use]
    pub fn get(&self, example: usize) -> bool {
        example < self.len && self.words[example / 64] >> (example % 64) & 1 == 1
    }

    /// How many were.
    #[must_use]
    pub fn count(&self) -> usize {
        self.words
            .iter()
            .map(|word| word.count_ones() as usize)
            .sum()
    }

    /// Share that was, 0 of none.
    #[must_use]
    pub fn share(&self) -> f64 {
        self.count() as f64 / self.len.max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set() -> TestSet {
        TestSet::new("t", ["a", "b", "c"], [0, 1, 2, 1]).unwrap()
    }

    #[test]
    fn ties_go_to_the_lower_class_everywhere() {
        let thirds = [1.0 / 3.0; 12];
        let made = Predictions::from_probabilities(&set(), &thirds).unwrap();
        assert_eq!(made.labels(), [0; 4]);
        assert_eq!(made.rank, [0, 1, 2, 1]);
        assert_eq!(
            (made.accuracy(), made.top(2), made.top(3)),
            (0.25, 0.75, 1.0)
        );
        assert_eq!(made.hits().count(), 1);
    }

    #[test]
    fn logits_give_the_softmax() {
        // exp(0), exp(ln 3), exp(0): the second has 3 of 5.
        let row = [0.0, 3.0_f32.ln(), 0.0];
        let logits: Vec<f32> = (0..4).flat_map(|_| row).collect();
        let made = Predictions::from_logits(&set(), &logits).unwrap();
        assert_eq!(made.labels(), [1; 4]);
        assert!(made.confidence().iter().all(|c| (c - 0.6).abs() < 1e-6));
        // Large logits overflow nothing.
        let large = [3.0e38, -3.0e38, 0.0].repeat(4);
        let made = Predictions::from_logits(&set(), &large).unwrap();
        assert!(made.confidence().iter().all(|&c| c == 1.0));
    }

    #[test]
    fn what_is_no_prediction_is_refused() {
        let mut values = [0.5, 0.25, 0.25].repeat(4);
        assert!(Predictions::from_probabilities(&set(), &values[1..]).is_err());
        values[4] = f32::NAN;
        let error = Predictions::from_probabilities(&set(), &values).unwrap_err();
        assert!(
            matches!(error, EvalError::NotFinite { index: 4, .. }),
            "{error}"
        );
        assert!(Predictions::from_logits(&set(), &values).is_err());
        values[4] = 0.5;
        let error = Predictions::from_probabilities(&set(), &values).unwrap_err();
        assert!(
            matches!(error, EvalError::NotProbabilities { example: 1, .. }),
            "{error}"
        );
        values[3..6].copy_from_slice(&[1.5, -0.5, 0.0]);
        assert!(Predictions::from_probabilities(&set(), &values).is_err());
    }

    #[test]
    fn hits_count_across_words() {
        let hits: Hits = (0..130).map(|i| i % 3 == 0).collect();
        assert_eq!((hits.len(), hits.count()), (130, 44));
        assert!(hits.get(129) && !hits.get(128) && !hits.get(130) && !hits.get(1000));
        assert_eq!(Hits::default().share(), 0.0);
    }
}
