//! A full-size model becomes the smaller one by loading, and damage is always found.

use std::fs;

use burn::{
    Tensor,
    module::Module,
    nn::{Linear, LinearConfig, LinearLayout},
    optim::{
        AdamConfig, GradientsParams, LBFGSConfig, ModuleOptimizer, SgdConfig,
        momentum::MomentumConfig,
    },
    tensor::Device,
};
use secateur_core::{
    error::PruneError,
    layers::{LayerWalk, Prunable},
    treatment::Treatment,
};
use secateur_structure::{
    checkpoint,
    cut::Cut,
    error::StructureError,
    optimizer::{OptimizerState, cut_optimizer},
    settings::add_bias,
    slice,
};

use crate::nets::*;

fn step(model: Mlp, optimizer: &mut ModuleOptimizer, scale: f32) -> Mlp {
    let device = Device::flex().autodiff();
    let x = Tensor::<2>::ones([4, 5], &device).mul_scalar(scale);
    let loss = model.forward(x).square().mean();
    let gradients = GradientsParams::from_grads(loss.backward(), &model);
    optimizer.step(0.01, model, gradients)
}

/// The error; optimizers do not print.
fn refused<M, O>(loaded: Result<(M, O), StructureError>) -> StructureError {
    match loaded {
        Ok(_) => panic!("it was loaded"),
        Err(error) => error,
    }
}

/// A model that was cut twice, with masks and the state of three steps.
fn trained(layout: LinearLayout) -> (Mlp, Vec<Cut>, ModuleOptimizer) {
    let device = Device::flex().autodiff();
    let mut model = Mlp::new(layout, &[], &device);
    mask_hidden(&mut model, &[1, 6], Treatment::default());
    let mut optimizer = AdamConfig::new().init();
    model = step(model, &mut optimizer, 1.0);
    let first = hidden(&[0, 1, 3, 4, 5, 7]);
    cut_optimizer(&mut optimizer, &first, &model).unwrap();
    model = slice::apply(&model, &first).unwrap();
    model = step(model, &mut optimizer, 2.0);
    let second = cut([
        ("fc1.weight", &[5, 6], 1, &[0, 1, 5]),
        ("fc1.bias", &[6], 0, &[0, 1, 5]),
        ("fc2.weight", &[6, 3], 0, &[0, 1, 5]),
    ]);
    cut_optimizer(&mut optimizer, &second, &model).unwrap();
    model = slice::apply(&model, &second).unwrap();
    model = step(model, &mut optimizer, 3.0);
    (model, vec![first, second], optimizer)
}

fn weights(model: &Mlp) -> Vec<f32> {
    let mut all = values(model.fc1.weight.val());
    all.extend(values(model.fc1.bias.as_ref().unwrap().val()));
    all.extend(values(model.fc2.weight.val()));
    all
}

#[test]
fn a_fresh_model_becomes_the_pruned_one_and_trains_on_alike() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("net.secateur");
    for layout in [LinearLayout::Row, LinearLayout::Col] {
        let (model, cuts, mut optimizer) = trained(layout);
        checkpoint::save(&file, &model, &cuts, &optimizer).unwrap();
        assert_eq!(checkpoint::read_cuts(&file).unwrap(), cuts);

        let fresh = Mlp::new(layout, &[3], &Device::flex().autodiff());
        let (loaded, mut resumed) =
            checkpoint::load(&file, fresh, AdamConfig::new().init()).unwrap();
        assert_eq!(weights(&loaded), weights(&model));
        assert_eq!(
            values(loaded.fc1.weight.base()),
            values(model.fc1.weight.base())
        );
        assert_eq!(loaded.fc1.weight.id, model.fc1.weight.id);
        // The mask came along: unit 1 of the full model is the second one left.
        assert!(weights(&loaded)[1] == 0.0 && values(loaded.fc1.weight.base())[1] != 0.0);

        let on = step(model, &mut optimizer, 4.0);
        let resumed = step(loaded, &mut resumed, 4.0);
        assert_eq!(weights(&on), weights(&resumed));
    }
}

#[test]
fn every_flipped_byte_and_every_truncation_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("net.secateur");
    let (model, cuts, optimizer) = trained(LinearLayout::Row);
    checkpoint::save(&file, &model, &cuts, &optimizer).unwrap();
    let whole = fs::read(&file).unwrap();
    let damaged = folder.path().join("damaged");
    let fresh = Mlp::new(LinearLayout::Row, &[], &Device::flex());
    let refuse = |bytes: &[u8], what: &str| {
        fs::write(&damaged, bytes).unwrap();
        let error = refused(checkpoint::load(
            &damaged,
            fresh.clone(),
            AdamConfig::new().init(),
        ));
        assert!(
            matches!(&error, StructureError::Core(PruneError::CorruptFile { .. })),
            "{what}: {error}"
        );
    };
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (at % 8);
        refuse(&bytes, &format!("byte {at} flipped"));
        refuse(&whole[..at], &format!("{at} bytes left"));
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("net.secateur");
    let (model, cuts, optimizer) = trained(LinearLayout::Row);
    checkpoint::save(&file, &model, &cuts, &optimizer).unwrap();
    let device = Device::flex().autodiff();
    let fresh = || Mlp::new(LinearLayout::Row, &[], &device);

    let other = ConvNet::new(&device);
    let error = refused(checkpoint::load(&file, other, AdamConfig::new().init()));
    assert!(
        matches!(error, StructureError::UnknownParameter { .. }),
        "{error}"
    );
    // A model that is small already.
    let error = refused(checkpoint::load(
        &file,
        model.clone(),
        AdamConfig::new().init(),
    ));
    assert!(
        matches!(error, StructureError::ShapeMismatch { .. }),
        "{error}"
    );
    // Another kind of optimizer.
    let error = refused(checkpoint::load(&file, fresh(), LBFGSConfig::new().init()));
    assert!(
        matches!(error, StructureError::OptimizerState { .. }),
        "{error}"
    );
    // One whose state has other tensors.
    let sgd = SgdConfig::new().with_momentum(Some(MomentumConfig::new()));
    let error = refused(checkpoint::load(&file, fresh(), sgd.init()));
    assert!(error.to_string().contains("another kind"), "{error}");
    // None is always right to take, and cannot be taken for one.
    checkpoint::load(&file, fresh(), ()).unwrap();
    checkpoint::save(&file, &model, &cuts, &()).unwrap();
    let error = refused(checkpoint::load(&file, fresh(), AdamConfig::new().init()));
    assert!(
        error.to_string().contains("without an optimizer"),
        "{error}"
    );
    // A mask file.
    let masks = pruner(&model, Treatment::default()).masks(&model).unwrap();
    masks.save(&file).unwrap();
    let error = refused(checkpoint::load(&file, fresh(), ()));
    assert!(
        matches!(&error, StructureError::Core(PruneError::CorruptFile { .. })),
        "{error}"
    );
    let error = refused(checkpoint::load(folder.path().join("none"), fresh(), ()));
    assert!(matches!(error, StructureError::Core(PruneError::Io { .. })));
}

#[derive(Module, Debug)]
struct Tiny {
    fc: Linear,
}

impl Prunable for Tiny {
    fn collect_layers<'a>(&'a mut self, walk: &mut LayerWalk<'a>) {
        walk.field("fc", &mut self.fc);
    }
}

#[test]
fn a_bias_that_was_added_is_added_again() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tiny.secateur");
    let tiny = || Tiny {
        fc: LinearConfig::new(3, 2)
            .with_bias(false)
            .init(&Device::flex()),
    };
    let cuts = [cut([("fc.weight", &[3, 2], 0, &[0, 2])])];
    let mut model = slice::apply(&tiny(), &cuts[0]).unwrap();
    add_bias(&mut model, "fc", &[0.5, -1.5]).unwrap();
    checkpoint::save(&file, &model, &cuts, &()).unwrap();
    let (loaded, ()) = checkpoint::load(&file, tiny(), ()).unwrap();
    assert_eq!(values(loaded.fc.bias.unwrap().val()), [0.5, -1.5]);
    assert_eq!(
        values(loaded.fc.weight.val()),
        values(model.fc.weight.val())
    );
}

#[test]
fn an_lbfgs_is_saved_too() {
    let optimizer = LBFGSConfig::new().init();
    let bytes = optimizer.state_bytes().unwrap();
    assert!(!bytes.is_empty());
    assert!(
        LBFGSConfig::new()
            .init()
            .with_state_bytes(bytes.clone())
            .is_ok()
    );
    assert!(
        LBFGSConfig::new()
            .init()
            .with_state_bytes(bytes[..9].to_vec())
            .is_err()
    );
}
