//! CIFAR-10 as JPEG, quality 75, 4:2:0: not the lossless images that published accuracies speak of.
//!
//! ```text
//! CIFJPEG1 | u32 length, header | u32 n | n x ( u8 label | u16 length, scan )
//! ```
//! with little-endian numbers. Image k is the JPEG file made of the header and its scan. Images
//! come in turns of the ten classes, so that the first 10·k have k of each.

use std::path::Path;

use burn::prelude::*;
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;

use super::folders::find;
use crate::{ExampleError, Result};

/// What the reader is told wherever numbers on these images are printed.
pub const CIFAR_LABEL: &str = "CIFAR-10, JPEG quality 75";

/// Height and width of an image in pixels.
const SIDE: usize = 32;
const PIXELS: usize = SIDE * SIDE;
const MAGIC: &[u8] = b"CIFJPEG1";
/// Mean and standard deviation of red, green and blue that the pretrained nets expect.
const MEAN: [f32; 3] = [0.485, 0.456, 0.406];
const DEVIATION: [f32; 3] = [0.229, 0.224, 0.225];

/// A part of the data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CifarPart {
    /// 50,000 images to learn and to calibrate from.
    Train,
    /// 10,000 images to be judged on.
    Test,
}

impl CifarPart {
    fn file(self) -> &'static str {
        match self {
            Self::Train => "train.cifjpeg",
            Self::Test => "test.cifjpeg",
        }
    }
}

/// Colour images of 32 by 32 pixels with one of ten labels each.
#[derive(Clone, Debug)]
pub struct ColourSamples {
    /// One image after another, each `[3, 32, 32]`.
    pixels: Vec<u8>,
    labels: Vec<u8>,
}

/// A few colour images as tensors.
#[derive(Clone, Debug)]
pub struct ColourBatch {
    /// Red, green and blue, less their mean over their deviation, `[batch, 3, 32, 32]`.
    pub images: Tensor<4>,
    /// Classes, `[batch]`.
    pub labels: Tensor<1, Int>,
}

/// Reads and decodes the first `count` images of a part, all where there are fewer; found as
/// [`official`](super::official) finds its files, in a folder `cifar10-jpeg`.
///
/// # Errors
///
/// [`ExampleError::NoData`] if no folder has it, [`ExampleError::Images`] if the file is damaged.
pub fn cifar_jpeg(part: CifarPart, count: usize, dir: Option<&Path>) -> Result<ColourSamples> {
    let path = find("cifar10-jpeg", part.file(), dir)?;
    let bytes = std::fs::read(&path).map_err(ExampleError::io("read", &path))?;
    ColourSamples::read(&path.display().to_string(), &bytes, count)
}

impl ColourSamples {
    /// How many kinds of images there are.
    pub const CLASSES: usize = 10;

    /// Decodes the first `count` images of a file's bytes; `file` names it in errors.
    ///
    /// # Errors
    ///
    /// [`ExampleError::Images`] if the file is damaged.
    pub fn read(file: &str, bytes: &[u8], count: usize) -> Result<Self> {
        let bad = |why: String| ExampleError::Images {
            file: file.into(),
            why,
        };
        let mut rest = Bytes(bytes);
        if rest.take(MAGIC.len()) != Some(MAGIC) {
            return Err(bad("it does not start with CIFJPEG1".into()));
        }
        let cut = || bad("it ends too early".into());
        let length = rest.number::<4>().ok_or_else(cut)?;
        let header = rest.take(length).ok_or_else(cut)?;
        let all = rest.number::<4>().ok_or_else(cut)?;
        let mut samples = Self {
            pixels: Vec::new(),
            labels: Vec::new(),
        };
        for index in 0..count.min(all) {
            let label = rest.number::<1>().ok_or_else(cut)?;
            let length = rest.number::<2>().ok_or_else(cut)?;
            let scan = rest.take(length).ok_or_else(cut)?;
            if label >= Self::CLASSES {
                return Err(bad(format!("image {index} has label {label}, not 0 to 9")));
            }
            let rgb = decode(&[header, scan].concat())
                .map_err(|why| bad(format!("image {index}: {why}")))?;
            samples.labels.push(label as u8);
            for channel in 0..3 {
                let plane = rgb.chunks_exact(3).map(|pixel| pixel[channel]);
                samples.pixels.extend(plane);
            }
        }
        Ok(samples)
    }

    /// Number of images.
    #[must_use]
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are no images.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// All labels, each in 0..10.
    #[must_use]
    pub fn labels(&self) -> &[u8] {
        &self.labels
    }

    /// The pixels of image `index`, `[3, 32, 32]`, 0 (dark) to 255.
    ///
    /// # Panics
    ///
    /// If there is no such image.
    #[must_use]
    pub fn image(&self, index: usize) -> &[u8] {
        &self.pixels[3 * PIXELS * index..3 * PIXELS * (index + 1)]
    }

    /// The images at `indices`, in that order, as the pretrained nets expect them.
    ///
    /// # Panics
    ///
    /// If an index is out of range.
    #[must_use]
    pub fn batch(&self, indices: &[usize], device: &Device) -> ColourBatch {
        let mut pixels = Vec::with_capacity(3 * PIXELS * indices.len());
        for &index in indices {
            for (channel, plane) in self.image(index).chunks_exact(PIXELS).enumerate() {
                let normal =
                    |&pixel: &u8| (f32::from(pixel) / 255.0 - MEAN[channel]) / DEVIATION[channel];
                pixels.extend(plane.iter().map(normal));
            }
        }
        let labels: Vec<i32> = indices
            .iter()
            .map(|&index| i32::from(self.labels[index]))
            .collect();
        let count = indices.len();
        Self::tensors(pixels, labels, count, device)
    }

    /// All images in their order, `size` at a time; the last batch may be smaller.
    pub fn batches<'a>(
        &'a self,
        size: usize,
        device: &'a Device,
    ) -> impl Iterator<Item = ColourBatch> + 'a {
        let size = size.max(1);
        (0..self.len()).step_by(size).map(move |start| {
            let indices: Vec<usize> = (start..(start + size).min(self.len())).collect();
            self.batch(&indices, device)
        })
    }

    fn tensors(pixels: Vec<f32>, labels: Vec<i32>, count: usize, device: &Device) -> ColourBatch {
        ColourBatch {
            images: Tensor::from_data(TensorData::new(pixels, [count, 3, SIDE, SIDE]), device),
            labels: Tensor::from_data(TensorData::new(labels, [count]), device),
        }
    }
}

/// Red, green and blue of each pixel, row by row.
fn decode(jpeg: &[u8]) -> std::result::Result<Vec<u8>, String> {
    let mut decoder = JpegDecoder::new(ZCursor::new(jpeg));
    let rgb = decoder.decode().map_err(|error| error.to_string())?;
    match decoder.info() {
        Some(info)
            if usize::from(info.width) == SIDE
                && usize::from(info.height) == SIDE
                && rgb.len() == 3 * PIXELS =>
        {
            Ok(rgb)
        }
        _ => Err("not 32 by 32 pixels in colour".into()),
    }
}

/// Bytes not yet read.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    /// A little-endian number of `N` bytes.
    fn number<const N: usize>(&mut self) -> Option<usize> {
        let bytes = self.take(N)?;
        Some(bytes.iter().rev().fold(0, |n, &b| n << 8 | usize::from(b)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_little_endian() {
        let mut bytes = Bytes(&[1, 2, 3, 4, 5]);
        assert_eq!(bytes.number::<4>(), Some(0x0403_0201));
        assert_eq!(bytes.number::<2>(), None);
        assert_eq!(bytes.number::<1>(), Some(5));
    }

    #[test]
    fn damaged_files_are_errors_that_say_why() {
        let read = |bytes: &[u8]| ColourSamples::read("t", bytes, 9).unwrap_err().to_string();
        assert!(read(b"").contains("does not start with"));
        assert!(read(b"CIFJPEG1\x02").contains("too early"));
        assert!(read(b"CIFJPEG1\xff\xff\xff\xffx").contains("too early"));
        let mut one = b"CIFJPEG1\0\0\0\0\x01\0\0\0".to_vec();
        assert!(read(&one).contains("too early"));
        one.extend([10, 0, 0]);
        assert!(read(&one).contains("label 10"));
        let last = one.len() - 3;
        one[last] = 9;
        assert!(read(&one).contains("image 0: "), "{}", read(&one));
    }

    #[test]
    fn images_are_normalised_as_the_nets_expect() {
        let mut pixels = vec![0; 3 * PIXELS];
        pixels[PIXELS..2 * PIXELS].fill(255);
        let samples = ColourSamples {
            pixels,
            labels: vec![7],
        };
        let batch = samples.batch(&[0], &Device::flex());
        assert_eq!(batch.images.dims(), [1, 3, 32, 32]);
        let values = batch.images.to_data().try_to_vec::<f32>().unwrap();
        // Red 0: -0.485 / 0.229. Green 255: (1 - 0.456) / 0.224.
        assert!((values[0] + 2.117_904).abs() < 1e-5);
        assert!((values[PIXELS] - 2.428_571).abs() < 1e-5);
        assert_eq!(samples.batches(4, &Device::flex()).count(), 1);
    }

    #[test]
    fn the_real_files_come_in_turns_of_the_classes() {
        let dir = super::super::folders::for_tests();
        match cifar_jpeg(CifarPart::Test, 20, Some(&dir)) {
            Ok(samples) => {
                let turns: Vec<u8> = (0..10).chain(0..10).collect();
                assert_eq!(samples.labels(), turns);
                // No image is of one colour.
                assert!(
                    (0..20).all(|i| samples.image(i).iter().any(|&p| p != samples.image(i)[0]))
                );
            }
            Err(error) => println!("skipped: {error}"),
        }
    }
}
