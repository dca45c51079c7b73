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
    let cost = Cost::milliseconds(CostModel::table(Isa::Avx2));
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

/// Scores 0, 3/4, 1/2, 3/4 of conv1 have the mean 1/2 and the deviation √(3/32) = 0.306: below 0.194
/// is the first alone. Of conv2's 10, .., 15 (12.5 and 1.708) it is those below 10.79.
#[test]
fn what_lies_far_below_the_mean_goes() {
    let net = Net::new(&Device::flex());
    let coupling = coupling(&net);
    let axis = |path: &str| coupling.units_at(path, 0, 0).unwrap()[0].axis;
    let (first, second) = (axis("conv1.weight"), axis("conv2.weight"));
    let scores = UnitScores::new([
        (first, vec![0.0, 0.75, 0.5, 0.75]),
        (second, (10..16).map(|s| s as f32).collect()),
    ]);
    let removed = |pruning: ChannelPruning| {
        let plan = pruning.plan(&coupling, &scores).unwrap();
        [first, second].map(|axis| plan.removed().of(axis).collect::<Vec<_>>())
    };
    let far = ChannelPruning::below_deviations(1.0);
    assert_eq!(removed(far.clone()), [vec![0], vec![0]]);
    assert_eq!(
        removed(ChannelPruning::below_deviations(1.7)),
        [[0_usize; 0]; 2]
    );
    assert_eq!(
        removed(ChannelPruning::below_deviations(0.5)),
        [vec![0], vec![0, 1]]
    );
    assert_eq!(removed(far.with_multiple_of(2)), [[0_usize; 0]; 2]);
    for deviations in [-1.0, f64::NAN] {
        let error = ChannelPruning::below_deviations(deviations);
        let error = error.plan(&coupling, &scores).unwrap_err();
        assert!(error.to_string().contains("deviations"), "{error}");
    }
}

/// Hu et al. 2016 from batches to a smaller net: two of three ReLUs of the first layer are nearly
/// always on, one is off in all rows.
#[test]
fn neurons_with_an_apoz_far_above_the_mean_go() {
    use burn::nn::{Linear, LinearConfig};
    use burn::tensor::Tensor;
    use burn::tensor::activation::relu;
    use secateur::graph::Taps;

    let device = Device::flex();
    let mut net: (Linear, Linear) = (
        LinearConfig::new(2, 4).init(&device),
        LinearConfig::new(4, 2).init(&device),
    );
    // Zeros in 4, 1, 2 and 1 of four rows.
    net.0.weight =
        burn::module::Param::from_data([[0.0, 0.0, 0.0, 0.0], [-1.0, 1.0, 1.0, 1.0]], &device);
    net.0.bias = Some(burn::module::Param::from_data(
        [0.0, -1.5, -2.5, -1.5],
        &device,
    ));
    let rows = Tensor::<2>::from_data([[9.0, 1.0], [9.0, 2.0], [9.0, 3.0], [9.0, 4.0]], &device);
    let forward = |net: &(Linear, Linear), x| net.1.forward(relu(net.0.forward(x)));
    let captured = ModelGraph::capture(&net, rows.clone(), forward).unwrap();
    let mut pruner = secateur::methods::apoz(0.0)
        .with_skip(["1.weight"])
        .init_module(&net)
        .unwrap();
    Taps::new(&captured)
        .observe(&mut pruner, rows.clone())
        .unwrap();
    let coupling = Coupling::of(&captured, &[]).unwrap();
    let scores = pruner.scores(&net, 0).unwrap();
    let scores = Importance::new().of(&coupling, &scores).unwrap();
    let plan = ChannelPruning::below_deviations(1.0)
        .plan(&coupling, &scores)
        .unwrap();
    let removed: Vec<usize> = plan
        .removed()
        .iter()
        .flat_map(|(_, p)| p.iter().copied())
        .collect();
    assert_eq!(removed, [0]);
}

/// Lowest first: conv1's 0 and 1, then conv2's 10, 11, 12.
#[test]
fn channels_are_proposed_one_by_one_and_may_be_refused() {
    let net = Net::new(&Device::flex());
    let coupling = coupling(&net);
    let scores = scores(&coupling);
    let half = ChannelPruning::uniform(0.5);
    let mut asked = Vec::new();
    let plan = half.plan_where(&coupling, &scores, |proposal| {
        asked.push((
            proposal.group.name().to_owned(),
            proposal.unit.place,
            proposal.score,
        ));
        proposal.score != 0.0 && proposal.score != 11.0
    });
    let expected = [
        ("conv1.weight", 0, 0.0),
        ("conv1.weight", 1, 1.0),
        ("conv2.weight", 0, 10.0),
        ("conv2.weight", 1, 11.0),
        ("conv2.weight", 2, 12.0),
    ];
    let expected = expected.map(|(name, place, score)| (name.to_owned(), place, score));
    assert_eq!(asked, expected);
    let removed: Vec<Vec<usize>> = {
        let plan = plan.unwrap();
        let removed = plan.removed().iter();
        removed
            .map(|(_, places)| places.iter().copied().collect())
            .collect()
    };
    assert_eq!(removed, [vec![1], vec![0, 2]]);
    let none = half.plan_where(&coupling, &scores, |_| false).unwrap();
    assert!(none.removed().is_empty());
    // Two of conv2's six would go; with one of them refused there would be five, so it stays whole.
    let even = half.with_multiple_of(2);
    let plan = even.plan_where(&coupling, &scores, |proposal| proposal.score != 10.0);
    let plan = plan.unwrap();
    let removed: Vec<usize> = plan
        .removed()
        .iter()
        .flat_map(|(_, p)| p.iter().copied())
        .collect();
    assert_eq!(removed, [0, 1]);
}
