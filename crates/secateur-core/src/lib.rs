//! The vocabulary of Secateur.

#![warn(missing_docs)]

pub mod attach;
pub mod bits;
pub mod error;
pub mod mask_op;
pub mod params;
pub mod view;
