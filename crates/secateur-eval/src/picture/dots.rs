//! Values with their intervals, row by row.

use crate::picture::scale::{Scale, label};
use crate::picture::{Anchor, Ink, Marker, Picture, WIDTH, shorten};
use crate::statistics::Estimate;

/// A series of a dot plot: a value, or none, for every row.
pub(crate) struct Series {
    pub name: String,
    pub marker: Marker,
    pub ink: Ink,
    pub values: Vec<Option<Estimate>>,
}

/// A row: its name, and signs before it.
pub(crate) struct Row {
    pub name: String,
    pub signs: Vec<Marker>,
}

impl Row {
    pub(crate) fn plain(name: &str) -> Self {
        Self {
            name: name.into(),
            signs: Vec::new(),
        }
    }
}

/// Rows by name, an axis below, a line at zero where it is in sight.
pub(crate) fn dots(
    name: &str,
    title: &str,
    axis: &str,
    rows: &[Row],
    series: &[Series],
    with_zero: bool,
) -> Picture {
    let mut picture = Picture {
        name: name.into(),
        title: title.into(),
        caption: String::new(),
        height: 0,
        items: Vec::new(),
    };
    let longest = rows
        .iter()
        .map(|row| row.name.chars().count())
        .max()
        .unwrap_or(0)
        .min(22);
    // Signs are drawn, for hardly a font has them.
    let signs = rows.iter().map(|row| row.signs.len()).max().unwrap_or(0);
    let left = 22.0 + 7.6 * longest as f64 + 12.0 * signs as f64;
    let right = f64::from(WIDTH) - 18.0;
    let names: Vec<_> = series
        .iter()
        .map(|s| (s.name.clone(), s.marker, s.ink))
        .collect();
    let top = picture.legend(&names, 14.0) + 2.0;
    // Room for every series of a row beside the others.
    let apart = 11.0;
    let step = (apart * series.len() as f64 + 10.0).max(24.0);
    let bottom = top + step * rows.len() as f64;
    let values = series
        .iter()
        .flat_map(|series| series.values.iter().flatten());
    let ends = values.flat_map(|value| [value.value, value.interval.low, value.interval.high]);
    let scale = Scale::around(ends.chain(with_zero.then_some(0.0)), left, right);
    for tick in scale.ticks(5) {
        let x = scale.at(tick);
        let (ink, width) = if tick == 0.0 && with_zero {
            (Ink::Faint, 2)
        } else {
            (Ink::Grid, 1)
        };
        picture.line((x, top), (x, bottom), ink, width);
        picture.text(
            (x, bottom + 12.0),
            &label(tick),
            13.0,
            Ink::Faint,
            Anchor::Middle,
        );
    }
    let middle = f64::midpoint(left, right);
    picture.text(
        (middle, bottom + 30.0),
        axis,
        14.0,
        Ink::Text,
        Anchor::Middle,
    );
    for (at, row) in rows.iter().enumerate() {
        let middle = top + step * (at as f64 + 0.5);
        if at > 0 {
            picture.line(
                (8.0, middle - step / 2.0),
                (right, middle - step / 2.0),
                Ink::Grid,
                1,
            );
        }
        picture.text(
            (left - 10.0, middle),
            &shorten(&row.name, 22),
            14.0,
            Ink::Text,
            Anchor::End,
        );
        for (place, sign) in row.signs.iter().enumerate() {
            picture.mark((12.0 + 12.0 * place as f64, middle), *sign, Ink::Text);
        }
        for (place, series) in series.iter().enumerate() {
            let Some(value) = series.values.get(at).copied().flatten() else {
                continue;
            };
            let y = middle + apart * (place as f64 - (names.len() as f64 - 1.0) / 2.0);
            let (low, high) = (scale.at(value.interval.low), scale.at(value.interval.high));
            if low.is_finite() && high.is_finite() {
                picture.line((low, y), (high, y), series.ink, 2);
            }
            picture.mark((scale.at(value.value), y), series.marker, series.ink);
        }
    }
    picture.height = (bottom + 44.0) as i32;
    picture
}
