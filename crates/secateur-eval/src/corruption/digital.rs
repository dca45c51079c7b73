//! What storing images does to them.

use jpeg_encoder::{ColorType, Encoder};
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use crate::corruption::Size;
use crate::error::EvalError;

/// Through a JPEG file and back. Three channels are a colour image; otherwise every channel is a
/// grey image of its own.
pub(super) fn jpeg(image: &mut [f32], size: Size, quality: u8) -> Result<(), EvalError> {
    let (Ok(height), Ok(width)) = (u16::try_from(size.height), u16::try_from(size.width)) else {
        let remedy = "JPEG has at most 65,535 rows and columns; cut the images";
        return Err(EvalError::setting(
            "image size",
            size.height.max(size.width),
            remedy,
        ));
    };
    let pixels = size.height * size.width;
    let byte = |value: f32| (255.0 * value).round() as u8;
    let (color, space, channels) = match size.channels {
        3 => (ColorType::Rgb, ColorSpace::RGB, 3),
        _ => (ColorType::Luma, ColorSpace::Luma, 1),
    };
    for planes in image.chunks_exact_mut(channels * pixels) {
        // From planes to pixels.
        let bytes: Vec<u8> = (0..pixels)
            .flat_map(|at| (0..channels).map(move |channel| channel * pixels + at))
            .map(|at| byte(planes[at]))
            .collect();
        let mut file = Vec::new();
        let encoded = Encoder::new(&mut file, quality).encode(&bytes, width, height, color);
        encoded.map_err(|error| failed(&error))?;
        let options = DecoderOptions::default().jpeg_set_out_colorspace(space);
        let mut decoder = JpegDecoder::new_with_options(ZCursor::new(&file), options);
        let back = decoder.decode().map_err(|error| failed(&error))?;
        for (at, values) in back.chunks_exact(channels).enumerate().take(pixels) {
            for (channel, &value) in values.iter().enumerate() {
                planes[channel * pixels + at] = f32::from(value) / 255.0;
            }
        }
    }
    Ok(())
}

fn failed(error: &dyn std::fmt::Display) -> EvalError {
    EvalError::Drawing {
        picture: "JPEG".into(),
        what: error.to_string(),
    }
}

/// Fewer pixels, and back: a box filter both ways, as Pillow's `BOX`.
pub(super) struct Pixels {
    down: [Filter; 2],
    up: [Filter; 2],
}

impl Pixels {
    pub(super) fn new(size: Size, share: f32) -> Self {
        let fewer = |side: usize| ((side as f32 * share) as usize).max(1);
        let (height, width) = (fewer(size.height), fewer(size.width));
        Self {
            down: [
                Filter::new(size.width, width),
                Filter::new(size.height, height),
            ],
            up: [
                Filter::new(width, size.width),
                Filter::new(height, size.height),
            ],
        }
    }

    pub(super) fn apply(&self, image: &mut [f32], size: Size) {
        for plane in image.chunks_exact_mut(size.height * size.width) {
            let small = self.down[1].columns(&self.down[0].rows(plane), self.down[0].to());
            let large = self.up[1].columns(&self.up[0].rows(&small), self.up[0].to());
            plane.copy_from_slice(&large);
        }
    }
}

/// For every output its first input and their number; all count alike.
struct Filter {
    from: usize,
    spans: Vec<(usize, usize)>,
}

impl Filter {
    fn new(from: usize, to: usize) -> Self {
        let scale = from as f64 / to as f64;
        let support = 0.5 * scale.max(1.0);
        let span = |at: usize| {
            let centre = (at as f64 + 0.5) * scale;
            // Inputs whose centre lies in (centre − support, centre + support].
            let inside = |input: &usize| {
                let distance = (*input as f64 + 0.5 - centre) / (2.0 * support);
                distance > -0.5 && distance <= 0.5
            };
            let first = (0..from).find(inside).unwrap_or(0);
            (first, (first..from).take_while(inside).count().max(1))
        };
        Self {
            from,
            spans: (0..to).map(span).collect(),
        }
    }

    fn to(&self) -> usize {
        self.spans.len()
    }

    fn rows(&self, plane: &[f32]) -> Vec<f32> {
        let rows = plane.chunks_exact(self.from);
        let mean = |row: &[f32], (first, count): (usize, usize)| {
            row[first..first + count].iter().sum::<f32>() / count as f32
        };
        rows.flat_map(|row| self.spans.iter().map(move |&span| mean(row, span)))
            .collect()
    }

    fn columns(&self, plane: &[f32], width: usize) -> Vec<f32> {
        let mut out = Vec::with_capacity(self.to() * width);
        for &(first, count) in &self.spans {
            let rows = &plane[first * width..(first + count) * width];
            out.extend(
                (0..width).map(|x| rows.iter().skip(x).step_by(width).sum::<f32>() / count as f32),
            );
        }
        out
    }
}
