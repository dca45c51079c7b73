//! Training on after a cut: the survivors go where they would have gone beside dead channels.

use std::collections::BTreeMap;

use burn::{
    Tensor,
    grad_clipping::GradientClippingConfig,
    module::ParamGroup,
    nn::LinearLayout,
    optim::{
        AdaGradConfig, AdafactorConfig, AdamConfig, AdamWConfig, AdanConfig, GradientsParams,
        LBFGSConfig, LambConfig, LineSearchFn, LionConfig, ModuleOptimizer, MuonConfig,
        RmsPropConfig, SgdConfig, decay::WeightDecayConfig, momentum::MomentumConfig,
    },
    tensor::{Bytes, Device, TensorData},
};
use burn_pack::Reader;
use secateur_core::treatment::Treatment;
use secateur_structure::{
    error::StructureError,
    optimizer::{ALL, OptimizerState, cut_optimizer, reset_elements},
    slice::slice_params,
};

use crate::nets::*;

const DEAD: [usize; 3] = [2, 5, 7];
const LEFT: [usize; 5] = [0, 1, 3, 4, 6];
const STEPS: usize = 4;

fn masked_mlp(layout: LinearLayout) -> Mlp {
    let mut model = Mlp::new(layout, &DEAD, &Device::flex().autodiff());
    mask_hidden(&mut model, &DEAD, Treatment::default());
    model
}

/// The mean squared error on six examples that differ from step to step.
fn loss(model: &Mlp, step: usize) -> Tensor<1> {
    let device = Device::flex().autodiff();
    let numbers = |from: usize, count| (from..from + count).map(value).collect::<Vec<_>>();
    let x = TensorData::new(numbers(1000 + 50 * step, 30), [6, 5]);
    let y = TensorData::new(numbers(5000 + 50 * step, 18), [6, 3]);
    let error = model.forward(Tensor::from_data(x, &device)) - Tensor::from_data(y, &device);
    error.square().mean()
}

fn train(mut model: Mlp, optimizer: &mut ModuleOptimizer, lr: f64, from: usize) -> Mlp {
    for step in from..from + STEPS {
        let gradients = GradientsParams::from_grads(loss(&model, step).backward(), &model);
        model = optimizer.step(lr, model, gradients);
    }
    model
}

/// The largest difference between two models of one shape, against the largest weight.
fn difference(a: &Mlp, b: &Mlp) -> f32 {
    let all = |model: &Mlp| {
        let mut all = values(model.fc1.weight.val());
        all.extend(values(model.fc1.bias.as_ref().unwrap().val()));
        all.extend(values(model.fc2.weight.val()));
        all.extend(values(model.fc2.bias.as_ref().unwrap().val()));
        all
    };
    let (a, b) = (all(a), all(b));
    assert_eq!(a.len(), b.len());
    let largest = a.iter().fold(0.0_f32, |max, value| max.max(value.abs()));
    let apart = a.iter().zip(&b).map(|(a, b)| (a - b).abs());
    apart.fold(0.0, f32::max) / largest
}

/// Trains, cuts model and optimizer, trains the big and the small on; how far they are apart, and
/// how far the small one would be with a fresh optimizer.
fn continued(make: impl Fn() -> ModuleOptimizer, lr: f64, layout: LinearLayout) -> (f32, f32) {
    let mut optimizer = make();
    let model = train(masked_mlp(layout), &mut optimizer, lr, 0);
    let cut = hidden(&LEFT);
    let small = slice_params(&model, &cut).unwrap();
    let mut small_optimizer = optimizer.clone();
    let report = cut_optimizer(&mut small_optimizer, &cut, &model).unwrap();
    assert!(report.reset.is_empty(), "{report}");

    let big = train(model, &mut optimizer, lr, STEPS);
    let forgetful = train(small.clone(), &mut make(), lr, STEPS);
    let small = train(small, &mut small_optimizer, lr, STEPS);
    let survivors = slice_params(&big, &cut).unwrap();
    (
        difference(&survivors, &small),
        difference(&survivors, &forgetful),
    )
}

/// Training on agrees, and would not have without the state.
fn assert_continues(name: &str, make: impl Fn() -> ModuleOptimizer, lr: f64) {
    for layout in [LinearLayout::Row, LinearLayout::Col] {
        let (apart, forgetful) = continued(&make, lr, layout);
        assert!(apart <= 1e-6, "{name}, {layout:?}: {apart}");
        assert!(forgetful > 1e-4, "{name} has no memory: {forgetful}");
    }
}

fn decay() -> Option<WeightDecayConfig> {
    Some(WeightDecayConfig::new(0.01))
}

#[test]
fn sgd_without_momentum_has_nothing_to_cut() {
    let (apart, _) = continued(|| SgdConfig::new().init(), 0.1, LinearLayout::Row);
    assert!(apart <= 1e-6, "{apart}");
}

#[test]
fn sgd_continues() {
    let plain = MomentumConfig::new();
    let nesterov = MomentumConfig::new().with_nesterov(true);
    for momentum in [plain, nesterov] {
        let config = SgdConfig::new()
            .with_momentum(Some(momentum))
            .with_weight_decay(decay());
        assert_continues("SGD", || config.init(), 0.1);
    }
}

#[test]
fn the_adams_continue() {
    assert_continues("Adam", || AdamConfig::new().init(), 0.01);
    assert_continues(
        "AMSGrad",
        || AdamConfig::new().with_amsgrad(true).init(),
        0.01,
    );
    let clipped = AdamConfig::new()
        .with_weight_decay(decay())
        .with_grad_clipping(Some(GradientClippingConfig::Norm(0.1)));
    assert_continues("clipped Adam", || clipped.init(), 0.01);
    assert_continues("AdamW", || AdamWConfig::new().init(), 0.01);
    let cautious = AdamWConfig::new()
        .with_cautious_weight_decay(true)
        .with_weight_decay(0.1)
        .with_amsgrad(true);
    assert_continues("cautious AdamW", || cautious.init(), 0.01);
}

#[test]
fn adan_continues() {
    assert_continues("Adan", || AdanConfig::new().init(), 0.01);
    let proximal = AdanConfig::new().with_weight_decay(0.02);
    assert_continues("Adan with decay", || proximal.init(), 0.01);
}

#[test]
fn adagrad_continues() {
    let config = AdaGradConfig::new().with_lr_decay(0.1);
    assert_continues("AdaGrad", || config.init(), 0.05);
}

#[test]
fn rmsprop_continues() {
    assert_continues("RMSProp", || RmsPropConfig::new().init(), 0.003);
    let plain = RmsPropConfig::new().with_momentum(0.0);
    assert_continues("RMSProp without momentum", || plain.init(), 0.003);
    let centered = RmsPropConfig::new()
        .with_centered(true)
        .with_weight_decay(decay());
    assert_continues("centered RMSProp", || centered.init(), 0.003);
}

#[test]
fn lion_continues() {
    let config = LionConfig::new().with_weight_decay(0.1);
    assert_continues("Lion", || config.init(), 0.003);
}

#[test]
fn lamb_continues_because_its_norms_are_sums() {
    let config = LambConfig::new().with_weight_decay(0.01);
    assert_continues("LAMB", || config.init(), 0.01);
}

#[test]
fn adafactor_continues_but_for_its_means_over_the_matrix() {
    let elementwise = AdafactorConfig::new()
        .with_scale_parameter(false)
        .with_relative_step(false)
        .with_clip_threshold(1e6);
    assert_continues("Adafactor", || elementwise.init(), 0.01);
    // The step is in proportion to the root mean square of the matrix, which grows as zeros go.
    let scaled = elementwise.with_scale_parameter(true);
    let (apart, _) = continued(|| scaled.init(), 0.01, LinearLayout::Row);
    assert!(apart > 1e-4, "{apart}");
}

#[test]
fn muon_continues_where_the_matrix_stays_no_taller_than_wide() {
    // 5 by 8 becomes 5 by 5: Muon's factor max(1, rows / columns) is 1 for both.
    let make = || {
        let sgd = SgdConfig::new().with_momentum(Some(MomentumConfig::new()));
        let muon = MuonConfig::new().build();
        sgd.init()
            .with_group(ParamGroup::from_predicate("fc1.weight"), muon, None)
    };
    for layout in [LinearLayout::Row, LinearLayout::Col] {
        let (apart, forgetful) = continued(make, 0.01, layout);
        // Five rounds of matrix products on a normalised matrix round differently.
        assert!(apart <= 1e-5, "{apart}");
        assert!(forgetful > 1e-4, "{forgetful}");
    }
}

/// Every tensor of a state by `path.field`.
fn state(optimizer: &impl OptimizerState, model: &Mlp) -> BTreeMap<String, TensorData> {
    let bytes = optimizer.state_bytes().unwrap();
    let reader = Reader::from_bytes(Bytes::from_bytes_vec(bytes)).unwrap();
    let bias = |bias: &Option<burn::module::Param<Tensor<1>>>| bias.as_ref().unwrap().id.val();
    let paths = BTreeMap::from([
        (model.fc1.weight.id.val(), "fc1.weight"),
        (bias(&model.fc1.bias), "fc1.bias"),
        (model.fc2.weight.id.val(), "fc2.weight"),
        (bias(&model.fc2.bias), "fc2.bias"),
    ]);
    let tensors = secateur_core::pack::tensors(reader).unwrap().into_iter();
    tensors
        .map(|(name, id, data)| match id {
            Some(id) => {
                let field = name.strip_prefix(&format!("{id}.")).unwrap();
                (format!("{}.{field}", paths[&id]), data)
            }
            None => (name, data),
        })
        .collect()
}

#[test]
fn adafactors_second_moments_stay_what_they_were_even_if_nothing_was_dead() {
    let config = AdafactorConfig::new();
    let mut optimizer = config.init();
    let start = Mlp::new(LinearLayout::Row, &[], &Device::flex().autodiff());
    let model = train(start, &mut optimizer, 0.01, 0);
    let before = state(&optimizer, &model);
    let report = cut_optimizer(&mut optimizer, &hidden(&LEFT), &model).unwrap();
    let after = state(&optimizer, &model);
    assert_eq!(report.scaled["fc1.weight"], ["second_moment"]);
    assert_eq!(report.scaled["fc2.weight"], ["column_second_moment"]);

    // r_i c_j / mean(r), in the notation of Shazeer & Stern 2018.
    let moments = |state: &BTreeMap<String, TensorData>, path: &str| -> Vec<f64> {
        let factor = |name: &str| -> Vec<f64> { state[&format!("{path}.{name}")].iter().collect() };
        let (rows, columns) = (factor("second_moment"), factor("column_second_moment"));
        let mean: f64 = rows.iter().sum::<f64>() / rows.len() as f64;
        let each = |row: &f64| -> Vec<f64> { columns.iter().map(|c| row * c / mean).collect() };
        rows.iter().flat_map(each).collect()
    };
    let check = |expected: Vec<f64>, found: Vec<f64>| {
        assert_eq!(expected.len(), found.len());
        for (a, b) in expected.iter().zip(found) {
            assert!((a - b).abs() <= 1e-6 * a, "{a} {b}");
        }
    };
    let pick = |all: Vec<f64>, columns: usize, rows: &[usize], kept: &[usize]| -> Vec<f64> {
        let row =
            |row: &usize| -> Vec<f64> { kept.iter().map(|c| all[row * columns + c]).collect() };
        rows.iter().flat_map(row).collect()
    };
    let fc1 = pick(moments(&before, "fc1.weight"), 8, &[0, 1, 2, 3, 4], &LEFT);
    check(fc1, moments(&after, "fc1.weight"));
    let fc2 = pick(moments(&before, "fc2.weight"), 3, &LEFT, &[0, 1, 2]);
    check(fc2, moments(&after, "fc2.weight"));
}

#[test]
fn lbfgs_continues() {
    for line_search in [LineSearchFn::None, LineSearchFn::StrongWolfe] {
        let mut optimizer = LBFGSConfig::new()
            .with_max_iter(2)
            .with_history_size(4)
            .with_line_search_fn(line_search)
            .init();
        let closure = |model: Mlp| {
            let loss = loss(&model, 0);
            let value = loss.clone().into_scalar::<f64>();
            let gradients = GradientsParams::from_grads(loss.backward(), &model);
            (value, gradients)
        };
        let (mut model, _) = optimizer.step(0.1, masked_mlp(LinearLayout::Row), closure);
        for _ in 0..2 {
            (model, _) = optimizer.step(0.1, model, closure);
        }
        let cut = hidden(&LEFT);
        let mut small_optimizer = optimizer.clone();
        let report = cut_optimizer(&mut small_optimizer, &cut, &model).unwrap();
        assert!(report.sliced[ALL].contains(&"history_s.0".to_string()));
        assert!(report.reset.is_empty());
        let small = slice_params(&model, &cut).unwrap();
        let fresh = LBFGSConfig::new().with_max_iter(2).with_history_size(4);
        let (forgetful, _) = fresh.init().step(0.1, small.clone(), closure);
        let (big, _) = optimizer.step(0.1, model, closure);
        let (small, _) = small_optimizer.step(0.1, small, closure);
        let survivors = slice_params(&big, &cut).unwrap();
        let apart = difference(&survivors, &small);
        assert!(apart <= 1e-6, "{line_search:?}: {apart}");
        assert!(difference(&survivors, &forgetful) > 1e-4);
    }
}

#[test]
fn an_lbfgs_of_another_model_begins_anew_and_says_so() {
    let closure = |model: Mlp| {
        let loss = loss(&model, 0);
        let value = loss.clone().into_scalar::<f64>();
        (value, GradientsParams::from_grads(loss.backward(), &model))
    };
    let mut optimizer = LBFGSConfig::new().with_max_iter(3).init();
    let (model, _) = optimizer.step(0.1, masked_mlp(LinearLayout::Row), closure);
    let cut = hidden(&LEFT);
    cut_optimizer(&mut optimizer, &cut, &model).unwrap();
    // The same again: 75 floats are announced, 48 are there.
    let report = cut_optimizer(&mut optimizer, &cut, &model).unwrap();
    assert!(report.reset[ALL].contains("[48]"), "{report}");
    assert!(report.reset[ALL].contains("75"), "{report}");
    let small = slice_params(&model, &cut).unwrap();
    let mut fresh = LBFGSConfig::new().with_max_iter(3).init();
    let (expected, _) = fresh.step(0.1, small.clone(), closure);
    let (begun, _) = optimizer.step(0.1, small, closure);
    assert_eq!(difference(&expected, &begun), 0.0);
}

#[test]
fn the_report_names_what_was_cut_and_what_begins_anew() {
    let mut optimizer = AdamConfig::new().init();
    let model = train(masked_mlp(LinearLayout::Row), &mut optimizer, 0.01, 0);
    let before = state(&optimizer, &model);
    let cut = hidden(&LEFT);
    let report = cut_optimizer(&mut optimizer, &cut, &model).unwrap();
    let cut_paths: Vec<_> = report.sliced.keys().map(String::as_str).collect();
    assert_eq!(cut_paths, ["fc1.bias", "fc1.weight", "fc2.weight"]);
    let mut names = report.sliced["fc1.bias"].clone();
    names.sort();
    assert_eq!(names, ["momentum.moment_1", "momentum.moment_2"]);

    let after = state(&optimizer, &model);
    let moment = |state: &BTreeMap<String, TensorData>, name: &str| -> Vec<f32> {
        state[name].try_to_vec().unwrap()
    };
    let name = "fc2.weight.momentum.moment_2";
    assert_eq!(
        moment(&after, name),
        sub(&moment(&before, name), 3, &LEFT, &[0, 1, 2])
    );
    let whole = "fc2.bias.momentum.moment_1";
    assert_eq!(moment(&after, whole), moment(&before, whole));

    // The state is the small model's now: cut again it fits no more, and begins anew.
    let again = cut_optimizer(&mut optimizer, &cut, &model).unwrap();
    assert!(again.sliced.is_empty());
    assert!(again.reset["fc1.weight"].contains("[5, 5]"), "{again}");
    let left = state(&optimizer, &model);
    assert!(left.keys().all(|name| name.starts_with("fc2.bias")));
    let small = slice_params(&model, &cut).unwrap();
    train(small, &mut optimizer, 0.01, 0);
}

#[test]
fn a_refused_cut_leaves_the_optimizer_as_it_was() {
    let mut optimizer = AdamConfig::new().init();
    let model = train(masked_mlp(LinearLayout::Row), &mut optimizer, 0.01, 0);
    let before = state(&optimizer, &model);
    let error = cut_optimizer(&mut optimizer, &hidden(&[3, 1]), &model).unwrap_err();
    assert!(matches!(error, StructureError::BadPlace { .. }));
    assert_eq!(state(&optimizer, &model), before);
}

#[test]
fn single_elements_are_forgotten() {
    let mut optimizer = AdamConfig::new().init();
    let start = Mlp::new(LinearLayout::Row, &[], &Device::flex().autodiff());
    let model = train(start, &mut optimizer, 0.01, 0);
    let before = state(&optimizer, &model);
    let elements = BTreeMap::from([("fc1.weight".to_string(), vec![0, 13])]);
    let report = reset_elements(&mut optimizer, &elements, &model).unwrap();
    assert_eq!(report.sliced["fc1.weight"].len(), 2);
    let after = state(&optimizer, &model);
    for (name, old) in &before {
        let mut expected: Vec<f32> = old.try_to_vec().unwrap();
        if name.starts_with("fc1.weight.") {
            assert!(expected[13] != 0.0);
            (expected[0], expected[13]) = (0.0, 0.0);
        }
        assert_eq!(after[name].try_to_vec::<f32>().unwrap(), expected, "{name}");
    }
    let wrong = BTreeMap::from([("fc1.weight".to_string(), vec![40])]);
    let error = reset_elements(&mut optimizer, &wrong, &model).unwrap_err();
    assert!(
        matches!(error, StructureError::BadPlace { place: 40, .. }),
        "{error}"
    );

    // Factors tell no elements apart.
    let mut factored = AdafactorConfig::new().init();
    train(model.clone(), &mut factored, 0.01, 0);
    let report = reset_elements(&mut factored, &elements, &model).unwrap();
    assert!(report.left.contains_key("fc1.weight"), "{report}");
}
