//! Channels whose filters are zero but which still emit their bias or a norm's shift.

use burn::module::{Module, Param};
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig, PaddingConfig2d};
use burn::tensor::activation::{relu, sigmoid};
use burn::tensor::{Device, Distribution, Tensor, s};
use secateur::graph::ModelGraph;
use secateur::prelude::*;
use secateur::structure::coupling::Coupling;
use secateur::structure::plan::Plan;
use secateur::structure::removal::shrink;

#[derive(Module, Prune, Debug)]
struct Net {
    conv1: Conv2d,
    bn1: BatchNorm,
    conv2: Conv2d,
    fc1: Linear,
    fc2: Linear,
    gates: bool,
}

impl Net {
    fn new(padding: usize, gates: bool, device: &Device) -> Self {
        let conv = |channels| {
            let pad = PaddingConfig2d::Explicit(padding, padding, padding, padding);
            Conv2dConfig::new(channels, [3, 3]).with_padding(pad)
        };
        let side = if padding == 1 { 6 * 5 } else { 2 };
        Self {
            conv1: conv([2, 4]).init(device),
            bn1: BatchNormConfig::new(4).init(device),
            conv2: conv([4, 3]).with_bias(false).init(device),
            fc1: LinearConfig::new(3 * side, 5).init(device),
            fc2: LinearConfig::new(5, 2).init(device),
            gates,
        }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<2> {
        let x = relu(self.bn1.forward(self.conv1.forward(x)));
        let x: Tensor<2> = relu(self.conv2.forward(x)).flatten(1, 3);
        let x = self.fc1.forward(x);
        self.fc2
            .forward(if self.gates { sigmoid(x) } else { relu(x) })
    }

    /// With filters of `conv1` at zero, shifts that are not.
    fn with_dead_filters(mut self, dead: &[usize]) -> Self {
        for &filter in dead {
            self.conv1.weight = self.conv1.weight.map(|weight| {
                let zeros = Tensor::zeros([1, 2, 3, 3], &weight.device());
                weight.slice_assign(s![filter..filter + 1, .., .., ..], zeros)
            });
        }
        let device = self.bn1.beta.val().device();
        self.bn1.beta = Param::from_data([0.7, -0.3, 0.4, 0.9], &device);
        self
    }
}

fn example() -> Tensor<4> {
    Tensor::random(
        [3, 2, 6, 5],
        Distribution::Normal(0.0, 1.0),
        &Device::flex(),
    )
}

fn without(net: &Net, layer: &str, outputs: &[usize]) -> (Net, String, bool, usize) {
    let captured = ModelGraph::capture(net, example(), Net::forward).unwrap();
    let coupling = Coupling::of(&captured, &[]).unwrap();
    let mut plan = Plan::new(&coupling);
    plan.remove_outputs(layer, outputs).unwrap();
    let (smaller, certificate) = plan.apply(net, example(), Net::forward).unwrap();
    let text = certificate.to_string();
    (
        smaller,
        text,
        certificate.is_exact(),
        certificate.carriers.len(),
    )
}

fn difference(a: &Net, b: &Net) -> f32 {
    let x = example();
    let difference = a.forward(x.clone()) - b.forward(x);
    difference.abs().max().into_scalar()
}

#[test]
fn without_padding_the_constant_goes_into_a_new_bias() {
    let net = Net::new(0, false, &Device::flex()).with_dead_filters(&[0, 2]);
    let (smaller, text, exact, carriers) = without(&net, "conv1", &[0, 2]);
    assert!(exact, "{text}");
    assert_eq!(carriers, 0);
    assert_eq!(smaller.conv2.weight.dims(), [3, 2, 3, 3]);
    assert!(smaller.conv2.bias.is_some());
    assert!(difference(&net, &smaller) < 1e-5);
}

#[test]
fn under_padding_one_channel_carries_the_constants() {
    let net = Net::new(1, false, &Device::flex()).with_dead_filters(&[0, 2, 3]);
    let (smaller, text, exact, carriers) = without(&net, "conv1", &[0, 2, 3]);
    assert!(exact, "{text}");
    assert_eq!(carriers, 1);
    // One of three is back.
    assert_eq!(smaller.conv2.weight.dims(), [3, 2, 3, 3]);
    assert!(smaller.conv2.bias.is_none());
    assert!(difference(&net, &smaller) < 1e-5);
}

#[test]
fn a_negative_shift_behind_relu_is_no_constant() {
    let net = Net::new(1, false, &Device::flex()).with_dead_filters(&[1]);
    let (smaller, text, exact, carriers) = without(&net, "conv1", &[1]);
    assert!(exact, "{text}");
    assert_eq!(carriers, 0);
    assert_eq!(smaller.conv2.weight.dims(), [3, 3, 3, 3]);
    assert!(difference(&net, &smaller) < 1e-5);
}

#[test]
fn a_sigmoid_of_nothing_is_a_half() {
    // Half of the weights of the removed neurons goes into the next bias: 2 more units than the
    // bias had, by hand.
    let mut net = Net::new(0, true, &Device::flex());
    let device = Device::flex();
    net.fc2.weight = Param::from_data(
        [[1.0, 0.0], [3.0, 0.0], [0.5, 1.0], [0.25, 1.0], [2.0, 2.0]],
        &device,
    );
    net.fc2.bias = Some(Param::from_data([10.0, 20.0], &device));
    let (smaller, text, exact, _) = without(&net, "fc1", &[0, 1]);
    assert!(exact, "{text}");
    let bias = smaller.fc2.bias.unwrap().val().into_data();
    assert_eq!(bias.try_to_vec::<f32>().unwrap(), [12.0, 20.0]);
}

#[test]
fn a_channel_with_weights_goes_with_its_shift() {
    let net = Net::new(1, false, &Device::flex()).with_dead_filters(&[]);
    let (smaller, text, exact, carriers) = without(&net, "conv1", &[0, 3]);
    assert!(exact, "{text}");
    assert_eq!(carriers, 0);
    assert_eq!(smaller.conv1.weight.dims(), [2, 2, 3, 3]);
}

/// Half of the filters under masks, as a training loop leaves them: the smaller model does the same,
/// with the masks on and with zeros for good.
#[test]
fn what_masks_made_zero_goes_in_one_call() {
    for padding in [0, 1] {
        let mut net = Net::new(padding, false, &Device::flex()).with_dead_filters(&[]);
        let mut pruner = PrunerConfig::new()
            .with_scorer(Magnitude::l1())
            .with_pattern(Filter)
            .with_only(["conv1.weight", "conv2.weight"])
            .with_schedule(OneShot::new(0.5))
            .init(&net)
            .unwrap();
        pruner.prune(&mut net, 0).unwrap();
        let zeros = |net: &Net| {
            let weight: Vec<f32> = net.conv1.weight.val().into_data().try_to_vec().unwrap();
            let filters = weight.chunks(18);
            filters
                .filter(|filter| filter.iter().all(|w| *w == 0.0))
                .count()
        };
        assert_eq!(zeros(&net), 2);
        let mut finished = net.clone();
        pruner.finish(&mut finished).unwrap();
        let (smaller, certificate) = shrink(&finished, example(), Net::forward).unwrap();
        assert!(certificate.is_exact(), "{certificate}");
        let left = smaller.conv1.weight.dims()[0];
        assert_eq!(left, 2 + certificate.carriers.len());
        assert!(difference(&net, &smaller) < 1e-5);
        if padding == 0 {
            let (masked, certificate) = shrink(&net, example(), Net::forward).unwrap();
            assert!(certificate.is_exact(), "{certificate}");
            assert_eq!(masked.conv1.weight.dims()[0], 2);
        }
    }
}

#[test]
fn without_zeros_nothing_goes() {
    let net = Net::new(1, false, &Device::flex());
    let (same, certificate) = shrink(&net, example(), Net::forward).unwrap();
    assert!(certificate.is_exact() && certificate.cut.params.is_empty());
    assert_eq!(difference(&net, &same), 0.0);
}
