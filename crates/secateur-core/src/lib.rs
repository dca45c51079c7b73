//! The vocabulary of Secateur.

#![warn(missing_docs)]

pub mod allocation;
pub mod attach;
pub mod bits;
pub mod error;
pub mod mask;
pub mod mask_file;
pub mod mask_op;
pub mod mask_set;
pub mod params;
pub mod path_pattern;
pub mod pattern;
pub mod rank;
pub mod schedule;
pub mod target;
pub mod units;
pub mod view;
