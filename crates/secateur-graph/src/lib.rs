//! What a Burn model does, operation by operation.
//!
//! [`ModelGraph::capture`] records a model's forward pass without computing it and without a line
//! changed in the model: each operation with its inputs, outputs and settings, each parameter
//! bound to the operations that use it by path and role. [`Counts`] tells what it costs, dense and
//! as pruned, [`Latency`] how long it may take. [`Taps`] run batches through it and show a pruner what flows through each layer.

#![warn(missing_docs)]

mod capture;
mod counts;
mod draw;
mod error;
mod features;
mod graph;
mod kind;
mod latency;
mod parameters;
mod run;
mod signals;
mod statistics;
mod taps;
mod tensors;
mod translate;

pub use capture::ModelGraph;
pub use counts::{Cost, Counts, OpCost};
pub use draw::{graphviz, mermaid};
pub use error::GraphError;
pub use features::Features;
pub use graph::{Element, Graph, OpId, Operation, Role, Source, Value, ValueId};
pub use kind::{ConvOptions, OpKind, Span};
pub use latency::Latency;
pub use run::{Runner, Seen};
pub use secateur_kernels::{CostModel, Isa};
pub use signals::{FlowMoments, InputGram, Statistic};
pub use statistics::{Gram, Moments};
pub use taps::Taps;
pub use tensors::GraphTensors;
