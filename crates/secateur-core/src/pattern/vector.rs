//! Strips inside a kernel.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Pattern, Remainder, positive};
use crate::error::PruneError;
use crate::units::Units;

/// A run of `len` neighbours inside one flattened kernel: with `len` the kernel's width, its
/// rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct Vector {
    len: usize,
    remainder: Remainder,
}

impl Vector {
    /// Runs of `len` elements.
    ///
    /// # Errors
    /// [`PruneError::InvalidSetting`] if `len` is 0.
    pub fn new(len: usize) -> Result<Self, PruneError> {
        Ok(Self {
            len: positive("vector length", len)?,
            remainder: Remainder::default(),
        })
    }

    /// What to do where `len` does not divide the kernel.
    pub fn with_remainder(mut self, remainder: Remainder) -> Self {
        self.remainder = remainder;
        self
    }

    /// Elements of a run.
    pub fn run_len(&self) -> usize {
        self.len
    }
}

impl Pattern for Vector {
    fn units(&self, path: &str, shape: [usize; 3]) -> Result<Units, PruneError> {
        self.remainder.tile(self, path, shape, [1, 1, self.len])
    }
}

impl fmt::Display for Vector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "vector {}", self.len)?;
        self.remainder.fmt_suffix(f)
    }
}

/// What a file may say of a [`Vector`].
#[derive(Deserialize)]
struct Unchecked {
    len: usize,
    #[serde(default)]
    remainder: Remainder,
}

impl TryFrom<Unchecked> for Vector {
    type Error = PruneError;

    fn try_from(raw: Unchecked) -> Result<Self, PruneError> {
        Ok(Self::new(raw.len)?.with_remainder(raw.remainder))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_rows_of_a_kernel() {
        // A 2 x 3 kernel: two rows of three; the second input's kernel starts at 6.
        let units = Vector::new(3).unwrap().units("w", [1, 2, 6]).unwrap();
        assert_eq!(units.count(), 4);
        assert_eq!(units.members(1).collect::<Vec<_>>(), [3, 4, 5]);
        assert_eq!(units.members(2).collect::<Vec<_>>(), [6, 7, 8]);
        assert!(Vector::new(0).is_err());
        assert!(Vector::new(4).unwrap().units("w", [1, 2, 6]).is_err());
        let partial = Vector::new(4).unwrap().with_remainder(Remainder::Partial);
        assert_eq!(partial.units("w", [1, 2, 6]).unwrap().unit_len(), 2..=4);
    }
}
