//! Whether two nets differ on the same images, or may just have been lucky.

/// What became of the images between a first and a second net.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Paired {
    /// Right before, wrong now.
    pub lost: usize,
    /// Wrong before, right now.
    pub won: usize,
    /// Two-sided mid-p of McNemar's exact test: how often two equally good nets would differ by
    /// this much or more.
    pub p: f64,
}

impl Paired {
    /// Compares verdicts (right or wrong) on the same images in the same order.
    pub(crate) fn new(before: &[bool], after: &[bool]) -> Self {
        let count = |was: bool, is: bool| {
            let pairs = before.iter().zip(after);
            pairs.filter(|&(&b, &a)| b == was && a == is).count()
        };
        let (lost, won) = (count(true, false), count(false, true));
        Self {
            lost,
            won,
            p: mid_p(lost, won),
        }
    }

    /// Whether chance explains the difference in less than one case of twenty.
    pub(crate) fn is_shown(&self) -> bool {
        self.p < 0.05
    }
}

/// McNemar's test in the mid-p form (Fagerland, Lydersen, Laake 2013).
///
/// Images on which both nets agree say nothing. If the nets were equally good, each of the other
/// n would be lost or won like a fair coin falls, so the smaller count m is binomial(n, 1/2):
/// `p = 2 P(X <= m) - P(X = m)`, and 1 where both counts are equal.
fn mid_p(lost: usize, won: usize) -> f64 {
    if lost == won {
        return 1.0;
    }
    let n = lost + won;
    let smaller = lost.min(won);
    // ln P(X = k), from k = 0 upwards, so that no power of 1/2 underflows.
    let mut ln_p = -(n as f64) * std::f64::consts::LN_2;
    let mut up_to = ln_p.exp();
    for k in 1..=smaller {
        ln_p += ((n - k + 1) as f64 / k as f64).ln();
        up_to += ln_p.exp();
    }
    2.0 * up_to - ln_p.exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn worked_example_of_fagerland_and_others() {
        // 1 against 7: exact p = 2 (1 + 8) / 256 = 0.0703, mid-p = 0.0703 - 8 / 256 = 0.0391.
        assert!((mid_p(1, 7) - 10.0 / 256.0).abs() < 1e-12);
        assert!((mid_p(7, 1) - 10.0 / 256.0).abs() < 1e-12);
    }

    #[test]
    fn nothing_lost_or_won_shows_nothing() {
        assert_eq!(mid_p(0, 0), 1.0);
        assert_eq!(mid_p(30, 30), 1.0);
        // One image: 2 * 1/2 - 1/2.
        assert!((mid_p(0, 1) - 0.5).abs() < 1e-12);
    }

    #[test]
    fn many_images_neither_underflow_nor_exceed_one() {
        // Normal approximation: z = 200 / sqrt(4000) = 3.162, two-sided p = 0.00157.
        assert!((mid_p(1_900, 2_100) - 0.001_57).abs() < 2e-5);
        assert!(mid_p(2_000, 2_001) <= 1.0);
    }

    #[test]
    fn only_images_that_changed_count() {
        let before = [true, true, true, false, false];
        let after = [true, false, false, true, false];
        let paired = Paired::new(&before, &after);
        assert_eq!((paired.lost, paired.won), (2, 1));
        assert!(!paired.is_shown());
    }
}
