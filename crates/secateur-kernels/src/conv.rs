//! Convolutions with pruned weights, in one and two dimensions, computed directly: no matrix of
//! patches is ever written.
//!
//! Activations are NCHW, `[batch, channels, height, width]`, row-major. See [`SparseConv`].

mod copies;
mod dense;
mod estimate;
mod finish;
mod geometry;
mod measure;
mod packed;
mod panels;
mod plane;
pub mod reference;
mod run;
mod segments;

pub use estimate::{ConvChoice, ConvHint};
pub use geometry::ConvGeometry;
pub use packed::{ConvFormat, SparseConv};
pub(crate) use plane::ConvScratch;
