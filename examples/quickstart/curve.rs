//! Accuracy while a net learns, as one line of text.

use std::time::Duration;

use indicatif::ProgressBar;
use secateur_examples::Result;
use secateur_examples::data::{Origin, Samples};
use secateur_examples::nets::Classifier;
use secateur_examples::training::{Hook, Progress, Student};

/// Points in a curve.
const POINTS: usize = 24;

/// Images that a point is measured on; few, since the curve is for the eye.
const IMAGES: usize = 500;

/// Measures the accuracy now and then, and moves the progress bar.
#[derive(Debug)]
pub(crate) struct Curve<'a, O> {
    samples: Samples<O>,
    bar: &'a ProgressBar,
    /// Accuracy in percent, from the first to the last step.
    pub points: Vec<f64>,
}

impl<'a, O: Origin> Curve<'a, O> {
    pub(crate) fn new(samples: &Samples<O>, bar: &'a ProgressBar) -> Self {
        bar.enable_steady_tick(Duration::from_millis(200));
        Self {
            samples: samples.first(IMAGES),
            bar,
            points: Vec::with_capacity(POINTS),
        }
    }
}

impl<M: Classifier, O: Origin> Hook<M, O> for Curve<'_, O> {
    fn after_step(&mut self, student: &mut Student<M, O>, at: Progress) -> Result<()> {
        self.bar.inc(1);
        // The point at which step 0, 1, .. is the last one; a point is due when it moves on.
        let reached = |steps: usize| steps * POINTS / at.total;
        if reached(at.step + 1) > reached(at.step) {
            self.points
                .push(100.0 - student.error_percent(&self.samples));
        }
        Ok(())
    }
}

/// Eight heights of bar, the lowest at `low` or less, the highest at `high` or more.
pub(crate) fn sparkline(points: &[f64], low: f64, high: f64) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let bar = |point: &f64| {
        let height = (point - low) / (high - low) * BARS.len() as f64;
        BARS[(height.max(0.0) as usize).min(BARS.len() - 1)]
    };
    points.iter().map(bar).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_rise_from_low_to_high() {
        let points = [40.0, 50.0, 55.0, 70.0, 89.9, 90.0, 99.0];
        assert_eq!(sparkline(&points, 50.0, 90.0), "▁▁▂▅███");
        assert_eq!(sparkline(&[1.0], 1.0, 1.0), "▁");
    }
}
