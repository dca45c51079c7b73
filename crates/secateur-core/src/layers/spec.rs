//! What a layer says about its parameters, and the trait of users' own layers.

use std::any::Any;
use std::borrow::Cow;
use std::fmt::Debug;

use super::{LayerMut, LayerWalk, Prunable};

/// A layer of your own: the one trait to implement for it.
///
/// It tells Secateur which of the layer's fields are parameters, what each is for and how its axes map
/// to a view. From then on the layer can stand anywhere in a model that derives `Prune`, and is listed
/// as [`LayerMut::Custom`].
///
/// ```
/// use burn::module::{Module, Param};
/// use burn::tensor::{Device, Tensor};
/// use secateur_core::layers::{layers_mut, ParamRole, ParamSpec, PrunableLayer, StorageLayout};
///
/// /// `y = x W`, with a weight of shape `[d_output, d_input]`.
/// #[derive(Module, Debug)]
/// struct TransposedLinear {
///     weight: Param<Tensor<2>>,
/// }
///
/// impl PrunableLayer for TransposedLinear {
///     fn params(&self) -> Vec<ParamSpec> {
///         vec![ParamSpec::new("weight", ParamRole::Weight, StorageLayout::OutInKernel)]
///     }
/// }
///
/// let weight = Param::from_tensor(Tensor::zeros([3, 2], &Device::default()));
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
    pub role: ParamRole,
    /// How its axes map to a view.
    pub layout: StorageLayout,
}

impl ParamSpec {
    /// Describes the parameter in the field `name`.
    pub fn new(name: impl Into<Cow<'static, str>>, role: ParamRole, layout: StorageLayout) -> Self {
        Self {
            name: name.into(),
            role,
            layout,
        }
    }
}

/// What a parameter is for; decides whether it is pruned when nobody says anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ParamRole {
    /// Multiplied with the layer's input: what is pruned by default.
    Weight,
    /// Added to the layer's output.
    Bias,
    /// Scale of a norm (gamma).
    NormScale,
    /// Shift of a norm (beta).
    NormShift,
    /// Measured while training and not learned; never pruned.
    RunningStatistic,
    /// A learned setting of an activation, such as the slope of a PReLU.
    ActivationSlope,
}

/// How the axes of a stored parameter map to a view `(out, in, kernel)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StorageLayout {
    /// `[out, in, kernel ..]`: convolutions, with `in` counted per group.
    OutInKernel,
    /// `[in, out, kernel ..]`: Burn's linear layers, its transposed convolutions (with `out` counted
    /// per group) and its embeddings, which multiply a one-hot row of length `in`.
    InOutKernel,
    /// `[out]`: one value per output, such as biases and norms.
    Vector,
    /// Any other order: the axes that count outputs and inputs, and all remaining axes, in their
    /// order, are the kernel.
    Axes {
        /// Index of the axis that counts outputs.
        out: usize,
        /// Index of the axis that counts inputs.
        input: usize,
    },
}

impl StorageLayout {
    /// Which axes count outputs and inputs; [`Vector`](Self::Vector) has no inputs.
    pub fn axes(self) -> (usize, Option<usize>) {
        match self {
            Self::OutInKernel => (0, Some(1)),
            Self::InOutKernel => (1, Some(0)),
            Self::Vector => (0, None),
            Self::Axes { out, input } => (out, Some(input)),
        }
    }

    /// The view's shape `(out, in, kernel)` of a parameter stored with shape `shape`, or `None` if it
    /// lacks one of the axes, or counts outputs and inputs on the same one.
    pub fn view_shape(self, shape: &[usize]) -> Option<[usize; 3]> {
        let (out, input) = self.axes();
        if input == Some(out) {
            return None;
        }
        let size = |axis: usize| shape.get(axis).copied();
        let kernel = (0..shape.len())
            .filter(|&axis| axis != out && Some(axis) != input)
            .map(|axis| shape[axis])
            .product();
        let inputs = match input {
            Some(axis) => size(axis)?,
            None => 1,
        };
        Some([size(out)?, inputs, kernel])
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

    #[test]
    fn layouts_give_the_shape_of_the_view() {
        use StorageLayout::*;
        assert_eq!(OutInKernel.view_shape(&[8, 4, 3, 5]), Some([8, 4, 15]));
        assert_eq!(InOutKernel.view_shape(&[4, 8]), Some([8, 4, 1]));
        assert_eq!(Vector.view_shape(&[7]), Some([7, 1, 1]));
        let experts = Axes { out: 2, input: 1 };
        assert_eq!(experts.view_shape(&[6, 4, 8]), Some([8, 4, 6]));
        assert_eq!(OutInKernel.view_shape(&[8]), None);
        assert_eq!(Axes { out: 1, input: 1 }.view_shape(&[2, 2]), None);
    }
}
