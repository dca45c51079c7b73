//! The vocabulary of Secateur: views, scores, patterns, allocations, schedules, masks, and the
//! [`Pruner`](pruner::Pruner) that brings them together.
//!
//! Users add the facade crate `secateur`; this crate is what methods are written against.

#![warn(missing_docs)]

pub mod allocation;
pub mod attach;
mod bit_matrix;
pub mod bits;
pub mod error;
pub mod files;
pub mod flow;
pub mod layers;
pub mod magnitude;
pub mod mask;
pub mod mask_file;
pub mod mask_op;
pub mod mask_set;
pub mod pack;
pub mod params;
pub mod parts;
pub mod path_pattern;
pub mod pattern;
pub mod penalty;
pub mod pruner;
pub mod random;
pub mod rank;
pub mod reduction;
pub mod regrowth;
pub mod schedule;
pub mod scorer;
pub mod seal;
pub mod selector;
pub mod signal;
pub mod state_dict;
pub mod target;
pub mod torch;
pub mod treatment;
pub mod units;
pub mod view;
pub mod weights;
