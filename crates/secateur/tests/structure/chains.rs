//! Layers one after the other, and beside each other.

use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::pool::{MaxPool2d, MaxPool2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig, PaddingConfig2d};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Distribution, Tensor};
use secateur::Prune;
use secateur::graph::ModelGraph;
use secateur::structure::axes::Removed;
use secateur::structure::coupling::Coupling;

#[derive(Module, Prune, Debug)]
pub struct Net {
    pub conv1: Conv2d,
    pub bn1: BatchNorm,
    pub conv2: Conv2d,
    pool: MaxPool2d,
    pub fc: Linear,
}

impl Net {
    pub fn new(device: &Device) -> Self {
        let conv = |channels| {
            Conv2dConfig::new(channels, [3, 3]).with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1))
        };
        Self {
            conv1: conv([1, 4]).init(device),
            bn1: BatchNormConfig::new(4).init(device),
            conv2: conv([4, 6]).init(device),
            pool: MaxPool2dConfig::new([2, 2]).init(),
            fc: LinearConfig::new(6 * 2 * 3, 5).init(device),
        }
    }

    pub fn forward(&self, x: Tensor<4>) -> Tensor<2> {
        let x = relu(self.bn1.forward(self.conv1.forward(x)));
        let x = relu(self.conv2.forward(x));
        let x: Tensor<2> = self.pool.forward(x).flatten(1, 3);
        self.fc.forward(x)
    }
}

pub fn example() -> Tensor<4> {
    let shape = [2, 1, 4, 6];
    Tensor::random(shape, Distribution::Default, &Device::flex())
}

fn coupling() -> Coupling {
    let net = Net::new(&Device::flex());
    let captured = ModelGraph::capture(&net, example(), Net::forward).unwrap();
    Coupling::of(&captured, &[]).unwrap()
}

#[test]
fn channels_go_with_their_norm_and_the_next_inputs() {
    let coupling = coupling();
    let free: Vec<&str> = coupling
        .groups()
        .iter()
        .filter(|group| group.is_free())
        .map(|group| group.name())
        .collect();
    assert_eq!(free, ["conv1.weight", "conv2.weight"]);

    let unit = coupling.units_at("conv1.weight", 0, 3).unwrap()[0];
    let mut removed = Removed::new();
    removed.insert(unit.axis, unit.place);
    let cut = coupling.cut(&removed);
    let shapes: Vec<(&str, Vec<usize>)> = cut
        .params
        .iter()
        .map(|(path, cut)| (path.as_str(), cut.shape_after()))
        .collect();
    assert_eq!(
        shapes,
        [
            ("bn1.beta", vec![3]),
            ("bn1.gamma", vec![3]),
            ("bn1.running_mean", vec![3]),
            ("bn1.running_var", vec![3]),
            ("conv1.bias", vec![3]),
            ("conv1.weight", vec![3, 1, 3, 3]),
            ("conv2.weight", vec![6, 3, 3, 3]),
        ]
    );
}

#[test]
fn a_flattened_channel_takes_its_pixels_along_and_says_why() {
    let coupling = coupling();
    let unit = coupling.units_at("conv2.weight", 0, 2).unwrap()[0];
    assert_eq!(
        coupling.explain(unit).unwrap().to_string(),
        "removing output 2 of conv2.weight\n  \
           removes output 2 of conv2.bias, because of Conv2d\n  \
           removes inputs 12..18 of fc.weight, because of Relu, MaxPool2d, Reshape, Matmul"
    );
}

#[test]
fn the_smaller_graph_has_the_smaller_shapes() {
    let coupling = coupling();
    let mut removed = Removed::new();
    for place in [0, 5] {
        let unit = coupling.units_at("conv2.weight", 0, place).unwrap()[0];
        removed.insert(unit.axis, unit.place);
    }
    let graph = coupling.smaller_graph(&removed);
    let flat = graph.values.iter().find(|value| value.shape == [2, 24]);
    assert!(flat.is_some());
}
