//! Which channels go, and what is left of published nets.

use std::collections::BTreeMap;

use burn::tensor::Device;
use secateur::graph::{CostModel, Counts, Isa, ModelGraph};
use secateur::prelude::*;
use secateur::structure::choice::{Budget, ChannelPruning, Cost, Spread, peak_activation_bytes};
use secateur::structure::coupling::Coupling;
use secateur::structure::error::StructureError;
use secateur::structure::importance::{Importance, UnitScores};

use super::chains::{Net, example};

fn coupling(net: &Net) -> Coupling {
    let captured = ModelGraph::capture(net, example(), Net::forward).unwrap();
    Coupling::of(&captured, &[]).unwrap()
}

/// Scores 0, 1, 2 .. for conv1's four channels and 10, 11, .. for conv2's six.
fn scores(coupling: &Coupling) -> UnitScores {
    let axis = |path: &str| coupling.units_at(path, 0, 0).unwrap()[0].axis;
    UnitScores::new([
        (axis("conv1.weight"), (0..4).map(|s| s as f32).collect()),
        (axis("conv2.weight"), (10..16).map(|s| s as f32).collect()),
    ])
}

fn left(pruning: &ChannelPruning) -> (usize, usize) {
    let net = Net::new(&Device::flex());
    let coupling = coupling(&net);
    let plan = pruning.plan(&coupling, &scores(&coupling)).unwrap();
    let cut = plan.cut();
    let of = |path: &str, all: usize| cut.params.get(path).map_or(all, |cut| cut.shape_after()[0]);
    (of("conv1.weight", 4), of("conv2.weight", 6))
}

#[test]
fn shares_by_hand() {
    assert_eq!(left(&ChannelPruning::uniform(0.5)), (2, 3));
    assert_eq!(left(&ChannelPruning::uniform(0.0)), (4, 6));
    // Of ten channels three go, all from conv1, whose scores are lower.
    assert_eq!(left(&ChannelPruning::global(0.3)), (1, 6));
    // One always stays.
    assert_eq!(left(&ChannelPruning::global(0.5)), (1, 4));
    assert_eq!(left(&ChannelPruning::uniform(1.0)), (1, 1));
    assert_eq!(
        left(&ChannelPruning::uniform(0.5).with_multiple_of(4)),
        (4, 4)
    );
    assert_eq!(left(&ChannelPruning::uniform(0.9).with_floor(2)), (2, 2));
    assert_eq!(
        left(&ChannelPruning::uniform(0.9).with_largest_share(0.5)),
        (2, 3)
    );
    let own = ChannelPruning::uniform(0.5)
        .with_share("conv2.*", 0.0)
        .unwrap();
    assert_eq!(left(&own), (2, 6));
    let skip = ChannelPruning::uniform(0.5).with_skip("conv1.*").unwrap();
    assert_eq!(left(&skip), (4, 3));
    // conv1 is followed by a norm and conv2 by a linear layer: each is ranked by itself.
    assert_eq!(left(&ChannelPruning::new(Spread::Isomorphic(0.5))), (2, 3));
}

#[test]
fn the_lowest_filters_go() {
    let net = Net::new(&Device::flex());
    let coupling = coupling(&net);
    let units = Importance::new()
        .score(&coupling, &net, Magnitude::l1())
        .unwrap();
    let axis = coupling.units_at("conv1.weight", 0, 0).unwrap()[0].axis;
    // By hand: the sum of absolute values of each filter of nine weights.
    let weight: Vec<f32> = net.conv1.weight.val().into_data().try_to_vec().unwrap();
    let norms: Vec<f32> = weight
        .chunks(9)
        .map(|f| f.iter().map(|w| w.abs()).sum())
        .collect();
    for (got, expected) in units.of(axis).unwrap().iter().zip(&norms) {
        assert!((got - expected).abs() < 1e-5);
    }
    let plan = ChannelPruning::uniform(0.25)
        .plan(&coupling, &units)
        .unwrap();
    let lowest = (0..4)
        .min_by(|&a, &b| norms[a].total_cmp(&norms[b]))
        .unwrap();
    assert_eq!(plan.removed().of(axis).collect::<Vec<_>>(), [lowest]);
}

#[test]
fn a_budget_is_met_within_one_channel() {
    let net = Net::new(&Device::flex());
    let coupling = coupling(&net);
    let scores = scores(&coupling);
    for (cost, share) in [
        (Cost::Parameters, 0.6),
        (Cost::MultiplyAdds, 0.5),
        (Cost::WeightBytes, 0.8),
        (Cost::PeakActivationBytes, 0.7),
    ] {
        let before = cost.of(coupling.graph());
        let plan = ChannelPruning::within(Budget::share(cost.clone(), share))
            .plan(&coupling, &scores)
            .unwrap();
        let after = cost.of(&plan.smaller_graph());
        assert!(after <= share * before, "{cost}: {after} of {before}");
        // With the highest of those that go kept, it would not be.
        let mut going: Vec<_> = plan
            .removed()
            .iter()
            .flat_map(|(axis, places)| places.iter().map(move |&place| (axis, place)))
            .collect();
        going.sort_by(|a, b| {
            let score = |(axis, place): &(_, usize)| scores.of(*axis).unwrap()[*place];
            score(a).total_cmp(&score(b))
        });
        let (axis, place) = *going.last().unwrap();
        let mut wider = plan.clone();
        wider.keep(secateur::structure::coupling::Unit { axis, place });
        assert!(cost.of(&wider.smaller_graph()) > share * before, "{cost}");
    }
}

#[test]
fn a_budget_of_predicted_milliseconds_is_met() {
    let net = Net::new(&Device::flex());
    let coupling = coupling(&net);
    // A table, so that the choice is the same on every machine.
    let cost = Cost::Milliseconds(CostModel::table(Isa::Avx2));
    let before = cost.of(coupling.graph());
    assert!(before > 0.0);
    let plan = ChannelPruning::within(Budget::share(cost.clone(), 0.6))
        .plan(&coupling, &scores(&coupling))
        .unwrap();
    let after = cost.of(&plan.smaller_graph());
    assert!(after <= 0.6 * before && after > 0.0, "{after} of {before}");
}

#[test]
fn what_cannot_be_is_an_error() {
    let net = Net::new(&Device::flex());
    let coupling = coupling(&net);
    let plan = |pruning: ChannelPruning| pruning.plan(&coupling, &scores(&coupling)).unwrap_err();
    let error = plan(ChannelPruning::uniform(1.5));
    assert!(matches!(error, StructureError::Share { .. }), "{error}");
    let error = plan(ChannelPruning::uniform(f64::NAN));
    assert!(matches!(error, StructureError::Share { .. }), "{error}");
    let error = plan(ChannelPruning::within(Budget::amount(
        Cost::Parameters,
        3.0,
    )));
    assert!(matches!(error, StructureError::Budget { .. }), "{error}");
    let error = plan(ChannelPruning::uniform(0.5).with_skip("nothing.*").unwrap());
    assert!(
        matches!(error, StructureError::UnknownPath { .. }),
        "{error}"
    );
    let none = ChannelPruning::uniform(0.5).plan(&coupling, &UnitScores::default());
    assert!(matches!(none, Err(StructureError::NoScores { .. })));
    let error = Importance::new()
        .of(&coupling, &BTreeMap::new())
        .unwrap_err();
    assert!(matches!(error, StructureError::NoScores { .. }), "{error}");
}

#[test]
fn peak_of_activations_by_hand() {
    let net = Net::new(&Device::flex());
    let coupling = coupling(&net);
    // Batch 2 of 4 x 6 pixels: conv2 reads 4 channels and writes 6, 240 pixels each batch.
    let convolution = 2 * (4 + 6) * 4 * 6 * 4;
    let relu = 2 * (6 + 6) * 4 * 6 * 4;
    assert_eq!(
        peak_activation_bytes(coupling.graph()),
        convolution.max(relu)
    );
    assert!(Counts::of(coupling.graph()).activation_bytes() > relu as u64);
}
