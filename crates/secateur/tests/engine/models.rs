//! What an engine computes is what Burn computes.

use burn::nn::transformer::{
    TransformerEncoder, TransformerEncoderConfig, TransformerEncoderInput,
};
use burn::nn::{Lstm, LstmConfig};
use burn::prelude::*;
use secateur::sparse::{EngineConfig, SparseEngine};

use crate::nets::{Mlp, Residual, Words, difference, pruned, random};

#[test]
fn a_perceptron_at_every_batch() {
    for sparsity in [0.0, 0.5, 0.9] {
        let model = pruned(Mlp::new(&[40, 30, 20, 10]), sparsity);
        let engine = SparseEngine::compile(&model, random([4, 40]), Mlp::forward).unwrap();
        assert!(engine.is_dynamic());
        for batch in [4, 1, 16, 33, 4] {
            let x = random([batch, 40]);
            let y: Tensor<2> = engine.run(x.clone()).unwrap();
            let error = difference(y, model.forward(x));
            assert!(error < 1e-5, "{sparsity}, batch {batch}: {error}");
        }
        let y: Tensor<2> = engine.run(random([0, 40])).unwrap();
        assert_eq!(y.dims(), [0, 10]);
    }
}

#[test]
fn a_chain_of_products_at_large_batches() {
    let model = pruned(Mlp::new(&[24, 40, 32, 17, 8]), 0.6);
    let forward = |m: &Mlp, x: Tensor<2>| {
        let layers = m.layers.iter();
        layers.fold(x, |x, layer| {
            burn::tensor::activation::relu(layer.forward(x))
        })
    };
    for threads in [1, 3] {
        let config = EngineConfig::new().with_threads(threads);
        let engine = config.compile(&model, random([130, 24]), forward).unwrap();
        for batch in [130, 1, 63, 64, 65, 129, 256] {
            let x = random([batch, 24]);
            let y: Tensor<2> = engine.run(x.clone()).unwrap();
            let error = difference(y, forward(&model, x));
            assert!(error < 1e-5, "batch {batch}: {error}");
        }
    }
}

#[test]
fn a_residual_net_with_norms_folded_and_sums_joined() {
    for sparsity in [0.0, 0.9] {
        let model = pruned(Residual::new(), sparsity).valid();
        let engine =
            SparseEngine::compile(&model, random([2, 3, 16, 16]), Residual::forward).unwrap();
        assert!(engine.is_dynamic());
        for batch in [2, 1, 5] {
            let x = random([batch, 3, 16, 16]);
            let y: Tensor<2> = engine.run(x.clone()).unwrap();
            let error = difference(y, model.forward(x));
            assert!(error < 1e-5, "{sparsity}, batch {batch}: {error}");
        }
        let explanation = engine.explain().unwrap();
        assert_eq!(explanation.layers.len(), 4);
        // Norms, activations and the residual sum are parts of the convolutions; nothing is Burn's.
        let names: Vec<&str> = explanation.others.iter().map(|o| o.name.as_str()).collect();
        assert_eq!(names, ["pooling", "slice", "fill", "concatenation"]);
    }
}

#[test]
fn indices_in_and_two_outputs() {
    let model = pruned(Words::new(), 0.8);
    let device = Device::flex();
    let words = |rows: i64| Tensor::<1, Int>::arange(0..rows * 7, &device).reshape([rows, 7]) % 30;
    let engine = SparseEngine::compile(&model, words(3), Words::forward).unwrap();
    for rows in [3, 1, 8] {
        let (scores, best): (Tensor<3>, Tensor<2, Int>) = engine.run(words(rows)).unwrap();
        let (expected, expected_best) = model.forward(words(rows));
        assert!(difference(scores, expected) < 1e-5);
        best.into_data()
            .assert_eq(&expected_best.into_data(), false);
    }
}

#[test]
fn a_transformer() {
    let device = Device::flex();
    let model = pruned(
        TransformerEncoderConfig::new(32, 64, 4, 2).init(&device),
        0.9,
    )
    .valid();
    let forward = |m: &TransformerEncoder, x| m.forward(TransformerEncoderInput::new(x));
    let engine = SparseEngine::compile(&model, random([1, 8, 32]), forward).unwrap();
    let x = random([1, 8, 32]);
    let y: Tensor<3> = engine.run(x.clone()).unwrap();
    assert!(difference(y, forward(&model, x)) < 1e-4);
    let explanation = engine.explain().unwrap();
    assert_eq!(explanation.layers.len(), 12);
    let by_burn = explanation.others.iter().filter(|other| other.by_burn);
    let by_burn: Vec<&str> = by_burn.map(|other| other.name.as_str()).collect();
    // Attention stays with Burn; norms, sums and activations do not.
    for name in ["LayerNorm", "Gelu", "Add"] {
        assert!(!by_burn.contains(&name), "{by_burn:?}");
    }
}

#[test]
fn a_recurrent_net() {
    let model = pruned(LstmConfig::new(12, 20, true).init(&Device::flex()), 0.7);
    let forward = |m: &Lstm, x: Tensor<3>| m.forward(x, None).0;
    let engine = SparseEngine::compile(&model, random([2, 5, 12]), forward).unwrap();
    let x = random([2, 5, 12]);
    let y: Tensor<3> = engine.run(x.clone()).unwrap();
    assert!(difference(y, forward(&model, x)) < 1e-5);
}

#[test]
fn a_forward_pass_that_depends_on_the_batch_runs_with_its_own_alone() {
    let model = Mlp::new(&[6, 4]);
    let forward = |m: &Mlp, x: Tensor<2>| {
        let batch = x.dims()[0] as f32;
        m.forward(x) / batch
    };
    let engine = SparseEngine::compile(&model, random([3, 6]), forward).unwrap();
    assert!(!engine.is_dynamic());
    let x = random([3, 6]);
    let y: Tensor<2> = engine.run(x.clone()).unwrap();
    assert!(difference(y, forward(&model, x)) < 1e-5);
    let error = engine
        .run::<_, Tensor<2>>(random([4, 6]))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("input 0") && error.contains("[3, 6]"),
        "{error}"
    );
}

#[test]
fn sizes_that_do_not_follow_the_batch_in_a_line_are_not_guessed() {
    let model = Mlp::new(&[6, 4]);
    // Two rows of one or two, four of three or four.
    let forward = |m: &Mlp, x: Tensor<2>| {
        let rows = x.dims()[0].div_ceil(2) * 2;
        let x = m.forward(x);
        Tensor::cat(
            vec![x.clone(), x.clone().narrow(0, 0, 1).repeat_dim(0, rows - 1)],
            0,
        )
    };
    let engine = SparseEngine::compile(&model, random([1, 6]), forward).unwrap();
    let x = random([1, 6]);
    let y: Tensor<2> = engine.run(x.clone()).unwrap();
    assert!(difference(y, forward(&model, x)) < 1e-5);
    assert!(engine.run::<_, Tensor<2>>(random([4, 6])).is_err());
}

#[test]
fn outputs_that_are_inputs_or_constants() {
    let model = Mlp::new(&[6, 4]);
    let forward = |m: &Mlp, x: Tensor<2>| {
        let bias = m.layers[0].bias.as_ref().unwrap().val() * 2.0;
        (x.clone(), bias, m.forward(x.clone()), x)
    };
    let engine = SparseEngine::compile(&model, random([3, 6]), forward).unwrap();
    let x = random([3, 6]);
    let outputs: Vec<TensorData> = engine.run(x.clone()).unwrap();
    outputs[0].assert_eq(&x.clone().into_data(), true);
    outputs[1].assert_eq(&forward(&model, x).1.into_data(), true);
}

#[test]
fn formats_can_be_tried_instead_of_predicted() {
    let model = pruned(Residual::new(), 0.9).valid();
    let x = random([2, 3, 16, 16]);
    let config = EngineConfig::new().measured();
    let engine = config
        .compile(&model, x.clone(), Residual::forward)
        .unwrap();
    let y: Tensor<2> = engine.run(x.clone()).unwrap();
    assert!(difference(y, model.forward(x)) < 1e-5);
    for layer in engine.explain().unwrap().layers {
        assert!(
            layer.predicted <= layer.dense && layer.predicted > 0.0,
            "{layer:?}"
        );
    }
}

#[test]
fn threads_change_no_bit() {
    let model = pruned(Residual::new(), 0.8).valid();
    let example = random([4, 3, 16, 16]);
    let one = SparseEngine::compile(&model, example.clone(), Residual::forward).unwrap();
    let config = EngineConfig::new().with_threads(3);
    let three = config
        .compile(&model, example.clone(), Residual::forward)
        .unwrap();
    assert_eq!((one.threads(), three.threads()), (1, 3));
    let [a, b]: [TensorData; 2] = [&one, &three].map(|engine| engine.run(example.clone()).unwrap());
    assert_eq!(a, b);
}
