//! Bad input gives a typed error that names what is wrong, changes neither model nor pruner, and never
//! panics.

use burn::{
    module::{Module, Param},
    nn::{
        Linear, LinearConfig,
        conv::{Conv2d, Conv2dConfig},
    },
    optim::GradientsParams,
    tensor::{Tensor, TensorData},
};
use proptest::prelude::*;
use secateur::{
    Prune,
    allocation::{AllocationTable, Allotment},
    params::ParamInfo,
    pattern::Remainder,
    prelude::*,
    schedule::PerParameterRate,
    units::Units,
};

use crate::{
    device::{device, training_device},
    nets::{ConvNet, Mlp, filled, noise},
};

fn config() -> PrunerConfig {
    PrunerConfig::new().with_schedule(OneShot::new(0.5))
}

/// The error of a call that must leave model and pruner as they were; its message must hold `named`.
fn refused<M: Module, T: std::fmt::Debug>(
    pruner: &mut Pruner,
    model: &mut M,
    named: &str,
    call: impl FnOnce(&mut Pruner, &mut M) -> Result<T, PruneError>,
) -> PruneError {
    let state = |pruner: &Pruner, model: &M| {
        let bytes = model.clone().into_record().into_bytes().unwrap();
        (format!("{pruner:?}"), bytes.to_vec())
    };
    let before = state(pruner, model);
    let error = call(pruner, model).unwrap_err();
    assert!(state(pruner, model) == before, "something changed: {error}");
    assert!(error.to_string().contains(named), "{error}");
    error
}

/// A pruner and a model that cannot be pruned at step 0.
fn not_pruned<M: Module>(mut pruner: Pruner, model: &mut M, named: &str) -> PruneError {
    refused(&mut pruner, model, named, |pruner, model| {
        pruner.select(model, 0).unwrap_err();
        pruner.plan_at(model, 0).unwrap_err();
        pruner.prune(model, 0)
    })
}

#[test]
fn weights_that_are_not_numbers() {
    let mut model = Mlp::new(&device());
    let mut values = vec![1.0; 24];
    values[5] = f32::NAN;
    let data = TensorData::new(values, [8, 3]);
    model.fc2.weight = Param::from_tensor(Tensor::from_data(data, &device()));
    for sparsity in [0.0, 0.5] {
        let pruner = config()
            .with_schedule(OneShot::new(sparsity))
            .init(&model)
            .unwrap();
        let error = not_pruned(pruner, &mut model, "`fc2.weight`");
        assert!(
            matches!(
                error,
                PruneError::NanScore {
                    count: 1,
                    total: 24,
                    ..
                }
            ),
            "{error}"
        );
    }
}

#[derive(Module, Prune, Debug)]
struct Nothing {
    maybe: Option<Linear>,
}

#[test]
fn nothing_to_prune() {
    let empty = Nothing { maybe: None };
    assert_eq!(
        config().init(&empty).unwrap_err(),
        PruneError::NothingToPrune
    );
    assert_eq!(
        config().init_module(&empty).unwrap_err(),
        PruneError::NothingToPrune
    );
    let skipped = config().with_skip(["**"]).init(&Mlp::new(&device()));
    assert_eq!(skipped.unwrap_err(), PruneError::NothingToPrune);
}

#[test]
fn sparsities_outside_their_range() {
    let model = Mlp::new(&device());
    for (sparsity, remedy) in [
        (90.0, "write 0.9"),
        (1.0, "remove the layer"),
        (-0.5, "in [0, 1)"),
        (f64::NAN, "in [0, 1)"),
        (f64::INFINITY, "in [0, 1)"),
    ] {
        let errors = [
            config()
                .with_schedule(OneShot::new(sparsity))
                .init(&model)
                .unwrap_err(),
            config()
                .with_schedule(Cubic::new(sparsity).between(0..=5).every(1))
                .init(&model)
                .unwrap_err(),
            PerParameter::new()
                .with("fc1.weight", sparsity)
                .unwrap_err(),
        ];
        for error in errors {
            assert!(
                matches!(error, PruneError::InvalidSetting { .. }),
                "{error}"
            );
            assert!(error.to_string().contains(remedy), "{error}");
        }
    }
    // A closure is asked only when its step comes.
    let late = FnSchedule::new(|_| 90.0).between(0..=5).every(1);
    let pruner = config().with_schedule(late).init(&model);
    let error = match pruner {
        Ok(pruner) => not_pruned(pruner, &mut model.clone(), "write 0.9"),
        Err(error) => error,
    };
    assert!(
        matches!(error, PruneError::InvalidSetting { .. }),
        "{error}"
    );
}

#[derive(Module, Prune, Debug)]
struct Odd {
    conv: Conv2d,
    fc: Linear,
}

fn odd() -> Odd {
    Odd {
        conv: Conv2dConfig::new([6, 5], [3, 3]).init(&device()),
        fc: LinearConfig::new(6, 5).init(&device()),
    }
}

#[test]
fn patterns_that_do_not_divide() {
    let mut model = odd();
    let conv = ["conv.weight"];
    let linear = ["fc.weight"];
    let of_conv = [
        config()
            .with_pattern(NofM::keep(2).of(4).unwrap())
            .with_only(conv)
            .init(&model),
        config()
            .with_pattern(Block::new(2, 2).unwrap())
            .with_only(conv)
            .init(&model),
        config()
            .with_pattern(Vector::new(4).unwrap())
            .with_only(conv)
            .init(&model),
    ];
    for pruner in of_conv {
        let error = pruner.unwrap_err();
        assert!(
            matches!(&error, PruneError::PatternMismatch { path, .. } if path == "conv.weight"),
            "{error}"
        );
    }
    // A linear layer shows its true dimensions only once it is initialised.
    let pruner = config()
        .with_pattern(NofM::keep(2).of(4).unwrap())
        .with_only(linear);
    model.fc.weight.val();
    let error = match pruner.init(&model) {
        Ok(pruner) => not_pruned(pruner, &mut model, "`fc.weight`"),
        Err(error) => error,
    };
    assert!(
        matches!(error, PruneError::PatternMismatch { .. }),
        "{error}"
    );
    let kept = Block::new(2, 4).unwrap().with_remainder(Remainder::Keep);
    config()
        .with_pattern(kept)
        .init(&model)
        .unwrap()
        .select(&model, 0)
        .unwrap();
}

#[test]
fn dimensions_of_size_zero() {
    let device = device();
    for [input, out] in [[0, 3], [3, 0], [0, 0]] {
        let weight = Param::from_tensor(Tensor::<2>::zeros([input, out], &device));
        let mut model = Odd {
            fc: Linear { weight, bias: None },
            ..odd()
        };
        let configs = [
            config(),
            config().with_allocation(Global),
            config().with_comparison(Comparison::OutputRow),
            config().with_pattern(Filter),
            config().with_pattern(Channel),
            config().with_pattern(Kernel),
            config().with_pattern(Vector::new(3).unwrap()),
            config().with_pattern(NofM::keep(1).of(2).unwrap()),
        ];
        for config in configs {
            let label = format!("{config:?}");
            let mut model = model.clone();
            let config = if label.contains("pattern: Vector") {
                config.with_only(["fc.weight"])
            } else {
                config
            };
            let mut pruner = config.init(&model).unwrap();
            match pruner.prune(&mut model, 0) {
                Ok(_) => {}
                Err(PruneError::PatternMismatch { path, .. }) if path == "fc.weight" => continue,
                Err(error) => panic!("{error} with {label}"),
            }
            let report = pruner.report(&model).unwrap();
            let row = report
                .rows
                .iter()
                .find(|row| row.path == "fc.weight")
                .unwrap();
            assert_eq!((row.total, row.kept, row.sparsity()), (0, 0, 0.0));
            report.to_string();
            pruner.undo(&mut model).ok();
            pruner.finish(&mut model).unwrap();
        }
        let mut pruner = config().with_only(["fc.weight"]).init(&model).unwrap();
        let event = pruner.prune(&mut model, 0).unwrap().unwrap();
        assert_eq!((event.kept, event.total, event.sparsity()), (0, 0, 0.0));
    }
}

#[test]
fn names_that_do_not_exist() {
    let model = Mlp::new(&device());
    let typo = "fc1.wieght";
    let errors = [
        config().with_only([typo]).init(&model).unwrap_err(),
        config().with_also([typo]).init(&model).unwrap_err(),
        config().with_skip([typo]).init(&model).unwrap_err(),
        config()
            .with_allocation(PerParameter::new().with(typo, 0.5).unwrap())
            .init(&model)
            .unwrap_err(),
        config()
            .with_schedule(
                PerParameterRate::new(OneShot::new(0.5))
                    .with(typo, 0.5)
                    .unwrap(),
            )
            .init(&model)
            .unwrap_err(),
    ];
    for error in errors {
        let text = error.to_string();
        assert!(
            matches!(error, PruneError::UnknownParameter { .. }),
            "{text}"
        );
        assert!(
            text.contains(typo) && text.contains("`fc1.weight`"),
            "{text}"
        );
    }
}

#[test]
fn masks_that_do_not_fit() {
    let mut model = Mlp::new(&device());
    let mut pruner = config().init(&model).unwrap();
    let good = Mask::prune_all([8, 6, 1]).unwrap();
    let turned: MaskSet = [
        ("fc1.weight", good.clone()),
        ("fc2.weight", Mask::prune_all([8, 3, 1]).unwrap()),
    ]
    .into_iter()
    .collect();
    let error = refused(&mut pruner, &mut model, "`fc2.weight`", |p, m| {
        p.set_masks(m, &turned)
    });
    assert!(
        matches!(
            error,
            PruneError::MaskShape {
                expected: [3, 8, 1],
                ..
            }
        ),
        "{error}"
    );
    let unknown: MaskSet = [("fc1.weight", good.clone()), ("fc3.weight", good)]
        .into_iter()
        .collect();
    let error = refused(&mut pruner, &mut model, "`fc3.weight`", |p, m| {
        p.set_masks(m, &unknown)
    });
    assert!(
        matches!(error, PruneError::UnknownParameter { .. }),
        "{error}"
    );
}

#[derive(Clone, Copy, Debug)]
enum Fault {
    TooFewScores,
    NanScores,
    OtherShape,
    TooFewWeights,
    NanWeights,
    TooFewAllotments,
    TooManyUnits,
    OtherUnits,
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self:?}")
    }
}

impl ImportanceScorer for Fault {
    fn score(&self, ctx: &ScoreContext<'_>) -> Result<Vec<f32>, PruneError> {
        Ok(match self {
            Fault::TooFewScores => Vec::new(),
            _ => vec![f32::NAN; ctx.weight().len()],
        })
    }
}

impl Selector for Fault {
    fn select(&self, ctx: &SelectContext<'_>) -> Result<Selection, PruneError> {
        let weights = ctx.score.weight().len();
        let mask = Mask::prune_all(ctx.score.shape())?;
        Ok(match self {
            Fault::OtherShape => Mask::prune_all([1, 2, 3])?.into(),
            Fault::TooFewWeights => Selection {
                mask,
                weights: Some(Vec::new()),
            },
            _ => Selection {
                mask,
                weights: Some(vec![f32::NAN; weights]),
            },
        })
    }
}

impl Allocation for Fault {
    fn allocate(&self, table: &AllocationTable<'_>) -> Result<Vec<Allotment>, PruneError> {
        Ok(match self {
            Fault::TooFewAllotments => Vec::new(),
            _ => vec![
                Allotment {
                    keep: usize::MAX,
                    floored: 0
                };
                table.rows.len()
            ],
        })
    }
}

impl Pattern for Fault {
    fn units(&self, _path: &str, _shape: [usize; 3]) -> Result<Units, PruneError> {
        Ok(Units::elements([1, 2, 3]))
    }
}

#[test]
fn faulty_parts_of_the_users_own() {
    let mut model = Mlp::new(&device());
    let first = "`fc1.weight`";
    let faults: [(PrunerConfig, &str); 7] = [
        (config().with_scorer(Fault::TooFewScores), first),
        (config().with_scorer(Fault::NanScores), first),
        (config().with_selector(Fault::OtherShape), first),
        (config().with_selector(Fault::TooFewWeights), first),
        (config().with_selector(Fault::NanWeights), first),
        (
            config().with_allocation(Fault::TooFewAllotments),
            "allocation",
        ),
        (config().with_pattern(Fault::OtherUnits), first),
    ];
    for (config, named) in faults {
        not_pruned(config.init(&model).unwrap(), &mut model, named);
    }
    for comparison in [Comparison::Tensor, Comparison::OutputRow] {
        let config = config()
            .with_allocation(Fault::TooManyUnits)
            .with_comparison(comparison);
        let masks = config.init(&model).unwrap().select(&model, 0).unwrap();
        assert_eq!(masks.sparsity(), 0.0, "more than everything is everything");
    }
}

#[test]
fn more_than_there_is() {
    let mut model = Mlp::new(&device());
    let schedule = OneShot::of(Target::Count(25));
    let pruner = config().with_schedule(schedule).init(&model).unwrap();
    let error = not_pruned(pruner, &mut model, "`fc2.weight`");
    assert!(
        matches!(
            error,
            PruneError::OverPruned {
                asked: 25,
                available: 24,
                ..
            }
        ),
        "{error}"
    );
}

#[derive(Debug)]
struct Gradients;

impl ImportanceScorer for Gradients {
    fn score(&self, ctx: &ScoreContext<'_>) -> Result<Vec<f32>, PruneError> {
        ctx.signal(&secateur::signal::MeanGradient)
    }
    fn signals(&self) -> Vec<std::sync::Arc<dyn Signal>> {
        vec![std::sync::Arc::new(secateur::signal::MeanGradient)]
    }
}

#[test]
fn gradients_that_are_missing() {
    let device = training_device();
    let mut model = Mlp::new(&device);
    model.fc2 = model.fc2.no_grad();
    let mut pruner = config().with_scorer(Gradients).init(&model).unwrap();
    let error = not_pruned(pruner.clone(), &mut model, "`fc1.weight`");
    assert!(matches!(error, PruneError::MissingSignal { .. }), "{error}");
    let loss = model.loss(noise("x", [5, 6], &device));
    let grads = GradientsParams::from_grads(loss.backward(), &model);
    let error = refused(&mut pruner, &mut model, "`fc2.weight`", |p, m| {
        p.observe(m, &grads)
    });
    assert!(
        matches!(error, PruneError::MissingGradient { .. }),
        "{error}"
    );
}

#[test]
fn steps_that_run_backwards() {
    let mut model = Mlp::new(&device());
    let mut pruner = config().init(&model).unwrap();
    pruner.prune(&mut model, 7).unwrap();
    let error = refused(&mut pruner, &mut model, "step 6", |p, m| p.prune(m, 6));
    assert_eq!(error, PruneError::StepOrder { step: 6, last: 7 });
}

#[test]
fn models_that_are_others() {
    let device = training_device();
    let own = Mlp::new(&device);
    let resized = |input, hidden, out| Mlp {
        fc1: LinearConfig::new(input, hidden).init(&device),
        fc2: LinearConfig::new(hidden, out).init(&device),
    };
    let mut fresh = resized(6, 8, 3);
    fresh.fc2.weight = filled("other", [12, 2], &device);
    let mut pruner = config().with_scorer(Gradients).init(&own).unwrap();
    for (mut other, named) in [(resized(6, 9, 3), "`fc1.weight`"), (fresh, "`fc2.weight`")] {
        let none = GradientsParams::new();
        let masks = pruner.masks(&own).unwrap();
        let results: [Result<(), PruneError>; 8] = [
            pruner.clone().prune(&mut other, 0).map(drop),
            pruner.select(&other, 0).map(drop),
            pruner.masks(&other).map(drop),
            pruner.report(&other).map(drop),
            pruner.attach(&mut other),
            pruner.observe(&other, &none),
            pruner.set_masks(&mut other, &masks),
            pruner.finish(&mut other),
        ];
        for result in results {
            let error = result.unwrap_err();
            assert!(matches!(error, PruneError::ModelChanged { .. }), "{error}");
            assert!(error.to_string().contains(named), "{error}");
        }
    }
    let mut conv = ConvNet::new(&device);
    let error = refused(&mut pruner, &mut conv, "`fc1.weight`", |p, m| p.prune(m, 0));
    assert!(matches!(error, PruneError::ModelChanged { .. }), "{error}");
    let weights = Weights::of(&own);
    let mut foreign = config().init(&conv).unwrap();
    let error = refused(&mut foreign, &mut conv, "`fc1.", |p, m| {
        p.rewind(m, &weights)
    });
    assert!(matches!(error, PruneError::ModelChanged { .. }), "{error}");
}

/// A saved state with a signal in it.
fn saved_state() -> (Pruner, Vec<u8>, tempfile::TempDir) {
    let device = training_device();
    let model = Mlp::new(&device);
    let mut pruner = config().with_scorer(Gradients).init(&model).unwrap();
    let loss = model.loss(noise("x", [5, 6], &device));
    let grads = GradientsParams::from_grads(loss.backward(), &model);
    pruner.observe(&model, &grads).unwrap();
    let dir = tempfile::tempdir().unwrap();
    pruner.save_state(dir.path().join("state")).unwrap();
    let bytes = std::fs::read(dir.path().join("state")).unwrap();
    (pruner, bytes, dir)
}

#[test]
fn damaged_states() {
    let (pruner, bytes, dir) = saved_state();
    let file = dir.path().join("damaged");
    let before = format!("{pruner:?}");
    let fresh = || {
        config()
            .with_scorer(Gradients)
            .init(&Mlp::new(&device()))
            .unwrap()
    };
    let load = |bytes: &[u8]| {
        std::fs::write(&file, bytes).unwrap();
        let (mut pruner, untouched) = (fresh(), format!("{:?}", fresh()));
        match pruner.load_state(&file) {
            // A bit in the padding between tensors may flip unseen.
            Ok(()) => assert_eq!(format!("{pruner:?}"), before),
            Err(PruneError::CorruptFile { .. } | PruneError::FileVersion { .. }) => {
                assert_eq!(format!("{pruner:?}"), untouched);
                return false;
            }
            Err(other) => panic!("{other}"),
        }
        true
    };
    assert!(load(&bytes));
    for len in (0..bytes.len()).step_by(7) {
        assert!(
            !load(&bytes[..len]) || len + 64 > bytes.len(),
            "cut at {len}"
        );
    }
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(200));
    runner
        .run(&(0..bytes.len(), 1..=255u8), |(at, flip)| {
            let mut damaged = bytes.clone();
            damaged[at] ^= flip;
            load(&damaged);
            Ok(())
        })
        .unwrap();
    let missing = fresh().load_state(dir.path().join("missing")).unwrap_err();
    assert!(matches!(missing, PruneError::Io { .. }), "{missing}");
}

#[test]
fn states_of_other_models() {
    let (_, bytes, dir) = saved_state();
    let file = dir.path().join("state");
    std::fs::write(&file, bytes).unwrap();
    let mut conv = ConvNet::new(&device());
    let mut pruner = config().with_scorer(Gradients).init(&conv).unwrap();
    let error = refused(&mut pruner, &mut conv, "`fc1.weight`", |p, _| {
        p.load_state(&file)
    });
    assert!(matches!(error, PruneError::ModelChanged { .. }), "{error}");
    let mut other = ConvNet::new(&device());
    let named = refused(&mut pruner, &mut other, "fc1", |p, _| p.load_state(&file));
    assert!(named.to_string().contains("elements"), "{named}");
    let info = ParamInfo::new("fc1.weight", [8, 6, 1]);
    assert_eq!(info.len(), 48);
}
