//! The vocabulary of Secateur.

#![warn(missing_docs)]

pub mod bits;
pub mod error;
pub mod pattern;
pub mod rank;
pub mod reduction;
pub mod units;
