//! State dicts of PyTorch models that were pruned there.

use burn::{
    module::Module,
    nn::{Linear, LinearConfig, LinearLayout, PReluConfig},
    tensor::{DType, TensorData},
};
use secateur::{prelude::*, state_dict::StateDict, torch::mask_of, weights::Weights};

use crate::{
    device::device,
    nets::{bits, values},
    torch::{Net, formula, printed},
};

/// The masks that `tests/pytorch/pruned.py` prints, in PyTorch's order.
const MASKS: [(&str, &str); 4] = [
    (
        "conv.weight",
        "000000000000000000111100011110001110000111000111100011110001110000111000",
    ),
    ("up.weight", "00111110011111001111001111100111"),
    ("head.weight", "111001111100111110"),
    ("head.bias", "011"),
];

const SHAPES: [(&str, &[usize]); 10] = [
    ("conv.weight", &[4, 2, 3, 3]),
    ("conv.bias", &[4]),
    ("norm.weight", &[4]),
    ("norm.bias", &[4]),
    ("norm.running_mean", &[4]),
    ("norm.running_var", &[4]),
    ("up.weight", &[4, 2, 2, 2]),
    ("up.bias", &[2]),
    ("head.weight", &[3, 6]),
    ("head.bias", &[3]),
];

/// Before pruning, `pruned.py` fills parameters by their plain names.
fn tensor(name: &str, shape: &[usize]) -> TensorData {
    TensorData::new(formula(name, shape.iter().product()), shape.to_vec())
}

type Pairs = Vec<(String, TensorData)>;

/// What is in `pruned.pt`.
fn pairs() -> Pairs {
    let mut pairs = vec![(
        "norm.num_batches_tracked".into(),
        TensorData::new(vec![0i64], Vec::<usize>::new()),
    )];
    for (name, shape) in SHAPES {
        let Some((_, mask)) = MASKS.iter().find(|(masked, _)| *masked == name) else {
            pairs.push((name.into(), tensor(name, shape)));
            continue;
        };
        let mask: Vec<f32> = mask
            .chars()
            .map(|c| if c == '1' { 1.0 } else { 0.0 })
            .collect();
        pairs.push((format!("{name}_orig"), tensor(name, shape)));
        pairs.push((
            format!("{name}_mask"),
            TensorData::new(mask, shape.to_vec()),
        ));
    }
    pairs
}

/// Values and masks of [`Net`] are those of `pruned.py`.
fn check(net: &Net) {
    for (path, expected) in MASKS {
        let mask = mask_of(net, path).unwrap();
        if path == "up.weight" {
            // Stored `[in, out, ..]` in PyTorch as in Burn.
            let kept: String = values(net.up.weight.val())
                .iter()
                .map(|v| if *v == 0.0 { '0' } else { '1' })
                .collect();
            assert_eq!(kept, expected);
        } else {
            assert_eq!(printed(&mask), expected, "{path}");
        }
    }
    let stored = [
        ("conv.weight", values(net.conv.weight.base())),
        ("up.weight", values(net.up.weight.base())),
        ("head.weight", values(net.head.weight.base().transpose())),
        ("norm.weight", values(net.norm.gamma.val())),
        ("norm.bias", values(net.norm.beta.val())),
        ("norm.running_mean", values(net.norm.running_mean.value())),
        ("norm.running_var", values(net.norm.running_var.value())),
    ];
    for (name, stored) in stored {
        assert_eq!(stored, formula(name, stored.len()), "{name}");
    }
    let weight = formula("head.weight", 18);
    let effective = values(net.head.weight.val().transpose());
    for (index, kept) in MASKS[2].1.chars().enumerate() {
        let expected = if kept == '1' { weight[index] } else { 0.0 };
        assert_eq!(effective[index].to_bits(), expected.to_bits());
    }
}

#[test]
fn masks_and_values_arrive() {
    for layout in [LinearLayout::Row, LinearLayout::Col] {
        let net = Net::fresh(layout, &device());
        check(&StateDict::from_iter(pairs()).load_into(net).unwrap());
    }
}

#[test]
fn initialised_column_major_linears_load_too() {
    let net = Net::fresh(LinearLayout::Col, &device());
    assert_eq!(net.head.weight.dims(), [6, 3]);
    check(&StateDict::from_iter(pairs()).load_into(net).unwrap());
}

#[test]
fn renamed_modules_load() {
    let elsewhere = pairs()
        .into_iter()
        .map(|(name, data)| (format!("net.{name}"), data));
    let state = StateDict::from_iter(elsewhere)
        .rename(|name| name.trim_start_matches("net.").into())
        .unwrap();
    check(
        &state
            .load_into(Net::fresh(LinearLayout::Row, &device()))
            .unwrap(),
    );
    let clash = StateDict::from_iter(pairs())
        .rename(|_| "same".into())
        .unwrap_err();
    assert!(
        matches!(clash, PruneError::RecordMismatch { .. }),
        "{clash}"
    );
}

#[test]
fn slopes_and_small_floats() {
    #[derive(Module, Debug)]
    struct Tail {
        fc: Linear,
        act: burn::nn::PRelu,
    }
    let tail = Tail {
        fc: LinearConfig::new(2, 1).init(&device()),
        act: PReluConfig::new().init(&device()),
    };
    let f64s = |values: &[f64], shape: &[usize]| TensorData::new(values.to_vec(), shape.to_vec());
    let state = StateDict::from_iter([
        ("fc.weight_orig", f64s(&[0.1, 0.2], &[1, 2])),
        ("fc.weight_mask", TensorData::new(vec![true, false], [1, 2])),
        ("fc.bias", f64s(&[1.0], &[1])),
        ("act.weight", f64s(&[0.125], &[1])),
    ]);
    let tail = state.load_into(tail).unwrap();
    assert_eq!(tail.fc.weight.dtype(), DType::F64);
    assert_eq!(
        tail.fc.weight.base().into_data(),
        f64s(&[0.1, 0.2], &[2, 1])
    );
    assert_eq!(tail.fc.weight.val().into_data(), f64s(&[0.1, 0.0], &[2, 1]));
    assert_eq!(values(tail.act.alpha.val()), [0.125]);
}

#[test]
fn every_misfit_is_named() {
    let refused = |change: &dyn Fn(&mut Pairs)| {
        let mut pairs = pairs();
        change(&mut pairs);
        let net = Net::fresh(LinearLayout::Row, &device());
        let before = Weights::of(&net);
        let state = StateDict::from_iter(pairs).with_source("net.pt");
        let error = state.load_into(net.clone()).unwrap_err();
        assert_eq!(Weights::of(&net), before);
        match error {
            PruneError::RecordMismatch { file, path, why } => {
                assert_eq!(file, "net.pt");
                (path, why)
            }
            other => panic!("{other}"),
        }
    };
    let without = |name: &'static str| refused(&|pairs| pairs.retain(|(n, _)| n != name));
    let with = |name: &'static str, data: TensorData| {
        refused(&|pairs| {
            pairs.retain(|(n, _)| n != name);
            pairs.push((name.into(), data.clone()));
        })
    };

    let (path, why) = without("head.weight_orig");
    assert_eq!(path, "head.weight_mask");
    assert!(why.contains("without its weight"), "{why}");
    assert_eq!(without("head.weight_mask").0, "head.weight_orig");
    assert_eq!(without("conv.bias").0, "conv.bias");
    let (path, why) = with("neck.weight_mask", TensorData::from([1.0f32]));
    assert_eq!(path, "neck.weight_mask");
    assert!(why.contains("without its weight"), "{why}");
    assert_eq!(
        with("neck.weight", TensorData::from([1.0f32])).0,
        "neck.weight"
    );

    // Burn's own order would be transposed silently if the shape were not looked at.
    let (path, why) = with("head.weight_orig", tensor("head.weight", &[6, 3]));
    assert_eq!(path, "head.weight_orig");
    assert!(why.contains("[6, 3]") && why.contains("[3, 6]"), "{why}");
    assert_eq!(
        with("head.weight_mask", tensor("x", &[18])).0,
        "head.weight_mask"
    );
    let (path, why) = with("head.bias_mask", TensorData::from([1.0f32, 0.5, 0.0]));
    assert_eq!(path, "head.bias_mask");
    assert!(why.contains("0.5"), "{why}");
    let (path, why) = with("conv.bias", TensorData::from([1i64, 2, 3, 4]));
    assert_eq!(path, "conv.bias");
    assert!(why.contains("integers"), "{why}");
}

#[cfg(feature = "pytorch")]
mod file {
    use std::path::PathBuf;

    use super::*;

    fn pruned_pt() -> PathBuf {
        [env!("CARGO_MANIFEST_DIR"), "tests", "pytorch", "pruned.pt"]
            .iter()
            .collect()
    }

    #[test]
    fn a_file_of_pytorch_loads() {
        let net = Net::fresh(LinearLayout::Row, &device());
        check(&secateur::pytorch::load(net, pruned_pt()).unwrap());
        let read = secateur::pytorch::read(pruned_pt()).unwrap();
        let names =
            |state: &StateDict| state.iter().map(|(n, _)| n.to_string()).collect::<Vec<_>>();
        assert_eq!(names(&read), names(&StateDict::from_iter(pairs())));
    }

    #[test]
    fn damaged_and_missing_files_are_typed_errors() {
        let missing = secateur::pytorch::read("no such file.pt").unwrap_err();
        assert!(matches!(missing, PruneError::Io { .. }), "{missing}");
        let bytes = std::fs::read(pruned_pt()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("damaged.pt");
        for damaged in [&bytes[..bytes.len() / 2], b"not a file of PyTorch", b""] {
            std::fs::write(&file, damaged).unwrap();
            let error = secateur::pytorch::read(&file).unwrap_err();
            assert!(matches!(error, PruneError::CorruptFile { .. }), "{error:?}");
        }
        let no_key = secateur::pytorch::read_key(pruned_pt(), "state_dict").unwrap_err();
        assert!(matches!(no_key, PruneError::CorruptFile { .. }), "{no_key}");
    }
}

#[test]
fn a_plain_state_dict_keeps_the_models_masks() {
    let mut net = Net::fresh(LinearLayout::Row, &device());
    secateur::torch::l1_unstructured(&mut net, "head.weight", 0.5).unwrap();
    let mask = mask_of(&net, "head.weight").unwrap();
    let plain = SHAPES.map(|(name, shape)| (name, tensor(name, shape)));
    let net = StateDict::from_iter(plain).load_into(net).unwrap();
    assert_eq!(mask_of(&net, "head.weight").unwrap(), mask);
    assert_eq!(
        values(net.head.weight.base().transpose()),
        formula("head.weight", 18)
    );
    assert!(bits(net.head.weight.val()).contains(&0));
}
