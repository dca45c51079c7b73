//! Costs against those the literature states.

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{Device, Tensor, TensorData};
use secateur_graph::{Counts, ModelGraph};

use crate::nets::{LeNet5, Mlp, ResNet, VGG16, Vgg16};

fn counts<M: Module>(
    model: &M,
    shape: [usize; 4],
    forward: impl Fn(&M, Tensor<4>) -> Tensor<2>,
) -> Counts {
    let x = Tensor::zeros(shape, &Device::flex());
    let graph = ModelGraph::capture(model, x, forward).unwrap();
    Counts::of(graph.graph())
}

/// Han et al. 2015, tables 3 and 4: 532 K and 4,586 K operations.
#[test]
fn lenets_as_han_counts_them() {
    let device = Device::flex();
    let mlp = Mlp::new(&[784, 300, 100, 10], &device);
    let x = Tensor::zeros([1, 784], &device);
    let graph = ModelGraph::capture(&mlp, x, Mlp::forward).unwrap();
    let mlp = Counts::of(graph.graph());
    assert_eq!(mlp.flops().dense, 532_400);
    assert_eq!(mlp.parameters().dense, 266_200 + 410);
    assert_eq!(mlp.weight_bytes(), 4 * 266_610);

    let lenet5 = counts(&LeNet5::new(&device), [1, 1, 28, 28], LeNet5::forward);
    assert_eq!(lenet5.flops().dense, 4_586_000);
    assert_eq!(lenet5.parameters().dense, 430_500 + 580);
    let products: Vec<u64> = lenet5
        .operations
        .iter()
        .map(|op| op.multiply_adds.dense)
        .filter(|&products| products > 0)
        .collect();
    assert_eq!(products, [288_000, 1_600_000, 400_000, 5_000]);
}

#[test]
fn a_batch_multiplies_products_and_activations_but_not_weights() {
    let net = LeNet5::new(&Device::flex());
    let one = counts(&net, [1, 1, 28, 28], LeNet5::forward);
    let eight = counts(&net, [8, 1, 28, 28], LeNet5::forward);
    assert_eq!(eight.multiply_adds().dense, 8 * one.multiply_adds().dense);
    assert_eq!(eight.activation_bytes(), 8 * one.activation_bytes());
    assert_eq!(eight.parameters(), one.parameters());
}

/// Li et al. 2017, table 1: 1.25e8.
#[test]
fn resnet56_as_li_counts_it() {
    let net = ResNet::cifar(9, &Device::flex());
    let counts = counts(&net, [1, 3, 32, 32], ResNet::forward);
    assert_eq!(counts.multiply_adds().dense, 125_485_696);
    let weights: u64 = counts
        .operations
        .iter()
        .filter(|op| op.multiply_adds.dense > 0)
        .map(|op| op.parameters.dense)
        .sum();
    assert_eq!(weights, 848_944);
}

/// torchvision: 1.81 G, and 11,689,512 parameters.
#[test]
fn resnet18_as_torchvision_counts_it() {
    let net = ResNet::resnet18(&Device::flex());
    let counts = counts(&net, [1, 3, 224, 224], ResNet::forward);
    assert_eq!(counts.multiply_adds().dense, 1_814_073_344);
    assert_eq!(counts.parameters().dense, 11_689_512);
}

/// Zeroes filters of VGG-16's convolutions, and what reads their outputs.
struct DropHalf {
    path: Vec<String>,
}

/// The convolutions that variant A halves: the first, and the eighth to the last.
fn halved(conv: usize) -> bool {
    conv == 0 || conv >= 7
}

impl ModuleMapper for DropHalf {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.into());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let path = self.path.join(".");
        let conv = path
            .strip_prefix("convs.")
            .and_then(|rest| rest.strip_suffix(".weight"))
            .map(|nth| nth.parse::<usize>().unwrap());
        let is_first_linear = path == "fc1.weight";
        if conv.is_none() && !is_first_linear {
            return param;
        }
        param.map(|weight| {
            let device = weight.device();
            let dims: [usize; D] = weight.dims();
            let mut data = weight.into_data().to_vec::<f32>().unwrap();
            let inner: usize = dims[1..].iter().product();
            for (at, value) in data.iter_mut().enumerate() {
                let place = [at / inner, at / (inner / dims[1]) % dims[1]];
                let gone = match conv {
                    Some(conv) => {
                        halved(conv) && place[0] >= VGG16.0[conv] / 2
                            || conv > 0
                                && halved(conv - 1)
                                && place[1] >= VGG16.0[conv - 1] / 2
                    }
                    // `[in, out]`
                    None => place[0] >= 256,
                };
                *value = if gone { 0.0 } else { 1.0 };
            }
            Tensor::from_data(TensorData::new(data, dims), &device)
        })
    }
}

/// Li et al. 2017, table 1 and the exact counts behind it: 3.13e8 to 2.06e8.
#[test]
fn vgg16_a_as_li_counts_it() {
    let net = Vgg16::new(&Device::flex()).map(&mut DropHalf { path: Vec::new() });
    let counts = counts(&net, [1, 3, 32, 32], Vgg16::forward);
    let products = counts.multiply_adds();
    assert_eq!(products.dense, 313_463_808);
    assert_eq!(products.effective, 206_279_680);
    let with_products = counts
        .operations
        .iter()
        .filter(|op| op.multiply_adds.dense > 0);
    let weights = with_products.map(|op| op.parameters);
    let [dense, kept] = weights.fold([0, 0], |[dense, kept], cost| {
        [dense + cost.dense, kept + cost.effective]
    });
    assert_eq!([dense, kept], [14_977_728, 5_390_176]);
}

#[test]
fn the_table_is_readable() {
    let net = LeNet5::new(&Device::flex());
    let text = counts(&net, [1, 1, 28, 28], LeNet5::forward).to_string();
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].starts_with("layer  operation"));
    assert!(lines[1].starts_with("conv1"));
    assert!(lines[1].contains("288,000"));
    assert!(lines.last().unwrap().contains("2,293,000"));
}
