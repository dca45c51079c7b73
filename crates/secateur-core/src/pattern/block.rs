//! Blocks of an `out` x `in` matrix.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Pattern, Remainder, positive};
use crate::error::PruneError;
use crate::units::Units;

/// A rectangle of `rows` neighbouring `out` by `cols` neighbouring `in`, at each kernel position
/// by itself: what block-sparse matrix products skip.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct Block {
    rows: usize,
    cols: usize,
    remainder: Remainder,
}

impl Block {
    /// Blocks of `rows` outputs by `cols` inputs.
    ///
    /// # Errors
    /// [`PruneError::InvalidSetting`] if either is 0.
    pub fn new(rows: usize, cols: usize) -> Result<Self, PruneError> {
        Ok(Self {
            rows: positive("block rows", rows)?,
            cols: positive("block columns", cols)?,
            remainder: Remainder::default(),
        })
    }

    /// What to do where the block does not divide the view.
    pub fn with_remainder(mut self, remainder: Remainder) -> Self {
        self.remainder = remainder;
        self
    }

    /// Outputs that a block spans.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Inputs that a block spans.
    pub fn cols(&self) -> usize {
        self.cols
    }
}

impl Pattern for Block {
    fn units(&self, path: &str, shape: [usize; 3]) -> Result<Units, PruneError> {
        let size = [self.rows, self.cols, 1];
        self.remainder.tile(self, path, shape, size)
    }
}

impl fmt::Display for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "block {}x{}", self.rows, self.cols)?;
        self.remainder.fmt_suffix(f)
    }
}

/// What a file may say of a [`Block`].
#[derive(Deserialize)]
struct Unchecked {
    rows: usize,
    cols: usize,
    #[serde(default)]
    remainder: Remainder,
}

impl TryFrom<Unchecked> for Block {
    type Error = PruneError;

    fn try_from(raw: Unchecked) -> Result<Self, PruneError> {
        Ok(Self::new(raw.rows, raw.cols)?.with_remainder(raw.remainder))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rank::keep_largest;
    use crate::reduction::Reduction;

    #[test]
    fn golden_two_by_two() {
        // JaxPruner's block rule with average pooling, by hand. View [4, 4, 1]:
        //   1 2 | 0 0     means 2.5, 0.25 / 3.25, 4: half go, the first row of blocks.
        //   3 4 | 0 1
        //   ----+----
        //   9 1 | 4 4
        //   1 2 | 4 4
        let scores = [
            1.0, 2.0, 0.0, 0.0, //
            3.0, 4.0, 0.0, 1.0, //
            9.0, 1.0, 4.0, 4.0, //
            1.0, 2.0, 4.0, 4.0,
        ];
        let units = Block::new(2, 2).unwrap().units("w", [4, 4, 1]).unwrap();
        let means = units.scores(&scores, Reduction::Mean, None).unwrap();
        assert_eq!(means, [2.5, 0.25, 3.25, 4.0]);
        let mask = units.expand(&keep_largest(&means, None, 2), &[], None);
        let kept: Vec<_> = mask.unwrap().bits().iter_ones().collect();
        assert_eq!(kept, (8..16).collect::<Vec<_>>());
    }

    #[test]
    fn kernel_positions_are_apart() {
        // View [2, 1, 2], blocks 2x1: position 0 is elements 0 and 2, position 1 is 1 and 3.
        let units = Block::new(2, 1).unwrap().units("w", [2, 1, 2]).unwrap();
        let members: Vec<Vec<_>> = (0..2).map(|u| units.members(u).collect()).collect();
        assert_eq!(members, [[0, 2], [1, 3]]);
    }

    #[test]
    fn uneven_views_follow_the_remainder() {
        let block = Block::new(4, 1).unwrap();
        assert!(block.units("w", [6, 3, 1]).is_err());
        let count = |remainder| {
            let units = block.with_remainder(remainder).units("w", [6, 3, 1]);
            units.unwrap().count()
        };
        assert_eq!(count(Remainder::Keep), 3);
        assert_eq!(count(Remainder::Partial), 6);
        assert!(Block::new(0, 1).is_err() && Block::new(1, 0).is_err());
    }
}
