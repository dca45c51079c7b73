//! Parameters taken off a model, and masks put back on it.

use std::collections::{BTreeMap, BTreeSet};

use burn::module::Module;

use super::slices::Slices;
use crate::{
    attach::{self, StoredMask},
    error::PruneError,
    mask::Mask,
    mask_op::GradientFlow,
    params::{Attached, ParamEntry, ParamTable, Role},
    pruner::{mask_in_view, removed_in_storage},
    random::Stream,
    view::View,
    weights::{to_f32, visit_floats},
};

/// A parameter off the model.
pub(super) struct Held {
    pub(super) path: String,
    pub(super) tied: Vec<String>,
    pub(super) flow: GradientFlow,
    pub(super) view: View,
    /// Dimensions in view order: outputs, inputs, the kernel's; or the one of a vector.
    pub(super) dims: Vec<usize>,
    /// The effective weight in view order.
    pub(super) weight: Vec<f32>,
    pub(super) mask: Mask,
}

impl Held {
    pub(super) fn magnitudes(&self) -> Vec<f32> {
        self.weight.iter().map(|w| w.abs()).collect()
    }

    pub(super) fn random_scores(&self, seed: u64, count: usize) -> Vec<f32> {
        let mut stream = Stream::new(seed, &self.path, 0);
        (0..count).map(|_| stream.uniform()).collect()
    }

    pub(super) fn slices(&self, dim: usize) -> Result<Slices, PruneError> {
        let rank = self.dims.len();
        if rank < 2 {
            let remedy = "prune vectors with an unstructured method";
            let expected = "possible along a dimension";
            return Err(PruneError::invalid(
                format!("pruning of {}", self.path),
                "of a vector",
                expected,
                remedy,
            ));
        }
        let Some(&count) = self.dims.get(dim) else {
            let expected = format!("a dimension of `{}`, below {rank}", self.path);
            return Err(PruneError::invalid(
                "dim",
                dim,
                expected,
                "0 counts outputs, 1 inputs",
            ));
        };
        let stride = self.dims[dim + 1..].iter().product();
        Ok(Slices { count, stride })
    }
}

pub(super) fn hold_one<M: Module>(model: &M, path: &str) -> Result<Held, PruneError> {
    let mut held = hold(model, &[path])?;
    // One path names one parameter.
    held.pop()
        .ok_or_else(|| ParamTable::of(model).unknown(path))
}

/// Reads the named parameters in the model's order, initialising them if need be.
pub(super) fn hold<M: Module, P: AsRef<str>>(
    model: &M,
    paths: &[P],
) -> Result<Vec<Held>, PruneError> {
    let table = ParamTable::of(model);
    let mut wanted = BTreeSet::new();
    for path in paths {
        let entry = table.find_tied(path.as_ref())?;
        if entry.info.role == Role::RunningStatistic {
            let path = entry.info.path.clone();
            return Err(PruneError::RunningStatistics { path });
        }
        attach::check_attached(entry, flow(entry))?;
        wanted.insert(entry.info.path.as_str());
        wanted.extend(entry.tied.iter().map(String::as_str));
    }
    let mut data = BTreeMap::new();
    visit_floats(model, |path, tensor| {
        if wanted.contains(path) {
            data.insert(path.to_string(), tensor.data());
        }
    });
    let removed = attach::read_masks(model);
    let mut held = Vec::new();
    for entry in &table.entries {
        let path = &entry.info.path;
        let Some(own) = data.get(path) else {
            continue;
        };
        for tied in &entry.tied {
            if data.get(tied).is_some_and(|other| other != own) {
                return Err(PruneError::TiedMismatch {
                    first: path.clone(),
                    second: tied.clone(),
                });
            }
        }
        let stored = own.shape().as_slice();
        let view = View::new(stored, entry.layout);
        let mut weight = view.into_view(to_f32(path, own)?);
        let mask = mask_in_view(view, removed.get(path));
        for (value, kept) in weight.iter_mut().zip(mask.iter()) {
            if !kept {
                *value = 0.0;
            }
        }
        let [out, input, _] = view.shape();
        let dims = match stored {
            [] | [_] => stored.to_vec(),
            [_, _, kernel @ ..] => [&[out, input], kernel].concat(),
        };
        held.push(Held {
            path: path.clone(),
            tied: entry.tied.clone(),
            flow: flow(entry),
            view,
            dims,
            weight,
            mask,
        });
    }
    Ok(held)
}

/// The gradient flow of the mask that a parameter carries or gets.
pub(super) fn flow(entry: &ParamEntry) -> GradientFlow {
    match entry.attached {
        Attached::Mask { backward, .. } => attach::flow_of(backward),
        _ => GradientFlow::Masked,
    }
}

/// Puts masks on the model, as a whole or not at all.
pub(super) fn put<M: Module>(
    model: &mut M,
    masks: impl IntoIterator<Item = (Held, Mask)>,
) -> Result<(), PruneError> {
    let table = ParamTable::of(model);
    let mut changed = model.clone();
    let mut stored = BTreeMap::new();
    for (held, mask) in masks {
        attach::attach(&mut changed, &table, [held.path.as_str()], held.flow)?;
        let removed = removed_in_storage(held.view, &mask);
        for path in std::iter::once(held.path).chain(held.tied) {
            let mask = StoredMask {
                removed: removed.clone(),
                blocked: Some(removed.clone()),
            };
            stored.insert(path, mask);
        }
    }
    attach::write_masks(&mut changed, &stored);
    *model = changed;
    Ok(())
}
