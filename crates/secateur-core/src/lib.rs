//! The vocabulary of Secateur.

#![warn(missing_docs)]

pub mod allocation;
pub mod bits;
pub mod error;
pub mod path_pattern;
pub mod schedule;
pub mod target;
