//! Structured pruning: which channels can only go together, taking them out of a Burn model for
//! real, and proof that nothing else changed.

#![warn(missing_docs)]

pub mod cut;
pub mod repair;
