//! Curves over an axis.

use crate::picture::scale::{Scale, label};
use crate::picture::{Anchor, Ink, Item, Marker, Picture, WIDTH};
use crate::statistics::Interval;

/// A curve: places with a value and, where known, its interval.
pub(crate) struct Curve {
    pub name: String,
    pub marker: Marker,
    pub ink: Ink,
    pub points: Vec<(f64, f64, Option<Interval>)>,
}

pub(crate) struct Axes<'a> {
    pub across: &'a str,
    pub up: &'a str,
    /// Draws the diagonal.
    pub diagonal: bool,
    /// Begins at zero.
    pub from_zero: bool,
}

pub(crate) fn lines(name: &str, title: &str, axes: &Axes<'_>, curves: &[Curve]) -> Picture {
    let mut picture = Picture {
        name: name.into(),
        title: title.into(),
        caption: String::new(),
        height: 0,
        items: Vec::new(),
    };
    let names: Vec<_> = curves
        .iter()
        .map(|c| (c.name.clone(), c.marker, c.ink))
        .collect();
    picture.text((8.0, 12.0), axes.up, 14.0, Ink::Text, Anchor::Start);
    let top = picture.legend(&names, 34.0) + 4.0;
    let (left, right, bottom) = (52.0, f64::from(WIDTH) - 18.0, top + 240.0);
    let points = || curves.iter().flat_map(|curve| &curve.points);
    let x = Scale::around(points().map(|point| point.0), left, right);
    let ends = points().flat_map(|&(_, value, interval)| {
        let Interval { low, high } = interval.unwrap_or(Interval {
            low: value,
            high: value,
        });
        [value, low, high]
    });
    let y = Scale::around(ends.chain(axes.from_zero.then_some(0.0)), bottom, top);
    for tick in x.ticks(6) {
        picture.line((x.at(tick), top), (x.at(tick), bottom), Ink::Grid, 1);
        picture.text(
            (x.at(tick), bottom + 12.0),
            &label(tick),
            13.0,
            Ink::Faint,
            Anchor::Middle,
        );
    }
    for tick in y.ticks(5) {
        picture.line((left, y.at(tick)), (right, y.at(tick)), Ink::Grid, 1);
        picture.text(
            (left - 6.0, y.at(tick)),
            &label(tick),
            13.0,
            Ink::Faint,
            Anchor::End,
        );
    }
    let middle = f64::midpoint(left, right);
    picture.text(
        (middle, bottom + 30.0),
        axes.across,
        14.0,
        Ink::Text,
        Anchor::Middle,
    );
    if axes.diagonal {
        let (low, high) = (x.low.max(y.low), x.high.min(y.high));
        picture.line(
            (x.at(low), y.at(low)),
            (x.at(high), y.at(high)),
            Ink::Faint,
            1,
        );
    }
    for curve in curves {
        let band = |end: fn(&Interval) -> f64| {
            let with = curve
                .points
                .iter()
                .filter_map(|(at, _, interval)| interval.as_ref().map(|i| (*at, i)));
            with.map(|(at, interval)| (x.at(at), y.at(end(interval))))
                .collect::<Vec<_>>()
        };
        let mut area = band(|interval| interval.low);
        area.extend(band(|interval| interval.high).into_iter().rev());
        if area.len() > 3 {
            picture.items.push(Item::Area {
                points: area,
                ink: curve.ink,
            });
        }
        let places: Vec<_> = curve
            .points
            .iter()
            .map(|point| (x.at(point.0), y.at(point.1)))
            .collect();
        if places.len() > 1 {
            picture.items.push(Item::Line {
                points: places.clone(),
                ink: curve.ink,
                width: 2,
            });
        }
        for place in places {
            picture.mark(place, curve.marker, curve.ink);
        }
    }
    picture.height = (bottom + 44.0) as i32;
    picture
}
