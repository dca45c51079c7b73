use std::path::Path;

use secateur::signal::MeanGradient;

use super::*;

/// A smoke run in `dir`: 6 steps an epoch.
fn args(dir: &Path) -> Args {
    Args {
        epochs: 2,
        stop_after: None,
        resume: None,
        dir: dir.into(),
        smoke: true,
    }
}

/// |w · mean gradient|: unlike a magnitude, it depends on what was observed before the stop.
#[derive(Debug)]
struct Saliency;

impl ImportanceScorer for Saliency {
    fn score(&self, ctx: &ScoreContext<'_>) -> std::result::Result<Vec<f32>, PruneError> {
        let gradient = ctx.signal(&MeanGradient)?;
        let weights = ctx.weight().iter();
        Ok(weights.zip(gradient).map(|(w, g)| (w * g).abs()).collect())
    }

    fn signals(&self) -> Vec<Arc<dyn Signal>> {
        vec![Arc::new(MeanGradient)]
    }
}

fn saliency(steps: usize) -> PrunerConfig {
    method(steps).with_scorer(Saliency)
}

#[test]
fn a_run_that_was_stopped_and_resumed_ends_with_the_masks_of_one_that_was_not() {
    // Of steps 0 to 11, pruning is due at 2, 4, 6, 8 and 9: the epoch ends between two of them,
    // with one observation that only the pruner's file carries over.
    let schedule = saliency(12)
        .init_module(&SmallConv::fresh(1, &Device::flex()))
        .unwrap();
    let due: Vec<_> = (0..12)
        .filter(|&step| schedule.schedule().is_due(step))
        .collect();
    assert_eq!(due, [2, 4, 6, 8, 9]);

    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let straight = train(&args(dirs[0].path()), saliency).unwrap();

    let first = Args {
        stop_after: Some(1),
        ..args(dirs[1].path())
    };
    let halfway = train(&first, saliency).unwrap();
    assert_eq!(halfway.epochs_done, 1);
    assert!((0.1..0.85).contains(&halfway.masks.sparsity()));
    let second = Args {
        resume: Some(1),
        ..args(dirs[1].path())
    };
    let resumed = train(&second, saliency).unwrap();

    assert_eq!(resumed.masks, straight.masks);
    assert_eq!(resumed.report, straight.report);
    assert_eq!(resumed.accuracy, straight.accuracy);
    assert!((straight.masks.sparsity() - SPARSITY).abs() < 1e-4);
    assert_eq!(straight.epochs_done, 2);
    for outcome in [&straight, &resumed] {
        for epoch in 1..=2 {
            outcome.checkpoints.check(epoch).unwrap();
        }
        assert!(outcome.file.is_file());
    }
    let screen = resumed.to_string();
    assert!(screen.contains("After 2 of 2 epochs"), "{screen}");
    assert!(screen.contains("conv1.weight"), "{screen}");
    assert!(screen.contains("--resume 1 --smoke"), "{screen}");
}

#[derive(Debug)]
struct Broken;

impl ImportanceScorer for Broken {
    fn score(&self, ctx: &ScoreContext<'_>) -> std::result::Result<Vec<f32>, PruneError> {
        Err(PruneError::custom(ctx.path(), "no opinion"))
    }
}

#[test]
fn an_error_of_the_pruner_stops_the_run_and_is_handed_out() {
    let dir = tempfile::tempdir().unwrap();
    let error = train(&args(dir.path()), |steps| method(steps).with_scorer(Broken)).unwrap_err();
    assert!(
        matches!(error, ExampleError::Prune(PruneError::Custom { .. })),
        "{error}"
    );
    let checkpoints = Checkpoints::new(dir.path()).unwrap();
    assert!(!checkpoints.pruner(1).exists() && !checkpoints.model(1).exists());
}

#[test]
fn resuming_wants_the_files_of_a_finished_epoch() {
    let dir = tempfile::tempdir().unwrap();
    let resume = Args {
        resume: Some(1),
        ..args(dir.path())
    };
    let message = train(&resume, method).unwrap_err().to_string();
    assert!(message.contains("model-1.bpk"), "{message}");

    train(
        &Args {
            stop_after: Some(1),
            ..args(dir.path())
        },
        method,
    )
    .unwrap();
    let message = check_resumed(&resume, 6, 160).unwrap_err().to_string();
    assert!(
        message.contains("after 6 steps, here it would be 160"),
        "{message}"
    );
    std::fs::write(
        Checkpoints::new(dir.path()).unwrap().pruner(1),
        "not a state",
    )
    .unwrap();
    let error = train(&resume, method).unwrap_err();
    assert!(matches!(error, ExampleError::Prune(_)), "{error}");
}
