//! The pruner: decides what goes, attaches it to the model, takes it back, and remembers.

mod config;
mod decide;
mod observe;
mod report;
mod saved;
mod state;
mod training;
mod undo;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use burn::module::Module;

pub use config::PrunerConfig;
pub use report::{Plan, Report, ReportRow};
pub use saved::{SavedConfig, SavedScorer};
pub use training::Step;

use crate::{
    attach::{self, StoredMask},
    bits::Bits,
    error::PruneError,
    magnitude::FromScores,
    mask::Mask,
    mask_op::GradientFlow,
    mask_set::MaskSet,
    params::{Attached, ParamInfo, ParamTable},
    pattern::Pattern,
    schedule::Schedule,
    signal::SignalStore,
    target::Target,
    view::{Layout, View},
    weights::Weights,
};
use decide::Choice;
use undo::Undo;

/// Prunes one model, step by step.
///
/// Made by [`PrunerConfig::init`]. Every call that changes the model works on a cheap clone: when
/// it returns an error, model and pruner are as they were.
///
/// The masks live on the model, where Burn saves, clones and moves them; the pruner reads them
/// there, so a model restored from a checkpoint goes on from its own masks.
#[derive(Clone, Debug)]
pub struct Pruner {
    pub(crate) config: PrunerConfig,
    pub(crate) schedule: Arc<dyn Schedule>,
    pub(crate) params: Vec<Pruned>,
    pub(crate) signals: SignalStore,
    pub(crate) last_step: Option<usize>,
    pub(crate) asked: BTreeMap<String, Asked>,
    pub(crate) undo: Option<Undo>,
}

/// A parameter that is pruned.
#[derive(Clone, Debug)]
pub(crate) struct Pruned {
    pub info: ParamInfo,
    pub layout: Layout,
    pub tied: Vec<String>,
    pub pattern: Arc<dyn Pattern>,
}

/// What was last asked of a parameter.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Asked {
    pub target: Target,
    /// Units pruned afterwards and units in all.
    pub units: (usize, usize),
    /// Units kept only because of a floor.
    pub floored: usize,
}

/// What one pruning did.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct PruneEvent {
    /// The step.
    pub step: usize,
    /// Elements kept afterwards.
    pub kept: usize,
    /// Elements of all pruned parameters.
    pub total: usize,
    /// Elements newly removed.
    pub removed: usize,
    /// Elements brought back.
    pub regrown: usize,
}

impl PruneEvent {
    /// Share of zeros afterwards.
    pub fn sparsity(&self) -> f64 {
        if self.total == 0 {
            return 0.0;
        }
        (self.total - self.kept) as f64 / self.total as f64
    }
}

impl Pruner {
    /// The parameters that this pruner prunes, in Burn's order.
    pub fn params(&self) -> impl Iterator<Item = &ParamInfo> {
        self.params.iter().map(|param| &param.info)
    }

    /// The schedule.
    pub fn schedule(&self) -> &dyn Schedule {
        &*self.schedule
    }

    /// The last step that was passed to [`prune`](Self::prune).
    pub fn last_step(&self) -> Option<usize> {
        self.last_step
    }

    /// Puts keep-all masks on the model, so that its records have masks from the first
    /// checkpoint on. Lazy parameters stay lazy. Masks already there stay as they are.
    ///
    /// [`prune`](Self::prune) attaches by itself when it first has something to do.
    ///
    /// # Errors
    /// [`PruneError::Reparameterized`] for a parameter that carries another reparameterization,
    /// [`PruneError::GradientFlow`] for one masked with other settings,
    /// [`PruneError::ModelChanged`] for a model without one of the parameters.
    pub fn attach<M: Module>(&self, model: &mut M) -> Result<(), PruneError> {
        let table = self.table_of(model)?;
        self.attach_to(model, &table)
    }

    fn attach_to<M: Module>(&self, model: &mut M, table: &ParamTable) -> Result<(), PruneError> {
        let paths = self.params.iter().map(|param| param.info.path.as_str());
        attach::attach(model, table, paths, self.config.treatment.flow())
    }

    /// Prunes if the schedule says so at this step, and does nothing otherwise.
    ///
    /// Call it after every optimizer step with the step's number. Passing one step twice prunes
    /// once.
    ///
    /// # Errors
    /// [`PruneError::StepOrder`] for a step before the last; errors of the scorer, the pattern
    /// and the allocation; those of [`attach`](Self::attach). The model is then as it was.
    pub fn prune<M: Module>(
        &mut self,
        model: &mut M,
        step: usize,
    ) -> Result<Option<PruneEvent>, PruneError> {
        if let Some(last) = self.last_step {
            if step < last {
                return Err(PruneError::StepOrder { step, last });
            }
            if step == last {
                return Ok(None);
            }
        }
        if !self.schedule.is_due(step) {
            self.last_step = Some(step);
            return Ok(None);
        }
        let table = self.table_of(model)?;
        let choices = self.decide(model, &table, step)?;
        let event = self.apply(model, &table, step, choices)?;
        self.last_step = Some(step);
        self.signals.after_pruning();
        Ok(Some(event))
    }

    /// The masks that pruning at `step` would give, whether or not the schedule is due. Changes
    /// nothing.
    ///
    /// # Errors
    /// As [`prune`](Self::prune).
    pub fn select<M: Module>(&self, model: &M, step: usize) -> Result<MaskSet, PruneError> {
        let table = self.table_of(model)?;
        let choices = self.decide(model, &table, step)?;
        Ok(choices
            .into_iter()
            .map(|choice| (self.params[choice.param].info.path.clone(), choice.after))
            .collect())
    }

    /// The scores of all elements at `step` by parameter path, each in the order of the
    /// parameter's own tensor (row-major), larger is kept: for whoever ranks other units than a
    /// pattern's. Changes nothing.
    ///
    /// # Errors
    /// Those of the scorer, [`PruneError::ModelChanged`].
    pub fn scores<M: Module>(
        &self,
        model: &M,
        step: usize,
    ) -> Result<BTreeMap<String, Vec<f32>>, PruneError> {
        let table = self.table_of(model)?;
        self.element_scores(model, &table, step)
    }

    /// The scores of all elements at `step` as a scorer of its own, which gives the same numbers
    /// whatever is observed or pruned later: for trying several sparsities by one set of gradients.
    ///
    /// # Errors
    /// Those of the scorer, [`PruneError::ModelChanged`].
    pub fn frozen_scores<M: Module>(
        &self,
        model: &M,
        step: usize,
    ) -> Result<FromScores, PruneError> {
        let table = self.table_of(model)?;
        self.view_scores(model, &table, step)
    }

    /// The masks on the model, by parameter path; keep-all where none is attached.
    ///
    /// # Errors
    /// [`PruneError::ModelChanged`] for a model without one of the parameters.
    pub fn masks<M: Module>(&self, model: &M) -> Result<MaskSet, PruneError> {
        let table = self.table_of(model)?;
        let (masks, _) = self.current_masks(model, &table)?;
        Ok(self
            .params
            .iter()
            .zip(masks)
            .map(|(param, mask)| (param.info.path.clone(), mask))
            .collect())
    }

    /// Puts the given masks on the model in place of its own: a saved set, the user's own masks,
    /// another set to compare with. Paths without a mask keep theirs.
    ///
    /// Removed values stay stored, so setting the old masks again gives the old model back.
    ///
    /// # Errors
    /// [`PruneError::UnknownParameter`] for a path that is not pruned here,
    /// [`PruneError::MaskShape`] for a mask of another shape, those of [`attach`](Self::attach).
    pub fn set_masks<M: Module>(&self, model: &mut M, masks: &MaskSet) -> Result<(), PruneError> {
        let table = self.table_of(model)?;
        let mut stored = BTreeMap::new();
        for (path, mask) in masks {
            let param = self.params.iter().find(|param| param.info.path == path);
            let param = param.ok_or_else(|| PruneError::UnknownParameter {
                path: path.into(),
                known: self.params().map(|info| info.path.clone()).collect(),
            })?;
            let view = self.view_in(param, model, &table);
            if mask.shape() != view.shape() {
                return Err(PruneError::MaskShape {
                    path: path.into(),
                    expected: view.shape(),
                    got: mask.shape(),
                });
            }
            stored.extend(self.stored_mask(param, view, mask, mask));
        }
        let mut changed = model.clone();
        self.attach_to(&mut changed, &table)?;
        attach::write_masks(&mut changed, &stored);
        *model = changed;
        Ok(())
    }

    /// Bakes the zeros into the weights and takes the masks off: what is left is a plain module.
    ///
    /// Reparameterizations of others (LoRA) are left alone. Beside one, Burn cannot take ours off,
    /// so they are spent instead: they neither act nor are recorded, but a parameter with a spent
    /// mask can be given neither a new one ([`PruneError::Finished`]) nor a LoRA, which Burn drops
    /// without a word. Burn's `Param::map` takes a spent mask off, parameter by parameter:
    /// `fc.weight = fc.weight.map(|weight| weight)`.
    ///
    /// # Errors
    /// [`PruneError::ModelChanged`] for a model without one of the parameters.
    pub fn finish<M: Module>(&mut self, model: &mut M) -> Result<(), PruneError> {
        let table = self.table_of(model)?;
        attach::detach(model, &table);
        self.undo = None;
        Ok(())
    }

    /// Sets all weights back to `weights`, the masks stay: the lottery ticket's rewinding.
    ///
    /// Parameters that the snapshot lacks stay as they are, norms' running statistics are set
    /// back too.
    ///
    /// # Errors
    /// [`PruneError::ModelChanged`] for a tensor of another shape or type than the model's.
    pub fn rewind<M: Module>(
        &mut self,
        model: &mut M,
        weights: &Weights,
    ) -> Result<(), PruneError> {
        let now = Weights::of(model);
        for (path, data) in &weights.tensors {
            let Some(current) = now.get(path) else {
                return Err(PruneError::ModelChanged {
                    path: path.clone(),
                    why: "the snapshot has it, the model does not".into(),
                });
            };
            if current.shape() != data.shape() || current.dtype() != data.dtype() {
                return Err(PruneError::ModelChanged {
                    path: path.clone(),
                    why: format!(
                        "the snapshot holds {:?} {:?}, the model {:?} {:?}",
                        data.dtype(),
                        data.shape(),
                        current.dtype(),
                        current.shape()
                    ),
                });
            }
        }
        crate::weights::write_weights(model, &weights.tensors);
        self.undo = None;
        Ok(())
    }

    /// Reads the model's parameter table and checks that it is the model of this pruner.
    fn table_of<M: Module>(&self, model: &M) -> Result<ParamTable, PruneError> {
        let table = ParamTable::of(model);
        for param in &self.params {
            let Some(entry) = table.get(&param.info.path) else {
                return Err(PruneError::ModelChanged {
                    path: param.info.path.clone(),
                    why: "there is no such parameter".into(),
                });
            };
            attach::check_length(entry)?;
            if entry.info.len() != param.info.len() {
                return Err(PruneError::ModelChanged {
                    path: param.info.path.clone(),
                    why: format!(
                        "it had {} elements and has {}",
                        param.info.len(),
                        entry.info.len()
                    ),
                });
            }
            let (now, then) = (
                View::new(&entry.dims, param.layout).shape(),
                param.info.shape,
            );
            // A column-major linear shows its dimensions the other way round until it is
            // initialised.
            let turned = param.info.layer == "Linear" && now == [then[1], then[0], then[2]];
            if now != then && !turned {
                return Err(PruneError::ModelChanged {
                    path: param.info.path.clone(),
                    why: format!("its view was {then:?} and is {now:?}"),
                });
            }
        }
        Ok(table)
    }

    /// The view of a parameter as it is stored now, initialising it if need be.
    fn view_in<M: Module>(&self, param: &Pruned, model: &M, table: &ParamTable) -> View {
        let mut dims = table
            .get(&param.info.path)
            .map(|entry| entry.dims.clone())
            .unwrap_or_default();
        crate::weights::visit_floats(model, |path, tensor| {
            if path == param.info.path {
                dims = tensor.dims();
            }
        });
        View::new(&dims, param.layout)
    }

    /// How each parameter's storage maps to its view, by path.
    fn layouts(&self) -> BTreeMap<&str, Layout> {
        let params = self.params.iter();
        params
            .map(|param| (param.info.path.as_str(), param.layout))
            .collect()
    }

    /// The masks on the model in the order of the parameters, and each parameter's view.
    fn current_masks<M: Module>(
        &self,
        model: &M,
        table: &ParamTable,
    ) -> Result<(Vec<Mask>, Vec<View>), PruneError> {
        let mut views: BTreeMap<String, View> = BTreeMap::new();
        let wanted = self.layouts();
        crate::weights::visit_floats(model, |path, tensor| {
            if let Some(&layout) = wanted.get(path) {
                views.insert(path.into(), View::new(&tensor.dims(), layout));
            }
        });
        let any = table
            .entries
            .iter()
            .any(|entry| entry.attached != Attached::Nothing);
        let attached = if any {
            attach::read_masks(model)
        } else {
            BTreeMap::new()
        };
        let mut masks = Vec::with_capacity(self.params.len());
        let mut in_order = Vec::with_capacity(self.params.len());
        for param in &self.params {
            let path = &param.info.path;
            let view = views
                .get(path)
                .copied()
                .ok_or_else(|| PruneError::ModelChanged {
                    path: path.clone(),
                    why: "there is no such parameter".into(),
                })?;
            masks.push(mask_in_view(view, attached.get(path)));
            in_order.push(view);
        }
        Ok((masks, in_order))
    }

    /// Writes the choices to the model: masks, then the values that change with them.
    fn apply<M: Module>(
        &mut self,
        model: &mut M,
        table: &ParamTable,
        step: usize,
        choices: Vec<Choice>,
    ) -> Result<PruneEvent, PruneError> {
        let mut changed = model.clone();
        self.attach_to(&mut changed, table)?;
        let mut event = PruneEvent {
            step,
            kept: 0,
            total: 0,
            removed: 0,
            regrown: 0,
        };
        let mut stored = BTreeMap::new();
        let mut before = BTreeMap::new();
        for choice in &choices {
            let param = &self.params[choice.param];
            let diff = choice.before.diff(&choice.after)?;
            event.kept += choice.after.kept();
            event.total += choice.after.len();
            event.removed += diff.pruned;
            event.regrown += diff.regrown;
            if diff.changed() > 0 || choice.backward.is_some() {
                let backward = choice.backward.as_ref().unwrap_or(&choice.after);
                stored.extend(self.stored_mask(param, choice.view, &choice.after, backward));
                before.insert(param.info.path.clone(), choice.before.clone());
            }
        }
        let weights = self.treated(&changed, &choices)?;
        let undo = Undo::new(&changed, before, &weights);
        crate::weights::write_weights(&mut changed, &weights);
        attach::write_masks(&mut changed, &stored);
        *model = changed;
        if event.removed + event.regrown > 0 || !weights.is_empty() {
            self.undo = Some(undo);
        }
        self.asked.extend(
            choices
                .into_iter()
                .map(|choice| (self.params[choice.param].info.path.clone(), choice.asked)),
        );
        Ok(event)
    }

    /// The mask in storage order, for the parameter and every field tied to it.
    fn stored_mask(
        &self,
        param: &Pruned,
        view: View,
        kept: &Mask,
        backward: &Mask,
    ) -> Vec<(String, StoredMask)> {
        let flow = self.config.treatment.flow();
        let stored = StoredMask {
            removed: removed_in_storage(view, kept),
            blocked: (flow == GradientFlow::Backward).then(|| removed_in_storage(view, backward)),
        };
        let tied = param.tied.iter().map(|path| (path.clone(), stored.clone()));
        let mut masks: Vec<_> = tied.collect();
        masks.push((param.info.path.clone(), stored));
        masks
    }

    /// The paths this pruner masks, tied fields included.
    pub(crate) fn masked_paths(&self) -> BTreeSet<String> {
        self.params
            .iter()
            .flat_map(|param| std::iter::once(&param.info.path).chain(&param.tied))
            .cloned()
            .collect()
    }
}

/// The mask of what is removed in storage order; keep-all if nothing is attached.
pub(crate) fn mask_in_view(view: View, removed: Option<&Bits>) -> Mask {
    let kept = removed.map(|removed| view.bits_to_view(removed).not());
    // A mask of another length never comes here: `attach::check_length` refuses it.
    kept.and_then(|kept| Mask::from_bits(view.shape(), kept).ok())
        .unwrap_or_else(|| Mask::dense(&view))
}

/// One where the mask removes, in storage order.
pub(crate) fn removed_in_storage(view: View, kept: &Mask) -> Bits {
    view.bits_to_storage(&kept.bits().not())
}
