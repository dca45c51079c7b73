//! Axes: round numbers and where they lie.

/// From values to places.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scale {
    pub low: f64,
    pub high: f64,
    pub from: f64,
    pub to: f64,
}

impl Scale {
    /// A scale that shows all values with a little room, between two places.
    pub(crate) fn around(values: impl Iterator<Item = f64>, from: f64, to: f64) -> Self {
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for value in values.filter(|value| value.is_finite()) {
            (low, high) = (low.min(value), high.max(value));
        }
        if low > high {
            (low, high) = (0.0, 1.0);
        }
        let room = if high > low {
            0.06 * (high - low)
        } else {
            0.5 * high.abs().max(1.0)
        };
        Self {
            low: low - room,
            high: high + room,
            from,
            to,
        }
    }

    pub(crate) fn at(&self, value: f64) -> f64 {
        self.from + (self.to - self.from) * (value - self.low) / (self.high - self.low)
    }

    /// About `count` round numbers.
    pub(crate) fn ticks(&self, count: usize) -> Vec<f64> {
        let rough = (self.high - self.low) / count.max(1) as f64;
        let power = 10.0_f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].map(|times| times * power);
        let step = step
            .into_iter()
            .find(|&step| step >= rough * 0.999)
            .unwrap_or(10.0 * power);
        // A tick at the very end counts, whatever rounding says.
        let first = (self.low / step - 1e-9).ceil();
        let last = (self.high / step + 1e-9).floor();
        let count = (last - first).clamp(-1.0, 50.0) + 1.0;
        (0..count as usize)
            .map(|at| (first + at as f64) * step)
            .collect()
    }
}

/// A tick in as few digits as it needs.
pub(crate) fn label(tick: f64) -> String {
    let rounded = (tick * 1e9).round() / 1e9;
    match rounded.abs() {
        size if size >= 1e9 => format!("{}G", (rounded / 1e6).round() / 1e3),
        size if size >= 1e6 => format!("{}M", (rounded / 1e3).round() / 1e3),
        size if size >= 1e4 => format!("{}k", rounded.round() / 1e3),
        // No minus before a zero.
        _ => format!("{}", rounded + 0.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_inside() {
        let scale = Scale {
            low: -3.2,
            high: 7.9,
            from: 0.0,
            to: 1.0,
        };
        assert_eq!(scale.ticks(4), [0.0, 5.0]);
        let tiny = Scale {
            low: 0.1,
            high: 0.35,
            from: 0.0,
            to: 1.0,
        };
        let labels: Vec<String> = tiny.ticks(5).into_iter().map(label).collect();
        assert_eq!(labels, ["0.1", "0.15", "0.2", "0.25", "0.3", "0.35"]);
        assert_eq!(
            (label(-0.0), label(25_000.0), label(1.5e6)),
            ("0".into(), "25k".into(), "1.5M".into())
        );
    }

    #[test]
    fn one_value_or_none_is_still_an_axis() {
        for values in [vec![], vec![3.0], vec![f64::NAN]] {
            let scale = Scale::around(values.into_iter(), 0.0, 100.0);
            assert!(scale.high > scale.low && !scale.ticks(5).is_empty());
        }
    }
}
