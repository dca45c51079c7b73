//! The statistics behind every claim, each usable by itself.

pub mod bootstrap;
pub mod multiplicity;
pub mod permutation;
pub(crate) mod shares;
pub mod student;
pub mod welch;

pub use bootstrap::{Estimate, Interval};
pub use multiplicity::Correction;
pub use permutation::Permutation;
pub use welch::{Outcome, WhyNot};
