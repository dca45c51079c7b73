//! The evaluation's random numbers: the same on every machine and at every thread count.

/// A stream of random numbers keyed by seed, name and index.
///
/// This is version 1 of Secateur's generator (`secateur_core::random::Stream` gives the same bits):
/// the key is hashed by FNV-1a (64 bit), numbers come from SplitMix64. A stream depends on its key
/// alone, so the work of replicate 17 does not depend on who did replicate 16.
///
/// ```
/// use secateur_eval::random::Stream;
///
/// let mut a = Stream::new(42, "bootstrap", 7);
/// let mut b = Stream::new(42, "bootstrap", 7);
/// assert_eq!(a.next_u64(), b.next_u64());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stream {
    state: u64,
}

/// FNV-1a, 64 bit.
pub(crate) fn fnv(bytes: impl IntoIterator<Item = u8>) -> u64 {
    let start = 0xcbf2_9ce4_8422_2325_u64;
    bytes.into_iter().fold(start, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

impl Stream {
    /// The stream of a seed, a name and an index.
    #[must_use]
    pub fn new(seed: u64, name: &str, index: usize) -> Self {
        let key = seed
            .to_le_bytes()
            .into_iter()
            .chain((index as u64).to_le_bytes())
            .chain(name.bytes());
        Self { state: fnv(key) }
    }

    /// 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = self.state;
        let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number in [0, 1), a multiple of 2⁻²⁴.
    pub fn uniform(&mut self) -> f32 {
        (self.next_u64() >> 40) as f32 / (1 << 24) as f32
    }

    /// A number in [low, high).
    pub fn between(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.uniform()
    }

    /// An index below `n`, 0 if `n` is 0.
    pub fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.next_u64()) * n as u128) >> 64) as usize
    }

    /// -1 or 1.
    pub fn sign(&mut self) -> f32 {
        if self.next_u64() >> 63 == 0 {
            -1.0
        } else {
            1.0
        }
    }

    /// Two independent draws from the standard normal distribution (Box and Muller).
    pub fn normals(&mut self) -> [f32; 2] {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        let (sin, cos) = (std::f32::consts::TAU * self.uniform()).sin_cos();
        [radius * cos, radius * sin]
    }

    /// A draw from the Poisson distribution of mean `mean`; 0 if it is not positive.
    ///
    /// Up to a mean of 10 by multiplying uniform numbers (Knuth), above by transformed rejection
    /// (Hörmann 1993, "PTRS").
    pub fn poisson(&mut self, mean: f32) -> u32 {
        if mean.is_nan() || mean <= 0.0 {
            return 0;
        }
        let mean = f64::from(mean);
        if mean < 10.0 {
            let limit = (-mean).exp();
            let (mut count, mut product) = (0, self.fine());
            while product > limit {
                count += 1;
                product *= self.fine();
            }
            return count;
        }
        let b = 0.931 + 2.53 * mean.sqrt();
        let a = -0.059 + 0.02483 * b;
        let inverse_alpha = 1.1239 + 1.1328 / (b - 3.4);
        let v_r = 0.9277 - 3.6224 / (b - 2.0);
        loop {
            let u = self.fine() - 0.5;
            let v = self.fine();
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

    /// Puts `items` into a random order (Fisher and Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }

    /// Draws `n` of `n` with replacement: how often each was drawn.
    pub fn resample(&mut self, n: usize) -> Vec<u32> {
        let mut counts = vec![0; n];
        for _ in 0..n {
            counts[self.below(n)] += 1;
        }
        counts
    }

    /// A number in (0, 1], a multiple of 2⁻⁵³.
    fn fine(&mut self) -> f64 {
        ((self.next_u64() >> 11) + 1) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_1_is_fixed() {
        // SplitMix64 of seed 0 begins 0xe220a8397b1dcdaf (Vigna's reference code).
        let mut stream = Stream { state: 0 };
        assert_eq!(stream.next_u64(), 0xe220_a839_7b1d_cdaf);
        assert_eq!(stream.next_u64(), 0x6e78_9e6a_a1b9_65f4);
        // FNV-1a of sixteen zero bytes: offset basis times prime^16, no xor ever changes it.
        let zeros = (0..16).fold(0xcbf2_9ce4_8422_2325_u64, |h, _| {
            h.wrapping_mul(0x0000_0100_0000_01b3)
        });
        assert_eq!(Stream::new(0, "", 0).state, zeros);
    }

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
