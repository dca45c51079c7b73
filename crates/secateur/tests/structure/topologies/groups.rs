//! Which places go together, written out by hand.

use burn::tensor::Device;
use secateur::graph::Counts;
use secateur::structure::coupling::{Coupling, Group, Unit};

use super::attention::{Folded, GroupedQuery, Heads};
use super::chains::{Flattened, Perceptron, Plain, Repeated};
use super::check::{Topology, model, name_of, random_plan};
use super::embeddings::Tied;
use super::gated::{FusedGate, Squeezed};
use super::grouped::{Grouped, Separable};
use super::joined::Dense;
use super::recurrent::{Remembering, Simple};
use super::residual::{Identity, Padded};
use super::scales::SuperResolution;

fn coupling<M: Topology>() -> Coupling {
    model::<M>(&Device::flex()).coupling()
}

fn group<'a>(coupling: &'a Coupling, name: &str) -> &'a Group {
    let mut groups = coupling.groups().iter();
    let found = groups.find(|group| group.is_free() && name_of(group) == name);
    found.unwrap_or_else(|| panic!("no {name}"))
}

/// The dimensions in which the places of a group occur.
fn members<M: Topology>(name: &str) -> Vec<String> {
    let coupling = coupling::<M>();
    let members = group(&coupling, name).members.iter();
    let members = members.map(|member| format!("{}[{}]", member.path, member.dim));
    members.collect()
}

/// The places of a parameter's dimension that go with one place of a group.
fn places<M: Topology>(name: &str, place: usize, path: &str, dim: usize) -> Vec<usize> {
    let coupling = coupling::<M>();
    let group = group(&coupling, name);
    let mut members = group.members.iter();
    let member = members.find(|member| member.path == path && member.dim == dim);
    let axis = group.axis;
    coupling.places(member.unwrap(), Unit { axis, place })
}

fn norm(name: &str) -> Vec<String> {
    ["gamma", "beta", "running_mean", "running_var"]
        .map(|part| format!("{name}.{part}[0]"))
        .to_vec()
}

/// Lists of names, and norms among them.
macro_rules! list {
    ($($part:expr),+ $(,)?) => {{
        let mut list: Vec<String> = Vec::new();
        $(list.extend(Part::names($part));)+
        list
    }};
}

trait Part {
    fn names(self) -> Vec<String>;
}

impl Part for &str {
    fn names(self) -> Vec<String> {
        vec![self.into()]
    }
}

impl Part for Vec<String> {
    fn names(self) -> Vec<String> {
        self
    }
}

#[test]
fn a_channel_takes_its_norm_and_the_next_inputs() {
    assert_eq!(
        members::<Plain>("conv1.weight 6"),
        list![
            "conv1.weight[0]",
            "conv1.bias[0]",
            norm("bn1"),
            "conv2.weight[1]"
        ]
    );
    assert_eq!(
        members::<Plain>("conv2.weight 8"),
        list![
            "conv2.weight[0]",
            "conv2.bias[0]",
            norm("bn2"),
            "fc.weight[0]"
        ]
    );
}

#[test]
fn a_flattened_channel_takes_its_pixels() {
    assert_eq!(
        members::<Flattened>("conv2.weight 6"),
        list!["conv2.weight[0]", "conv2.bias[0]", "fc1.weight[0]"]
    );
    let pixels: Vec<usize> = (24..30).collect();
    assert_eq!(
        places::<Flattened>("conv2.weight 6", 4, "fc1.weight", 0),
        pixels
    );
}

#[test]
fn the_inputs_of_a_repeated_layer_are_its_outputs() {
    assert_eq!(
        members::<Repeated>("first.weight 6"),
        list![
            "first.weight[1]",
            "first.bias[0]",
            "same.weight[0]",
            "same.weight[1]",
            "same.bias[0]",
            "last.weight[0]",
        ]
    );
}

#[test]
fn a_trunk_goes_through_all_blocks() {
    assert_eq!(
        members::<Identity>("stem.weight 6"),
        list![
            "stem.weight[0]",
            "stem.bias[0]",
            "blocks.0.conv1.weight[1]",
            "blocks.0.conv2.weight[0]",
            "blocks.0.conv2.bias[0]",
            norm("blocks.0.bn2"),
            "blocks.1.conv1.weight[1]",
            "blocks.1.conv2.weight[0]",
            "blocks.1.conv2.bias[0]",
            norm("blocks.1.bn2"),
            "fc.weight[0]",
        ]
    );
}

#[test]
fn channels_beside_zeros_stay() {
    // Three zeros, six channels of the stem, three zeros.
    assert_eq!(
        members::<Padded>("stem.weight 6"),
        list![
            "stem.weight[0]",
            "stem.bias[0]",
            "conv1.weight[1]",
            "conv2.weight[0]",
            "conv2.bias[0]",
            "fc.weight[0]",
        ]
    );
    assert_eq!(places::<Padded>("stem.weight 6", 1, "conv2.weight", 0), [4]);
    let coupling = coupling::<Padded>();
    let units = coupling.units_at("conv2.weight", 0, 2).unwrap();
    let group = coupling.group(units[0].axis).unwrap();
    assert_eq!(group.size, 3);
    assert!(
        group.pins[0].to_string().contains("Pad"),
        "{:?}",
        group.pins
    );
}

#[test]
fn a_joined_channel_is_read_by_every_later_layer() {
    assert_eq!(
        members::<Dense>("stem.weight 5"),
        list![
            "stem.weight[0]",
            "stem.bias[0]",
            norm("norms.0"),
            "layers.0.weight[1]",
            norm("norms.1"),
            "layers.1.weight[1]",
            norm("norms.2"),
            "layers.2.weight[1]",
            "fc.weight[0]",
        ]
    );
    let name = "layers.1.weight 4";
    assert_eq!(places::<Dense>(name, 2, "layers.2.weight", 1), [11]);
    assert_eq!(places::<Dense>(name, 2, "fc.weight", 0), [11]);
}

#[test]
fn a_pixel_shuffle_takes_four_channels_for_one() {
    let name = "second.weight 3";
    assert_eq!(
        places::<SuperResolution>(name, 1, "second.weight", 0),
        [4, 5, 6, 7]
    );
    assert_eq!(places::<SuperResolution>(name, 1, "last.weight", 1), [1]);
}

#[test]
fn groups_go_whole_or_lose_the_same_places() {
    assert_eq!(
        members::<Grouped>("conv1.weight 3"),
        list![
            "conv1.weight[0]",
            "conv1.bias[0]",
            "conv2.weight[0]",
            "conv2.bias[0]",
            "fc.weight[0]",
        ]
    );
    assert_eq!(
        members::<Grouped>("conv1.weight 4"),
        list!["conv1.weight[0]", "conv1.bias[0]", "conv2.weight[1]"]
    );
    assert_eq!(
        members::<Grouped>("conv2.weight 2"),
        list!["conv2.weight[0]", "conv2.bias[0]", "fc.weight[0]"]
    );
    assert_eq!(
        places::<Grouped>("conv1.weight 3", 1, "conv1.weight", 0),
        [4, 5, 6, 7]
    );
    assert_eq!(
        places::<Grouped>("conv1.weight 4", 1, "conv1.weight", 0),
        [1, 5, 9]
    );
}

#[test]
fn a_depthwise_convolution_passes_channels_on() {
    assert_eq!(
        members::<Separable>("stem.weight 6"),
        list![
            "stem.weight[0]",
            "stem.bias[0]",
            "depthwise.weight[0]",
            "depthwise.bias[0]",
            norm("bn"),
            "pointwise.weight[1]",
        ]
    );
}

#[test]
fn a_head_takes_its_query_key_value_and_output() {
    assert_eq!(
        members::<Heads>("attention.query.weight 3"),
        list![
            "attention.query.weight[1]",
            "attention.query.bias[0]",
            "attention.key.weight[1]",
            "attention.key.bias[0]",
            "attention.value.weight[1]",
            "attention.value.bias[0]",
            "attention.output.weight[0]",
        ]
    );
    // The width of a query is that of a key.
    assert_eq!(
        members::<Heads>("attention.query.weight 4"),
        list![
            "attention.query.weight[1]",
            "attention.query.bias[0]",
            "attention.key.weight[1]",
            "attention.key.bias[0]",
        ]
    );
}

#[test]
fn a_fused_projection_has_each_head_three_times() {
    let places = places::<Folded>("qkv.weight 4", 1, "qkv.weight", 1);
    let expected: Vec<usize> = (5..10).chain(25..30).chain(45..50).collect();
    assert_eq!(places, expected);
}

#[test]
fn a_key_goes_with_its_queries_and_a_query_alone() {
    assert_eq!(
        members::<GroupedQuery>("attention.query.weight 3"),
        list![
            "attention.query.weight[1]",
            "attention.query.bias[0]",
            "attention.key.weight[1]",
            "attention.key.bias[0]",
            "attention.value.weight[1]",
            "attention.value.bias[0]",
            "attention.output.weight[0]",
        ]
    );
    assert_eq!(
        members::<GroupedQuery>("attention.query.weight 2"),
        list![
            "attention.query.weight[1]",
            "attention.query.bias[0]",
            "attention.output.weight[0]",
        ]
    );
    let two_heads: Vec<usize> = (8..16).collect();
    assert_eq!(
        places::<GroupedQuery>("attention.query.weight 3", 1, "attention.query.weight", 1),
        two_heads
    );
}

#[test]
fn a_gate_goes_with_what_it_scales() {
    assert_eq!(
        members::<Squeezed>("conv1.weight 8"),
        list![
            "conv1.weight[0]",
            "conv1.bias[0]",
            "squeeze.weight[0]",
            "excite.weight[1]",
            "excite.bias[0]",
            "conv2.weight[1]",
        ]
    );
    assert_eq!(
        places::<FusedGate>("up.weight 8", 3, "up.weight", 1),
        [3, 11]
    );
}

#[test]
fn a_hidden_unit_goes_from_all_gates() {
    let gates = ["input_gate", "forget_gate", "output_gate", "cell_gate"];
    let mut expected: Vec<String> = Vec::new();
    for gate in gates {
        for part in [
            "input_transform.weight[1]",
            "input_transform.bias[0]",
            "hidden_transform.weight[0]",
            "hidden_transform.weight[1]",
            "hidden_transform.bias[0]",
        ] {
            expected.push(format!("lstm.{gate}.{part}"));
        }
    }
    expected.push("fc.weight[0]".into());
    assert_eq!(
        members::<Remembering>("lstm.input_gate.input_transform.weight 6"),
        expected
    );
    assert_eq!(
        members::<Simple>("second.gate.input_transform.weight 5"),
        list![
            "second.gate.input_transform.weight[1]",
            "second.gate.input_transform.bias[0]",
            "second.gate.hidden_transform.weight[0]",
            "second.gate.hidden_transform.weight[1]",
            "second.gate.hidden_transform.bias[0]",
            "fc.weight[0]",
        ]
    );
}

#[test]
fn a_tied_table_loses_a_feature_on_both_ends() {
    assert_eq!(
        members::<Tied>("table.weight 6"),
        list![
            "table.weight[1]",
            "up.weight[0]",
            "down.weight[1]",
            "down.bias[0]"
        ]
    );
}

/// The multiply-adds of the smaller model, counted by the engine and worked out from what is left.
fn multiply_adds<M: Topology>(by_hand: impl Fn(&M) -> usize) {
    let device = Device::flex();
    let net: M = model(&device);
    let coupling = net.coupling();
    let counted = |counts: &Counts| counts.multiply_adds().dense as usize;
    for share in [0.3, 0.5] {
        let plan = random_plan::<M>(&coupling, share, 2);
        let (smaller, _) = plan.apply(&net, M::example(&device), M::run).unwrap();
        let (before, after) = plan.counts();
        assert_eq!(counted(&before), by_hand(&net));
        assert_eq!(counted(&after), by_hand(&smaller));
    }
}

#[test]
fn products_are_those_of_the_formula() {
    multiply_adds(|net: &Perceptron| {
        let [a, b] = [&net.fc1, &net.fc2].map(|layer| layer.weight.dims()[1]);
        3 * (5 * a + a * b + b * 4)
    });
    multiply_adds(|net: &Plain| {
        let [a, b] = [&net.conv1, &net.conv2].map(|layer| layer.weight.dims()[0]);
        // Images of 5 by 7, then 3 by 4.
        3 * (35 * a * 2 * 9 + 12 * b * a * 9 + b * 4)
    });
    multiply_adds(|net: &Grouped| {
        let [a, b] = [&net.conv1, &net.conv2].map(|layer| layer.weight.dims()[0]);
        2 * (20 * a * 2 * 9 + 20 * b * (a / net.conv2.groups) * 9 + b * 4)
    });
    multiply_adds(|net: &Remembering| {
        let hidden = net.fc.weight.dims()[0];
        2 * (4 * 4 * (3 * hidden + hidden * hidden) + hidden * 2)
    });
    multiply_adds(|net: &Heads| {
        let model = net.stem.weight.dims()[1];
        let layers = &net.attention;
        let [query, value] = [&layers.query, &layers.value].map(|layer| layer.weight.dims()[1]);
        // Two sequences of six; each place sees six. Queries are as wide as keys, values as outputs.
        2 * 6 * (5 * model + 2 * model * (query + value) + 6 * (query + value) + model * 2)
    });
}
