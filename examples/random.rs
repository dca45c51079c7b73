//! Random numbers of the examples' own.
//!
//! Burn's Flex backend has one generator per process, so two trainings in one process would change
//! each other's draws. Here every use has a generator of its own, named by a seed and a stream:
//! the initial weights and the order of the images can then be varied one without the other.

/// SplitMix64 (Steele, Lea, Flood 2014): 64 bits of state, good enough for weights and shuffling.
#[derive(Clone, Debug)]
pub struct Generator {
    state: u64,
}

impl Generator {
    /// The generator of `stream` under `seed`; equal arguments give equal numbers on any machine.
    pub fn new(seed: u64, stream: &str) -> Self {
        // FNV-1a spreads the name over 64 bits; one draw then mixes it with the seed.
        let name = stream
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
            });
        let mut mixed = Self { state: seed };
        let state = mixed.next_u64() ^ name;
        Self { state }
    }

    /// 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Uniform in [0, 1).
    pub fn unit(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Uniform in [-bound, bound).
    pub fn within(&mut self, bound: f64) -> f64 {
        (2.0 * self.unit() - 1.0) * bound
    }

    /// Normal with mean 0 and variance 1 (Box and Muller 1958, one of the pair).
    pub fn normal(&mut self) -> f64 {
        // 1 - u is never 0.
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.unit()).cos()
    }

    /// Uniform in 0..n; 0 where n is 0.
    pub fn below(&mut self, n: usize) -> usize {
        // The high half of the product is uniform up to a bias of n / 2^64.
        ((u128::from(self.next_u64()) * n as u128) >> 64) as usize
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
    fn the_first_draws_are_those_of_the_published_splitmix64() {
        // Reference values of Vigna's splitmix64.c started at state 1234567.
        let mut generator = Generator { state: 1_234_567 };
        assert_eq!(generator.next_u64(), 6_457_827_717_110_365_317);
        assert_eq!(generator.next_u64(), 3_203_168_211_198_807_973);
    }

    #[test]
    fn streams_and_seeds_differ_and_repeat() {
        let draw = |seed, stream| Generator::new(seed, stream).next_u64();
        assert_eq!(draw(1, "order"), draw(1, "order"));
        assert_ne!(draw(1, "order"), draw(1, "weights"));
        assert_ne!(draw(1, "order"), draw(2, "order"));
    }

    #[test]
    fn a_shuffle_keeps_every_item() {
        let mut items: Vec<usize> = (0..1_000).collect();
        Generator::new(7, "test").shuffle(&mut items);
        assert_ne!(items, (0..1_000).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..1_000).collect::<Vec<_>>());
    }

    #[test]
    fn draws_are_uniform_enough() {
        let mut generator = Generator::new(3, "test");
        let mut seen = [0_usize; 10];
        for _ in 0..10_000 {
            seen[generator.below(10)] += 1;
        }
        assert!(seen.iter().all(|&n| (850..1_150).contains(&n)), "{seen:?}");
        assert_eq!(generator.below(0), 0);
    }
}
