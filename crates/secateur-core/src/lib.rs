//! The vocabulary of Secateur.

#![warn(missing_docs)]

pub mod bits;
pub mod error;
pub mod mask;
pub mod mask_file;
pub mod mask_set;
