//! The methods of the literature on a net that trains: counts, order, exchanges, exact zeros.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

use burn::{
    Tensor,
    optim::{GradientsParams, SgdConfig, momentum::MomentumConfig},
};
use secateur::{
    methods::{
        LotteryTicket, RigL, Set, agp, diagonal_fisher, han, han_iterative, han_threshold, lottery,
        rigl, set, snip, snip_with_biases, weight_taylor,
    },
    prelude::*,
    schedule::Window,
};

use crate::{
    device::training_device,
    nets::{Mlp, filled, noise, values},
};

/// A net whose biases are the same each time too.
fn net() -> Mlp {
    let device = training_device();
    let mut net = Mlp::new(&device);
    net.fc1.bias = Some(filled("bias 1", [8], &device));
    net.fc2.bias = Some(filled("bias 2", [3], &device));
    net
}

fn input() -> Tensor<2> {
    noise("x", [16, 6], &training_device())
}

fn gradients(model: &Mlp) -> GradientsParams {
    GradientsParams::from_grads(model.loss(input()).backward(), model)
}

/// The gradient of both weights, in storage order.
fn gradient_values(model: &Mlp) -> [Vec<f32>; 2] {
    let grads = gradients(model);
    [&model.fc1.weight, &model.fc2.weight].map(|weight| values(grads.get::<2>(weight.id).unwrap()))
}

/// Both weights as they act, in storage order.
fn weights(model: &Mlp) -> [Vec<f32>; 2] {
    [&model.fc1.weight, &model.fc2.weight].map(|weight| values(weight.val()))
}

/// Both weights as they are stored under the masks.
fn stored(model: &Mlp) -> [Vec<f32>; 2] {
    [&model.fc1.weight, &model.fc2.weight].map(|weight| values(weight.base()))
}

fn train(mut model: Mlp, steps: usize) -> Mlp {
    let mut sgd = SgdConfig::new().init();
    for _ in 0..steps {
        let grads = gradients(&model);
        model = sgd.step(0.05, model, grads);
    }
    model
}

/// Kept elements per parameter, in the order of the pruner's parameters.
fn kept(pruner: &Pruner, model: &Mlp) -> Vec<usize> {
    let masks = pruner.masks(model).unwrap();
    let of = |info: &secateur::params::ParamInfo| masks.get(&info.path).unwrap().kept();
    pruner.params().map(of).collect()
}

/// Storage indices of what the masks keep. Burn stores `[in, out]`, masks are `[out, in, 1]`.
fn left(pruner: &Pruner, model: &Mlp) -> [Vec<usize>; 2] {
    let masks = pruner.masks(model).unwrap();
    ["fc1.weight", "fc2.weight"].map(|path| {
        let mask = masks.get(path).unwrap();
        let out = mask.shape()[0];
        (0..mask.len())
            .filter(|index| mask.at([index % out, index / out, 0]))
            .collect()
    })
}

/// Asserts that exactly what the masks remove is +0.0, bit for bit.
fn assert_exact_zeros(pruner: &Pruner, model: &Mlp) {
    let kept = kept(pruner, model);
    for (values, kept) in weights(model).iter().zip(kept) {
        let zeros = values.iter().filter(|value| value.to_bits() == 0).count();
        assert_eq!(values.len() - zeros, kept);
    }
}

/// Storage indices of the `n` largest among the candidates.
fn largest(values: &[f32], candidates: impl Iterator<Item = usize>, n: usize) -> Vec<usize> {
    let mut order: Vec<usize> = candidates.collect();
    order.sort_by(|&a, &b| values[b].abs().total_cmp(&values[a].abs()));
    order.truncate(n);
    order.sort_unstable();
    order
}

#[test]
fn snip_prunes_once_before_training() {
    let mut model = net();
    let (w, g) = (weights(&model).concat(), gradient_values(&model).concat());
    let sensitivity: Vec<f32> = w.iter().zip(&g).map(|(w, g)| w * g).collect();
    // 75 % of 48 + 24 go.
    let want = largest(&sensitivity, 0..72, 18);

    let mut pruner = snip(0.75).init(&model).unwrap();
    pruner.observe(&model, &gradients(&model)).unwrap();
    pruner.prune(&mut model, 0).unwrap();
    let now = weights(&model).concat();
    let left: Vec<usize> = (0..72).filter(|&index| now[index] != 0.0).collect();
    assert_eq!(left, want);

    let masks = pruner.masks(&model).unwrap();
    for step in 0..5 {
        model = train(model, 1);
        assert_eq!(pruner.prune(&mut model, step).unwrap(), None);
        assert_exact_zeros(&pruner, &model);
    }
    assert_eq!(pruner.masks(&model).unwrap(), masks);
}

#[test]
fn snip_can_count_biases_in() {
    let mut model = net();
    let mut pruner = snip_with_biases(0.5).init(&model).unwrap();
    pruner.observe(&model, &gradients(&model)).unwrap();
    // 48 + 8 + 24 + 3 = 83, half of which is 41.5: 42 go.
    let event = pruner.prune(&mut model, 0).unwrap().unwrap();
    assert_eq!((event.kept, event.total), (41, 83));
}

#[test]
fn frozen_scores_choose_as_the_scorer_did() {
    let model = net();
    let mut pruner = weight_taylor(OneShot::new(0.5)).init(&model).unwrap();
    pruner.observe(&model, &gradients(&model)).unwrap();
    let frozen = pruner.frozen_scores(&model, 0).unwrap();
    let wanted = pruner.select(&model, 0).unwrap();
    // A pruner that never sees a gradient.
    let other = weight_taylor(OneShot::new(0.5)).with_scorer(frozen);
    let other = other.init(&model).unwrap();
    assert_eq!(other.select(&model, 0).unwrap(), wanted);
}

#[test]
fn weight_taylor_prunes_what_it_observed_since_the_last_time() {
    let mut model = net();
    let schedule = Linear::new(0.75).between(1..=5).every(2);
    let mut pruner = weight_taylor(schedule).init(&model).unwrap();
    let mut last = pruner.masks(&model).unwrap();
    let mut counts = Vec::new();
    for step in 0..8 {
        let grads = gradients(&model);
        pruner.observe(&model, &grads).unwrap();
        model = SgdConfig::new().init().step(0.05, model, grads);
        if pruner.prune(&mut model, step).unwrap().is_some() {
            let masks = pruner.masks(&model).unwrap();
            for (path, mask) in &masks {
                assert!(mask.is_subset_of(last.get(path).unwrap()).unwrap());
            }
            counts.push(masks.kept());
            last = masks;
        }
        assert_exact_zeros(&pruner, &model);
    }
    // 72 less 0, 0.375·72 = 27, 0.75·72 = 54.
    assert_eq!(counts, [72, 45, 18]);

    // Signals start afresh with every pruning.
    let schedule = Linear::new(0.5).between(0..=1);
    let mut pruner = weight_taylor(schedule).init(&model).unwrap();
    pruner.observe(&model, &gradients(&model)).unwrap();
    pruner.prune(&mut model, 0).unwrap();
    assert!(matches!(
        pruner.prune(&mut model, 1),
        Err(PruneError::MissingSignal { .. })
    ));
}

/// Selects as ever and notes the scores it saw.
#[derive(Clone, Debug, Default)]
struct Scores(Arc<Mutex<BTreeMap<String, Vec<f32>>>>);

impl Selector for Scores {
    fn select(&self, ctx: &SelectContext<'_>) -> Result<Selection, PruneError> {
        let mut seen = self.0.lock().unwrap();
        seen.insert(ctx.score.path().into(), ctx.element_scores.to_vec());
        TopK.select(ctx)
    }
}

#[test]
fn fisher_does_not_depend_on_how_examples_were_batched() {
    let device = training_device();
    let model = net();
    let examples: Tensor<2> = noise("examples", [100, 6], &device);
    let row = |batch: &Tensor<2>, i: usize| batch.clone().slice([i..i + 1, 0..6]);

    // ½·w²·mean g², from Burn's gradients of one example at a time.
    let mut squares = vec![0.0_f64; 48];
    for i in 0..100 {
        let loss = model.loss(row(&examples, i));
        let grads = GradientsParams::from_grads(loss.backward(), &model);
        let gradient = values(grads.get::<2>(model.fc1.weight.id).unwrap());
        for (sum, g) in squares.iter_mut().zip(gradient) {
            *sum += f64::from(g) * f64::from(g) / 100.0;
        }
    }
    let weight = values(model.fc1.weight.val());
    // Burn stores `[in, out]`, scores are in the order `[out, in]`.
    let want: Vec<f64> = (0..48)
        .map(|index| (index % 6) * 8 + index / 6)
        .map(|at| 0.5 * f64::from(weight[at]).powi(2) * squares[at])
        .collect();

    for size in [1, 10, 100] {
        let scores = Scores::default();
        let config = diagonal_fisher(OneShot::new(0.5)).with_selector(scores.clone());
        let mut pruner = config.init(&model).unwrap();
        for start in (0..100).step_by(size) {
            let batch = examples.clone().slice([start..start + size, 0..6]);
            let rows = (0..size).map(|i| row(&batch, i));
            let seen = pruner.observe_examples(&model, rows, |model, x| model.loss(x));
            assert_eq!(seen, Ok(size));
        }
        pruner.select(&model, 0).unwrap();
        let got = scores.0.lock().unwrap().remove("fc1.weight").unwrap();
        for (got, want) in got.into_iter().zip(&want) {
            let got = f64::from(got);
            assert!(
                (got - want).abs() <= 1e-5 * want,
                "{got} and {want} at {size}"
            );
        }
    }

    let mut pruner = diagonal_fisher(OneShot::new(0.5)).init(&model).unwrap();
    pruner.observe(&model, &gradients(&model)).unwrap();
    let error = pruner.select(&model, 0).unwrap_err();
    assert!(error.to_string().contains("observe_examples"), "{error}");
}

#[test]
fn han_prunes_trained_layers_and_retrains() {
    let mut model = train(net(), 3);
    // 0.8 standard deviations of each layer, numpy's way.
    let want = weights(&model).map(|w| {
        let n = w.len() as f64;
        let mean = w.iter().map(|&v| f64::from(v)).sum::<f64>() / n;
        let variance = w
            .iter()
            .map(|&v| (f64::from(v) - mean).powi(2))
            .sum::<f64>()
            / n;
        let at = 0.8 * variance.sqrt();
        w.iter().filter(|v| f64::from(v.abs()) >= at).count()
    });
    let mut by_threshold = model.clone();
    let mut pruner = han_threshold(0.8).init(&model).unwrap();
    pruner.prune(&mut by_threshold, 0).unwrap();
    assert_eq!(kept(&pruner, &by_threshold), want);
    assert_exact_zeros(&pruner, &train(by_threshold, 2));

    let shares = [("fc1.weight", 0.25), ("fc2.weight", 0.5)];
    let mut pruner = han(shares).unwrap().init(&model).unwrap();
    let mut once = model.clone();
    pruner.prune(&mut once, 0).unwrap();
    assert_eq!(kept(&pruner, &once), [12, 12]);

    let mut pruner = han_iterative(shares, 2, 3).unwrap().init(&model).unwrap();
    let mut counts = Vec::new();
    for step in 0..8 {
        if pruner.prune(&mut model, step).unwrap().is_some() {
            counts.push(kept(&pruner, &model));
        }
        model = train(model, 1);
        assert_exact_zeros(&pruner, &model);
    }
    // fc1 halves twice; fc2 is two thirds of the way to a half after the first: 24·(1 - 1/3).
    assert_eq!(counts, [[24, 16], [12, 12]]);
}

#[test]
fn agp_walks_up_the_cubic() {
    let mut model = net();
    let mut pruner = agp(0.875, Window::new(2..=10).every(4))
        .init(&model)
        .unwrap();
    let mut last = pruner.masks(&model).unwrap();
    let mut counts = Vec::new();
    for step in 0..14 {
        model = train(model, 1);
        if let Some(event) = pruner.prune(&mut model, step).unwrap() {
            counts.push((step, kept(&pruner, &model)));
            assert_eq!(event.regrown, 0);
            let masks = pruner.masks(&model).unwrap();
            for (path, mask) in &masks {
                assert!(mask.is_subset_of(last.get(path).unwrap()).unwrap());
            }
            last = masks;
        }
        assert_exact_zeros(&pruner, &model);
    }
    // Half way 0.875·(1 - 1/8) = 0.765625: 36.75 of 48 and 18.375 of 24 go, 37 and 18.
    let want = [(2, vec![48, 24]), (6, vec![11, 6]), (10, vec![6, 3])];
    assert_eq!(counts, want);
}

#[test]
fn a_lottery_ticket_goes_back_to_the_start_each_round() {
    let mut model = net();
    let start = weights(&model);
    let config = lottery(0.5, 3, "fc2.weight").unwrap();
    let mut ticket = LotteryTicket::new(config, &model).unwrap();
    let mut last = ticket.pruner().masks(&model).unwrap();
    let mut counts = Vec::new();
    loop {
        model = train(model, 3);
        let trained = weights(&model);
        let before = weights(&model).map(|w| w.iter().filter(|v| **v != 0.0).count());
        if ticket.prune_and_rewind(&mut model).unwrap().is_none() {
            break;
        }
        let masks = ticket.pruner().masks(&model).unwrap();
        for (path, mask) in &masks {
            assert!(mask.is_subset_of(last.get(path).unwrap()).unwrap());
        }
        last = masks;
        let kept = kept(ticket.pruner(), &model);
        for layer in 0..2 {
            // The largest trained survivors, with their initial values.
            let standing = (0..start[layer].len()).filter(|&i| trained[layer][i] != 0.0);
            let want = largest(&trained[layer], standing, kept[layer]);
            let now = &weights(&model)[layer];
            let left: Vec<usize> = (0..now.len()).filter(|&i| now[i] != 0.0).collect();
            assert_eq!(left, want);
            assert!(left.iter().all(|&i| now[i] == start[layer][i]));
            assert!(kept[layer] < before[layer]);
        }
        assert_exact_zeros(ticket.pruner(), &model);
        counts.push(kept);
    }
    // 48·0.5^k; 24·0.75^k = 18, 13.5, 10.125, of which 6, 10.5 and 13.875 go, rounded.
    assert_eq!(counts, [[24, 18], [12, 13], [6, 10]]);
    assert_eq!(ticket.rounds_left(), 0);

    let mut fresh = train(net(), 1);
    let fresh_values = stored(&fresh);
    ticket.wear(&model, &mut fresh).unwrap();
    assert_eq!(ticket.pruner().masks(&fresh).unwrap(), last);
    assert_eq!(stored(&fresh), fresh_values);
}

#[test]
fn rigl_exchanges_by_dense_gradients_without_an_update() {
    let mut model = net();
    // Erdős-Rényi: 36 of 72 in proportion to 8 + 6 and 3 + 8: 20.16 and 15.84.
    let counts = [20, 16];
    let mut pruner = rigl(0.5, 4, 12).with_seed(1).init(&model).unwrap();
    pruner.prune(&mut model, 0).unwrap();
    assert_eq!(kept(&pruner, &model), counts);
    let by_magnitude = largest(&stored(&model)[0], 0..48, 20);
    assert_ne!(left(&pruner, &model)[0], by_magnitude);

    let momentum = SgdConfig::new().with_momentum(Some(MomentumConfig::new()));
    let mut sgd = momentum.init();
    let mut exchanges = Vec::new();
    let mut ever_kept = [BTreeSet::new(), BTreeSet::new()];
    for step in 1..16 {
        let mut plain = model.clone();
        pruner.clone().finish(&mut plain).unwrap();
        let before = model.clone();
        let grads = gradients(&model);
        if pruner.schedule().is_due(step) {
            pruner.observe(&model, &grads).unwrap();
        }
        match pruner.before_step(&model, grads, step).unwrap() {
            Step::Update(grads) => {
                model = sgd.step(0.05, model, grads);
                // What was never kept has gathered no momentum, dense gradients or not.
                let (old, new) = (stored(&before), stored(&model));
                for (layer, kept) in left(&pruner, &model).into_iter().enumerate() {
                    ever_kept[layer].extend(kept);
                    let never = (0..old[layer].len()).filter(|i| !ever_kept[layer].contains(i));
                    assert!(never.into_iter().all(|i| old[layer][i] == new[layer][i]));
                }
            }
            Step::Skip => assert!(pruner.schedule().is_due(step)),
        }
        let Some(event) = pruner.prune(&mut model, step).unwrap() else {
            continue;
        };
        assert_eq!(event.removed, event.regrown);
        assert_eq!(kept(&pruner, &model), counts);
        // f(4) = 0.15·(1 + cos(π/3)) = 0.225 and f(8) = 0.15·(1 - 1/2) = 0.075: 4.5 and 3.6 of the
        // kept 20 and 16 at step 4, 1.5 and 1.2 at step 8.
        let exchanged = if step == 4 { [5, 4] } else { [2, 1] };
        // The gradients of a net without masks, in which the zeros are weights like all others.
        let dense = gradient_values(&plain);
        let (standing, left) = (left(&pruner, &before), left(&pruner, &model));
        for layer in 0..2 {
            let (old, now) = (&weights(&before)[layer], &weights(&model)[layer]);
            let stays = counts[layer] - exchanged[layer];
            let mut want = largest(old, standing[layer].iter().copied(), stays);
            let away: Vec<usize> = (0..old.len()).filter(|i| !want.contains(i)).collect();
            want.extend(largest(&dense[layer], away.into_iter(), exchanged[layer]));
            want.sort_unstable();
            assert_eq!(left[layer], want, "layer {layer} at step {step}");
            // What stayed is what it was, what is new is zero: no update took place.
            let kept = |i| if want.contains(&i) { old[i] } else { 0.0 };
            assert!((0..old.len()).all(|i| now[i] == kept(i)));
        }
        exchanges.push((step, event.regrown));
    }
    assert_eq!(
        exchanges.iter().map(|(step, _)| *step).collect::<Vec<_>>(),
        [4, 8]
    );
    assert!(exchanges[0].1 > 0, "{exchanges:?}");
}

#[test]
fn rigl_spreads_evenly_if_asked_and_resumes_where_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("state");
    let config = || rigl(0.5, 2, 9).with_allocation(Uniform).with_seed(4);
    let run = |stop: Option<usize>| {
        let mut model = net();
        let mut pruner = config().init(&model).unwrap();
        for step in 0..10 {
            let grads = gradients(&model);
            pruner.observe(&model, &grads).unwrap();
            if let Step::Update(grads) = pruner.before_step(&model, grads, step).unwrap() {
                model = SgdConfig::new().init().step(0.05, model, grads);
            }
            pruner.prune(&mut model, step).unwrap();
            assert_eq!(kept(&pruner, &model), [24, 12]);
            if stop == Some(step) {
                pruner.save_state(&file).unwrap();
                pruner = config().init(&model).unwrap();
                pruner.load_state(&file).unwrap();
            }
        }
        (pruner.masks(&model).unwrap(), weights(&model))
    };
    assert_eq!(run(Some(5)), run(None));
    let regrowth = RigL::new(9).with_alpha(2.0);
    let model = net();
    assert!(config().with_regrowth(regrowth).init(&model).is_err());
}

#[test]
fn set_exchanges_at_random_and_goes_on_updating() {
    let mut model = net();
    let mut pruner = set(0.5, 3, 12)
        .with_regrowth(Set::new(0.25))
        .with_seed(2)
        .init(&model)
        .unwrap();
    let mut sgd = SgdConfig::new().init();
    let mut exchanged = Vec::new();
    for step in 0..14 {
        let grads = gradients(&model);
        match pruner.before_step(&model, grads, step).unwrap() {
            Step::Update(grads) => model = sgd.step(0.05, model, grads),
            Step::Skip => panic!("SET never takes the optimizer's place"),
        }
        let (before, standing) = (weights(&model), left(&pruner, &model));
        let Some(event) = pruner.prune(&mut model, step).unwrap() else {
            continue;
        };
        assert_eq!(kept(&pruner, &model), [20, 16]);
        if step == 0 {
            assert_eq!(event.regrown, 0);
            continue;
        }
        // A quarter is dropped: 5 of 20 and 4 of 16; some of it may come straight back.
        assert_eq!(event.removed, event.regrown);
        assert!(event.regrown <= 9);
        for (layer, stays) in [15, 12].into_iter().enumerate() {
            let (old, now) = (&before[layer], &weights(&model)[layer]);
            let strong = largest(old, standing[layer].iter().copied(), stays);
            assert!(strong.iter().all(|&i| now[i] == old[i]));
        }
        exchanged.push((step, event.regrown));
    }
    assert_eq!(
        exchanged.iter().map(|(step, _)| *step).collect::<Vec<_>>(),
        [3, 6, 9]
    );
    assert!(exchanged.iter().any(|(_, regrown)| *regrown > 0));
}
