//! What has to stay, and models that cannot follow.

use burn::module::{Module, Param};
use burn::nn::attention::{CrossAttention, CrossAttentionConfig};
use burn::nn::conv::Conv2d;
use burn::nn::{GroupNorm, GroupNormConfig, Linear};
use burn::tensor::activation::{relu, sigmoid};
use burn::tensor::{Device, Int, Tensor};
use secateur::Prune;
use secateur::graph::{GraphTensors, ModelGraph};
use secateur::structure::coupling::{Coupling, Unit};
use secateur::structure::error::StructureError;
use secateur::structure::plan::Plan;

use super::attention::Heads;
use super::chains::{Perceptron, Plain};
use super::check::{Topology, elements, model, name_of};
use super::embeddings::Bag;
use super::layers::{conv, learned, linear, pooled, values};
use super::residual::Zeros;
use super::transformers::{Encoder, OfBurn, Rotary};

/// Why a place of a parameter has to stay.
fn pins(coupling: &Coupling, path: &str, dim: usize) -> String {
    let units = coupling.units_at(path, dim, 0).unwrap();
    let groups = units.iter().filter_map(|unit| coupling.group(unit.axis));
    let pins = groups.flat_map(|group| group.pins.iter().map(ToString::to_string));
    pins.collect::<Vec<_>>().join("; ")
}

fn of<M: Topology>() -> Coupling {
    model::<M>(&Device::flex()).coupling()
}

fn says(coupling: &Coupling, path: &str, dim: usize, words: &str) {
    let pins = pins(coupling, path, dim);
    assert!(
        pins.contains(words),
        "{path}[{dim}]: {pins:?}\n{}",
        coupling.graph()
    );
}

#[test]
fn ends_of_the_model_stay() {
    let coupling = of::<Perceptron>();
    says(&coupling, "fc1.weight", 0, "input 0 of the model");
    says(&coupling, "fc3.weight", 1, "output 0 of the model");
    says(&coupling, "fc3.bias", 0, "output 0 of the model");
    assert_eq!(pins(&coupling, "fc2.weight", 0), "");
}

#[test]
fn positions_stay() {
    let coupling = of::<Plain>();
    says(&coupling, "conv1.weight", 2, "Conv2d, counts positions");
    says(
        &of::<Bag>(),
        "table.weight",
        0,
        "Embedding, counts positions",
    );
}

#[test]
fn what_forward_makes_stays() {
    // The last three of nine channels are zeros in the shortcut.
    let coupling = of::<Zeros>();
    let units = coupling.units_at("conv2.weight", 0, 8).unwrap();
    let group = coupling.group(units[0].axis).unwrap();
    let pins: Vec<String> = group.pins.iter().map(ToString::to_string).collect();
    assert!(
        pins[0].contains("a tensor that `forward` makes"),
        "{pins:?}"
    );
}

#[test]
fn what_a_constant_tells_apart_stays() {
    let coupling = of::<Rotary>();
    let width = coupling.units_at("attention.query.weight", 1, 0).unwrap();
    let pinned = width.iter().filter_map(|unit| coupling.group(unit.axis));
    let pins: Vec<String> = pinned
        .flat_map(|group| group.pins.iter().map(ToString::to_string))
        .collect();
    assert!(
        pins.iter()
            .any(|pin| pin.contains("a constant of `forward`")),
        "{pins:?}"
    );
}

#[test]
fn attention_of_burn_stays_by_name() {
    let coupling = of::<OfBurn>();
    for (path, dim) in [
        ("query.weight", 0),
        ("query.weight", 1),
        ("output.weight", 1),
    ] {
        let path = format!("attention.{path}");
        says(
            &coupling,
            &path,
            dim,
            "`attention` is a `MultiHeadAttention`",
        );
    }
    let coupling = of::<Encoder>();
    let path = "encoder.layers.1.mha.key.weight";
    says(
        &coupling,
        path,
        1,
        "`encoder.layers.1.mha` is a `MultiHeadAttention`",
    );
}

#[derive(Module, Prune, Debug)]
struct Private {
    stem: Linear,
    attention: CrossAttention,
    last: Linear,
}

#[test]
fn layers_with_private_sizes_stay_by_name() {
    let device = Device::flex();
    let net = Private {
        stem: linear(&device, [3, 8]),
        attention: CrossAttentionConfig::new(8, 8, 2, 2, 4).init(&device),
        last: linear(&device, [8, 2]),
    };
    let forward = |net: &Private, x: Tensor<3>| {
        let x = net.stem.forward(x);
        net.last.forward(net.attention.forward(x.clone(), x, None))
    };
    let captured = ModelGraph::capture(&net, values(&device, [2, 5, 3]), forward).unwrap();
    let coupling = Coupling::of_layers(&net, &captured, &[]).unwrap();
    says(
        &coupling,
        "stem.weight",
        1,
        "`attention` is a `CrossAttention`",
    );
    let coupling = Coupling::of_layers(&net, &captured, &["last".into()]).unwrap();
    says(&coupling, "last.weight", 0, "`last` is marked `skip`");
}

/// Removes the first place of a parameter's dimension.
fn removing<M, I, O>(
    net: &M,
    example: I,
    forward: impl Fn(&M, I) -> O,
    path: &str,
    dim: usize,
    unit: usize,
) -> StructureError
where
    M: Module + secateur::core::layers::Prunable,
    I: GraphTensors + Clone,
    O: GraphTensors,
{
    let captured = ModelGraph::capture(net, example.clone(), &forward).unwrap();
    let coupling = Coupling::of_layers(net, &captured, &[]).unwrap();
    let mut plan = Plan::new(&coupling);
    let unit: Unit = coupling.units_at(path, dim, 0).unwrap()[unit];
    if let Err(error) = plan.remove(unit) {
        return error;
    }
    let before = elements(net);
    let Err(error) = plan.apply(net, example, forward) else {
        panic!("{path} was made smaller:\n{}", captured.graph());
    };
    assert_eq!(elements(net), before);
    error
}

fn hard_coded(error: &StructureError, wanted: &str) {
    let StructureError::HardCoded { operation, .. } = error else {
        panic!("{error}");
    };
    assert!(operation.contains(wanted), "{error}");
}

#[derive(Module, Prune, Debug)]
struct Small {
    conv: Conv2d,
    fc: Linear,
}

impl Small {
    fn new(device: &Device) -> Self {
        Self {
            conv: conv(device, [2, 6], 3),
            fc: linear(device, [6, 3]),
        }
    }
}

#[test]
fn a_size_written_into_forward_is_named() {
    let device = Device::flex();
    let net = Small::new(&device);
    let example = || values(&device, [2, 2, 3, 4]);
    let reshaped = |net: &Small, x: Tensor<4>| {
        let x = relu(net.conv.forward(x)).mean_dim(3).mean_dim(2);
        net.fc.forward(x.reshape([2, 6]))
    };
    let error = removing(&net, example(), reshaped, "conv.weight", 0, 0);
    hard_coded(&error, "Mean");
    let picked = |net: &Small, x: Tensor<4>| {
        let x = net.conv.forward(x);
        let order = Tensor::<1, Int>::from_data([5, 0, 3, 1, 4, 2], &x.device());
        net.fc.forward(pooled(x.select(1, order)))
    };
    let captured = ModelGraph::capture(&net, example(), picked).unwrap();
    let coupling = Coupling::of(&captured, &[]).unwrap();
    assert!(
        !coupling
            .groups()
            .iter()
            .any(|group| group.is_free() && group.size > 1)
    );
    let cut = |net: &Small, x: Tensor<4>| {
        let x = net.conv.forward(x);
        let first = x.clone().narrow(1, 0, 3).mean_dim(1);
        net.fc.forward(pooled(x + first))
    };
    let error = removing(&net, example(), cut, "conv.weight", 0, 0);
    hard_coded(&error, "Slice");
}

#[test]
fn a_width_in_a_field_is_named() {
    let device = Device::flex();
    let net: Heads = model(&device);
    let coupling = net.coupling();
    let groups = coupling.groups().iter();
    let held: Vec<_> = groups
        .filter(|group| Heads::HELD.contains(&name_of(group).as_str()))
        .collect();
    assert_eq!(held.len(), 1);
    for group in held {
        let mut plan = Plan::new(&coupling);
        let unit = Unit {
            axis: group.axis,
            place: 1,
        };
        plan.remove(unit).unwrap();
        let error = plan
            .apply(&net, Heads::example(&device), Heads::run)
            .unwrap_err();
        assert!(matches!(error, StructureError::HardCoded { .. }), "{error}");
    }
}

#[derive(Module, Prune, Debug)]
struct Stored {
    conv: Conv2d,
    norm: GroupNorm,
    fc: Linear,
}

#[test]
fn a_norm_without_parameters_holds_its_channels() {
    let device = Device::flex();
    let net = Stored {
        conv: conv(&device, [2, 6], 3),
        norm: GroupNormConfig::new(2, 6).with_affine(false).init(&device),
        fc: linear(&device, [6, 3]),
    };
    let forward = |net: &Stored, x: Tensor<4>| {
        let x = net.norm.forward(net.conv.forward(x));
        net.fc.forward(pooled(relu(x)))
    };
    let error = removing(
        &net,
        values(&device, [2, 2, 3, 4]),
        forward,
        "conv.weight",
        0,
        0,
    );
    hard_coded(&error, "Conv2d");
}

#[derive(Module, Prune, Debug)]
struct Three {
    first: Linear,
    second: Linear,
    last: Linear,
}

#[test]
fn an_unknown_coupling_is_named() {
    let device = Device::flex();
    let net = Three {
        first: linear(&device, [4, 8]),
        second: linear(&device, [3, 6]),
        last: linear(&device, [6, 2]),
    };
    let forward = |net: &Three, x: Tensor<2>| {
        let largest = net.first.forward(x).topk(3, 1);
        net.last.forward(relu(net.second.forward(largest)))
    };
    let error = removing(&net, values(&device, [5, 4]), forward, "first.weight", 1, 0);
    let StructureError::Pinned { why, .. } = &error else {
        panic!("{error}");
    };
    assert!(
        why.contains("TopK, couples its dimensions is not known"),
        "{error}"
    );
}

#[test]
fn a_computed_index_holds_what_it_points_at() {
    let device = Device::flex();
    let net = Three {
        first: linear(&device, [4, 8]),
        second: linear(&device, [1, 6]),
        last: linear(&device, [6, 2]),
    };
    let forward = |net: &Three, x: Tensor<2>| {
        let x = net.first.forward(x);
        let best = x.clone().gather(1, x.argmax(1));
        net.last.forward(relu(net.second.forward(best)))
    };
    let error = removing(&net, values(&device, [5, 4]), forward, "first.weight", 1, 0);
    assert!(
        error.to_string().contains("refers to its places"),
        "{error}"
    );
}

#[test]
fn a_reshape_across_channels_holds_them() {
    let device = Device::flex();
    let net = Three {
        first: linear(&device, [4, 9]),
        second: linear(&device, [6, 6]),
        last: linear(&device, [6, 2]),
    };
    let forward = |net: &Three, x: Tensor<2>| {
        // Nine features of two examples as six of three.
        let x = net.first.forward(x).reshape([3, 6]);
        net.last.forward(relu(net.second.forward(x)))
    };
    let error = removing(&net, values(&device, [2, 4]), forward, "first.weight", 1, 0);
    assert!(
        error.to_string().contains("Reshape, cuts across it"),
        "{error}"
    );
}

#[test]
fn one_parameter_in_two_fields_is_cut_alike_or_not() {
    let device = Device::flex();
    let mut net = Three {
        first: linear(&device, [4, 6]),
        second: linear(&device, [6, 4]),
        last: linear(&device, [4, 6]),
    };
    net.last.weight = net.first.weight.clone();
    let forward = |net: &Three, x: Tensor<2>| {
        let x = net.second.forward(relu(net.first.forward(x)));
        net.last.forward(relu(x))
    };
    let error = removing(&net, values(&device, [5, 4]), forward, "first.weight", 1, 0);
    assert!(
        matches!(
            error,
            StructureError::TiedCut { .. } | StructureError::Pinned { .. }
        ),
        "{error}"
    );
}

/// A place for each step of a longest sequence.
#[derive(Module, Prune, Debug)]
struct Placed {
    first: Linear,
    places: Param<Tensor<2>>,
    last: Linear,
}

#[test]
fn places_of_longer_sequences_stay() {
    let device = Device::flex();
    let net = Placed {
        first: linear(&device, [4, 6]),
        places: learned(&device, [9, 6]),
        last: linear(&device, [6, 2]),
    };
    let forward = |net: &Placed, x: Tensor<2>| {
        let x = net.first.forward(x) + net.places.val().narrow(0, 0, 5);
        net.last.forward(relu(x))
    };
    let captured = ModelGraph::capture(&net, values(&device, [5, 4]), forward).unwrap();
    let coupling = Coupling::of(&captured, &[]).unwrap();
    let unread = coupling.units_at("places", 0, 7).unwrap()[0];
    let group = coupling.group(unread.axis).unwrap();
    assert!(group.pins[0].to_string().contains("nothing reads it"));
}

/// What a sigmoid makes of nothing is read by the next layer.
#[test]
fn what_comes_without_weights_is_declared() {
    let device = Device::flex();
    let net = Small::new(&device);
    let forward = |net: &Small, x: Tensor<4>| net.fc.forward(pooled(sigmoid(net.conv.forward(x))));
    let captured = ModelGraph::capture(&net, values(&device, [2, 2, 3, 4]), forward).unwrap();
    let coupling = Coupling::of(&captured, &[]).unwrap();
    let unit = coupling.units_at("conv.weight", 0, 0).unwrap()[0];
    let changes = &coupling.group(unit.axis).unwrap().changes;
    assert_eq!(changes.len(), 1);
    assert!(
        changes[0].to_string().contains("Matmul, still reads"),
        "{}",
        changes[0]
    );
}
