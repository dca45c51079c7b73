//! A net that learns, and remembers in its type from which images.

use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use burn::prelude::*;

use crate::data::{Origin, Samples};
use crate::nets::Classifier;
use crate::{ExampleError, Result};

/// A net bound to the origin of the images it learns from.
///
/// It is evaluated on images of the same origin only. The starter set is cut out of
/// Fashion-MNIST's official test part, so this does not compile:
///
/// ```compile_fail,E0308
/// use secateur_examples::data::{DatasetName, official, starter};
/// use secateur_examples::nets::LeNet300;
/// use secateur_examples::training::{NoHook, Recipe, Student, fit};
/// # fn main() -> secateur_examples::Result<()> {
/// let starter = starter()?;
/// let fashion = official(DatasetName::FashionMnist, None)?;
/// let student: Student<LeNet300, _> = Student::fresh(1);
/// let student = fit(student, &starter.train, &Recipe::from_scratch(1), 1, NoHook)?;
/// student.error_percent(&fashion.test); // it has seen these images
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Student<M, O> {
    pub(super) model: M,
    origin: PhantomData<O>,
}

/// Images in one forward pass when judging, which bounds the memory it takes.
const JUDGED_AT_ONCE: usize = 500;

impl<M: Classifier, O: Origin> Student<M, O> {
    /// A net that has learned nothing yet; its weights are drawn from `seed`.
    pub fn fresh(seed: u64) -> Self {
        Self::new(M::fresh(seed, &Device::flex().autodiff()))
    }

    /// A net that has learned nothing yet.
    pub fn new(model: M) -> Self {
        Self {
            model,
            origin: PhantomData,
        }
    }

    /// The same net with a graph of its own, to be trained in another thread.
    ///
    /// A clone shares the leaves of Burn's autodiff graph with its original until the first step
    /// of the optimizer. Two threads in one graph take its lock and that of the register of all
    /// graphs in opposite orders, so that now and then both wait for ever. A clone or a fork by
    /// itself shares the running statistics of norms as well; what `valid` gives has its own.
    pub fn fork(&self) -> Self {
        let own = self.model.valid().train();
        Self::new(own.fork(&Device::flex().autodiff()))
    }

    /// The net.
    pub fn model(&self) -> &M {
        &self.model
    }

    /// The net, to be pruned or rewound.
    pub fn model_mut(&mut self) -> &mut M {
        &mut self.model
    }

    /// Whether the net is right, image by image.
    pub fn verdicts(&self, samples: &Samples<O>) -> Vec<bool> {
        let model = self.model.valid();
        let device = Device::flex();
        let indices: Vec<usize> = (0..samples.len()).collect();
        let mut verdicts = Vec::with_capacity(samples.len());
        for indices in indices.chunks(JUDGED_AT_ONCE) {
            let batch = samples.batch(indices, &device);
            let guesses = model.forward(batch.images).argmax(1).to_data();
            let labels = indices.iter().map(|&index| samples.labels()[index]);
            verdicts.extend(
                guesses
                    .iter::<i64>()
                    .zip(labels)
                    .map(|(g, l)| g == i64::from(l)),
            );
        }
        verdicts
    }

    /// Share of the images that the net gets wrong, in percent.
    pub fn error_percent(&self, samples: &Samples<O>) -> f64 {
        let verdicts = self.verdicts(samples);
        let wrong = verdicts.iter().filter(|&&right| !right).count();
        100.0 * wrong as f64 / verdicts.len().max(1) as f64
    }

    /// Saves the net as a Burn record named `<name>-<origin>.bpk` and returns where it lies.
    ///
    /// # Errors
    ///
    /// If the file cannot be written.
    pub fn save(&self, folder: &Path, name: &str) -> Result<PathBuf> {
        std::fs::create_dir_all(folder).map_err(ExampleError::io("create", folder))?;
        let file = folder.join(format!("{name}-{}.bpk", O::NAME));
        let saved = self.model.valid().save_file(&file);
        match saved {
            Ok(()) => Ok(file),
            Err(why) => Err(ExampleError::Model {
                action: "save",
                file,
                why,
            }),
        }
    }
}
