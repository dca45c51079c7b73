//! Taking the last pruning back.

use std::collections::BTreeMap;

use burn::{module::Module, tensor::TensorData};

use super::Pruner;
use crate::{
    attach,
    error::PruneError,
    mask::Mask,
    view::View,
    weights::{Weights, copy_where, write_weights},
};

/// What the last pruning changed.
#[derive(Clone, Debug)]
pub(crate) struct Undo {
    /// Masks before, of the parameters whose mask changed.
    masks: BTreeMap<String, Mask>,
    /// Values before and after, of the parameters whose values changed.
    weights: BTreeMap<String, (TensorData, TensorData)>,
}

impl Undo {
    pub(super) fn new<M: Module>(
        model: &M,
        masks: BTreeMap<String, Mask>,
        new: &BTreeMap<String, TensorData>,
    ) -> Self {
        let mut weights = BTreeMap::new();
        if !new.is_empty() {
            let old = Weights::of(model);
            for (path, after) in new {
                if let Some(before) = old.get(path) {
                    weights.insert(path.clone(), (before.clone(), after.clone()));
                }
            }
        }
        Self { masks, weights }
    }
}

impl Pruner {
    /// Takes the last pruning back: its masks, and the values it changed.
    ///
    /// Right after [`prune`](Self::prune) the model is bit for bit what it was. After more
    /// training the survivors keep what they learned, and removed values come back as their
    /// treatment left them.
    ///
    /// # Errors
    /// [`PruneError::NothingToUndo`] if there is no pruning to take back: one step back is kept,
    /// and none across a save, a `finish` or a `rewind`.
    pub fn undo<M: Module>(&mut self, model: &mut M) -> Result<(), PruneError> {
        let undo = self.undo.clone().ok_or(PruneError::NothingToUndo)?;
        let table = self.table_of(model)?;
        let (_, views) = self.current_masks(model, &table)?;
        let views: BTreeMap<&str, View> = self
            .params
            .iter()
            .map(|param| param.info.path.as_str())
            .zip(views)
            .collect();
        let mut stored = BTreeMap::new();
        for param in &self.params {
            if let (Some(mask), Some(&view)) = (
                undo.masks.get(&param.info.path),
                views.get(param.info.path.as_str()),
            ) {
                stored.extend(self.stored_mask(param, view, mask, mask));
            }
        }
        let now = Weights::of(model);
        let mut weights = BTreeMap::new();
        for (path, (before, after)) in undo.weights {
            let Some(mut current) = now.get(&path).cloned() else {
                continue;
            };
            // What was trained since is not touched; what still has the value that pruning gave
            // it gets back the one it had.
            let size = after.dtype().size();
            let (a, c) = (after.as_bytes().to_vec(), current.as_bytes().to_vec());
            copy_where(&path, &mut current, &before, |i| {
                a[i * size..(i + 1) * size] == c[i * size..(i + 1) * size]
            })?;
            weights.insert(path, current);
        }
        let mut changed = model.clone();
        write_weights(&mut changed, &weights);
        attach::write_masks(&mut changed, &stored);
        *model = changed;
        self.undo = None;
        Ok(())
    }
}
