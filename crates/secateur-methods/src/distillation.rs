//! Distillation: a pruned model learns from the one it comes from.

use burn::Tensor;
use burn::tensor::activation::{log_softmax, softmax};
use burn::tensor::{Int, TensorData};
use secateur_core::error::PruneError;
use serde::{Deserialize, Serialize};

/// The loss of a student that has a teacher (Hinton, Vinyals and Dean 2015, *Distilling the Knowledge
/// in a Neural Network*, arXiv 1503.02531, section 2):
///
/// `L = (1 - a) CE(y, softmax(z)) + a T² KL(softmax(v/T) ‖ softmax(z/T))`
///
/// with the student's logits `z`, the teacher's `v` and labels `y`, both terms means over the
/// examples. The gradient of the second goes as `1/T²`, which the factor makes up for; it is
/// `a T (softmax(z/T) - softmax(v/T))` for each example.
///
/// The teacher is the dense model, as [`valid`](burn::module::Module::valid) gives it; no gradient
/// goes to it. It is what users recover a pruned model's accuracy by.
///
/// Cost: the teacher's forward pass for each batch, and the labels read once.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use secateur_methods::Distillation;
///
/// let device = Device::flex().autodiff();
/// let student = Tensor::<2>::from_data([[0.1, 2.2]], &device).require_grad();
/// let teacher = Tensor::<2>::from_data([[0.0, 3.0]], &Device::flex());
/// let labels = Tensor::from_data([1], &device);
/// let loss = Distillation::new()
///     .with_temperature(2.0)
///     .with_weight(0.5)
///     .loss(student, teacher, labels)?;
/// let gradients = loss.backward();
/// # let _ = gradients;
/// # Ok::<(), secateur_core::error::PruneError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Distillation {
    temperature: f64,
    weight: f64,
}

impl Default for Distillation {
    fn default() -> Self {
        Self::new()
    }
}

impl Distillation {
    /// Temperature 4, nine tenths of the loss from the teacher.
    #[must_use]
    pub fn new() -> Self {
        Self {
            temperature: 4.0,
            weight: 0.9,
        }
    }

    /// Sets `T`: the higher, the more the teacher's order of the wrong classes counts.
    #[must_use]
    pub fn with_temperature(mut self, temperature: f64) -> Self {
        self.temperature = temperature;
        self
    }

    /// Sets `a`, the teacher's share of the loss, 0 to 1.
    #[must_use]
    pub fn with_weight(mut self, weight: f64) -> Self {
        self.weight = weight;
        self
    }

    /// The loss `[1]` of logits `[examples, classes]` and labels `[examples]`. The teacher's logits
    /// may be on a device without gradients.
    ///
    /// # Errors
    ///
    /// [`PruneError::InvalidSetting`] for a temperature that is not positive, a weight outside of 0
    /// to 1, logits of two shapes, another number of labels, no example, or a label that is no
    /// class.
    pub fn loss(
        &self,
        student: Tensor<2>,
        teacher: Tensor<2>,
        labels: Tensor<1, Int>,
    ) -> Result<Tensor<1>, PruneError> {
        let Self {
            temperature,
            weight,
        } = *self;
        self.check(&student, &teacher, &labels)?;
        let device = student.device();
        let labels = labels.to_device(&device).unsqueeze_dim::<2>(1);
        let hard = log_softmax(student.clone(), 1)
            .gather(1, labels)
            .mean()
            .neg();

        let teacher = teacher.inner().to_device(&device).div_scalar(temperature);
        let (wanted, log_wanted) = (softmax(teacher.clone(), 1), log_softmax(teacher, 1));
        let log_given = log_softmax(student.div_scalar(temperature), 1);
        let divergence = (wanted * (log_wanted - log_given)).sum_dim(1).mean();
        let soft = divergence.mul_scalar(weight * temperature * temperature);
        Ok(hard.mul_scalar(1.0 - weight) + soft)
    }

    fn check(
        &self,
        student: &Tensor<2>,
        teacher: &Tensor<2>,
        labels: &Tensor<1, Int>,
    ) -> Result<(), PruneError> {
        let Self {
            temperature,
            weight,
        } = *self;
        if !(temperature > 0.0 && temperature.is_finite()) {
            let (expected, remedy) = ("above 0", "take 4");
            return Err(PruneError::invalid(
                "temperature",
                temperature,
                expected,
                remedy,
            ));
        }
        if !(0.0..=1.0).contains(&weight) {
            let (expected, remedy) = ("from 0 to 1", "take 0.9");
            return Err(PruneError::invalid("weight", weight, expected, remedy));
        }
        let [examples, classes] = student.dims();
        if examples * classes == 0 {
            let (expected, remedy) = ("one example or more", "pass a batch");
            let shape = format!("{:?}", student.dims());
            return Err(PruneError::invalid("student", shape, expected, remedy));
        }
        if teacher.dims() != student.dims() {
            let expected = format!("the student's {:?}", student.dims());
            let remedy = "give both the same batch, and the teacher as many classes";
            let shape = format!("{:?}", teacher.dims());
            return Err(PruneError::invalid("teacher", shape, expected, remedy));
        }
        if labels.dims() != [examples] {
            let expected = format!("[{examples}]");
            let shape = format!("{:?}", labels.dims());
            let remedy = "pass the class of each example";
            return Err(PruneError::invalid("labels", shape, expected, remedy));
        }
        let labels: TensorData = labels.to_data();
        let stray = labels.iter::<i64>().find(|&l| l < 0 || l >= classes as i64);
        match stray {
            None => Ok(()),
            Some(label) => {
                let expected = format!("a class from 0 to {}", classes - 1);
                let remedy = "count classes from 0";
                Err(PruneError::invalid("labels", label, expected, remedy))
            }
        }
    }
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use burn::tensor::Device;

    use super::*;

    fn tensor<const N: usize>(rows: [[f64; N]; 1], device: &Device) -> Tensor<2> {
        Tensor::from_data(rows, device)
    }

    fn loss(distillation: Distillation) -> (f64, Vec<f32>) {
        let device = Device::flex().autodiff();
        let student = tensor([[0.0, 2.0 * 3.0f64.ln()]], &device).require_grad();
        let teacher = tensor([[5.0, 5.0]], &Device::flex());
        let labels = Tensor::from_data([0], &device);
        let loss = distillation.loss(student.clone(), teacher, labels).unwrap();
        let value = loss.clone().into_scalar::<f32>();
        let gradient = student.grad(&loss.backward()).unwrap();
        (value.into(), gradient.into_data().try_to_vec().unwrap())
    }

    /// Student (0, 2 ln 3), teacher (5, 5), label 0, T = 2.
    ///
    /// softmax(z) = (1/10, 9/10): CE = ln 10. softmax(z/2) = (1/4, 3/4), softmax(v/2) = (1/2, 1/2):
    /// KL = ½ ln 2 + ½ ln 2/3 = ½ ln 4/3, times T² = 2 ln 4/3.
    /// Gradients: CE (-9/10, 9/10); soft T (1/4 - 1/2, 3/4 - 1/2) = (-1/2, 1/2).
    #[test]
    fn the_terms_by_hand() {
        let at = |weight| {
            loss(
                Distillation::new()
                    .with_temperature(2.0)
                    .with_weight(weight),
            )
        };
        let (hard, soft) = (10f64.ln(), 2.0 * (4f64 / 3.0).ln());
        for (weight, slope) in [(0.0, 0.9), (1.0, 0.5), (0.25, 0.8)] {
            let (value, gradient) = at(weight);
            let expected = (1.0 - weight) * hard + weight * soft;
            assert!((value - expected).abs() < 1e-6, "{weight}: {value}");
            for (got, expected) in gradient.iter().zip([-slope, slope]) {
                assert!((f64::from(*got) - expected).abs() < 1e-6, "{gradient:?}");
            }
        }
    }

    #[test]
    fn who_does_as_the_teacher_has_the_labels_loss_alone() {
        let device = Device::flex();
        let logits = Tensor::<2>::from_data([[1.0, -2.0, 0.5], [0.0, 3.0, 1.0]], &device);
        let labels = Tensor::from_data([2, 1], &device);
        let soft = Distillation::new().with_weight(1.0);
        let loss = soft.loss(logits.clone(), logits, labels).unwrap();
        assert!(loss.into_scalar::<f32>().abs() < 1e-6);
    }

    /// Two examples count half each: the mean, not the sum.
    #[test]
    fn both_terms_are_means_over_examples() {
        let device = Device::flex();
        let once = |rows: usize| {
            let student = tensor([[0.3, -1.0]], &device).repeat_dim(0, rows);
            let teacher = tensor([[2.0, 1.0]], &device).repeat_dim(0, rows);
            let labels = Tensor::<1, Int>::zeros([rows], &device);
            let loss = Distillation::new().loss(student, teacher, labels).unwrap();
            loss.into_scalar::<f32>()
        };
        assert!((once(1) - once(3)).abs() < 1e-6);
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        let device = Device::flex();
        let logits = |rows, classes| Tensor::<2>::zeros([rows, classes], &device);
        let labels = |count| Tensor::<1, Int>::zeros([count], &device);
        let new = Distillation::new;
        let refused = |distillation: Distillation, student, teacher, labels| {
            let error = distillation.loss(student, teacher, labels).unwrap_err();
            assert!(
                matches!(error, PruneError::InvalidSetting { .. }),
                "{error}"
            );
            error.to_string()
        };
        for temperature in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            let hot = new().with_temperature(temperature);
            let text = refused(hot, logits(1, 2), logits(1, 2), labels(1));
            assert!(text.contains("temperature"), "{text}");
        }
        for weight in [-0.1, 1.1, f64::NAN] {
            let text = refused(
                new().with_weight(weight),
                logits(1, 2),
                logits(1, 2),
                labels(1),
            );
            assert!(text.contains("weight"), "{text}");
        }
        refused(new(), logits(0, 2), logits(0, 2), labels(0));
        refused(new(), logits(1, 2), logits(1, 3), labels(1));
        refused(new(), logits(2, 2), logits(2, 2), labels(1));
        let stray = Tensor::from_data([2], &device);
        let text = refused(new(), logits(1, 2), logits(1, 2), stray);
        assert!(text.contains("from 0 to 1"), "{text}");
    }
}
