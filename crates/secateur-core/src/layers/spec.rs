//! What a layer says about its parameters, and the trait of users' own layers.

use std::any::Any;
use std::borrow::Cow;
use std::fmt::Debug;

use super::{LayerMut, LayerWalk, Prunable};
use crate::params::Role;
use crate::view::Layout;

/// A layer of your own: the one trait to implement for it.
///
/// It tells Secateur which of the layer's fields are parameters, what each is for and how its axes map
/// to a view. From then on the layer can stand anywhere in a model that derives `Prune`, and is listed
/// as [`LayerMut::Custom`].
///
/// ```
/// use burn::module::{Module, Param};
/// use burn::tensor::{Device, Tensor};
/// use secateur_core::layers::{layers_mut, ParamSpec, PrunableLayer};
/// use secateur_core::{params::Role, view::Layout};
///
/// /// `y = x W`, with a weight of shape `[d_output, d_input]`.
/// #[derive(Module, Debug)]
/// struct TransposedLinear {
///     weight: Param<Tensor<2>>,
/// }
///
/// impl PrunableLayer for TransposedLinear {
///     fn params(&self) -> Vec<ParamSpec> {
///         vec![ParamSpec::new("weight", Role::Weight, Layout::OutIn)]
///     }
/// }
///
/// let weight = Param::from_tensor(Tensor::zeros([3, 2], &Device::flex()));
/// let mut layer = TransposedLinear { weight };
/// assert_eq!(layers_mut(&mut layer).params()[0].0, "weight");
/// ```
///
/// A model made of other layers wants `#[derive(Prune)]` instead; having both is an error, for then
/// Secateur could not tell whether its inside is to be listed.
pub trait PrunableLayer: Any + Debug + Send {
    /// Describes the layer's own parameters, in the order of its fields.
    fn params(&self) -> Vec<ParamSpec>;

    /// The name that tables and errors show: the type's name without its module path.
    fn type_name(&self) -> &str {
        let name = std::any::type_name::<Self>();
        // Generic arguments keep their own paths: cut only before the first of them.
        let end = name.find('<').unwrap_or(name.len());
        let start = name[..end].rfind("::").map_or(0, |at| at + 2);
        &name[start..]
    }
}

impl<L: PrunableLayer> Prunable for L {
    fn collect_layers<'a>(&'a mut self, walk: &mut LayerWalk<'a>) {
        walk.layer(LayerMut::Custom(self));
    }
}

/// One parameter of a layer: where it is, what it is for, how it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ParamSpec {
    /// Name of the field, as in the record; for a parameter that lies deeper, its path below the layer.
    pub name: Cow<'static, str>,
    /// What the parameter is for.
    pub role: Role,
    /// How its axes map to a view.
    pub layout: Layout,
}

impl ParamSpec {
    /// Describes the parameter in the field `name`.
    pub fn new(name: impl Into<Cow<'static, str>>, role: Role, layout: Layout) -> Self {
        Self {
            name: name.into(),
            role,
            layout,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Plain;
    #[derive(Debug)]
    struct Generic<T>(std::marker::PhantomData<T>);

    impl PrunableLayer for Plain {
        fn params(&self) -> Vec<ParamSpec> {
            Vec::new()
        }
    }

    impl<T: Send + Debug + 'static> PrunableLayer for Generic<T> {
        fn params(&self) -> Vec<ParamSpec> {
            Vec::new()
        }
    }

    #[test]
    fn layers_are_called_by_their_type() {
        assert_eq!(Plain.type_name(), "Plain");
        let generic = Generic::<Option<u8>>(std::marker::PhantomData);
        assert_eq!(generic.type_name(), "Generic<core::option::Option<u8>>");
    }
}
