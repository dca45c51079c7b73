//! The n:m pattern: so many kept of every so many.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{Pattern, Remainder};
use crate::error::PruneError;
use crate::units::Units;

/// An axis of a view `[out, in, kernel]`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Axis {
    /// What the layer gives.
    Out,
    /// What the layer reads, along which a matrix product sums.
    #[default]
    In,
    /// The flattened kernel.
    Kernel,
}

impl fmt::Display for Axis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Out => "out",
            Self::In => "in",
            Self::Kernel => "kernel",
        })
    }
}

impl FromStr for Axis {
    type Err = PruneError;

    fn from_str(name: &str) -> Result<Self, PruneError> {
        [Self::Out, Self::In, Self::Kernel]
            .into_iter()
            .find(|axis| axis.to_string() == name)
            .ok_or_else(|| {
                PruneError::invalid(
                    "axis",
                    format!("\"{name}\""),
                    "an axis of a view",
                    "use one of out, in, kernel",
                )
            })
    }
}

/// Keeps `keep` of every `of` neighbours along an axis: `NofM::keep(2).of(4)` is the 2:4 of
/// sparse tensor cores.
///
/// Some libraries write n:m and *zero* n; here n is what is *kept*, and the constructor says so.
/// Groups lie along [`Axis::In`] unless told otherwise, as hardware wants them, and are pruned to
/// exactly `keep`: the sparsity is fixed at `1 - keep / of`, and a schedule can only raise the
/// share of groups that obey.
///
/// ```
/// use secateur_core::pattern::NofM;
///
/// # fn main() -> Result<(), secateur_core::error::PruneError> {
/// let pattern = NofM::keep(2).of(4)?;
/// assert_eq!(pattern.to_string(), "2:4");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct NofM {
    keep: usize,
    of: usize,
    axis: Axis,
    remainder: Remainder,
}

/// A [`NofM`] of which only the kept share is said yet.
#[derive(Clone, Copy, Debug)]
#[must_use = "say of how many with `of`"]
pub struct KeepOf {
    keep: usize,
}

impl KeepOf {
    /// The size of a group.
    ///
    /// # Errors
    /// [`PruneError::InvalidSetting`] unless `0 < keep < of`.
    pub fn of(self, of: usize) -> Result<NofM, PruneError> {
        let keep = self.keep;
        if keep == 0 || keep >= of {
            return Err(PruneError::invalid(
                "n:m pattern",
                format!("{keep}:{of}"),
                "to keep at least one and fewer than all of a group",
                "write what is kept first, e.g. `NofM::keep(2).of(4)`",
            ));
        }
        Ok(NofM {
            keep,
            of,
            axis: Axis::default(),
            remainder: Remainder::default(),
        })
    }
}

impl NofM {
    /// How many of a group are kept; finish with [`of`](KeepOf::of).
    pub fn keep(keep: usize) -> KeepOf {
        KeepOf { keep }
    }

    /// Lays the groups along `axis`.
    pub fn along(mut self, axis: Axis) -> Self {
        self.axis = axis;
        self
    }

    /// What to do where `of` does not divide the axis.
    pub fn with_remainder(mut self, remainder: Remainder) -> Self {
        self.remainder = remainder;
        self
    }

    /// How many members of a group are kept.
    pub fn kept(&self) -> usize {
        self.keep
    }

    /// How many members a group has.
    pub fn group_len(&self) -> usize {
        self.of
    }

    /// The axis along which groups lie.
    pub fn axis(&self) -> Axis {
        self.axis
    }
}

impl Pattern for NofM {
    fn units(&self, path: &str, shape: [usize; 3]) -> Result<Units, PruneError> {
        let size = match self.axis {
            Axis::Out => [self.of, 1, 1],
            Axis::In => [1, self.of, 1],
            Axis::Kernel => [1, 1, self.of],
        };
        let units = self.remainder.tile(self, path, shape, size)?;
        Ok(units.with_keep(self.keep))
    }

    fn fixed_sparsity(&self) -> Option<f64> {
        Some((self.of - self.keep) as f64 / self.of as f64)
    }
}

impl fmt::Display for NofM {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.keep, self.of)?;
        if self.axis != Axis::default() {
            write!(f, " axis={}", self.axis)?;
        }
        self.remainder.fmt_suffix(f)
    }
}

/// What a file may say of a [`NofM`].
#[derive(Deserialize)]
struct Unchecked {
    keep: usize,
    of: usize,
    #[serde(default)]
    axis: Axis,
    #[serde(default)]
    remainder: Remainder,
}

impl TryFrom<Unchecked> for NofM {
    type Error = PruneError;

    fn try_from(raw: Unchecked) -> Result<Self, PruneError> {
        let pattern = Self::keep(raw.keep).of(raw.of)?;
        Ok(pattern.along(raw.axis).with_remainder(raw.remainder))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bits::Bits;

    /// The elements kept when every group obeys.
    fn kept(pattern: NofM, shape: [usize; 3], scores: &[f32]) -> Vec<usize> {
        let units = pattern.units("w", shape).unwrap();
        let mask = units.expand(&Bits::zeros(units.count()), scores, None);
        let mask = mask.unwrap();
        assert_eq!(pattern.is_obeyed("w", &mask), Ok(true));
        mask.bits().iter_ones().collect()
    }

    #[test]
    fn golden_one_of_four_keeps_one() {
        // JaxPruner's rule, keep n of m; read the other way 1:4 would keep three.
        let pattern = NofM::keep(1).of(4).unwrap();
        let scores = [1.0, 4.0, 2.0, 3.0, 0.5, 0.5, 0.5, 0.5];
        // The best of (1 4 2 3) is at 1, the first of four equals is at 4.
        assert_eq!(kept(pattern, [1, 8, 1], &scores), [1, 4]);
        assert_eq!(pattern.fixed_sparsity(), Some(0.75));
    }

    #[test]
    fn golden_along_each_axis() {
        // View [2, 2, 2]: o0: (7 0) (1 6), o1: (2 5) (4 3).
        let scores = [7.0, 0.0, 1.0, 6.0, 2.0, 5.0, 4.0, 3.0];
        let pattern = NofM::keep(1).of(2).unwrap();
        let along = |axis| kept(pattern.along(axis), [2, 2, 2], &scores);
        // in: (0,2): 7>1, (1,3): 0<6, (4,6): 2<4, (5,7): 5>3.
        assert_eq!(along(Axis::In), [0, 3, 5, 6]);
        // out: (0,4): 7>2, (1,5): 0<5, (2,6): 1<4, (3,7): 6>3.
        assert_eq!(along(Axis::Out), [0, 3, 5, 6]);
        // kernel: (0,1): 7>0, (2,3): 1<6, (4,5): 2<5, (6,7): 4>3.
        assert_eq!(along(Axis::Kernel), [0, 3, 5, 6]);
        // Swapping o1's first kernel tells in from kernel: in (4,6): 5>4, (5,7): 2<3.
        let scores = [7.0, 0.0, 1.0, 6.0, 5.0, 2.0, 4.0, 3.0];
        assert_eq!(kept(pattern, [2, 2, 2], &scores), [0, 3, 4, 7]);
        let kernel = pattern.along(Axis::Kernel);
        assert_eq!(kept(kernel, [2, 2, 2], &scores), [0, 3, 4, 6]);
    }

    #[test]
    fn remainders() {
        let pattern = NofM::keep(2).of(4).unwrap();
        let error = pattern.units("fc.weight", [2, 6, 1]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "pattern 2:4 does not fit `fc.weight`: 4 does not divide its `in` dimension of 6 in \
             the view [2, 6, 1]; set the remainder to keep or partial, or give this parameter \
             another pattern"
        );
        let scores = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 0.0];
        let keep = pattern.with_remainder(Remainder::Keep);
        assert_eq!(kept(keep, [1, 7, 1], &scores), [2, 3, 4, 5, 6]);
        let partial = pattern.with_remainder(Remainder::Partial);
        assert_eq!(kept(partial, [1, 7, 1], &scores), [2, 3, 4, 5]);
        // A group of two loses nothing, and neither does a view of one element.
        assert_eq!(kept(partial, [1, 6, 1], &scores[..6]), [2, 3, 4, 5]);
        assert_eq!(kept(partial, [1, 1, 1], &[0.0]), [0]);
        assert_eq!(kept(keep, [1, 1, 1], &[0.0]), [0]);
        assert!(pattern.units("w", [1, 1, 1]).is_err());
        assert_eq!(pattern.units("w", [0, 6, 1]).unwrap().count(), 0);
        assert_eq!(pattern.units("w", [6, 0, 1]).unwrap().count(), 0);
    }

    #[test]
    fn three_left_of_four_obey_nothing() {
        let pattern = NofM::keep(2).of(4).unwrap();
        let obeyed = |kept: [bool; 4]| {
            let mask = crate::mask::Mask::from_bits([1, 4, 1], kept.into_iter().collect());
            pattern.is_obeyed("w", &mask.unwrap()).unwrap()
        };
        assert!(obeyed([true; 4]));
        assert!(!obeyed([true, true, true, false]));
        assert!(obeyed([true, true, false, false]));
        assert!(obeyed([false; 4]));
    }

    #[test]
    fn senseless_groups_are_refused() {
        for (keep, of) in [(0, 4), (4, 4), (4, 2), (0, 0)] {
            assert!(NofM::keep(keep).of(of).is_err(), "{keep}:{of}");
        }
        assert!(serde_json::from_str::<NofM>(r#"{"keep":4,"of":2}"#).is_err());
        let read = serde_json::from_str::<NofM>(r#"{"keep":2,"of":4}"#).unwrap();
        assert_eq!(Ok(read), NofM::keep(2).of(4));
    }
}
