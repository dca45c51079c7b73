//! What a captured graph shows of the attention, from which its coupled channels are read.

use burn::tensor::{Device, Tensor, Tolerance};
use secateur_graph::{ModelGraph, OpKind, Runner};
use secateur_structure::attention::{
    AttentionInput, GroupedQueryAttention, GroupedQueryAttentionConfig,
};

use crate::random;

#[test]
fn the_split_into_groups_and_heads_is_in_the_graph() {
    let device = Device::flex();
    let attention = GroupedQueryAttentionConfig::new(8, 6)
        .with_n_heads_kv(Some(2))
        .with_d_qk(Some(4))
        .with_d_v(Some(5))
        .init(&device)
        .unwrap();
    let forward = |attention: &GroupedQueryAttention, x: Tensor<3>| {
        attention.forward(AttentionInput::self_attn(x)).context
    };
    let x = random([2, 7, 8], &device);
    let captured = ModelGraph::capture(&attention, x.clone(), forward).unwrap();

    let graph = captured.graph();
    let splits: Vec<_> = graph
        .operations
        .iter()
        .filter(|operation| operation.kind == OpKind::Reshape)
        .map(|operation| graph.value(operation.outputs[0]).shape.clone())
        .collect();
    // Queries as [batch, sequence, group, head of the group, width], keys and values as [.., group,
    // width].
    for split in [vec![2, 7, 2, 3, 4], vec![2, 7, 2, 4], vec![2, 7, 2, 5]] {
        assert!(splits.contains(&split), "{split:?} is not in {splits:?}");
    }

    let got = Runner::new(&captured).run(x.clone(), |_| {}).unwrap();
    let expected = forward(&attention, x).into_data();
    got[0].assert_approx_eq::<f32>(&expected, Tolerance::default());
}
