//! A smaller model trains on as if nothing had happened, its optimizer's state cut along.

use burn::module::Module;
use burn::optim::{AdamConfig, GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Distribution, Tensor};
use secateur::structure::checkpoint;
use secateur::structure::coupling::Coupling;
use secateur::structure::optimizer::cut_optimizer;
use secateur::structure::plan::Plan;

use super::chains::{Net, example};

fn step(net: Net, optimizer: &mut ModuleOptimizer, x: &Tensor<4>) -> Net {
    let loss = net.forward(x.clone()).powi_scalar(2).mean();
    let gradients = GradientsParams::from_grads(loss.backward(), &net);
    optimizer.step(1e-2, net, gradients)
}

/// Learns, loses channels, goes on from a file.
#[test]
fn optimizer_and_file_go_along() {
    let device = Device::flex().autodiff();
    let x = Tensor::random([2, 1, 4, 6], Distribution::Default, &device);
    let mut net = Net::new(&device);
    let mut optimizer = AdamConfig::new().init();
    for _ in 0..3 {
        net = step(net, &mut optimizer, &x);
    }

    let plain = net.valid();
    let coupling = Coupling::of_model(&plain, example(), Net::forward).unwrap();
    let mut plan = Plan::new(&coupling);
    plan.remove_outputs("conv1", &[2]).unwrap();
    plan.remove_outputs("conv2", &[1, 4]).unwrap();
    let on_device = example().to_device(&device);
    let (mut smaller, certificate) = plan.apply(&net, on_device, Net::forward).unwrap();
    let report = cut_optimizer(&mut optimizer, &certificate.cut, &net).unwrap();
    assert!(!report.sliced.is_empty());

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("smaller.secateur");
    let cuts = [certificate.cut];
    checkpoint::save(&file, &smaller, &cuts, &optimizer).unwrap();
    let (mut loaded, mut resumed) =
        checkpoint::load(&file, Net::new(&device), AdamConfig::new().init()).unwrap();
    for _ in 0..2 {
        smaller = step(smaller, &mut optimizer, &x);
        loaded = step(loaded, &mut resumed, &x);
    }
    let weights = |net: &Net| net.fc.weight.val().into_data();
    assert_eq!(weights(&smaller), weights(&loaded));
    assert_eq!(smaller.fc.weight.dims(), [4 * 6, 5]);
}
