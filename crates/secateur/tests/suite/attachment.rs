//! Masks on a running model: exact zeros whatever happens, gradients as asked, Burn's own records.

use burn::{
    module::{Lora, Module, ModuleMapper, Param, Quantizer},
    optim::{AdamWConfig, GradientsParams, SgdConfig, momentum::MomentumConfig},
    store::ModuleRecord,
    tensor::{Bool, Device, Tensor, TensorData},
};
use secateur::{mask_op::GradientFlow, prelude::*};

use crate::{
    device::{device, training_device},
    nets::{ConvNet, Mlp, bits, noise, values},
};

fn half(model: &Mlp) -> Pruner {
    PrunerConfig::new()
        .with_schedule(OneShot::new(0.5))
        .init(model)
        .unwrap()
}

/// Overwrites every weight of two dimensions by negative, infinite and undefined numbers.
struct Poison;

impl ModuleMapper for Poison {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        if D != 2 {
            return param;
        }
        param.map(|old| {
            let bad = [-1.0, f32::INFINITY, f32::NEG_INFINITY, f32::NAN, -0.0];
            let n = old.shape().num_elements();
            let data: Vec<f32> = (0..n).map(|i| bad[i % bad.len()]).collect();
            let device = old.device();
            let new = Tensor::from_data(TensorData::new(data, old.shape()), &device);
            if old.is_require_grad() {
                new.require_grad()
            } else {
                new
            }
        })
    }
}

#[test]
fn masked_weights_are_plus_zero_whatever_is_stored() {
    for device in [device(), training_device()] {
        for flow in [
            GradientFlow::Masked,
            GradientFlow::Dense,
            GradientFlow::Backward,
        ] {
            let mut model = Mlp::new(&device);
            let treatment = Treatment {
                gradient: flow,
                ..Treatment::default()
            };
            let mut pruner = PrunerConfig::new()
                .with_schedule(OneShot::new(0.5))
                .with_treatment(treatment)
                .init(&model)
                .unwrap();
            pruner.prune(&mut model, 0).unwrap();
            let masks = pruner.masks(&model).unwrap();
            let model = model.map(&mut Poison);
            for model in [model.clone(), model.valid(), model.clone().fork(&device)] {
                let effective = bits(model.fc1.weight.val().transpose());
                for (index, kept) in masks.get("fc1.weight").unwrap().iter().enumerate() {
                    if !kept {
                        assert_eq!(effective[index], 0, "element {index} under {flow:?}");
                    }
                }
            }
        }
    }
}

#[test]
fn zeros_stay_through_momentum_weight_decay_and_adam() {
    let device = training_device();
    let mut model = Mlp::new(&device);
    let x = noise("x", [5, 6], &device);
    let mut sgd = SgdConfig::new()
        .with_momentum(Some(MomentumConfig::new().with_momentum(0.9)))
        .with_weight_decay(Some(burn::optim::decay::WeightDecayConfig::new(0.1)))
        .init();
    let mut adam = AdamWConfig::new().init();
    let mut pruner = half(&model);
    for step in 0..12 {
        let grads = GradientsParams::from_grads(model.loss(x.clone()).backward(), &model);
        // Momentum gathers on dense weights first, then half of them go.
        model = if step < 8 {
            sgd.step(0.1, model, grads)
        } else {
            adam.step(0.1, model, grads)
        };
        if step == 3 {
            pruner = half(&model);
            pruner.prune(&mut model, 0).unwrap();
        }
        if step > 3 {
            let kept = values(model.fc1.weight.val())
                .iter()
                .filter(|v| **v != 0.0)
                .count();
            assert_eq!(kept, 24, "step {step}");
        }
    }
    assert_eq!(pruner.report(&model).unwrap().sparsity(), 36.0 / 72.0);
}

#[test]
fn gradients_flow_as_asked() {
    let device = training_device();
    let x = noise("x", [5, 6], &device);
    let dense = Mlp::new(&device);
    for flow in [
        GradientFlow::Masked,
        GradientFlow::Dense,
        GradientFlow::Backward,
    ] {
        let treatment = Treatment {
            gradient: flow,
            ..Treatment::default()
        };
        let mut model = dense.clone();
        let mut pruner = PrunerConfig::new()
            .with_schedule(OneShot::new(0.5))
            .with_treatment(treatment)
            .init(&model)
            .unwrap();
        pruner.prune(&mut model, 0).unwrap();
        let grads = GradientsParams::from_grads(model.loss(x.clone()).backward(), &model);
        let through_mask = values(grads.get::<2>(model.fc1.weight.id).unwrap());
        // The same masked weights as plain leaves give the gradient of the effective weight.
        let mut plain = model.clone();
        pruner.clone().finish(&mut plain).unwrap();
        let grads = GradientsParams::from_grads(plain.loss(x.clone()).backward(), &plain);
        let effective = values(grads.get::<2>(plain.fc1.weight.id).unwrap());
        let zeros = bits(plain.fc1.weight.val());
        for index in 0..48 {
            let expected = match flow {
                GradientFlow::Dense => effective[index],
                _ if zeros[index] == 0 => 0.0,
                _ => effective[index],
            };
            assert!(
                (through_mask[index] - expected).abs() < 1e-6,
                "{flow:?} at {index}"
            );
        }
    }
}

#[test]
fn a_backward_mask_lets_more_learn_than_acts() {
    let device = training_device();
    let x = noise("x", [5, 6], &device);
    let mut model = Mlp::new(&device);
    let stored = values(model.fc1.weight.val());
    let mut pruner = PrunerConfig::new()
        .with_schedule(OneShot::new(0.5))
        .with_treatment(Treatment {
            gradient: GradientFlow::Backward,
            backward_sparsity: Some(0.25),
            ..Treatment::default()
        })
        .init(&model)
        .unwrap();
    pruner.prune(&mut model, 0).unwrap();
    let grads = GradientsParams::from_grads(model.loss(x.clone()).backward(), &model);
    let through = values(grads.get::<2>(model.fc1.weight.id).unwrap());
    let mut plain = model.clone();
    pruner.finish(&mut plain).unwrap();
    let grads = GradientsParams::from_grads(plain.loss(x).backward(), &plain);
    let effective = values(grads.get::<2>(plain.fc1.weight.id).unwrap());
    // 24 of 48 weights act, 36 learn: all but the 12 smallest.
    let mut magnitudes: Vec<f32> = stored.iter().map(|w| w.abs()).collect();
    magnitudes.sort_by(f32::total_cmp);
    let zeros = values(plain.fc1.weight.val())
        .iter()
        .filter(|w| **w == 0.0)
        .count();
    assert_eq!(zeros, 24);
    for index in 0..48 {
        let learns = stored[index].abs() > magnitudes[11];
        let expected = if learns { effective[index] } else { 0.0 };
        assert!((through[index] - expected).abs() < 1e-6, "at {index}");
    }
}

#[test]
fn masks_are_neither_counted_nor_trained() {
    let device = training_device();
    let dense = Mlp::new(&device);
    let mut model = dense.clone();
    half(&model).prune(&mut model, 0).unwrap();
    assert_eq!(model.num_params(), dense.num_params());
    let x = noise("x", [5, 6], &device);
    let grads = GradientsParams::from_grads(model.loss(x).backward(), &model);
    assert_eq!(grads.len(), 4);
}

#[test]
fn burns_records_keep_masks() {
    let device = device();
    let mut model = Mlp::new(&device);
    let mut pruner = half(&model);
    pruner.prune(&mut model, 0).unwrap();
    let bytes = model.clone().into_record().into_bytes().unwrap();
    let mut fresh = Mlp::new(&device);
    let record = ModuleRecord::from_bytes(bytes.clone()).unwrap();
    assert!(
        fresh.clone().try_load_record(record).is_err(),
        "Burn refuses masks it has no place for"
    );
    pruner.attach(&mut fresh).unwrap();
    let record = ModuleRecord::from_bytes(bytes).unwrap();
    let loaded = fresh.load_record(record);
    assert_eq!(bits(loaded.fc1.weight.val()), bits(model.fc1.weight.val()));
    assert_eq!(
        pruner.masks(&loaded).unwrap(),
        pruner.masks(&model).unwrap()
    );
}

#[test]
fn attaching_leaves_lazy_parameters_lazy() {
    let device = device();
    let net = burn::nn::LinearConfig::new(4, 3).init(&device);
    let mut model = Lazy { fc: net };
    assert!(!model.fc.weight.is_initialized());
    let pruner = PrunerConfig::new()
        .with_schedule(OneShot::new(0.5))
        .init_module(&model)
        .unwrap();
    pruner.attach(&mut model).unwrap();
    assert!(!model.fc.weight.is_initialized());
}

#[derive(Module, Debug)]
struct Lazy {
    fc: burn::nn::Linear,
}

#[test]
fn finished_models_are_plain_and_agree_bit_for_bit() {
    let device = device();
    let mut model = ConvNet::new(&device);
    let mut pruner = PrunerConfig::new()
        .with_schedule(OneShot::new(0.7))
        .with_allocation(Global)
        .init(&model)
        .unwrap();
    pruner.prune(&mut model, 0).unwrap();
    let x = noise("x", [2, 2, 5, 5], &device);
    let masked = bits(model.valid().forward(x.clone()));
    pruner.finish(&mut model).unwrap();
    assert_eq!(bits(model.valid().forward(x)), masked);
    let record = model.clone().into_record();
    assert_eq!(record.len(), ConvNet::new(&device).into_record().len());
    ConvNet::new(&device).try_load_record(record).unwrap();
}

#[test]
fn lora_is_refused_by_name_and_never_folded() {
    let device = training_device();
    let with_lora = |path: &str| {
        let net = Mlp::new(&device);
        match path {
            "fc1" => Mlp {
                fc1: net.fc1.apply_lora(Lora::new(2, 4.0)),
                fc2: net.fc2,
            },
            _ => net,
        }
    };
    let mut model = with_lora("fc1");
    let before = bits(model.fc1.weight.base());
    let mut pruner = half(&model);
    let error = pruner.prune(&mut model, 0).unwrap_err();
    let PruneError::Reparameterized { path, name } = &error else {
        panic!("{error}");
    };
    assert_eq!((path.as_str(), name.as_str()), ("fc1.weight", "lora"));
    assert_eq!(bits(model.fc1.weight.base()), before);
    assert!(model.fc1.weight.adapter().is_some());

    // Beside LoRA: prune the other layer, finish, and LoRA is still there.
    let mut pruner = PrunerConfig::new()
        .with_schedule(OneShot::new(0.5))
        .with_only(["fc2.weight"])
        .init(&model)
        .unwrap();
    pruner.prune(&mut model, 0).unwrap();
    let masked = bits(model.fc2.weight.val());
    pruner.finish(&mut model).unwrap();
    assert_eq!(bits(model.fc2.weight.val()), masked);
    assert_eq!(bits(model.fc2.weight.base()), masked);
    assert!(
        model.fc1.weight.adapter().is_some(),
        "LoRA must survive finish"
    );
    let plain = with_lora("fc1");
    plain
        .try_load_record(model.clone().into_record())
        .expect("no trace of the mask is recorded");
    let error = pruner.attach(&mut model).unwrap_err();
    assert!(matches!(error, PruneError::Finished { .. }), "{error}");
    assert!(error.to_string().contains(".map(|weight| weight)"));
}

#[test]
fn a_spent_mask_is_taken_off_as_its_error_says() {
    let device = training_device();
    let net = Mlp::new(&device);
    let mut model = Mlp {
        fc1: net.fc1.apply_lora(Lora::new(2, 4.0)),
        fc2: net.fc2,
    };
    let mut pruner = PrunerConfig::new()
        .with_schedule(OneShot::new(0.5))
        .with_only(["fc2.weight"])
        .init(&model)
        .unwrap();
    pruner.prune(&mut model, 0).unwrap();
    pruner.finish(&mut model).unwrap();
    let finished = bits(model.fc2.weight.val());
    let (id, trained) = (
        model.fc2.weight.id,
        model.fc2.weight.base().is_require_grad(),
    );

    // Spent, it still takes the place of a LoRA, which Burn drops without a word.
    let lost = model.fc2.clone().apply_lora(Lora::new(2, 4.0));
    assert!(lost.weight.adapter().is_none());

    model.fc2.weight = model.fc2.weight.map(|weight| weight);
    assert_eq!(bits(model.fc2.weight.val()), finished);
    assert_eq!(model.fc2.weight.id, id);
    assert_eq!(model.fc2.weight.base().is_require_grad(), trained);
    assert!(model.fc1.weight.adapter().is_some());
    let adapted = model.fc2.clone().apply_lora(Lora::new(2, 4.0));
    assert!(adapted.weight.adapter().is_some());

    // Masked again: of the twelve that are left, six more go.
    let mut again = PrunerConfig::new()
        .with_schedule(OneShot::new(0.75))
        .with_only(["fc2.weight"])
        .init(&model)
        .unwrap();
    again.prune(&mut model, 0).unwrap();
    let kept = again.masks(&model).unwrap();
    assert_eq!(kept.get("fc2.weight").unwrap().kept(), 6);
}

#[test]
fn quantized_weights_are_a_typed_error() {
    use burn::tensor::quantization::{Calibration, QuantValue};
    let device = Device::flex();
    let scheme = device
        .settings()
        .quantization
        .scheme
        .with_value(QuantValue::Q8S);
    let mut quantizer = Quantizer::new(Calibration::MinMax, scheme);
    let mut model = Mlp::new(&device);
    let mut pruner = half(&model);
    model = model.quantize_weights(&mut quantizer);
    let error = pruner.prune(&mut model, 0).unwrap_err();
    assert!(
        matches!(error, PruneError::UnsupportedDType { .. }),
        "{error}"
    );
}

/// Takes the last element off every mask, as no record and no call of ours would.
struct Shorten;

impl ModuleMapper for Shorten {
    fn map_bool<const D: usize>(
        &mut self,
        param: Param<Tensor<D, Bool>>,
    ) -> Param<Tensor<D, Bool>> {
        param.map(|mask| {
            let n = mask.dims()[0];
            mask.narrow(0, 0, n - 1)
        })
    }
}

#[test]
fn a_mask_of_another_length_is_a_typed_error() {
    let mut model = Mlp::new(&device());
    let mut pruner = half(&model);
    pruner.prune(&mut model, 0).unwrap();
    let mut model = model.map(&mut Shorten);
    let is_refused = |error: PruneError| {
        assert!(
            matches!(&error, PruneError::ModelChanged { path, .. } if path == "fc1.weight"),
            "{error}"
        );
        assert!(error.to_string().contains("its mask 47"), "{error}");
    };
    is_refused(pruner.masks(&model).unwrap_err());
    is_refused(half(&model).prune(&mut model, 0).unwrap_err());
    is_refused(secateur::torch::mask_of(&model, "fc1.weight").unwrap_err());
}

#[test]
fn a_mask_lost_to_param_map_is_seen_and_comes_back() {
    let mut model = Mlp::new(&device());
    let mut pruner = half(&model);
    pruner.prune(&mut model, 0).unwrap();
    let masks = pruner.masks(&model).unwrap();

    model.fc1.weight = model.fc1.weight.map(|weight| weight * 2.0);
    assert!(values(model.fc1.weight.val()).iter().all(|w| *w != 0.0));
    assert_eq!(
        pruner
            .masks(&model)
            .unwrap()
            .get("fc1.weight")
            .unwrap()
            .pruned(),
        0
    );

    let mut again = half(&model);
    again.prune(&mut model, 0).unwrap();
    assert_eq!(again.masks(&model).unwrap(), masks);
}
