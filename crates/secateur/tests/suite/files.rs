//! Model files: what was saved comes back, and what does not fit is refused as a whole.

use std::path::{Path, PathBuf};

use burn::{
    module::{Lora, Module, Param, Quantizer},
    nn::{Linear, LinearConfig, LinearLayout},
    optim::{GradientsParams, SgdConfig, momentum::MomentumConfig},
    tensor::{Bool, DType, Device, Int, Tensor, TensorData},
};
use secateur::{
    load_file, load_sparse, mask_op::GradientFlow, prelude::*, save_sparse, torch::l1_unstructured,
    torch::mask_of,
};
use tempfile::TempDir;

use crate::{
    device::{device, training_device},
    nets::{ConvNet, Mlp, bits, filled, noise, values},
};

/// A folder that goes with the test, and a file in it.
fn place(name: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(name);
    (folder, file)
}

fn half(flow: GradientFlow) -> PrunerConfig {
    let treatment = Treatment {
        gradient: flow,
        ..Treatment::default()
    };
    PrunerConfig::new()
        .with_schedule(OneShot::new(0.5))
        .with_treatment(treatment)
}

const FLOWS: [GradientFlow; 3] = [
    GradientFlow::Masked,
    GradientFlow::Dense,
    GradientFlow::Backward,
];

fn size(file: &Path) -> u64 {
    std::fs::metadata(file).unwrap().len()
}

#[test]
fn burns_records_with_masks_load_into_fresh_models() {
    let (_folder, file) = place("mlp.bpk");
    for flow in FLOWS {
        let mut model = Mlp::new(&training_device());
        let mut pruner = half(flow).init(&model).unwrap();
        pruner.prune(&mut model, 0).unwrap();
        model.clone().save_file(&file).unwrap();

        let mut loaded = load_file(Mlp::new(&training_device()), &file).unwrap();
        assert_eq!(
            Weights::of(&loaded),
            Weights::of(&model),
            "hidden values too"
        );
        assert_eq!(Weights::effective(&loaded), Weights::effective(&model));
        assert_eq!(
            pruner.masks(&loaded).unwrap(),
            pruner.masks(&model).unwrap()
        );
        assert_eq!(loaded.fc1.weight.id, model.fc1.weight.id);
        pruner
            .attach(&mut loaded)
            .expect("the gradient flow is the saved one");
        // A second time, into a model that has masks already.
        let again = load_file(loaded, &file).unwrap();
        assert_eq!(pruner.masks(&again).unwrap(), pruner.masks(&model).unwrap());
    }
}

#[test]
fn only_the_parameters_with_masks_get_them() {
    let (_folder, file) = place("mlp.bpk");
    let mut model = Mlp::new(&device());
    l1_unstructured(&mut model, "fc2.bias", 1).unwrap();
    model.clone().save_file(&file).unwrap();
    let loaded = load_file(Mlp::new(&device()), &file).unwrap();
    assert!(secateur::torch::is_pruned_at(&loaded, "fc2.bias").unwrap());
    assert!(!secateur::torch::is_pruned_at(&loaded, "fc1.weight").unwrap());
    assert_eq!(
        bits(loaded.fc2.bias.unwrap().val()),
        bits(model.fc2.bias.unwrap().val())
    );
}

#[test]
fn plain_records_load_under_masks() {
    let (_folder, file) = place("dense.bpk");
    let mut dense = Mlp::new(&device());
    dense.fc1.weight = filled("other", [6, 8], &device());
    dense.clone().save_file(&file).unwrap();

    let mut model = Mlp::new(&device());
    let mut pruner = half(GradientFlow::Dense).init(&model).unwrap();
    pruner.prune(&mut model, 0).unwrap();
    let masks = pruner.masks(&model).unwrap();
    let model = load_file(model, &file).unwrap();
    assert_eq!(pruner.masks(&model).unwrap(), masks);
    assert_eq!(bits(model.fc1.weight.base()), bits(dense.fc1.weight.val()));
    assert_eq!(
        values(model.fc1.weight.val())
            .iter()
            .filter(|v| **v == 0.0)
            .count(),
        24
    );
}

#[test]
fn a_path_without_extension_is_burns() {
    let (folder, _) = place("");
    let model = Mlp::new(&device());
    model.clone().save_file(folder.path().join("mlp")).unwrap();
    assert!(folder.path().join("mlp.bpk").exists());
    let loaded = load_file(Mlp::new(&device()), folder.path().join("mlp")).unwrap();
    assert_eq!(Weights::of(&loaded), Weights::of(&model));
}

#[test]
fn sparse_files_give_the_same_model_back() {
    let (_folder, file) = place("mlp.sparse");
    for flow in FLOWS {
        let mut model = Mlp::new(&training_device());
        // What a careless writer would lose: a kept zero of either sign, NaN, infinity.
        model.fc1.weight = model.fc1.weight.map(|old| {
            let mut data: Vec<f32> = values(old.clone());
            data[..5].copy_from_slice(&[
                -0.0,
                0.0,
                f32::NAN,
                f32::INFINITY,
                f32::MIN_POSITIVE / 2.0,
            ]);
            let new = Tensor::from_data(TensorData::new(data, [6, 8]), &old.device());
            new.require_grad()
        });
        let kept = Mask::from_fn([8, 6, 1], |index| index % 6 == 0 || index % 4 == 1).unwrap();
        let pruner = half(flow).init(&model).unwrap();
        pruner
            .set_masks(&mut model, &MaskSet::from_iter([("fc1.weight", kept)]))
            .unwrap();
        save_sparse(&model, &file).unwrap();

        for loaded in [
            load_file(Mlp::new(&training_device()), &file).unwrap(),
            load_sparse(Mlp::new(&training_device()), &file).unwrap(),
        ] {
            assert_eq!(bits(loaded.fc1.weight.val()), bits(model.fc1.weight.val()));
            assert_eq!(bits(loaded.fc2.weight.val()), bits(model.fc2.weight.val()));
            assert_eq!(
                pruner.masks(&loaded).unwrap(),
                pruner.masks(&model).unwrap()
            );
            assert_eq!(loaded.fc1.weight.id, model.fc1.weight.id);
            pruner
                .attach(&mut loaded.clone())
                .expect("the gradient flow is the saved one");
            // The values under the mask are not stored.
            assert_eq!(bits(loaded.fc1.weight.base()), bits(model.fc1.weight.val()));
        }
    }
}

#[test]
fn a_larger_backward_mask_survives() {
    let (_folder, file) = place("mlp.sparse");
    let record_of = |model: &Mlp| model.clone().into_record().into_bytes().unwrap().to_vec();
    let mut model = Mlp::new(&device());
    let mut pruner = half(GradientFlow::Backward).init(&model).unwrap();
    pruner.prune(&mut model, 0).unwrap();
    save_sparse(&model, &file).unwrap();
    let once = load_sparse(Mlp::new(&device()), &file).unwrap();
    save_sparse(&once, &file).unwrap();
    let twice = load_sparse(Mlp::new(&device()), &file).unwrap();
    assert_eq!(record_of(&once), record_of(&twice));
}

#[test]
fn finished_models_and_running_statistics() {
    let (_folder, file) = place("conv.sparse");
    let device = training_device();
    let mut model = ConvNet::new(&device);
    let x = noise("x", [2, 2, 5, 5], &device);
    for _ in 0..3 {
        model.forward(x.clone());
    }
    model.valid(); // Burn's statistics lag a step behind until they are asked for
    let mut pruner = PrunerConfig::new()
        .with_schedule(OneShot::new(0.8))
        .init(&model)
        .unwrap();
    pruner.prune(&mut model, 0).unwrap();
    pruner.finish(&mut model).unwrap();
    save_sparse(&model, &file).unwrap();
    let loaded = load_file(ConvNet::new(&device), &file).unwrap();
    assert!(!secateur::torch::is_pruned(&loaded));
    assert_eq!(Weights::of(&loaded), Weights::of(&model));
    let statistics = |model: &ConvNet| bits(model.norm.running_mean.value());
    assert_eq!(statistics(&loaded), statistics(&model));
    assert_ne!(statistics(&loaded), statistics(&ConvNet::new(&device)));
    let x = x.inner();
    assert_eq!(
        bits(loaded.valid().forward(x.clone())),
        bits(model.valid().forward(x))
    );
}

/// LeNet-300-100's first layer.
#[derive(Module, Debug)]
struct Wide {
    fc: Linear,
}

impl Wide {
    fn new(device: &Device) -> Self {
        let mut fc = LinearConfig::new(784, 300).init(device);
        fc.weight = filled("fc", [784, 300], device);
        Self { fc }
    }
}

#[test]
fn ninety_percent_sparse_is_under_a_fifth_of_dense() {
    let (folder, dense) = place("dense.bpk");
    let sparse = folder.path().join("model.sparse");
    for (dtype, bound) in [
        (DType::F32, 0.135),
        (DType::F64, 0.12),
        (DType::F16, 0.17),
        (DType::BF16, 0.17),
    ] {
        if !device().supports_dtype(dtype) {
            continue;
        }
        let mut model = Wide::new(&device());
        model.fc.weight = model.fc.weight.map(|w| w.cast(dtype));
        model.clone().save_file(&dense).unwrap();
        let mut pruner = PrunerConfig::new()
            .with_schedule(OneShot::new(0.9))
            .init_module(&model)
            .unwrap();
        pruner.prune(&mut model, 0).unwrap();
        save_sparse(&model, &sparse).unwrap();
        let masked = size(&sparse) as f64 / size(&dense) as f64;
        assert!(masked < bound, "{dtype:?} with masks: {masked}");
        let loaded = load_file(Wide::new(&device()), &sparse).unwrap();
        assert_eq!(loaded.fc.weight.dtype(), dtype);
        assert_eq!(
            loaded.fc.weight.val().into_data(),
            model.fc.weight.val().into_data()
        );
        assert_eq!(
            pruner.masks(&loaded).unwrap(),
            pruner.masks(&model).unwrap()
        );

        pruner.finish(&mut model).unwrap();
        save_sparse(&model, &sparse).unwrap();
        let finished = size(&sparse) as f64 / size(&dense) as f64;
        assert!(finished < bound, "{dtype:?} finished: {finished}");
        let loaded = load_file(Wide::new(&device()), &sparse).unwrap();
        assert_eq!(Weights::of(&loaded), Weights::of(&model));
    }
}

#[test]
fn dense_models_do_not_grow() {
    let (folder, dense) = place("dense.bpk");
    let sparse = folder.path().join("model.sparse");
    let model = Wide::new(&device());
    model.clone().save_file(&dense).unwrap();
    save_sparse(&model, &sparse).unwrap();
    assert!(size(&sparse) < size(&dense) + 2_000);
    let loaded = load_file(Wide::new(&device()), &sparse).unwrap();
    assert_eq!(Weights::of(&loaded), Weights::of(&model));
}

#[test]
fn column_major_linears_load_lazy_or_not() {
    let (folder, record) = place("col.bpk");
    let sparse = folder.path().join("col.sparse");
    for (ins, outs) in [(4, 3), (4, 4)] {
        let fresh = || Wide {
            fc: LinearConfig::new(ins, outs)
                .with_layout(LinearLayout::Col)
                .init(&device()),
        };
        let mut model = fresh();
        l1_unstructured(&mut model, "fc.weight", 0.5).unwrap();
        model.clone().save_file(&record).unwrap();
        save_sparse(&model, &sparse).unwrap();
        let ready = fresh();
        assert_eq!(ready.fc.weight.dims(), [ins, outs]);
        for target in [fresh(), ready] {
            for file in [&record, &sparse] {
                let loaded = load_file(target.clone(), file).unwrap();
                assert_eq!(bits(loaded.fc.weight.val()), bits(model.fc.weight.val()));
                assert_eq!(
                    mask_of(&loaded, "fc.weight").unwrap(),
                    mask_of(&model, "fc.weight").unwrap()
                );
            }
        }
    }
    let row = Wide {
        fc: LinearConfig::new(4, 3).init(&device()),
    };
    row.save_file(&record).unwrap();
    let col = Wide {
        fc: LinearConfig::new(4, 3)
            .with_layout(LinearLayout::Col)
            .init(&device()),
    };
    let error = load_file(col, &record).unwrap_err();
    assert!(error.to_string().contains("other layout"), "{error}");
}

/// Numbers that are not floats, and no numbers at all.
#[derive(Module, Debug)]
struct Mixed {
    weight: Param<Tensor<2>>,
    index: Param<Tensor<1, Int>>,
    flags: Param<Tensor<1, Bool>>,
    empty: Param<Tensor<1>>,
    scalar: Param<Tensor<1>>,
}

impl Mixed {
    fn new(start: i64, device: &Device) -> Self {
        let index: Vec<i64> = (start..start + 10).collect();
        let flags: Vec<bool> = index.iter().map(|i| i % 3 == 0).collect();
        Self {
            weight: filled(&format!("mixed {start}"), [2, 5], device),
            index: Param::initialized(
                Default::default(),
                Tensor::from_data(TensorData::new(index, [10]), device),
            ),
            flags: Param::initialized(
                Default::default(),
                Tensor::from_data(TensorData::new(flags, [10]), device),
            ),
            empty: Param::from_tensor(Tensor::zeros([0], device)),
            scalar: Param::from_tensor(Tensor::from_data([start as f32], device)),
        }
    }
}

#[test]
fn every_kind_of_parameter_is_saved() {
    let (folder, record) = place("mixed.bpk");
    let sparse = folder.path().join("mixed.sparse");
    let mut model = Mixed::new(0, &device());
    l1_unstructured(&mut model, "weight", 0.8).unwrap();
    model.clone().save_file(&record).unwrap();
    save_sparse(&model, &sparse).unwrap();
    for file in [record, sparse] {
        let loaded = load_file(Mixed::new(5, &device()), &file).unwrap();
        assert_eq!(bits(loaded.weight.val()), bits(model.weight.val()));
        assert_eq!(
            loaded.index.val().into_data(),
            model.index.val().into_data()
        );
        assert_eq!(
            loaded.flags.val().into_data(),
            model.flags.val().into_data()
        );
        assert_eq!(values(loaded.scalar.val()), [0.0]);
    }
}

#[test]
fn tied_fields_come_back_tied() {
    let (folder, record) = place("tied.bpk");
    let sparse = folder.path().join("tied.sparse");
    let tied = || {
        let fc = LinearConfig::new(4, 4).init(&device());
        Mlp {
            fc1: fc.clone(),
            fc2: fc,
        }
    };
    let mut model = tied();
    l1_unstructured(&mut model, "fc1.weight", 0.5).unwrap();
    model.clone().save_file(&record).unwrap();
    save_sparse(&model, &sparse).unwrap();
    for file in [record, sparse] {
        let loaded = load_file(tied(), &file).unwrap();
        for path in ["fc1.weight", "fc2.weight"] {
            assert_eq!(
                mask_of(&loaded, path).unwrap(),
                mask_of(&model, path).unwrap()
            );
        }
        assert_eq!(bits(loaded.fc2.weight.val()), bits(model.fc1.weight.val()));
    }
}

#[test]
fn a_stopped_run_goes_on_from_its_files() {
    let (folder, record) = place("checkpoint.bpk");
    let (state, momentum) = (
        folder.path().join("pruner"),
        folder.path().join("optimizer"),
    );
    let device = training_device();
    let x = noise("x", [5, 6], &device);
    let config = || PrunerConfig::new().with_schedule(Linear::new(0.75).between(2..=10).every(2));
    use secateur::schedule::Linear;
    let sgd = || {
        SgdConfig::new()
            .with_momentum(Some(MomentumConfig::new().with_momentum(0.9)))
            .init()
    };
    let fresh = || {
        let mut model = Mlp::new(&device);
        model.fc1.bias = Some(filled("bias 1", [8], &device));
        model.fc2.bias = Some(filled("bias 2", [3], &device));
        model
    };
    let run = |stop: Option<usize>| {
        let mut model = fresh();
        let mut optimizer = sgd();
        let mut pruner = config().init(&model).unwrap();
        for step in 0..12 {
            let grads = GradientsParams::from_grads(model.loss(x.clone()).backward(), &model);
            model = optimizer.step(0.05, model, grads);
            pruner.prune(&mut model, step).unwrap();
            if stop == Some(step) {
                model.clone().save_file(&record).unwrap();
                pruner.save_state(&state).unwrap();
                optimizer.save(&momentum).unwrap();
                model = load_file(Mlp::new(&device), &record).unwrap();
                pruner = config().init(&model).unwrap();
                pruner.load_state(&state).unwrap();
                optimizer = sgd().load(&momentum).unwrap();
            }
        }
        (
            pruner.masks(&model).unwrap(),
            Weights::of(&model).get("fc1.weight").cloned(),
        )
    };
    let whole = run(None);
    assert_eq!(run(Some(5)), whole);
    assert_eq!(run(Some(1)), whole, "before the first mask");
}

fn refused(model: Mlp, file: &Path) -> PruneError {
    let before = Weights::of(&model);
    let error = load_file(model.clone(), file).unwrap_err();
    assert_eq!(Weights::of(&model), before);
    error
}

/// File, path and reason of a mismatch.
fn mismatch(error: PruneError) -> (String, String) {
    match error {
        PruneError::RecordMismatch { path, why, .. } => (path, why),
        other => panic!("{other:?}"),
    }
}

#[test]
fn files_of_other_models_are_refused_by_name() {
    let (folder, record) = place("other.bpk");
    let sparse = folder.path().join("other.sparse");
    let saved = |model: &Mlp| {
        model.clone().save_file(&record).unwrap();
        save_sparse(model, &sparse).unwrap();
        [record.clone(), sparse.clone()]
    };
    let mut masked = Mlp::new(&device());
    l1_unstructured(&mut masked, "fc1.weight", 0.5).unwrap();

    let mut narrow = masked.clone();
    narrow.fc2 = LinearConfig::new(8, 2).init(&device());
    for file in saved(&narrow) {
        let (path, why) = mismatch(refused(Mlp::new(&device()), &file));
        assert_eq!(path, "fc2.weight");
        assert!(why.contains("[8, 3]") && why.contains("[8, 2]"), "{why}");
    }
    let mut without_bias = masked.clone();
    without_bias.fc2.bias = None;
    for file in saved(&without_bias) {
        assert_eq!(mismatch(refused(Mlp::new(&device()), &file)).0, "fc2.bias");
    }
    for file in saved(&masked) {
        assert_eq!(mismatch(refused(without_bias.clone(), &file)).0, "fc2.bias");
        let (path, why) = mismatch(load_file(Wide::new(&device()), &file).unwrap_err());
        assert_eq!(path, "fc1.weight");
        assert!(why.contains("mask"), "{why}");
    }
    // A mask of another length than its parameter.
    let mut wider = Mlp::new(&device());
    wider.fc1 = LinearConfig::new(7, 8).init(&device());
    for file in saved(&masked) {
        let (path, _) = mismatch(refused(wider.clone(), &file));
        assert_eq!(path, "fc1.weight");
    }
}

#[test]
fn masks_that_cannot_be_put_on_are_refused() {
    let (folder, record) = place("masked.bpk");
    let sparse = folder.path().join("masked.sparse");
    let mut model = Mlp::new(&device());
    let mut pruner = half(GradientFlow::Masked).init(&model).unwrap();
    pruner.prune(&mut model, 0).unwrap();
    model.clone().save_file(&record).unwrap();
    save_sparse(&model, &sparse).unwrap();
    for file in [&record, &sparse] {
        let mut dense_flow = Mlp::new(&device());
        let other = half(GradientFlow::Dense).init(&dense_flow).unwrap();
        other.attach(&mut dense_flow).unwrap();
        let error = refused(dense_flow, file);
        assert!(matches!(error, PruneError::GradientFlow { .. }), "{error}");

        let net = Mlp::new(&device());
        let with_lora = Mlp {
            fc1: net.fc1.apply_lora(Lora::new(2, 4.0)),
            fc2: net.fc2,
        };
        let error = refused(with_lora, file);
        let PruneError::Reparameterized { path, name } = &error else {
            panic!("{error}");
        };
        assert_eq!((path.as_str(), name.as_str()), ("fc1.weight", "lora"));
    }
}

#[test]
fn lora_loads_beside_masks() {
    let (folder, record) = place("lora.bpk");
    let sparse = folder.path().join("lora.sparse");
    let with_lora = || {
        let net = Mlp::new(&device());
        Mlp {
            fc1: net.fc1.apply_lora(Lora::new(2, 4.0)),
            fc2: net.fc2,
        }
    };
    let mut model = with_lora();
    l1_unstructured(&mut model, "fc2.weight", 0.5).unwrap();
    model.clone().save_file(&record).unwrap();
    save_sparse(&model, &sparse).unwrap();
    for file in [record, sparse] {
        let loaded = load_file(with_lora(), &file).unwrap();
        assert_eq!(bits(loaded.fc1.weight.val()), bits(model.fc1.weight.val()));
        assert_eq!(bits(loaded.fc2.weight.val()), bits(model.fc2.weight.val()));
    }
}

#[test]
fn damaged_files_are_refused() {
    let (folder, file) = place("damaged");
    let missing = refused(Mlp::new(&device()), &file);
    assert!(
        matches!(missing, PruneError::Io { action: "read", .. }),
        "{missing}"
    );

    let mut model = Mlp::new(&device());
    l1_unstructured(&mut model, "fc1.weight", 0.9).unwrap();
    let record = folder.path().join("record.bpk");
    let sparse = folder.path().join("sparse");
    model.clone().save_file(&record).unwrap();
    save_sparse(&model, &sparse).unwrap();
    for sound in [&record, &sparse] {
        let bytes = std::fs::read(sound).unwrap();
        for damaged in [
            &bytes[..0],
            &bytes[..20],
            &bytes[..bytes.len() / 2],
            b"no model at all",
        ] {
            std::fs::write(&file, damaged).unwrap();
            let error = refused(Mlp::new(&device()), &file);
            assert!(matches!(error, PruneError::CorruptFile { .. }), "{error}");
        }
    }
    // Any flipped bit of a sparse file is noticed, unless it lies in padding.
    let bytes = std::fs::read(&sparse).unwrap();
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1 << (at % 8);
        std::fs::write(&file, &damaged).unwrap();
        if let Ok(loaded) = load_file(Mlp::new(&device()), &file) {
            assert_eq!(
                bits(loaded.fc1.weight.val()),
                bits(model.fc1.weight.val()),
                "byte {at}"
            );
            assert_eq!(
                bits(loaded.fc2.weight.val()),
                bits(model.fc2.weight.val()),
                "byte {at}"
            );
        }
    }
    // A record of Burn has no checksum; whatever it holds, loading it does not panic.
    let bytes = std::fs::read(&record).unwrap();
    for at in (0..bytes.len()).step_by(3) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1 << (at % 8);
        std::fs::write(&file, &damaged).unwrap();
        let _ = load_file(Mlp::new(&device()), &file);
    }
}

#[test]
fn other_files_of_secateur_are_told_apart() {
    let (folder, file) = place("weights");
    let mut model = Mlp::new(&device());
    Weights::of(&model).save(&file).unwrap();
    let error = refused(model.clone(), &file);
    assert!(error.to_string().contains("it holds weights"), "{error}");
    let error = load_sparse(model.clone(), &file).unwrap_err();
    assert!(error.to_string().contains("it holds weights"), "{error}");

    let record = folder.path().join("record.bpk");
    l1_unstructured(&mut model, "fc1.weight", 0.5).unwrap();
    model.clone().save_file(&record).unwrap();
    let error = load_sparse(Mlp::new(&device()), &record).unwrap_err();
    assert!(
        error.to_string().contains("Secateur did not write it"),
        "{error}"
    );
}

#[test]
fn a_failed_save_leaves_the_old_file() {
    use burn::tensor::quantization::{Calibration, QuantValue};
    let (folder, file) = place("model.sparse");
    let device = Device::flex();
    let mut model = Mlp::new(&device);
    l1_unstructured(&mut model, "fc1.weight", 0.5).unwrap();
    save_sparse(&model, &file).unwrap();
    let before = std::fs::read(&file).unwrap();

    let scheme = device
        .settings()
        .quantization
        .scheme
        .with_value(QuantValue::Q8S);
    let mut quantizer = Quantizer::new(Calibration::MinMax, scheme);
    let quantized = model.clone().quantize_weights(&mut quantizer);
    let error = save_sparse(&quantized, &file).unwrap_err();
    assert!(
        matches!(error, PruneError::UnsupportedDType { .. }),
        "{error}"
    );
    assert_eq!(std::fs::read(&file).unwrap(), before);

    // The destination is a folder, so the finished file cannot take its name.
    let taken = folder.path().join("taken");
    std::fs::create_dir(&taken).unwrap();
    let inside = taken.join("keep");
    std::fs::write(&inside, b"kept").unwrap();
    let error = save_sparse(&model, &taken).unwrap_err();
    assert!(
        matches!(
            error,
            PruneError::Io {
                action: "write",
                ..
            }
        ),
        "{error}"
    );
    assert_eq!(std::fs::read(&inside).unwrap(), b"kept");
    let nowhere = folder.path().join("no such folder").join("model.sparse");
    assert!(matches!(
        save_sparse(&model, nowhere),
        Err(PruneError::Io { .. })
    ));

    // Nothing half-written is left behind, and saving again replaces the file.
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
    l1_unstructured(&mut model, "fc1.weight", 0.5).unwrap();
    save_sparse(&model, &file).unwrap();
    let loaded = load_sparse(Mlp::new(&device), &file).unwrap();
    assert_eq!(mask_of(&loaded, "fc1.weight").unwrap().kept(), 12);
}

#[test]
fn quantized_models_without_masks_are_saved_whole() {
    use burn::tensor::quantization::{Calibration, QuantValue};
    let (_folder, file) = place("quantized.sparse");
    let device = Device::flex();
    let scheme = device
        .settings()
        .quantization
        .scheme
        .with_value(QuantValue::Q8S);
    let mut quantizer = Quantizer::new(Calibration::MinMax, scheme);
    let model = Mlp::new(&device).quantize_weights(&mut quantizer);
    save_sparse(&model, &file).unwrap();
    let loaded = load_sparse(Mlp::new(&device), &file).unwrap();
    assert_eq!(
        loaded.fc1.weight.val().into_data(),
        model.fc1.weight.val().into_data()
    );
}
