//! Trains models one after another and writes down what each answers.

use burn::prelude::*;
use secateur::eval::{
    Corruption, Images, Job, Kind, ModelResult, Predictions, ResultsFolder, TestSet,
};
use secateur::methods::agp;
use secateur::schedule::Window;
use secateur_examples::Result;
use secateur_examples::data::{Data, FASHION_CLASSES, Origin, Samples};
use secateur_examples::nets::{Classifier, LeNet300};
use secateur_examples::training::{NoHook, Pruning, Recipe, Student, fit};

/// Steps between two prunings.
const EVERY: usize = 50;
/// Images of one forward pass.
const AT_ONCE: usize = 1_000;

/// The test images as the evaluation wants them.
pub(crate) fn test_set<O: Origin>(data: &Data<O>) -> Result<TestSet> {
    let labels = data.test.labels().iter().map(|&label| u32::from(label));
    let set = TestSet::new(data.name.as_str(), FASHION_CLASSES, labels)?;
    Ok(set.with_inputs(images(&data.test)?.data()))
}

pub(crate) fn images<O: Origin>(samples: &Samples<O>) -> Result<Images> {
    let [rows, cols] = samples.size();
    let bytes: Vec<u8> = (0..samples.len())
        .flat_map(|index| samples.image(index).iter().copied())
        .collect();
    Ok(Images::from_bytes(&bytes, [samples.len(), 1, rows, cols])?)
}

/// Trains and judges the models of `jobs`.
pub(crate) fn work<O: Origin>(
    jobs: &[Job],
    data: &Data<O>,
    epochs: usize,
    severities: &[u8],
    folder: &ResultsFolder,
) -> Result<()> {
    if jobs.is_empty() {
        return Ok(());
    }
    let clean = images(&data.test)?;
    // The same corrupted images for every model.
    let mut corrupted = Vec::new();
    for corruption in Corruption::ALL {
        for &severity in severities {
            let images = corruption.apply(&clean, severity, 0)?;
            corrupted.push((corruption, severity, to_bytes(images.data())));
        }
    }
    let clean = to_bytes(clean.data());
    for job in jobs {
        let student = trained(job, data, epochs)?;
        let net = student.model().valid();
        let set = folder.test_set();
        let answers = |pixels: &[u8]| -> Result<Predictions> {
            Ok(Predictions::from_logits(set, &logits(&net, pixels))?)
        };
        let mut result = ModelResult::new(job.level.clone(), job.seed, answers(&clean)?);
        for (corruption, severity, pixels) in &corrupted {
            let name = corruption.name();
            result = result.with_corrupted(name, *severity, &answers(pixels)?)?;
        }
        folder.write(&result)?;
    }
    Ok(())
}

/// A net of the job's level. Everything about it is drawn from the job's seed, so it is the same
/// whatever runs beside it.
fn trained<O: Origin>(job: &Job, data: &Data<O>, epochs: usize) -> Result<Student<LeNet300, O>> {
    let student = Student::<LeNet300, O>::fresh(job.seed);
    let recipe = Recipe::from_scratch(epochs);
    if job.level.kind() != Kind::Pruned {
        return fit(student, &data.train, &recipe, job.seed, NoHook);
    }
    let steps = recipe.steps(data.train.len())?;
    let window = Window::new(steps / 10..=steps * 3 / 4).every(EVERY);
    let pruner = agp(job.level.sparsity(), window).init_module(student.model())?;
    let mut pruning = Pruning::new(pruner);
    let mut student = fit(student, &data.train, &recipe, job.seed, &mut pruning)?;
    pruning.finish(&mut student)?;
    Ok(student)
}

/// Values in [0, 1] as bytes: a quarter of the memory, and what an image file would hold.
fn to_bytes(values: &[f32]) -> Vec<u8> {
    let byte = |value: &f32| (value.clamp(0.0, 1.0) * 255.0).round() as u8;
    values.iter().map(byte).collect()
}

/// `[images, 10]`, row by row.
fn logits(net: &LeNet300, pixels: &[u8]) -> Vec<f32> {
    let device = Device::flex();
    let mut logits = Vec::with_capacity(pixels.len() / 784 * 10);
    for batch in pixels.chunks(AT_ONCE * 784) {
        let values: Vec<f32> = batch
            .iter()
            .map(|&pixel| f32::from(pixel) / 255.0)
            .collect();
        let count = values.len() / 784;
        let images = Tensor::from_data(TensorData::new(values, [count, 28, 28]), &device);
        logits.extend(net.forward(images).into_data().iter::<f32>());
    }
    logits
}
