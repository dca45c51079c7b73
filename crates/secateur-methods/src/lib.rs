//! The literature of pruning.

pub mod erk;
pub mod lamp;
