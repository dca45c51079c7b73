//! Patterns: which elements of a parameter live and die together.

mod block;
mod builtin;
mod n_of_m;
mod slice;
mod vector;

use std::any::Any;
use std::fmt::{self, Debug, Display};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

pub use block::Block;
pub use builtin::{BuiltinPattern, parse_pattern};
pub use n_of_m::{Axis, KeepOf, NofM};
pub use slice::{Channel, Filter, Kernel, Unstructured};
pub use vector::Vector;

use crate::error::PruneError;
use crate::mask::Mask;
use crate::units::{Rest, Units};

/// Divides a view `[out, in, kernel]` into the units that are pruned as one.
///
/// Its `Display` is its name in errors and reports; that of a built-in pattern can be parsed by
/// [`parse_pattern`].
pub trait Pattern: Any + Debug + Display + Send + Sync {
    /// The units of the parameter `path`, whose view is `[out, in, kernel]`.
    ///
    /// # Errors
    /// [`PruneError::PatternMismatch`] if the view cannot be divided so.
    fn units(&self, path: &str, shape: [usize; 3]) -> Result<Units, PruneError>;

    /// The sparsity that the pattern fixes where it is obeyed, if it fixes one.
    fn fixed_sparsity(&self) -> Option<f64> {
        None
    }

    /// Whether every unit of the mask of `path` is whole or pruned.
    ///
    /// # Errors
    /// Those of [`units`](Self::units).
    fn is_obeyed(&self, path: &str, mask: &Mask) -> Result<bool, PruneError> {
        self.units(path, mask.shape())?.are_obeyed_by(mask)
    }
}

/// What a pattern does with the elements left over where its size does not divide a dimension.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Remainder {
    /// Refuse the parameter.
    #[default]
    Error,
    /// Never prune them.
    Keep,
    /// Make smaller units of them. Under n:m such a group still keeps `keep` of the fewer.
    Partial,
}

impl Display for Remainder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Keep => "keep",
            Self::Partial => "partial",
        })
    }
}

impl FromStr for Remainder {
    type Err = PruneError;

    fn from_str(name: &str) -> Result<Self, PruneError> {
        [Self::Error, Self::Keep, Self::Partial]
            .into_iter()
            .find(|remainder| remainder.to_string() == name)
            .ok_or_else(|| {
                PruneError::invalid(
                    "remainder",
                    format!("\"{name}\""),
                    "a known policy",
                    "use one of error, keep, partial",
                )
            })
    }
}

impl Remainder {
    /// As a pattern's name ends with it: nothing for the default.
    fn fmt_suffix(self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Error => Ok(()),
            other => write!(f, " remainder={other}"),
        }
    }

    /// Lays boxes of `size` (0: the whole axis) over the view as the policy says.
    fn tile(
        self,
        pattern: &dyn Pattern,
        path: &str,
        shape: [usize; 3],
        size: [usize; 3],
    ) -> Result<Units, PruneError> {
        let rest = match self {
            Self::Error | Self::Keep => Rest::Outside,
            Self::Partial => Rest::Smaller,
        };
        let empty = shape.contains(&0);
        let uneven =
            (0..3).find(|&axis| size[axis] != 0 && !shape[axis].is_multiple_of(size[axis]));
        match uneven {
            Some(axis) if self == Self::Error && !empty => Err(PruneError::PatternMismatch {
                path: path.into(),
                pattern: pattern.to_string(),
                why: format!(
                    "{} does not divide its `{}` dimension of {} in the view {shape:?}",
                    size[axis],
                    ["out", "in", "kernel"][axis],
                    shape[axis],
                ),
                remedy: "set the remainder to keep or partial, or give this parameter another \
                         pattern"
                    .into(),
            }),
            _ => Ok(Units::boxes(shape, size, rest)),
        }
    }
}

/// `value` checked to be a size that something can have.
fn positive(setting: &str, value: usize) -> Result<usize, PruneError> {
    if value > 0 {
        return Ok(value);
    }
    Err(PruneError::invalid(
        setting,
        value,
        "a positive number",
        "pass 1 or more",
    ))
}
