//! Layers with sparse weights: made from pruned dense ones, trained, saved, and turned back.
//!
//! | layer | from and to |
//! | --- | --- |
//! | [`SparseLinear`] | `Linear`, of both layouts |
//! | [`SparseConv1d`] | `Conv1d` |
//! | [`SparseConv2d`] | `Conv2d` |
//!
//! Each holds the values of its kept weights as an ordinary parameter, `[nnz]`, which optimizers
//! train, and where they stand as an integer parameter that nothing trains: a bit for each weight.
//! Burn's own `save_file` writes both. At 90 % sparsity a file has about 13 % of the size of the
//! dense one.
//!
//! A record can only be loaded into a layer with as many kept weights. [`SparseRecord`] makes the
//! layers that a file asks for:
//!
//! ```
//! use burn::{module::Module, nn::LinearConfig, tensor::Device};
//! use secateur_sparse::layers::{SparseLinear, SparseRecord};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let device = Device::flex();
//! let mut dense = LinearConfig::new(64, 10).init(&device);
//! # dense.weight = dense.weight.map(|w| { let small = w.clone().abs().lower_elem(0.1); w.mask_fill(small, 0.0) });
//! // ... pruned, finished: `dense` has zeros ...
//! let layer = SparseLinear::from_dense(&dense)?;
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("layer");
//! layer.clone().save_file(&path)?;
//!
//! let loaded = SparseRecord::open(&path)?.linear("", &device)?;
//! assert_eq!(loaded.nnz(), layer.nnz());
//! # Ok(())
//! # }
//! ```
//!
//! For a file in dense safetensors, save what `to_dense` gives with `burn-store`; and the other
//! way round load a dense layer, then use `from_dense`.
//!
//! Clones of a layer share what their weights were packed into. Clones that are trained apart and
//! used in turn pack at every turn.

mod conv;
mod conv1d;
mod conv2d;
mod held;
mod linear;
mod record;

use secateur_core::{
    layers::{ParamSpec, PrunableLayer},
    params::Role,
    view::Layout,
};

pub use conv1d::SparseConv1d;
pub use conv2d::SparseConv2d;
pub use linear::SparseLinear;
pub use record::SparseRecord;

// They can be fields of a model that derives `Prune`, and are not pruned again: the values are no
// weight matrix.
macro_rules! pruned_already {
    ($($layer:ident)+) => {$(
        impl PrunableLayer for $layer {
            fn params(&self) -> Vec<ParamSpec> {
                let mut specs = vec![ParamSpec::new("values", Role::Other, Layout::OutIn)];
                if self.bias.is_some() {
                    specs.push(ParamSpec::new("bias", Role::Bias, Layout::OutIn));
                }
                specs
            }
        }
    )+};
}

pruned_already!(SparseLinear SparseConv1d SparseConv2d);
