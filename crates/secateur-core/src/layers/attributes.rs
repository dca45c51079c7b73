//! What a model's author asks for in `#[prune(..)]`, and which of two requests wins.

use serde::{Deserialize, Serialize};

/// The contents of one `#[prune(..)]`, or what all of them together mean for one path.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Attributes {
    /// Nothing below may be pruned.
    pub skip: bool,
    /// Share of zeros to end with, in [0, 1).
    pub sparsity: Option<f64>,
    /// Name of a pattern, e.g. `2:4`, `filter` or `block 4x1`.
    pub pattern: Option<String>,
    /// Name of the group that is ranked together.
    pub group: Option<String>,
    /// Name shared by the layers whose output channels go together. Declared, and so to be checked
    /// against what the model does.
    #[serde(default)]
    pub tied: Option<String>,
}

impl Attributes {
    /// Asks for nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Protects everything below from pruning.
    pub fn with_skip(mut self) -> Self {
        self.skip = true;
        self
    }

    /// Asks for a sparsity of its own.
    pub fn with_sparsity(mut self, sparsity: f64) -> Self {
        self.sparsity = Some(sparsity);
        self
    }

    /// Asks for a pattern of its own.
    pub fn with_pattern(mut self, pattern: impl Into<String>) -> Self {
        self.pattern = Some(pattern.into());
        self
    }

    /// Joins the group that is ranked together under this name.
    pub fn with_group(mut self, group: impl Into<String>) -> Self {
        self.group = Some(group.into());
        self
    }

    /// Declares that output channels go together with those of all layers tied under this name.
    pub fn with_tied(mut self, tied: impl Into<String>) -> Self {
        self.tied = Some(tied.into());
        self
    }

    /// Whether nothing is asked for.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Lets `stronger` have its way wherever it says something.
    fn overridden_by(&mut self, stronger: &Self) {
        self.skip |= stronger.skip;
        if stronger.sparsity.is_some() {
            self.sparsity = stronger.sparsity;
        }
        if stronger.pattern.is_some() {
            self.pattern.clone_from(&stronger.pattern);
        }
        if stronger.group.is_some() {
            self.group.clone_from(&stronger.group);
        }
        if stronger.tied.is_some() {
            self.tied.clone_from(&stronger.tied);
        }
    }
}

/// The attributes of a whole model, to be asked by path.
///
/// Each setting is decided by itself:
///
/// 1. `skip` anywhere above a path holds; nothing below can take it back.
/// 2. The nearest field above the path that sets it wins.
/// 3. If no field does, the nearest type above the path that sets it wins. A type's attributes are
///    its defaults, and whoever puts the type into a field has the last word.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AttributeMap {
    /// Path and contents of every attribute on a type, outer ones first.
    of_types: Vec<(String, Attributes)>,
    /// The same for fields and enum variants.
    of_fields: Vec<(String, Attributes)>,
}

impl AttributeMap {
    /// What applies at `path`, the path of a layer or of a parameter.
    pub fn at(&self, path: &str) -> Attributes {
        let mut found = Attributes::default();
        // A walk meets outer places before inner ones, so the later of two is the nearer.
        for (place, attributes) in self.of_types.iter().chain(&self.of_fields) {
            if is_at_or_below(path, place) {
                found.overridden_by(attributes);
            }
        }
        found
    }

    /// The path and contents of every attribute as it was written: those on types, then those on
    /// fields, each in the model's order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Attributes)> {
        self.of_types
            .iter()
            .chain(&self.of_fields)
            .map(|(path, attributes)| (path.as_str(), attributes))
    }

    /// Whether the model carries no attribute at all.
    pub fn is_empty(&self) -> bool {
        self.of_types.is_empty() && self.of_fields.is_empty()
    }

    pub(super) fn push_type(&mut self, path: String, attributes: Attributes) {
        self.of_types.push((path, attributes));
    }

    pub(super) fn push_field(&mut self, path: String, attributes: Attributes) {
        self.of_fields.push((path, attributes));
    }
}

/// Whether `path` is `place` or lies below it; the empty place is the whole model.
pub(super) fn is_at_or_below(path: &str, place: &str) -> bool {
    match path.strip_prefix(place) {
        Some(rest) => place.is_empty() || rest.is_empty() || rest.starts_with('.'),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sparsity(value: f64) -> Attributes {
        Attributes::new().with_sparsity(value)
    }

    #[test]
    fn places_end_at_dots() {
        assert!(is_at_or_below("blocks.1.conv", "blocks.1"));
        assert!(is_at_or_below("blocks.1", "blocks.1"));
        assert!(is_at_or_below("anything", ""));
        assert!(!is_at_or_below("blocks.10", "blocks.1"));
        assert!(!is_at_or_below("blocks", "blocks.1"));
    }

    #[test]
    fn the_nearest_field_wins_over_every_type() {
        let mut map = AttributeMap::default();
        map.push_type("".into(), sparsity(0.1).with_group("all"));
        map.push_field("block".into(), sparsity(0.2));
        map.push_type("block".into(), sparsity(0.3).with_pattern("2:4"));
        map.push_field("block.conv".into(), sparsity(0.4));

        assert_eq!(map.at("head").sparsity, Some(0.1));
        assert_eq!(map.at("block.norm").sparsity, Some(0.2));
        assert_eq!(map.at("block.norm").pattern.as_deref(), Some("2:4"));
        assert_eq!(map.at("block.conv.weight").sparsity, Some(0.4));
        assert_eq!(map.at("block.conv.weight").group.as_deref(), Some("all"));
    }

    #[test]
    fn the_nearest_name_ties_and_skip_leaves_it() {
        let mut map = AttributeMap::default();
        map.push_field("blocks".into(), Attributes::new().with_tied("stream"));
        map.push_field("blocks.0.down".into(), Attributes::new().with_skip());
        map.push_field("blocks.1.down".into(), Attributes::new().with_tied("own"));

        let tied = |path: &str| map.at(path).tied;
        assert_eq!(tied("blocks.0.down.weight").as_deref(), Some("stream"));
        assert_eq!(tied("blocks.1.down.weight").as_deref(), Some("own"));
        assert_eq!(tied("head"), None);
    }

    #[test]
    fn skip_cannot_be_taken_back() {
        let mut map = AttributeMap::default();
        map.push_type("block".into(), Attributes::new().with_skip());
        map.push_field("block.conv".into(), sparsity(0.4));
        assert!(map.at("block.conv").skip);
        assert!(!map.at("head").skip);
    }
}
