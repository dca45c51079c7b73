//! The starter set: 10,000 images that are part of this package, so that the first example runs
//! offline.
//!
//! It is cut out of Fashion-MNIST's test part (MIT licence, see [`COPYRIGHT`]): of each of the ten
//! classes 800 images to learn from and 200 to be judged on. Errors measured on it do not compare
//! with published ones, and whatever learned from it must never meet the official test part; see
//! [`Starter`].

use super::idx::{Idx, read_idx, write_idx};
use super::origin::{Official, Starter};
use super::samples::{Data, Samples};
use crate::random::Generator;
use crate::{ExampleError, Result};

/// Fashion-MNIST's copyright notice, which travels with its images.
pub const COPYRIGHT: &str = include_str!("starter/COPYRIGHT");

/// Images to learn from; they come first in the file.
pub const TRAIN_IMAGES: usize = 8_000;

/// Images to be judged on; they come last in the file.
pub const TEST_IMAGES: usize = 2_000;

const IMAGES: &[u8] = include_bytes!("starter/images.idx.gz");
const LABELS: &[u8] = include_bytes!("starter/labels.idx.gz");

/// The starter set.
///
/// # Errors
///
/// None, unless the files of this package were changed.
pub fn starter() -> Result<Data<Starter>> {
    let images = read_idx("starter/images.idx.gz", IMAGES)?;
    let labels = read_idx("starter/labels.idx.gz", LABELS)?;
    let (train_images, test_images) = split(images)?;
    let (train_labels, test_labels) = split(labels)?;
    Ok(Data {
        name: "starter set (from Fashion-MNIST)".into(),
        train: Samples::new("starter set (train)", train_images, train_labels)?,
        test: Samples::new("starter set (test)", test_images, test_labels)?,
    })
}

/// Cuts an array in two along its first axis, after [`TRAIN_IMAGES`].
fn split(idx: Idx) -> Result<(Idx, Idx)> {
    let count = idx.dims[0];
    if count != TRAIN_IMAGES + TEST_IMAGES {
        return Err(ExampleError::Mismatch {
            name: "starter set".into(),
            why: format!("{count} entries, not {}", TRAIN_IMAGES + TEST_IMAGES),
        });
    }
    let size = idx.bytes.len() / count;
    let part = |count: usize, bytes: &[u8]| {
        let mut dims = idx.dims.clone();
        dims[0] = count;
        Idx {
            dims,
            bytes: bytes.to_vec(),
        }
    };
    let (train, test) = idx.bytes.split_at(TRAIN_IMAGES * size);
    Ok((part(TRAIN_IMAGES, train), part(TEST_IMAGES, test)))
}

/// Makes the starter set's two files, images and labels, from Fashion-MNIST's test part: every
/// class gives four fifths of its images to learn from and one fifth to be judged on, drawn with
/// a fixed seed.
///
/// # Errors
///
/// [`ExampleError::Mismatch`] if `source` is not 1,000 images of each of ten classes.
pub fn pack_starter(source: &Samples<Official>) -> Result<[Vec<u8>; 2]> {
    const CLASSES: usize = Samples::<Official>::CLASSES;
    let mut generator = Generator::new(0, "starter set");
    let (mut train, mut test) = (Vec::new(), Vec::new());
    for class in 0..CLASSES {
        let mut members: Vec<usize> = (0..source.len())
            .filter(|&index| usize::from(source.labels()[index]) == class)
            .collect();
        if members.len() != (TRAIN_IMAGES + TEST_IMAGES) / CLASSES {
            return Err(ExampleError::Mismatch {
                name: "Fashion-MNIST's test part".into(),
                why: format!("{} images of class {class}, not 1000", members.len()),
            });
        }
        generator.shuffle(&mut members);
        let (judged, learned) = members.split_at(TEST_IMAGES / CLASSES);
        test.extend_from_slice(judged);
        train.extend_from_slice(learned);
    }
    // The original order mixes the classes, so that any first few images are a fair sample.
    train.sort_unstable();
    test.sort_unstable();
    let order = [train, test].concat();

    let [rows, cols] = source.size();
    let images = Idx {
        dims: vec![order.len(), rows, cols],
        bytes: order
            .iter()
            .flat_map(|&i| source.image(i))
            .copied()
            .collect(),
    };
    let labels = Idx {
        dims: vec![order.len()],
        bytes: order.iter().map(|&i| source.labels()[i]).collect(),
    };
    let pack = |idx| write_idx(&idx).map_err(ExampleError::io("compress", "the starter set"));
    Ok([pack(images)?, pack(labels)?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_has_800_and_200_images() {
        let data = starter().unwrap();
        for (samples, each) in [(&data.train, 800), (&data.test, 200)] {
            let mut counts = [0; 10];
            for &label in samples.labels() {
                counts[usize::from(label)] += 1;
            }
            assert_eq!(counts, [each; 10]);
            assert_eq!(samples.size(), [28, 28]);
        }
    }

    #[test]
    fn the_pixels_are_those_of_fashion_mnist() {
        // The sum over all pixels of the official test part, from its package's description.
        let data = starter().unwrap();
        let sum = |samples: &Samples<Starter>| -> u64 {
            (0..samples.len())
                .flat_map(|i| samples.image(i))
                .map(|&pixel| u64::from(pixel))
                .sum()
        };
        assert_eq!(sum(&data.train) + sum(&data.test), 573_469_082);
    }

    #[test]
    fn the_copyright_notice_is_there() {
        assert!(COPYRIGHT.contains("Zalando"));
    }
}
