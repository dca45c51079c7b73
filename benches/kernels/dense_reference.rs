//! The dense time that a ratio is taken against.
//!
//! A slow dense product would flatter the sparse one. The fastest dense contestant therefore
//! counts only where it is as fast as dense can be expected to be on this machine; elsewhere the
//! ratio is taken against that expectation.

use crate::work::Work;

/// Share of the multiply-add peak that a dense product has to reach.
pub(crate) const PRODUCT_SHARE: f64 = 0.9;

/// Share of the multiply-add peak that a direct dense convolution has to reach.
pub(crate) const CONVOLUTION_SHARE: f64 = 0.85;

/// Milliseconds that a dense product of 1024 x 1024 with one column may take.
pub(crate) const VECTOR_MS: f64 = 0.05;

/// What a dense contestant has to reach to count.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Expectation {
    /// A share of the multiply-add peak.
    PeakShare(f64),
    /// A time in milliseconds.
    Within(f64),
    /// Nothing: the fastest counts as it is.
    None,
}

impl Expectation {
    /// What is expected of dense `work`.
    pub(crate) fn of(work: Work) -> Self {
        match work {
            Work::Convolution { .. } => Self::PeakShare(CONVOLUTION_SHARE),
            Work::Product {
                m: 1024,
                k: 1024,
                n: 1,
            } => Self::Within(VECTOR_MS),
            Work::Product { n: 1, .. } => Self::None,
            Work::Product { .. } | Work::Training { .. } => Self::PeakShare(PRODUCT_SHARE),
        }
    }

    /// The milliseconds expected where the peak is `peak` GFLOP/s, if anything is.
    fn ms(self, work: Work, peak: f64) -> Option<f64> {
        match self {
            Self::PeakShare(share) => Some(work.dense_flops() / (share * peak) * 1e-6),
            Self::Within(ms) => Some(ms),
            Self::None => None,
        }
    }
}

/// The dense time that counts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct DenseReference {
    pub ms: f64,
    /// Whether it is the expectation, as the fastest contestant is slower.
    pub expected: bool,
}

impl DenseReference {
    /// From the time of the fastest contestant.
    pub(crate) fn new(work: Work, best_ms: f64, peak: f64) -> Self {
        match Expectation::of(work).ms(work, peak) {
            Some(ms) if ms < best_ms => Self { ms, expected: true },
            _ => Self {
                ms: best_ms,
                expected: false,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_dense_product_does_not_count() {
        let (m, k, n) = (1000, 1000, 50);
        let work = Work::Product { m, k, n };
        // 100 million operations at 0.9 of 100 GFLOP/s take 1.111 ms.
        let slow = DenseReference::new(work, 2.0, 100.0);
        assert!(slow.expected);
        assert!((slow.ms - 1.0 / 0.9).abs() < 1e-9);
        let fast = DenseReference::new(work, 1.05, 100.0);
        assert_eq!((fast.ms, fast.expected), (1.05, false));
        // Three such products.
        let step = DenseReference::new(Work::Training { m, k, n }, 9.0, 100.0);
        assert!((step.ms - 3.0 / 0.9).abs() < 1e-9);
    }

    #[test]
    fn convolutions_are_held_to_another_share() {
        let work = Work::Convolution {
            out: 10,
            input: 10,
            kernel: 3,
            image: [100, 100],
        };
        // 18 million operations at 0.85 of 18 GFLOP/s.
        let reference = DenseReference::new(work, 5.0, 18.0);
        assert!((reference.ms - 1.0 / 0.85).abs() < 1e-9);
    }

    #[test]
    fn one_column_is_held_to_a_time_where_one_is_set() {
        let work = |size| Work::Product {
            m: size,
            k: size,
            n: 1,
        };
        assert_eq!(DenseReference::new(work(1024), 0.07, 100.0).ms, VECTOR_MS);
        assert_eq!(DenseReference::new(work(1024), 0.04, 100.0).ms, 0.04);
        assert_eq!(DenseReference::new(work(4096), 9.0, 100.0).ms, 9.0);
    }
}
