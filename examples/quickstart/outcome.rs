//! One training of the three, and what came of it.

use indicatif::ProgressBar;
use secateur_examples::Result;
use secateur_examples::data::{Data, Starter};
use secateur_examples::nets::{LayerWeights, SmallConv, count_weights};
use secateur_examples::training::{Recipe, Student, fit};

use crate::SEED;
use crate::curve::Curve;
use crate::pruning::{Plan, Pruning};

/// A trained net and how it does.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub plan: Plan,
    pub student: Student<SmallConv, Starter>,
    /// Right or wrong, for each test image.
    pub verdicts: Vec<bool>,
    /// Accuracy in percent while learning.
    pub curve: Vec<f64>,
    pub layers: Vec<LayerWeights>,
}

impl Outcome {
    /// Right answers on the test images in percent.
    pub(crate) fn accuracy(&self) -> f64 {
        let right = self.verdicts.iter().filter(|&&right| right).count();
        100.0 * right as f64 / self.verdicts.len().max(1) as f64
    }
}

/// Trains `student` under `plan`.
pub(crate) fn train(
    mut student: Student<SmallConv, Starter>,
    data: &Data<Starter>,
    recipe: &Recipe,
    plan: Plan,
    bar: &ProgressBar,
) -> Result<Outcome> {
    let steps = recipe.steps(data.train.len())?;
    let mut pruning = Pruning::new(plan, &mut student, steps)?;
    let mut curve = Curve::new(&data.test, bar);
    let hooks = (&mut pruning, &mut curve);
    let mut student = fit(student, &data.train, recipe, SEED, hooks)?;
    pruning.finish(&mut student)?;
    Ok(Outcome {
        plan,
        verdicts: student.verdicts(&data.test),
        layers: count_weights(student.model()),
        curve: curve.points,
        student,
    })
}
