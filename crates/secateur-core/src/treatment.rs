//! What becomes of removed values, of regrown ones, and of the gradient under a mask.

use serde::{Deserialize, Serialize};

use crate::{mask_op::GradientFlow, weights::Weights};

/// What becomes of a value when its element is removed. The effective weight is exactly +0.0 in
/// any case; this is about the stored value under the mask.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Removed {
    /// It stays as it was and gets no gradient. An optimizer's momentum or weight decay may still
    /// move it, unseen.
    #[default]
    Frozen,
    /// It goes on learning from the gradient of the effective weight, unseen, and may earn its
    /// way back (dynamic network surgery, Guo et al. 2016).
    ///
    /// Soft filter pruning (He et al. 2018) is something else: a filter is set to zero after an
    /// epoch, and in the next acts and learns like all others, so nothing may hide it before the
    /// end. That is a [`Selector`](crate::selector::Selector) that keeps everything and returns
    /// zeros as new weights.
    Learning,
    /// It is set to zero.
    Zeroed,
}

/// What value an element has when it comes back.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub enum Regrown {
    /// Zero (RigL, SET).
    #[default]
    Zero,
    /// Whatever is stored under the mask.
    Kept,
    /// The value it has in a record, say at initialisation. Not written with a configuration.
    #[serde(skip)]
    From(Weights),
}

/// How a pruner treats values and gradients around its masks.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Treatment {
    /// Removed values.
    pub removed: Removed,
    /// Regrown values.
    pub regrown: Regrown,
    /// The gradient. [`Removed::Learning`] asks for [`GradientFlow::Dense`] whatever stands here.
    pub gradient: GradientFlow,
    /// Under [`GradientFlow::Backward`] the share of each parameter's units that get no gradient,
    /// in [0, 1): the lowest scores, pruned or not; what the mask keeps always gets one (Top-KAST,
    /// Jayakumar et al. 2021, whose backward set is the larger one). `None`: as the mask says.
    pub backward_sparsity: Option<f64>,
}

impl Treatment {
    /// How the gradient passes the attached masks.
    pub fn flow(&self) -> GradientFlow {
        match (self.removed, self.gradient) {
            (Removed::Learning, GradientFlow::Masked) => GradientFlow::Dense,
            (_, flow) => flow,
        }
    }
}
