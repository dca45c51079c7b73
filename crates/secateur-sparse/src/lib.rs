//! Pruned Burn models that run faster.

#![warn(missing_docs)]

mod error;
pub mod layers;
pub mod ops;

pub use error::SparseError;
