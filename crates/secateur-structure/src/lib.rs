//! Structured pruning: which channels can only go together, taking them out of a Burn model for
//! real, and proof that nothing else changed.

#![warn(missing_docs)]

pub mod attention;
pub mod axes;
pub mod checkpoint;
pub mod choice;
pub mod coupling;
pub mod cut;
pub mod error;
pub mod importance;
pub mod optimizer;
pub mod plan;
pub mod removal;
pub mod repair;
pub mod settings;
pub mod slice;
mod survey;
