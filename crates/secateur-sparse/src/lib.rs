//! Pruned Burn models that run faster: [operations](ops) and [layers] that store and multiply only
//! the weights that pruning left.

#![warn(missing_docs)]

mod error;
pub mod layers;
pub mod ops;

pub use error::SparseError;
