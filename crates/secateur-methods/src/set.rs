//! Sparse training that grows at random.

use secateur_core::error::PruneError;
use secateur_core::pruner::PrunerConfig;
use secateur_core::random::Stream;
use secateur_core::regrowth::Regrowth;
use secateur_core::scorer::ScoreContext;
use serde::{Deserialize, Serialize};

use crate::erk::Er;
use crate::rigl::check_share;
use crate::sparse_training::{RandomStart, START, exchanges};

/// SET, sparse evolutionary training (Mocanu et al. 2018, *Scalable training of artificial neural
/// networks with adaptive sparse connectivity inspired by network science*): drops the smallest
/// `|w|` and grows as many anywhere.
///
/// At every exchange a layer that keeps `m` weights drops `round(ζ·m)` of them, with `ζ` = 0.3 in
/// the paper, and grows as many at random among all that are then away, each with the same chance.
/// New weights start at zero; one that is drawn right after it was dropped keeps its value. The
/// paper drops the share `ζ` of the positive and of the negative weights apart; this follows the
/// RigL paper, which drops by `|w|`. The optimizer steps as ever.
///
/// Compared are the weights of one parameter; how many each parameter has follows from the
/// allocation and never changes.
///
/// Cost: no gradient, one random number per element and exchange.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Set {
    zeta: f64,
}

impl Set {
    /// Exchanges the share `zeta`, in [0, 1], of the kept weights.
    pub fn new(zeta: f64) -> Self {
        Self { zeta }
    }
}

impl Default for Set {
    fn default() -> Self {
        Self::new(0.3)
    }
}

impl Regrowth for Set {
    fn fraction(&self, step: usize) -> f64 {
        if step == START { 0.0 } else { self.zeta }
    }

    fn growth(&self, ctx: &ScoreContext<'_>, scores: &[f32]) -> Result<Vec<f32>, PruneError> {
        // A stream of its own: a scorer that draws too must not drop what is then grown.
        let mut stream = Stream::new(ctx.random().next_u64(), "growth of SET", ctx.step());
        Ok(scores.iter().map(|_| stream.uniform()).collect())
    }

    fn check(&self) -> Result<(), PruneError> {
        check_share("SET's zeta", self.zeta)
    }
}

/// SET at a constant `sparsity`, spread by [`Er`]: a random mask at step 0, then an exchange every
/// `every` steps before `until`.
///
/// The paper exchanges after every epoch but the last. For another share add
/// `.with_regrowth(Set::new(0.2))`; the seed is `PrunerConfig::with_seed`'s.
///
/// ```
/// # use secateur_methods::set;
/// // 600 steps an epoch, 50 epochs.
/// let config = set(0.95, 600, 50 * 600);
/// ```
pub fn set(sparsity: f64, every: usize, until: usize) -> PrunerConfig {
    PrunerConfig::new()
        .with_scorer(RandomStart)
        .with_allocation(Er)
        .with_schedule(exchanges(sparsity, every, until))
        .with_regrowth(Set::default())
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use secateur_core::allocation::Uniform;

    use super::*;
    use crate::worked::{Pair, kept};

    #[test]
    fn one_exchange_by_hand() {
        // Of 40 weights each, 20 are kept; 0.3·20 = 6 are dropped, the smallest |w|, and 6 grown
        // among 26. Whatever is drawn: the 14 largest stay, 20 are kept, what is new is zero.
        let weights: Vec<f32> = (1..=40)
            .map(|i| if i % 2 == 0 { -i as f32 } else { i as f32 })
            .collect();
        let mut model = Pair::new(&weights, &weights);
        let config = set(0.5, 10, 100).with_allocation(Uniform).with_seed(5);
        let mut pruner = config.init_module(&model).unwrap();
        let first = pruner.prune(&mut model, 0).unwrap().unwrap();
        assert_eq!((first.kept, first.regrown), (40, 0));
        let (before, _) = kept(&pruner, &model);
        assert!(pruner.prune(&mut model, 9).unwrap().is_none());
        let event = pruner.prune(&mut model, 10).unwrap().unwrap();
        assert_eq!(event.removed, event.regrown);
        let (after, other) = kept(&pruner, &model);
        assert_eq!((after.len(), other.len()), (20, 20));
        // |w| rises with the index, so the last 14 of what was kept stay.
        assert!(before[6..].iter().all(|index| after.contains(index)));
        let came: Vec<_> = after
            .iter()
            .filter(|index| !before.contains(index))
            .collect();
        assert!((1..=6).contains(&came.len()), "{came:?}");
        let (a, _) = model.values();
        assert!(came.iter().all(|&&index| a[index].to_bits() == 0));
        assert!(
            after
                .iter()
                .filter(|i| before.contains(i))
                .all(|&i| a[i] == weights[i])
        );
    }

    #[test]
    fn growth_is_uniform_and_independent_of_the_scores() {
        // 600 times 2 of the kept 4, 5, 6, 7 are dropped, 4 and 5, and 2 grown among the six that
        // are then away: each has the chance 1/3, whether it was dropped just now or not.
        let weights = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 70.0, 80.0];
        let mut grown = [0_usize; 8];
        for seed in 0..600 {
            let mut model = Pair::new(&weights, &weights);
            let config = set(0.5, 1, 9).with_regrowth(Set::new(0.5)).with_seed(seed);
            let mut pruner = config.with_allocation(Uniform).init_module(&model).unwrap();
            let mask = secateur_core::mask::Mask::from_fn([2, 4, 1], |index| index >= 4).unwrap();
            let masks = [("a".to_string(), mask)].into_iter().collect();
            pruner.set_masks(&mut model, &masks).unwrap();
            pruner.prune(&mut model, 1).unwrap();
            for index in kept(&pruner, &model).0 {
                grown[index] += 1;
            }
        }
        assert_eq!(grown[6..], [600, 600]);
        // 600/3 = 200, with a standard deviation of √(600·1/3·2/3) = 11.5.
        assert!(
            grown[..6].iter().all(|count| (154..=246).contains(count)),
            "{grown:?}"
        );
    }

    #[test]
    fn densities_are_those_of_er_and_the_first_mask_is_random() {
        // Of 4 + 16 weights 10 are kept, in proportion to 2 + 2 and 2 + 8: 2.86 and 7.14. The
        // largest of b come last, and chance does not choose just those.
        let rising: Vec<f32> = (1..=16).map(|i| i as f32).collect();
        let mut model = Pair::new(&[1.0; 4], &rising);
        let mut pruner = set(0.5, 5, 9).init_module(&model).unwrap();
        pruner.prune(&mut model, 0).unwrap();
        let (a, b) = kept(&pruner, &model);
        assert_eq!((a.len(), b.len()), (3, 7));
        assert_ne!(b, (9..16).collect::<Vec<_>>());
    }

    #[test]
    fn a_zeta_out_of_range_is_refused() {
        let model = Pair::new(&[1.0, 2.0], &[3.0, 4.0]);
        let config = set(0.5, 1, 9).with_regrowth(Set::new(30.0));
        let message = config.init_module(&model).unwrap_err().to_string();
        assert!(message.contains("`SET's zeta`"), "{message}");
    }
}
