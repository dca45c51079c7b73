//! What goes from each parameter: the places of its dimensions that are left.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What is left of one parameter.
///
/// Each dimension has a list of its places that stay, strictly ascending; `None` where all do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParamCut {
    /// The parameter's dimensions before.
    pub shape: Vec<usize>,
    /// For each dimension the places that stay.
    pub kept: Vec<Option<Vec<usize>>>,
}

impl ParamCut {
    /// The dimensions that are left.
    #[must_use]
    pub fn shape_after(&self) -> Vec<usize> {
        let dims = self.shape.iter().zip(&self.kept);
        dims.map(|(&all, kept)| kept.as_ref().map_or(all, Vec::len))
            .collect()
    }

    /// Whether everything stays.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.kept.iter().all(Option::is_none)
    }
}

/// What is left of a model: its parameters by record path, those that stay whole left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cut {
    /// By record path.
    pub params: BTreeMap<String, ParamCut>,
    /// New values of layers' settings by path of the layer and name of the setting, such as
    /// `groups` of a convolution.
    pub settings: BTreeMap<String, usize>,
    /// Paths of the parts that go whole: items of lists, contents of options. All other paths of the
    /// cut are those from before they go.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dropped: Vec<String>,
}

impl Cut {
    /// Whether a parameter goes with a part that is dropped.
    #[must_use]
    pub fn drops(&self, path: &str) -> bool {
        let mut parts = self.dropped.iter();
        parts.any(|part| {
            let rest = path.strip_prefix(part.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        })
    }
}
