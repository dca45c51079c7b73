//! Builds the `Learner`, lets it run, and looks at what is left.

use std::io::{IsTerminal, stdout};
use std::sync::Arc;

use burn::lr_scheduler::cosine::CosineAnnealingLrSchedulerConfig;
use burn::lr_scheduler::module_lr_scheduler::ModuleLrScheduler;
use burn::tensor::Device;
use burn::train::checkpoint::KeepLastNCheckpoints;
use burn::train::metric::{AccuracyMetric, LossMetric};
use burn::train::{Interrupter, Learner, LearningResult, SupervisedTraining};
use secateur::prelude::*;
use secateur_examples::data::{Data, Starter, starter};
use secateur_examples::nets::{Classifier, SmallConv};
use secateur_examples::training::{Recipe, Student};
use secateur_examples::{ExampleError, Result};

use crate::args::Args;
use crate::checkpoints::Checkpoints;
use crate::images::{TrainLoader, valid_loader};
use crate::model::PrunedNet;
use crate::outcome::Outcome;
use crate::plain::PlainRenderer;
use crate::pruning::Pruning;
use crate::sparsity::SparsityMetric;

/// Share of the weights that go.
const SPARSITY: f64 = 0.9;

/// Of initial weights and image order.
const SEED: u64 = 1;

/// Images of a smoke run, to learn from and to be judged on.
const SMOKE_IMAGES: (usize, usize) = (300, 200);

/// How this example prunes in a training of `steps` steps: the smallest weights of the whole net
/// go, little by little, and the last quarter of the training mends what that has done.
pub(crate) fn method(steps: usize) -> PrunerConfig {
    let schedule = Cubic::new(SPARSITY)
        .between(steps / 6..=steps * 3 / 4)
        .every((steps / 50).max(2));
    PrunerConfig::new()
        .with_allocation(Global)
        .with_schedule(schedule)
}

/// Trains and prunes as `args` say, with the pruner that `method` gives for the number of steps.
pub(crate) fn train(args: &Args, method: impl FnOnce(usize) -> PrunerConfig) -> Result<Outcome> {
    let data = images(args)?;
    let recipe = Recipe::from_scratch(args.epochs)
        .with_batch(50)
        .with_learning_rate(0.05);
    let steps = recipe.steps(data.train.len())?;
    let steps_per_epoch = steps / args.epochs;
    let checkpoints = Checkpoints::new(&args.dir)?;

    let mut net = SmallConv::fresh(SEED, &Device::flex().autodiff());
    let mut pruner = method(steps).init_module(&net)?;
    // A record is read into a model of the same shape: the masks have to be there before Burn
    // reads or writes a checkpoint, and not only from the first pruning on.
    pruner.attach(&mut net)?;
    if let Some(epoch) = args.resume {
        checkpoints.check(epoch)?;
        pruner.load_state(checkpoints.pruner(epoch))?;
    }
    let interrupter = Interrupter::new();
    let pruning = Pruning::new(
        pruner,
        steps_per_epoch,
        checkpoints.clone(),
        interrupter.clone(),
    );
    check_resumed(args, pruning.steps_done(), steps_per_epoch)?;

    let learner = Learner::new(
        PrunedNet::new(net, pruning),
        recipe.optimizer(),
        learning_rate(&recipe, steps)?,
    );
    let result = training(args, &data, &recipe)
        .with_interrupter(interrupter)
        .launch(learner);
    finish(args, &data, result, steps_per_epoch, checkpoints)
}

fn images(args: &Args) -> Result<Data<Starter>> {
    let mut data = starter()?;
    if args.smoke {
        let (train, test) = SMOKE_IMAGES;
        data.train = data.train.first(train);
        data.test = data.test.first(test);
    }
    Ok(data)
}

/// A state of a run over other images would shift every later step of the schedule.
fn check_resumed(args: &Args, done: usize, steps_per_epoch: usize) -> Result<()> {
    match args.resume {
        Some(epoch) if done != epoch * steps_per_epoch => Err(ExampleError::Resume {
            epoch,
            why: format!(
                "it was saved after {done} steps, here it would be {}",
                epoch * steps_per_epoch
            ),
            remedy: "give --smoke if the first run had it, and leave it out if not".into(),
        }),
        _ => Ok(()),
    }
}

fn learning_rate(recipe: &Recipe, steps: usize) -> Result<ModuleLrScheduler> {
    CosineAnnealingLrSchedulerConfig::new(recipe.learning_rate, steps)
        .init()
        .map_err(|why| ExampleError::Training(why.to_string()))
}

fn training(args: &Args, data: &Data<Starter>, recipe: &Recipe) -> SupervisedTraining<PrunedNet> {
    let train = TrainLoader::new(data.train.clone(), recipe.batch, SEED, args.first_epoch());
    let valid = valid_loader(data.test.clone());
    let mut training = SupervisedTraining::new(&args.dir, Arc::new(train), valid)
        .num_epochs(args.last_epoch())
        .with_default_checkpointers()
        // All of them, as the pruner's files stay as well.
        .with_checkpointing_strategy(KeepLastNCheckpoints::new(args.epochs))
        .metrics((
            LossMetric::new(),
            AccuracyMetric::new(),
            SparsityMetric::new(),
        ));
    if let Some(epoch) = args.resume {
        training = training.checkpoint(epoch);
    }
    if args.smoke || !stdout().is_terminal() {
        training = training
            .renderer(Box::new(PlainRenderer::default()))
            .with_application_logger(None);
    }
    training
}

fn finish(
    args: &Args,
    data: &Data<Starter>,
    result: LearningResult<PrunedNet>,
    steps_per_epoch: usize,
    checkpoints: Checkpoints,
) -> Result<Outcome> {
    // The dashboard leaves the screen when it is dropped.
    drop(result.renderer);
    let model = result.model;
    let mut pruning = model.pruning();
    if let Some(error) = pruning.take_error() {
        return Err(error.into());
    }
    if let Some(error) = result.error {
        return Err(ExampleError::Training(error.to_string()));
    }
    let mut net = model.net.clone();
    let report = pruning.pruner().report(&net)?;
    let masks = pruning.pruner().masks(&net)?;
    pruning.pruner().finish(&mut net)?;
    let student = Student::<_, Starter>::new(net);
    Ok(Outcome {
        args: args.clone(),
        accuracy: 100.0 - student.error_percent(&data.test),
        report,
        masks,
        checkpoints,
        epochs_done: pruning.steps_done() / steps_per_epoch,
        file: student.save(&args.dir, "pruned")?,
        interrupted: result
            .interrupted
            .map(|stop| stop.reason.unwrap_or_else(|| "no reason given".into())),
    })
}

#[cfg(test)]
mod tests;
