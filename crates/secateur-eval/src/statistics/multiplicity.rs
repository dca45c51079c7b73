//! Many tests at once.

use serde::{Deserialize, Serialize};

/// How p-values of a family of tests are adjusted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Correction {
    /// Not at all, as in the paper: of n tests α·n come out by chance.
    None,
    /// Benjamini and Hochberg (1995): among what is called changed, at most a share α is wrong on
    /// average. Holds for independent and positively dependent tests.
    #[default]
    BenjaminiHochberg,
    /// Holm (1979): the chance of any wrong call is at most α, whatever the dependence.
    Holm,
}

impl Correction {
    /// Adjusted p-values, in the order given; compare them with α.
    ///
    /// With p₍₁₎ ≤ … ≤ p₍ₙ₎: Benjamini-Hochberg minⱼ≥ᵢ n·p₍ⱼ₎/j, Holm maxⱼ≤ᵢ (n − j + 1)·p₍ⱼ₎, both
    /// cut off at 1.
    ///
    /// ```
    /// use secateur_eval::statistics::Correction;
    ///
    /// let p = [0.01, 0.04, 0.03];
    /// assert_eq!(Correction::Holm.adjust(&p), [0.03, 0.06, 0.06]);
    /// assert_eq!(Correction::BenjaminiHochberg.adjust(&p), [0.03, 0.04, 0.04]);
    /// ```
    #[must_use]
    pub fn adjust(self, p: &[f64]) -> Vec<f64> {
        let n = p.len();
        let mut order: Vec<usize> = (0..n).collect();
        order.sort_by(|&a, &b| p[a].total_cmp(&p[b]));
        let mut adjusted = p.to_vec();
        match self {
            Self::None => {}
            Self::BenjaminiHochberg => {
                let mut least = 1.0_f64;
                for (rank, &at) in order.iter().enumerate().rev() {
                    least = least.min(p[at] * (n as f64 / (rank + 1) as f64));
                    adjusted[at] = least;
                }
            }
            Self::Holm => {
                let mut most = 0.0_f64;
                for (rank, &at) in order.iter().enumerate() {
                    most = most.max((p[at] * (n - rank) as f64).min(1.0));
                    adjusted[at] = most;
                }
            }
        }
        adjusted
    }

    /// Its name in a sentence.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "no correction",
            Self::BenjaminiHochberg => "Benjamini-Hochberg",
            Self::Holm => "Holm",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn adjusting_keeps_order_and_bounds(p in prop::collection::vec(0.0_f64..=1.0, 0..40)) {
            for correction in [Correction::None, Correction::BenjaminiHochberg, Correction::Holm] {
                let adjusted = correction.adjust(&p);
                prop_assert_eq!(adjusted.len(), p.len());
                for i in 0..p.len() {
                    prop_assert!(adjusted[i] >= p[i] && adjusted[i] <= 1.0);
                    for j in 0..p.len() {
                        prop_assert!(p[i] > p[j] || adjusted[i] <= adjusted[j]);
                    }
                }
            }
            // Holm is never more generous than Benjamini-Hochberg, Bonferroni never than Holm.
            let holm = Correction::Holm.adjust(&p);
            let bh = Correction::BenjaminiHochberg.adjust(&p);
            for i in 0..p.len() {
                prop_assert!(bh[i] <= holm[i] * (1.0 + 1e-12));
                prop_assert!(holm[i] <= (p[i] * p.len() as f64).min(1.0));
            }
        }
    }
}
