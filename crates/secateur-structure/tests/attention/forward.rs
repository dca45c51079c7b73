//! What comes out, and what flows back.

use burn::module::Param;
use burn::nn::Linear;
use burn::nn::attention::{
    CrossAttentionConfig, MhaInput, MultiHeadAttentionConfig, generate_autoregressive_mask,
};
use burn::tensor::{Device, Tensor};
use secateur_structure::attention::{
    AttentionInput, GroupedQueryAttention, GroupedQueryAttentionConfig,
};

use crate::{assert_close, burns, padding, random};

#[test]
fn equals_burns_with_and_without_masks() {
    let device = Device::flex();
    for quiet in [false, true] {
        let mha = MultiHeadAttentionConfig::new(12, 3)
            .with_quiet_softmax(quiet)
            .init(&device);
        let attention = GroupedQueryAttention::from_multi_head(mha.clone()).unwrap();
        let (query, key, value) = (
            random([2, 4, 12], &device),
            random([2, 5, 12], &device),
            random([2, 5, 12], &device),
        );
        let pad = padding(2, 5, 2, &device);
        let attn = generate_autoregressive_mask(2, 5, &device).narrow(1, 1, 4);
        for (with_pad, with_attn) in [(false, false), (true, false), (false, true), (true, true)] {
            let mut theirs = MhaInput::new(query.clone(), key.clone(), value.clone());
            let mut ours = AttentionInput::new(query.clone(), key.clone(), value.clone());
            if with_pad {
                theirs = theirs.mask_pad(pad.clone());
                ours = ours.mask_pad(pad.clone());
            }
            if with_attn {
                theirs = theirs.mask_attn(attn.clone());
                ours = ours.mask_attn(attn.clone());
            }
            let (theirs, ours) = (mha.forward(theirs), attention.forward(ours));
            assert_close(ours.weights, theirs.weights);
            assert_close(ours.context, theirs.context);
        }
    }
}

#[test]
fn equals_burns_cross_attention_with_any_number_of_groups() {
    let device = Device::flex();
    let (query, context) = (random([2, 3, 10], &device), random([2, 5, 7], &device));
    for n_heads_kv in [1, 2, 4] {
        for quiet in [false, true] {
            let config =
                CrossAttentionConfig::new(10, 7, 4, n_heads_kv, 3).with_quiet_softmax(quiet);
            let cross = config.init(&device);
            let attention = GroupedQueryAttention::from_cross_attention(&cross, &config).unwrap();
            let pad = padding(2, 5, 1, &device);
            let input = || AttentionInput::cross_attn(query.clone(), context.clone());
            assert_close(
                attention.forward(input()).context,
                cross.forward(query.clone(), context.clone(), None),
            );
            assert_close(
                attention.forward(input().mask_pad(pad.clone())).context,
                cross.forward(query.clone(), context.clone(), Some(pad)),
            );
        }
    }
}

#[test]
fn groups_are_heads_with_repeated_keys_and_values() {
    let device = Device::flex();
    let grouped = GroupedQueryAttentionConfig::new(12, 6)
        .with_n_heads_kv(Some(2))
        .init(&device)
        .unwrap();
    // Heads 0 to 2 read the first group of width 2, heads 3 to 5 the second.
    let columns = [0, 1, 0, 1, 0, 1, 2, 3, 2, 3, 2, 3];
    let repeated = |linear: &Linear| {
        let columns = Tensor::from_data(columns, &device);
        Linear {
            weight: Param::from_tensor(linear.weight.val().select(1, columns.clone())),
            bias: (linear.bias.as_ref())
                .map(|bias| Param::from_tensor(bias.val().select(0, columns))),
        }
    };
    let mut mha = burns(12, 6, &device);
    mha.query = grouped.query.clone();
    mha.key = repeated(&grouped.key);
    mha.value = repeated(&grouped.value);
    mha.output = grouped.output.clone();

    let x = random([2, 4, 12], &device);
    let theirs = mha.forward(MhaInput::self_attn(x.clone()));
    let ours = grouped.forward(AttentionInput::self_attn(x));
    assert_close(ours.weights, theirs.weights);
    assert_close(ours.context, theirs.context);
}

/// One head of width 1 with weights 1, 1, 2 and 1, and keys 0 and 1 asked for with ln 3: scores 0 and
/// ln 3, weights 1/4 and 3/4, values 8 and 16, and so 8/4 + 16·3/4 = 14.
#[test]
fn a_case_worked_by_hand() {
    let device = Device::flex();
    let mut attention = GroupedQueryAttentionConfig::new(1, 1)
        .with_query_bias(false)
        .with_key_bias(false)
        .with_value_bias(false)
        .with_output_bias(false)
        .init(&device)
        .unwrap();
    let weight = |value: f32| Param::from_tensor(Tensor::from_data([[value]], &device));
    attention.query.weight = weight(1.0);
    attention.key.weight = weight(1.0);
    attention.value.weight = weight(2.0);
    attention.output.weight = weight(1.0);
    let input = || {
        AttentionInput::new(
            Tensor::from_data([[[3_f32.ln()]]], &device),
            Tensor::from_data([[[0.0], [1.0]]], &device),
            Tensor::from_data([[[4.0], [8.0]]], &device),
        )
    };
    let output = attention.forward(input());
    assert_close(
        output.weights,
        Tensor::from_data([[[[0.25, 0.75]]]], &device),
    );
    assert_close(output.context, Tensor::from_data([[[14.0]]], &device));

    // Twice the scale: scores 0 and 2 ln 3, weights 1/10 and 9/10, and so 0.8 + 14.4.
    attention.scale = 2.0;
    let output = attention.forward(input());
    assert_close(output.context, Tensor::from_data([[[15.2]]], &device));
}

#[test]
fn gradients_are_burns() {
    let device = Device::flex().autodiff();
    let mha = burns(8, 2, &device);
    let attention = GroupedQueryAttention::from_multi_head(mha.clone()).unwrap();
    let x = random([2, 3, 8], &device);
    let theirs = mha.forward(MhaInput::self_attn(x.clone())).context;
    let theirs = theirs.powf_scalar(2.0).mean().backward();
    let ours = attention.forward(AttentionInput::self_attn(x)).context;
    let ours = ours.powf_scalar(2.0).mean().backward();
    for (ours_in, theirs_in) in [
        (&attention.query, &mha.query),
        (&attention.key, &mha.key),
        (&attention.value, &mha.value),
        (&attention.output, &mha.output),
    ] {
        let ours = ours_in.weight.val().grad(&ours).unwrap();
        assert!(ours.clone().abs().sum().into_scalar::<f32>() > 0.0);
        assert_close(ours, theirs_in.weight.val().grad(&theirs).unwrap());
    }
    // All keys of a query move by the same amount with the key's bias, which a softmax ignores.
    let bias = attention.key.bias.as_ref().unwrap().val();
    let gradient = bias.grad(&ours).unwrap();
    assert_close(gradient.clone(), gradient.zeros_like());
}

#[test]
fn gradients_flow_through_groups() {
    let device = Device::flex().autodiff();
    let attention = GroupedQueryAttentionConfig::new(8, 4)
        .with_n_heads_kv(Some(2))
        .with_dropout(0.0)
        .init(&device)
        .unwrap();
    let x = random([1, 3, 8], &device);
    let context = attention.forward(AttentionInput::self_attn(x)).context;
    let gradients = context.powf_scalar(2.0).mean().backward();
    for (linear, shape) in [
        (&attention.query, [8, 8]),
        (&attention.key, [8, 4]),
        (&attention.value, [8, 4]),
        (&attention.output, [8, 8]),
    ] {
        let gradient = linear.weight.val().grad(&gradients).unwrap();
        assert_eq!(gradient.dims(), shape);
        assert!(gradient.abs().sum().into_scalar::<f32>() > 0.0);
    }
}
