//! Secateur's own random numbers: the same on every device, backend and thread count.

/// A stream of random numbers keyed by seed, parameter path and step.
///
/// Version 1: the key is hashed by FNV-1a (64 bit), numbers come from SplitMix64. Streams of
/// different keys are independent for all practical purposes, and none depends on what else was
/// drawn before, so a resumed run draws what a run without a stop would have drawn.
///
/// ```
/// use secateur_core::random::Stream;
///
/// let mut a = Stream::new(42, "fc.weight", 100);
/// let mut b = Stream::new(42, "fc.weight", 100);
/// assert_eq!(a.next_u64(), b.next_u64());
/// assert_ne!(a.next_u64(), Stream::new(42, "fc.weight", 101).next_u64());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stream {
    state: u64,
}

/// The FNV-1a hash of `bytes`, 64 bit: quick, fixed for ever, and no protection against intent.
///
/// ```
/// // The hash of nothing is the offset basis.
/// assert_eq!(secateur_core::random::fnv([]), 0xcbf2_9ce4_8422_2325);
/// ```
pub fn fnv(bytes: impl IntoIterator<Item = u8>) -> u64 {
    let start = 0xcbf2_9ce4_8422_2325_u64;
    bytes.into_iter().fold(start, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

impl Stream {
    /// The stream of a seed, a path and a step.
    pub fn new(seed: u64, path: &str, step: usize) -> Self {
        let key = seed
            .to_le_bytes()
            .into_iter()
            .chain((step as u64).to_le_bytes())
            .chain(path.bytes());
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

    /// An index below `n`, 0 if `n` is 0.
    pub fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.next_u64()) * n as u128) >> 64) as usize
    }

    /// A draw from the standard normal distribution (Box and Muller).
    pub fn normal(&mut self) -> f32 {
        let radius = (-2.0 * (1.0 - f64::from(self.uniform())).ln()).sqrt();
        (radius * (std::f64::consts::TAU * f64::from(self.uniform())).cos()) as f32
    }

    /// Puts `items` into a random order (Fisher and Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
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
    fn draws_stay_in_range_and_look_uniform() {
        let mut stream = Stream::new(1, "w", 2);
        let mean = (0..10_000).map(|_| stream.uniform()).sum::<f32>() / 10_000.0;
        assert!((mean - 0.5).abs() < 0.01, "{mean}");
        assert!((0..1000).all(|_| stream.below(3) < 3));
        assert_eq!(stream.below(0), 0);
        let variance = (0..10_000).map(|_| stream.normal().powi(2)).sum::<f32>() / 10_000.0;
        assert!((variance - 1.0).abs() < 0.05, "{variance}");
        let mut order: Vec<_> = (0..50).collect();
        stream.shuffle(&mut order);
        assert_ne!(order, (0..50).collect::<Vec<_>>());
        order.sort_unstable();
        assert_eq!(order, (0..50).collect::<Vec<_>>());
    }
}
