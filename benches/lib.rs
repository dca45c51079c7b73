//! What the benches share: nets to measure, and ratios within one run.

#![warn(missing_docs)]

pub mod nets;
pub mod ratio;
