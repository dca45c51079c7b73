//! The vocabulary of Secateur.

#![warn(missing_docs)]

pub mod bits;
pub mod error;
pub mod layers;
