//! What the benches share: nets and matrices to measure, and ratios within one run.

#![warn(missing_docs)]

pub mod aligned;
pub mod matrices;
pub mod median;
pub mod nets;
pub mod ratio;
pub mod second_program;
pub mod stopwatch;
