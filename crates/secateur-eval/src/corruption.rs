//! Seeded corruptions of images, in five severities.
//!
//! The corruptions and their constants are those of Hendrycks and Dietterich (2019, "Benchmarking
//! neural network robustness to common corruptions and perturbations", arXiv 1903.12261), as in the
//! authors' code; rotation and translation are those of MNIST-C (Mu and Gilmer 2019, arXiv
//! 1906.02337).
//!
//! Two sets of constants are published: [`Constants::Cifar10C`] for 32×32 and the far stronger
//! [`Constants::ImageNetC`] for 224×224. [`Corruption::apply`] takes the first where the shorter
//! side is at most 64, else the second. Lengths in pixels (radii of blurs) are scaled by shorter
//! side / 32 or / 224; shares, angles and noise are not. Translation moves by 1 to 5 pixels of 28,
//! scaled and rounded.
//!
//! What is drawn for an image depends on the seed, the corruption, the severity and the image's
//! index: not on the other images, nor on the number of threads. The numbers are not those of the
//! authors' files, whose draws came from NumPy.

mod blur;
mod digital;
mod fog;
mod geometry;
mod light;
mod noise;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::error::{EvalError, check_finite};
use crate::images::Images;
use crate::random::{Sample, Stream};

/// What is done to an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Corruption {
    /// Normal noise on every value.
    GaussianNoise,
    /// Poisson noise: as if few photons had been counted.
    ShotNoise,
    /// Values that are all black or all white (salt and pepper).
    ImpulseNoise,
    /// Out of focus: a disk for every point.
    DefocusBlur,
    /// Moved while exposed, in a random direction within 45 degrees of the horizontal.
    MotionBlur,
    /// Closer to the mean.
    Contrast,
    /// Lighter: the value of HSV goes up.
    Brightness,
    /// A random fractal cloud.
    Fog,
    /// Compressed as JPEG.
    Jpeg,
    /// Shown with fewer pixels.
    Pixelate,
    /// Turned around its centre, left or right at random; black where nothing was.
    Rotation,
    /// Moved diagonally, in one of four directions at random; black where nothing was.
    Translation,
}

/// Which published constants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Constants {
    /// Of CIFAR-10-C.
    Cifar10C,
    /// Of ImageNet-C, which MNIST-C took over.
    ImageNetC,
}

/// Height and width, and what a length of the published constants is here.
#[derive(Clone, Copy, Debug)]
struct Size {
    channels: usize,
    height: usize,
    width: usize,
    scale: f32,
}

impl Corruption {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::GaussianNoise,
        Self::ShotNoise,
        Self::ImpulseNoise,
        Self::DefocusBlur,
        Self::MotionBlur,
        Self::Contrast,
        Self::Brightness,
        Self::Fog,
        Self::Jpeg,
        Self::Pixelate,
        Self::Rotation,
        Self::Translation,
    ];

    /// What it is called in reports and files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::GaussianNoise => "Gaussian noise",
            Self::ShotNoise => "shot noise",
            Self::ImpulseNoise => "impulse noise",
            Self::DefocusBlur => "defocus blur",
            Self::MotionBlur => "motion blur",
            Self::Contrast => "contrast",
            Self::Brightness => "brightness",
            Self::Fog => "fog",
            Self::Jpeg => "JPEG",
            Self::Pixelate => "pixelate",
            Self::Rotation => "rotation",
            Self::Translation => "translation",
        }
    }

    /// Corrupted copies of images, with the constants that fit their size.
    ///
    /// ```
    /// use secateur_eval::{Corruption, Images};
    ///
    /// let images = Images::new(vec![0.5; 2 * 28 * 28], [2, 1, 28, 28])?;
    /// let foggy = Corruption::Fog.apply(&images, 3, 42)?;
    /// assert_eq!(foggy.shape(), images.shape());
    /// assert_eq!(foggy, Corruption::Fog.apply(&images, 3, 42)?);
    /// # Ok::<(), secateur_eval::EvalError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If the severity is not from 1 to 5.
    pub fn apply(self, images: &Images, severity: u8, seed: u64) -> Result<Images, EvalError> {
        let [_, _, height, width] = images.shape();
        let constants = match height.min(width) <= 64 {
            true => Constants::Cifar10C,
            false => Constants::ImageNetC,
        };
        self.apply_with(images, severity, seed, constants)
    }

    /// The same with constants of your choice.
    ///
    /// # Errors
    ///
    /// If the severity is not from 1 to 5.
    pub fn apply_with(
        self,
        images: &Images,
        severity: u8,
        seed: u64,
        constants: Constants,
    ) -> Result<Images, EvalError> {
        if !(1..=5).contains(&severity) {
            return Err(EvalError::setting("severity", severity, "give 1 to 5"));
        }
        let [_, channels, height, width] = images.shape();
        let side = match constants {
            Constants::Cifar10C => 32.0,
            Constants::ImageNetC => 224.0,
        };
        let scale = height.min(width) as f32 / side;
        let size = Size {
            channels,
            height,
            width,
            scale,
        };
        let at = usize::from(severity - 1);
        let effect = Effect::new(self, constants, at, size)?;
        let name = format!("{} {severity}", self.name());
        let mut data = images.data().to_vec();
        data.par_chunks_exact_mut(channels * height * width)
            .enumerate()
            .try_for_each(|(index, image)| {
                effect.apply(image, size, &mut Stream::new(seed, &name, index))
            })?;
        Ok(images.with_data(data))
    }
}

/// A corruption with its constants worked out.
enum Effect {
    Gaussian(f32),
    Shot(f32),
    Impulse(f32),
    Defocus(blur::Kernel),
    Motion { radius: f32, sigma: f32 },
    Contrast(f32),
    Brightness(f32),
    Fog { thickness: f32, decay: f32 },
    Jpeg(u8),
    Pixelate(digital::Pixels),
    Rotation(f32),
    Translation(f32),
}

impl Effect {
    fn new(of: Corruption, constants: Constants, at: usize, size: Size) -> Result<Self, EvalError> {
        use Constants::{Cifar10C, ImageNetC};
        let pick = |cifar: [f32; 5], imagenet: [f32; 5]| match constants {
            Cifar10C => cifar[at],
            ImageNetC => imagenet[at],
        };
        Ok(match of {
            Corruption::GaussianNoise => Self::Gaussian(pick(
                [0.04, 0.06, 0.08, 0.09, 0.10],
                [0.08, 0.12, 0.18, 0.26, 0.38],
            )),
            Corruption::ShotNoise => Self::Shot(pick(
                [500.0, 250.0, 100.0, 75.0, 50.0],
                [60.0, 25.0, 12.0, 5.0, 3.0],
            )),
            Corruption::ImpulseNoise => Self::Impulse(pick(
                [0.01, 0.02, 0.03, 0.05, 0.07],
                [0.03, 0.06, 0.09, 0.17, 0.27],
            )),
            Corruption::DefocusBlur => {
                let radius = pick([0.3, 0.4, 0.5, 1.0, 1.5], [3.0, 4.0, 6.0, 8.0, 10.0]);
                let alias = pick([0.4, 0.5, 0.6, 0.2, 0.1], [0.1, 0.5, 0.5, 0.5, 0.5]);
                Self::Defocus(blur::Kernel::disk(radius * size.scale, alias))
            }
            Corruption::MotionBlur => Self::Motion {
                radius: size.scale
                    * pick([6.0, 6.0, 6.0, 8.0, 9.0], [10.0, 15.0, 15.0, 15.0, 20.0]),
                sigma: size.scale * pick([1.0, 1.5, 2.0, 2.0, 2.5], [3.0, 5.0, 8.0, 12.0, 15.0]),
            },
            Corruption::Contrast => Self::Contrast(pick(
                [0.75, 0.5, 0.4, 0.3, 0.15],
                [0.4, 0.3, 0.2, 0.1, 0.05],
            )),
            Corruption::Brightness => {
                Self::Brightness(pick([0.05, 0.1, 0.15, 0.2, 0.3], [0.1, 0.2, 0.3, 0.4, 0.5]))
            }
            Corruption::Fog => Self::Fog {
                thickness: pick([0.2, 0.5, 0.75, 1.0, 1.5], [1.5, 2.0, 2.5, 2.5, 3.0]),
                decay: pick([3.0, 3.0, 2.5, 2.0, 1.75], [2.0, 2.0, 1.7, 1.5, 1.4]),
            },
            Corruption::Jpeg => Self::Jpeg(pick(
                [80.0, 65.0, 58.0, 50.0, 40.0],
                [25.0, 18.0, 15.0, 10.0, 7.0],
            ) as u8),
            Corruption::Pixelate => {
                let share = pick([0.95, 0.9, 0.85, 0.75, 0.65], [0.6, 0.5, 0.4, 0.3, 0.25]);
                Self::Pixelate(digital::Pixels::new(size, share))
            }
            Corruption::Rotation => Self::Rotation([0.2, 0.4, 0.6, 0.8, 1.0][at]),
            Corruption::Translation => {
                let side = size.height.min(size.width) as f32;
                Self::Translation(((at + 1) as f32 * side / 28.0).round())
            }
        })
    }

    fn apply(&self, image: &mut [f32], size: Size, stream: &mut Stream) -> Result<(), EvalError> {
        match self {
            Self::Gaussian(deviation) => noise::gaussian(image, *deviation, stream),
            Self::Shot(photons) => noise::shot(image, *photons, stream),
            Self::Impulse(share) => noise::impulse(image, *share, stream),
            Self::Defocus(kernel) => kernel.apply(image, size),
            Self::Motion { radius, sigma } => blur::motion(image, size, *radius, *sigma, stream),
            Self::Contrast(factor) => light::contrast(image, size, *factor),
            Self::Brightness(more) => light::brightness(image, size, *more),
            Self::Fog { thickness, decay } => fog::fog(image, size, *thickness, *decay, stream),
            Self::Jpeg(quality) => digital::jpeg(image, size, *quality)?,
            Self::Pixelate(pixels) => pixels.apply(image, size),
            Self::Rotation(angle) => geometry::rotate(image, size, angle * stream.sign()),
            Self::Translation(by) => {
                geometry::translate(image, size, by * stream.sign(), by * stream.sign());
            }
        }
        Ok(())
    }
}

/// Normal noise on inputs of any kind, `per_example` values each: its standard deviation is
/// severity / 10 of that of all values together.
///
/// # Errors
///
/// If the severity is not from 1 to 5, the length is no multiple of `per_example`, or a value is
/// not finite.
pub fn gaussian_noise(
    values: &[f32],
    per_example: usize,
    severity: u8,
    seed: u64,
) -> Result<Vec<f32>, EvalError> {
    if !(1..=5).contains(&severity) {
        return Err(EvalError::setting("severity", severity, "give 1 to 5"));
    }
    if per_example == 0 || values.is_empty() || !values.len().is_multiple_of(per_example) {
        return Err(EvalError::Length {
            what: "values".into(),
            expected: values
                .len()
                .next_multiple_of(per_example.max(1))
                .max(per_example),
            meaning: "a multiple of the values per example",
            found: values.len(),
        });
    }
    let wide: Vec<f64> = values.iter().map(|&value| f64::from(value)).collect();
    check_finite("values", &wide)?;
    let deviation = crate::statistics::bootstrap::deviation(&wide) * f64::from(severity) / 10.0;
    let mut noisy = values.to_vec();
    let name = format!("any input {severity}");
    noisy
        .par_chunks_exact_mut(per_example)
        .enumerate()
        .for_each(|(index, example)| {
            noise::gaussian(
                example,
                deviation as f32,
                &mut Stream::new(seed, &name, index),
            );
        });
    Ok(noisy)
}
