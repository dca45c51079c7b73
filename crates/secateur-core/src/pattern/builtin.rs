//! The built-in patterns by name, for attributes and configuration files.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{Axis, Block, Channel, Filter, Kernel, NofM, Pattern, Remainder, Unstructured, Vector};
use crate::error::PruneError;
use crate::units::Units;

/// One of the built-in patterns.
///
/// Written and read as text: `unstructured`, `2:4` (keep two of four along `in`),
/// `2:4 axis=out`, `block 4x1` (rows `out` x columns `in`), `vector 3`, `kernel`, `filter`,
/// `channel`; those with a size may end in `remainder=keep` or `remainder=partial`.
///
/// ```
/// use secateur_core::pattern::{Block, BuiltinPattern, Remainder};
///
/// # fn main() -> Result<(), secateur_core::error::PruneError> {
/// let pattern: BuiltinPattern = "block 4x1 remainder=keep".parse()?;
/// assert_eq!(pattern, Block::new(4, 1)?.with_remainder(Remainder::Keep).into());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum BuiltinPattern {
    /// [`Unstructured`].
    Unstructured(Unstructured),
    /// [`NofM`].
    NofM(NofM),
    /// [`Block`].
    Block(Block),
    /// [`Vector`].
    Vector(Vector),
    /// [`Kernel`].
    Kernel(Kernel),
    /// [`Filter`].
    Filter(Filter),
    /// [`Channel`].
    Channel(Channel),
}

impl BuiltinPattern {
    /// The pattern itself.
    pub fn as_pattern(&self) -> &dyn Pattern {
        match self {
            Self::Unstructured(pattern) => pattern,
            Self::NofM(pattern) => pattern,
            Self::Block(pattern) => pattern,
            Self::Vector(pattern) => pattern,
            Self::Kernel(pattern) => pattern,
            Self::Filter(pattern) => pattern,
            Self::Channel(pattern) => pattern,
        }
    }
}

/// The pattern of a name as [`BuiltinPattern`] reads it.
///
/// # Errors
/// [`PruneError::InvalidSetting`] if there is no such pattern or its sizes make no sense.
pub fn parse_pattern(text: &str) -> Result<Box<dyn Pattern>, PruneError> {
    Ok(Box::new(text.parse::<BuiltinPattern>()?))
}

impl Default for BuiltinPattern {
    fn default() -> Self {
        Self::Unstructured(Unstructured)
    }
}

impl Pattern for BuiltinPattern {
    fn units(&self, path: &str, shape: [usize; 3]) -> Result<Units, PruneError> {
        self.as_pattern().units(path, shape)
    }

    fn fixed_sparsity(&self) -> Option<f64> {
        self.as_pattern().fixed_sparsity()
    }
}

impl fmt::Display for BuiltinPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.as_pattern(), f)
    }
}

impl FromStr for BuiltinPattern {
    type Err = PruneError;

    fn from_str(text: &str) -> Result<Self, PruneError> {
        let unknown = || {
            PruneError::invalid(
                "pattern",
                format!("\"{text}\""),
                "a known pattern",
                "write unstructured, 2:4, block 4x1, vector 3, kernel, filter or channel; n:m \
                 takes axis=out|in|kernel, and what has a size remainder=error|keep|partial",
            )
        };
        let pair = |sizes: &str, by: char| -> Option<(usize, usize)> {
            let (a, b) = sizes.split_once(by)?;
            Some((a.parse().ok()?, b.parse().ok()?))
        };
        let (mut options, name): (Vec<_>, Vec<_>) =
            text.split_whitespace().partition(|word| word.contains('='));
        // Takes the option out, so that what is left over at the end is an error.
        let mut option = |key: &str| {
            let at = options.iter().position(|word| {
                word.strip_prefix(key)
                    .is_some_and(|rest| rest.starts_with('='))
            })?;
            Some(&options.remove(at)[key.len() + 1..])
        };
        let mut remainder = || option("remainder").map_or(Ok(Remainder::default()), str::parse);
        let pattern = match *name.as_slice() {
            ["unstructured"] => Unstructured.into(),
            ["kernel"] => Kernel.into(),
            ["filter"] => Filter.into(),
            ["channel"] => Channel.into(),
            ["block", sizes] => {
                let (rows, cols) = pair(sizes, 'x').ok_or_else(unknown)?;
                Block::new(rows, cols)?.with_remainder(remainder()?).into()
            }
            ["vector", len] => {
                let len = len.parse().map_err(|_| unknown())?;
                Vector::new(len)?.with_remainder(remainder()?).into()
            }
            [sizes] => {
                let (keep, of) = pair(sizes, ':').ok_or_else(unknown)?;
                let pattern = NofM::keep(keep).of(of)?.with_remainder(remainder()?);
                let axis = option("axis").map_or(Ok(Axis::default()), str::parse)?;
                pattern.along(axis).into()
            }
            _ => return Err(unknown()),
        };
        if options.is_empty() {
            Ok(pattern)
        } else {
            Err(unknown())
        }
    }
}

impl TryFrom<String> for BuiltinPattern {
    type Error = PruneError;

    fn try_from(text: String) -> Result<Self, PruneError> {
        text.parse()
    }
}

impl From<BuiltinPattern> for String {
    fn from(pattern: BuiltinPattern) -> Self {
        pattern.to_string()
    }
}

macro_rules! from_each {
    ($($name:ident)+) => {$(
        impl From<$name> for BuiltinPattern {
            fn from(pattern: $name) -> Self {
                Self::$name(pattern)
            }
        }
    )+};
}

from_each! { Unstructured NofM Block Vector Kernel Filter Channel }

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_builtin() -> impl Strategy<Value = BuiltinPattern> {
        let remainder =
            proptest::sample::select(vec![Remainder::Error, Remainder::Keep, Remainder::Partial]);
        let axis = proptest::sample::select(vec![Axis::Out, Axis::In, Axis::Kernel]);
        (0usize..7, 1usize..9, 1usize..9, axis, remainder).prop_map(|(kind, a, b, axis, rest)| {
            match kind {
                0 => Unstructured.into(),
                1 => Kernel.into(),
                2 => Filter.into(),
                3 => Channel.into(),
                4 => Block::new(a, b).unwrap().with_remainder(rest).into(),
                5 => Vector::new(a).unwrap().with_remainder(rest).into(),
                _ => {
                    let pattern = NofM::keep(a).of(a + b).unwrap();
                    pattern.along(axis).with_remainder(rest).into()
                }
            }
        })
    }

    proptest! {
        #[test]
        fn names_and_files_round_trip(pattern in any_builtin()) {
            prop_assert_eq!(pattern.to_string().parse(), Ok(pattern));
            let boxed = parse_pattern(&pattern.to_string()).unwrap();
            prop_assert_eq!(boxed.to_string(), pattern.to_string());
            let json = serde_json::to_string(&pattern).unwrap();
            prop_assert_eq!(serde_json::from_str::<BuiltinPattern>(&json).unwrap(), pattern);
        }

        /// Units are a fair partition whatever the view, and the remainder's policy is kept.
        #[test]
        fn units_cover_what_the_remainder_says(
            pattern in any_builtin(),
            shape in [0usize..9, 0usize..9, 0usize..9],
        ) {
            let Ok(units) = pattern.units("w", shape) else {
                prop_assert!(!pattern.to_string().contains("remainder"));
                return Ok(());
            };
            let len: usize = shape.iter().product();
            let covered = (0..len).filter(|&e| units.unit_of(e).is_some()).count();
            if !pattern.to_string().contains("remainder=keep") {
                prop_assert_eq!(covered, len);
            }
            let members: usize = (0..units.count()).map(|unit| units.members(unit).count()).sum();
            prop_assert_eq!(members, covered);
        }

        #[test]
        fn no_text_panics(text in "[a-z0-9:x= ]{0,20}") {
            let _ = text.parse::<BuiltinPattern>();
        }
    }

    #[test]
    fn what_is_not_a_pattern_is_refused() {
        for text in [
            "",
            "2-4",
            "4:2",
            "0:4",
            "2:4:8",
            "block",
            "block 4",
            "block 0x1",
            "vector x",
            "vector 0",
            "filter remainder=keep",
            "2:4 axis=up",
            "2:4 remainder=drop",
            "2:4 size=1",
            "block 4x1 axis=in",
            "kernel 3",
            "-1:4",
            "99999999999999999999999:4",
        ] {
            assert!(text.parse::<BuiltinPattern>().is_err(), "{text}");
        }
        let error = "diagonal"
            .parse::<BuiltinPattern>()
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("\"diagonal\"") && error.contains("block 4x1"),
            "{error}"
        );
    }
}
