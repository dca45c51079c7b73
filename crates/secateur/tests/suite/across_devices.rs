//! One mask on every device: Flex beside the device of `SECATEUR_DEVICE`.

use burn::{
    Tensor,
    module::Module,
    nn::{
        Linear, LinearConfig, PaddingConfig2d,
        conv::{Conv2d, Conv2dConfig},
    },
    optim::GradientsParams,
    tensor::{Device, activation::relu},
};
use proptest::prelude::*;
use secateur::{
    Prune,
    methods::{Erk, Lamp, snip, weight_taylor},
    pattern::Remainder,
    prelude::*,
};

use crate::{
    device::{device, training_device},
    nets::{filled, noise},
};

/// Some 14,000 weights, so that one in a thousand is more than none.
#[derive(Module, Prune, Debug)]
struct Net {
    conv: Conv2d,
    hidden: Linear,
    output: Linear,
}

impl Net {
    fn new(device: &Device) -> Self {
        let mut net = Self {
            conv: Conv2dConfig::new([2, 8], [3, 3])
                .with_padding(PaddingConfig2d::Same)
                .init(device),
            hidden: LinearConfig::new(8 * 6 * 6, 48).init(device),
            output: LinearConfig::new(48, 4).init(device),
        };
        net.conv.weight = filled("conv", [8, 2, 3, 3], device);
        net.conv.bias = Some(filled("conv bias", [8], device));
        net.hidden.weight = filled("hidden", [288, 48], device);
        net.hidden.bias = Some(filled("hidden bias", [48], device));
        net.output.weight = filled("output", [48, 4], device);
        net.output.bias = Some(filled("output bias", [4], device));
        net
    }

    fn loss(&self, images: Tensor<4>) -> Tensor<1> {
        let x = relu(self.conv.forward(images)).flatten::<2>(1, 3);
        let x = self.output.forward(relu(self.hidden.forward(x)));
        x.powi_scalar(2).mean()
    }

    /// A loss whose gradients are the same numbers on every device: each weight times a constant.
    fn linear_loss(&self) -> Tensor<1> {
        let device = training_device_of(self);
        let conv = self.conv.weight.val() * noise("g conv", [8, 2, 3, 3], &device);
        let hidden = self.hidden.weight.val() * noise("g hidden", [288, 48], &device);
        let output = self.output.weight.val() * noise("g output", [48, 4], &device);
        conv.sum() + hidden.sum() + output.sum()
    }
}

fn training_device_of(net: &Net) -> Device {
    net.output.weight.val().device()
}

fn masks_after(config: PrunerConfig, device: &Device, loss: impl Fn(&Net) -> Tensor<1>) -> MaskSet {
    let mut model = Net::new(device);
    let mut pruner = config.init(&model).unwrap();
    let grads = GradientsParams::from_grads(loss(&model).backward(), &model);
    pruner.observe(&model, &grads).unwrap();
    pruner.prune(&mut model, 0).unwrap();
    // What acts agrees with what the mask says, on the device itself.
    let effective = Weights::effective(&model).unwrap();
    let masks = pruner.masks(&model).unwrap();
    let kept: usize = masks.iter().map(|(_, mask)| mask.kept()).sum();
    let alive: usize = ["conv.weight", "hidden.weight", "output.weight"]
        .iter()
        .filter_map(|path| effective.get(path))
        .map(|data| data.iter::<f32>().filter(|w| *w != 0.0).count())
        .sum();
    assert_eq!(alive, kept);
    masks
}

fn flex() -> Device {
    Device::flex().autodiff()
}

fn configs(sparsity: f64, seed: u64) -> Vec<PrunerConfig> {
    let config = || {
        PrunerConfig::new()
            .with_schedule(OneShot::new(sparsity))
            .with_seed(seed)
    };
    vec![
        config(),
        config().with_allocation(Global),
        config().with_allocation(Erk),
        config().with_allocation(Lamp),
        config().with_scorer(Random),
        config().with_pattern(Filter),
        config()
            .with_schedule(OneShot::new(0.5))
            .with_pattern(NofM::keep(2).of(4).unwrap().with_remainder(Remainder::Keep)),
        snip(sparsity),
        weight_taylor(OneShot::new(sparsity)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4))]
    #[test]
    fn equal_weights_and_signals_give_equal_masks(sparsity in 0.0f64..0.99, seed in any::<u64>()) {
        let here = configs(sparsity, seed);
        for (here, there) in here.into_iter().zip(configs(sparsity, seed)) {
            let on_flex = masks_after(here, &flex(), Net::linear_loss);
            let on_device = masks_after(there, &training_device(), Net::linear_loss);
            prop_assert_eq!(on_flex, on_device);
        }
    }
}

#[test]
fn gradients_of_the_device_itself_move_one_element_in_a_thousand_at_most() {
    for make in [|| snip(0.9), || weight_taylor(OneShot::new(0.9))] {
        let images = |device: &Device| noise("images", [16, 2, 6, 6], device);
        let on_flex = masks_after(make(), &flex(), |net| net.loss(images(&flex())));
        let on_device = masks_after(make(), &training_device(), |net| {
            net.loss(images(&training_device()))
        });
        let (mut changed, mut all) = (0, 0);
        for ((_, a), (_, b)) in on_flex.iter().zip(on_device.iter()) {
            changed += a.diff(b).unwrap().changed();
            all += a.len();
        }
        assert!(changed * 1000 <= all, "{changed} of {all} differ");
    }
}

#[test]
fn masks_move_with_a_model_from_device_to_device() {
    let mut model = Net::new(&Device::flex());
    let mut pruner = PrunerConfig::new()
        .with_schedule(OneShot::new(0.9))
        .init(&model)
        .unwrap();
    pruner.prune(&mut model, 0).unwrap();
    let masks = pruner.masks(&model).unwrap();
    let moved = model.clone().to_device(&device());
    assert_eq!(pruner.masks(&moved).unwrap(), masks);
    let images = |device: &Device| noise::<4>("images", [4, 2, 6, 6], device);
    let (here, there) = (
        model.loss(images(&Device::flex())),
        moved.loss(images(&device())),
    );
    let (here, there) = (here.into_scalar::<f32>(), there.into_scalar::<f32>());
    assert!(
        (here - there).abs() <= 1e-4 * here.abs(),
        "{here} and {there}"
    );
    let back = moved.to_device(&Device::flex());
    assert_eq!(pruner.masks(&back).unwrap(), masks);
}
