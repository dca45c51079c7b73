//! What an attention can refuse.

/// Why an attention cannot be made, or not be made into another.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum AttentionError {
    /// A setting is outside its range.
    #[error("`{setting}` is {value}, which is not {expected}; {remedy}")]
    Setting {
        /// Name of the setting.
        setting: &'static str,
        /// The value it has.
        value: String,
        /// What it has to be.
        expected: String,
        /// What to do.
        remedy: String,
    },

    /// A parameter does not have the shape that the sizes ask for.
    #[error(
        "`{path}` has shape {got:?}, but the sizes of the attention ask for {expected}; {remedy}"
    )]
    Shape {
        /// Path of the parameter below the attention.
        path: String,
        /// The shape asked for, with the sizes that it follows from.
        expected: String,
        /// The parameter's shape.
        got: Vec<usize>,
        /// What to do.
        remedy: String,
    },

    /// A parameter carries a mask or another reparameterization, which cannot be taken over into or
    /// out of a layer with private fields.
    #[error(
        "`{path}` carries the reparameterization `{name}`, which the private fields of Burn's \
         `{layer}` let nobody take over; bake it in first, with `Pruner::finish` for a mask or with \
         `Module::materialize`"
    )]
    Reparameterized {
        /// Path of the parameter below the layer.
        path: String,
        /// Name of the reparameterization.
        name: String,
        /// Type of the layer.
        layer: &'static str,
    },

    /// The parameters of a layer of Burn are not where they were in version 0.22.
    #[error(
        "`{path}` is not where it was in Burn's `{layer}`; Secateur knows the layer as it is in \
         Burn 0.22: use that version"
    )]
    Missing {
        /// Path of the parameter below the layer.
        path: String,
        /// Type of the layer.
        layer: &'static str,
    },

    /// A layer of Burn cannot express this attention.
    #[error("Burn's `{layer}` cannot express this attention: {why}; {remedy}")]
    NotExpressible {
        /// Type of the layer.
        layer: &'static str,
        /// What it has no room for.
        why: String,
        /// What to do.
        remedy: String,
    },
}
