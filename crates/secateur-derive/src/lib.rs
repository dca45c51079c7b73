//! `#[derive(Prune)]`: typed access to every layer of a Burn model, for
//! [Secateur](https://docs.rs/secateur).
//!
//! Use it through `secateur`, which re-exports it; the generated code reaches everything through
//! `::secateur`.

mod attr;
mod bound;
mod burn_module;
mod ctxt;
mod expand;
mod item;
mod pattern;
mod size;

use proc_macro::TokenStream;
use syn::{DeriveInput, parse_macro_input};

/// Gives Secateur access to the layers of a model, each by its path and with its type.
///
/// Stands beside `#[derive(Module)]` and sees the same fields: those that Burn passes over, which are
/// constants such as `usize` and fields marked `#[module(skip)]`, are passed over here.
///
/// ```ignore
/// #[derive(Module, Prune, Debug)]
/// #[prune(group = "trunk")]
/// struct Net {
///     #[prune(sparsity = 0.5, pattern = "2:4")]
///     conv: Conv2d,
///     blocks: Vec<Block>,
///     #[prune(skip)]
///     head: Linear,
///     #[prune(size = "conv.out")]
///     width: usize,
///     classes: usize,
/// }
/// ```
///
/// # Attributes
///
/// On a field, an enum variant, or the type itself, where they apply to everything below:
///
/// | attribute | meaning |
/// | --- | --- |
/// | `skip` | nothing below is pruned |
/// | `sparsity = 0.5` | share of zeros to end with, in [0, 1) |
/// | `pattern = "2:4"` | what lives and dies together: `unstructured`, `n:m` (of m neighbours n are kept), `filter`, `channel`, `kernel`, `block RxC`, `vector N`; n:m takes `axis=out`, `in` or `kernel`, and whatever has a size takes `remainder=error`, `keep` or `partial` |
/// | `group = "name"` | layers of one group are ranked together |
///
/// On a field or an enum variant:
///
/// | attribute | meaning |
/// | --- | --- |
/// | `tied = "name"` | the output channels of all layers tied under one name go together; a declaration, which structured pruning checks against what the model does |
///
/// On a `usize` field of a struct:
///
/// | attribute | meaning |
/// | --- | --- |
/// | `size = "conv.out"` | the value follows the output channels (`in`: the input channels) of the layer at this path, counted from the struct |
/// | `size = "query.out[0]"` | the same for one factor, the outermost being 0, of a dimension that `forward` splits: 0 is the heads and 1 the width where it reshapes `[.., heads * width]` to `[.., heads, width]` |
/// | `size = "query.out[0..2]"` | the same for the product of several factors |
///
/// A field's attribute wins over a type's, an inner field's over an outer one's; `skip` cannot be
/// taken back.
///
/// On the type only:
///
/// | attribute | meaning |
/// | --- | --- |
/// | `crate = "path"` | where to find Secateur, if it is not `::secateur` |
///
/// # Generics
///
/// A type parameter that a field uses must be `Prunable`; the bound is added.
#[proc_macro_derive(Prune, attributes(prune))]
pub fn derive_prune(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    expand::expand(&input)
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}
