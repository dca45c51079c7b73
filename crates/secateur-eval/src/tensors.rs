//! Answers of a Burn model.

use burn::tensor::Tensor;

use crate::error::EvalError;
use crate::predictions::Predictions;
use crate::test_set::TestSet;

impl Predictions {
    /// From a model's outputs before the softmax, `[examples, classes]`, on any device and of any
    /// float type.
    ///
    /// # Errors
    ///
    /// If the shape is another, or a number is NaN or infinite.
    pub fn from_tensor(set: &TestSet, logits: Tensor<2>) -> Result<Self, EvalError> {
        let [examples, classes] = logits.dims();
        if classes != set.classes().len() {
            return Err(EvalError::Length {
                what: "a row of logits".into(),
                expected: set.classes().len(),
                meaning: "one for every class",
                found: classes,
            });
        }
        if examples != set.len() {
            return Err(EvalError::Length {
                what: "logits".into(),
                expected: set.len(),
                meaning: "one row for every example",
                found: examples,
            });
        }
        let values: Vec<f32> = logits.into_data().iter::<f32>().collect();
        Self::from_logits(set, &values)
    }
}
