//! What can go wrong when channels are taken out.

use thiserror::Error;

/// Why channels cannot be taken out.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StructureError {
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
        /// The parameter.
        path: String,
        /// The dimension.
        dim: usize,
        /// The place.
        index: usize,
        /// Number of places.
        size: usize,
    },
    /// No parameter has this axis.
    #[error("no parameter has place {place} of axis {axis}; take a unit that the coupling lists")]
    NoSuchUnit {
        /// The axis.
        axis: usize,
        /// The place.
        place: usize,
    },
}
