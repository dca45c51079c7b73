//! Shares of right answers of each model, on a test set and on ones that are drawn from it.

use rayon::prelude::*;

use super::bootstrap::{Estimate, Resampling, mean};
use crate::predictions::Hits;
use crate::random::{Sample, Stream};
use crate::settings::{Drawn, Settings};

/// Of one population under one condition.
#[derive(Clone, Debug)]
pub(crate) struct Shares {
    plain: Vec<f64>,
    /// By replicate, then by model; empty where examples are not drawn.
    redrawn: Vec<Vec<f64>>,
}

impl Shares {
    /// From which answers of each model are right.
    pub(crate) fn of(models: &[Hits], settings: &Settings) -> Self {
        let redrawn = match settings.drawn {
            Drawn::Models => Vec::new(),
            Drawn::ModelsAndExamples => redrawn(models, &settings.resampling()),
        };
        Self {
            plain: models.iter().map(Hits::share).collect(),
            redrawn,
        }
    }

    /// The mean of several conditions, model by model and replicate by replicate.
    pub(crate) fn mean(conditions: &[Self]) -> Self {
        let over = |of: &dyn Fn(&Self) -> Vec<f64>| -> Vec<f64> {
            let rows: Vec<Vec<f64>> = conditions.iter().map(of).collect();
            let models = rows.first().map_or(0, Vec::len);
            (0..models)
                .map(|model| mean(&rows.iter().map(|row| row[model]).collect::<Vec<_>>()))
                .collect()
        };
        let replicates = conditions.first().map_or(0, |first| first.redrawn.len());
        Self {
            plain: over(&|shares| shares.plain.clone()),
            redrawn: (0..replicates)
                .map(|replicate| over(&|shares| shares.redrawn[replicate].clone()))
                .collect(),
        }
    }

    /// On the test set itself.
    pub(crate) fn plain(&self) -> &[f64] {
        &self.plain
    }

    /// On the test set of a replicate, which is the same for all populations and conditions.
    pub(crate) fn on(&self, replicate: usize) -> &[f64] {
        self.redrawn.get(replicate).unwrap_or(&self.plain)
    }

    /// The mean over the models.
    pub(crate) fn estimate(&self, name: &str, resampling: &Resampling) -> Estimate {
        let n = self.plain.len();
        let replicates = resampling.draw_each(name, |replicate, stream| {
            let shares = self.on(replicate);
            (0..n).map(|_| shares[stream.below(n)]).sum::<f64>() / n.max(1) as f64
        });
        Estimate {
            value: mean(&self.plain),
            interval: resampling.interval(replicates, n, n as f64 - 1.0),
        }
    }

    /// How much higher the mean of these models is than that of `before`; where `paired`, a model
    /// is drawn with its partner.
    pub(crate) fn gain(
        &self,
        before: &Self,
        paired: bool,
        name: &str,
        resampling: &Resampling,
    ) -> Estimate {
        let (n, m) = (self.plain.len(), before.plain.len());
        let replicates = resampling.draw_each(name, |replicate, stream| {
            let (old, new) = (before.on(replicate), self.on(replicate));
            if paired {
                let gains = (0..n).map(|_| stream.below(n)).map(|at| new[at] - old[at]);
                return gains.sum::<f64>() / n.max(1) as f64;
            }
            let mut drawn = |shares: &[f64]| -> f64 {
                let count = shares.len();
                (0..count).map(|_| shares[stream.below(count)]).sum::<f64>() / count.max(1) as f64
            };
            let first = drawn(old);
            drawn(new) - first
        });
        let smaller = n.min(m) as f64;
        Estimate {
            value: mean(&self.plain) - mean(&before.plain),
            interval: resampling.interval(
                replicates,
                n.min(m),
                (if paired { 1.0 } else { 2.0 }) * (smaller - 1.0),
            ),
        }
    }
}

fn redrawn(models: &[Hits], resampling: &Resampling) -> Vec<Vec<f64>> {
    let examples = models.first().map_or(0, Hits::len);
    // A row for each example: what is added for it lies side by side.
    let rows: Vec<u8> = (0..examples)
        .flat_map(|example| models.iter().map(move |hits| u8::from(hits.get(example))))
        .collect();
    (0..resampling.replicates)
        .into_par_iter()
        .map(|replicate| {
            let times = Stream::new(resampling.seed, "examples", replicate).resample(examples);
            let mut right = vec![0_u32; models.len()];
            for (row, times) in rows.chunks_exact(models.len().max(1)).zip(times) {
                if times > 0 {
                    for (right, &hit) in right.iter_mut().zip(row) {
                        *right += times * u32::from(hit);
                    }
                }
            }
            let share = |right| f64::from(right) / examples.max(1) as f64;
            right.into_iter().map(share).collect()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(drawn: Drawn) -> Settings {
        Settings {
            drawn,
            ..Settings::default()
        }
    }

    fn hits(models: usize, examples: usize, share: f32) -> Vec<Hits> {
        (0..models)
            .map(|model| {
                let mut stream = Stream::new(3, "hits", model);
                (0..examples).map(|_| stream.uniform() < share).collect()
            })
            .collect()
    }

    #[test]
    fn models_that_agree_vary_with_the_examples_alone() {
        // All models are right on the same 80 of 100 examples: the deviation of a mean of 100
        // draws is √(0.8·0.2/100) = 0.04.
        let one: Hits = (0..100).map(|at| at < 80).collect();
        let models = vec![one; 10];
        let plain = Shares::of(&models, &settings(Drawn::Models));
        let both = Shares::of(&models, &settings(Drawn::ModelsAndExamples));
        let resampling = settings(Drawn::Models).resampling();
        let narrow = plain.estimate("a", &resampling);
        for end in [narrow.interval.low, narrow.interval.high] {
            assert!((end - 0.8).abs() < 1e-12, "{end}");
        }
        let drawn: Vec<f64> = (0..2000).map(|replicate| both.on(replicate)[0]).collect();
        let deviation = crate::statistics::bootstrap::deviation(&drawn);
        assert!((deviation - 0.04).abs() < 0.003, "{deviation}");
        assert!((mean(&drawn) - 0.8).abs() < 0.005);
        let wide = both.estimate("a", &resampling);
        assert!((wide.value - 0.8).abs() < 1e-12);
        assert!(wide.interval.high - wide.interval.low > 0.1, "{wide:?}");
    }

    #[test]
    fn populations_meet_the_same_examples() {
        // The same answers in both populations: whatever is drawn, nothing is gained.
        let one: Hits = (0..50).map(|at| at % 3 > 0).collect();
        let shares = Shares::of(&vec![one; 6], &settings(Drawn::ModelsAndExamples));
        let resampling = settings(Drawn::Models).resampling();
        for paired in [false, true] {
            let gain = shares.gain(&shares, paired, "g", &resampling);
            assert!(gain.interval.low.abs() < 1e-12 && gain.interval.high.abs() < 1e-12);
        }
    }

    #[test]
    fn without_examples_drawn_it_is_the_bootstrap_of_models() {
        let (a, b) = (hits(12, 200, 0.9), hits(12, 200, 0.7));
        let settings = settings(Drawn::Models);
        let resampling = settings.resampling();
        let [a, b] = [a, b].map(|models| Shares::of(&models, &settings));
        assert_eq!(
            a.estimate("n", &resampling),
            resampling.mean("n", a.plain())
        );
        for paired in [false, true] {
            let found = b.gain(&a, paired, "n", &resampling);
            let expected = resampling.difference("n", a.plain(), b.plain(), paired);
            assert!((found.value - expected.value).abs() < 1e-12);
            assert!((found.interval.low - expected.interval.low).abs() < 1e-12);
            assert!((found.interval.high - expected.interval.high).abs() < 1e-12);
        }
        let both = Shares::mean(&[a.clone(), b.clone()]);
        assert!((both.plain()[3] - 0.5 * (a.plain()[3] + b.plain()[3])).abs() < 1e-15);
    }
}
