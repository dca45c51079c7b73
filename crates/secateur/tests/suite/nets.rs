//! Small nets to prune, with weights that are the same on every device.

use burn::{
    Tensor,
    module::{Module, Param},
    nn::{
        BatchNorm, BatchNormConfig, Linear, LinearConfig, PaddingConfig2d,
        conv::{Conv2d, Conv2dConfig},
    },
    tensor::{Device, TensorData, activation::relu},
};
use secateur::{Prune, random::Stream};

/// A parameter filled from Secateur's own generator.
pub fn filled<const D: usize>(name: &str, shape: [usize; D], device: &Device) -> Param<Tensor<D>> {
    let mut stream = Stream::new(7, name, 0);
    let values: Vec<f32> = (0..shape.iter().product())
        .map(|_| stream.normal())
        .collect();
    Param::from_tensor(Tensor::from_data(TensorData::new(values, shape), device))
}

/// A tensor from the same generator.
pub fn noise<const D: usize>(name: &str, shape: [usize; D], device: &Device) -> Tensor<D> {
    let mut stream = Stream::new(8, name, 0);
    let values: Vec<f32> = (0..shape.iter().product())
        .map(|_| stream.normal())
        .collect();
    Tensor::from_data(TensorData::new(values, shape), device)
}

/// Two linears with a ReLU in between.
#[derive(Module, Prune, Debug)]
pub struct Mlp {
    pub fc1: Linear,
    pub fc2: Linear,
}

impl Mlp {
    pub fn new(device: &Device) -> Self {
        let mut net = Self {
            fc1: LinearConfig::new(6, 8).init(device),
            fc2: LinearConfig::new(8, 3).init(device),
        };
        net.fc1.weight = filled("fc1", [6, 8], device);
        net.fc2.weight = filled("fc2", [8, 3], device);
        net
    }

    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        self.fc2.forward(relu(self.fc1.forward(x)))
    }

    /// Mean square of the output.
    pub fn loss(&self, x: Tensor<2>) -> Tensor<1> {
        self.forward(x).powi_scalar(2).mean()
    }
}

/// A convolution, a batch norm and a head.
#[derive(Module, Prune, Debug)]
pub struct ConvNet {
    pub conv: Conv2d,
    pub norm: BatchNorm,
    pub head: Linear,
}

impl ConvNet {
    pub fn new(device: &Device) -> Self {
        let mut net = Self {
            conv: Conv2dConfig::new([2, 4], [3, 3])
                .with_padding(PaddingConfig2d::Same)
                .init(device),
            norm: BatchNormConfig::new(4).init(device),
            head: LinearConfig::new(4 * 5 * 5, 3).init(device),
        };
        net.conv.weight = filled("conv", [4, 2, 3, 3], device);
        net.head.weight = filled("head", [100, 3], device);
        net
    }

    pub fn forward(&self, x: Tensor<4>) -> Tensor<2> {
        let x = relu(self.norm.forward(self.conv.forward(x)));
        self.head.forward(x.flatten(1, 3))
    }
}

/// All elements of a tensor as `f32`.
pub fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().iter::<f32>().collect()
}

/// The bits of all elements, which tell -0.0 from 0.0.
pub fn bits<const D: usize>(tensor: Tensor<D>) -> Vec<u32> {
    values(tensor).into_iter().map(f32::to_bits).collect()
}
