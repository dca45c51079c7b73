//! What is known of the values of a graph's constants.

use burn::tensor::TensorData;
use secateur_graph::{ModelGraph, ValueId};

/// The values of a graph's constants, as far as coupling depends on them.
pub trait Values {
    /// The values of a tensor of indices; `None` where they are computed.
    fn integers(&self, value: ValueId) -> Option<Vec<usize>>;

    /// For each dimension of a constant whether its values differ along it. Shorter than the
    /// shape where that is not known.
    fn varies(&self, value: ValueId) -> Vec<bool>;
}

/// Of nothing is anything known.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unknown;

impl Values for Unknown {
    fn integers(&self, _value: ValueId) -> Option<Vec<usize>> {
        None
    }

    fn varies(&self, _value: ValueId) -> Vec<bool> {
        Vec::new()
    }
}

impl Values for ModelGraph {
    fn integers(&self, value: ValueId) -> Option<Vec<usize>> {
        let data = self.constant(value)?;
        let places = data.iter::<i64>().map(usize::try_from);
        places.collect::<Result<_, _>>().ok()
    }

    fn varies(&self, value: ValueId) -> Vec<bool> {
        self.constant(value).map_or_else(Vec::new, varies)
    }
}

fn varies(data: &TensorData) -> Vec<bool> {
    let shape: Vec<usize> = data.shape().iter().copied().collect();
    let values: Vec<f64> = data.iter::<f64>().collect();
    let mut stride = values.len();
    shape
        .iter()
        .map(|&size| {
            let block = stride;
            stride /= size.max(1);
            // Each block against itself, moved by one place of this dimension.
            let differs = |block: &[f64]| {
                let moved = block.iter().skip(stride);
                block
                    .iter()
                    .zip(moved)
                    .any(|(a, b)| a.to_bits() != b.to_bits())
            };
            block > 0 && values.chunks(block).any(differs)
        })
        .collect()
}
