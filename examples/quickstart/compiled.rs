//! The pruned net as it is used once it has learned: compiled.

use std::path::{Path, PathBuf};

use burn::module::Module;
use burn::tensor::Device;
use secateur::sparse::SparseEngine;
use secateur_examples::Result;
use secateur_examples::data::{Data, Starter};
use secateur_examples::nets::{Classifier, SmallConv};
use secateur_examples::speed::Speed;
use secateur_examples::training::Student;

/// Compiles and saves the net; where its file lies, and how long one image takes.
pub(crate) fn compile(
    student: &Student<SmallConv, Starter>,
    data: &Data<Starter>,
    folder: &Path,
) -> Result<(PathBuf, Speed)> {
    let model = student.model().valid();
    let image = data.test.batch(&[0], &Device::flex()).images;
    let engine = SparseEngine::compile(&model, image.clone(), SmallConv::forward)?;
    let speed = Speed::measure(&model, &engine, &image)?;
    let file = folder.join("pruned-starter.engine");
    engine.save(&file)?;
    Ok((file, speed))
}
