//! The training loop.

use burn::nn::loss::CrossEntropyLossConfig;
use burn::optim::GradientsParams;
use burn::prelude::*;
use secateur::methods::Distillation;

use super::hook::{Hook, NoHook, Progress};
use super::recipe::Recipe;
use super::student::Student;
use crate::Result;
use crate::data::{Batch, Origin, Samples, batches};
use crate::nets::Classifier;
use crate::random::Generator;

/// Trains `student` on `samples`, in an order drawn from `seed`.
///
/// Two calls with equal arguments do the same arithmetic in the same order, whatever else the
/// process does.
///
/// # Errors
///
/// If the recipe does not fit the images, or `hook` returns an error.
pub fn fit<M: Classifier, O: Origin>(
    student: Student<M, O>,
    samples: &Samples<O>,
    recipe: &Recipe,
    seed: u64,
    hook: impl Hook<M, O>,
) -> Result<Student<M, O>> {
    let loss = CrossEntropyLossConfig::new().init(&Device::flex().autodiff());
    fit_by(student, samples, recipe, seed, hook, |logits, batch| {
        Ok(loss.forward(logits, batch.labels))
    })
}

/// As [`fit`], by the soft targets of a teacher beside the labels.
///
/// # Errors
///
/// As [`fit`].
pub fn distil<M: Classifier, T: Classifier, O: Origin>(
    student: Student<M, O>,
    teacher: &Student<T, O>,
    samples: &Samples<O>,
    recipe: &Recipe,
    seed: u64,
    distillation: Distillation,
) -> Result<Student<M, O>> {
    let teacher = teacher.model().valid();
    fit_by(student, samples, recipe, seed, NoHook, |logits, batch| {
        let soft = teacher.forward(batch.images.inner());
        Ok(distillation.loss(logits, soft, batch.labels)?)
    })
}

/// Trains by a loss of the logits and the batch that they are for.
fn fit_by<M: Classifier, O: Origin>(
    mut student: Student<M, O>,
    samples: &Samples<O>,
    recipe: &Recipe,
    seed: u64,
    mut hook: impl Hook<M, O>,
    loss: impl Fn(Tensor<2>, Batch) -> Result<Tensor<1>>,
) -> Result<Student<M, O>> {
    let device = Device::flex().autodiff();
    let total = recipe.steps(samples.len())?;
    let mut order = Generator::new(seed, "order");
    let mut optimizer = recipe.optimizer();

    let epochs = (0..recipe.epochs).flat_map(|_| batches(samples.len(), recipe.batch, &mut order));
    for (step, indices) in epochs.enumerate() {
        let at = Progress { step, total };
        let batch = samples.batch(&indices, &device);
        let logits = student.model.forward(batch.images.clone());
        let mut value = loss(logits, batch)?;
        if let Some(penalty) = hook.penalty(&student) {
            value = value + penalty;
        }
        let gradients = GradientsParams::from_grads(value.backward(), &student.model);
        if let Some(gradients) = hook.before_step(&mut student, gradients, at)? {
            let rate = recipe.rate_at(step, total);
            student.model = optimizer.step(rate, student.model, gradients);
        }
        hook.after_step(&mut student, at)?;
    }
    Ok(student)
}

#[cfg(test)]
mod tests {
    use super::super::NoHook;
    use super::*;
    use crate::ExampleError;
    use crate::data::{Starter, starter};
    use crate::nets::LeNet300;

    fn weights(student: &Student<LeNet300, Starter>) -> Vec<f32> {
        student.model().fc2.weight.to_data().try_to_vec().unwrap()
    }

    #[test]
    fn training_learns_and_repeats_itself_beside_other_trainings() {
        let data = starter().unwrap();
        let train = data.train.first(2_000);
        let once = |seed| {
            let student = Student::<LeNet300, _>::fresh(seed);
            fit(student, &train, &Recipe::from_scratch(2), seed, NoHook).unwrap()
        };
        let alone = once(1);
        let error = alone.error_percent(&data.test);
        assert!(error < 40.0, "{error} % after two epochs");

        let (first, second) = std::thread::scope(|scope| {
            let other = scope.spawn(|| once(2));
            (once(1), other.join().unwrap())
        });
        assert_eq!(weights(&first), weights(&alone));
        assert_ne!(weights(&second), weights(&alone));
    }

    /// A net that learned little, taught by one that learned more: without a single label.
    #[test]
    fn a_student_comes_nearer_to_its_teacher() {
        let data = starter().unwrap();
        let train = data.train.first(1_000);
        let fresh = |seed| Student::<LeNet300, _>::fresh(seed);
        let teacher = fit(fresh(1), &train, &Recipe::from_scratch(3), 1, NoHook).unwrap();
        let soft = Distillation::new().with_weight(1.0);
        let recipe = Recipe::from_scratch(2);
        let taught = distil(fresh(2), &teacher, &train, &recipe, 1, soft).unwrap();
        let wanted = teacher.verdicts(&data.test);
        let agrees = |student: &Student<LeNet300, Starter>| {
            let verdicts = student.verdicts(&data.test);
            verdicts.iter().zip(&wanted).filter(|(a, b)| a == b).count()
        };
        let (before, after) = (agrees(&fresh(2)), agrees(&taught));
        assert!(after > before, "{before} before, {after} after");
        assert!(taught.error_percent(&data.test) < fresh(2).error_percent(&data.test));
    }

    #[derive(Default)]
    struct Diary {
        before: usize,
        after: Vec<Progress>,
        skip: bool,
    }

    impl<M, O> Hook<M, O> for Diary {
        fn before_step(
            &mut self,
            _: &mut Student<M, O>,
            gradients: GradientsParams,
            _: Progress,
        ) -> Result<Option<GradientsParams>> {
            self.before += 1;
            Ok((!self.skip).then_some(gradients))
        }

        fn after_step(&mut self, _: &mut Student<M, O>, at: Progress) -> Result<()> {
            self.after.push(at);
            Ok(())
        }
    }

    #[test]
    fn hooks_meet_every_step_and_may_skip_the_optimizer() {
        let train = starter().unwrap().train.first(300);
        let fresh = Student::<LeNet300, _>::fresh(1);
        let mut diaries = (Diary::default(), Diary::default());
        diaries.0.skip = true;
        let recipe = Recipe::from_scratch(2);
        let after = fit(
            fresh.clone(),
            &train,
            &recipe,
            1,
            (&mut diaries.0, &mut diaries.1),
        );
        assert_eq!(weights(&after.unwrap()), weights(&fresh));
        assert_eq!((diaries.0.before, diaries.1.before), (6, 0));
        assert_eq!(diaries.1.after.len(), 6);
        assert_eq!(diaries.1.after[5], Progress { step: 5, total: 6 });
        assert!(diaries.1.after[5].is_last());
    }

    struct Stop;

    impl<M, O> Hook<M, O> for Stop {
        fn after_step(&mut self, _: &mut Student<M, O>, _: Progress) -> Result<()> {
            Err(ExampleError::Usage("stop".into()))
        }
    }

    /// Clones would stop for good within some twenty rounds, see [`Student::fork`].
    #[test]
    fn forks_of_one_net_train_side_by_side() {
        let train = starter().unwrap().train.first(100);
        let recipe = Recipe::from_scratch(1).with_batch(50);
        for round in 0..60 {
            let student = Student::<LeNet300, _>::fresh(round);
            let ends = std::thread::scope(|scope| {
                [student.fork(), student.fork(), student]
                    .map(|start| scope.spawn(|| fit(start, &train, &recipe, 1, NoHook)))
                    .map(|thread| weights(&thread.join().unwrap().unwrap()))
            });
            assert_eq!(ends[0], ends[2]);
            assert_eq!(ends[1], ends[2]);
        }
    }

    #[test]
    fn an_error_of_a_hook_ends_the_training() {
        let train = starter().unwrap().train.first(300);
        let fresh = Student::<LeNet300, _>::fresh(1);
        assert!(fit(fresh, &train, &Recipe::from_scratch(1), 1, Stop).is_err());
    }
}
