//! Single calls in the manner of `torch.nn.utils.prune`, against what PyTorch itself does.
//!
//! The masks come from `tests/pytorch/pruned.py`, which prunes the same weights in PyTorch.

use burn::{
    module::{Lora, Module, Param},
    nn::{
        BatchNorm, BatchNormConfig, Linear, LinearConfig, LinearLayout,
        conv::{Conv2d, Conv2dConfig, ConvTranspose2d, ConvTranspose2dConfig},
    },
    tensor::{Device, Tensor, TensorData},
};
use secateur::{prelude::*, torch::*, view::Layout, view::View};

use crate::{
    device::{device, training_device},
    nets::{Mlp, bits, values},
};

/// The net of `pruned.py`.
#[derive(Module, Debug)]
pub struct Net {
    pub conv: Conv2d,
    pub norm: BatchNorm,
    pub up: ConvTranspose2d,
    pub head: Linear,
}

/// `values` of `pruned.py`.
pub fn formula(name: &str, n: usize) -> Vec<f32> {
    let start: usize = name.bytes().map(usize::from).sum();
    let value = |i: usize| {
        let size = ((start + i) * 37 % 251 + 1) as f32 / 256.0;
        if (start + i).is_multiple_of(3) {
            -size
        } else {
            size
        }
    };
    (0..n).map(value).collect()
}

fn param<const D: usize>(name: &str, shape: [usize; D], device: &Device) -> Param<Tensor<D>> {
    let values = formula(name, shape.iter().product());
    Param::from_tensor(Tensor::from_data(TensorData::new(values, shape), device))
}

impl Net {
    /// With Burn's own random weights.
    pub fn fresh(layout: LinearLayout, device: &Device) -> Self {
        Self {
            conv: Conv2dConfig::new([2, 4], [3, 3]).init(device),
            norm: BatchNormConfig::new(4).init(device),
            up: ConvTranspose2dConfig::new([4, 2], [2, 2]).init(device),
            head: LinearConfig::new(6, 3).with_layout(layout).init(device),
        }
    }

    fn filled(device: &Device) -> Self {
        let mut net = Self::fresh(LinearLayout::Row, device);
        net.conv.weight = param("conv.weight", [4, 2, 3, 3], device);
        net.up.weight = param("up.weight", [4, 2, 2, 2], device);
        let head = param::<2>("head.weight", [3, 6], device);
        net.head.weight = Param::from_tensor(head.val().transpose());
        net.head.bias = Some(param("head.bias", [3], device));
        net
    }
}

/// A mask as PyTorch prints it: `Linear` and `Conv` have the view's order there.
pub fn printed(mask: &Mask) -> String {
    mask.iter()
        .map(|kept| if kept { '1' } else { '0' })
        .collect()
}

fn mask(model: &Net, path: &str) -> String {
    printed(&mask_of(model, path).unwrap())
}

#[test]
fn l1_prunes_as_pytorch_and_composes() {
    let mut net = Net::filled(&device());
    l1_unstructured(&mut net, "head.weight", 0.3).unwrap();
    assert_eq!(mask(&net, "head.weight"), "111001111100111110");
    l1_unstructured(&mut net, "head.weight", 0.3).unwrap();
    l1_unstructured(&mut net, "head.weight", 2).unwrap();
    assert_eq!(mask(&net, "head.weight"), "011000001100001110");
    let kept = values(net.head.weight.val())
        .iter()
        .filter(|v| **v != 0.0)
        .count();
    assert_eq!(kept, 7);
    // What is hidden is still there, as in torch's `weight_orig`.
    assert!(values(net.head.weight.base()).iter().all(|v| *v != 0.0));
}

#[test]
fn an_iterated_half_worked_by_hand() {
    // 25 % of 6 is 1.5, rounded to 2 by Python (to even) as here (away from zero); 25 % of the 4
    // left is 1; 50 % of the 3 left is 1.5, 2 again. 50 % of 5 is 2.5: 2 in Python and 3 here.
    let mut net = LinearConfig::new(6, 1).with_bias(false).init(&device());
    let data = TensorData::new(vec![0.1f32, -0.5, 0.3, -0.2, 0.6, 0.4], [6, 1]);
    net.weight = Param::from_tensor(Tensor::from_data(data, &device()));
    let steps = [(0.25, "011011"), (0.25, "010011"), (0.5, "000010")];
    for (share, expected) in steps {
        l1_unstructured(&mut net, "weight", share).unwrap();
        assert_eq!(printed(&mask_of(&net, "weight").unwrap()), expected);
    }
    let mut five = LinearConfig::new(5, 1).with_bias(false).init(&device());
    l1_unstructured(&mut five, "weight", 0.5).unwrap();
    assert_eq!(mask_of(&five, "weight").unwrap().kept(), 2);
}

#[test]
fn equal_weights_go_from_the_last() {
    let mut net = LinearConfig::new(8, 1).with_bias(false).init(&device());
    net.weight = Param::from_tensor(Tensor::ones([8, 1], &device()));
    l1_unstructured(&mut net, "weight", 0.5).unwrap();
    assert_eq!(printed(&mask_of(&net, "weight").unwrap()), "11110000");
}

#[test]
fn structured_pruning_is_that_of_pytorch() {
    let after = |path: &str, prune: &dyn Fn(&mut Net)| {
        let mut net = Net::filled(&device());
        prune(&mut net);
        mask(&net, path)
    };
    let head = |prune: &dyn Fn(&mut Net)| after("head.weight", prune);
    let one = |net: &mut Net, amount: usize, n, dim| {
        ln_structured(net, "head.weight", amount, n, dim).unwrap();
    };
    assert_eq!(head(&|net| one(net, 1, 1.0, 0)), "000000111111111111");
    assert_eq!(head(&|net| one(net, 2, 2.0, 1)), "011110011110011110");
    let mixed = head(&|net| {
        l1_unstructured(net, "head.weight", 0.3).unwrap();
        one(net, 1, 2.0, 1);
        l1_unstructured(net, "head.weight", 0.3).unwrap();
    });
    assert_eq!(mixed, "011000011100001110");
    let twice = head(&|net| {
        ln_structured(net, "head.weight", 0.3, 1.0, 1).unwrap();
        ln_structured(net, "head.weight", 0.3, 1.0, 1).unwrap();
    });
    assert_eq!(twice, "011100011100011100");

    let conv = |prune: &dyn Fn(&mut Net)| after("conv.weight", prune);
    let largest = conv(&|net| ln_structured(net, "conv.weight", 0.25, f64::INFINITY, 0).unwrap());
    assert_eq!(largest, "0".repeat(18) + &"1".repeat(54));
    let rows = conv(&|net| ln_structured(net, "conv.weight", 1, 1.0, 2).unwrap());
    assert_eq!(rows, "111111000".repeat(8));
    let columns = conv(&|net| {
        ln_structured(net, "conv.weight", 1, 2.0, 3).unwrap();
        l1_unstructured(net, "conv.weight", 0.4).unwrap();
    });
    assert_eq!(
        columns,
        "100010110000110000110100110110010110000110000110100010110010110000110000"
    );
}

#[test]
fn global_pruning_is_that_of_pytorch() {
    let mut net = Net::filled(&device());
    l1_unstructured(&mut net, "head.weight", 0.3).unwrap();
    let pool = ["conv.weight", "head.weight", "head.bias"];
    global_unstructured(&mut net, &pool, 0.4).unwrap();
    assert_eq!(
        mask(&net, "conv.weight"),
        "100011110001111000111100011110011110001111000111100011110011110001111000"
    );
    assert_eq!(mask(&net, "head.weight"), "111000111100011110");
    assert_eq!(mask(&net, "head.bias"), "001");
    let eye = Mask::from_fn([3, 6, 1], |index| index / 6 == index % 6).unwrap();
    custom_from_mask(&mut net, "head.weight", &eye).unwrap();
    assert_eq!(mask(&net, "head.weight"), "100000010000001000");
}

#[test]
fn transposed_convolutions_count_outputs_first() {
    let mut net = Net::filled(&device());
    ln_structured(&mut net, "up.weight", 1, 1.0, 0).unwrap();
    let mask = mask_of(&net, "up.weight").unwrap();
    assert_eq!(mask.shape(), [2, 4, 4]);
    let kept: Vec<bool> = mask.iter().collect();
    assert!(kept[..16].iter().all(|k| *k == kept[0]) && kept[16..].iter().all(|k| *k != kept[0]));
    let stored = View::new(&[4, 2, 2, 2], Layout::InOut { groups: 1 }).to_storage(&kept);
    let zeros: Vec<bool> = values(net.up.weight.val())
        .iter()
        .map(|v| *v != 0.0)
        .collect();
    assert_eq!(zeros, stored);
}

#[test]
fn column_major_linears_prune_alike() {
    let row = Net::filled(&device());
    let mut col = Net::fresh(LinearLayout::Col, &device());
    col.head.weight = col.head.weight.map(|_| row.head.weight.val());
    for net in [&mut row.clone(), &mut col] {
        l1_unstructured(net, "head.weight", 0.3).unwrap();
        ln_structured(net, "head.weight", 1, 2.0, 1).unwrap();
        l1_unstructured(net, "head.weight", 0.3).unwrap();
        assert_eq!(mask(net, "head.weight"), "011000011100001110");
    }
    let mut lazy = Net::fresh(LinearLayout::Col, &device());
    ln_structured(&mut lazy, "head.weight", 1, 2.0, 0).unwrap();
    assert_eq!(mask_of(&lazy, "head.weight").unwrap().kept(), 12);
}

#[test]
fn random_pruning_repeats_by_seed() {
    let pruned = |seed| {
        let mut net = Net::filled(&device());
        random_unstructured(&mut net, "conv.weight", 0.5, seed).unwrap();
        random_unstructured(&mut net, "conv.weight", 0.5, seed).unwrap();
        random_structured(&mut net, "head.weight", 2, 1, seed).unwrap();
        (mask(&net, "conv.weight"), mask(&net, "head.weight"))
    };
    assert_eq!(pruned(1), pruned(1));
    assert_ne!(pruned(1), pruned(2));
    let (conv, head) = pruned(1);
    assert_eq!(conv.matches('1').count(), 18);
    assert_eq!(head[..6].matches('1').count(), 4);
    assert_eq!(head, head[..6].repeat(3));
}

#[test]
fn own_scores_prune_the_lowest() {
    let mut net = Net::filled(&device());
    from_scores(&mut net, "head.bias", &[0.5, -2.0, 1.0], 1).unwrap();
    assert_eq!(mask(&net, "head.bias"), "101");
    let few = from_scores(&mut net, "head.bias", &[1.0], 1).unwrap_err();
    assert!(matches!(
        few,
        PruneError::ScoreCount {
            expected: 3,
            got: 1,
            ..
        }
    ));
    let nan = from_scores(&mut net, "head.bias", &[1.0, f32::NAN, 1.0], 1).unwrap_err();
    assert!(matches!(nan, PruneError::NanScore { count: 1, .. }));
    assert_eq!(mask(&net, "head.bias"), "101");
}

#[test]
fn pruned_means_masked_until_removed() {
    let mut net = Net::filled(&device());
    assert!(!is_pruned(&net));
    identity(&mut net, "head.weight").unwrap();
    assert!(is_pruned(&net) && is_pruned_at(&net, "head.weight").unwrap());
    assert!(!is_pruned_at(&net, "head.bias").unwrap());

    l1_unstructured(&mut net, "head.weight", 0.5).unwrap();
    l1_unstructured(&mut net, "conv.weight", 0.5).unwrap();
    let hidden = bits(net.conv.weight.base());
    let (masked, other) = (bits(net.head.weight.val()), bits(net.conv.weight.val()));
    let id = net.head.weight.id;
    remove(&mut net, "head.weight").unwrap();
    assert!(!is_pruned_at(&net, "head.weight").unwrap());
    assert_eq!(bits(net.head.weight.base()), masked, "zeros are baked in");
    assert_eq!(net.head.weight.id, id);
    assert!(is_pruned_at(&net, "conv.weight").unwrap());
    assert_eq!(bits(net.conv.weight.val()), other);
    assert_eq!(
        bits(net.conv.weight.base()),
        hidden,
        "other masks hide what they hid"
    );

    // Pruning again starts from what is left, zeros and all.
    l1_unstructured(&mut net, "head.weight", 9).unwrap();
    assert_eq!(bits(net.head.weight.val()), masked);
    remove(&mut net, "head.weight").unwrap();
    remove(&mut net, "conv.weight").unwrap();
    assert!(!is_pruned(&net));
    let again = remove(&mut net, "conv.weight").unwrap_err();
    assert_eq!(
        again,
        PruneError::NotAttached {
            path: "conv.weight".into()
        }
    );
    let plain = net.into_record();
    Net::filled(&device())
        .try_load_record(plain)
        .expect("nothing of the masks is left");
}

#[test]
fn removal_keeps_other_gradient_flows() {
    use secateur::mask_op::GradientFlow;
    let mut net = Mlp::new(&training_device());
    let dense = Treatment {
        gradient: GradientFlow::Dense,
        ..Treatment::default()
    };
    let mut pruner = PrunerConfig::new()
        .with_schedule(OneShot::new(0.5))
        .with_treatment(dense)
        .with_only(["fc1.weight"])
        .init(&net)
        .unwrap();
    pruner.prune(&mut net, 0).unwrap();
    let masks = pruner.masks(&net).unwrap();
    l1_unstructured(&mut net, "fc2.weight", 0.5).unwrap();
    remove(&mut net, "fc2.weight").unwrap();
    pruner.attach(&mut net).expect("still dense");
    assert_eq!(pruner.masks(&net).unwrap(), masks);
    // Single calls go on from a pruner's masks, and keep their gradient flow.
    l1_unstructured(&mut net, "fc1.weight", 4).unwrap();
    assert_eq!(pruner.masks(&net).unwrap().kept(), masks.kept() - 4);
}

#[test]
fn removal_beside_lora_folds_nothing() {
    let net = Mlp::new(&training_device());
    let mut net = Mlp {
        fc1: net.fc1.apply_lora(Lora::new(2, 4.0)),
        fc2: net.fc2,
    };
    let error = l1_unstructured(&mut net, "fc1.weight", 0.5).unwrap_err();
    assert!(
        matches!(error, PruneError::Reparameterized { .. }),
        "{error}"
    );
    l1_unstructured(&mut net, "fc2.weight", 0.5).unwrap();
    l1_unstructured(&mut net, "fc2.bias", 1).unwrap();
    let masked = bits(net.fc2.weight.val());
    remove(&mut net, "fc2.weight").unwrap();
    assert_eq!(bits(net.fc2.weight.base()), masked);
    assert!(net.fc1.weight.adapter().is_some());
    assert!(is_pruned_at(&net, "fc2.bias").unwrap());
    let spent = l1_unstructured(&mut net, "fc2.weight", 0.5).unwrap_err();
    assert!(matches!(spent, PruneError::Finished { .. }), "{spent}");
}

#[test]
fn mistakes_are_named_and_change_nothing() {
    let mut net = Net::filled(&device());
    l1_unstructured(&mut net, "head.weight", 10).unwrap();
    let before = mask(&net, "head.weight");
    let unknown = l1_unstructured(&mut net, "head.wieght", 0.5).unwrap_err();
    assert!(
        unknown
            .to_string()
            .contains("did you mean one of `head.weight`"),
        "{unknown}"
    );
    let statistics = l1_unstructured(&mut net, "norm.running_mean", 0.5).unwrap_err();
    assert!(matches!(statistics, PruneError::RunningStatistics { .. }));
    let too_many = l1_unstructured(&mut net, "head.weight", 9).unwrap_err();
    assert!(matches!(
        too_many,
        PruneError::OverPruned {
            asked: 9,
            available: 8,
            ..
        }
    ));
    let percent = l1_unstructured(&mut net, "head.weight", 30.0).unwrap_err();
    assert!(percent.to_string().contains("write 0.3"), "{percent}");
    for (dim, path) in [(2, "head.weight"), (0, "head.bias"), (4, "conv.weight")] {
        let error = ln_structured(&mut net, path, 1, 2.0, dim).unwrap_err();
        assert!(
            matches!(error, PruneError::InvalidSetting { .. }) && error.to_string().contains(path)
        );
    }
    assert!(ln_structured(&mut net, "head.weight", 1, f64::NAN, 0).is_err());
    let shape =
        custom_from_mask(&mut net, "head.weight", &Mask::keep_all([6, 3, 1]).unwrap()).unwrap_err();
    assert!(
        matches!(
            shape,
            PruneError::MaskShape {
                expected: [3, 6, 1],
                ..
            }
        ),
        "{shape}"
    );
    let none: [&str; 0] = [];
    assert!(matches!(
        global_unstructured(&mut net, &none, 0.5),
        Err(PruneError::NothingToPrune)
    ));
    let one_bad = global_unstructured(&mut net, &["head.weight", "neck"], 0.5).unwrap_err();
    assert!(matches!(one_bad, PruneError::UnknownParameter { .. }));
    assert_eq!(mask(&net, "head.weight"), before);
    assert!(!is_pruned_at(&net, "conv.weight").unwrap());

    let nan = Tensor::from_data([f32::NAN, 1.0, 2.0], &device());
    net.head.bias = Some(Param::from_tensor(nan));
    let error = l1_unstructured(&mut net, "head.bias", 1).unwrap_err();
    assert!(matches!(error, PruneError::NanScore { .. }), "{error}");
}

#[test]
fn tied_fields_are_masked_as_one() {
    let mut net = Mlp::new(&device());
    net.fc1 = LinearConfig::new(6, 6).init(&device());
    net.fc2 = net.fc1.clone();
    l1_unstructured(&mut net, "fc2.weight", 0.5).unwrap();
    assert_eq!(bits(net.fc1.weight.val()), bits(net.fc2.weight.val()));
    assert_eq!(mask_of(&net, "fc1.weight").unwrap().kept(), 18);
    remove(&mut net, "fc2.weight").unwrap();
    assert!(!is_pruned(&net));

    net.fc2.weight = net.fc2.weight.map(|w| w + 1.0);
    let error = l1_unstructured(&mut net, "fc1.weight", 0.5).unwrap_err();
    assert!(matches!(error, PruneError::TiedMismatch { .. }), "{error}");
}
