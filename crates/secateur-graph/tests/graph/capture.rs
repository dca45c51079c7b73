//! What a capture sees, and what it refuses.

use burn::module::{Module, Param};
use burn::nn::attention::{MhaInput, MultiHeadAttention, MultiHeadAttentionConfig};
use burn::nn::{
    BatchNorm, BatchNormConfig, Embedding, EmbeddingConfig, Linear, LinearConfig, LinearLayout,
    Lstm, LstmConfig, PRelu, PReluConfig,
};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Distribution, Int, Tensor};
use secateur_graph::{
    Counts, GraphError, ModelGraph, OpKind, Role, Source, graphviz, mermaid,
};

use crate::nets::Mlp;

fn mlp() -> Mlp {
    Mlp::new(&[6, 5, 4], &Device::flex())
}

fn input() -> Tensor<2> {
    Tensor::random([3, 6], Distribution::Default, &Device::flex())
}

#[test]
fn operations_come_in_order_with_their_parameters() {
    let captured = ModelGraph::capture(&mlp(), input(), Mlp::forward).unwrap();
    let graph = captured.graph();
    let layers: Vec<_> = graph
        .enumerate()
        .filter(|(_, operation)| matches!(operation.kind, OpKind::Linear | OpKind::Matmul))
        .map(|(id, _)| graph.layer(id))
        .collect();
    assert_eq!(layers, [Some("layers.0"), Some("layers.1")], "{graph}");
    assert!(
        graph
            .enumerate()
            .any(|(id, _)| graph.parameters_of(id).contains(&("layers.0.weight", Role::Weight)))
    );
    assert_eq!(graph.inputs.len(), 1);
    assert_eq!(graph.value(graph.inputs[0]).shape, [3, 6]);
    assert_eq!(graph.value(graph.outputs[0]).shape, [3, 4]);
    assert!(graph.unused_parameters().is_empty());
}

#[test]
fn the_model_is_as_before() {
    #[derive(Module, Debug)]
    struct Net {
        norm: BatchNorm,
        fc: Linear,
    }
    let device = Device::flex();
    let net = Net {
        norm: BatchNormConfig::new(6).init(&device),
        fc: LinearConfig::new(6, 2).init(&device),
    };
    let x = input();
    let forward = |net: &Net, x: Tensor<2>| {
        let x: Tensor<3> = x.unsqueeze_dim(2);
        net.fc.forward(net.norm.forward(x).squeeze_dim(2))
    };
    let before = forward(&net, x.clone()).into_data();
    for _ in 0..2 {
        let captured = ModelGraph::capture(&net, x.clone(), forward).unwrap();
        let norm = captured
            .graph()
            .enumerate()
            .find(|(_, operation)| matches!(operation.kind, OpKind::BatchNorm { .. }))
            .unwrap();
        assert_eq!(
            captured.graph().parameters_of(norm.0),
            [
                ("norm.gamma", Role::NormScale),
                ("norm.beta", Role::NormShift),
                ("norm.running_mean", Role::RunningStatistic),
                ("norm.running_var", Role::RunningStatistic),
            ]
        );
        assert_eq!(forward(&net, x.clone()).into_data(), before);
        assert_eq!(net.norm.running_mean.value().device(), device);
    }
}

#[test]
fn masks_are_folded_and_counted() {
    use secateur_core::{mask::Mask, torch};
    let mut net = mlp();
    let kept: Vec<bool> = (0..30).map(|at| at % 3 == 0).collect();
    let mask = Mask::from_bools([5, 6, 1], &kept).unwrap();
    torch::custom_from_mask(&mut net, "layers.0.weight", &mask).unwrap();
    let captured = ModelGraph::capture(&net, input(), Mlp::forward).unwrap();
    let counts = Counts::of(captured.graph());
    assert_eq!(counts.multiply_adds().dense, 3 * (30 + 20));
    assert_eq!(counts.multiply_adds().effective, 3 * (10 + 20));
    assert!(
        captured
            .graph()
            .values
            .iter()
            .all(|value| !matches!(&value.source, Source::Parameter(path) if path.contains("mask")))
    );
}

#[test]
fn reading_the_inputs_values_is_refused() {
    let by_value = |net: &Mlp, x: Tensor<2>| {
        let first = x.clone().into_data().iter::<f32>().next().unwrap();
        net.forward(if first > 0.3 { relu(x) } else { x })
    };
    let x = Tensor::full([3, 6], 1.0, &Device::flex());
    let error = ModelGraph::capture(&mlp(), x, by_value).unwrap_err();
    assert!(matches!(error, GraphError::DataDependent { .. }), "{error}");

    let baked_in = |net: &Mlp, x: Tensor<2>| {
        let scale: Tensor<1> = Tensor::from_data(
            [x.clone().into_data().iter::<f32>().next().unwrap()],
            &x.device(),
        );
        net.forward(x * scale.unsqueeze())
    };
    let error = ModelGraph::capture(&mlp(), input(), baked_in).unwrap_err();
    assert!(matches!(error, GraphError::DataDependent { .. }), "{error}");
}

#[test]
fn a_panic_is_quoted_with_the_operation_before_it() {
    let forward = |net: &Mlp, x: Tensor<2>| {
        let y = net.forward(x);
        let _: f32 = y.clone().sum().into_scalar();
        y
    };
    match ModelGraph::capture(&mlp(), input(), forward).unwrap_err() {
        GraphError::Panicked { message, last } => {
            assert!(last.contains("Sum"), "{last}");
            assert!(!message.is_empty());
        }
        other => panic!("{other}"),
    }
    // The device can be used again.
    assert!(ModelGraph::capture(&mlp(), input(), Mlp::forward).is_ok());
}

#[test]
fn tensors_from_elsewhere_are_refused() {
    let elsewhere = |net: &Mlp, x: Tensor<2>| {
        let _ = net.forward(x);
        input()
    };
    let error = ModelGraph::capture(&mlp(), input(), elsewhere).unwrap_err();
    assert!(
        matches!(
            error,
            GraphError::Boundary {
                boundary: "output",
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn several_inputs_and_outputs() {
    let net = mlp();
    let forward = |net: &Mlp, (a, b): (Tensor<2>, Tensor<2>)| {
        let sum = net.forward(a.clone() + b);
        (sum.clone(), vec![sum.clone(), net.forward(a)])
    };
    let captured = ModelGraph::capture(&net, (input(), input()), forward).unwrap();
    assert_eq!(captured.graph().inputs.len(), 2);
    // The same tensor twice is one output.
    assert_eq!(captured.graph().outputs.len(), 2);
}

#[test]
fn other_layers_are_captured() {
    #[derive(Module, Debug)]
    struct Net {
        embedding: Embedding,
        attention: MultiHeadAttention,
        slope: PRelu,
        lstm: Lstm,
        column: Linear,
        unused: Param<Tensor<1>>,
    }
    let device = Device::flex();
    let net = Net {
        embedding: EmbeddingConfig::new(11, 8).init(&device),
        attention: MultiHeadAttentionConfig::new(8, 2).init(&device),
        slope: PReluConfig::new().init(&device),
        lstm: LstmConfig::new(8, 4, true).init(&device),
        column: LinearConfig::new(4, 3)
            .with_layout(LinearLayout::Col)
            .init(&device),
        unused: Param::from_data([1.0, 2.0], &device),
    };
    let tokens = Tensor::<2, Int>::from_data([[1, 2, 3], [4, 5, 10]], &device);
    let captured = ModelGraph::capture(&net, tokens, |net: &Net, tokens: Tensor<2, Int>| {
        let x = net.embedding.forward(tokens);
        let x = net.attention.forward(MhaInput::self_attn(x)).context;
        let (x, _) = net.lstm.forward(net.slope.forward(x), None);
        net.column.forward(x)
    })
    .unwrap();
    let graph = captured.graph();
    assert_eq!(graph.unused_parameters(), ["unused"], "{graph}");
    let used: Vec<(&str, Role)> = graph
        .enumerate()
        .flat_map(|(id, _)| graph.parameters_of(id))
        .collect();
    for expected in [
        ("embedding.weight", Role::Weight),
        ("attention.query.weight", Role::Weight),
        ("column.weight", Role::Weight),
    ] {
        assert!(used.contains(&expected), "{expected:?} in {used:?}");
    }
    let counts = Counts::of(graph);
    // Projections, scores and sums of attention, the gates of three steps, the last layer; all
    // for two sequences of three.
    let attention = 4 * 6 * 64 + 2 * 2 * (2 * 9 * 4);
    let lstm = 6 * 4 * (8 * 4 + 4 * 4);
    assert_eq!(
        counts.multiply_adds().dense,
        attention + lstm + 6 * 12,
        "{counts}"
    );
    assert_eq!(counts.unused_parameters, 2);
}

#[test]
fn pictures_name_layers_and_shapes() {
    let captured = ModelGraph::capture(&mlp(), input(), Mlp::forward).unwrap();
    let dot = graphviz(captured.graph());
    assert!(dot.starts_with("digraph") && dot.trim_end().ends_with('}'));
    assert!(dot.contains("layers.1") && dot.contains("[3, 4]"), "{dot}");
    let chart = mermaid(captured.graph());
    assert!(chart.starts_with("flowchart") && chart.contains("layers.0"), "{chart}");
}

#[test]
fn json_comes_back() {
    let captured = ModelGraph::capture(&mlp(), input(), Mlp::forward).unwrap();
    let text = serde_json::to_string(captured.graph()).unwrap();
    let graph: secateur_graph::Graph = serde_json::from_str(&text).unwrap();
    assert_eq!(&graph, captured.graph());
    let counts = Counts::of(&graph);
    let text = serde_json::to_string(&counts).unwrap();
    assert_eq!(serde_json::from_str::<Counts>(&text).unwrap(), counts);
}
