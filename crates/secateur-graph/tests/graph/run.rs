//! Captured models against the models themselves.

use burn::module::Module;
use burn::nn::attention::{MhaInput, MultiHeadAttention, MultiHeadAttentionConfig};
use burn::nn::{Lstm, LstmConfig};
use burn::tensor::{Device, Distribution, Tensor, Tolerance};
use secateur_graph::{Features, Gram, GraphError, ModelGraph, Moments, OpKind, Runner};

use crate::nets::{LeNet5, Mlp, ResNet};

fn random<const D: usize>(shape: [usize; D]) -> Tensor<D> {
    Tensor::random(shape, Distribution::Normal(0.0, 1.0), &Device::flex())
}

#[test]
fn outputs_are_the_models() {
    let net = ResNet::cifar(1, &Device::flex());
    let captured = ModelGraph::capture(&net, random([2, 3, 32, 32]), ResNet::forward).unwrap();
    let mut runner = Runner::new(&captured);
    for _ in 0..3 {
        let x = random([2, 3, 32, 32]);
        let got = runner.run(x.clone(), |_| {}).unwrap();
        let want = net.forward(x).into_data();
        got[0].assert_approx_eq::<f32>(&want, Tolerance::default());
    }
}

#[test]
fn recurrent_and_attentive_models_run() {
    #[derive(Module, Debug)]
    struct Net {
        attention: MultiHeadAttention,
        lstm: Lstm,
    }
    let device = Device::flex();
    let net = Net {
        attention: MultiHeadAttentionConfig::new(8, 2).init(&device),
        lstm: LstmConfig::new(8, 4, true).init(&device),
    };
    let forward = |net: &Net, x: Tensor<3>| {
        let x = net.attention.forward(MhaInput::self_attn(x)).context;
        net.lstm.forward(x, None).0
    };
    let x = random([2, 3, 8]);
    let captured = ModelGraph::capture(&net, x.clone(), forward).unwrap();
    let got = Runner::new(&captured).run(x.clone(), |_| {}).unwrap();
    got[0].assert_approx_eq::<f32>(&forward(&net, x).into_data(), Tolerance::default());
}

#[test]
fn an_observer_sees_what_layers_are_given() {
    let net = Mlp::new(&[6, 5, 4], &Device::flex());
    let x = random([3, 6]);
    let captured = ModelGraph::capture(&net, x.clone(), Mlp::forward).unwrap();
    let graph = captured.graph();
    let mut inputs = Vec::new();
    Runner::new(&captured)
        .run(x.clone(), |seen| {
            if Features::of(graph, seen.id()).is_some() {
                inputs.push(seen.input(0));
            }
        })
        .unwrap();
    assert_eq!(inputs.len(), 2);
    assert_eq!(inputs[0], x.clone().into_data());
    let hidden = burn::tensor::activation::relu(net.layers[0].forward(x));
    inputs[1].assert_approx_eq::<f32>(&hidden.into_data(), Tolerance::default());
}

#[test]
fn statistics_of_a_convolution_are_those_of_its_windows() {
    let net = LeNet5::new(&Device::flex());
    let x = random([2, 1, 28, 28]);
    let captured = ModelGraph::capture(&net, x.clone(), LeNet5::forward).unwrap();
    let graph = captured.graph();
    let (id, _) = graph
        .enumerate()
        .find(|(_, operation)| matches!(operation.kind, OpKind::Conv(_)))
        .unwrap();
    let features = Features::of(graph, id).unwrap();
    assert_eq!((features.groups, features.features), (1, 25));
    let (mut moments, mut gram) = (Moments::new(25), Gram::new(25));
    let data: Vec<f32> = x.clone().into_data().iter::<f32>().collect();
    features.for_each_row(&data, |_, row| {
        moments.add(row);
        gram.add(row);
    });
    assert_eq!(moments.rows(), 2 * 24 * 24);
    // Feature (1, 2) of the kernel sees the pixels from there to 22 and 21 before the end.
    let seen = x.slice([0..2, 0..1, 1..25, 2..26]);
    let want = f64::from(seen.clone().powi_scalar(2).sum().into_scalar::<f32>());
    assert!((gram.at(7, 7) / want - 1.0).abs() < 1e-4);
    let mean = f64::from(seen.mean().into_scalar::<f32>());
    assert!((moments.mean()[7] - mean).abs() < 1e-4);
    assert!((moments.norm()[7] - want.sqrt()).abs() < 1e-2);
}

#[test]
fn wrong_inputs_are_refused_and_the_runner_stays() {
    let net = Mlp::new(&[6, 4], &Device::flex());
    let captured = ModelGraph::capture(&net, random([3, 6]), Mlp::forward).unwrap();
    let mut runner = Runner::new(&captured);
    let error = runner.run(random([2, 6]), |_| {}).unwrap_err();
    assert!(
        matches!(&error, GraphError::Shape { index: 0, got, .. } if got == &[2, 6]),
        "{error}"
    );
    let error = runner
        .run((random([3, 6]), random([3, 6])), |_| {})
        .unwrap_err();
    assert!(
        matches!(
            error,
            GraphError::Inputs {
                got: 2,
                expected: 1
            }
        ),
        "{error}"
    );
    assert!(runner.run(random([3, 6]), |_| {}).is_ok());
}
