//! What layers know of their own size, after their parameters changed it; and biases where there
//! were none.

mod bias;
mod rules;

use std::collections::BTreeMap;

use burn::module::Module;
use secateur_core::layers::{LayerMut, Prunable, layers_mut};

pub use bias::add_bias;
pub(crate) use bias::add_recorded_biases;

use crate::{cut::Cut, error::StructureError, survey::Survey};

/// Makes the settings of layers fit the parameters that a cut left of them.
///
/// `model` holds the smaller parameters already; this changes what layers store beside them:
///
/// | layer | setting | from |
/// | --- | --- | --- |
/// | convolutions, transposed and deformable ones | `groups` (`weight_groups`) | which rows of the weight stay |
/// | `ConvTranspose*` | `channels` | weight and groups |
/// | `GroupNorm` | `num_channels`, `num_groups` | scale and shift |
/// | `InstanceNorm` | `num_channels` | scale and shift |
/// | `Rnn`, `Gru`, `Lstm` and their `Bi` | `d_hidden` | the gates' weights |
/// | `MultiHeadAttention` | `d_model`, `n_heads`, `d_k` | the query's weight |
/// | `TransformerEncoder`, `TransformerDecoder` | `d_model`, `d_ff`, `n_heads` | the first layer |
///
/// Groups and heads follow from the places that stay: where the same number stays in each, only
/// their size changes; those that lose all places are gone. What does not follow from parameters
/// is taken from [`Cut::settings`]: `num_channels` and `num_groups` of a norm without scale and
/// shift, `offset_groups` of a deformable convolution. Other layers store no size.
///
/// # Errors
/// [`StructureError::UnknownSetting`] and [`StructureError::SettingConflict`] for a setting in the
/// cut that no layer has or that contradicts its parameters, [`StructureError::Inconsistent`] if
/// the parameters of a layer do not fit together. `model` then stays as it was.
pub fn fit<M: Module + Prunable>(model: &mut M, cut: &Cut) -> Result<(), StructureError> {
    let survey = Survey::of(model);
    let mut changed = model.clone();
    let mut layers = layers_mut(&mut changed);
    let mut fitting = Fitting {
        survey,
        cut,
        asked: cut.settings.clone(),
        path: String::new(),
        heads: BTreeMap::new(),
    };
    // What a transformer shows is what its inner layers have become.
    for shows in [false, true] {
        for (path, layer) in layers.iter_mut() {
            let is_summary = matches!(
                layer,
                LayerMut::TransformerEncoder(_) | LayerMut::TransformerDecoder(_)
            );
            if is_summary == shows {
                fitting.path = path.to_string();
                fitting.fit(layer)?;
            }
        }
    }
    let known: Vec<String> = layers.iter().map(|(path, _)| path.to_string()).collect();
    if let Some(setting) = fitting.asked.into_keys().next() {
        let layer = setting.rsplit_once('.').map_or("", |(layer, _)| layer);
        let why = if known.iter().any(|path| path == layer) {
            "which is no size that this layer stores"
        } else {
            "but there is no layer at that path"
        };
        return Err(StructureError::UnknownSetting {
            setting,
            why: why.into(),
        });
    }
    *model = changed;
    Ok(())
}

/// Lets transformers show the number of layers that they have.
pub(crate) fn count_layers<M: Prunable>(model: &mut M) {
    let mut layers = layers_mut(model);
    let paths = layers.iter().filter(|(_, layer)| {
        matches!(
            layer,
            LayerMut::TransformerEncoderLayer(_) | LayerMut::TransformerDecoderLayer(_)
        )
    });
    let paths: Vec<String> = paths.map(|(path, _)| path.to_owned()).collect();
    for (path, layer) in layers.iter_mut() {
        if let LayerMut::TransformerEncoder(shown) | LayerMut::TransformerDecoder(shown) = layer {
            let items = match path {
                "" => "layers.".to_owned(),
                path => format!("{path}.layers."),
            };
            let own = paths.iter().filter(|path| path.starts_with(&items));
            *shown.n_layers = own.count();
        }
    }
}

/// Settings on their way into the layers of a model whose parameters are cut.
struct Fitting<'a> {
    /// The parameters that are left.
    survey: Survey,
    cut: &'a Cut,
    /// The settings of the cut that no layer took yet.
    asked: BTreeMap<String, usize>,
    /// The layer that is being fitted.
    path: String,
    /// Number of heads by path of the attention.
    heads: BTreeMap<String, usize>,
}

impl Fitting<'_> {
    fn below(&self, name: &str) -> String {
        match self.path.as_str() {
            "" => name.to_string(),
            path => format!("{path}.{name}"),
        }
    }

    /// The dimensions of a parameter below the layer.
    fn dims(&self, name: &str) -> Option<&[usize]> {
        self.survey.shape(&self.below(name))
    }

    /// Size of one dimension of a parameter below the layer.
    fn dim(&self, name: &str, dim: usize) -> Option<usize> {
        self.dims(name).and_then(|dims| dims.get(dim).copied())
    }

    /// Whether the cut concerns anything at or below the layer.
    fn is_touched(&self) -> bool {
        let below = |name: &String| match name.strip_prefix(&self.path) {
            Some(rest) => self.path.is_empty() || rest.starts_with('.'),
            None => false,
        };
        self.cut.params.keys().any(below) || self.cut.settings.keys().any(below)
    }

    fn inconsistent(&self, why: String) -> StructureError {
        StructureError::Inconsistent {
            path: self.path.clone(),
            why,
        }
    }

    /// Sets what follows from parameters, or what the cut asks for where nothing does.
    fn set(
        &mut self,
        name: &str,
        value: &mut usize,
        derived: Option<usize>,
    ) -> Result<(), StructureError> {
        let setting = self.below(name);
        match (self.asked.remove(&setting), derived) {
            (Some(asked), Some(derived)) if asked != derived => {
                Err(StructureError::SettingConflict {
                    setting,
                    asked,
                    derived,
                })
            }
            (asked, derived) => {
                *value = derived.or(asked).unwrap_or(*value);
                Ok(())
            }
        }
    }

    /// Sets a number of groups of equal size from the places that stay of a dimension.
    fn set_groups(
        &mut self,
        name: &str,
        groups: &mut usize,
        param: &str,
        dim: usize,
    ) -> Result<(), StructureError> {
        let cut = self.cut.params.get(&self.below(param));
        let derived = match cut.and_then(|cut| Some((cut.kept.get(dim)?, cut.shape.get(dim)?))) {
            Some((Some(kept), &size)) if *groups > 1 => {
                match groups_left(kept, size, *groups) {
                    Some(left) => Some(left),
                    // What is asked for may still fit: the rows may have been dealt anew.
                    None if self.asked.contains_key(&self.below(name)) => None,
                    None => {
                        let why = format!(
                            "`{param}` keeps different numbers of places in its {groups} groups"
                        );
                        return Err(self.inconsistent(why));
                    }
                }
            }
            _ => None,
        };
        self.set(name, groups, derived)
    }
}

/// How many groups are left if `kept` stays of `size` places in `groups` groups of equal size;
/// `None` if groups that are left have different sizes.
fn groups_left(kept: &[usize], size: usize, groups: usize) -> Option<usize> {
    let each = size.checked_div(groups).filter(|&each| each > 0)?;
    let mut left: BTreeMap<usize, usize> = BTreeMap::new();
    for place in kept {
        *left.entry(place / each).or_default() += 1;
    }
    let first = *left.values().next()?;
    left.values()
        .all(|&number| number == first)
        .then_some(left.len())
}

#[cfg(test)]
mod tests {
    use super::groups_left;

    #[test]
    fn groups_of_equal_size_are_counted() {
        // Four groups of two: 01 23 45 67.
        assert_eq!(groups_left(&[0, 2, 4, 6], 8, 4), Some(4));
        assert_eq!(groups_left(&[1, 2, 5, 6], 8, 4), Some(4));
        assert_eq!(groups_left(&[2, 3, 6, 7], 8, 4), Some(2));
        assert_eq!(groups_left(&[3, 7], 8, 4), Some(2));
        assert_eq!(groups_left(&[0, 1, 2], 8, 4), None);
        // Depthwise: each place is a group.
        assert_eq!(groups_left(&[0, 5], 6, 6), Some(2));
        assert_eq!(groups_left(&[0], 3, 6), None);
    }
}
