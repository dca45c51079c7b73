#![doc = include_str!("../README.md")]
#![warn(missing_docs)]

pub mod analysis;
pub mod calibration;
pub mod classes;
pub mod corruption;
pub mod error;
pub mod folder;
pub mod images;
pub mod level;
pub mod model;
mod notes;
mod picture;
pub mod pies;
pub mod population;
pub mod predictions;
pub mod random;
pub mod report;
pub mod robustness;
pub mod sensitivity;
pub mod settings;
pub mod statistics;
pub mod study;
mod tensors;
pub mod test_set;
pub mod tradeoff;
pub mod weights;

pub use analysis::Analysis;
pub use corruption::Corruption;
pub use error::EvalError;
pub use folder::{Job, Jobs, ResultsFolder};
pub use images::Images;
pub use level::{Kind, Level};
pub use model::{Condition, ModelResult};
pub use pies::TieRule;
pub use population::{Design, Population};
pub use predictions::{Hits, Predictions};
pub use report::Report;
pub use sensitivity::{LayerDamage, Sensitivity};
pub use settings::{Drawn, Settings};
pub use study::Study;
pub use test_set::{Grouping, TestSet};
pub use tradeoff::{Cost, Costs, Point, TradeOff};
