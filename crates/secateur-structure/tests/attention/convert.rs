//! From Burn's layers and back.

use burn::nn::Linear;
use burn::nn::attention::{CrossAttentionConfig, MhaInput};
use burn::tensor::Device;
use secateur_core::pruner::PrunerConfig;
use secateur_core::schedule::OneShot;
use secateur_structure::attention::{
    AttentionError, GroupedQueryAttention, GroupedQueryAttentionConfig,
};

use crate::{burns, random};

#[test]
fn there_and_back_is_the_same_layer() {
    let device = Device::flex();
    let mut mha = burns(12, 3, &device);
    mha.min_float = -5.0;
    mha.quiet_softmax = true;
    mha.dropout.prob = 0.25;
    let back = GroupedQueryAttention::from_multi_head(mha.clone())
        .and_then(GroupedQueryAttention::into_multi_head)
        .unwrap();
    for (before, after) in [
        (&mha.query, &back.query),
        (&mha.key, &back.key),
        (&mha.value, &back.value),
        (&mha.output, &back.output),
    ] {
        assert_eq!(before.weight.id, after.weight.id);
    }
    assert_eq!((back.d_model, back.n_heads, back.d_k), (12, 3, 4));
    assert_eq!((back.min_float, back.quiet_softmax), (-5.0, true));
    assert_eq!(back.dropout.prob, 0.25);

    let x = random([1, 4, 12], &device);
    let before = mha.forward(MhaInput::self_attn(x.clone())).context;
    let after = back.forward(MhaInput::self_attn(x)).context;
    assert_eq!(before.into_data(), after.into_data());
}

#[test]
fn what_burn_cannot_express_is_named() {
    let device = Device::flex();
    let config = || GroupedQueryAttentionConfig::new(12, 6);
    for (config, why) in [
        (config().with_n_heads_kv(Some(2)), "6 query heads share 2"),
        (config().with_d_v(Some(3)), "heads of values 3"),
        (
            config().with_d_qk(Some(3)),
            "make 18, and the query's input is 12",
        ),
        (config().with_d_key(Some(10)), "the key's input is 10"),
        (config().with_d_value(Some(10)), "the value's input is 10"),
        (config().with_d_output(Some(10)), "the output is 10"),
        (config().with_scale(Some(0.5)), "scaled by 0.5"),
    ] {
        let error = config.init(&device).unwrap().into_multi_head().unwrap_err();
        assert!(matches!(error, AttentionError::NotExpressible { .. }));
        assert!(error.to_string().contains(why), "{error}");
    }
}

#[test]
fn cross_attention_brings_its_parameters_and_settings() {
    let device = Device::flex();
    let config = CrossAttentionConfig::new(10, 7, 4, 2, 3)
        .with_dropout(0.25)
        .with_min_float(-5.0)
        .with_quiet_softmax(true);
    let attention =
        GroupedQueryAttention::from_cross_attention(&config.init(&device), &config).unwrap();
    assert_eq!(attention.query.weight.dims(), [10, 12]);
    assert_eq!(attention.key.weight.dims(), [7, 6]);
    assert!(attention.output.bias.is_some());
    assert_eq!((attention.n_heads, attention.n_heads_kv), (4, 2));
    assert_eq!((attention.dropout.prob, attention.min_float), (0.25, -5.0));
    assert!(attention.quiet_softmax && attention.dropout.training.is_enabled());
}

#[test]
fn across_and_back_is_the_same_layer() {
    let device = Device::flex();
    let config = CrossAttentionConfig::new(10, 7, 4, 2, 3)
        .with_dropout(0.25)
        .with_quiet_softmax(true);
    let cross = config.init(&device);
    let attention = GroupedQueryAttention::from_cross_attention(&cross, &config).unwrap();
    let (back, its_config) = attention.into_cross_attention().unwrap();
    assert_eq!(its_config.to_string(), config.to_string());

    let (query, context) = (random([2, 3, 10], &device), random([2, 5, 7], &device));
    let before = cross.forward(query.clone(), context.clone(), None);
    let after = back.forward(query, context, None);
    assert_eq!(before.into_data(), after.into_data());
}

/// Prunes half of every weight.
fn half() -> PrunerConfig {
    PrunerConfig::new().with_schedule(OneShot::new(0.5))
}

fn zeros(linear: &Linear) -> i64 {
    linear
        .weight
        .val()
        .equal_elem(0.0)
        .int()
        .sum()
        .into_scalar()
}

#[test]
fn masks_of_burns_layer_come_along() {
    let mut mha = burns(12, 3, &Device::flex());
    let mut pruner = half().init(&mha).unwrap();
    pruner.prune(&mut mha, 0).unwrap();

    let attention = GroupedQueryAttention::from_multi_head(mha).unwrap();
    assert_eq!(zeros(&attention.query), 72);
    let mut back = attention.into_multi_head().unwrap();
    // The pruner knows its parameters and masks again.
    pruner.undo(&mut back).unwrap();
    assert_eq!(zeros(&back.query), 0);
}

#[test]
fn masks_behind_private_fields_are_refused() {
    let device = Device::flex();
    let config = CrossAttentionConfig::new(10, 7, 4, 2, 3);
    let mut cross = config.init(&device);
    let mut attention = GroupedQueryAttention::from_cross_attention(&cross, &config).unwrap();
    let mut pruner = half().init_module(&cross).unwrap();
    pruner.prune(&mut cross, 0).unwrap();

    let error = GroupedQueryAttention::from_cross_attention(&cross, &config).unwrap_err();
    assert!(
        matches!(&error, AttentionError::Reparameterized { path, .. } if path == "query.weight")
    );
    pruner.finish(&mut cross).unwrap();
    let baked = GroupedQueryAttention::from_cross_attention(&cross, &config).unwrap();
    assert_eq!(zeros(&baked.query), 60);

    half()
        .init(&attention)
        .unwrap()
        .prune(&mut attention, 0)
        .unwrap();
    let error = attention.into_cross_attention().unwrap_err();
    assert!(error.to_string().contains("`query.weight`"), "{error}");
}

#[test]
fn what_burns_cross_attention_cannot_express_is_named() {
    let device = Device::flex();
    let config = || GroupedQueryAttentionConfig::new(12, 6).with_n_heads_kv(Some(2));
    assert!(
        config()
            .init(&device)
            .unwrap()
            .into_cross_attention()
            .is_ok()
    );
    for (config, why) in [
        (config().with_d_v(Some(3)), "heads of values 3"),
        (config().with_scale(Some(0.5)), "scaled by 0.5"),
        (
            config().with_d_value(Some(10)),
            "12 wide and the value's 10",
        ),
        (
            config().with_d_output(Some(10)),
            "12 wide and the output 10",
        ),
        (config().with_value_bias(false), "`value` has no bias"),
    ] {
        let error = config
            .init(&device)
            .unwrap()
            .into_cross_attention()
            .unwrap_err();
        assert!(error.to_string().contains(why), "{error}");
    }
}

#[test]
fn another_layers_configuration_is_noticed() {
    let device = Device::flex();
    let cross = CrossAttentionConfig::new(10, 7, 4, 2, 3).init(&device);
    let other = CrossAttentionConfig::new(10, 7, 4, 2, 5);
    let error = GroupedQueryAttention::from_cross_attention(&cross, &other).unwrap_err();
    assert!(error.to_string().contains("`query.weight`"), "{error}");
}

#[test]
fn a_layer_with_wrong_sizes_is_not_taken_over() {
    let mut mha = burns(12, 3, &Device::flex());
    mha.n_heads = 4;
    let error = GroupedQueryAttention::from_multi_head(mha).unwrap_err();
    assert!(
        error.to_string().contains("n_heads * d_qk = 4 * 4"),
        "{error}"
    );
}
