//! The part of this example that is about pruning.

use std::path::{Path, PathBuf};

use burn::module::Module;
use burn::optim::GradientsParams;
use secateur::prelude::*;
use secateur_examples::data::Starter;
use secateur_examples::nets::SmallConv;
use secateur_examples::training::{Hook, Progress, Student};
use secateur_examples::{ExampleError, Result};

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
    pruner: Option<Pruner>,
}

impl Pruning {
    pub(crate) fn new(
        plan: Plan,
        student: &mut Student<SmallConv, Starter>,
        steps: usize,
    ) -> Result<Self> {
        let config = match plan {
            Plan::Dense => return Ok(Self { pruner: None }),
            // The smallest of the whole net, from a tenth to three quarters of the training.
            Plan::Gradual => PrunerConfig::new()
                .with_scorer(Magnitude::l1())
                .with_allocation(Global)
                .with_schedule(Cubic::new(SPARSITY).between(steps / 10..=steps * 3 / 4).every(20)),
            Plan::Random => PrunerConfig::new()
                .with_scorer(Random)
                .with_seed(SEED)
                .with_schedule(OneShot::new(SPARSITY)),
        };
        let mut pruner = config.init_module(student.model())?;
        pruner.prune(student.model_mut(), 0)?;
        Ok(Self {
            pruner: Some(pruner),
        })
    }

    /// Makes the zeros part of the weights and leaves a plain Burn module.
    pub(crate) fn finish(&mut self, student: &mut Student<SmallConv, Starter>) -> Result<()> {
        if let Some(pruner) = &mut self.pruner {
            pruner.finish(student.model_mut())?;
        }
        Ok(())
    }
}

impl Hook<SmallConv, Starter> for Pruning {
    fn before_step(
        &mut self,
        student: &mut Student<SmallConv, Starter>,
        gradients: GradientsParams,
        _at: Progress,
    ) -> Result<Option<GradientsParams>> {
        if let Some(pruner) = &mut self.pruner {
            // Magnitude wants no gradients; a scorer that does gets them here.
            pruner.observe(student.model(), &gradients)?;
        }
        Ok(Some(gradients))
    }

    fn after_step(
        &mut self,
        student: &mut Student<SmallConv, Starter>,
        at: Progress,
    ) -> Result<()> {
        if let Some(pruner) = &mut self.pruner {
            pruner.prune(student.model_mut(), at.step)?;
        }
        Ok(())
    }
}

/// Saves the pruned net; the zeros take no place in the file.
pub(crate) fn save(student: &Student<SmallConv, Starter>, folder: &Path) -> Result<PathBuf> {
    std::fs::create_dir_all(folder).map_err(ExampleError::io("create", folder))?;
    let file = folder.join("pruned-starter.sparse");
    secateur::save_sparse(&student.model().valid(), &file)?;
    Ok(file)
}
