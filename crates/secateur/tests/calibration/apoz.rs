//! APoZ by hand.

use burn::tensor::{Tensor, TensorData};
use secateur::flow::{Flow, RowTable};
use secateur::graph::{ModelGraph, Taps};
use secateur::methods::{apoz, apoz_threshold};
use secateur::prelude::*;

use crate::models::{Convs, Matrix, floats, random};

/// Four outputs of two inputs each, behind whose ReLU 4, 1, 2 and 1 of 4 rows are zero.
const ACTIVATIONS: [f32; 16] = [
    0.0, 1.0, 0.0, 2.0, //
    0.0, 1.0, 5.0, 0.0, //
    0.0, 0.0, 0.0, 1.0, //
    0.0, 3.0, 1.0, 1.0,
];

fn kept(config: PrunerConfig) -> Vec<usize> {
    let mut model = Matrix::new(&[1.0; 8], 2);
    let mut pruner = config.init_module(&model).unwrap();
    let inputs = RowTable::new(&[], 2);
    let activation = RowTable::new(&ACTIVATIONS, 4);
    assert!(pruner.observe_flow(&Flow::new("weight", &inputs).with_activation(&activation)));
    pruner.prune(&mut model, 0).unwrap();
    let values = floats(model.weight.val());
    (0..4).filter(|row| values[row * 2] != 0.0).collect()
}

#[test]
fn outputs_by_hand() {
    // APoZ 1, 1/4, 1/2, 1/4: half of the outputs are the first and the third.
    assert_eq!(kept(apoz(0.5)), [1, 3]);
    assert_eq!(kept(apoz(0.25)), [1, 2, 3]);
    // Mean 1/2, deviation √((1/4 + 1/16 + 0 + 1/16)/4) = √(3/32) = 0.306: beyond one of them, 0.806,
    // lies the first; beyond none the first as well, for the third is at the mean itself.
    assert_eq!(kept(apoz_threshold(1.0)), [1, 2, 3]);
    assert_eq!(kept(apoz_threshold(0.0)), [1, 2, 3]);
    assert_eq!(kept(apoz_threshold(-0.5)), [1, 3]);
    // 1/2 + 2 · 0.306 is more than an APoZ can be.
    assert_eq!(kept(apoz_threshold(2.0)), [0, 1, 2, 3]);
}

#[test]
fn a_filter_that_is_never_active_goes_first() {
    let mut model = Convs::new();
    // The bias of the third filter silences it.
    let bias = model.plain.bias.take().unwrap();
    model.plain.bias = Some(bias.map(|bias| {
        let mut values = floats(bias);
        values[2] = -1e3;
        Tensor::from_data(TensorData::new(values, [6]), &burn::tensor::Device::flex())
    }));
    let x = random([4, 3, 8, 8]);
    let captured = ModelGraph::capture(&model, x.clone(), Convs::forward).unwrap();
    let config = || apoz(1.0 / 6.0).with_only(["plain.weight"]);
    let mut pruner = config().init_module(&model).unwrap();
    Taps::new(&captured)
        .observe(&mut pruner, x.clone())
        .unwrap();
    let masks = pruner.select(&model, 0).unwrap();
    let mask = masks.get("plain.weight").unwrap();
    let gone: Vec<usize> = (0..6).filter(|o| !mask.bits().get(o * 27)).collect();
    assert_eq!(gone, [2]);
    assert_eq!(mask.kept(), 5 * 27);

    // Behind the head stands no activation.
    let mut pruner = apoz(0.5).init_module(&model).unwrap();
    Taps::new(&captured).observe(&mut pruner, x).unwrap();
    let error = pruner.select(&model, 0).unwrap_err();
    assert!(
        matches!(&error, PruneError::MissingSignal { path, .. } if path == "head.weight"),
        "{error}"
    );
    assert!(error.to_string().contains("with_skip"), "{error}");
}
