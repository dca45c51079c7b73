//! Wanda by hand.

use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use secateur::graph::{ModelGraph, Taps};
use secateur::methods::wanda;
use secateur::prelude::*;

use crate::models::{Convs, Matrix, assert_close, floats, random};

fn ones() -> Tensor<4> {
    Tensor::ones([1, 3, 8, 8], &Device::flex())
}

/// Rows with the norms 1, 2, 8 and 3.
const INPUTS: [f32; 8] = [
    1.0, 0.0, 8.0, 0.0, //
    0.0, 2.0, 0.0, -3.0,
];

#[test]
fn rows_by_hand() {
    // Scores 4 0 8 3 | 3 4 8 9 | 3 2 0 6: two of each row go. In the whole tensor the six lowest
    // are 0, 0, 2 and the three 3s; by magnitude row 2 would keep 3 and -3.
    let model = Matrix::new(
        &[
            4.0, 0.0, 1.0, -1.0, //
            3.0, -2.0, -1.0, -3.0, //
            -3.0, 1.0, 0.0, 2.0,
        ],
        4,
    );
    let got = model.pruned(wanda(0.5), &INPUTS).unwrap();
    let want = [
        4.0, 0.0, 1.0, 0.0, //
        0.0, 0.0, -1.0, -3.0, //
        -3.0, 0.0, 0.0, 2.0,
    ];
    assert_eq!(got, want);
}

#[test]
fn pairs_by_hand() {
    // Scores 4 8 8 3 | 3 4 16 9: of each pair the larger stays.
    let model = Matrix::new(&[4.0, 4.0, 1.0, -1.0, 3.0, -2.0, -2.0, -3.0], 4);
    let pattern = NofM::keep(1).of(2).unwrap();
    let config = wanda(0.5).with_pattern(pattern);
    let got = model.pruned(config, &INPUTS).unwrap();
    assert_eq!(got, [0.0, 4.0, 1.0, 0.0, 0.0, -2.0, -2.0, 0.0]);
}

#[test]
fn nothing_observed_is_an_error_that_says_what_to_call() {
    let mut model = Convs::new();
    let before = floats(model.forward(ones()));
    let mut pruner = wanda(0.5).init_module(&model).unwrap();
    let error = pruner.prune(&mut model, 0).unwrap_err();
    assert!(
        matches!(&error, PruneError::MissingSignal { path, .. } if path == "plain.weight"),
        "{error}"
    );
    let text = error.to_string();
    assert!(text.contains("Taps::observe"), "{text}");
    assert!(text.contains("norm of the input"), "{text}");
    let after = floats(model.forward(ones()));
    assert_eq!(before, after);
}

#[test]
fn inputs_that_are_not_numbers_are_an_error() {
    let model = Matrix::new(&[1.0, 2.0], 2);
    let error = model.pruned(wanda(0.5), &[f32::NAN, 1.0]).unwrap_err();
    assert!(matches!(error, PruneError::NanScore { .. }), "{error}");
}

/// Wanda's mask of the grouped convolution against norms from Burn's own windows.
#[test]
fn a_grouped_convolution_sees_the_channels_of_its_group() {
    let model = Convs::new();
    let x = random([4, 3, 8, 8]);
    let captured = ModelGraph::capture(&model, x.clone(), Convs::forward).unwrap();
    let mut pruner = wanda(0.5).init_module(&model).unwrap();
    let outputs = Taps::new(&captured)
        .observe(&mut pruner, x.clone())
        .unwrap();
    assert_close(
        &outputs[0].iter::<f32>().collect::<Vec<_>>(),
        &floats(model.forward(x.clone())),
    );
    let masks = pruner.select(&model, 0).unwrap();
    let mask = masks.get("grouped.weight").unwrap();

    // 6 channels of 6 x 6 pixels; windows of 2 x 2 without overlap: 3 x 3 of them.
    let y = relu(model.plain.forward(x));
    let y: Vec<f32> = floats(y);
    let weight = floats(model.grouped.weight.val());
    for out in 0..8 {
        let group = out / 4;
        let mut scores = Vec::new();
        for channel in 0..3 {
            for tap in 0..4 {
                let mut sum = 0.0_f64;
                for image in 0..4 {
                    for place in 0..9 {
                        let (row, col) = (place / 3 * 2 + tap / 2, place % 3 * 2 + tap % 2);
                        let plane = image * 6 + group * 3 + channel;
                        sum += f64::from(y[plane * 36 + row * 6 + col]).powi(2);
                    }
                }
                let w = f64::from(weight[(out * 3 + channel) * 4 + tap]);
                scores.push(w.abs() * sum.sqrt());
            }
        }
        let mut order: Vec<usize> = (0..12).collect();
        order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
        let mut best = order[..6].to_vec();
        best.sort_unstable();
        let kept: Vec<usize> = (0..12)
            .filter(|at| mask.bits().get(out * 12 + at))
            .collect();
        assert_eq!(kept, best, "output {out}");
    }
}
