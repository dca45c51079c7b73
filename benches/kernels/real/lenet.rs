//! LeNet-300-100, trained on MNIST for an epoch while the smallest weights of the whole net go.

use std::path::Path;

use burn::nn::Linear;
use secateur::allocation::Global;
use secateur::methods::agp;
use secateur::schedule::Window;
use secateur_examples::ExampleError;
use secateur_examples::data::{DatasetName, official};
use secateur_examples::nets::LeNet300;
use secateur_examples::training::{Pruning, Recipe, Student, fit};
use secateur_kernels::Csr;

use super::Layer;
use crate::error::Result;
use crate::work::Work;

const SEED: u64 = 1;

/// Share of the weights of all layers together that goes.
const SPARSITY: f64 = 0.9;

/// Columns that each layer is multiplied with.
const BATCHES: [usize; 2] = [64, 1];

/// The two large layers; `None` where there is no MNIST.
pub(crate) fn layers(dir: &Path) -> Result<Option<Vec<Layer>>> {
    let data = match official(DatasetName::Mnist, Some(dir)) {
        Err(ExampleError::NoData { .. }) => return Ok(None),
        other => other?,
    };
    println!(
        "\ntraining LeNet-300-100 for an epoch, pruned to {:.0} %",
        100.0 * SPARSITY
    );
    let recipe = Recipe::from_scratch(1);
    let steps = recipe.steps(data.train.len())?;
    let student = Student::<LeNet300, _>::fresh(SEED);
    let window = Window::new(steps / 10..=steps * 3 / 4).every((steps / 20).max(1));
    let pruner = agp(SPARSITY, window)
        .with_allocation(Global)
        .init_module(student.model())?;
    let mut pruning = Pruning::new(pruner);
    let mut student = fit(student, &data.train, &recipe, SEED, &mut pruning)?;
    pruning.finish(&mut student)?;
    println!(
        "error {:.2} % on the test images",
        student.error_percent(&data.test)
    );
    let net = student.model();
    Ok(Some(vec![layer("fc1", &net.fc1)?, layer("fc2", &net.fc2)?]))
}

/// Burn keeps the weight of a linear layer as `[in, out]`.
fn layer(name: &str, linear: &Linear) -> Result<Layer> {
    let weight = linear.weight.val();
    let [k, m] = weight.dims();
    let weight: Vec<f32> = weight.to_data().iter::<f32>().collect();
    let (weights, _) = Csr::from_dense(&weight, [k, m])?.transposed();
    Ok(Layer {
        name: format!("lenet-300-100/{name}"),
        weights,
        works: BATCHES.map(|n| Work::Product { m, k, n }).to_vec(),
    })
}

#[cfg(test)]
mod tests {
    use burn::nn::LinearConfig;
    use burn::tensor::{Device, Tensor};

    use super::*;

    #[test]
    fn weights_are_turned_to_rows_of_outputs() {
        let mut linear = LinearConfig::new(3, 2).init(&Device::flex());
        let weight = Tensor::<2>::from_data([[1.0, 0.0], [0.0, 2.0], [3.0, 4.0]], &Device::flex());
        linear.weight = linear.weight.map(|_| weight);
        let layer = layer("fc", &linear).unwrap();
        assert_eq!(layer.weights.shape(), [2, 3]);
        assert_eq!(layer.weights.to_dense(), [1.0, 0.0, 3.0, 0.0, 2.0, 4.0]);
        assert_eq!(layer.works[1], Work::Product { m: 2, k: 3, n: 1 });
    }

    #[test]
    fn a_folder_without_mnist_has_no_layers() {
        let folder = tempfile::tempdir().unwrap();
        assert!(layers(folder.path()).unwrap().is_none());
    }
}
