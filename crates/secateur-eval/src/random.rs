//! What the evaluation draws: the same on every machine and at every thread count.

pub use secateur_core::random::Stream;

/// Draws beyond those that a [`Stream`] has itself.
///
/// A stream depends on its key alone, so the work of replicate 17 does not depend on who did
/// replicate 16.
///
/// ```
/// use secateur_eval::random::{Sample, Stream};
///
/// let mut a = Stream::new(42, "bootstrap", 7);
/// let mut b = Stream::new(42, "bootstrap", 7);
/// assert_eq!(a.resample(10), b.resample(10));
/// ```
pub trait Sample {
    /// A number in [low, high).
    fn between(&mut self, low: f32, high: f32) -> f32;

    /// -1 or 1.
    fn sign(&mut self) -> f32;

    /// Two independent draws from the standard normal distribution (Box and Muller).
    fn normals(&mut self) -> [f32; 2];

    /// A draw from the Poisson distribution of mean `mean`; 0 if it is not positive.
    ///
    /// Up to a mean of 10 by multiplying uniform numbers (Knuth), above by transformed rejection
    /// (Hörmann 1993, "PTRS").
    fn poisson(&mut self, mean: f32) -> u32;

    /// Draws `n` of `n` with replacement: how often each was drawn.
    fn resample(&mut self, n: usize) -> Vec<u32>;
}

impl Sample for Stream {
    fn between(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.uniform()
    }

    fn sign(&mut self) -> f32 {
        if self.next_u64() >> 63 == 0 {
            -1.0
        } else {
            1.0
        }
    }

    fn normals(&mut self) -> [f32; 2] {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        let (sin, cos) = (std::f32::consts::TAU * self.uniform()).sin_cos();
        [radius * cos, radius * sin]
    }

    fn poisson(&mut self, mean: f32) -> u32 {
        if mean.is_nan() || mean <= 0.0 {
            return 0;
        }
        let mean = f64::from(mean);
        if mean < 10.0 {
            let limit = (-mean).exp();
            let (mut count, mut product) = (0, fine(self));
            while product > limit {
                count += 1;
                product *= fine(self);
            }
            return count;
        }
        let b = 0.931 + 2.53 * mean.sqrt();
        let a = -0.059 + 0.02483 * b;
        let inverse_alpha = 1.1239 + 1.1328 / (b - 3.4);
        let v_r = 0.9277 - 3.6224 / (b - 2.0);
        loop {
            let u = fine(self) - 0.5;
            let v = fine(self);
            let us = 0.5 - u.abs();
            let k = ((2.0 * a / us + b) * u + mean + 0.43).floor();
            if us >= 0.07 && v <= v_r {
                return k as u32;
            }
            if k < 0.0 || (us < 0.013 && v > us) {
                continue;
            }
            let left = (v * inverse_alpha / (a / (us * us) + b)).ln();
            if left <= k * mean.ln() - mean - statrs::function::gamma::ln_gamma(k + 1.0) {
                return k as u32;
            }
        }
    }

    fn resample(&mut self, n: usize) -> Vec<u32> {
        let mut counts = vec![0; n];
        for _ in 0..n {
            counts[self.below(n)] += 1;
        }
        counts
    }
}

/// A number in (0, 1], a multiple of 2⁻⁵³.
fn fine(stream: &mut Stream) -> f64 {
    ((stream.next_u64() >> 11) + 1) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn poisson_has_its_mean_and_variance() {
        let mut stream = Stream::new(1, "poisson", 0);
        for mean in [0.1_f32, 3.0, 9.9, 10.1, 60.0, 500.0] {
            let n = 40_000;
            let draws: Vec<f64> = (0..n).map(|_| f64::from(stream.poisson(mean))).collect();
            let m = draws.iter().sum::<f64>() / n as f64;
            let v = draws.iter().map(|d| (d - m).powi(2)).sum::<f64>() / n as f64;
            let lambda = f64::from(mean);
            // Five standard errors; the variance's is √(λ + 2λ²)/√n.
            assert!(
                (m - lambda).abs() < 5.0 * (lambda / n as f64).sqrt(),
                "{mean}: {m}"
            );
            let error = ((lambda + 2.0 * lambda * lambda) / n as f64).sqrt();
            assert!((v - lambda).abs() < 5.0 * error, "{mean}: {v}");
        }
        assert_eq!(stream.poisson(0.0), 0);
        assert_eq!(stream.poisson(f32::NAN), 0);
    }

    #[test]
    fn normals_have_their_moments() {
        let mut stream = Stream::new(3, "normals", 0);
        let draws: Vec<f32> = (0..50_000).flat_map(|_| stream.normals()).collect();
        let mean = draws.iter().sum::<f32>() / draws.len() as f32;
        let variance = draws.iter().map(|d| d * d).sum::<f32>() / draws.len() as f32;
        assert!(mean.abs() < 0.015, "{mean}");
        assert!((variance - 1.0).abs() < 0.02, "{variance}");
        assert!(draws.iter().all(|d| d.is_finite()));
    }

    #[test]
    fn resampling_draws_n_of_n() {
        let counts = Stream::new(9, "resample", 0).resample(50);
        assert_eq!(counts.iter().sum::<u32>(), 50);
        assert!(Stream::new(9, "resample", 0).resample(0).is_empty());
    }
}
