//! placeholder
#![warn(missing_docs)]

pub mod error;
pub mod folder;
pub mod level;
pub mod model;
pub mod predictions;
pub mod random;
pub mod statistics;
pub mod test_set;

pub use error::EvalError;
pub use folder::{Job, Jobs, ResultsFolder};
pub use level::{Kind, Level};
pub use model::{Condition, ModelResult};
pub use predictions::{Hits, Predictions};
pub use test_set::{Grouping, TestSet};
