//! SparseGPT: one-shot pruning in which the later weights of a row make up for each removed one.

mod columns;
mod hessian;
mod sweep;

use std::sync::Arc;

use secateur_core::error::PruneError;
use secateur_core::pruner::PrunerConfig;
use secateur_core::schedule::OneShot;
use secateur_core::scorer::Comparison;
use secateur_core::selector::{SelectContext, Selection, Selector};
use secateur_core::signal::Signal;
use secateur_graph::InputGram;
use serde::{Deserialize, Serialize};

use columns::Columns;
use hessian::inverse_factor;
use sweep::Sweep;

/// SparseGPT (Frantar and Alistarh 2023, *SparseGPT: Massive Language Models Can Be Accurately
/// Pruned in One-Shot*, arXiv 2301.00774, algorithm 1).
///
/// With `H = XXᵀ + λI` of the layer's inputs, `λ` a hundredth of the mean diagonal, and `U` the
/// upper Cholesky factor of its inverse, `H⁻¹ = UᵀU`, the columns of a weight `W` `[out, in·kernel]`
/// are passed from the left in blocks of 128:
///
/// - in a block go those with the smallest `w² / U_jj²`, the error that removing `w` costs when the
///   columns to its right make up for it; each block loses the same share of its weights;
/// - each removed weight adds `-w / U_jj · U_jk` to the weights of its row in columns `k > j`.
///
/// Under n:m a group is decided when its first column is reached, by the weights as they are then.
/// Groups along `in` of a convolution are passed as groups. Any pattern will do whose units lie
/// within output rows.
///
/// Compared are all weights of a block of columns; the paper's comparison within rows is not
/// offered. An input that is always zero has no part in the error: its weights go first and
/// nothing makes up for them.
///
/// What the selector gives is a mask and new weights. Scores play no part in it; an allocation that
/// ranks scores sees those of the scorer.
///
/// Cost: one forward pass over the calibration batches, which
/// [`Taps::observe`](secateur_graph::Taps::observe) feeds, with `(in·kernel)²/2` numbers a layer and
/// group; then `(in·kernel)³` operations a layer and group and `out·(in·kernel)²` for the updates,
/// in `f64`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SparseGpt {
    block: usize,
    damping: f64,
}

impl Default for SparseGpt {
    fn default() -> Self {
        Self::new()
    }
}

impl SparseGpt {
    /// Blocks of 128 columns, damped by a hundredth.
    #[must_use]
    pub fn new() -> Self {
        Self {
            block: 128,
            damping: 0.01,
        }
    }

    /// Sets how many columns are decided at once.
    #[must_use]
    pub fn with_block(mut self, columns: usize) -> Self {
        self.block = columns;
        self
    }

    /// Sets what is added to the diagonal, as a share of its mean.
    #[must_use]
    pub fn with_damping(mut self, share: f64) -> Self {
        self.damping = share;
        self
    }

    fn check(&self, ctx: &SelectContext<'_>) -> Result<usize, PruneError> {
        if self.block == 0 {
            let remedy = "decide at least one column at once";
            return Err(PruneError::invalid("block", 0, "at least 1", remedy));
        }
        if !(self.damping >= 0.0 && self.damping.is_finite()) {
            let remedy = "take 0.01, as the paper does";
            let expected = "a share of the mean diagonal";
            return Err(PruneError::invalid(
                "damping",
                self.damping,
                expected,
                remedy,
            ));
        }
        if ctx.regrowth.is_some() {
            let (expected, remedy) = ("none", "leave out `with_regrowth`");
            return Err(PruneError::invalid("regrowth", "set", expected, remedy));
        }
        if ctx.comparison != Comparison::Tensor {
            let remedy = "leave out the scorer, or set `with_comparison(Comparison::Tensor)`";
            let got = format!("{:?}", ctx.comparison);
            return Err(PruneError::invalid("comparison", got, "Tensor", remedy));
        }
        ctx.keep.ok_or_else(|| {
            PruneError::invalid(
                "target",
                format!("{:?}", ctx.target),
                "a number of weights",
                "take a schedule of sparsities; SparseGPT has no scores for a threshold",
            )
        })
    }
}

impl Selector for SparseGpt {
    fn select(&self, ctx: &SelectContext<'_>) -> Result<Selection, PruneError> {
        let keep = self.check(ctx)?;
        let columns = Columns::of(ctx, self.block)?;
        let [out, input, kernel] = ctx.score.shape();
        let features = input * kernel;
        let (moments, _) = ctx.score.accumulated(&InputGram)?;
        let standing = ctx.units.collapse(ctx.score.mask())?;
        if features == 0 || standing.count_ones() <= keep {
            return Ok(ctx.score.mask().clone().into());
        }
        let groups = InputGram::groups(moments, features);
        if groups == 0 || !out.is_multiple_of(groups) {
            return Err(PruneError::custom(
                ctx.score.path(),
                "the second moments of its inputs are those of another layer; calibrate anew",
            ));
        }
        let factors = (0..groups)
            .filter_map(|group| InputGram::matrix(moments, features, group))
            .map(|moments| {
                let at =
                    |i: usize, j: usize| moments[columns.order[i] * features + columns.order[j]];
                inverse_factor(ctx.score.path(), features, self.damping, at)
            })
            .collect::<Result<Vec<_>, _>>()?;
        Sweep::new(ctx, &columns, &factors).run(standing, keep)
    }

    fn signals(&self) -> Vec<Arc<dyn Signal>> {
        vec![Arc::new(InputGram)]
    }
}

/// [`SparseGpt`] at step 0: each parameter loses `round(sparsity·n)` of its `n` weights, nothing is
/// retrained.
///
/// The paper prunes one layer after the other, each calibrated with what the pruned layers before
/// it give: make a pruner of each layer with `with_only`, in the order of the forward pass.
pub fn sparse_gpt(sparsity: f64) -> PrunerConfig {
    PrunerConfig::new()
        .with_selector(SparseGpt::new())
        .with_schedule(OneShot::new(sparsity))
}
