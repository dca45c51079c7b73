//! Channels taken out for real.

use secateur::structure::coupling::Coupling;
use secateur::structure::error::StructureError;
use secateur::structure::plan::Plan;

use super::chains::{Net, example};

#[test]
fn a_smaller_model_computes_the_same() {
    let device = burn::tensor::Device::flex();
    let net = Net::new(&device);
    let x = example();
    let captured = secateur::graph::ModelGraph::capture(&net, x.clone(), Net::forward).unwrap();
    let coupling = Coupling::of(&captured, &[]).unwrap();
    let mut plan = Plan::new(&coupling);
    plan.remove_outputs("conv1", &[1, 3]).unwrap();
    plan.remove_outputs("conv2", &[0]).unwrap();
    println!("{plan}");
    let (smaller, certificate) = plan.apply(&net, x, Net::forward).unwrap();
    println!("{certificate}");
    assert!(certificate.is_exact());
    assert_eq!(smaller.fc.weight.dims(), [30, 5]);
    assert_eq!(smaller.conv2.weight.dims(), [5, 2, 3, 3]);
}

#[test]
fn what_has_to_stay_says_why() {
    let device = burn::tensor::Device::flex();
    let net = Net::new(&device);
    let captured = secateur::graph::ModelGraph::capture(&net, example(), Net::forward).unwrap();
    let coupling = Coupling::of(&captured, &[]).unwrap();
    let mut plan = Plan::new(&coupling);
    let error = plan.remove_outputs("fc", &[0]).unwrap_err();
    assert!(
        error.to_string().contains("output 0 of the model"),
        "{error}"
    );
    let error = plan.remove_outputs("conv1", &[0, 1, 2, 3]).unwrap_err();
    assert!(matches!(error, StructureError::LastPlace { .. }), "{error}");
    assert!(plan.removed().is_empty());
}
