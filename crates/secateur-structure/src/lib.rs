//! Structured pruning: which channels can only go together, taking them out of a Burn model for
//! real, and proof that nothing else changed.
//!
//! From a model to a smaller one:
//!
//! | step | module |
//! | --- | --- |
//! | what goes together, read off the captured `forward` | [`coupling`], on the algebra of [`axes`] |
//! | how important channels are | [`importance`] |
//! | which go: a share, a ranking, a budget | [`choice`] |
//! | what that would do, before anything is changed | [`plan`] |
//! | a smaller model with a certificate | [`removal`], through [`cut`], [`slice`](mod@slice) and [`settings`] |
//! | the optimizer's state, and a file of it all | [`optimizer`], [`checkpoint`] |
//! | making up for what is gone | [`repair`] |
//! | whole residual blocks, found, scored and taken out | [`blocks`] |
//!
//! [`attention`] is an attention whose heads can go. The guide's page "Taking channels out" shows
//! all of it in use.

#![warn(missing_docs)]

pub mod attention;
pub mod axes;
mod batches;
pub mod blocks;
pub mod checkpoint;
pub mod choice;
pub mod coupling;
pub mod cut;
pub mod error;
pub mod importance;
pub mod optimizer;
pub mod plan;
pub mod removal;
pub mod repair;
pub mod settings;
pub mod slice;
mod survey;
