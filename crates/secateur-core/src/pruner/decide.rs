//! Deciding what goes: views, scores, allocation, selection. Nothing here changes the model.

use std::collections::{BTreeMap, HashMap};

use burn::{module::Module, tensor::TensorData};

use super::{Asked, Pruned, Pruner, removed_in_storage};
use crate::{
    allocation::{AllocationRow, AllocationTable, Allotment},
    bits::Bits,
    error::PruneError,
    magnitude::FromScores,
    mask::Mask,
    mask_op::GradientFlow,
    params::{ParamTable, Role},
    rank::keep_largest,
    scorer::{AnyScorer, Comparison, Neighbour, ScoreContext, check_scores},
    selector::SelectContext,
    target::{Target, share_of},
    treatment::{Regrown, Removed},
    units::Units,
    view::View,
    weights::{as_f32, copy_where, replace_changed, to_f32, visit_floats, zero_where},
};

/// What was decided for one parameter.
pub(crate) struct Choice {
    /// Index of the parameter in the pruner.
    pub param: usize,
    pub view: View,
    pub before: Mask,
    pub after: Mask,
    /// The second mask of [`GradientFlow::Backward`].
    pub backward: Option<Mask>,
    /// New weights in view order.
    pub weights: Option<Vec<f32>>,
    pub asked: Asked,
}

/// The scores of one parameter.
struct Scored {
    elements: Vec<f32>,
    /// `None` if every element is a unit.
    units: Option<Vec<f32>>,
}

impl Scored {
    fn units(&self) -> &[f32] {
        self.units.as_deref().unwrap_or(&self.elements)
    }
}

impl Pruner {
    /// Decides the masks at `step`, in the order of the parameters.
    pub(super) fn decide<M: Module>(
        &self,
        model: &M,
        table: &ParamTable,
        step: usize,
    ) -> Result<Vec<Choice>, PruneError> {
        let prepared = self.prepare(model, table)?;
        let Prepared {
            params,
            masks,
            units,
            ..
        } = &prepared;
        let scoring = prepared.scoring(self, step);
        let scores = scoring.run(model)?;
        let standing: Vec<Bits> = units
            .iter()
            .zip(masks)
            .map(|(units, mask)| units.collapse(mask))
            .collect::<Result<_, _>>()?;
        let targets: Vec<Target> = params
            .iter()
            .zip(units)
            .map(|(param, units)| self.unit_target(param, units, step))
            .collect::<Result<_, _>>()?;
        let allotments = self.allot(params, units, &standing, &targets, &scores)?;
        scoring.select(model, &scores, &targets, &allotments, masks.clone())
    }

    /// The scores of all elements, in the order of each parameter's own tensor.
    pub(super) fn element_scores<M: Module>(
        &self,
        model: &M,
        table: &ParamTable,
        step: usize,
    ) -> Result<BTreeMap<String, Vec<f32>>, PruneError> {
        let prepared = self.prepare(model, table)?;
        let scores = prepared.scoring(self, step).run(model)?;
        let params = prepared.params.into_iter().zip(prepared.views).zip(scores);
        Ok(params
            .map(|((param, view), scored)| (param.info.path, view.to_storage(&scored.elements)))
            .collect())
    }

    /// The same in view order.
    pub(super) fn view_scores<M: Module>(
        &self,
        model: &M,
        table: &ParamTable,
        step: usize,
    ) -> Result<FromScores, PruneError> {
        let prepared = self.prepare(model, table)?;
        let scores = prepared.scoring(self, step).run(model)?;
        let params = prepared.params.into_iter().zip(scores);
        Ok(params
            .map(|(param, scored)| (param.info.path, scored.elements))
            .collect())
    }

    /// What scoring starts from.
    fn prepare<M: Module>(&self, model: &M, table: &ParamTable) -> Result<Prepared, PruneError> {
        for param in &self.params {
            if let Some(entry) = table.get(&param.info.path) {
                crate::attach::check_attached(entry, self.config.treatment.flow())?;
            }
        }
        let (masks, views) = self.current_masks(model, table)?;
        // A column-major linear shows its true view only now.
        let params: Vec<Pruned> = self
            .params
            .iter()
            .zip(&views)
            .map(|(param, view)| {
                let mut param = param.clone();
                param.info.shape = view.shape();
                param
            })
            .collect();
        let units: Vec<Units> = params
            .iter()
            .map(|param| {
                let units = param.pattern.units(&param.info.path, param.info.shape)?;
                if units.shape() == param.info.shape {
                    return Ok(units);
                }
                Err(PruneError::PatternMismatch {
                    path: param.info.path.clone(),
                    pattern: param.pattern.to_string(),
                    why: format!(
                        "it divides a view of {:?}, not of {:?}",
                        units.shape(),
                        param.info.shape
                    ),
                    remedy: "make the units of the shape that `Pattern::units` is asked for".into(),
                })
            })
            .collect::<Result<_, _>>()?;
        let vectors = read_vectors(model, table)?;
        Ok(Prepared {
            params,
            masks,
            views,
            units,
            vectors,
        })
    }

    /// Among which units scores are compared.
    fn comparison(&self) -> Comparison {
        let config = &self.config;
        config
            .comparison
            .unwrap_or_else(|| config.scorer.comparison())
    }

    /// What the schedule asks, in units. Under n:m the share of groups that obey rises until all
    /// of them do at the sparsity that the pattern fixes.
    fn unit_target(
        &self,
        param: &Pruned,
        units: &Units,
        step: usize,
    ) -> Result<Target, PruneError> {
        let target = self.schedule.target(step, &param.info);
        target.check()?;
        match (param.pattern.fixed_sparsity(), target) {
            (Some(fixed), Target::Sparsity(asked)) if fixed > 0.0 => {
                let own = param.info.sparsity.unwrap_or(asked);
                let last = self.schedule.final_sparsity().unwrap_or(asked);
                // A parameter with a fixed sparsity of its own keeps step with the schedule.
                let share = if last > 0.0 {
                    asked / last * own / fixed
                } else {
                    asked / fixed
                };
                let count = (share.min(1.0) * units.count() as f64).round();
                Ok(Target::Count(count as usize))
            }
            _ => Ok(target),
        }
    }

    /// How many units each parameter keeps; `None` under a threshold or band.
    fn allot(
        &self,
        params: &[Pruned],
        units: &[Units],
        standing: &[Bits],
        targets: &[Target],
        scores: &[Scored],
    ) -> Result<Vec<Option<Allotment>>, PruneError> {
        let asks_number =
            |target: &Target| !matches!(target, Target::Threshold(_) | Target::Band { .. });
        // Under n:m the targets are counts already, attributes included.
        let infos: Vec<_> = params
            .iter()
            .map(|param| {
                let mut info = param.info.clone();
                if param.pattern.fixed_sparsity().is_some() {
                    info.sparsity = None;
                }
                info
            })
            .collect();
        let mut rows = Vec::new();
        let mut row_of = Vec::new();
        for index in 0..params.len() {
            if !asks_number(&targets[index]) {
                row_of.push(None);
                continue;
            }
            let mut row = AllocationRow::new(&infos[index], units[index].count(), targets[index]);
            row.kept = standing[index].count_ones();
            row.groups = match self.comparison() {
                Comparison::OutputRow => infos[index].shape[0].max(1),
                Comparison::Tensor => 1,
            };
            row.eligible = self.config.regrowth.is_none().then_some(&standing[index]);
            row.final_sparsity = self.schedule.final_sparsity();
            row.scores = self
                .config
                .allocation
                .needs_scores()
                .then(|| scores[index].units());
            if row.units > 0 {
                row.unit_size = infos[index].len() as f64 / row.units as f64;
            }
            row_of.push(Some(rows.len()));
            rows.push(row);
        }
        let table = AllocationTable {
            rows,
            floor: self.config.floor,
        };
        if table.rows.is_empty() {
            return Ok(vec![None; params.len()]);
        }
        let allotments = self.config.allocation.allocate(&table)?;
        if allotments.len() != table.rows.len() {
            return Err(PruneError::invalid(
                "allocation",
                format!("{} answers", allotments.len()),
                format!("one for each of the {} rows", table.rows.len()),
                "return one allotment per row, in the rows' order",
            ));
        }
        Ok(row_of
            .into_iter()
            .map(|row| row.map(|row| allotments[row]))
            .collect())
    }

    /// The stored values that change with the choices, by path, tied fields included.
    pub(super) fn treated<M: Module>(
        &self,
        model: &M,
        choices: &[Choice],
    ) -> Result<BTreeMap<String, TensorData>, PruneError> {
        let mut wanted: HashMap<&str, &Choice> = HashMap::new();
        for choice in choices {
            let diff = choice.before.diff(&choice.after)?;
            let zeroes = self.config.treatment.removed == Removed::Zeroed && diff.pruned > 0;
            let regrows = self.config.treatment.regrown != Regrown::Kept && diff.regrown > 0;
            if zeroes || regrows || choice.weights.is_some() {
                wanted.insert(&self.params[choice.param].info.path, choice);
            }
        }
        let mut changed = BTreeMap::new();
        if wanted.is_empty() {
            return Ok(changed);
        }
        let mut failed = None;
        visit_floats(model, |path, tensor| {
            if let Some(choice) = wanted.get(path)
                && failed.is_none()
            {
                match self.treat(path, tensor.data(), choice) {
                    Ok(data) => {
                        for tied in &self.params[choice.param].tied {
                            changed.insert(tied.clone(), data.clone());
                        }
                        changed.insert(path.to_string(), data);
                    }
                    Err(error) => failed = Some(error),
                }
            }
        });
        failed.map_or(Ok(changed), Err)
    }

    fn treat(
        &self,
        path: &str,
        mut data: TensorData,
        choice: &Choice,
    ) -> Result<TensorData, PruneError> {
        let view = choice.view;
        if let Some(weights) = &choice.weights {
            replace_changed(path, &mut data, &view.to_storage(weights))?;
        }
        let newly = |from: &Mask, to: &Mask| -> Result<Bits, PruneError> {
            Ok(removed_in_storage(view, &from.difference(to)?.not()))
        };
        if self.config.treatment.removed == Removed::Zeroed {
            let gone = newly(&choice.before, &choice.after)?;
            zero_where(path, &mut data, &gone)?;
        }
        let back = newly(&choice.after, &choice.before)?;
        match &self.config.treatment.regrown {
            Regrown::Kept => {}
            Regrown::Zero => zero_where(path, &mut data, &back)?,
            Regrown::From(weights) => {
                let source = weights.get(path).ok_or_else(|| PruneError::ModelChanged {
                    path: path.into(),
                    why: "the record for regrown values lacks it".into(),
                })?;
                copy_where(path, &mut data, source, |i| back.get(i))?;
            }
        }
        Ok(data)
    }
}

/// The parameters to be pruned as they are now.
struct Prepared {
    params: Vec<Pruned>,
    masks: Vec<Mask>,
    views: Vec<View>,
    units: Vec<Units>,
    vectors: BTreeMap<String, Neighbour>,
}

impl Prepared {
    fn scoring<'a>(&'a self, pruner: &'a Pruner, step: usize) -> Scoring<'a> {
        Scoring {
            pruner,
            params: &self.params,
            masks: &self.masks,
            views: &self.views,
            units: &self.units,
            vectors: &self.vectors,
            step,
        }
    }
}

/// One pass of scoring and selecting.
struct Scoring<'a> {
    pruner: &'a Pruner,
    params: &'a [Pruned],
    masks: &'a [Mask],
    views: &'a [View],
    units: &'a [Units],
    vectors: &'a BTreeMap<String, Neighbour>,
    step: usize,
}

impl<'a> Scoring<'a> {
    fn context<'b>(&self, index: usize, weight: &'b [f32], scorer: &'b str) -> ScoreContext<'b>
    where
        'a: 'b,
    {
        ScoreContext {
            info: &self.params[index].info,
            weight,
            mask: &self.masks[index],
            vectors: self.vectors,
            signals: &self.pruner.signals,
            scorer,
            step: self.step,
            seed: self.pruner.config.seed,
        }
    }

    fn run<M: Module>(&self, model: &M) -> Result<Vec<Scored>, PruneError> {
        let config = &self.pruner.config;
        let name = config.scorer.name();
        let mut scores: Vec<Option<Scored>> = (0..self.params.len()).map(|_| None).collect();
        match &config.scorer {
            AnyScorer::Each(scorer) => self.for_each_weight(model, |index, weight| {
                let path = &self.params[index].info.path;
                let elements =
                    scorer.score(&self.context(index, &as_f32(path, &weight)?, &name))?;
                drop(weight);
                scores[index] = Some(self.reduce(index, &name, elements)?);
                Ok(())
            })?,
            AnyScorer::Model(scorer) => {
                let mut weights = vec![Vec::new(); self.params.len()];
                self.for_each_weight(model, |index, weight| {
                    let path = &self.params[index].info.path;
                    weights[index] = as_f32(path, &weight)?.into_owned();
                    Ok(())
                })?;
                let contexts: Vec<_> = (weights.iter().enumerate())
                    .map(|(index, weight)| self.context(index, weight, &name))
                    .collect();
                let all = scorer.score_model(&contexts)?;
                if all.len() != self.params.len() {
                    return Err(PruneError::ScoreCount {
                        path: "the model".into(),
                        scorer: name,
                        expected: self.params.len(),
                        got: all.len(),
                    });
                }
                for (index, elements) in all.into_iter().enumerate() {
                    scores[index] = Some(self.reduce(index, &name, elements)?);
                }
            }
        }
        Ok(scores
            .into_iter()
            .map(|scored| {
                scored.unwrap_or(Scored {
                    elements: Vec::new(),
                    units: None,
                })
            })
            .collect())
    }

    /// From element scores to unit scores.
    fn reduce(&self, index: usize, scorer: &str, elements: Vec<f32>) -> Result<Scored, PruneError> {
        let info = &self.params[index].info;
        check_scores(&info.path, scorer, &elements, info.len())?;
        let units = &self.units[index];
        if units.is_elementwise() {
            return Ok(Scored {
                elements,
                units: None,
            });
        }
        let config = &self.pruner.config;
        let previous = config.regrowth.is_none().then_some(&self.masks[index]);
        let scores = units.scores(&elements, config.reduction, previous)?;
        Ok(Scored {
            elements,
            units: Some(scores),
        })
    }

    /// Calls `each` with the index and the weights, in view order, of every pruned parameter, and
    /// checks that tied fields agree.
    fn for_each_weight<M: Module>(
        &self,
        model: &M,
        mut each: impl FnMut(usize, TensorData) -> Result<(), PruneError>,
    ) -> Result<(), PruneError> {
        let mut index_of: HashMap<&str, usize> = HashMap::new();
        let mut tied_to: HashMap<&str, usize> = HashMap::new();
        for (index, param) in self.params.iter().enumerate() {
            index_of.insert(&param.info.path, index);
            for path in &param.tied {
                tied_to.insert(path, index);
            }
        }
        let mut first: HashMap<usize, TensorData> = HashMap::new();
        let mut result = Ok(());
        visit_floats(model, |path, tensor| {
            if result.is_err() {
                return;
            }
            if let Some(&index) = index_of.get(path) {
                if !self.params[index].tied.is_empty() {
                    first.insert(index, tensor.data());
                }
                result = each(index, tensor.seen(&self.views[index]));
            } else if let Some(index) = tied_to.get(path)
                && first.get(index).is_some_and(|data| *data != tensor.data())
            {
                result = Err(PruneError::TiedMismatch {
                    first: self.params[*index].info.path.clone(),
                    second: path.into(),
                });
            }
        });
        result
    }

    fn select<M: Module>(
        &self,
        model: &M,
        scores: &[Scored],
        targets: &[Target],
        allotments: &[Option<Allotment>],
        before: Vec<Mask>,
    ) -> Result<Vec<Choice>, PruneError> {
        let config = &self.pruner.config;
        let mut weights: Vec<Vec<f32>> = vec![Vec::new(); self.params.len()];
        if config.selector.needs_weight() {
            self.for_each_weight(model, |index, weight| {
                let path = &self.params[index].info.path;
                weights[index] = as_f32(path, &weight)?.into_owned();
                Ok(())
            })?;
        }
        let name = config.selector.name();
        let mut choices = Vec::with_capacity(self.params.len());
        for (index, before) in before.into_iter().enumerate() {
            let param = &self.params[index];
            let ctx = SelectContext {
                score: self.context(index, &weights[index], &name),
                element_scores: &scores[index].elements,
                unit_scores: scores[index].units(),
                pattern: &*param.pattern,
                units: &self.units[index],
                target: targets[index],
                keep: allotments[index].map(|allotment| allotment.keep),
                comparison: self.pruner.comparison(),
                regrowth: config.regrowth.as_deref(),
                reduction: config.reduction,
            };
            let selection = config.selector.select(&ctx)?;
            if selection.mask.shape() != param.info.shape {
                return Err(PruneError::MaskShape {
                    path: param.info.path.clone(),
                    expected: param.info.shape,
                    got: selection.mask.shape(),
                });
            }
            if let Some(new) = &selection.weights {
                check_scores(&param.info.path, &name, new, param.info.len())?;
            }
            let units = self.units[index].count();
            let pruned = units - self.units[index].collapse(&selection.mask)?.count_ones();
            choices.push(Choice {
                param: index,
                view: self.views[index],
                before,
                backward: self.backward_mask(index, &scores[index], &selection.mask)?,
                after: selection.mask,
                weights: selection.weights,
                asked: Asked {
                    target: targets[index],
                    units: (pruned, units),
                    floored: allotments[index].map_or(0, |allotment| allotment.floored),
                },
            });
        }
        Ok(choices)
    }

    /// What gradients reach under [`GradientFlow::Backward`]: what the mask keeps, and with a
    /// backward sparsity the best of the others.
    fn backward_mask(
        &self,
        index: usize,
        scored: &Scored,
        after: &Mask,
    ) -> Result<Option<Mask>, PruneError> {
        let treatment = &self.pruner.config.treatment;
        if treatment.flow() != GradientFlow::Backward {
            return Ok(None);
        }
        let Some(sparsity) = treatment.backward_sparsity else {
            return Ok(Some(after.clone()));
        };
        let units = &self.units[index];
        let count = units.count();
        let reached = keep_largest(scored.units(), None, count - share_of(sparsity, count));
        let reached = units.expand(&reached, &scored.elements, None)?;
        after.or(&reached).map(Some)
    }
}

/// Every vector and scalar parameter of the model, in view order.
fn read_vectors<M: Module>(
    model: &M,
    table: &ParamTable,
) -> Result<BTreeMap<String, Neighbour>, PruneError> {
    let mut vectors = BTreeMap::new();
    visit_floats(model, |path, tensor| {
        if let Some(entry) = table.get(path)
            && entry.info.role != Role::Weight
            && entry.dims.len() <= 1
            && let Ok(values) = to_f32(path, &tensor.data())
        {
            let info = entry.info.clone();
            vectors.insert(path.to_string(), Neighbour { info, values });
        }
    });
    Ok(vectors)
}
