//! Nets for grey images of 28 by 28 pixels, trained here.

use std::path::Path;

use burn::optim::GradientsParams;
use burn::prelude::*;
use secateur::layers::Prunable;
use secateur::methods::{Distillation, ScalePenalty};
use secateur::prelude::*;
use secateur::sparse::SparseEngine;
use secateur_examples::Result;
use secateur_examples::data::{
    Data, DatasetName, Official, Origin, Starter, official, pattern, starter,
};
use secateur_examples::nets::{Classifier, NormedMlp, SmallConv, SmallVgg};
use secateur_examples::random::Generator;
use secateur_examples::speed::Speed;
use secateur_examples::training::{Hook, NoHook, Recipe, Student, distil, fit, gradients};

use crate::subject::{Subject, TIMED};

/// Batches whose gradients a Taylor score sees.
const OBSERVED: usize = 10;

/// Adds a pruner's penalty to the loss.
#[derive(Debug)]
struct Penalised(Pruner);

impl<M: Classifier, O: Origin> Hook<M, O> for Penalised {
    fn penalty(&self, student: &Student<M, O>) -> Option<Tensor<1>> {
        self.0.penalty(student.model())
    }
}

/// A kind of net with its data and recipes.
#[derive(Debug)]
pub(crate) struct Grey<M, O> {
    data: Data<O>,
    recipe: Recipe,
    tuning: Recipe,
    lambda: Option<f64>,
    net: std::marker::PhantomData<M>,
}

impl Grey<SmallConv, Starter> {
    pub(crate) fn starter(smoke: bool) -> Result<Self> {
        let epochs = |full| if smoke { 1 } else { full };
        let recipe = Recipe::from_scratch(epochs(7)).with_learning_rate(0.05);
        let tuning = Recipe::retrain(epochs(3));
        Ok(Self::new(starter()?, recipe, tuning, None).shortened(smoke))
    }
}

impl Grey<SmallVgg, Official> {
    /// Of the 60,000 images a third is learned from, which keeps a run under half an hour.
    pub(crate) fn vgg(dir: Option<&Path>, smoke: bool) -> Result<Self> {
        let mut data = official(DatasetName::FashionMnist, dir)?;
        data.train = data.train.first(20_000);
        let epochs = |full| if smoke { 1 } else { full };
        let recipe = Recipe::from_scratch(epochs(6)).with_learning_rate(0.05);
        let tuning = Recipe::retrain(epochs(2));
        Ok(Self::new(data, recipe, tuning, Some(1e-4)).shortened(smoke))
    }
}

impl Grey<NormedMlp, Official> {
    pub(crate) fn mlp(dir: Option<&Path>, smoke: bool) -> Result<Self> {
        let data = official(DatasetName::Mnist, dir)?;
        let epochs = |full| if smoke { 1 } else { full };
        let recipe = Recipe::from_scratch(epochs(10));
        // After the cut the paper trains on with the settings of the first training.
        let tuning = recipe.clone();
        Ok(Self::new(data, recipe, tuning, Some(1e-4)).shortened(smoke))
    }
}

impl<M: Classifier + Prunable, O: Origin> Grey<M, O> {
    fn new(data: Data<O>, recipe: Recipe, tuning: Recipe, lambda: Option<f64>) -> Self {
        Self {
            data,
            recipe,
            tuning,
            lambda,
            net: std::marker::PhantomData,
        }
    }

    fn shortened(mut self, smoke: bool) -> Self {
        if smoke {
            self.data.train = self.data.train.first(300);
            self.data.test = self.data.test.first(100);
        }
        self
    }

    /// A student of its own, whoever else holds the net.
    fn student(net: M) -> Student<M, O> {
        Student::new(net).fork()
    }
}

impl<M: Classifier + Prunable, O: Origin> Subject for Grey<M, O> {
    type Net = M;
    type Images = Tensor<3>;

    /// Those with norms are the ones that can be slimmed.
    fn has_norms(&self) -> bool {
        self.lambda.is_some()
    }

    fn title(&self) -> String {
        let count = self.data.train.len();
        format!("{} on {} ({count} images)", M::NAME, self.data.name)
    }

    fn forward(net: &M, images: Tensor<3>) -> Tensor<2> {
        net.forward(images)
    }

    fn example(&self, count: usize) -> Tensor<3> {
        pattern(count, [28, 28], &Device::flex())
    }

    fn dense(&self, seed: u64, lambda: Option<f64>) -> Result<M> {
        let student = Student::<M, O>::fresh(seed);
        let student = match lambda {
            None => fit(student, &self.data.train, &self.recipe, seed, NoHook)?,
            Some(lambda) => {
                let pruner = PrunerConfig::new()
                    .with_scorer(Magnitude::l1())
                    .with_schedule(OneShot::new(0.0))
                    .with_penalty(ScalePenalty::new(lambda)?)
                    .init_module(student.model())?;
                let penalised = Penalised(pruner);
                fit(student, &self.data.train, &self.recipe, seed, penalised)?
            }
        };
        Ok(student.model().clone())
    }

    fn lambda(&self) -> Option<f64> {
        self.lambda
    }

    fn tuned(&self, net: M, teacher: Option<&M>, seed: u64) -> Result<M> {
        let (student, train) = (Self::student(net), &self.data.train);
        let student = match teacher {
            None => fit(student, train, &self.tuning, seed, NoHook)?,
            Some(teacher) => {
                let teacher = Student::<M, O>::new(teacher.clone());
                distil(
                    student,
                    &teacher,
                    train,
                    &self.tuning,
                    seed,
                    Distillation::new(),
                )?
            }
        };
        Ok(student.model().clone())
    }

    fn fresh(&self, seed: u64) -> M {
        Student::<M, O>::fresh(seed).model().clone()
    }

    fn retrained(&self, net: M, seed: u64, times: f64) -> Result<Option<M>> {
        let mut recipe = self.recipe.clone();
        recipe.epochs = (recipe.epochs as f64 * times).round() as usize;
        let student = fit(Self::student(net), &self.data.train, &recipe, seed, NoHook)?;
        Ok(Some(student.model().clone()))
    }

    fn gradients(&self, net: &M, seed: u64) -> Result<Vec<GradientsParams>> {
        // Norms in training move their running statistics: those of a fork, which is given up.
        let probe = Self::student(net.clone());
        let mut order = Generator::new(seed, "taylor batches");
        let size = [OBSERVED, self.recipe.batch];
        let train = &self.data.train;
        Ok(gradients(probe.model(), train, size, &mut order))
    }

    fn right(&self, net: &M) -> f64 {
        100.0 - Student::<M, O>::new(net.clone()).error_percent(&self.data.test)
    }

    fn speed(&self, net: &M) -> Result<Speed> {
        let (net, images) = (net.valid(), self.example(TIMED));
        let engine = SparseEngine::compile(&net, images.clone(), M::forward)?;
        Ok(Speed::measure(&net, &engine, &images)?)
    }
}
