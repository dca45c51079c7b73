//! Everything that can go wrong, with the place it went wrong at and what to do about it.

use secateur_core::error::PruneError;
use secateur_graph::GraphError;

use crate::repair::RepairError;

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

    /// No parameter has this path.
    #[error("no parameter lies at or below `{path}`; there are {}", known.join(", "))]
    UnknownPath {
        /// What was asked for.
        path: String,
        /// What there is.
        known: Vec<String>,
    },

    /// A dimension has no such place.
    #[error(
        "`{path}` has no place {index} in dimension {dim}, which has {size}; take a smaller one"
    )]
    OutOfRange {
        /// Parameter path.
        path: String,
        /// The dimension.
        dim: usize,
        /// The place.
        index: usize,
        /// Number of places.
        size: usize,
    },

    /// No parameter has this unit.
    #[error("no parameter has place {place} of axis {axis}; take a unit that the coupling lists")]
    NoSuchUnit {
        /// The axis.
        axis: usize,
        /// The place.
        place: usize,
    },

    /// A channel has to stay.
    #[error("channel {place} of `{path}` has to stay: {why}")]
    Pinned {
        /// Parameter path.
        path: String,
        /// The place.
        place: usize,
        /// Why.
        why: String,
    },

    /// Nothing would be left of a layer.
    #[error(
        "`{path}` would lose all of its {size} channels; keep one, or take out the whole block (`Blocks::remove`)"
    )]
    LastPlace {
        /// Parameter path.
        path: String,
        /// Number of channels.
        size: usize,
    },

    /// A block cannot be taken out.
    #[error("`{path}` cannot be taken out as a residual block: {why}")]
    Block {
        /// Path of the block.
        path: String,
        /// Why.
        why: String,
    },

    /// A place can go in several ways.
    #[error(
        "place {place} of `{path}` goes with any of {} units (axis, place) {units:?}; remove the \
         unit that is meant", units.len()
    )]
    Ambiguous {
        /// Parameter path.
        path: String,
        /// The place.
        place: usize,
        /// Axes and places that take it along.
        units: Vec<(usize, usize)>,
    },

    /// Layers that are declared tied are not.
    #[error(
        "`{first}` and `{second}` are declared tied as \"{name}\", but in `forward` the outputs of \
         the first go with {first_goes_with}, those of the second with {second_goes_with}; correct \
         `#[prune(tied = ..)]`"
    )]
    NotTied {
        /// The declared name.
        name: String,
        /// Path of a layer.
        first: String,
        /// Parameters that it is coupled to.
        first_goes_with: String,
        /// Path of another layer.
        second: String,
        /// Parameters that it is coupled to.
        second_goes_with: String,
    },

    /// A field follows a factor that there is not.
    #[error(
        "`{field}` is {value} and follows {of}, which `forward` splits into {factors:?}; name the \
         factors that it is the product of"
    )]
    NoSuchFactor {
        /// Path of the field.
        field: String,
        /// Its value.
        value: usize,
        /// What it follows.
        of: String,
        /// Sizes of the factors that there are.
        factors: Vec<usize>,
    },

    /// `forward` does not follow the smaller sizes.
    #[error(
        "{operation} does not follow the smaller sizes: {why}; compute sizes in `forward` from its \
         tensors, or from fields marked `#[prune(size = \"..\")]`"
    )]
    HardCoded {
        /// Where.
        operation: String,
        /// What happens there.
        why: String,
    },

    /// The smaller model computes something else.
    #[error(
        "the smaller model differs by {difference:.1e} of the largest output, where {tolerance:.0e} \
         is allowed; nothing was changed. This is an error in Secateur or in a constant of \
         `forward`: please report the model, and mark the layer `#[prune(skip)]`"
    )]
    NotEqual {
        /// The largest difference as a share of the largest output.
        difference: f64,
        /// What sums in another order may differ by.
        tolerance: f64,
    },

    /// There are no scores to judge a group by.
    #[error(
        "the channels of `{path}` have no scores ({judged} were to be judged); score these \
         parameters too (`PrunerConfig::with_also`), or leave the group out (`with_skip`)"
    )]
    NoScores {
        /// The group's first producer.
        path: String,
        /// Which members were to be judged.
        judged: String,
    },

    /// Another number of scores than elements.
    #[error("`{path}` has {expected} elements or channels and {got} scores; give one for each")]
    ScoreCount {
        /// Parameter path.
        path: String,
        /// How many there should be.
        expected: usize,
        /// How many there are.
        got: usize,
    },

    /// A score is no number.
    #[error("a score of `{path}` is NaN; look for NaN in its weights or in the scorer")]
    NanScore {
        /// The group's first producer.
        path: String,
    },

    /// A choice that looks at groups as a whole has no order of all channels.
    #[error(
        "only a uniform share can be chosen group by group; begin with `ChannelPruning::uniform`"
    )]
    NotUniform,

    /// A choice named other places than it was asked for.
    #[error(
        "{keep} of the {size} channels of `{path}` were to stay, and {picked:?} were named; name \
         as many different ones below {size}"
    )]
    Picked {
        /// The group's first producer.
        path: String,
        /// Number of channels.
        size: usize,
        /// How many were to stay.
        keep: usize,
        /// Those that were named.
        picked: Vec<usize>,
    },

    /// A share that is none.
    #[error("{share} is no share; give one from 0 to 1")]
    Share {
        /// What was given.
        share: f64,
    },

    /// A budget that cannot be met.
    #[error(
        "{limit} {cost} cannot be met: the model has {now} and {least} with every group at its \
         floor; raise the budget, or lower floors"
    )]
    Budget {
        /// What is limited.
        cost: String,
        /// The limit.
        limit: f64,
        /// What it is now.
        now: f64,
        /// The least that it can become.
        least: f64,
    },

    /// The model cannot be captured.
    #[error(transparent)]
    Graph(#[from] GraphError),

    /// What the vocabulary says.
    #[error(transparent)]
    Core(#[from] PruneError),

    /// A layer cannot be repaired.
    #[error(transparent)]
    Repair(#[from] RepairError),
}
