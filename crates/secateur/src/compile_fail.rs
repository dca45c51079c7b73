//! Mistakes that the type checker refuses, as documentation tests that must not compile. What the
//! derive itself refuses has cases of its own in `secateur-derive`.

/// A field whose type says nothing about its layers.
///
/// ```compile_fail,E0277
/// use burn::{module::Module, nn::Linear};
/// use secateur::Prune;
///
/// #[derive(Module, Debug)]
/// struct Block {
///     linear: Linear,
/// }
///
/// #[derive(Module, Prune, Debug)]
/// struct Net {
///     blocks: Vec<Block>, // `Block` lacks `#[derive(Prune)]`
/// }
/// ```
pub mod missing_prune {}

/// A layer cannot be a model as well: Secateur could not tell whether to list its inside.
///
/// ```compile_fail,E0119
/// use burn::{module::Module, nn::Linear};
/// use secateur::{Prune, layers::{ParamSpec, PrunableLayer}};
///
/// #[derive(Module, Prune, Debug)]
/// struct Net {
///     linear: Linear,
/// }
///
/// impl PrunableLayer for Net {
///     fn params(&self) -> Vec<ParamSpec> {
///         Vec::new()
///     }
/// }
/// ```
pub mod layer_and_model {}

/// An attribute on a field that Burn does not visit would have no effect.
///
/// ```compile_fail
/// use burn::{module::Module, nn::Linear};
/// use secateur::Prune;
///
/// #[derive(Clone, Debug)]
/// struct Settings;
///
/// #[derive(Module, Prune, Debug)]
/// struct Net {
///     linear: Linear,
///     #[module(skip)]
///     #[prune(skip)]
///     settings: Settings,
/// }
/// ```
pub mod attribute_on_a_skipped_field {}
