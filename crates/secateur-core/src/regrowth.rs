//! Regrowth: giving pruned units back.

use std::{any::Any, fmt::Debug, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{
    error::PruneError,
    scorer::{ScoreContext, short_type_name},
    signal::Signal,
};

/// Which pruned units may come back, and how many.
///
/// At each pruning the share [`fraction`](Self::fraction) of what is to be kept is dropped, lowest
/// score first, and as many units are grown among all that are then away, highest growth score
/// first. Without regrowth masks only ever shrink.
pub trait Regrowth: Any + Debug + Send + Sync {
    /// The share of the kept units, in [0, 1], that is exchanged at `step`.
    fn fraction(&self, step: usize) -> f64;

    /// How much each element deserves to come back, one number per element of the view, larger
    /// first. `scores` are the importance scores.
    ///
    /// # Errors
    /// As [`ImportanceScorer::score`](crate::scorer::ImportanceScorer::score).
    fn growth(&self, ctx: &ScoreContext<'_>, scores: &[f32]) -> Result<Vec<f32>, PruneError>;

    /// The regrowth's name in errors and reports.
    fn name(&self) -> String {
        short_type_name::<Self>()
    }

    /// What must be observed before growing.
    fn signals(&self) -> Vec<Arc<dyn Signal>> {
        Vec::new()
    }

    /// Whether a step that changes masks takes the place of the optimizer's step (RigL).
    fn replaces_update(&self) -> bool {
        false
    }

    /// Checks the settings, once, before the first step.
    ///
    /// # Errors
    /// [`PruneError::InvalidSetting`] names the setting at fault and what to write instead.
    fn check(&self) -> Result<(), PruneError> {
        Ok(())
    }
}

/// Every pruning ranks all units anew, the removed ones among them (dynamic network surgery, and
/// straight-through magnitude pruning).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reconsider;

impl Regrowth for Reconsider {
    fn fraction(&self, _step: usize) -> f64 {
        1.0
    }

    fn growth(&self, _ctx: &ScoreContext<'_>, scores: &[f32]) -> Result<Vec<f32>, PruneError> {
        Ok(scores.to_vec())
    }
}
