//! What the configuration makes, and what it refuses.

use burn::config::Config;
use burn::nn::attention::MultiHeadAttentionConfig;
use burn::tensor::Device;
use secateur_structure::attention::{AttentionError, GroupedQueryAttentionConfig};

#[test]
fn sizes_are_independent() {
    let attention = GroupedQueryAttentionConfig::new(10, 6)
        .with_n_heads_kv(Some(3))
        .with_d_qk(Some(4))
        .with_d_v(Some(5))
        .with_d_key(Some(7))
        .with_d_value(Some(8))
        .with_d_output(Some(9))
        .with_value_bias(false)
        .init(&Device::flex())
        .unwrap();
    assert_eq!(attention.query.weight.dims(), [10, 24]);
    assert_eq!(attention.key.weight.dims(), [7, 12]);
    assert_eq!(attention.value.weight.dims(), [8, 15]);
    assert_eq!(attention.output.weight.dims(), [30, 9]);
    assert_eq!(attention.scale, 0.5);
    assert!(attention.value.bias.is_none() && attention.key.bias.is_some());
    attention.check().unwrap();
}

#[test]
fn burns_configuration_makes_the_same_layer() {
    let burns = MultiHeadAttentionConfig::new(12, 3)
        .with_dropout(0.25)
        .with_quiet_softmax(true)
        .with_key_bias(false);
    let device = Device::flex();
    let ours = GroupedQueryAttentionConfig::from(burns.clone())
        .init(&device)
        .unwrap();
    let (ours, burns) = (ours.into_multi_head().unwrap(), burns.init(&device));
    assert_eq!(ours.dropout.prob, burns.dropout.prob);
    assert_eq!(ours.quiet_softmax, burns.quiet_softmax);
    assert_eq!((ours.n_heads, ours.d_k), (burns.n_heads, burns.d_k));
    assert_eq!(ours.min_float, burns.min_float);
    assert!(ours.key.bias.is_none() && ours.query.bias.is_some());
}

#[test]
fn a_configuration_is_saved() {
    let path = tempfile::tempdir().unwrap();
    let path = path.path().join("attention.json");
    let config = GroupedQueryAttentionConfig::new(8, 4).with_n_heads_kv(Some(1));
    config.save(&path).unwrap();
    let loaded = GroupedQueryAttentionConfig::load(&path).unwrap();
    assert_eq!((loaded.n_heads_kv, loaded.d_qk), (Some(1), None));
}

#[test]
fn settings_out_of_range_are_named() {
    let device = Device::flex();
    let config = || GroupedQueryAttentionConfig::new(12, 6);
    for (config, at_fault) in [
        (GroupedQueryAttentionConfig::new(0, 6), "d_model"),
        (GroupedQueryAttentionConfig::new(12, 0), "n_heads"),
        (GroupedQueryAttentionConfig::new(12, 5), "n_heads"),
        (config().with_n_heads_kv(Some(0)), "n_heads_kv"),
        (config().with_n_heads_kv(Some(4)), "n_heads_kv"),
        (config().with_d_qk(Some(0)), "d_qk"),
        (config().with_d_qk(Some(usize::MAX)), "d_qk"),
        (config().with_d_v(Some(usize::MAX / 2)), "d_v"),
        (config().with_d_key(Some(0)), "d_key"),
        (config().with_d_value(Some(0)), "d_value"),
        (config().with_d_output(Some(0)), "d_output"),
        (config().with_dropout(1.0), "dropout"),
        (config().with_dropout(f64::NAN), "dropout"),
        (config().with_scale(Some(f64::NAN)), "scale"),
        (config().with_min_float(f64::NEG_INFINITY), "min_float"),
    ] {
        match config.init(&device) {
            Err(AttentionError::Setting { setting, .. }) => assert_eq!(setting, at_fault),
            other => panic!("{at_fault}: {other:?}"),
        }
    }
    // Heads of a width of their own need not divide the stream.
    let odd = GroupedQueryAttentionConfig::new(12, 5).with_d_qk(Some(4));
    assert!(odd.init(&device).is_ok());
}
