//! Typed access to the layers of a model.
//!
//! Masks reach every parameter of every module by its path, but taking channels out for real also
//! means changing what a layer knows about itself: `Conv2d::groups`, the size of a norm, the heads of
//! an attention. This module hands every layer of a model out under its record path, all at once and
//! with its type:
//!
//! ```
//! use burn::nn::{Linear, LinearConfig};
//! use burn::tensor::Device;
//! use secateur_core::layers::{layers_mut, LayerMut};
//!
//! let mut model: Vec<Linear> = vec![LinearConfig::new(4, 2).init(&Device::flex())];
//! let mut layers = layers_mut(&mut model);
//! if let LayerMut::Linear(linear) = layers.get_mut("0")? {
//!     linear.bias = None;
//! }
//! assert!(model[0].bias.is_none());
//! # Ok::<(), secateur_core::error::PruneError>(())
//! ```
//!
//! # Who implements what
//!
//! | type | what to do |
//! | --- | --- |
//! | a model made of layers | `#[derive(Prune)]` beside `#[derive(Module)]` |
//! | a layer with weights of its own | implement [`PrunableLayer`], nothing else |
//! | a layer of Burn, a parameter, a list, an option | nothing, it is done here |
//!
//! # Paths
//!
//! A path is what Burn writes into a record: field names joined by dots, the index inside a vector,
//! array or tuple, the variant's name inside an enum, nothing for an option. The layer at `blocks.0.conv`
//! has the parameter `blocks.0.conv.weight`.

mod attributes;
mod containers;
mod layer;
mod leaves;
mod parameterless;
mod removable;
mod sequences;
mod size;
mod spec;
mod walk;

pub use attributes::{AttributeMap, Attributes};
pub use containers::{
    BidirectionalMut, FeedForwardMut, GruMut, LstmMut, MultiHeadAttentionMut, RnnMut,
    TransformerLayerMut, TransformerMut,
};
pub use layer::LayerMut;
pub use removable::{Holder, removable_parts, remove_parts};
pub use size::{Factors, Side, SizeOf};
pub use spec::{ParamSpec, PrunableLayer};
pub use walk::{LayerWalk, Layers};

/// A module whose layers can be reached by their types.
///
/// Derive it with `#[derive(Prune)]`. A layer with parameters of its own implements [`PrunableLayer`]
/// instead and is `Prunable` through that.
#[diagnostic::on_unimplemented(
    message = "the layers of `{Self}` cannot be reached: it does not implement `Prunable`",
    label = "no access to the layers of `{Self}`",
    note = "for a model made of layers, add `#[derive(Prune)]` beside `#[derive(Module)]`",
    note = "for a layer with weights of its own, implement `PrunableLayer`",
    note = "for what is no module at all, mark the field `#[module(skip)]`"
)]
pub trait Prunable {
    /// Hands every layer below `self` to the walk, in the order in which Burn visits them.
    fn collect_layers<'a>(&'a mut self, walk: &mut LayerWalk<'a>);
}

/// Every layer of `model`, each under its path and ready to be changed.
///
/// All layers are lent at once: a container such as [`Lstm`](burn::nn::Lstm) is listed as its own
/// settings, while the layers inside it have paths of their own.
pub fn layers_mut<M: Prunable + ?Sized>(model: &mut M) -> Layers<'_> {
    let mut walk = LayerWalk::new();
    model.collect_layers(&mut walk);
    walk.finish()
}

/// What the model's author wrote in `#[prune(..)]`, to be asked by path.
///
/// Works on a clone, which shares every tensor with `model` and so costs little.
pub fn attributes<M: Prunable + Clone>(model: &M) -> AttributeMap {
    layers_mut(&mut model.clone()).into_attributes()
}
