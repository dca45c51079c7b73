//! Channels chosen by what reads them.

use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::{Device, Tensor};
use secateur::prelude::*;
use secateur::structure::choice::ChannelPruning;
use secateur::structure::coupling::Coupling;
use secateur::structure::error::StructureError;
use secateur::structure::repair::{Contributions, ReadInputs, RepairError, lasso, thinet};

use super::linear;

/// Hidden units that are the inputs, read by one unit.
#[derive(Module, Prune, Debug)]
struct Sum {
    fc1: Linear,
    fc2: Linear,
}

impl Sum {
    fn new(weights: [f64; 4]) -> Self {
        let mut identity = [[0.0; 4]; 4];
        (0..4).for_each(|at| identity[at][at] = 1.0);
        Self {
            fc1: linear(identity, &[]),
            fc2: linear(weights.map(|w| [w]), &[3.0]),
        }
    }

    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        self.fc2.forward(self.fc1.forward(x))
    }

    fn coupling(&self) -> Coupling {
        Coupling::of_model(self, Tensor::ones([2, 4], &Device::flex()), Self::forward).unwrap()
    }
}

fn removed(plan: &secateur::structure::plan::Plan<'_>) -> Vec<usize> {
    let removed = plan
        .removed()
        .iter()
        .flat_map(|(_, places)| places.iter().copied());
    removed.collect()
}

/// The contributions of the unit test of ThiNet: the third goes first, then the second, which the
/// first cancels. The smallest alone would be the third and the fourth.
#[test]
fn thinet_takes_what_cancels() {
    let samples = [
        [3.0, -3.0, 1.0, 2.0],
        [1.0, -1.0, 1.0, 2.0],
        [-2.0, 2.5, 1.0, 2.0],
    ];
    let net = Sum::new([1.0; 4]);
    let coupling = net.coupling();
    let x = Tensor::<2>::from_data(samples, &Device::flex());
    let batches = [x.clone().narrow(0, 0, 2), x.narrow(0, 2, 1)];
    let read = ReadInputs::of(&net, &coupling, batches, Sum::forward).unwrap();
    let plan = read
        .thinet(&ChannelPruning::uniform(0.5), &coupling)
        .unwrap();
    assert_eq!(removed(&plan), [1, 2]);
    // Against the host's arithmetic, up to the factor of the layer's own energy.
    let host = Contributions::of_samples("w", 4, &samples.concat()).unwrap();
    let axis = coupling.units_at("fc1.weight", 1, 0).unwrap()[0].axis;
    let found = read.of_group(axis).unwrap();
    assert_eq!(thinet::greedy(found, 3), thinet::greedy(&host, 3));
    let keep = |share: f64| ChannelPruning::uniform(share).with_multiple_of(2);
    assert_eq!(
        removed(&read.thinet(&keep(0.75), &coupling).unwrap()),
        [1, 2]
    );
    assert!(removed(&read.thinet(&keep(0.25), &coupling).unwrap()).is_empty());
}

/// The second unit is a larger copy of the first: LASSO keeps one of them, and the small third and
/// fourth, which no other tells.
#[test]
fn lasso_takes_a_copy_however_large() {
    let rows = [
        [1.0, 2.0, 0.5, 0.0],
        [-1.0, -2.0, 0.5, 0.1],
        [2.0, 4.0, -0.5, 0.2],
        [0.0, 0.0, 0.4, -0.6],
    ];
    let net = Sum::new([1.0, 3.0, 1.0, 1.0]);
    let coupling = net.coupling();
    let batches = [Tensor::<2>::from_data(rows, &Device::flex())];
    let read = ReadInputs::of(&net, &coupling, batches, Sum::forward).unwrap();
    let plan = read
        .lasso(&ChannelPruning::uniform(0.25), &coupling)
        .unwrap();
    let [gone] = removed(&plan)[..] else {
        panic!("{plan}");
    };
    assert!(gone < 2, "{gone}");
    let axis = coupling.units_at("fc1.weight", 1, 0).unwrap()[0].axis;
    let found = read.of_group(axis).unwrap();
    let kept = lasso::inputs_that_stay(found, &[1.0, 3.0, 1.0, 1.0], 3).unwrap();
    assert!(!kept.contains(&gone), "{kept:?}");
}

#[test]
fn what_cannot_be_chosen_is_an_error() {
    let net = Sum::new([1.0; 4]);
    let coupling = net.coupling();
    let none = ReadInputs::of(&net, &coupling, Vec::<Tensor<2>>::new(), Sum::forward);
    let expected = matches!(
        none,
        Err(StructureError::Repair(RepairError::NoBatches { .. }))
    );
    assert!(expected);
    let ones = [Tensor::ones([2, 4], &Device::flex())];
    let read = ReadInputs::of(&net, &coupling, ones, Sum::forward).unwrap();
    let error = read
        .thinet(&ChannelPruning::global(0.5), &coupling)
        .unwrap_err();
    assert!(matches!(error, StructureError::NotUniform), "{error}");
    let error = read
        .lasso(&ChannelPruning::uniform(1.5), &coupling)
        .unwrap_err();
    assert!(matches!(error, StructureError::Share { .. }), "{error}");
    for picked in [vec![], vec![0, 0], vec![0, 9]] {
        let plan = ChannelPruning::uniform(0.5).plan_by(&coupling, |_, _| Ok(picked.clone()));
        assert!(matches!(plan, Err(StructureError::Picked { .. })));
    }
}
