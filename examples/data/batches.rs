//! From bytes to tensors, in a random but repeatable order.

use burn::prelude::*;

use super::origin::Origin;
use super::samples::Samples;
use crate::random::Generator;

/// A few images as tensors.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Pixels in [0, 1], `[batch, rows, cols]`.
    pub images: Tensor<3>,
    /// Classes, `[batch]`.
    pub labels: Tensor<1, Int>,
}

impl<O: Origin> Samples<O> {
    /// The images at `indices`, in that order.
    ///
    /// # Panics
    ///
    /// If an index is out of range.
    pub fn batch(&self, indices: &[usize], device: &Device) -> Batch {
        let [rows, cols] = self.size();
        let pixels: Vec<f32> = indices
            .iter()
            .flat_map(|&index| self.image(index))
            .map(|&pixel| f32::from(pixel) / 255.0)
            .collect();
        let labels: Vec<i32> = indices
            .iter()
            .map(|&index| i32::from(self.labels()[index]))
            .collect();
        let count = indices.len();
        Batch {
            images: Tensor::from_data(TensorData::new(pixels, [count, rows, cols]), device),
            labels: Tensor::from_data(TensorData::new(labels, [count]), device),
        }
    }
}

/// One epoch: the indices of `count` images in the order that `generator` draws, `size` at a time.
/// Images that do not fill a last batch sit this epoch out.
pub fn batches(count: usize, size: usize, generator: &mut Generator) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..count).collect();
    generator.shuffle(&mut order);
    order.chunks_exact(size).map(<[usize]>::to_vec).collect()
}

#[cfg(test)]
mod tests {
    use super::super::{Idx, Official};
    use super::*;

    #[test]
    fn pixels_become_shares_of_white() {
        let images = Idx {
            dims: vec![2, 1, 2],
            bytes: vec![0, 255, 51, 102],
        };
        let labels = Idx {
            dims: vec![2],
            bytes: vec![3, 4],
        };
        let samples = Samples::<Official>::new("t", images, labels).unwrap();
        let batch = samples.batch(&[1, 0], &Device::flex());
        let pixels = batch.images.to_data().try_to_vec::<f32>().unwrap();
        assert_eq!(pixels, [0.2, 0.4, 0.0, 1.0]);
        assert_eq!(
            batch.labels.to_data().iter::<i64>().collect::<Vec<_>>(),
            [4, 3]
        );
    }

    #[test]
    fn an_epoch_meets_every_image_once_and_epochs_differ() {
        let mut generator = Generator::new(1, "order");
        let first = batches(1_000, 100, &mut generator);
        let second = batches(1_000, 100, &mut generator);
        assert_ne!(first, second);
        let mut met: Vec<usize> = first.concat();
        met.sort_unstable();
        assert_eq!(met, (0..1_000).collect::<Vec<_>>());
        assert_eq!(batches(105, 10, &mut generator).len(), 10);
    }
}
