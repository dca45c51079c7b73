//! Sparse training that grows where the gradient is large.

use std::f64::consts::PI;
use std::sync::Arc;

use secateur_core::error::PruneError;
use secateur_core::mask_op::GradientFlow;
use secateur_core::pruner::PrunerConfig;
use secateur_core::regrowth::Regrowth;
use secateur_core::scorer::ScoreContext;
use secateur_core::signal::{LastGradient, Signal};
use secateur_core::treatment::{Regrown, Removed, Treatment};
use serde::{Deserialize, Serialize};

use crate::erk::Erk;
use crate::sparse_training::{RandomStart, START, exchanges};

/// RigL (Evci et al. 2020, *Rigging the Lottery: Making All Tickets Winners*): drops the smallest
/// `|w|` and grows the largest `|g|` of the dense gradient of one batch.
///
/// At step `t` a layer that keeps `m` weights exchanges `k = f(t)·m` of them, rounded, with
/// `f(t) = α/2·(1 + cos(π·t/T_end))`, where `α` is 0.3 unless [`with_alpha`](Self::with_alpha)
/// says otherwise. New weights start at zero. Weights that were just dropped are candidates too;
/// one that comes straight back keeps its value. An exchange takes the place of the optimizer's
/// step.
///
/// Compared are, to drop and to grow, the weights of one parameter; how many each parameter has
/// follows from the allocation and never changes.
///
/// Cost: a dense gradient for every exchange, fetched to the host for the steps that are observed.
/// See [`rigl()`] for the loop.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RigL {
    alpha: f64,
    until: usize,
}

impl RigL {
    /// Exchanges until the step `until`, the paper's `T_end`: three quarters of the training.
    pub fn new(until: usize) -> Self {
        Self { alpha: 0.3, until }
    }

    /// The share of the kept weights, in [0, 1], that is exchanged at first.
    #[must_use]
    pub fn with_alpha(self, alpha: f64) -> Self {
        Self { alpha, ..self }
    }
}

impl Regrowth for RigL {
    fn fraction(&self, step: usize) -> f64 {
        if step == START || step >= self.until {
            return 0.0;
        }
        self.alpha / 2.0 * (1.0 + (PI * step as f64 / self.until as f64).cos())
    }

    fn growth(&self, ctx: &ScoreContext<'_>, scores: &[f32]) -> Result<Vec<f32>, PruneError> {
        if ctx.step() == START {
            // Nothing grows while the first mask is made, and no gradient is needed for it.
            return Ok(scores.to_vec());
        }
        let gradient = ctx.signal(&LastGradient)?;
        Ok(gradient.into_iter().map(f32::abs).collect())
    }

    fn signals(&self) -> Vec<Arc<dyn Signal>> {
        vec![Arc::new(LastGradient)]
    }

    fn replaces_update(&self) -> bool {
        true
    }

    fn check(&self) -> Result<(), PruneError> {
        check_share("RigL's alpha", self.alpha)
    }
}

/// Refuses a share of exchanged weights outside [0, 1].
pub(crate) fn check_share(setting: &str, share: f64) -> Result<(), PruneError> {
    if (0.0..=1.0).contains(&share) {
        return Ok(());
    }
    Err(PruneError::invalid(
        setting,
        share,
        "in [0, 1]",
        "pass the share of kept weights to exchange, e.g. 0.3",
    ))
}

/// RigL at a constant `sparsity`, spread by [`Erk`]: a random mask at step 0, then an exchange
/// every `every` steps before `until`.
///
/// The paper has `every` = 100 and `until` three quarters of the training. For its uniform variant
/// add `.with_allocation(Uniform)` and `.with_skip(["first layer's path"])`; for another `α`
/// `.with_regrowth(RigL::new(until).with_alpha(0.5))`.
///
/// The order of calls matters: the gradient of the batch is observed before the optimizer gets it,
/// and in an iteration that exchanges the optimizer gets none.
///
/// ```no_run
/// # use burn::{module::Module, optim::GradientsParams};
/// # use secateur_core::{error::PruneError, pruner::Step};
/// # use secateur_methods::rigl;
/// # fn run<M: Module>(
/// #     mut model: M,
/// #     mut step_of: impl FnMut(M, GradientsParams) -> M,
/// #     batches: Vec<Box<dyn Fn(&M) -> GradientsParams>>,
/// # ) -> Result<(), PruneError> {
/// let mut pruner = rigl(0.9, 100, 22_500).init_module(&model)?;
/// pruner.prune(&mut model, 0)?; // the random mask
/// for (step, batch) in (1..).zip(batches) {
///     let grads = batch(&model);
///     if pruner.schedule().is_due(step) {
///         pruner.observe(&model, &grads)?; // the dense gradient, before it is masked
///     }
///     if let Step::Update(grads) = pruner.before_step(&model, grads, step)? {
///         model = step_of(model, grads);
///     }
///     pruner.prune(&mut model, step)?;
/// }
/// # Ok(())
/// # }
/// ```
pub fn rigl(sparsity: f64, every: usize, until: usize) -> PrunerConfig {
    PrunerConfig::new()
        .with_scorer(RandomStart)
        .with_allocation(Erk)
        .with_schedule(exchanges(sparsity, every, until))
        .with_regrowth(RigL::new(until))
        .with_treatment(Treatment {
            removed: Removed::Frozen,
            regrown: Regrown::Zero,
            gradient: GradientFlow::Dense,
            ..Treatment::default()
        })
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use secateur_core::allocation::Uniform;
    use secateur_core::mask::Mask;
    use secateur_core::mask_set::MaskSet;
    use secateur_core::pruner::Step;

    use super::*;
    use crate::worked::{Pair, kept};

    #[test]
    fn the_fraction_falls_as_a_cosine() {
        // α/2·(1 + cos(πt/T)) with α = 0.4 and T = 60: at 20 cos(π/3) = 1/2, so 0.2·1.5; at 30
        // 0.2; at 40 0.2·0.5. The first step makes the mask, from 60 on nothing is exchanged.
        let rigl = RigL::new(60).with_alpha(0.4);
        for (step, want) in [
            (0, 0.0),
            (20, 0.3),
            (30, 0.2),
            (40, 0.1),
            (60, 0.0),
            (90, 0.0),
        ] {
            let got = rigl.fraction(step);
            assert!((got - want).abs() < 1e-12, "{got} at {step}");
        }
        assert_eq!(RigL::new(0).fraction(5), 0.0);
        assert_eq!(RigL::new(9).alpha, 0.3);
    }

    #[test]
    fn one_exchange_by_hand() {
        // a keeps 5 of 10, indices 1 to 5, with |w| 3, 1, 4, 0.5, 2. At step 20 of 60 with α = 0.8
        // f = 0.4·1.5 = 0.6, so 3 go: 0.5 (4), 1 (2), 2 (5). Grown are the largest |g| of all that
        // is then away, 0, 2, 4, 5, 6, 7, 8, 9: 9 (8, never there), -8 (4, just dropped), 7 (0).
        // The kept 1 and 3 have the largest gradients of all, which must not count. Left are
        // 0, 1, 3, 4, 8; 4 keeps its value, 0 and 8 are new and zero.
        let weights = [100.0, 3.0, -1.0, -4.0, 0.5, 2.0, 100.0, 100.0, 100.0, 100.0];
        let gradient = [7.0, 50.0, 1.0, -60.0, -8.0, 0.1, 2.0, -3.0, 9.0, 6.0];
        let mut model = Pair::new(&weights, &weights);
        let config = rigl(0.5, 20, 60)
            .with_allocation(Uniform)
            .with_regrowth(RigL::new(60).with_alpha(0.8));
        let mut pruner = config.init_module(&model).unwrap();
        let mask = Mask::from_fn([2, 5, 1], |index| (1..=5).contains(&index)).unwrap();
        let masks: MaskSet = ["a", "b"]
            .map(|path| (path.to_string(), mask.clone()))
            .into_iter()
            .collect();
        pruner.set_masks(&mut model, &masks).unwrap();
        // An earlier batch with other gradients must not count, nor must b's gradient for a.
        let earlier = [1e3, 0.0, 1e3, 0.0, 0.0, 1e3, 1e3, 1e3, 0.0, 1e3];
        for gradient in [earlier, gradient] {
            let grads = model.grads((&gradient, &[0.0; 10]));
            pruner.observe(&model, &grads).unwrap();
        }
        let event = pruner.prune(&mut model, 20).unwrap().unwrap();
        let (a, b) = kept(&pruner, &model);
        assert_eq!(a, [0, 1, 3, 4, 8]);
        // Without gradients, the ties go to the first that are away: 0, 2 and 4.
        assert_eq!(b, [0, 1, 2, 3, 4]);
        // a: 2 and 5 go, 0 and 8 come; b: 5 goes, 0 comes.
        assert_eq!((event.removed, event.regrown, event.kept), (3, 3, 10));
        let (a, b) = model.values();
        assert_eq!(a, [0.0, 3.0, 0.0, -4.0, 0.5, 0.0, 0.0, 0.0, 0.0, 0.0]);
        assert_eq!(b, [0.0, 3.0, -1.0, -4.0, 0.5, 0.0, 0.0, 0.0, 0.0, 0.0]);
    }

    #[test]
    fn densities_are_those_of_erk_and_exchanges_skip_the_update() {
        // Of 4 + 16 weights 10 are kept, in proportion to 2 + 2 and 2 + 8: 2.86 and 7.14.
        let mut model = Pair::new(&[1.0; 4], &[1.0; 16]);
        let mut pruner = rigl(0.5, 5, 9).init_module(&model).unwrap();
        pruner.prune(&mut model, 0).unwrap();
        let (a, b) = kept(&pruner, &model);
        assert_eq!((a.len(), b.len()), (3, 7));
        for (step, skips) in [(4, false), (5, true), (6, false), (9, false)] {
            let grads = model.grads((&[1.0; 4], &[1.0; 16]));
            let next = pruner.before_step(&model, grads, step).unwrap();
            assert_eq!(matches!(next, Step::Skip), skips, "{step}");
        }
    }

    #[test]
    fn an_alpha_out_of_range_is_refused() {
        let model = Pair::new(&[1.0, 2.0], &[3.0, 4.0]);
        for bad in [-0.1, 30.0, f64::NAN] {
            let config = rigl(0.5, 1, 9).with_regrowth(RigL::new(9).with_alpha(bad));
            let message = config.init_module(&model).unwrap_err().to_string();
            assert!(message.contains("`RigL's alpha`"), "{message}");
        }
    }

    #[test]
    fn an_exchange_without_gradients_says_what_to_call() {
        let mut model = Pair::new(&[1.0, 2.0], &[3.0, 4.0]);
        let mut pruner = rigl(0.5, 1, 9).init_module(&model).unwrap();
        pruner.prune(&mut model, 0).unwrap();
        let error = pruner.prune(&mut model, 1).unwrap_err();
        assert!(error.to_string().contains("pruner.observe"), "{error}");
    }
}
