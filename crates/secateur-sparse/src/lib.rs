//! Pruned Burn models that run faster: [operations](ops) and [layers] that store and multiply only
//! the weights that pruning left.

#![warn(missing_docs)]

pub mod engine;
mod error;
mod estimate;
pub mod layers;
pub mod ops;

pub use engine::{EngineConfig, EngineOutput, Explanation, SparseEngine};
pub use error::SparseError;
pub use estimate::{Estimate, LayerEstimate, Prediction, estimate};
