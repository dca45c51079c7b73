//! What the examples share: data, nets and a training loop.
//!
//! Everything random in here is drawn from [`random::Generator`], seeded by the caller, so that a
//! run gives the same numbers whatever else runs beside it.

pub mod command_line;
pub mod data;
pub mod error;
pub mod nets;
pub mod random;
pub mod speed;
pub mod training;

pub use error::{ExampleError, Result};
