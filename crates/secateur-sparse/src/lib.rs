//! Pruned Burn models that run faster.

#![warn(missing_docs)]

pub mod engine;
mod error;
mod estimate;
pub mod layers;
pub mod ops;

pub use engine::{EngineConfig, EngineOutput, Explanation, SparseEngine};
pub use error::SparseError;
pub use estimate::{Estimate, LayerEstimate, Prediction, estimate};
