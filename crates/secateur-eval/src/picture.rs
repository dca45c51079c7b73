//! Pictures: what is drawn is listed first, then rendered by plotters as SVG or PNG.
//!
//! Colours are Okabe and Ito's (2008), which the colour-blind tell apart, somewhat darkened; no
//! series is told apart by its colour alone, for each has a marker of its own. In a page, style
//! sheets replace the colours in dark mode.

pub(crate) mod dots;
pub(crate) mod lines;
pub(crate) mod render;
pub(crate) mod scale;

use std::path::Path;

use rayon::prelude::*;

use crate::error::EvalError;
use crate::folder::write_whole;

/// Width of every picture in units of the page; narrow, so that a telephone shows its text large
/// enough.
pub(crate) const WIDTH: i32 = 480;

/// A colour, by its part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ink {
    Paper,
    Text,
    Faint,
    Grid,
    /// The dense models and the control.
    Base,
    Series(usize),
}

const SERIES: [(u8, u8, u8); 6] = [
    (0x00, 0x72, 0xB2),
    (0xD5, 0x5E, 0x00),
    (0x00, 0x8F, 0x68),
    (0xAA, 0x44, 0x99),
    (0xA0, 0x70, 0x00),
    (0x33, 0x22, 0x88),
];

impl Ink {
    pub(crate) fn rgb(self) -> (u8, u8, u8) {
        match self {
            Self::Paper => (0xFF, 0xFF, 0xFF),
            Self::Text => (0x1A, 0x1A, 0x1A),
            Self::Faint => (0x59, 0x59, 0x59),
            Self::Grid => (0xDD, 0xDD, 0xDD),
            Self::Base => (0x6B, 0x6B, 0x6B),
            Self::Series(at) => SERIES[at % SERIES.len()],
        }
    }
}

/// Shapes for those who do not see the colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Marker {
    Ring,
    Disk,
    Square,
    Triangle,
    Diamond,
    Cross,
    Box,
    /// A triangle that points down.
    Down,
    /// An empty triangle.
    Open,
    Dot,
}

impl Marker {
    pub(crate) fn of(series: usize) -> Self {
        // The ring is the dense models' and the cross the control's.
        use Marker::{Box, Diamond, Disk, Square, Triangle};
        [Disk, Square, Triangle, Diamond, Box][series % 5]
    }
}

/// From which end a text goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Anchor {
    Start,
    Middle,
    End,
}

/// Something drawn.
#[derive(Clone, Debug)]
pub(crate) enum Item {
    Line {
        points: Vec<(f64, f64)>,
        ink: Ink,
        width: u32,
    },
    Area {
        points: Vec<(f64, f64)>,
        ink: Ink,
    },
    Mark {
        at: (f64, f64),
        marker: Marker,
        ink: Ink,
    },
    Text {
        at: (f64, f64),
        text: String,
        size: f64,
        ink: Ink,
        anchor: Anchor,
    },
}

/// A picture with the words that belong to it.
#[derive(Clone, Debug)]
pub(crate) struct Picture {
    /// Name of its files, without extension.
    pub name: String,
    /// What it shows.
    pub title: String,
    /// How to read it, and where it is from.
    pub caption: String,
    pub height: i32,
    pub items: Vec<Item>,
}

/// Writes pictures into a folder, each as SVG and as PNG.
pub(crate) fn write<'a>(
    folder: &Path,
    pictures: impl ParallelIterator<Item = &'a Picture>,
) -> Result<(), EvalError> {
    pictures.try_for_each(|picture| {
        let file = |extension| folder.join(format!("{}.{extension}", picture.name));
        write_whole(&file("svg"), picture.svg()?.as_bytes())?;
        write_whole(&file("png"), &picture.png()?)
    })
}

impl Picture {
    pub(crate) fn line(&mut self, from: (f64, f64), to: (f64, f64), ink: Ink, width: u32) {
        self.items.push(Item::Line {
            points: vec![from, to],
            ink,
            width,
        });
    }

    pub(crate) fn mark(&mut self, at: (f64, f64), marker: Marker, ink: Ink) {
        self.items.push(Item::Mark { at, marker, ink });
    }

    pub(crate) fn text(&mut self, at: (f64, f64), text: &str, size: f64, ink: Ink, anchor: Anchor) {
        let text = text.to_string();
        self.items.push(Item::Text {
            at,
            text,
            size,
            ink,
            anchor,
        });
    }

    /// Names of series with their markers, in as many lines as they need; says where they end.
    pub(crate) fn legend(&mut self, names: &[(String, Marker, Ink)], top: f64) -> f64 {
        let (mut x, mut y) = (14.0, top);
        for (name, marker, ink) in names {
            let width = 28.0 + 7.5 * name.chars().count() as f64;
            if x + width > f64::from(WIDTH) && x > 14.0 {
                (x, y) = (14.0, y + 20.0);
            }
            self.mark((x, y), *marker, *ink);
            self.text((x + 10.0, y), name, 14.0, Ink::Text, Anchor::Start);
            x += width;
        }
        y + 20.0
    }
}

/// At most `limit` characters.
pub(crate) fn shorten(text: &str, limit: usize) -> String {
    match text.chars().count() > limit {
        true => text
            .chars()
            .take(limit.saturating_sub(1))
            .chain(['…'])
            .collect(),
        false => text.to_string(),
    }
}
