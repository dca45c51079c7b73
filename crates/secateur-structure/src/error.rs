//! Everything that can go wrong, with the place it went wrong at and what to do about it.

use secateur_core::error::PruneError;

/// The error of every fallible call of this crate.
///
/// A call that returns an error has changed nothing.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum StructureError {
    /// A cut names a parameter that the model does not have.
    #[error("the cut names `{path}`, which is no parameter of this model; plan it for this model")]
    UnknownParameter {
        /// The path in the cut.
        path: String,
    },

    /// A cut was planned for a parameter of another shape.
    #[error(
        "the cut of `{path}` is for the shape {planned:?} with {lists} lists of places, the \
         parameter has the shape {found:?}; plan it for this model, and apply it once"
    )]
    ShapeMismatch {
        /// Parameter path.
        path: String,
        /// The shape in the cut.
        planned: Vec<usize>,
        /// How many dimensions the cut has places for.
        lists: usize,
        /// The parameter's shape.
        found: Vec<usize>,
    },

    /// The places that stay are not strictly ascending places of their dimension.
    #[error(
        "the cut keeps place {place} of dimension {dim} of `{path}`, which {why}; give the places \
         of its {size} strictly ascending"
    )]
    BadPlace {
        /// Parameter path.
        path: String,
        /// The dimension.
        dim: usize,
        /// The place at fault.
        place: usize,
        /// What is wrong with it.
        why: String,
        /// Size of the dimension.
        size: usize,
    },

    /// A cut leaves nothing of a dimension.
    #[error("the cut leaves nothing of dimension {dim} of `{path}`; keep at least one place")]
    NothingLeft {
        /// Parameter path.
        path: String,
        /// The dimension.
        dim: usize,
    },

    /// Two fields that are one parameter are cut in two ways.
    #[error("`{path}` and `{other}` share one parameter; cut both alike")]
    TiedCut {
        /// Parameter path.
        path: String,
        /// The path that shares its id.
        other: String,
    },

    /// A setting is asked for that no layer has.
    #[error("the cut sets `{setting}`, {why}; leave it out or name a setting of the layer")]
    UnknownSetting {
        /// Path of the layer and name of the setting.
        setting: String,
        /// Why there is no such setting.
        why: String,
    },

    /// A setting is asked for that does not fit the parameters that are left.
    #[error("the cut sets `{setting}` to {asked}, its parameters say {derived}; leave it out")]
    SettingConflict {
        /// Path of the layer and name of the setting.
        setting: String,
        /// The value in the cut.
        asked: usize,
        /// The value that follows from the parameters.
        derived: usize,
    },

    /// What is left of a layer does not fit together.
    #[error("after the cut `{path}` does not fit together: {why}; cut its parameters together")]
    Inconsistent {
        /// Path of the layer.
        path: String,
        /// What does not fit.
        why: String,
    },

    /// A bias cannot be added.
    #[error("`{path}` cannot be given a bias: {why}")]
    Bias {
        /// Path of the layer.
        path: String,
        /// Why not, and what to do.
        why: String,
    },

    /// An optimizer's state could not be read or written.
    #[error("the optimizer's state cannot be taken over: {why}; begin with a fresh optimizer")]
    OptimizerState {
        /// What is wrong with it.
        why: String,
    },

    /// What the vocabulary says.
    #[error(transparent)]
    Core(#[from] PruneError),
}
