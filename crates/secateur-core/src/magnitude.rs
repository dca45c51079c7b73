//! The scorers that everything else is tested with: magnitude, chance, and the user's own numbers.

use std::collections::BTreeMap;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{
    error::PruneError,
    scorer::{ImportanceScorer, ScoreContext},
};

/// Which power of a weight is its magnitude.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Norm {
    /// `|w|`.
    #[default]
    L1,
    /// `w²`. Ranks elements as [`L1`](Self::L1) does; differs once a pattern sums over a unit.
    L2,
}

/// Small weights matter least: the score is `|w|` or `w²`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Magnitude {
    /// The power.
    pub norm: Norm,
}

impl Magnitude {
    /// `|w|`.
    pub fn l1() -> Self {
        Self { norm: Norm::L1 }
    }

    /// `w²`.
    pub fn l2() -> Self {
        Self { norm: Norm::L2 }
    }
}

impl ImportanceScorer for Magnitude {
    fn score(&self, ctx: &ScoreContext<'_>) -> Result<Vec<f32>, PruneError> {
        Ok(match self.norm {
            Norm::L1 => each(ctx.weight(), f32::abs),
            Norm::L2 => each(ctx.weight(), |w| w * w),
        })
    }
}

/// `score` of each weight.
fn each(weight: &[f32], score: impl Fn(f32) -> f32 + Sync) -> Vec<f32> {
    const PIECE: usize = 1 << 15;
    let mut scores = vec![0.0; weight.len()];
    let pieces = scores.par_chunks_mut(PIECE).zip(weight.par_chunks(PIECE));
    pieces.for_each(|(scores, weight)| {
        for (to, &w) in scores.iter_mut().zip(weight) {
            *to = score(w);
        }
    });
    scores
}

/// Every element draws a score in [0, 1): the control that a method has to beat.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Random;

impl ImportanceScorer for Random {
    fn score(&self, ctx: &ScoreContext<'_>) -> Result<Vec<f32>, PruneError> {
        let mut stream = ctx.random();
        Ok(ctx.weight().iter().map(|_| stream.uniform()).collect())
    }
}

/// Scores computed elsewhere, by parameter path, in view order.
///
/// ```
/// use secateur_core::magnitude::FromScores;
///
/// let scores = FromScores::from_iter([("fc.weight", vec![0.3, 0.1, 0.2, 0.4])]);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FromScores {
    scores: BTreeMap<String, Vec<f32>>,
}

impl<P: Into<String>> FromIterator<(P, Vec<f32>)> for FromScores {
    fn from_iter<I: IntoIterator<Item = (P, Vec<f32>)>>(iter: I) -> Self {
        Self {
            scores: iter.into_iter().map(|(p, s)| (p.into(), s)).collect(),
        }
    }
}

impl ImportanceScorer for FromScores {
    fn score(&self, ctx: &ScoreContext<'_>) -> Result<Vec<f32>, PruneError> {
        let scores = self.scores.get(ctx.path());
        scores.cloned().ok_or_else(|| PruneError::MissingSignal {
            path: ctx.path().into(),
            scorer: self.name(),
            signal: "scores".into(),
            remedy: "add its scores, or leave the parameter out with `PrunerConfig::with_only`"
                .into(),
        })
    }
}
