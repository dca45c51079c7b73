//! The promises that hold for every method: exact counts, masks that only shrink, nothing at zero,
//! one result at any number of threads, tied parameters as one.

use burn::{
    Tensor,
    module::{Module, Param},
    nn::{Linear, LinearConfig},
    optim::{GradientsParams, SgdConfig},
    tensor::{Device, TensorData},
};
use proptest::prelude::*;
use secateur::{Prune, prelude::*};

use crate::{
    device::{device, training_device},
    nets::{ConvNet, bits, filled, noise},
};

/// Two matrices of any size.
#[derive(Module, Prune, Debug)]
struct Pair {
    a: Linear,
    b: Linear,
}

/// A matrix in view order, `[out, in]`, of few different values, so that ties are many.
#[derive(Clone, Debug)]
struct Matrix {
    shape: [usize; 2],
    values: Vec<f32>,
}

impl Matrix {
    fn layer(&self, device: &Device) -> Linear {
        let data = TensorData::new(self.values.clone(), self.shape);
        let weight = Tensor::<2>::from_data(data, device).transpose();
        Linear {
            weight: Param::from_tensor(weight),
            bias: None,
        }
    }
}

fn matrix() -> impl Strategy<Value = Matrix> {
    (1..6usize, 1..9usize).prop_flat_map(|(out, input)| {
        proptest::collection::vec(-3..4i8, out * input).prop_map(move |values| Matrix {
            shape: [out, input],
            values: values.into_iter().map(f32::from).collect(),
        })
    })
}

fn pair(a: &Matrix, b: &Matrix) -> Pair {
    let device = device();
    Pair {
        a: a.layer(&device),
        b: b.layer(&device),
    }
}

fn round(share: f64, units: usize) -> usize {
    (share * units as f64).round() as usize
}

fn pruned(masks: &MaskSet, path: &str) -> Vec<bool> {
    masks.get(path).unwrap().iter().map(|kept| !kept).collect()
}

/// Whether what went scores no more than what stays, and among equals has the higher index.
fn lowest_went(values: &[f32], gone: &[bool]) -> bool {
    (0..values.len()).all(|g| {
        let (size, kept) = (values[g].abs(), |k: &usize| !gone[*k]);
        !gone[g]
            || (0..values.len())
                .filter(kept)
                .all(|k| values[k].abs() > size || (values[k].abs() == size && k < g))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn counts_are_exact_in_every_comparison_group(
        a in matrix(), b in matrix(), sparsity in prop_oneof![0.0..1.0, (0..20u8).prop_map(|n| f64::from(n) / 20.0)],
    ) {
        let model = pair(&a, &b);
        let layers = [("a.weight", &a), ("b.weight", &b)];
        let config = || PrunerConfig::new().with_schedule(OneShot::new(sparsity));

        let masks = config().init(&model).unwrap().select(&model, 0).unwrap();
        for (path, matrix) in layers {
            let gone = pruned(&masks, path);
            prop_assert_eq!(gone.iter().filter(|g| **g).count(), round(sparsity, gone.len()));
            prop_assert!(lowest_went(&matrix.values, &gone));
        }

        let by_row = config().with_comparison(Comparison::OutputRow);
        let masks = by_row.init(&model).unwrap().select(&model, 0).unwrap();
        for (path, matrix) in layers {
            let input = matrix.shape[1];
            for (gone, values) in pruned(&masks, path).chunks(input).zip(matrix.values.chunks(input)) {
                prop_assert_eq!(gone.iter().filter(|g| **g).count(), round(sparsity, input));
                prop_assert!(lowest_went(values, gone));
            }
        }

        let global = config().with_allocation(Global).init(&model).unwrap();
        let masks = global.select(&model, 0).unwrap();
        let gone = [pruned(&masks, "a.weight"), pruned(&masks, "b.weight")].concat();
        let values = [a.values.clone(), b.values.clone()].concat();
        prop_assert_eq!(gone.iter().filter(|g| **g).count(), round(sparsity, gone.len()));
        prop_assert!(lowest_went(&values, &gone));

        let mixed = config().with_allocation(Global).with_comparison(Comparison::OutputRow);
        let masks = mixed.init(&model).unwrap().select(&model, 0).unwrap();
        prop_assert_eq!(masks.pruned(), round(sparsity, gone.len()));
    }

    #[test]
    fn patterns_count_their_units_and_are_obeyed(
        a in matrix(), b in matrix(), sparsity in 0.0..1.0f64, choice in 0..4usize,
    ) {
        let patterns: [fn() -> Box<dyn Pattern>; 4] = [
            || Box::new(Filter),
            || Box::new(Channel),
            || Box::new(Kernel),
            || Box::new(Block::new(2, 3).unwrap().with_remainder(secateur::pattern::Remainder::Partial)),
        ];
        let model = pair(&a, &b);
        let pattern = patterns[choice]();
        let config = PrunerConfig::new().with_schedule(OneShot::new(sparsity));
        let config = match choice {
            0 => config.with_pattern(Filter),
            1 => config.with_pattern(Channel),
            2 => config.with_pattern(Kernel),
            _ => config.with_pattern(Block::new(2, 3).unwrap().with_remainder(secateur::pattern::Remainder::Partial)),
        };
        let masks = config.init(&model).unwrap().select(&model, 0).unwrap();
        for (path, mask) in &masks {
            let units = pattern.units(path, mask.shape()).unwrap();
            let kept = units.collapse(mask).unwrap().count_ones();
            prop_assert_eq!(units.count() - kept, round(sparsity, units.count()));
            prop_assert!(pattern.is_obeyed(path, mask).unwrap());
        }
    }

    #[test]
    fn masks_only_shrink_without_regrowth(
        a in matrix(), b in matrix(), shuffle in any::<u64>(), goal in 0.0..1.0f64, global in any::<bool>(),
    ) {
        let mut model = pair(&a, &b);
        let config = PrunerConfig::new().with_schedule(Cubic::new(goal).between(0..=5).every(2));
        let config = if global { config.with_allocation(Global) } else { config };
        let mut pruner = config.init(&model).unwrap();
        let mut before = pruner.masks(&model).unwrap();
        for step in 0..8 {
            pruner.prune(&mut model, step).unwrap();
            let now = pruner.masks(&model).unwrap();
            prop_assert!(now.is_subset_of(&before).unwrap());
            before = now;
            // Other weights at every step: what is gone may now score best.
            let mut stream = secateur::random::Stream::new(shuffle, "weights", step);
            let mut fresh = |matrix: &Matrix| Matrix {
                values: matrix.values.iter().map(|_| stream.normal()).collect(),
                ..matrix.clone()
            };
            let weights = Weights::of(&pair(&fresh(&a), &fresh(&b)));
            pruner.rewind(&mut model, &weights).unwrap();
        }
        let total = before.total();
        let asked = if global {
            round(goal, total)
        } else {
            round(goal, a.values.len()) + round(goal, b.values.len())
        };
        prop_assert_eq!(before.pruned(), asked);
    }

    #[test]
    fn a_sparsity_of_zero_changes_nothing(a in matrix(), b in matrix(), zeroed in any::<bool>()) {
        let (mut a, b) = (a, b);
        let odd = [-0.0, f32::INFINITY, f32::NEG_INFINITY, f32::MIN_POSITIVE];
        a.values.iter_mut().zip(odd).for_each(|(value, odd)| *value = odd);
        let mut model = pair(&a, &b);
        let dense = (bits(model.a.weight.val()), bits(model.b.weight.val()));
        let removed = if zeroed { Removed::Zeroed } else { Removed::Frozen };
        let mut pruner = PrunerConfig::new()
            .with_schedule(OneShot::new(0.0))
            .with_removed(removed)
            .init(&model)
            .unwrap();
        let event = pruner.prune(&mut model, 0).unwrap().unwrap();
        prop_assert_eq!((event.removed, event.regrown), (0, 0));
        prop_assert_eq!(&dense, &(bits(model.a.weight.val()), bits(model.b.weight.val())));
        pruner.finish(&mut model).unwrap();
        prop_assert_eq!(&dense, &(bits(model.a.weight.val()), bits(model.b.weight.val())));
    }
}

#[test]
fn one_thread_and_two_give_the_same_masks() {
    let device = device();
    let mut net = ConvNet::new(&device);
    net.head.weight = filled("large", [700, 300], &device);
    let masks = |threads: usize, pattern: &str| {
        let config = PrunerConfig::new()
            .with_allocation(Global)
            .with_schedule(OneShot::new(0.9));
        let config = match pattern {
            "filter" => config.with_pattern(Filter),
            _ => config,
        };
        let pruner = config.init(&net).unwrap();
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        pool.unwrap().install(|| pruner.select(&net, 0).unwrap())
    };
    for pattern in ["unstructured", "filter"] {
        assert_eq!(masks(1, pattern), masks(2, pattern), "{pattern}");
    }
}

#[test]
fn extreme_sparsities_and_single_elements() {
    let device = device();
    for (sparsity, gone) in [(0.0, 0), (0.4, 0), (0.5, 1), (0.999, 1)] {
        let one = Matrix {
            shape: [1, 1],
            values: vec![3.0],
        };
        let mut model = pair(&one, &one);
        let mut pruner = PrunerConfig::new()
            .with_schedule(OneShot::new(sparsity))
            .init(&model)
            .unwrap();
        pruner.prune(&mut model, 0).unwrap();
        assert_eq!(
            pruner.masks(&model).unwrap().pruned(),
            2 * gone,
            "{sparsity}"
        );
    }
    let mut model = Pair {
        a: LinearConfig::new(50, 40).init(&device),
        b: LinearConfig::new(3, 2).init(&device),
    };
    let mut pruner = PrunerConfig::new()
        .with_schedule(OneShot::new(0.999))
        .init(&model)
        .unwrap();
    pruner.prune(&mut model, 0).unwrap();
    let masks = pruner.masks(&model).unwrap();
    assert_eq!(masks.get("a.weight").unwrap().kept(), 2);
    assert_eq!(masks.get("b.weight").unwrap().kept(), 0);
}

/// One matrix in two fields.
fn tied(device: &Device) -> Pair {
    let a: Linear = LinearConfig::new(4, 4).with_bias(false).init(device);
    let a = Linear {
        weight: filled("tied", [4, 4], device),
        ..a
    };
    Pair { b: a.clone(), a }
}

#[test]
fn tied_fields_count_and_are_masked_as_one() {
    let mut model = tied(&device());
    let mut pruner = PrunerConfig::new()
        .with_schedule(OneShot::new(0.25))
        .with_removed(Removed::Zeroed)
        .init(&model)
        .unwrap();
    let event = pruner.prune(&mut model, 0).unwrap().unwrap();
    assert_eq!((event.kept, event.total), (12, 16));
    let report = pruner.report(&model).unwrap();
    assert_eq!((report.total(), report.rows.len()), (16, 1));
    assert_eq!(report.rows[0].tied, ["b.weight"]);
    let zeros = |layer: &Linear| bits(layer.weight.val()).iter().filter(|b| **b == 0).count();
    assert_eq!((zeros(&model.a), zeros(&model.b)), (4, 4));
    assert_eq!(bits(model.a.weight.val()), bits(model.b.weight.val()));
    assert_eq!(bits(model.a.weight.base()), bits(model.b.weight.base()));
    pruner.undo(&mut model).unwrap();
    assert_eq!((zeros(&model.a), zeros(&model.b)), (0, 0));
    pruner.select(&model, 1).unwrap();
}

#[test]
fn tied_fields_that_drifted_apart_are_refused() {
    let device = training_device();
    let mut model = tied(&device);
    let mut pruner = PrunerConfig::new()
        .with_schedule(OneShot::new(0.25))
        .init(&model)
        .unwrap();
    // Burn's optimizers step the first field only.
    let x = noise("x", [3, 4], &device);
    let loss = model.b.forward(model.a.forward(x)).powi_scalar(2).mean();
    let grads = GradientsParams::from_grads(loss.backward(), &model);
    model = SgdConfig::new().init().step(0.1, model, grads);
    let before = bits(model.a.weight.val());
    let error = pruner.prune(&mut model, 0).unwrap_err();
    let expected = PruneError::TiedMismatch {
        first: "a.weight".into(),
        second: "b.weight".into(),
    };
    assert_eq!(error, expected);
    assert_eq!(bits(model.a.weight.val()), before);
    assert_eq!(model.into_record().len(), 2);
}
