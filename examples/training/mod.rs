//! Learning and being judged.

mod fit;
mod hook;
mod observed;
mod pruning;
mod recipe;
mod student;

pub use fit::{distil, fit};
pub use hook::{Hook, NoHook, Progress};
pub use observed::gradients;
pub use pruning::Pruning;
pub use recipe::Recipe;
pub use student::Student;
