//! Scorers: how important each element of a parameter is.

use std::{any::Any, collections::BTreeMap, fmt::Debug, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{
    error::PruneError,
    mask::Mask,
    params::{ParamInfo, Role},
    random::Stream,
    signal::{Observes, Signal, SignalStore},
};

/// Among which units of a parameter scores may be compared.
///
/// Comparison over the whole model, or over groups of parameters, is the allocation's business.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Comparison {
    /// All units of the parameter.
    #[default]
    Tensor,
    /// The units of one `out` index: each output row loses the same share (Wanda).
    OutputRow,
}

/// A parameter next to the one that is scored, by role or by path.
#[derive(Clone, Debug, PartialEq)]
pub struct Neighbour {
    /// Path, role and view of the parameter.
    pub info: ParamInfo,
    /// Its elements in view order.
    pub values: Vec<f32>,
}

/// Everything a scorer may look at for one parameter. All slices are in view order
/// `(out, in, kernel)`.
#[derive(Clone, Debug)]
pub struct ScoreContext<'a> {
    pub(crate) info: &'a ParamInfo,
    pub(crate) weight: &'a [f32],
    pub(crate) mask: &'a Mask,
    pub(crate) vectors: &'a BTreeMap<String, Neighbour>,
    pub(crate) signals: &'a SignalStore,
    pub(crate) scorer: &'a str,
    pub(crate) step: usize,
    pub(crate) seed: u64,
}

impl<'a> ScoreContext<'a> {
    /// Path, role and attributes of the parameter.
    pub fn info(&self) -> &'a ParamInfo {
        self.info
    }

    /// Record path of the parameter.
    pub fn path(&self) -> &'a str {
        &self.info.path
    }

    /// The view's shape `[out, in, kernel]`.
    pub fn shape(&self) -> [usize; 3] {
        self.info.shape
    }

    /// The stored weights, removed ones included (as their treatment left them).
    pub fn weight(&self) -> &'a [f32] {
        self.weight
    }

    /// The current mask.
    pub fn mask(&self) -> &'a Mask {
        self.mask
    }

    /// The step at which is scored.
    pub fn step(&self) -> usize {
        self.step
    }

    /// A random stream of this pruner's seed, this parameter and this step.
    pub fn random(&self) -> Stream {
        Stream::new(self.seed, self.path(), self.step)
    }

    /// The layer's parameter with the given role, if it is a vector or scalar: a `Linear`'s bias.
    pub fn sibling(&self, role: Role) -> Option<&'a Neighbour> {
        self.vectors.values().find(|other| {
            other.info.role == role && other.info.layer_path() == self.info.layer_path()
        })
    }

    /// Any vector or scalar parameter of the model by path: the scale of the norm that follows.
    ///
    /// # Errors
    /// [`PruneError::UnknownParameter`] if there is none of that path.
    pub fn vector(&self, path: &str) -> Result<&'a Neighbour, PruneError> {
        self.vectors
            .get(path)
            .ok_or_else(|| PruneError::UnknownParameter {
                path: path.into(),
                known: self.vectors.keys().cloned().collect(),
            })
    }

    /// What `signal` has observed of this parameter.
    ///
    /// # Errors
    /// [`PruneError::MissingSignal`], with the call that feeds it, if it has observed nothing.
    pub fn signal(&self, signal: &dyn Signal) -> Result<Vec<f32>, PruneError> {
        let (state, observations) = self.accumulated(signal)?;
        Ok(signal.read(state, observations))
    }

    /// The state of `signal` for this parameter as it is kept, and how many observations it has
    /// taken in: for signals whose state is not one number an element, a matrix of moments say.
    ///
    /// # Errors
    /// As [`signal`](Self::signal).
    pub fn accumulated(&self, signal: &dyn Signal) -> Result<(&'a [f64], u64), PruneError> {
        match self.signals.state(signal.name(), self.path()) {
            Some(state) => Ok((&state.sum, state.observations)),
            None => Err(PruneError::MissingSignal {
                path: self.path().into(),
                scorer: self.scorer.into(),
                signal: format!("the {}", signal.name()),
                remedy: remedy(signal.observes()).into(),
            }),
        }
    }
}

/// What to call for a signal of this kind.
fn remedy(observes: Observes) -> &'static str {
    match observes {
        Observes::Batches => "call `pruner.observe(&model, &grads)` after the backward pass",
        Observes::Examples => {
            "call `pruner.observe_examples(&model, examples, loss)`; gradients of batches are not \
             enough"
        }
        Observes::Flows => {
            "send calibration batches through the captured model by `Taps::observe(&mut pruner, \
             batch)`; what no batch flows through, or has nothing of this kind (no activation \
             behind it, not the weight of a linear layer or convolution), is left out by \
             `with_skip`"
        }
    }
}

/// Says how important each element of a parameter is.
///
/// One method is required: the scores of one parameter, one per element, in view order. Larger
/// is kept, NaN is an error. A scorer that needs gradients lists its signals.
///
/// ```
/// use secateur_core::{error::PruneError, scorer::{ImportanceScorer, ScoreContext}};
///
/// /// Keeps what lies near the first output.
/// #[derive(Debug)]
/// struct NearTheTop;
///
/// impl ImportanceScorer for NearTheTop {
///     fn score(&self, ctx: &ScoreContext<'_>) -> Result<Vec<f32>, PruneError> {
///         let [_, input, kernel] = ctx.shape();
///         let row = |index| index / (input * kernel);
///         Ok((0..ctx.weight().len()).map(|i| -(row(i) as f32)).collect())
///     }
/// }
/// ```
pub trait ImportanceScorer: Any + Debug + Send + Sync {
    /// The scores of one parameter: one per element of the view, larger is kept.
    ///
    /// # Errors
    /// [`PruneError::MissingSignal`] through [`ScoreContext::signal`], or the scorer's own
    /// ([`PruneError::custom`]).
    fn score(&self, ctx: &ScoreContext<'_>) -> Result<Vec<f32>, PruneError>;

    /// The scorer's name in errors and reports.
    fn name(&self) -> String {
        short_type_name::<Self>()
    }

    /// What must be observed before scoring.
    fn signals(&self) -> Vec<Arc<dyn Signal>> {
        Vec::new()
    }

    /// Among which units of a parameter the scores may be compared.
    fn comparison(&self) -> Comparison {
        Comparison::Tensor
    }
}

/// Scores all parameters of a model together, for methods that look across layers.
pub trait ModelScorer: Any + Debug + Send + Sync {
    /// The scores of each parameter, in the order of `contexts`.
    ///
    /// # Errors
    /// As [`ImportanceScorer::score`].
    fn score_model(&self, contexts: &[ScoreContext<'_>]) -> Result<Vec<Vec<f32>>, PruneError>;

    /// The scorer's name in errors and reports.
    fn name(&self) -> String {
        short_type_name::<Self>()
    }

    /// What must be observed before scoring.
    fn signals(&self) -> Vec<Arc<dyn Signal>> {
        Vec::new()
    }

    /// Among which units of a parameter the scores may be compared.
    fn comparison(&self) -> Comparison {
        Comparison::Tensor
    }
}

/// A type's name without its path.
pub(crate) fn short_type_name<T: ?Sized>() -> String {
    let name = std::any::type_name::<T>();
    let end = name.find('<').unwrap_or(name.len());
    let start = name[..end].rfind("::").map_or(0, |at| at + 2);
    name[start..].into()
}

/// A scorer of either kind.
#[derive(Clone, Debug)]
pub(crate) enum AnyScorer {
    Each(Arc<dyn ImportanceScorer>),
    Model(Arc<dyn ModelScorer>),
}

impl AnyScorer {
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Each(scorer) => scorer.name(),
            Self::Model(scorer) => scorer.name(),
        }
    }

    pub(crate) fn signals(&self) -> Vec<Arc<dyn Signal>> {
        match self {
            Self::Each(scorer) => scorer.signals(),
            Self::Model(scorer) => scorer.signals(),
        }
    }

    pub(crate) fn comparison(&self) -> Comparison {
        match self {
            Self::Each(scorer) => scorer.comparison(),
            Self::Model(scorer) => scorer.comparison(),
        }
    }
}

/// Refuses scores of the wrong number and NaN.
pub(crate) fn check_scores(
    path: &str,
    scorer: &str,
    scores: &[f32],
    expected: usize,
) -> Result<(), PruneError> {
    if scores.len() != expected {
        return Err(PruneError::ScoreCount {
            path: path.into(),
            scorer: scorer.into(),
            expected,
            got: scores.len(),
        });
    }
    // Without leaving early inside a chunk, so that it vectorises.
    let any_nan = |chunk: &[f32]| chunk.iter().fold(false, |any, s| any | s.is_nan());
    if scores.chunks(1 << 12).any(any_nan) {
        let count = scores.iter().filter(|s| s.is_nan()).count();
        return Err(PruneError::NanScore {
            path: path.into(),
            scorer: scorer.into(),
            count,
            total: expected,
        });
    }
    Ok(())
}
