//! A picture as SVG or PNG.

use std::sync::Once;

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{FontStyle, register_font};

use crate::error::EvalError;
use crate::picture::{Anchor, Ink, Item, Marker, Picture, WIDTH};

/// Pixels of a PNG for one unit of the page.
const PIXELS: f64 = 2.0;

const FONT: &str = "sans-serif";

/// Pictures bring their font along: a machine without fonts draws them too.
pub(crate) fn fonts() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        for style in [FontStyle::Normal, FontStyle::Bold] {
            // A font that cannot be read shows as an error of the first text drawn.
            let _ = register_font(FONT, style, epaint_default_fonts::UBUNTU_LIGHT);
        }
    });
}

impl Picture {
    /// As SVG with a background of its own.
    pub(crate) fn svg(&self) -> Result<String, EvalError> {
        let mut text = String::new();
        {
            let size = (WIDTH as u32, self.height as u32);
            let root = SVGBackend::with_string(&mut text, size).into_drawing_area();
            self.draw(&root, 1.0)?;
            root.present().map_err(|error| self.failed(&error))?;
        }
        Ok(text)
    }

    /// As PNG.
    pub(crate) fn png(&self) -> Result<Vec<u8>, EvalError> {
        let width = (f64::from(WIDTH) * PIXELS) as u32;
        let height = (f64::from(self.height) * PIXELS) as u32;
        let mut pixels = vec![0; (3 * width * height) as usize];
        {
            let root = BitMapBackend::with_buffer(&mut pixels, (width, height)).into_drawing_area();
            self.draw(&root, PIXELS)?;
            root.present().map_err(|error| self.failed(&error))?;
        }
        encode(&pixels, width, height, &self.name)
    }

    fn failed(&self, error: &dyn std::fmt::Display) -> EvalError {
        EvalError::Drawing {
            picture: self.name.clone(),
            what: error.to_string(),
        }
    }

    fn draw<B: DrawingBackend>(
        &self,
        root: &DrawingArea<B, plotters::coord::Shift>,
        scale: f64,
    ) -> Result<(), EvalError> {
        fonts();
        let failed = |error: DrawingAreaErrorKind<B::ErrorType>| self.failed(&error);
        root.fill(&color(Ink::Paper)).map_err(failed)?;
        let place = |(x, y): (f64, f64)| ((x * scale).round() as i32, (y * scale).round() as i32);
        for item in &self.items {
            match item {
                Item::Line { points, ink, width } => {
                    let points: Vec<_> = points.iter().map(|&at| place(at)).collect();
                    let style = color(*ink).stroke_width((f64::from(*width) * scale) as u32);
                    root.draw(&PathElement::new(points, style))
                        .map_err(failed)?;
                }
                Item::Area { points, ink } => {
                    let points: Vec<_> = points.iter().map(|&at| place(at)).collect();
                    root.draw(&Polygon::new(points, color(*ink).mix(0.2)))
                        .map_err(failed)?;
                }
                Item::Text {
                    at,
                    text,
                    size,
                    ink,
                    anchor,
                } => {
                    let across = match anchor {
                        Anchor::Start => HPos::Left,
                        Anchor::Middle => HPos::Center,
                        Anchor::End => HPos::Right,
                    };
                    let style = (FONT, size * scale)
                        .into_font()
                        .color(&color(*ink))
                        .pos(Pos::new(across, VPos::Center));
                    root.draw(&Text::new(text.clone(), place(*at), style))
                        .map_err(failed)?;
                }
                Item::Mark { at, marker, ink } => {
                    let (x, y) = place(*at);
                    let r = (4.5 * scale).round() as i32;
                    let (full, thin) = (
                        color(*ink).filled(),
                        color(*ink).stroke_width((1.8 * scale) as u32),
                    );
                    let drawn = match marker {
                        Marker::Disk => root.draw(&Circle::new((x, y), r, full)),
                        Marker::Ring => root
                            .draw(&Circle::new((x, y), r, color(Ink::Paper).filled()))
                            .and_then(|()| root.draw(&Circle::new((x, y), r, thin))),
                        Marker::Square => {
                            let s = r - scale as i32 / 2;
                            root.draw(&Rectangle::new([(x - s, y - s), (x + s, y + s)], full))
                        }
                        Marker::Box => root.draw(&PathElement::new(
                            vec![
                                (x - r, y - r),
                                (x + r, y - r),
                                (x + r, y + r),
                                (x - r, y + r),
                                (x - r, y - r),
                            ],
                            thin,
                        )),
                        Marker::Down => root.draw(&Polygon::new(
                            vec![(x, y + r), (x + r, y - r), (x - r, y - r)],
                            full,
                        )),
                        Marker::Open => root.draw(&PathElement::new(
                            vec![(x, y - r), (x + r, y + r), (x - r, y + r), (x, y - r)],
                            thin,
                        )),
                        Marker::Dot => root.draw(&Circle::new((x, y), r / 3, full)),
                        Marker::Triangle => root.draw(&Polygon::new(
                            vec![(x, y - r - 1), (x + r + 1, y + r), (x - r - 1, y + r)],
                            full,
                        )),
                        Marker::Diamond => root.draw(&Polygon::new(
                            vec![
                                (x, y - r - 1),
                                (x + r + 1, y),
                                (x, y + r + 1),
                                (x - r - 1, y),
                            ],
                            full,
                        )),
                        Marker::Cross => root
                            .draw(&PathElement::new(
                                vec![(x - r, y - r), (x + r, y + r)],
                                thin,
                            ))
                            .and_then(|()| {
                                root.draw(&PathElement::new(
                                    vec![(x - r, y + r), (x + r, y - r)],
                                    thin,
                                ))
                            }),
                    };
                    drawn.map_err(failed)?;
                }
            }
        }
        Ok(())
    }
}

fn color(ink: Ink) -> RGBColor {
    let (red, green, blue) = ink.rgb();
    RGBColor(red, green, blue)
}

/// Pixels as a PNG file, three bytes each.
pub(crate) fn encode(
    pixels: &[u8],
    width: u32,
    height: u32,
    name: &str,
) -> Result<Vec<u8>, EvalError> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder
        .write_header()
        .and_then(|mut writer| writer.write_image_data(pixels))
        .map_err(|error| EvalError::Drawing {
            picture: name.into(),
            what: error.to_string(),
        })?;
    Ok(file)
}
