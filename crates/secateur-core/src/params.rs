//! The parameters of a model: path, role, view, and what they already carry.

use std::collections::HashMap;

use burn::{
    Tensor,
    module::{Module, ModuleVisitor, Param, ParamId},
    tensor::{Bool, Shape},
};
use serde::{Deserialize, Serialize};

use crate::{
    attach::MASK_NAME,
    error::PruneError,
    layers::ParamSpec,
    view::{Layout, View},
};

/// What a parameter does in its layer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Role {
    /// A matrix or kernel: what pruning is about.
    #[default]
    Weight,
    /// Added to the layer's output.
    Bias,
    /// Scale of a normalisation (gamma).
    NormScale,
    /// Shift of a normalisation (beta).
    NormShift,
    /// Mean or variance that a normalisation measured; never pruned.
    RunningStatistic,
    /// A learned setting of an activation, such as the slope of a PReLU.
    ActivationSlope,
    /// A vector or scalar whose use is not known.
    Other,
}

/// One float parameter of a model, as scorers, allocations and schedules see it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ParamInfo {
    /// Burn's record path, e.g. `blocks.0.conv.weight`.
    pub path: String,
    /// The view's shape `[out, in, kernel]`.
    pub shape: [usize; 3],
    /// Sizes of the kernel's own dimensions: `[]` for a matrix, `[kh, kw]` for a 2-d convolution.
    pub kernel_dims: Vec<usize>,
    /// What the parameter does in its layer.
    pub role: Role,
    /// Name of the type that holds the parameter, e.g. `Conv2d`.
    pub layer: String,
    /// Allocation group, from `#[prune(group = "..")]`.
    pub group: Option<String>,
    /// The parameter's own final sparsity, from `#[prune(sparsity = ..)]`.
    pub sparsity: Option<f64>,
    /// The parameter's own pattern, from `#[prune(pattern = "..")]`.
    pub pattern: Option<String>,
}

impl ParamInfo {
    /// A weight with the given path and view, for tests and for tables made by hand.
    pub fn new(path: impl Into<String>, shape: [usize; 3]) -> Self {
        Self {
            path: path.into(),
            shape,
            ..Self::default()
        }
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Path of the layer that holds the parameter: the path without its last component.
    pub fn layer_path(&self) -> &str {
        self.path.rsplit_once('.').map_or("", |(layer, _)| layer)
    }
}

/// What sits on a parameter already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Attached {
    Nothing,
    /// Our mask; `backward` says how many elements its second mask has, if it has one.
    Mask {
        len: usize,
        backward: Option<usize>,
    },
    /// A reparameterization of somebody else, by name.
    Foreign(String),
}

/// A parameter together with what only the core needs to know of it.
#[derive(Clone, Debug)]
pub(crate) struct ParamEntry {
    pub info: ParamInfo,
    pub dims: Vec<usize>,
    pub layout: Layout,
    /// Other paths that share the parameter's id.
    pub tied: Vec<String>,
    pub attached: Attached,
}

impl ParamEntry {
    /// The view for the storage dimensions the parameter has once it is initialised.
    ///
    /// A column-major `Linear` shows its dimensions the other way round until then.
    pub fn view(&self, dims: &[usize]) -> View {
        View::new(dims, self.layout)
    }
}

/// The float parameters of a model in Burn's traversal order, without initialising any.
pub(crate) struct ParamTable {
    pub entries: Vec<ParamEntry>,
    index: HashMap<String, usize>,
}

impl ParamTable {
    /// Reads the table of a model.
    pub fn of<M: Module>(model: &M) -> Self {
        let mut visitor = TableVisitor::default();
        model.visit(&mut visitor);
        let mut table = Self {
            entries: visitor.entries,
            index: HashMap::new(),
        };
        table.resolve_groups();
        table.index = (0..table.entries.len())
            .map(|i| (table.entries[i].info.path.clone(), i))
            .collect();
        table
    }

    /// The entry with the given path.
    pub fn get(&self, path: &str) -> Option<&ParamEntry> {
        self.index.get(path).map(|&i| &self.entries[i])
    }

    /// The entry with the given path, or an error that suggests near spellings.
    pub fn find(&self, path: &str) -> Result<&ParamEntry, PruneError> {
        self.get(path).ok_or_else(|| self.unknown(path))
    }

    /// As [`find`](Self::find), for a path that may be that of a tied field.
    pub fn find_tied(&self, path: &str) -> Result<&ParamEntry, PruneError> {
        self.get(path)
            .or_else(|| {
                self.entries
                    .iter()
                    .find(|e| e.tied.iter().any(|t| t == path))
            })
            .ok_or_else(|| self.unknown(path))
    }

    /// The error for a path or pattern that matches nothing.
    pub fn unknown(&self, path: &str) -> PruneError {
        let mut known: Vec<_> = self.entries.iter().map(|e| e.info.path.clone()).collect();
        known.sort_by_key(|candidate| edit_distance(candidate, path));
        PruneError::UnknownParameter {
            path: path.into(),
            known,
        }
    }

    /// Takes over what layers say about their parameters.
    pub(crate) fn apply_specs(&mut self, specs: &[(String, ParamSpec)]) {
        for (path, spec) in specs {
            if let Some(&index) = self.index.get(path) {
                let entry = &mut self.entries[index];
                entry.info.role = spec.role;
                entry.layout = spec.layout;
                entry.info.shape = entry.view(&entry.dims).shape();
            }
        }
    }

    /// A transposed convolution's groups show in its bias: `[out]` against `[in, out / groups]`.
    fn resolve_groups(&mut self) {
        let biases: HashMap<String, usize> = self
            .entries
            .iter()
            .filter(|e| e.info.role == Role::Bias)
            .map(|e| (e.info.layer_path().to_string(), e.info.len()))
            .collect();
        for entry in &mut self.entries {
            if !entry.info.layer.starts_with("ConvTranspose") || entry.dims.len() < 2 {
                continue;
            }
            let per_group = entry.dims[1].max(1);
            if let Some(&out) = biases.get(entry.info.layer_path())
                && out % per_group == 0
            {
                let groups = (out / per_group).max(1);
                entry.layout = Layout::InOut { groups };
                entry.info.shape = entry.view(&entry.dims).shape();
            }
        }
    }
}

/// What the last component of a record path says about a parameter, given the type that holds it.
fn classify(layer: &str, field: &str, rank: usize) -> (Role, Layout) {
    let transposed = Layout::InOut { groups: 1 };
    match (layer, field) {
        ("PRelu", "alpha") => (Role::ActivationSlope, Layout::OutIn),
        ("Linear" | "Embedding", "weight") => (Role::Weight, transposed),
        (layer, "weight") if layer.starts_with("ConvTranspose") => (Role::Weight, transposed),
        (_, "running_mean" | "running_var") => (Role::RunningStatistic, Layout::OutIn),
        (_, "gamma") if rank <= 1 => (Role::NormScale, Layout::OutIn),
        (_, "beta") if rank <= 1 => (Role::NormShift, Layout::OutIn),
        (_, "bias") if rank <= 1 => (Role::Bias, Layout::OutIn),
        _ if rank >= 2 => (Role::Weight, Layout::OutIn),
        _ => (Role::Other, Layout::OutIn),
    }
}

#[derive(Default)]
struct TableVisitor {
    path: Vec<String>,
    containers: Vec<String>,
    entries: Vec<ParamEntry>,
    by_id: HashMap<ParamId, usize>,
    /// Entry whose reparameterization is being visited.
    inside: Option<usize>,
    last: Option<usize>,
}

impl ModuleVisitor for TableVisitor {
    fn enter_module(&mut self, name: &str, container_type: &str) {
        if container_type == "Reparameterization" {
            self.inside = self.last;
            if let Some(i) = self.inside {
                self.entries[i].attached = if name == MASK_NAME {
                    // Until its tensors are seen the mask is spent.
                    Attached::Mask {
                        len: 0,
                        backward: None,
                    }
                } else {
                    Attached::Foreign(name.into())
                };
            }
        }
        self.path.push(name.into());
        self.containers.push(container_type.into());
    }

    fn exit_module(&mut self, _name: &str, container_type: &str) {
        self.path.pop();
        self.containers.pop();
        if container_type == "Reparameterization" {
            self.inside = None;
        }
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if self.inside.is_some() {
            return;
        }
        let path = self.path.join(".");
        if let Some(&first) = self.by_id.get(&param.id) {
            self.entries[first].tied.push(path);
            // A tied field's own reparameterization is that of the field itself; it is checked
            // when masks are attached.
            self.last = None;
            return;
        }
        let dims = shape_of(&param.lazy_shape());
        let container = self.containers.last().map_or("", String::as_str);
        let layer = layer_name(container);
        let field = self.path.last().map_or("", String::as_str);
        let (role, layout) = classify(layer, field, D);
        let entry = ParamEntry {
            info: ParamInfo {
                path,
                shape: View::new(&dims, layout).shape(),
                kernel_dims: dims.iter().skip(2).copied().collect(),
                role,
                layer: layer.into(),
                ..ParamInfo::default()
            },
            dims,
            layout,
            tied: Vec::new(),
            attached: Attached::Nothing,
        };
        self.by_id.insert(param.id, self.entries.len());
        self.last = Some(self.entries.len());
        self.entries.push(entry);
    }

    fn visit_bool<const D: usize>(&mut self, param: &Param<Tensor<D, Bool>>) {
        let (Some(i), Some(field)) = (self.inside, self.path.last()) else {
            return;
        };
        let n = param.lazy_shape().num_elements();
        if let Attached::Mask { len, backward } = &mut self.entries[i].attached {
            match field.as_str() {
                "removed" => *len = n,
                _ => *backward = Some(n),
            }
        }
    }
}

/// The type's name in what Burn calls a container: `Linear` of `Struct:Linear`.
pub(crate) fn layer_name(container: &str) -> &str {
    container
        .split_once(':')
        .map_or(container, |(_, name)| name)
}

/// Whether a parameter is recorded the other way round than it lies in the model, as the weight of
/// a column-major `Linear` is: recorded `[out, in]`, held `[in, out]`.
///
/// Asks the parameter's own load mapper, with two elements, so nothing is initialised.
pub fn is_column_major<const D: usize>(param: &Param<Tensor<D>>) -> bool {
    let mut dims = [1; D];
    let Some(last) = dims.last_mut().filter(|_| D == 2) else {
        return false;
    };
    *last = 2;
    let probe = Tensor::<D>::zeros(dims, &param.lazy_device());
    let stored = param.clone().transform_for_load(probe, param.id);
    stored.lazy_shape().as_slice() != dims
}

fn shape_of(shape: &Shape) -> Vec<usize> {
    shape.as_slice().to_vec()
}

/// Levenshtein distance, to list near spellings first.
fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, cb) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(ca != *cb);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}
