//! What taps see.

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use secateur::flow::Part;
use secateur::graph::{FlowMoments, Gram, GraphError, InputGram, ModelGraph, Statistic, Taps};
use secateur::methods::{sparse_gpt, wanda};
use secateur::prelude::*;
use secateur::schedule::OneShot;

use crate::models::{Convs, assert_close, floats, random};

/// One layer, used twice.
#[derive(Module, Debug)]
struct Twice {
    layer: Linear,
}

impl Twice {
    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        self.layer.forward(relu(self.layer.forward(x)))
    }
}

/// Notes nothing and scores by the signal's first element.
#[derive(Debug)]
struct ByNorm;

impl ImportanceScorer for ByNorm {
    fn score(&self, ctx: &ScoreContext<'_>) -> Result<Vec<f32>, PruneError> {
        let norms = ctx.signal(&FlowMoments::input_norm())?;
        let [out, ..] = ctx.shape();
        Ok((0..out).flat_map(|_| norms.clone()).collect())
    }

    fn signals(&self) -> Vec<std::sync::Arc<dyn Signal>> {
        vec![std::sync::Arc::new(FlowMoments::input_norm())]
    }
}

#[test]
fn uses_of_a_layer_and_batches_add_up() {
    let model = Twice {
        layer: LinearConfig::new(5, 5).init(&Device::flex()),
    };
    let batches = [random([3, 5]), random([3, 5])];
    let captured = ModelGraph::capture(&model, batches[0].clone(), Twice::forward).unwrap();
    let mut taps = Taps::new(&captured);
    let mut gram = Gram::new(5);
    let mut activations = 0;
    for batch in &batches {
        taps.run(batch.clone(), |flow| {
            assert_eq!(flow.path(), "layer.weight");
            let rows = flow.rows(Part::Input).unwrap();
            rows.for_each(&mut |_, row| gram.add(row));
            activations += usize::from(flow.rows(Part::Activation).is_some());
        })
        .unwrap();
    }
    // Behind the first use stands the ReLU, behind the second nothing.
    assert_eq!(activations, 2);
    assert_eq!(gram.rows(), 12);

    let hidden = batches.clone().map(|x| relu(model.layer.forward(x)));
    let all = Tensor::cat(batches.into_iter().chain(hidden).collect(), 0);
    let want = floats(all.clone().transpose().matmul(all));
    let got: Vec<f32> = (0..25).map(|at| gram.at(at / 5, at % 5) as f32).collect();
    assert_close(&got, &want);
}

#[test]
fn signals_of_a_pruner_are_what_flowed() {
    let mut model = Convs::new();
    let x = random([2, 3, 8, 8]);
    let captured = ModelGraph::capture(&model, x.clone(), Convs::forward).unwrap();
    let mut taps = Taps::new(&captured);
    let mut pruner = PrunerConfig::new()
        .with_scorer(ByNorm)
        .with_comparison(Comparison::OutputRow)
        .with_only(["head.weight"])
        .with_schedule(OneShot::new(0.5))
        .init_module(&model)
        .unwrap();
    assert!(pruner.wants_flow("head.weight"));
    assert!(!pruner.wants_flow("plain.weight"));
    taps.observe(&mut pruner, x.clone()).unwrap();
    taps.observe(&mut pruner, x.clone()).unwrap();
    pruner.prune(&mut model, 0).unwrap();
    let masks = pruner.masks(&model).unwrap();
    let mask = masks.get("head.weight").unwrap();

    let hidden = relu(model.grouped.forward(relu(model.plain.forward(x))));
    let hidden: Tensor<2> = hidden.flatten(1, 3);
    let norms = floats(hidden.powi_scalar(2).sum_dim(0));
    let mut order: Vec<usize> = (0..72).collect();
    order.sort_by(|&a, &b| norms[b].total_cmp(&norms[a]));
    let threshold = norms[order[35]];
    let kept = (0..72).filter(|&i| mask.bits().get(i));
    assert!(kept.clone().count() == 36 && kept.into_iter().all(|i| norms[i] >= threshold));
}

#[test]
fn a_saved_pruner_goes_on_with_its_calibration() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pruner");
    let model = Convs::new();
    let x = random([2, 3, 8, 8]);
    let captured = ModelGraph::capture(&model, x.clone(), Convs::forward).unwrap();
    for config in [wanda(0.5), sparse_gpt(0.5)] {
        let mut pruner = config.clone().init_module(&model).unwrap();
        Taps::new(&captured)
            .observe(&mut pruner, x.clone())
            .unwrap();
        pruner.save_state(&file).unwrap();
        let mut resumed = config.init_module(&model).unwrap();
        resumed.load_state(&file).unwrap();
        assert_eq!(resumed.select(&model, 0), pruner.select(&model, 0));
    }
}

#[test]
fn a_batch_of_another_shape_is_an_error_and_feeds_nothing() {
    let model = Convs::new();
    let x = random([2, 3, 8, 8]);
    let captured = ModelGraph::capture(&model, x.clone(), Convs::forward).unwrap();
    let mut taps = Taps::new(&captured);
    let mut pruner = wanda(0.5).init_module(&model).unwrap();
    let error = taps.observe(&mut pruner, random([3, 3, 8, 8])).unwrap_err();
    assert!(matches!(error, GraphError::Shape { .. }), "{error}");
    assert!(pruner.select(&model, 0).is_err());
    taps.observe(&mut pruner, x).unwrap();
    assert!(pruner.select(&model, 0).is_ok());
}

#[test]
fn memory_does_not_grow_with_the_batches() {
    let rows = secateur::flow::RowTable::new(&[1.0, 2.0, 3.0, 4.0], 2);
    let flow = secateur::flow::Flow::new("w", &rows);
    let (mut gram, mut moments) = (Vec::new(), Vec::new());
    let norm = FlowMoments::new(Part::Input, Statistic::Norm);
    for _ in 0..100 {
        InputGram.update_flow(&mut gram, &flow);
        norm.update_flow(&mut moments, &flow);
    }
    assert_eq!((gram.len(), moments.len()), (3, 1 + 1 + 3 * 2));
    assert_eq!(gram, [1000.0, 1400.0, 2000.0]);
}

#[test]
fn a_matrix_used_the_other_way_round_is_not_observed() {
    use burn::module::Param;

    /// `x W` with a plain matrix, whose view is `[out, in]`, not `[in, out]`.
    #[derive(Module, Debug)]
    struct Plain {
        matrix: Param<Tensor<2>>,
    }
    let model = Plain {
        matrix: Param::from_tensor(random([4, 4])),
    };
    let x = random([2, 4]);
    let observed = |forward: fn(&Plain, Tensor<2>) -> Tensor<2>| {
        let captured = ModelGraph::capture(&model, x.clone(), forward).unwrap();
        let mut pruner = wanda(0.5).init_module(&model).unwrap();
        Taps::new(&captured)
            .observe(&mut pruner, x.clone())
            .unwrap();
        pruner.select(&model, 0).is_ok()
    };
    assert!(!observed(|model, x| x.matmul(model.matrix.val())));
    assert!(observed(|model, x| x.matmul(model.matrix.val().transpose())));
}
