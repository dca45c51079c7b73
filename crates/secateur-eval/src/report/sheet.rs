//! PIEs as pictures, with their true label and the two modes.

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::analysis::Analysis;
use crate::error::EvalError;
use crate::images::Images;
use crate::picture::render::{encode, fonts};
use crate::picture::shorten;
use crate::pies::{Pie, PieAnalysis};

/// PIEs that a sheet shows at most: those on which both populations are the most of one mind.
const SHOWN: usize = 48;

/// Side of a picture on the sheet.
const SIDE: usize = 96;

const TILE: (usize, usize) = (150, 166);

const COLUMNS: usize = 8;

/// What a sheet shows of a level, clearest first.
pub(super) fn shown(level: &PieAnalysis) -> Vec<&Pie> {
    let mut pies: Vec<&Pie> = level.examples.iter().collect();
    pies.sort_by_key(|pie| {
        (
            std::cmp::Reverse(pie.dense_votes.min(pie.compared_votes)),
            pie.index,
        )
    });
    pies.truncate(SHOWN);
    pies
}

/// The three lines below a picture.
pub(super) fn words(analysis: &Analysis, level: &PieAnalysis, pie: &Pie) -> [String; 3] {
    let name = |label: u32| {
        analysis
            .data
            .classes
            .get(label as usize)
            .map_or("?", String::as_str)
    };
    [
        format!("true: {}", name(pie.label)),
        format!(
            "dense: {} ({}/{})",
            name(pie.dense),
            pie.dense_votes,
            level.models
        ),
        format!(
            "{}: {} ({}/{})",
            level.level,
            name(pie.compared),
            pie.compared_votes,
            level.models
        ),
    ]
}

/// An image as PNG, enlarged to about the size of a tile without smoothing; the first three
/// channels are red, green and blue, other numbers of channels are shown by their first.
pub(super) fn png(images: &Images, index: usize) -> Result<Vec<u8>, EvalError> {
    let (pixels, side) = enlarged(images, index)?;
    encode(
        &pixels,
        side as u32,
        (pixels.len() / 3 / side) as u32,
        "example",
    )
}

/// Pixels of three bytes and their width.
fn enlarged(images: &Images, index: usize) -> Result<(Vec<u8>, usize), EvalError> {
    let [count, channels, height, width] = images.shape();
    let Some(image) = images.image(index) else {
        return Err(EvalError::Length {
            what: "images".into(),
            expected: index + 1,
            meaning: "one for every example of the test set",
            found: count,
        });
    };
    let longer = height.max(width);
    // Larger ones shrink, by leaving out pixels.
    let (to_height, to_width) = (
        (height * SIDE).div_ceil(longer),
        (width * SIDE).div_ceil(longer),
    );
    let mut pixels = Vec::with_capacity(3 * to_height * to_width);
    for y in 0..to_height {
        for x in 0..to_width {
            let at = (y * height / to_height) * width + x * width / to_width;
            for channel in 0..3 {
                let plane = if channels == 3 { channel } else { 0 };
                pixels.push((255.0 * image[plane * height * width + at]).round() as u8);
            }
        }
    }
    Ok((pixels, to_width))
}

/// The sheet as one PNG.
pub(super) fn sheet(
    analysis: &Analysis,
    level: &PieAnalysis,
    images: &Images,
) -> Result<Vec<u8>, EvalError> {
    fonts();
    let pies = shown(level);
    let (width, height) = (
        COLUMNS * TILE.0,
        pies.len().div_ceil(COLUMNS).max(1) * TILE.1,
    );
    let mut pixels = vec![0xFF; 3 * width * height];
    let place = |at: usize| ((at % COLUMNS) * TILE.0 + 27, (at / COLUMNS) * TILE.1 + 8);
    for (at, pie) in pies.iter().enumerate() {
        let (left, top) = place(at);
        let (picture, across) = enlarged(images, pie.index)?;
        for (row, line) in picture.chunks_exact(3 * across).enumerate() {
            let start = 3 * ((top + row) * width + left);
            pixels[start..start + line.len()].copy_from_slice(line);
        }
    }
    {
        let failed = |error: &dyn std::fmt::Display| EvalError::Drawing {
            picture: "PIE sheet".into(),
            what: error.to_string(),
        };
        let size = (width as u32, height as u32);
        let root = BitMapBackend::with_buffer(&mut pixels, size).into_drawing_area();
        for (at, pie) in pies.iter().enumerate() {
            let (left, top) = place(at);
            for (line, text) in words(analysis, level, pie).iter().enumerate() {
                let style = ("sans-serif", 13.0)
                    .into_font()
                    .color(&RGBColor(0x1A, 0x1A, 0x1A));
                let style = style.pos(Pos::new(HPos::Center, VPos::Top));
                let at = (
                    (left + SIDE / 2) as i32,
                    (top + SIDE + 6 + 16 * line) as i32,
                );
                root.draw(&Text::new(shorten(text, 24), at, style))
                    .map_err(|error| failed(&error))?;
            }
        }
        root.present().map_err(|error| failed(&error))?;
    }
    encode(&pixels, width as u32, height as u32, "PIE sheet")
}
