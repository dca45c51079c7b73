//! Hooks around the optimizer's step, and the penalty in the loss.

use std::collections::{BTreeMap, BTreeSet};

use burn::{
    Tensor,
    module::{Module, ModuleVisitor, Param},
    optim::GradientsParams,
    tensor::Bool,
};

use super::Pruner;
use crate::{
    attach::MASK_NAME,
    error::PruneError,
    mask_op::GradientFlow,
    params::ParamTable,
    treatment::Removed,
    view::{Layout, View},
};

/// What to do with the gradients of a step.
#[derive(Debug)]
pub enum Step {
    /// Hand them to the optimizer.
    Update(GradientsParams),
    /// Leave the optimizer out: this step changes the masks instead (RigL).
    Skip,
}

impl Pruner {
    /// Prepares the gradients for the optimizer: those of frozen removed values are set to zero,
    /// so that no momentum gathers under a mask that passes dense gradients, and a step at which
    /// regrowth takes the optimizer's place is skipped.
    ///
    /// Call it between [`observe`](Self::observe), which wants the gradients as they are, and the
    /// optimizer. Methods whose gradients are masked anyway need no call.
    ///
    /// # Errors
    /// [`PruneError::ModelChanged`] for a model without one of the parameters.
    pub fn before_step<M: Module>(
        &self,
        model: &M,
        mut grads: GradientsParams,
        step: usize,
    ) -> Result<Step, PruneError> {
        self.table_of(model)?;
        let replaces = self
            .config
            .regrowth
            .as_ref()
            .is_some_and(|r| r.replaces_update());
        if replaces && self.schedule.is_due(step) {
            return Ok(Step::Skip);
        }
        let treatment = &self.config.treatment;
        if treatment.flow() == GradientFlow::Dense && treatment.removed != Removed::Learning {
            let mut masks = MaskTensors::default();
            model.visit(&mut masks);
            model.visit(&mut GradientMasker {
                path: Vec::new(),
                paths: &self.masked_paths(),
                masks: &masks.removed,
                grads: &mut grads,
            });
        }
        Ok(Step::Update(grads))
    }

    /// Finishes a step: zeroes the values under the masks again if the treatment says
    /// [`Removed::Zeroed`], which an optimizer's momentum may have moved.
    ///
    /// # Errors
    /// [`PruneError::UnsupportedDType`] for a parameter that is not of a float type.
    pub fn after_step<M: Module>(&self, model: &mut M) -> Result<(), PruneError> {
        if self.config.treatment.removed != Removed::Zeroed {
            return Ok(());
        }
        let effective = crate::weights::Weights::effective(model)?;
        let masked = self.masked_paths();
        let tensors = effective
            .tensors
            .into_iter()
            .filter(|(path, _)| masked.contains(path))
            .collect();
        crate::weights::write_weights(model, &tensors);
        Ok(())
    }

    /// The penalty's term for the training loss; `None` without a penalty or a parameter that it
    /// applies to. The result has one element.
    pub fn penalty<M: Module>(&self, model: &M) -> Option<Tensor<1>> {
        let penalty = self.config.penalty.as_deref()?;
        let mut sum = PenaltySum {
            path: Vec::new(),
            table: &ParamTable::of(model),
            layouts: self.layouts(),
            penalty,
            sum: None,
        };
        model.visit(&mut sum);
        sum.sum
    }
}

struct PenaltySum<'a> {
    path: Vec<String>,
    table: &'a ParamTable,
    layouts: BTreeMap<&'a str, Layout>,
    penalty: &'a dyn crate::penalty::Penalty,
    sum: Option<Tensor<1>>,
}

impl ModuleVisitor for PenaltySum<'_> {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.into());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let Some(entry) = self.table.get(&self.path.join(".")) else {
            return;
        };
        let weight = param.val();
        // A custom layer's own layout is known of what is pruned.
        let layout = self.layouts.get(entry.info.path.as_str());
        let view = View::new(&weight.dims(), *layout.unwrap_or(&entry.layout));
        let mut info = entry.info.clone();
        info.shape = view.shape();
        if let Some(term) = self.penalty.of(&info, view.of_tensor(weight)) {
            self.sum = Some(match self.sum.take() {
                Some(sum) => sum + term,
                None => term,
            });
        }
    }
}

/// The attached masks as tensors, flat in storage order, true where removed.
#[derive(Default)]
struct MaskTensors {
    path: Vec<String>,
    removed: BTreeMap<String, Tensor<1, Bool>>,
}

impl ModuleVisitor for MaskTensors {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.into());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn visit_bool<const D: usize>(&mut self, param: &Param<Tensor<D, Bool>>) {
        if let [owner @ .., mask, field] = self.path.as_slice()
            && mask == MASK_NAME
            && field == "removed"
        {
            let n = param.lazy_shape().num_elements() as i32;
            self.removed
                .insert(owner.join("."), param.val().reshape([n]));
        }
    }
}

struct GradientMasker<'a> {
    path: Vec<String>,
    paths: &'a BTreeSet<String>,
    masks: &'a BTreeMap<String, Tensor<1, Bool>>,
    grads: &'a mut GradientsParams,
}

impl ModuleVisitor for GradientMasker<'_> {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.into());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let path = self.path.join(".");
        if !self.paths.contains(&path) {
            return;
        }
        if let Some(removed) = self.masks.get(&path)
            && let Some(gradient) = self.grads.remove::<D>(param.id)
        {
            let removed = removed.clone().reshape(gradient.shape());
            self.grads
                .register(param.id, gradient.mask_fill(removed, 0.0));
        }
    }
}
