//! Whole residual blocks.

use burn::module::{Module, Param};
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::transformer::{
    TransformerEncoder, TransformerEncoderConfig, TransformerEncoderInput,
};
use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig, PaddingConfig2d};
use burn::optim::{AdamConfig, GradientsParams};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Distribution, Tensor};
use secateur::prelude::*;
use secateur::structure::blocks::Blocks;
use secateur::structure::checkpoint;
use secateur::structure::error::StructureError;
use secateur::structure::optimizer::cut_optimizer;
use secateur::structure::repair::RepairError;

use super::{close, numbers};

#[derive(Module, Prune, Debug)]
struct Block {
    conv1: Conv2d,
    bn1: BatchNorm,
    conv2: Conv2d,
    bn2: BatchNorm,
    shortcut: Option<Conv2d>,
}

fn conv(channels: [usize; 2], side: usize, device: &Device) -> Conv2d {
    let pad = side / 2;
    let config = Conv2dConfig::new(channels, [side, side]);
    config
        .with_padding(PaddingConfig2d::Explicit(pad, pad, pad, pad))
        .init(device)
}

impl Block {
    fn new(from: usize, to: usize, device: &Device) -> Self {
        Self {
            conv1: conv([from, to], 3, device),
            bn1: BatchNormConfig::new(to).init(device),
            conv2: conv([to, to], 3, device),
            bn2: BatchNormConfig::new(to).init(device),
            shortcut: (from != to).then(|| conv([from, to], 1, device)),
        }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let y = relu(self.bn1.forward(self.conv1.forward(x.clone())));
        let y = self.bn2.forward(self.conv2.forward(y));
        let x = match &self.shortcut {
            Some(shortcut) => shortcut.forward(x),
            None => x,
        };
        relu(y + x)
    }
}

#[derive(Module, Prune, Debug)]
struct Net {
    stem: Conv2d,
    blocks: Vec<Block>,
    extra: Option<Block>,
    last: Block,
    head: Linear,
}

impl Net {
    fn new(device: &Device) -> Self {
        let block = |from, to| Block::new(from, to, device);
        Self {
            stem: conv([2, 4], 3, device),
            blocks: vec![block(4, 4), block(4, 4), block(4, 6), block(6, 6)],
            extra: Some(block(6, 6)),
            last: block(6, 6),
            head: LinearConfig::new(6, 3).init(device),
        }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<2> {
        self.rest(self.stem.forward(x))
    }

    fn rectified(&self, x: Tensor<4>) -> Tensor<2> {
        self.rest(relu(self.stem.forward(x)))
    }

    fn rest(&self, x: Tensor<4>) -> Tensor<2> {
        let blocks = self.blocks.iter().chain(&self.extra).chain([&self.last]);
        let x = blocks.fold(x, |x, block| block.forward(x));
        self.head.forward(x.mean_dim(3).mean_dim(2).flatten(1, 3))
    }

    fn fixed(&self, x: Tensor<4>) -> Tensor<2> {
        let x = self.blocks[0].forward(relu(self.stem.forward(x)));
        let x = self.blocks[2].forward(self.blocks[1].forward(x));
        let x = self.last.forward(self.blocks[3].forward(x));
        self.head.forward(x.mean_dim(3).mean_dim(2).flatten(1, 3))
    }
}

fn images() -> Tensor<4> {
    let shape = [3, 2, 5, 4];
    Tensor::random(shape, Distribution::Normal(0.0, 1.0), &Device::flex())
}

#[test]
fn blocks_are_found_with_why_some_stay() {
    let net = Net::new(&Device::flex());
    let blocks = Blocks::of_model(&net, images(), Net::rectified).unwrap();
    let found: Vec<(&str, bool)> = blocks
        .iter()
        .map(|b| (b.path.as_str(), b.is_removable()))
        .collect();
    let expected = [
        ("blocks.0", true),
        ("blocks.1", true),
        ("blocks.2", false),
        ("blocks.3", true),
        ("extra", true),
        ("last", false),
    ];
    assert_eq!(found, expected, "{blocks}");
    let why = |path: &str| blocks.get(path).unwrap().refused.clone().unwrap();
    assert!(
        why("blocks.2").contains("given [3, 4, 5, 4] and gives [3, 6, 5, 4]"),
        "{blocks}"
    );
    assert!(why("last").contains("no item of a `Vec`"), "{blocks}");
    let sum = &blocks.get("blocks.1").unwrap().sums[0];
    assert_eq!(sum.parameters[0], "blocks.1.conv1.weight");
    assert!(
        sum.parameters
            .iter()
            .all(|path| path.starts_with("blocks.1."))
    );
    for path in ["blocks.2", "last", "blocks.9", "stem"] {
        let error = blocks
            .remove(&net, &[path], images(), Net::rectified)
            .unwrap_err();
        assert!(matches!(error, StructureError::Block { .. }), "{error}");
        assert!(error.to_string().contains(&format!("`{path}`")), "{error}");
    }
}

/// Between ReLUs a block without its branch passes its input on, so the others alone give the same.
#[test]
fn a_block_goes_and_the_rest_computes_the_same() {
    for device in [Device::flex(), Device::flex().autodiff()] {
        let net = Net::new(&device);
        let example = images().to_device(&device);
        let blocks = Blocks::of_model(&net, example.clone(), Net::rectified).unwrap();
        let going = ["blocks.1", "extra"];
        let (smaller, certificate) = blocks
            .remove(&net, &going, example, Net::rectified)
            .unwrap();
        assert!(
            certificate.is_exact() && certificate.changes.is_empty(),
            "{certificate}"
        );
        assert_eq!(certificate.probes, 4);
        assert_eq!(certificate.cut.dropped, going);
        assert_eq!((smaller.blocks.len(), smaller.extra.is_none()), (3, true));
        let id = |block: &Block| block.conv2.weight.id;
        assert_eq!(id(&smaller.blocks[1]), id(&net.blocks[2]));
        assert_eq!(
            smaller.blocks[0].bn1.gamma.is_require_grad(),
            net.last.bn1.gamma.is_require_grad()
        );
        let (plain, left) = (net.valid(), smaller.valid());
        let x = images();
        let y = plain.blocks[0].forward(relu(plain.stem.forward(x.clone())));
        let y = plain
            .last
            .forward(plain.blocks[3].forward(plain.blocks[2].forward(y)));
        let y: Tensor<2> = plain.head.forward(y.mean_dim(3).mean_dim(2).flatten(1, 3));
        close(&numbers(left.rectified(x)), &numbers(y), 1e-5);
        assert_eq!(net.blocks.len(), 4);
    }
}

/// Without a ReLU before it a block's own has something to do, and goes too.
#[test]
fn what_stands_behind_the_sum_is_told() {
    let net = Net::new(&Device::flex());
    let blocks = Blocks::of_model(&net, images(), Net::forward).unwrap();
    let (_, certificate) = blocks
        .remove(&net, &["blocks.0"], images(), Net::forward)
        .unwrap();
    assert!(!certificate.is_exact());
    assert!(certificate.to_string().contains("Relu"), "{certificate}");
    let (_, certificate) = blocks
        .remove(&net, &["blocks.1"], images(), Net::forward)
        .unwrap();
    assert!(certificate.is_exact(), "{certificate}");
}

#[test]
fn a_forward_that_counts_on_its_blocks_is_refused() {
    let net = Net::new(&Device::flex());
    let blocks = Blocks::of_model(&net, images(), Net::fixed).unwrap();
    let error = blocks
        .remove(&net, &["blocks.1"], images(), Net::fixed)
        .unwrap_err();
    assert!(matches!(error, StructureError::Block { .. }), "{error}");
    assert!(error.to_string().contains("panics"), "{error}");
    assert_eq!(net.blocks.len(), 4);
}

fn encoder(norm_first: bool, device: &Device) -> TransformerEncoder {
    let config = TransformerEncoderConfig::new(8, 16, 2, 3).with_dropout(0.1);
    config.with_norm_first(norm_first).init(device)
}

fn encode(encoder: &TransformerEncoder, x: Tensor<3>) -> Tensor<3> {
    encoder.forward(TransformerEncoderInput::new(x))
}

fn tokens() -> Tensor<3> {
    Tensor::random([2, 5, 8], Distribution::Normal(0.0, 1.0), &Device::flex())
}

#[test]
fn layers_of_a_transformer_go_where_norms_come_first() {
    let net = encoder(true, &Device::flex());
    let blocks = Blocks::of_model(&net, tokens(), encode).unwrap();
    let found: Vec<(&str, usize)> = blocks
        .iter()
        .map(|b| (b.path.as_str(), b.sums.len()))
        .collect();
    assert_eq!(
        found,
        [("layers.0", 2), ("layers.1", 2), ("layers.2", 2)],
        "{blocks}"
    );
    let (smaller, certificate) = blocks
        .remove(&net, &["layers.1"], tokens(), encode)
        .unwrap();
    assert!(certificate.is_exact(), "{certificate}");
    assert_eq!((smaller.layers.len(), smaller.n_layers), (2, 2));

    let net = encoder(false, &Device::flex());
    let blocks = Blocks::of_model(&net, tokens(), encode).unwrap();
    let error = blocks
        .remove(&net, &["layers.1"], tokens(), encode)
        .unwrap_err();
    assert!(error.to_string().contains("layers.1.norm"), "{error}");
}

/// Learns, loses a block, goes on, also from a file.
#[test]
fn optimizer_and_file_go_along() {
    let device = Device::flex().autodiff();
    let x = images().to_device(&device);
    let mut optimizer = AdamConfig::new().init();
    let step = |net: Net, optimizer: &mut burn::optim::ModuleOptimizer| {
        let loss = net.rectified(x.clone()).powi_scalar(2).mean();
        let gradients = GradientsParams::from_grads(loss.backward(), &net);
        optimizer.step(1e-2, net, gradients)
    };
    let mut net = Net::new(&device);
    for _ in 0..2 {
        net = step(net, &mut optimizer);
    }
    let blocks = Blocks::of_model(&net, x.clone(), Net::rectified).unwrap();
    let (mut smaller, certificate) = blocks
        .remove(&net, &["blocks.0", "extra"], x.clone(), Net::rectified)
        .unwrap();
    let report = cut_optimizer(&mut optimizer, &certificate.cut, &net).unwrap();
    assert!(
        report.sliced.is_empty() && report.reset.is_empty(),
        "{report}"
    );
    // Two convolutions and two norms of two parameters, twice.
    assert_eq!(report.dropped.len(), 16, "{report}");
    assert!(
        report.dropped.contains(&"extra.bn2.beta".to_owned()),
        "{report}"
    );

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("shallower.secateur");
    let cuts = [certificate.cut];
    checkpoint::save(&file, &smaller, &cuts, &optimizer).unwrap();
    let fresh = AdamConfig::new().init();
    let (mut loaded, mut resumed) = checkpoint::load(&file, Net::new(&device), fresh).unwrap();
    assert_eq!(checkpoint::read_cuts(&file).unwrap(), cuts);
    for norm in [&mut loaded.blocks[0].bn1, &mut smaller.blocks[0].bn1] {
        assert_eq!(norm.running_mean.value().dims(), [4]);
    }
    for _ in 0..2 {
        smaller = step(smaller, &mut optimizer);
        loaded = step(loaded, &mut resumed);
    }
    let weights = |net: &Net| numbers(net.blocks[2].conv1.weight.val());
    assert_eq!(weights(&smaller), weights(&loaded));
    assert_eq!((loaded.blocks.len(), loaded.extra.is_none()), (3, true));
}

/// `x + x W` for each token.
#[derive(Module, Prune, Debug)]
struct Linears {
    layers: Vec<Linear>,
}

impl Linears {
    fn new(weights: &[[[f64; 2]; 2]]) -> Self {
        let device = Device::flex();
        let layer = |weight: &[[f64; 2]; 2]| {
            let mut layer = LinearConfig::new(2, 2).with_bias(false).init(&device);
            layer.weight = Param::from_data(*weight, &device);
            layer
        };
        Self {
            layers: weights.iter().map(layer).collect(),
        }
    }

    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let layers = self.layers.iter();
        layers.fold(x, |x, layer| x.clone() + layer.forward(x))
    }
}

/// Twice the input points where it did: 0. A turn by a right angle, (a, b) to (-b, a): 1. Its
/// opposite: 2. Of two batches of other sizes.
#[test]
fn similarities_by_hand() {
    let twice = [[1.0, 0.0], [0.0, 1.0]];
    let turn = [[-1.0, 1.0], [-1.0, -1.0]];
    let opposite = [[-2.0, 0.0], [0.0, -2.0]];
    let net = Linears::new(&[twice, turn, opposite]);
    let device = Device::flex();
    let batches = [
        Tensor::<2>::from_data([[3.0, 4.0], [-1.0, 2.0]], &device),
        Tensor::<2>::from_data([[1.0, 1.0]], &device),
    ];
    let blocks = Blocks::of_model(&net, batches[0].clone(), Linears::forward).unwrap();
    let scores = blocks.similarity(&net, batches, Linears::forward).unwrap();
    let paths: Vec<&str> = scores.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(paths, ["layers.0", "layers.1", "layers.2"]);
    close(
        &scores.iter().map(|(_, score)| *score).collect::<Vec<_>>(),
        &[0.0, 1.0, 2.0],
        1e-6,
    );
    let none = blocks.similarity(&net, Vec::<Tensor<2>>::new(), Linears::forward);
    assert!(matches!(
        none,
        Err(StructureError::Repair(RepairError::NoBatches { .. }))
    ));
}

/// Rows (1, 1) and (-1, 1) of two classes. Doubling changes nothing for a linear probe, which tells
/// them without error. A block that takes the first feature away leaves it the constants: of the
/// squares of both targets, 2, a half stays.
#[test]
fn probes_by_hand() {
    let net = Linears::new(&[[[1.0, 0.0], [0.0, 1.0]], [[-1.0, 0.0], [0.0, 1.0]]]);
    let x = Tensor::<2>::from_data([[1.0, 1.0], [-1.0, 1.0]], &Device::flex());
    let blocks = Blocks::of_model(&net, x.clone(), Linears::forward).unwrap();
    let probe =
        |labels: Vec<usize>| blocks.probes(&net, [(x.clone(), labels)], 2, 1e-6, Linears::forward);
    let scores = probe(vec![0, 1]).unwrap();
    let scores: Vec<f64> = scores.into_iter().map(|(_, score)| score).collect();
    assert!(
        scores[0].abs() < 1e-4 && (scores[1] + 0.5).abs() < 1e-4,
        "{scores:?}"
    );
    let error = probe(vec![0]).unwrap_err();
    assert!(
        matches!(error, StructureError::Repair(RepairError::Size { .. })),
        "{error}"
    );
    let error = probe(vec![0, 2]).unwrap_err();
    assert!(
        matches!(error, StructureError::Repair(RepairError::Choice { .. })),
        "{error}"
    );
}

/// L-BFGS keeps all parameters in one vector: those of the block leave it.
#[test]
fn one_vector_of_all_parameters_is_cut_too() {
    use burn::optim::LBFGSConfig;
    use secateur::structure::optimizer::ALL;

    let device = Device::flex().autodiff();
    let net = Linears::new(&[[[0.5, 0.0], [0.1, 0.2]]; 3]).train();
    let x = Tensor::<2>::from_data([[1.0, 1.0], [-1.0, 0.5]], &device);
    let closure = |net: Linears| {
        let loss = net.forward(x.clone()).powi_scalar(2).mean();
        let value = loss.clone().into_scalar::<f64>();
        (value, GradientsParams::from_grads(loss.backward(), &net))
    };
    let mut optimizer = LBFGSConfig::new().with_max_iter(2).init();
    let (net, before) = optimizer.step(0.1, net, closure);
    let blocks = Blocks::of_model(&net, x.clone(), Linears::forward).unwrap();
    let applied = blocks.remove(&net, &["layers.1"], x.clone(), Linears::forward);
    let (smaller, certificate) = applied.unwrap();
    let report = cut_optimizer(&mut optimizer, &certificate.cut, &net).unwrap();
    assert!(report.sliced.contains_key(ALL), "{report}");
    assert!(report.reset.is_empty(), "{report}");
    let (smaller, _) = optimizer.step(0.1, smaller, closure);
    assert_eq!(smaller.layers.len(), 2);
    let (_, after) = optimizer.step(0.1, smaller, closure);
    assert!(after < before, "{before} {after}");
}
