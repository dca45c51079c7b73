//! Layers: from dense ones and back, trained, cloned, moved.

use burn::{
    Tensor,
    module::{Module, Param},
    nn::{
        Linear, LinearConfig, LinearLayout, PaddingConfig1d, PaddingConfig2d,
        conv::{Conv1dConfig, Conv2d, Conv2dConfig},
    },
    optim::{AdamConfig, GradientsParams, SgdConfig, momentum::MomentumConfig},
    tensor::{Device, TensorData, activation::relu},
};
use secateur::{
    graph::ModelGraph,
    prelude::*,
    sparse::layers::{SparseConv1d, SparseConv2d, SparseLinear},
};

use crate::{
    device::{device, training_device},
    weights::{assert_close, floats, noise, pruned},
};

/// A dense layer of which about a tenth of the weights is not zero.
pub fn dense(inputs: usize, outputs: usize, device: &Device) -> Linear {
    let mut layer = LinearConfig::new(inputs, outputs).init(device);
    let weight = pruned([inputs, outputs], 0.1);
    let weight = Tensor::from_data(TensorData::new(weight, [inputs, outputs]), device);
    layer.weight = Param::from_tensor(weight);
    layer.bias = Some(Param::from_tensor(noise("bias", [outputs], device)));
    layer
}

pub fn dense_conv(device: &Device) -> Conv2d {
    let mut layer = Conv2dConfig::new([4, 6], [3, 3])
        .with_padding(PaddingConfig2d::Same)
        .with_stride([2, 1])
        .with_groups(2)
        .init(device);
    let weight = pruned([6, 18], 0.3);
    let weight = Tensor::<2>::from_data(TensorData::new(weight, [6, 18]), device);
    layer.weight = Param::from_tensor(weight.reshape([6, 2, 3, 3]));
    layer
}

#[test]
fn a_linear_layer_and_back() {
    let device = device();
    let dense = dense(30, 20, &device);
    let layer = SparseLinear::from_dense(&dense).unwrap();
    assert_eq!((layer.nnz(), layer.sparsity()), (60, 0.9));
    let x = noise::<3>("x", [2, 5, 30], &device);
    let expected = floats(dense.forward(x.clone()));
    assert_close(&floats(layer.forward(x.clone()).unwrap()), &expected);
    let back = layer.to_dense().unwrap();
    assert_eq!(floats(back.weight.val()), floats(dense.weight.val()));
    assert_close(&floats(back.forward(x)), &expected);
    // A tenth of the weights and the bias are what optimizers and users count.
    assert_eq!(layer.num_params(), 60 + 20);
    let text = format!("{layer}");
    assert!(
        text.contains("sparsity: 0.9") && text.contains("d_input: 30"),
        "{text}"
    );
}

#[test]
fn both_layouts_are_read_and_written() {
    let device = device();
    let config = LinearConfig::new(7, 5).with_layout(LinearLayout::Col);
    let dense = config.init(&device);
    let layer = SparseLinear::from_dense(&dense).unwrap();
    let x = noise::<2>("x", [3, 7], &device);
    let expected = floats(dense.forward(x.clone()));
    assert_close(&floats(layer.forward(x.clone()).unwrap()), &expected);

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("column");
    let column = layer.to_dense_as(LinearLayout::Col).unwrap();
    column.save_file(&path).unwrap();
    let loaded = config.init(&device).load_file(&path);
    assert_close(&floats(loaded.forward(x)), &expected);
}

#[test]
fn an_attached_mask_is_read_and_its_zeros_are_kept() {
    let device = device();
    let mut dense = LinearConfig::new(16, 8).init(&device);
    let mut weight = floats(dense.weight.val());
    // Zeros that the mask keeps: regrown weights begin so.
    weight[3] = 0.0;
    let zeroed = Tensor::from_data(TensorData::new(weight, [16, 8]), &device);
    dense.weight = Param::from_tensor(zeroed);
    let mut pruner = PrunerConfig::new()
        .with_scorer(Random)
        .with_schedule(OneShot::new(0.5))
        .init_module(&dense)
        .unwrap();
    pruner.prune(&mut dense, 0).unwrap();
    let mask = pruner.masks(&dense).unwrap();
    let mask = mask.get("weight").unwrap();
    let layer = SparseLinear::from_dense(&dense).unwrap();
    assert_eq!(layer.nnz(), 64);
    let structure = layer.structure().unwrap();
    assert_eq!(structure.to_mask(), mask.iter().collect::<Vec<_>>());
    let x = noise::<2>("x", [3, 16], &device);
    assert_close(
        &floats(layer.forward(x.clone()).unwrap()),
        &floats(dense.forward(x)),
    );
}

#[test]
fn convolutions_and_back() {
    let device = device();
    let dense = dense_conv(&device);
    let layer = SparseConv2d::from_dense(&dense).unwrap();
    let x = noise::<4>("x", [2, 4, 8, 7], &device);
    let expected = floats(dense.forward(x.clone()));
    assert_close(&floats(layer.forward(x.clone()).unwrap()), &expected);
    let back = layer.to_dense().unwrap();
    assert_eq!(floats(back.weight.val()), floats(dense.weight.val()));
    assert_close(&floats(back.forward(x)), &expected);
    assert!(format!("{layer}").contains("ch_in: 4"));

    for padding in [
        PaddingConfig1d::Same,
        PaddingConfig1d::Valid,
        PaddingConfig1d::Explicit(2, 1),
    ] {
        let mut dense = Conv1dConfig::new(4, 6, 4)
            .with_padding(padding)
            .with_stride(2)
            .init(&device);
        let weight =
            Tensor::<2>::from_data(TensorData::new(pruned([6, 16], 0.4), [6, 16]), &device);
        dense.weight = Param::from_tensor(weight.reshape([6, 4, 4]));
        let layer = SparseConv1d::from_dense(&dense).unwrap();
        let x = noise::<3>("x", [2, 4, 11], &device);
        let expected = floats(dense.forward(x.clone()));
        assert_close(&floats(layer.forward(x.clone()).unwrap()), &expected);
        assert_close(&floats(layer.to_dense().unwrap().forward(x)), &expected);
    }
}

#[derive(Module, Prune, Debug)]
struct Net {
    conv: SparseConv2d,
    fc1: SparseLinear,
    fc2: SparseLinear,
}

#[derive(Module, Debug)]
struct DenseNet {
    conv: Conv2d,
    fc1: Linear,
    fc2: Linear,
}

impl DenseNet {
    fn new(device: &Device) -> Self {
        Self {
            conv: dense_conv(device),
            fc1: dense(6 * 4 * 7, 20, device),
            fc2: dense(20, 10, device),
        }
    }

    fn loss(&self, x: Tensor<4>) -> Tensor<1> {
        let x = relu(self.conv.forward(x)).flatten::<2>(1, 3);
        let y = self.fc2.forward(relu(self.fc1.forward(x)));
        (y - 1.0).powi_scalar(2).mean()
    }
}

impl Net {
    fn new(dense: &DenseNet) -> Self {
        Self {
            conv: SparseConv2d::from_dense(&dense.conv).unwrap(),
            fc1: SparseLinear::from_dense(&dense.fc1).unwrap(),
            fc2: SparseLinear::from_dense(&dense.fc2).unwrap(),
        }
    }

    fn loss(&self, x: Tensor<4>) -> Tensor<1> {
        let x = relu(self.conv.forward(x).unwrap()).flatten::<2>(1, 3);
        let x = relu(self.fc1.forward(x).unwrap());
        let y = self.fc2.forward(x).unwrap();
        (y - 1.0).powi_scalar(2).mean()
    }
}

fn zeros(values: &[f32]) -> Vec<bool> {
    values.iter().map(|value| *value == 0.0).collect()
}

#[test]
fn training_moves_what_masked_training_moves_and_nothing_else() {
    let device = training_device();
    let mut dense = DenseNet::new(&device);
    let mut sparse = Net::new(&dense);
    // The same nets with a mask over the zeros, trained by Burn.
    let removed = |tensor: Vec<f32>| zeros(&tensor);
    let masks = [
        removed(floats(dense.conv.weight.val())),
        removed(floats(dense.fc1.weight.val())),
        removed(floats(dense.fc2.weight.val())),
    ];
    let momentum = MomentumConfig::new().with_momentum(0.9);
    let sgd = || {
        SgdConfig::new()
            .with_momentum(Some(momentum.clone()))
            .init()
    };
    let (mut of_dense, mut of_sparse) = (sgd(), sgd());
    let x = noise::<4>("x", [5, 4, 8, 7], &device);
    for step in 0..4 {
        let loss = sparse.loss(x.clone());
        let expected = dense.loss(x.clone());
        let (a, b) = (
            loss.clone().into_scalar::<f32>(),
            expected.clone().into_scalar::<f32>(),
        );
        assert!((a - b).abs() <= 1e-4 * b.abs(), "step {step}: {a} and {b}");
        let grads = GradientsParams::from_grads(loss.backward(), &sparse);
        sparse = of_sparse.step(0.02, sparse, grads);
        let grads = GradientsParams::from_grads(expected.backward(), &dense);
        dense = of_dense.step(0.02, dense, grads);
        let zeroed = |weight: Vec<f32>, removed: &[bool]| -> Vec<f32> {
            let pairs = weight.into_iter().zip(removed);
            pairs
                .map(|(w, removed)| if *removed { 0.0 } else { w })
                .collect()
        };
        let [conv, fc1, fc2] = &masks;
        dense.conv.weight = dense.conv.weight.map(|w| {
            let (shape, device) = (w.dims(), w.device());
            let data = TensorData::new(zeroed(floats(w), conv), shape);
            Tensor::from_data(data, &device).require_grad()
        });
        for (layer, mask) in [(&mut dense.fc1, fc1), (&mut dense.fc2, fc2)] {
            layer.weight = layer.weight.clone().map(|w| {
                let (shape, device) = (w.dims(), w.device());
                let data = TensorData::new(zeroed(floats(w), mask), shape);
                Tensor::from_data(data, &device).require_grad()
            });
        }
    }
    let back = [
        floats(sparse.conv.to_dense().unwrap().weight.val()),
        floats(sparse.fc1.to_dense().unwrap().weight.val()),
        floats(sparse.fc2.to_dense().unwrap().weight.val()),
    ];
    for (weight, mask) in back.iter().zip(&masks) {
        for (weight, removed) in weight.iter().zip(mask) {
            assert!(
                !removed || weight.to_bits() == 0,
                "{weight} where nothing is kept"
            );
        }
    }
    let [_, _, fc2] = back;
    let expected = floats(dense.fc2.weight.val());
    for (a, b) in fc2.iter().zip(&expected) {
        assert!((a - b).abs() <= 1e-4, "{a} and {b}");
    }
}

#[test]
fn adam_trains_the_values() {
    let device = training_device();
    let mut layer = SparseLinear::from_dense(&dense(20, 10, &device)).unwrap();
    let mut adam = AdamConfig::new().init();
    let x = noise::<2>("x", [16, 20], &device);
    let target = noise::<2>("target", [16, 10], &device);
    let loss = |layer: &SparseLinear| {
        let y = layer.forward(x.clone()).unwrap();
        (y - target.clone()).powi_scalar(2).mean()
    };
    let first = loss(&layer).into_scalar::<f32>();
    for _ in 0..40 {
        let grads = GradientsParams::from_grads(loss(&layer).backward(), &layer);
        layer = adam.step(0.02, layer, grads);
    }
    let last = loss(&layer).into_scalar::<f32>();
    assert!(last < 0.9 * first, "{first} to {last}");
    assert_eq!(layer.nnz(), 20);
}

#[test]
fn clones_validation_copies_and_moves_agree() {
    let training = training_device();
    let net = Net::new(&DenseNet::new(&training));
    let x = |device: &Device| noise::<4>("x", [5, 4, 8, 7], device);
    let expected = net.loss(x(&training)).into_scalar::<f32>();
    let close = |net: &Net, device: &Device| {
        let loss = net.loss(x(device)).into_scalar::<f32>();
        assert!((loss - expected).abs() <= 1e-5 * expected.abs(), "{loss}");
    };
    close(&net.clone(), &training);
    close(&net.valid(), &device());
    close(&net.valid().train(), &training);
    close(&net.clone().fork(&training), &training);
    let flex = Device::flex();
    let moved = net.valid().to_device(&flex);
    close(&moved, &flex);
    close(&moved.to_device(&device()), &device());
}

#[test]
fn a_clone_that_is_trained_leaves_the_original_alone() {
    let device = training_device();
    let layer = SparseLinear::from_dense(&dense(20, 10, &device)).unwrap();
    let x = noise::<2>("x", [16, 20], &device);
    let before = floats(layer.forward(x.clone()).unwrap());
    let mut sgd = SgdConfig::new().init();
    let loss = layer.forward(x.clone()).unwrap().powi_scalar(2).mean();
    let grads = GradientsParams::from_grads(loss.backward(), &layer);
    let trained = sgd.step(0.1, layer.clone(), grads);
    assert_ne!(floats(trained.forward(x.clone()).unwrap()), before);
    assert_eq!(floats(layer.forward(x).unwrap()), before);
}

#[test]
fn a_layer_without_weights_gives_its_bias() {
    let device = device();
    let mut dense = dense(6, 4, &device);
    dense.weight = Param::from_tensor(Tensor::zeros([6, 4], &device));
    let layer = SparseLinear::from_dense(&dense).unwrap();
    assert_eq!((layer.nnz(), layer.sparsity()), (0, 1.0));
    let x = noise::<2>("x", [1, 6], &device);
    assert_eq!(
        floats(layer.forward(x).unwrap()),
        floats(dense.bias.as_ref().unwrap().val())
    );
    assert_eq!(floats(layer.to_dense().unwrap().weight.val()), [0.0; 24]);
}

#[test]
fn layers_can_be_shared_between_threads() {
    fn check<T: Send + Sync>() {}
    check::<SparseLinear>();
    check::<SparseConv1d>();
    check::<SparseConv2d>();
}

#[test]
fn a_device_without_kernels_computes_densely() {
    // A capture records what a layer asks its device for.
    let device = Device::flex();
    let layer = SparseLinear::from_dense(&dense(9, 4, &device)).unwrap();
    let conv = SparseConv2d::from_dense(&dense_conv(&device)).unwrap();
    let x = Tensor::<2>::zeros([3, 9], &device);
    let forward = |layer: &SparseLinear, x| layer.forward(x).unwrap();
    let captured = ModelGraph::capture(&layer, x, forward).unwrap();
    let text = captured.graph().to_string().to_lowercase();
    assert!(text.contains("linear") || text.contains("matmul"), "{text}");
    let images = Tensor::<4>::zeros([1, 4, 8, 7], &device);
    let forward = |conv: &SparseConv2d, x| conv.forward(x).unwrap();
    let captured = ModelGraph::capture(&conv, images, forward).unwrap();
    let text = captured.graph().to_string().to_lowercase();
    assert!(text.contains("conv2d"), "{text}");
}

#[test]
fn sparse_layers_of_a_model_are_not_pruned_again() {
    let device = device();
    let sparse = Net::new(&DenseNet::new(&device));
    assert!(
        PrunerConfig::new().init(&sparse).is_err(),
        "nothing to prune"
    );
    let mut mixed = (dense(30, 20, &device), sparse.fc2.clone());
    let mut pruner = PrunerConfig::new()
        .with_schedule(OneShot::new(0.5))
        .init_module(&mixed)
        .unwrap();
    pruner.prune(&mut mixed, 0).unwrap();
    let masks = pruner.masks(&mixed).unwrap();
    assert_eq!(masks.paths().collect::<Vec<_>>(), ["0.weight"]);
}
