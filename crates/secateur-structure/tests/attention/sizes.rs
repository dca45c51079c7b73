//! Slices of the weights with sizes to match, against the same attention with zeros.

use burn::module::Param;
use burn::nn::Linear;
use burn::tensor::{Device, Tensor};
use secateur_core::layers::layers_mut;
use secateur_structure::attention::{
    AttentionError, AttentionInput, GroupedQueryAttention, GroupedQueryAttentionConfig,
};

use crate::{assert_close, random};

/// 6 query heads in 2 groups; queries and keys 3 wide, values 2.
fn attention(device: &Device) -> GroupedQueryAttention {
    GroupedQueryAttentionConfig::new(8, 6)
        .with_n_heads_kv(Some(2))
        .with_d_qk(Some(3))
        .with_d_v(Some(2))
        .with_d_output(Some(5))
        .with_dropout(0.0)
        .init(device)
        .unwrap()
}

/// Keeps these outputs.
fn keep_out(linear: &mut Linear, kept: &[usize]) {
    let at = indices(kept, &linear.weight.val().device());
    let weight = linear.weight.val().select(1, at.clone());
    linear.weight = Param::from_tensor(weight);
    if let Some(bias) = &mut linear.bias {
        *bias = Param::from_tensor(bias.val().select(0, at));
    }
}

/// Keeps these inputs.
fn keep_in(linear: &mut Linear, kept: &[usize]) {
    let at = indices(kept, &linear.weight.val().device());
    linear.weight = Param::from_tensor(linear.weight.val().select(0, at));
}

fn indices(kept: &[usize], device: &Device) -> Tensor<1, burn::tensor::Int> {
    let kept: Vec<i64> = kept.iter().map(|&at| at as i64).collect();
    Tensor::from_data(kept.as_slice(), device)
}

/// Sets what is not kept of the inputs to zero.
fn zero_in(linear: &mut Linear, kept: &[usize]) {
    let [rows, _] = linear.weight.dims();
    let device = linear.weight.val().device();
    linear.weight =
        Param::from_tensor(linear.weight.val() * stays(kept, rows, &device).unsqueeze_dim(1));
}

/// Sets what is not kept of the outputs to zero, biases too.
fn zero_out(linear: &mut Linear, kept: &[usize]) {
    let [_, columns] = linear.weight.dims();
    let stays = stays(kept, columns, &linear.weight.val().device());
    linear.weight = Param::from_tensor(linear.weight.val() * stays.clone().unsqueeze_dim(0));
    if let Some(bias) = &mut linear.bias {
        *bias = Param::from_tensor(bias.val() * stays);
    }
}

fn stays(kept: &[usize], size: usize, device: &Device) -> Tensor<1> {
    let stays: Vec<f32> = (0..size).map(|at| f32::from(kept.contains(&at))).collect();
    Tensor::from_data(stays.as_slice(), device)
}

/// Sets the sizes through what the layers say of themselves, given how each weight is split.
fn resize(
    attention: &mut GroupedQueryAttention,
    query: [usize; 3],
    key: [usize; 2],
    value: [usize; 2],
) {
    let mut layers = layers_mut(attention);
    for (_, of, size) in layers.sizes_mut() {
        let split: &[usize] = match of.layer.as_str() {
            "query" => &query,
            "key" => &key,
            _ => &value,
        };
        *size = of.value(split).unwrap();
    }
}

#[track_caller]
fn assert_same(zeroed: &GroupedQueryAttention, sliced: &GroupedQueryAttention) {
    sliced.check().unwrap();
    let x = random([2, 4, 8], &zeroed.query.weight.val().device());
    let input = || AttentionInput::self_attn(x.clone());
    assert_close(
        sliced.forward(input()).context,
        zeroed.forward(input()).context,
    );
}

#[test]
fn sizes_say_what_they_follow() {
    let mut model = vec![attention(&Device::flex())];
    let layers = layers_mut(&mut model);
    let sizes: Vec<_> = layers
        .sizes()
        .map(|(path, of, value)| format!("{path} = {of} = {value}"))
        .collect();
    assert_eq!(
        sizes,
        [
            "0.n_heads = 0.query.out[0..2] = 6",
            "0.n_heads_kv = 0.key.out[0] = 2",
            "0.d_qk = 0.key.out[1] = 3",
            "0.d_v = 0.value.out[1] = 2",
        ]
    );
    let layers: Vec<_> = layers.iter().map(|(path, _)| path).collect();
    assert_eq!(layers, ["0.query", "0.key", "0.value", "0.output"]);
}

/// The second of three heads of each group goes.
#[test]
fn query_heads_go() {
    let mut zeroed = attention(&Device::flex());
    let contexts = [0, 1, 4, 5, 6, 7, 10, 11];
    zero_in(&mut zeroed.output, &contexts);
    let mut sliced = zeroed.clone();
    keep_in(&mut sliced.output, &contexts);
    keep_out(
        &mut sliced.query,
        &[0, 1, 2, 6, 7, 8, 9, 10, 11, 15, 16, 17],
    );
    resize(&mut sliced, [2, 2, 3], [2, 3], [2, 2]);
    assert_eq!((sliced.n_heads, sliced.n_heads_kv), (4, 2));
    assert_same(&zeroed, &sliced);
}

/// The first group goes with its three heads.
#[test]
fn groups_go() {
    let mut zeroed = attention(&Device::flex());
    let contexts = [6, 7, 8, 9, 10, 11];
    zero_in(&mut zeroed.output, &contexts);
    let mut sliced = zeroed.clone();
    keep_in(&mut sliced.output, &contexts);
    keep_out(&mut sliced.query, &[9, 10, 11, 12, 13, 14, 15, 16, 17]);
    keep_out(&mut sliced.key, &[3, 4, 5]);
    keep_out(&mut sliced.value, &[2, 3]);
    resize(&mut sliced, [1, 3, 3], [1, 3], [1, 2]);
    assert_eq!((sliced.n_heads, sliced.n_heads_kv), (3, 1));
    assert_same(&zeroed, &sliced);
}

/// The middle place of every head's queries and keys goes; the scale stays.
#[test]
fn queries_and_keys_get_narrower() {
    let mut zeroed = attention(&Device::flex());
    let kept: Vec<_> = (0..18).filter(|at| at % 3 != 1).collect();
    zero_out(&mut zeroed.query, &kept);
    let mut sliced = zeroed.clone();
    keep_out(&mut sliced.query, &kept);
    keep_out(&mut sliced.key, &[0, 2, 3, 5]);
    resize(&mut sliced, [2, 3, 2], [2, 2], [2, 2]);
    assert_eq!((sliced.d_qk, sliced.scale), (2, 3_f64.sqrt().recip()));
    assert_same(&zeroed, &sliced);
}

/// The first place of every head's values goes.
#[test]
fn values_get_narrower() {
    let mut zeroed = attention(&Device::flex());
    zero_out(&mut zeroed.value, &[1, 3]);
    let mut sliced = zeroed.clone();
    keep_out(&mut sliced.value, &[1, 3]);
    keep_in(&mut sliced.output, &[1, 3, 5, 7, 9, 11]);
    resize(&mut sliced, [2, 3, 3], [2, 3], [2, 1]);
    assert_eq!(sliced.d_v, 1);
    assert_same(&zeroed, &sliced);
}

/// Heads and output stay when the input gets narrower, and heads when the output does.
#[test]
fn the_stream_gets_narrower_on_either_side() {
    let device = Device::flex();
    let mut zeroed = attention(&device);
    let kept = [1, 3, 4, 6, 7];
    for linear in [&mut zeroed.query, &mut zeroed.key, &mut zeroed.value] {
        zero_in(linear, &kept);
    }
    let mut sliced = zeroed.clone();
    for linear in [&mut sliced.query, &mut sliced.key, &mut sliced.value] {
        keep_in(linear, &kept);
    }
    keep_out(&mut sliced.output, &[0, 2]);
    sliced.check().unwrap();

    let x = random([2, 4, 8], &device);
    let narrow = x.clone().select(2, indices(&kept, &device));
    let expected = zeroed.forward(AttentionInput::self_attn(x)).context;
    let found = sliced.forward(AttentionInput::self_attn(narrow)).context;
    assert_close(found, expected.select(2, indices(&[0, 2], &device)));
}

#[test]
fn sizes_that_do_not_fit_are_named() {
    let device = Device::flex();
    let shape_of = |attention: GroupedQueryAttention| match attention.check() {
        Err(AttentionError::Shape {
            path,
            expected,
            got,
            ..
        }) => (path, expected, got),
        other => panic!("{other:?}"),
    };

    let mut wrong = attention(&device);
    keep_out(&mut wrong.key, &[0, 1, 2]);
    let expected = "[_, n_heads_kv * d_qk = 2 * 3]".to_string();
    assert_eq!(shape_of(wrong), ("key.weight".into(), expected, vec![8, 3]));

    let mut wrong = attention(&device);
    wrong.d_v = 1;
    let expected = "[_, n_heads_kv * d_v = 2 * 1]".to_string();
    assert_eq!(
        shape_of(wrong),
        ("value.weight".into(), expected, vec![8, 4])
    );

    let mut wrong = attention(&device);
    keep_in(&mut wrong.output, &[0, 1]);
    let expected = "[n_heads * d_v = 6 * 2, _]".to_string();
    assert_eq!(
        shape_of(wrong),
        ("output.weight".into(), expected, vec![2, 5])
    );

    let mut wrong = attention(&device);
    wrong.query.bias = Some(Param::from_tensor(Tensor::zeros([17], &device)));
    assert_eq!(shape_of(wrong).0, "query.bias");

    for n_heads_kv in [0, 4] {
        let mut wrong = attention(&device);
        wrong.n_heads_kv = n_heads_kv;
        let error = wrong.check().unwrap_err().to_string();
        assert!(error.contains("`n_heads` = 6"), "{error}");
    }
}
