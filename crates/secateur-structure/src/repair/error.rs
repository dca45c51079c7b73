//! What can go wrong in a repair, with the layer it went wrong on and what to do about it.

/// The error of every repair. Nothing has been changed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RepairError {
    /// Something has another number of elements than the layer's shape says.
    #[error("`{path}`: {what} has {got} numbers instead of {expected}; {remedy}")]
    Size {
        /// Path of the layer's weight.
        path: String,
        /// What does not fit.
        what: String,
        /// Numbers it should have.
        expected: usize,
        /// Numbers it has.
        got: usize,
        /// What to do.
        remedy: String,
    },

    /// An input, neuron or number of them that the layer does not have.
    #[error("`{path}`: {asked} is not {expected}; {remedy}")]
    Choice {
        /// Path of the layer's weight.
        path: String,
        /// What was asked for.
        asked: String,
        /// What can be asked for.
        expected: String,
        /// What to do.
        remedy: String,
    },

    /// The inputs that stay do not determine the weights.
    #[error(
        "`{path}`: the second moments of the {features} input features that stay are not positive \
         definite with damping {damping}; calibrate with more rows than features, or raise the \
         damping, to 0.01 say"
    )]
    Singular {
        /// Path of the layer's weight.
        path: String,
        /// Features that stay.
        features: usize,
        /// The damping, as a share of the mean diagonal.
        damping: f64,
    },

    /// There is nothing to calibrate with.
    #[error("{what} cannot be taken from no batches; pass at least one calibration batch")]
    NoBatches {
        /// What was to be taken.
        what: String,
    },

    /// A layer whose repair is not known.
    #[error("`{path}` cannot be repaired: {why}; {remedy}")]
    Unsupported {
        /// Path of the layer's weight.
        path: String,
        /// What stands in the way.
        why: String,
        /// What to do.
        remedy: String,
    },

    /// A number is infinite or none.
    #[error(
        "`{path}`: {what} are not finite; look for NaN or infinite values in the calibration \
         batches and the layers before it"
    )]
    NotFinite {
        /// Path of the layer's weight.
        path: String,
        /// What is not finite.
        what: String,
    },
}

impl RepairError {
    /// Refuses a slice of another length than `expected`.
    pub(crate) fn check_len(
        path: &str,
        what: &str,
        got: usize,
        expected: usize,
        remedy: &str,
    ) -> Result<(), Self> {
        if got == expected {
            return Ok(());
        }
        Err(Self::Size {
            path: path.into(),
            what: what.into(),
            expected,
            got,
            remedy: remedy.into(),
        })
    }

    /// Refuses numbers that are infinite or NaN.
    pub(super) fn check_finite(path: &str, what: &str, values: &[f64]) -> Result<(), Self> {
        if values.iter().all(|value| value.is_finite()) {
            return Ok(());
        }
        Err(Self::NotFinite {
            path: path.into(),
            what: what.into(),
        })
    }

    /// Refuses a damping that is no share.
    pub(super) fn check_damping(path: &str, damping: f64) -> Result<(), Self> {
        if damping >= 0.0 && damping.is_finite() {
            return Ok(());
        }
        Err(Self::Choice {
            path: path.into(),
            asked: format!("a damping of {damping}"),
            expected: "a share of the mean diagonal, 0 or more".into(),
            remedy: "take 0.01, or 0 where there are many rows".into(),
        })
    }

    /// Refuses to remove as many of `count` as there are, or more.
    pub(super) fn check_removed(path: &str, remove: usize, count: usize) -> Result<(), Self> {
        if remove < count {
            return Ok(());
        }
        Err(Self::Choice {
            path: path.into(),
            asked: format!("removing {remove}"),
            expected: format!("fewer than its {count}"),
            remedy: "keep one, or remove the layer instead".into(),
        })
    }
}
