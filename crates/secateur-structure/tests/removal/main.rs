//! Taking channels out: parameters, settings, optimizers, checkpoints.

mod checkpoint;
mod nets;
mod optimizer;
mod settings;
mod slice;
