//! Images with their labels.

use std::marker::PhantomData;

use super::idx::Idx;
use super::origin::Origin;
use crate::{ExampleError, Result};

/// A data set: one part to learn from, one part to be judged on.
#[derive(Clone, Debug)]
pub struct Data<O> {
    /// For the reader, e.g. `Fashion-MNIST`.
    pub name: String,
    /// What to learn from.
    pub train: Samples<O>,
    /// What to be judged on.
    pub test: Samples<O>,
}

/// Grey images of equal size, one byte a pixel, with one label each.
#[derive(Clone, Debug)]
pub struct Samples<O> {
    images: Vec<u8>,
    labels: Vec<u8>,
    rows: usize,
    cols: usize,
    origin: PhantomData<O>,
}

impl<O: Origin> Samples<O> {
    /// How many kinds of images there are.
    pub const CLASSES: usize = 10;

    /// Joins `[n, rows, cols]` images with `[n]` labels in 0..10; `name` is for the error message.
    pub fn new(name: &str, images: Idx, labels: Idx) -> Result<Self> {
        let mismatch = |why: String| ExampleError::Mismatch {
            name: name.into(),
            why,
        };
        let &[count, rows, cols] = images.dims.as_slice() else {
            let dims = &images.dims;
            return Err(mismatch(format!(
                "images of shape {dims:?}, not [n, rows, cols]"
            )));
        };
        if labels.dims != [count] {
            let dims = &labels.dims;
            return Err(mismatch(format!(
                "{count} images, labels of shape {dims:?}"
            )));
        }
        if let Some(label) = labels
            .bytes
            .iter()
            .find(|&&l| usize::from(l) >= Self::CLASSES)
        {
            return Err(mismatch(format!("label {label}, not one of 0..10")));
        }
        Ok(Self {
            images: images.bytes,
            labels: labels.bytes,
            rows,
            cols,
            origin: PhantomData,
        })
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are no images.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Height and width of an image in pixels.
    pub fn size(&self) -> [usize; 2] {
        [self.rows, self.cols]
    }

    /// The pixels of image `index`, row by row, 0 (black) to 255.
    ///
    /// # Panics
    ///
    /// If there is no such image.
    pub fn image(&self, index: usize) -> &[u8] {
        let pixels = self.rows * self.cols;
        &self.images[index * pixels..(index + 1) * pixels]
    }

    /// All labels, each in 0..10.
    pub fn labels(&self) -> &[u8] {
        &self.labels
    }

    /// The first `count` images; all of them where there are fewer.
    pub fn first(&self, count: usize) -> Self {
        let count = count.min(self.len());
        Self {
            images: self.images[..count * self.rows * self.cols].to_vec(),
            labels: self.labels[..count].to_vec(),
            ..*self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Official;
    use super::*;

    fn idx(dims: &[usize], bytes: &[u8]) -> Idx {
        Idx {
            dims: dims.to_vec(),
            bytes: bytes.to_vec(),
        }
    }

    #[test]
    fn images_and_labels_must_fit() {
        let images = idx(&[2, 1, 2], &[1, 2, 3, 4]);
        let samples = Samples::<Official>::new("t", images.clone(), idx(&[2], &[9, 0])).unwrap();
        assert_eq!(samples.image(1), [3, 4]);
        assert_eq!(samples.first(1).labels(), [9]);
        assert_eq!(samples.first(5).len(), 2);

        let bad = [
            idx(&[3], &[0, 1, 2]),
            idx(&[2], &[0, 10]),
            idx(&[1, 2], &[0, 1]),
        ];
        for labels in bad {
            assert!(Samples::<Official>::new("t", images.clone(), labels).is_err());
        }
        assert!(Samples::<Official>::new("t", idx(&[4], &[0; 4]), idx(&[4], &[0; 4])).is_err());
    }
}
