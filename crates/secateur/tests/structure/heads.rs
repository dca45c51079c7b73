//! Heads, groups of heads and their width, by the attention module whose sizes follow.

use burn::module::Module;
use burn::nn::{LayerNorm, LayerNormConfig, Linear, LinearConfig};
use burn::tensor::{Device, Distribution, Tensor};
use secateur::Prune;
use secateur::structure::attention::{
    AttentionInput, GroupedQueryAttention, GroupedQueryAttentionConfig,
};
use secateur::structure::coupling::{Coupling, Unit};
use secateur::structure::plan::Plan;

#[derive(Module, Prune, Debug)]
struct Net {
    embed: Linear,
    norm: LayerNorm,
    attention: GroupedQueryAttention,
    head: Linear,
}

impl Net {
    fn new(heads_kv: usize, device: &Device) -> Self {
        let attention = GroupedQueryAttentionConfig::new(12, 4)
            .with_n_heads_kv(Some(heads_kv))
            .with_dropout(0.0);
        Self {
            embed: LinearConfig::new(5, 12).init(device),
            norm: LayerNormConfig::new(12).init(device),
            attention: attention.init(device).unwrap(),
            head: LinearConfig::new(12, 3).init(device),
        }
    }

    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let x = self.embed.forward(x);
        let input = AttentionInput::self_attn(self.norm.forward(x.clone()));
        self.head.forward(x + self.attention.forward(input).context)
    }
}

fn example() -> Tensor<3> {
    Tensor::random([2, 7, 5], Distribution::Default, &Device::flex())
}

fn units_of(coupling: &Coupling, weight: &str, place: usize) -> Vec<Unit> {
    let units = coupling.units_at(weight, 1, place).unwrap();
    let is_free = |unit: &Unit| coupling.group(unit.axis).is_some_and(|g| g.is_free());
    units.into_iter().filter(is_free).collect()
}

#[test]
fn heads_go_and_their_number_follows() {
    let net = Net::new(4, &Device::flex());
    let coupling = Coupling::of_model(&net, example(), Net::forward).unwrap();
    let mut plan = Plan::new(&coupling);
    // A feature of the query goes with its head or with its place in every head.
    let units = units_of(&coupling, "attention.query.weight", 0);
    assert_eq!(units.len(), 2);
    plan.remove(units[0]).unwrap();
    let (smaller, certificate) = plan.apply(&net, example(), Net::forward).unwrap();
    assert!(certificate.is_exact(), "{certificate}");
    assert_eq!(smaller.attention.n_heads, 3);
    assert_eq!(smaller.attention.query.weight.dims(), [12, 9]);
    assert_eq!(smaller.attention.output.weight.dims(), [9, 12]);
}

#[test]
fn heads_become_narrower() {
    let net = Net::new(4, &Device::flex());
    let coupling = Coupling::of_model(&net, example(), Net::forward).unwrap();
    let mut plan = Plan::new(&coupling);
    plan.remove(units_of(&coupling, "attention.query.weight", 1)[1])
        .unwrap();
    plan.remove(units_of(&coupling, "attention.value.weight", 2)[1])
        .unwrap();
    let (smaller, certificate) = plan.apply(&net, example(), Net::forward).unwrap();
    assert!(certificate.is_exact(), "{certificate}");
    assert_eq!((smaller.attention.d_qk, smaller.attention.d_v), (2, 2));
}

#[test]
fn a_group_of_heads_goes_with_its_keys() {
    let net = Net::new(2, &Device::flex());
    let coupling = Coupling::of_model(&net, example(), Net::forward).unwrap();
    let mut plan = Plan::new(&coupling);
    let group = units_of(&coupling, "attention.key.weight", 3)[0];
    plan.remove(group).unwrap();
    let (smaller, certificate) = plan.apply(&net, example(), Net::forward).unwrap();
    assert!(certificate.is_exact(), "{certificate}");
    let attention = &smaller.attention;
    assert_eq!((attention.n_heads, attention.n_heads_kv), (2, 1));
    assert_eq!(attention.query.weight.dims(), [12, 6]);
}

#[test]
fn a_norm_over_fewer_features_says_so() {
    let net = Net::new(2, &Device::flex());
    let coupling = Coupling::of_model(&net, example(), Net::forward).unwrap();
    let mut plan = Plan::new(&coupling);
    plan.remove_outputs("embed", &[4]).unwrap();
    assert!(plan.to_string().contains("LayerNorm"), "{plan}");
    let (smaller, certificate) = plan.apply(&net, example(), Net::forward).unwrap();
    assert!(!certificate.is_exact() && certificate.difference < 1.0);
    assert_eq!(smaller.head.weight.dims(), [11, 3]);
}
