//! The walk over a model, and the layers it brings back.

use std::collections::BTreeSet;

use crate::error::PruneError;

use super::attributes::is_at_or_below;
use super::{AttributeMap, Attributes, Holder, LayerMut, ParamSpec, Prunable, SizeOf};

/// Collects layers and attributes while [`Prunable::collect_layers`] goes through a model.
///
/// An implementation by hand calls [`field`](Self::field) once for each field that Burn visits, under the
/// name that Burn gives it.
#[derive(Debug, Default)]
pub struct LayerWalk<'a> {
    path: String,
    /// Length of `path` outside each place entered.
    outside: Vec<usize>,
    layers: Vec<(String, LayerMut<'a>)>,
    sizes: Vec<(String, SizeOf, &'a mut usize)>,
    attributes: AttributeMap,
    parts: Vec<(String, Holder)>,
    /// Paths of the parts that this walk takes out.
    going: BTreeSet<String>,
}

impl<'a> LayerWalk<'a> {
    /// Starts at the root of a model, whose path is empty.
    pub fn new() -> Self {
        Self::default()
    }

    /// A walk that takes out the parts at these paths.
    pub(super) fn without(going: BTreeSet<String>) -> Self {
        Self {
            going,
            ..Self::default()
        }
    }

    /// Notes that what lies here could be taken out, and tells whether it is to be.
    pub(super) fn takes_out(&mut self, holder: Holder) -> bool {
        self.parts.push((self.path.clone(), holder));
        self.going.contains(&self.path)
    }

    /// The parts that were met. An option that is an item of a list is that item.
    pub(super) fn into_parts(mut self) -> Vec<(String, Holder)> {
        let mut seen = BTreeSet::new();
        self.parts.retain(|(path, _)| seen.insert(path.clone()));
        self.parts
    }

    /// Where the walk is.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Goes one place down, as Burn's `enter_module` does.
    pub fn enter(&mut self, name: &str) {
        self.outside.push(self.path.len());
        if !self.path.is_empty() {
            self.path.push('.');
        }
        self.path.push_str(name);
    }

    /// Goes back up; at the root it does nothing.
    pub fn exit(&mut self) {
        if let Some(length) = self.outside.pop() {
            self.path.truncate(length);
        }
    }

    /// Collects what lies in the field `name`.
    pub fn field<P: Prunable + ?Sized>(&mut self, name: &str, field: &'a mut P) {
        self.enter(name);
        field.collect_layers(self);
        self.exit();
    }

    /// Lists `layer` here. A layer of your own calls this through
    /// [`PrunableLayer`](super::PrunableLayer) and never by hand.
    pub fn layer(&mut self, layer: LayerMut<'a>) {
        self.layers.push((self.path.clone(), layer));
    }

    /// Lists the field `name` of the type being walked as a size that follows `of`, whose path is
    /// relative to this type.
    ///
    /// ```
    /// use burn::nn::Linear;
    /// use secateur_core::layers::{LayerWalk, Prunable, Side, SizeOf};
    ///
    /// struct Heads {
    ///     query: Linear,
    ///     n_heads: usize,
    /// }
    ///
    /// impl Prunable for Heads {
    ///     fn collect_layers<'a>(&'a mut self, walk: &mut LayerWalk<'a>) {
    ///         walk.field("query", &mut self.query);
    ///         let heads = SizeOf::new("query", Side::Out).with_factors(0..1);
    ///         walk.size("n_heads", &mut self.n_heads, heads);
    ///     }
    /// }
    /// ```
    pub fn size(&mut self, name: &str, size: &'a mut usize, of: SizeOf) {
        let of = of.below(&self.path);
        self.enter(name);
        self.sizes.push((self.path.clone(), of, size));
        self.exit();
    }

    /// Notes the attributes of the type whose fields are walked next.
    pub fn type_attributes(&mut self, attributes: Attributes) {
        self.attributes.push_type(self.path.clone(), attributes);
    }

    /// Notes the attributes of the field or variant `name` of the type being walked.
    pub fn field_attributes(&mut self, name: &str, attributes: Attributes) {
        self.enter(name);
        self.attributes.push_field(self.path.clone(), attributes);
        self.exit();
    }

    /// Ends the walk.
    pub fn finish(self) -> Layers<'a> {
        Layers {
            layers: self.layers,
            sizes: self.sizes,
            attributes: self.attributes,
        }
    }
}

/// The layers of a model, each under its path, in the order in which Burn visits them.
///
/// A container comes before the layers inside it.
#[derive(Debug)]
pub struct Layers<'a> {
    layers: Vec<(String, LayerMut<'a>)>,
    sizes: Vec<(String, SizeOf, &'a mut usize)>,
    attributes: AttributeMap,
}

impl<'a> Layers<'a> {
    /// Number of layers, containers included.
    pub fn len(&self) -> usize {
        self.layers.len()
    }

    /// Whether the model has no layer at all.
    pub fn is_empty(&self) -> bool {
        self.layers.is_empty()
    }

    /// Every layer with its path.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &LayerMut<'a>)> {
        self.layers
            .iter()
            .map(|(path, layer)| (path.as_str(), layer))
    }

    /// Every layer with its path, to be changed.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (&str, &mut LayerMut<'a>)> {
        self.layers
            .iter_mut()
            .map(|(path, layer)| (path.as_str(), layer))
    }

    /// The layer at `path`, to be read.
    ///
    /// # Errors
    ///
    /// [`PruneError::UnknownLayer`] with the nearest spellings if there is none,
    /// [`PruneError::OpaqueLayer`] if `path` lies inside a layer that keeps its fields to itself.
    pub fn get(&self, path: &str) -> Result<&LayerMut<'a>, PruneError> {
        let at = self.position(path)?;
        Ok(&self.layers[at].1)
    }

    /// The layer at `path`, to be changed.
    ///
    /// # Errors
    ///
    /// As for [`get`](Self::get).
    pub fn get_mut(&mut self, path: &str) -> Result<&mut LayerMut<'a>, PruneError> {
        let at = self.position(path)?;
        Ok(&mut self.layers[at].1)
    }

    /// Path and description of every parameter that lies in a layer, in Burn's order.
    ///
    /// Parameters that a model holds in a field of its own, and those of opaque layers, are not among
    /// them: nobody said what they are for.
    pub fn params(&self) -> Vec<(String, ParamSpec)> {
        let below = |path: &str, name: &str| match path {
            "" => name.to_string(),
            _ => format!("{path}.{name}"),
        };
        self.iter()
            .flat_map(|(path, layer)| {
                let specs = layer.params().into_iter();
                specs.map(move |spec| (below(path, &spec.name), spec))
            })
            .collect()
    }

    /// The sizes that modules keep in fields of their own and that follow a layer's: path of the
    /// field, what it follows, and its value.
    ///
    /// These are the fields with `#[prune(size = "..")]`. That the layer exists and has this size is
    /// not checked here.
    pub fn sizes(&self) -> impl Iterator<Item = (&str, &SizeOf, usize)> {
        self.sizes
            .iter()
            .map(|(path, of, size)| (path.as_str(), of, **size))
    }

    /// The same, to be changed.
    pub fn sizes_mut(&mut self) -> impl Iterator<Item = (&str, &SizeOf, &mut usize)> {
        self.sizes
            .iter_mut()
            .map(|(path, of, size)| (path.as_str(), &*of, &mut **size))
    }

    /// What the model's author wrote in `#[prune(..)]`.
    pub fn attributes(&self) -> &AttributeMap {
        &self.attributes
    }

    pub(super) fn into_attributes(self) -> AttributeMap {
        self.attributes
    }

    fn position(&self, path: &str) -> Result<usize, PruneError> {
        let found = self.layers.iter().position(|(known, _)| known == path);
        found.ok_or_else(|| self.unreachable(path))
    }

    /// Why there is nothing to get at `path`.
    fn unreachable(&self, path: &str) -> PruneError {
        for (place, layer) in self.iter() {
            if let LayerMut::Opaque { type_name, why } = layer
                && is_at_or_below(path, place)
            {
                return PruneError::OpaqueLayer {
                    path: path.to_string(),
                    layer: (*type_name).to_string(),
                    why: (*why).to_string(),
                };
            }
        }
        let mut known: Vec<_> = self.iter().map(|(known, _)| known.to_string()).collect();
        known.sort_by_key(|known| strsim::damerau_levenshtein(known, path));
        PruneError::UnknownLayer {
            path: path.to_string(),
            known,
        }
    }
}

impl<'a> IntoIterator for Layers<'a> {
    type Item = (String, LayerMut<'a>);
    type IntoIter = std::vec::IntoIter<Self::Item>;

    fn into_iter(self) -> Self::IntoIter {
        self.layers.into_iter()
    }
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;
    use crate::layers::layers_mut;
    use burn::nn::attention::CrossAttentionConfig;
    use burn::nn::{Linear, LinearConfig};
    use burn::tensor::Device;

    fn linears(count: usize) -> Vec<Linear> {
        let device = Device::flex();
        (0..count)
            .map(|_| LinearConfig::new(2, 2).init(&device))
            .collect()
    }

    #[test]
    fn a_walk_returns_to_where_it_was() {
        let mut walk = LayerWalk::new();
        walk.enter("a");
        walk.enter("b");
        assert_eq!(walk.path(), "a.b");
        walk.exit();
        assert_eq!(walk.path(), "a");
        walk.exit();
        walk.exit();
        assert_eq!(walk.path(), "");
    }

    #[test]
    fn an_unknown_path_comes_with_the_nearest_spellings() {
        let mut model = (linears(3), linears(1));
        let error = layers_mut(&mut model).get("0.2.weight").unwrap_err();
        let PruneError::UnknownLayer { known, .. } = &error else {
            panic!("{error}");
        };
        assert_eq!(known[0], "0.2");
        assert!(error.to_string().contains("`0.2`"), "{error}");
    }

    #[test]
    fn a_model_without_layers_says_so() {
        let error = layers_mut(&mut 3_usize).get("conv").unwrap_err();
        assert!(error.to_string().contains("no layer"), "{error}");
    }

    #[test]
    fn inside_of_an_opaque_layer_the_reason_is_given() {
        let config = CrossAttentionConfig::new(4, 4, 2, 2, 2);
        let mut model = vec![config.init(&Device::flex())];
        let layers = layers_mut(&mut model);
        assert!(matches!(layers.get("0"), Ok(LayerMut::Opaque { .. })));
        let error = layers.get("0.query").unwrap_err();
        assert!(error.to_string().contains("private"), "{error}");
    }

    #[test]
    fn sizes_are_listed_under_absolute_paths_and_changed() {
        struct Heads {
            query: Linear,
            n_heads: usize,
        }
        impl Prunable for Heads {
            fn collect_layers<'a>(&'a mut self, walk: &mut LayerWalk<'a>) {
                walk.field("query", &mut self.query);
                let of = "query.out[0]".parse().unwrap();
                walk.size("n_heads", &mut self.n_heads, of);
            }
        }
        let mut model: Vec<_> = linears(2)
            .into_iter()
            .map(|query| Heads { query, n_heads: 2 })
            .collect();
        let mut layers = layers_mut(&mut model);
        let listed: Vec<_> = layers
            .sizes()
            .map(|(path, of, size)| (path.to_string(), of.to_string(), size))
            .collect();
        assert_eq!(
            listed,
            [
                ("0.n_heads".into(), "0.query.out[0]".into(), 2),
                ("1.n_heads".into(), "1.query.out[0]".into(), 2)
            ]
        );
        for (path, of, size) in layers.sizes_mut() {
            if of.layer == "1.query" {
                assert_eq!(path, "1.n_heads");
                *size = 1;
            }
        }
        assert_eq!(layers.len(), 2);
        assert_eq!((model[0].n_heads, model[1].n_heads), (2, 1));
    }

    #[test]
    fn a_layer_alone_has_the_empty_path() {
        let mut linear = linears(1).remove(0);
        let layers = layers_mut(&mut linear);
        assert_eq!(layers.len(), 1);
        let paths: Vec<_> = layers.params().into_iter().map(|(path, _)| path).collect();
        assert_eq!(paths, ["weight", "bias"]);
    }
}
