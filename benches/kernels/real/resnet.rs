//! Layers of a pretrained CIFAR-10 ResNet, pruned by magnitude one by one.

use std::path::Path;

use secateur::rank::keep_largest;
use secateur_kernels::Csr;

use super::Layer;
use super::safetensors::SafeTensors;
use crate::error::{BenchError, Result};
use crate::work::Work;

/// Where the weights lie in the data folder.
pub(crate) const FILE: &str = "cifar10-resnet/resnet44.safetensors";

/// The last block of each stage, with the side of its images.
const CONVOLUTIONS: [(&str, usize); 6] = [
    ("layer1.6.conv1", 32),
    ("layer1.6.conv2", 32),
    ("layer2.6.conv1", 16),
    ("layer2.6.conv2", 16),
    ("layer3.6.conv1", 8),
    ("layer3.6.conv2", 8),
];

/// Columns when such a layer is taken as a matrix.
const BATCH: usize = 64;

/// The layers at each sparsity, as convolutions and as matrices; `None` where there is no file.
pub(crate) fn layers(dir: &Path, sparsities: &[f64], quick: bool) -> Result<Option<Vec<Layer>>> {
    let path = dir.join(FILE);
    if !path.is_file() {
        return Ok(None);
    }
    let net = SafeTensors::read(&path)?;
    let mut layers = Vec::new();
    let first = if quick { CONVOLUTIONS.len() - 1 } else { 0 };
    for (name, side) in &CONVOLUTIONS[first..] {
        let (shape, weights) = net.tensor(&format!("{name}.weight"))?;
        let &[out, input, kernel, width] = shape.as_slice() else {
            return Err(no_convolution(&path, name, &shape));
        };
        if kernel != width || kernel % 2 == 0 {
            return Err(no_convolution(&path, name, &shape));
        }
        let (m, k, n) = (out, input * kernel * kernel, BATCH);
        let convolution = Work::Convolution {
            out,
            input,
            kernel,
            image: [*side; 2],
        };
        for &sparsity in sparsities {
            layers.push(Layer {
                name: format!("resnet44/{name}"),
                weights: smallest_pruned(&weights, [m, k], sparsity)?,
                works: vec![convolution, Work::Product { m, k, n }],
            });
        }
    }
    Ok(Some(layers))
}

fn no_convolution(path: &Path, name: &str, shape: &[usize]) -> BenchError {
    BenchError::Damaged {
        file: path.to_path_buf(),
        why: format!("`{name}` has the shape {shape:?}, no square convolution of odd size"),
    }
}

/// The weights without the `round(sparsity * weights)` smallest.
fn smallest_pruned(weights: &[f32], shape: [usize; 2], sparsity: f64) -> Result<Csr> {
    let scores: Vec<f32> = weights.iter().map(|weight| weight.abs()).collect();
    let pruned = (sparsity * weights.len() as f64).round() as usize;
    let keep = keep_largest(&scores, None, weights.len().saturating_sub(pruned));
    Ok(Csr::from_masked(weights, &keep.to_bools(), shape)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_go() {
        let weights = [0.5, -3.0, 0.1, 2.0, -0.2, 1.0];
        let csr = smallest_pruned(&weights, [2, 3], 0.5).unwrap();
        assert_eq!(csr.to_dense(), [0.0, -3.0, 0.0, 2.0, 0.0, 1.0]);
    }

    #[test]
    fn a_folder_without_the_net_has_no_layers() {
        let folder = tempfile::tempdir().unwrap();
        assert!(layers(folder.path(), &[0.9], true).unwrap().is_none());
        std::fs::create_dir(folder.path().join("cifar10-resnet")).unwrap();
        std::fs::write(folder.path().join(FILE), "short").unwrap();
        let error = layers(folder.path(), &[0.9], true).unwrap_err();
        assert!(error.to_string().contains("is damaged"), "{error}");
    }
}
