//! Pruned Burn models that run faster.

#![warn(missing_docs)]

mod error;

pub use error::SparseError;
