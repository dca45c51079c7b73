//! The pruner from end to end: counts, order, plan, undo, rewind, resume.

use burn::{
    module::Module,
    optim::{GradientsParams, SgdConfig},
};
use secateur::prelude::*;

use crate::{
    device::{device, training_device},
    nets::{ConvNet, Mlp, bits, noise},
};

#[test]
fn counts_are_exact_and_the_smallest_go() {
    let device = device();
    for percent in [0, 1, 10, 50, 90, 99] {
        let sparsity = f64::from(percent) / 100.0;
        let mut model = Mlp::new(&device);
        let dense = model.clone();
        let mut pruner = PrunerConfig::new()
            .with_schedule(OneShot::new(sparsity))
            .init(&model)
            .unwrap();
        pruner.prune(&mut model, 0).unwrap();
        let report = pruner.report(&model).unwrap();
        for row in &report.rows {
            let gone = (sparsity * row.total as f64).round() as usize;
            assert_eq!(row.kept, row.total - gone, "{} at {percent} %", row.path);
        }
        // Independent of the library's own ranking: no removed weight is larger than a kept one.
        let stored: Vec<f32> = dense.fc1.weight.val().into_data().iter::<f32>().collect();
        let now: Vec<f32> = model.fc1.weight.val().into_data().iter::<f32>().collect();
        let gone = stored
            .iter()
            .zip(&now)
            .filter(|(_, n)| **n == 0.0)
            .map(|(s, _)| s.abs());
        let kept = stored
            .iter()
            .zip(&now)
            .filter(|(_, n)| **n != 0.0)
            .map(|(s, _)| s.abs());
        assert!(gone.fold(0.0, f32::max) <= kept.fold(f32::INFINITY, f32::min));
    }
}

#[test]
fn nothing_happens_outside_the_window_and_the_last_step_reaches_the_target() {
    let device = device();
    let mut model = Mlp::new(&device);
    let schedule = Cubic::new(0.75).between(10..=25).every(10);
    let mut pruner = PrunerConfig::new()
        .with_schedule(schedule)
        .init(&model)
        .unwrap();
    let mut sparsities = Vec::new();
    for step in 0..40 {
        if let Some(event) = pruner.prune(&mut model, step).unwrap() {
            sparsities.push((step, event.sparsity()));
        }
    }
    assert_eq!(
        sparsities.iter().map(|s| s.0).collect::<Vec<_>>(),
        [10, 20, 25]
    );
    assert_eq!(sparsities.last().unwrap().1, 0.75);
    let error = pruner.prune(&mut model, 3).unwrap_err();
    assert_eq!(error, PruneError::StepOrder { step: 3, last: 39 });
}

#[test]
fn planning_and_selecting_change_nothing() {
    let device = device();
    let mut model = Mlp::new(&device);
    let mut pruner = PrunerConfig::new()
        .with_schedule(OneShot::new(0.6))
        .with_allocation(Global)
        .init(&model)
        .unwrap();
    let plan = pruner.plan(&model).unwrap();
    assert_eq!(pruner.report(&model).unwrap().sparsity(), 0.0);
    assert_eq!(model.clone().into_record().len(), 4);
    pruner.prune(&mut model, 0).unwrap();
    assert_eq!(plan.masks, pruner.masks(&model).unwrap());
    assert_eq!(plan.report, pruner.report(&model).unwrap());
    assert!(plan.to_string().contains("fc1.weight"));
}

#[test]
fn undo_is_bit_exact_and_keeps_what_survivors_learned() {
    let device = training_device();
    let dense = Mlp::new(&device);
    let x = noise("x", [5, 6], &device);
    for removed in [Removed::Frozen, Removed::Zeroed] {
        let config = || {
            PrunerConfig::new()
                .with_schedule(OneShot::new(0.5))
                .with_removed(removed)
        };
        let mut model = dense.clone();
        let mut pruner = config().init(&model).unwrap();
        assert_eq!(pruner.undo(&mut model), Err(PruneError::NothingToUndo));
        pruner.prune(&mut model, 0).unwrap();
        pruner.undo(&mut model).unwrap();
        assert_eq!(bits(model.fc1.weight.val()), bits(dense.fc1.weight.val()));

        let mut pruner = config().init(&model).unwrap();
        pruner.prune(&mut model, 0).unwrap();
        let masked = bits(model.fc1.weight.val());
        let mut sgd = SgdConfig::new().init();
        let grads = GradientsParams::from_grads(model.loss(x.clone()).backward(), &model);
        model = sgd.step(0.1, model, grads);
        let trained = bits(model.fc1.weight.val());
        pruner.undo(&mut model).unwrap();
        let after = bits(model.fc1.weight.val());
        let start = bits(dense.fc1.weight.val());
        for index in 0..masked.len() {
            let expected = if masked[index] == 0 {
                start[index]
            } else {
                trained[index]
            };
            assert_eq!(after[index], expected, "{removed:?} at {index}");
        }
    }
}

#[test]
fn rewinding_keeps_masks_and_restores_values() {
    let device = training_device();
    let mut model = Mlp::new(&device);
    let initial = Weights::of(&model);
    let start = bits(model.fc2.weight.val());
    let x = noise("x", [5, 6], &device);
    let mut sgd = SgdConfig::new().init();
    for _ in 0..3 {
        let grads = GradientsParams::from_grads(model.loss(x.clone()).backward(), &model);
        model = sgd.step(0.1, model, grads);
    }
    let mut pruner = PrunerConfig::new()
        .with_schedule(OneShot::new(0.5))
        .init(&model)
        .unwrap();
    pruner.prune(&mut model, 0).unwrap();
    let masks = pruner.masks(&model).unwrap();
    pruner.rewind(&mut model, &initial).unwrap();
    assert_eq!(pruner.masks(&model).unwrap(), masks);
    assert_eq!(bits(model.fc2.weight.base()), start);
    assert!(model.fc2.weight.base().is_require_grad());
}

#[test]
fn n_of_m_raises_the_share_of_groups_until_all_obey() {
    let device = device();
    let mut model = ConvNet::new(&device);
    let pattern = NofM::keep(1).of(2).unwrap();
    let mut pruner = PrunerConfig::new()
        .with_pattern(pattern)
        .with_schedule(Linear::new(0.5).between(0..=4).every(1))
        .init(&model)
        .unwrap();
    let mut last = 0.0;
    for step in 0..5 {
        let event = pruner.prune(&mut model, step).unwrap().unwrap();
        assert!(event.sparsity() >= last);
        last = event.sparsity();
    }
    assert_eq!(last, 0.5);
    for (path, mask) in &pruner.masks(&model).unwrap() {
        assert!(pattern.is_obeyed(path, mask).unwrap(), "{path}");
        let [out, input, kernel] = mask.shape();
        for o in 0..out {
            for k in 0..kernel {
                for group in 0..input / 2 {
                    let kept = (0..2).filter(|i| mask.at([o, group * 2 + i, k])).count();
                    assert_eq!(kept, 1, "{path}");
                }
            }
        }
    }
    let error = PrunerConfig::new()
        .with_pattern(pattern)
        .with_schedule(OneShot::new(0.9))
        .init(&model)
        .unwrap_err();
    assert!(error.to_string().contains("0.5"), "{error}");
}

#[test]
fn filters_go_whole() {
    let device = device();
    let mut model = ConvNet::new(&device);
    let mut pruner = PrunerConfig::new()
        .with_pattern(Filter)
        .with_only(["conv.weight"])
        .with_schedule(OneShot::new(0.5))
        .init(&model)
        .unwrap();
    pruner.prune(&mut model, 0).unwrap();
    let norms: Vec<f32> = {
        let w: Vec<f32> = model.conv.weight.val().into_data().iter::<f32>().collect();
        w.chunks(18)
            .map(|f| f.iter().map(|v| v.abs()).sum())
            .collect()
    };
    assert_eq!(norms.iter().filter(|n| **n == 0.0).count(), 2, "{norms:?}");
}

#[test]
fn biases_and_norms_only_by_name_and_never_running_statistics() {
    let device = device();
    let model = ConvNet::new(&device);
    let config = || PrunerConfig::new().with_schedule(OneShot::new(0.5));
    let paths = |pruner: &Pruner| pruner.params().map(|i| i.path.clone()).collect::<Vec<_>>();
    let default = config().init(&model).unwrap();
    assert_eq!(paths(&default), ["conv.weight", "head.weight"]);
    let also = config()
        .with_also(["head.bias", "norm.gamma"])
        .init(&model)
        .unwrap();
    assert_eq!(
        paths(&also),
        ["conv.weight", "norm.gamma", "head.weight", "head.bias"]
    );
    assert!(matches!(
        config().with_also(["norm.running_mean"]).init(&model),
        Err(PruneError::RunningStatistics { .. })
    ));
    let everything = config().with_only(["**"]).init(&model).unwrap();
    assert!(paths(&everything).iter().all(|p| !p.contains("running")));
    let typo = config()
        .with_only(["haed.weight"])
        .init(&model)
        .unwrap_err();
    assert!(typo.to_string().contains("`head.weight`"), "{typo}");
}

#[test]
fn a_stopped_run_gives_the_same_masks_as_one_that_was_not() {
    let device = training_device();
    let x = noise("x", [5, 6], &device);
    let config = || {
        PrunerConfig::new()
            .with_scorer(Random)
            .with_seed(3)
            .with_schedule(Cubic::new(0.8).between(0..=8).every(2))
    };
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("state");
    let run = |stop: Option<usize>| {
        let mut model = Mlp::new(&device);
        let mut pruner = config().init(&model).unwrap();
        pruner.attach(&mut model).unwrap();
        for step in 0..10 {
            let grads = GradientsParams::from_grads(model.loss(x.clone()).backward(), &model);
            pruner.observe(&model, &grads).unwrap();
            model = SgdConfig::new().init().step(0.1, model, grads);
            pruner.prune(&mut model, step).unwrap();
            if stop == Some(step) {
                pruner.save_state(&file).unwrap();
                let record = model.into_record();
                let mut fresh = Mlp::new(&device);
                pruner = config().init(&fresh).unwrap();
                pruner.load_state(&file).unwrap();
                pruner.attach(&mut fresh).unwrap();
                model = fresh.load_record(record);
            }
        }
        (pruner.masks(&model).unwrap(), pruner.last_step())
    };
    assert_eq!(run(Some(5)), run(None));
}
