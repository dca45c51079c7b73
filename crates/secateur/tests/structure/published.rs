//! Sizes that others print of nets pruned by hand or by their tools.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use secateur::graph::{Counts, ModelGraph};
use secateur::structure::choice::ChannelPruning;
use secateur::structure::coupling::Coupling;
use secateur::structure::importance::UnitScores;
use secateur::structure::plan::Plan;

#[path = "../../../secateur-graph/tests/graph/nets.rs"]
#[allow(dead_code)]
mod nets;

use nets::{ResNet, Vgg16};

fn coupling<M: Module>(
    model: &M,
    side: usize,
    forward: impl Fn(&M, Tensor<4>) -> Tensor<2>,
) -> Coupling {
    let x = Tensor::zeros([1, 3, side, side], &Device::flex());
    let captured = ModelGraph::capture(model, x, forward).unwrap();
    Coupling::of(&captured, &[]).unwrap()
}

/// Which channels go does not change sizes.
fn any_scores(coupling: &Coupling) -> UnitScores {
    let groups = coupling.groups().iter();
    UnitScores::new(groups.map(|group| (group.axis, vec![1.0; group.size])))
}

fn weights(counts: &Counts) -> u64 {
    let with_products = counts.operations.iter();
    with_products
        .filter(|op| op.multiply_adds.dense > 0)
        .map(|op| op.parameters.dense)
        .sum()
}

/// Torch-Pruning's README: 11,689,512 to 3,055,880 parameters; its 1.822 and 0.487 G are with
/// normalisations.
#[test]
fn resnet18_halved() {
    let coupling = coupling(&ResNet::resnet18(&Device::flex()), 224, ResNet::forward);
    let pruning = ChannelPruning::uniform(0.5).with_multiple_of(8);
    let plan = pruning.plan(&coupling, &any_scores(&coupling)).unwrap();
    let (before, after) = plan.counts();
    assert_eq!(before.parameters().dense, 11_689_512);
    assert_eq!(after.parameters().dense, 3_055_880);
    assert_eq!(before.multiply_adds().dense, 1_814_073_344);
    assert_eq!(after.multiply_adds().dense, 483_149_824);
}

/// Li et al. 2017, VGG-16-A: half of convolutions 1 and 8 to 13.
#[test]
fn vgg16_a() {
    let coupling = coupling(&Vgg16::new(&Device::flex()), 32, Vgg16::forward);
    let mut pruning = ChannelPruning::uniform(0.0);
    for conv in [0, 7, 8, 9, 10, 11, 12] {
        pruning = pruning.with_share(&format!("convs.{conv}.*"), 0.5).unwrap();
    }
    let plan = pruning.plan(&coupling, &any_scores(&coupling)).unwrap();
    let (before, after) = plan.counts();
    assert_eq!(before.multiply_adds().dense, 313_463_808);
    assert_eq!(after.multiply_adds().dense, 206_279_680);
    assert_eq!([weights(&before), weights(&after)], [14_977_728, 5_390_176]);
}

/// Li et al. 2017, ResNet-56-A and -B: the first convolution of block `i` is layer `2i + 2`.
#[test]
fn resnet56_a_and_b() {
    let coupling = coupling(&ResNet::cifar(9, &Device::flex()), 32, ResNet::forward);
    let cases: [(&[usize], [usize; 3], u64, u64); 2] = [
        (&[16, 20, 38, 54], [14, 28, 57], 112_435_840, 769_456),
        (&[16, 18, 20, 34, 38, 54], [6, 22, 57], 90_907_264, 732_016),
    ];
    for (skipped, kept, products, left) in cases {
        let mut plan = Plan::new(&coupling);
        for block in (0..27).filter(|block| !skipped.contains(&(2 * block + 2))) {
            let stage = block / 9;
            let going: Vec<usize> = (kept[stage]..16 << stage).collect();
            plan.remove_outputs(&format!("blocks.{block}.conv1"), &going)
                .unwrap();
        }
        let (before, after) = plan.counts();
        assert_eq!(before.multiply_adds().dense, 125_485_696);
        assert_eq!(after.multiply_adds().dense, products);
        assert_eq!([weights(&before), weights(&after)], [848_944, left]);
    }
}
