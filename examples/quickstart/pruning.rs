//! The part of this example that is about pruning.
//!
//! A stand-in for Secateur's `Pruner`: it sets the smallest weights to zero after each step. It is
//! here so that the rest can be seen working, and goes when the library's pruner is there.

use std::path::{Path, PathBuf};

use burn::module::{ModuleMapper, Param};
use burn::prelude::*;
use secateur_examples::Result;
use secateur_examples::data::Starter;
use secateur_examples::nets::SmallConv;
use secateur_examples::random::Generator;
use secateur_examples::training::{Hook, Progress, Student};

use crate::{SEED, SPARSITY};

/// What becomes of the weights in one of the three trainings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Plan {
    /// All stay.
    Dense,
    /// The smallest go, little by little.
    Gradual,
    /// As many go, before the first step, chosen by lot.
    Random,
}

/// Carries out a [`Plan`] while the net learns.
#[derive(Debug)]
pub(crate) struct Pruning {
    plan: Plan,
}

impl Pruning {
    pub(crate) fn new(
        plan: Plan,
        student: &mut Student<SmallConv, Starter>,
        steps: usize,
    ) -> Result<Self> {
        let _ = (student, steps);
        Ok(Self { plan })
    }

    /// Makes the zeros part of the weights and leaves a plain Burn module.
    pub(crate) fn finish(&mut self, student: &mut Student<SmallConv, Starter>) -> Result<()> {
        let _ = student;
        Ok(())
    }
}

impl Hook<SmallConv, Starter> for Pruning {
    fn after_step(
        &mut self,
        student: &mut Student<SmallConv, Starter>,
        at: Progress,
    ) -> Result<()> {
        let done = (at.step + 1) as f64 / at.total as f64;
        let ramp = ((done - 0.1) / 0.65).clamp(0.0, 1.0);
        let sparsity = match self.plan {
            Plan::Dense => return Ok(()),
            Plan::Gradual => SPARSITY * (1.0 - (1.0 - ramp).powi(3)),
            Plan::Random => SPARSITY,
        };
        let lots = (self.plan == Plan::Random).then(|| Generator::new(SEED, "random mask"));
        let mut zeroing = Zeroing { sparsity, lots };
        *student.model_mut() = student.model().clone().map(&mut zeroing);
        Ok(())
    }
}

struct Zeroing {
    sparsity: f64,
    lots: Option<Generator>,
}

impl ModuleMapper for Zeroing {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        if D < 2 {
            return param;
        }
        param.map(|old| {
            let dims = old.dims();
            let mut weights = old.to_data().try_to_vec::<f32>().unwrap_or_default();
            let scores: Vec<f32> = match &mut self.lots {
                Some(lots) => weights.iter().map(|_| lots.unit() as f32).collect(),
                None => weights.iter().map(|weight| weight.abs()).collect(),
            };
            let mut order: Vec<usize> = (0..weights.len()).collect();
            let pruned = (self.sparsity * weights.len() as f64).round() as usize;
            if pruned > 0 {
                order.select_nth_unstable_by(pruned - 1, |&a, &b| scores[a].total_cmp(&scores[b]));
            }
            for &index in &order[..pruned] {
                weights[index] = 0.0;
            }
            Tensor::from_data(TensorData::new(weights, dims), &old.device())
                .set_require_grad(old.is_require_grad())
        })
    }
}

/// Saves the pruned net; the zeros take no place in the file.
pub(crate) fn save(student: &Student<SmallConv, Starter>, folder: &Path) -> Result<PathBuf> {
    student.save(folder, "pruned")
}
