//! SparseGPT by hand, and what it refuses.

use secateur::methods::{SparseGpt, sparse_gpt};
use secateur::prelude::*;
use secateur::schedule::OneShot;

use crate::models::{Matrix, assert_close};

/// Inputs with `XXᵀ = [2 1; 1 2]`.
const COUPLED: [f32; 6] = [1.0, 0.0, 0.0, 1.0, 1.0, 1.0];

fn undamped(share: f64, block: usize) -> PrunerConfig {
    let selector = SparseGpt::new().with_damping(0.0).with_block(block);
    sparse_gpt(share).with_selector(selector)
}

#[test]
fn one_row_by_hand() {
    // The inverse of H = [2 1; 1 2] is [2/3 -1/3; -1/3 2/3], that of its last corner 1/2: U_00² is
    // 2/3 and U_11² is 1/2. The scores are 1/(2/3) = 1.5 and 0.81/(1/2) = 1.62: the first goes,
    // though it is the larger. The second takes over 0.9 - 1·(-1/3)/(2/3) = 1.4, where the
    // derivative of the error, 1·(0 - 1) + 2·(1.4 - 0.9), vanishes.
    let model = Matrix::new(&[1.0, 0.9], 2);
    let got = model.pruned(undamped(0.5, 2), &COUPLED).unwrap();
    assert_close(&got, &[0.0, 1.4]);
    // So it does where one of two is kept.
    let pair = undamped(0.5, 2).with_pattern(NofM::keep(1).of(2).unwrap());
    assert_close(&model.pruned(pair, &COUPLED).unwrap(), &[0.0, 1.4]);
}

#[test]
fn a_later_weight_goes_without_a_trace() {
    // Scores 4/(2/3) = 6 and 1.62: nothing stands right of the second to make up for it.
    let model = Matrix::new(&[2.0, 0.9], 2);
    let got = model.pruned(undamped(0.5, 2), &COUPLED).unwrap();
    assert_eq!(got, [2.0, 0.0]);
}

#[test]
fn rows_of_a_block_are_compared_together_and_blocks_are_not() {
    // One block: scores 1.5, 1.62 and 24, 50; the two lowest lie in the first row.
    let model = Matrix::new(&[1.0, 0.9, 4.0, 5.0], 2);
    let got = model.pruned(undamped(0.5, 2), &COUPLED).unwrap();
    assert_close(&got, &[0.0, 0.0, 4.0, 5.0]);
    // Two blocks of one column, one of which goes in each: 1 of {1, 4}, which makes 4.9 into 5.4,
    // then 5 of {5.4, 5}.
    let model = Matrix::new(&[1.0, 4.9, 4.0, 5.0], 2);
    let got = model.pruned(undamped(0.5, 1), &COUPLED).unwrap();
    assert_close(&got, &[0.0, 5.4, 4.0, 0.0]);
}

#[test]
fn damping_is_a_share_of_the_mean_diagonal() {
    // H = [2 1; 1 2] + 2·1: the second weight takes over 1·1/4, for the inverse is
    // [4 -1; -1 4]/15, and 0.9 + (1/15)/(4/15).
    let model = Matrix::new(&[1.0, 0.9], 2);
    let selector = SparseGpt::new().with_damping(1.0).with_block(2);
    let config = sparse_gpt(0.5).with_selector(selector);
    // Scores 1/(4/15) = 3.75 and 0.81·4 = 3.24: the second goes. A heavier second stays.
    assert_close(
        &model.pruned(config.clone(), &COUPLED).unwrap(),
        &[1.0, 0.0],
    );
    let model = Matrix::new(&[1.0, 1.1], 2);
    assert_close(&model.pruned(config, &COUPLED).unwrap(), &[0.0, 1.35]);
}

#[test]
fn removed_weights_are_zero_exactly_and_nothing_asked_changes_nothing() {
    let model = Matrix::new(&[-1.0, 0.9, -4.0, 5.0], 2);
    let got = model.pruned(sparse_gpt(0.5), &COUPLED).unwrap();
    let zeros = got.iter().filter(|w| w.to_bits() == 0).count();
    assert_eq!(zeros, 2, "{got:?}");
    let got = model.pruned(sparse_gpt(0.0), &COUPLED).unwrap();
    assert_eq!(got, [-1.0, 0.9, -4.0, 5.0]);
}

#[test]
fn what_was_removed_before_stays_removed_and_is_made_up_for() {
    // Half of both rows goes, then three quarters: masks only shrink, counts are exact.
    let mut model = Matrix::new(&[1.0, 0.9, 4.0, 0.1, 0.2, 3.0, 2.0, 1.0], 4);
    let inputs: Vec<f32> = (0..40).map(|i| ((i * 7 % 11) as f32 - 5.0) / 3.0).collect();
    let schedule = secateur::schedule::Iterative::new(0.75, 2).every(10);
    let mut pruner = sparse_gpt(0.75)
        .with_schedule(schedule)
        .init_module(&model)
        .unwrap();
    let mut gone = Vec::new();
    for step in [0, 10] {
        let rows = secateur::flow::RowTable::new(&inputs, 4);
        pruner.observe_flow(&secateur::flow::Flow::new("weight", &rows));
        pruner.prune(&mut model, step).unwrap();
        let values = crate::models::floats(model.weight.val());
        let now: Vec<usize> = (0..8).filter(|&i| values[i] == 0.0).collect();
        assert!(gone.iter().all(|i| now.contains(i)), "{gone:?} {now:?}");
        gone = now;
    }
    assert_eq!(gone.len(), 6);
    // The second pruning wants its own calibration.
    pruner.prune(&mut model, 20).unwrap();
}

fn refusal(config: PrunerConfig, weights: &[f32], inputs: &[f32]) -> String {
    let model = Matrix::new(weights, 2);
    model.pruned(config, inputs).unwrap_err().to_string()
}

#[test]
fn a_hessian_that_is_not_positive_definite_names_the_parameter() {
    // Two features that are the same, undamped.
    let error = refusal(undamped(0.5, 2), &[1.0, 0.9], &[1.0, 1.0, 2.0, 2.0]);
    assert!(error.contains("weight"), "{error}");
    assert!(error.contains("with_damping"), "{error}");
    let error = refusal(sparse_gpt(0.5), &[1.0, 0.9], &[f32::NAN, 1.0]);
    assert!(error.contains("not finite"), "{error}");
    // With damping, two features that are the same are no trouble.
    let model = Matrix::new(&[1.0, 1.0], 2);
    let got = model
        .pruned(sparse_gpt(0.5), &[1.0, 1.0, 2.0, 2.0])
        .unwrap();
    assert_eq!(got[0], 0.0);
    assert!((got[1] - 2.0).abs() < 0.05, "{got:?}");
}

#[test]
fn settings_out_of_range_are_named() {
    let run = |config| refusal(config, &[1.0, 0.9], &COUPLED);
    let with = |selector| sparse_gpt(0.5).with_selector(selector);
    assert!(run(with(SparseGpt::new().with_block(0))).contains("block"));
    assert!(run(with(SparseGpt::new().with_damping(f64::NAN))).contains("damping"));
    assert!(run(sparse_gpt(0.5).with_comparison(Comparison::OutputRow)).contains("comparison"));
    assert!(run(sparse_gpt(0.5).with_regrowth(Reconsider)).contains("regrowth"));
    let channels = sparse_gpt(0.5).with_pattern(Channel);
    assert!(refusal(channels, &[1.0, 0.9, 2.0, 1.8], &COUPLED).contains("NofM"));
    let threshold = OneShot::of(Target::Threshold(0.5));
    assert!(run(sparse_gpt(0.5).with_schedule(threshold)).contains("sparsities"));
}
