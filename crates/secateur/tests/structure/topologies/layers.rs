//! Layers as the models want them, and numbers that are the same in every run.

use burn::module::{Module, ModuleMapper, Param};
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig, PaddingConfig2d};
use burn::tensor::module::adaptive_avg_pool2d;
use burn::tensor::{Device, Int, Tensor, TensorData};
use secateur::random::Stream;

/// A convolution that keeps the size of the image.
pub fn conv(device: &Device, channels: [usize; 2], kernel: usize) -> Conv2d {
    config(channels, kernel).init(device)
}

/// A convolution that halves the size of the image.
pub fn halving(device: &Device, channels: [usize; 2], kernel: usize) -> Conv2d {
    config(channels, kernel).with_stride([2, 2]).init(device)
}

pub fn grouped(device: &Device, channels: [usize; 2], kernel: usize, groups: usize) -> Conv2d {
    config(channels, kernel).with_groups(groups).init(device)
}

fn config(channels: [usize; 2], kernel: usize) -> Conv2dConfig {
    let around = kernel / 2;
    Conv2dConfig::new(channels, [kernel, kernel])
        .with_padding(PaddingConfig2d::Explicit(around, around, around, around))
}

pub fn norm(device: &Device, channels: usize) -> BatchNorm {
    BatchNormConfig::new(channels).init(device)
}

pub fn linear(device: &Device, [from, to]: [usize; 2]) -> Linear {
    LinearConfig::new(from, to).init(device)
}

/// A linear layer without bias.
pub fn bare(device: &Device, [from, to]: [usize; 2]) -> Linear {
    LinearConfig::new(from, to).with_bias(false).init(device)
}

/// The mean of each channel.
pub fn pooled(x: Tensor<4>) -> Tensor<2> {
    adaptive_avg_pool2d(x, [1, 1]).flatten(1, 3)
}

/// Numbers between -1 and 1.
pub fn values<const D: usize>(device: &Device, shape: [usize; D]) -> Tensor<D> {
    let mut random = Stream::new(7, "example", 0);
    let count = shape.iter().product();
    let values: Vec<f32> = (0..count).map(|_| 2.0 * random.uniform() - 1.0).collect();
    Tensor::from_data(TensorData::new(values, shape), device)
}

/// A learned tensor.
pub fn learned<const D: usize>(device: &Device, shape: [usize; D]) -> Param<Tensor<D>> {
    Param::from_tensor(values(device, shape))
}

/// Numbers of tokens.
pub fn tokens(device: &Device, shape: [usize; 2], known: usize) -> Tensor<2, Int> {
    let mut random = Stream::new(7, "tokens", 0);
    let count = shape[0] * shape[1];
    let tokens: Vec<i64> = (0..count).map(|_| random.below(known) as i64).collect();
    Tensor::from_data(TensorData::new(tokens, shape), device)
}

/// The model with weights that are the same in every run. Its vectors differ from place to place.
pub fn seeded<M: Module>(model: M) -> M {
    model.map(&mut Seeder { path: Vec::new() })
}

struct Seeder {
    path: Vec<String>,
}

impl ModuleMapper for Seeder {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.into());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let mut random = Stream::new(0, &self.path.join("."), 0);
        param.map(|tensor| {
            let device = tensor.device();
            let trains = tensor.is_require_grad();
            let shape = tensor.dims();
            let data = tensor.into_data();
            let values: Vec<f32> = match shape.as_slice() {
                // Ones stay about one, zeros about zero.
                [_] => (data.iter::<f32>())
                    .map(|value| value + 0.2 * random.uniform())
                    .collect(),
                [inputs, _] => {
                    let scale = (*inputs as f32).sqrt().recip();
                    data.iter::<f32>()
                        .map(|_| scale * random.normal())
                        .collect()
                }
                [_, inner @ ..] => {
                    let scale = (inner.iter().product::<usize>() as f32).sqrt().recip();
                    data.iter::<f32>()
                        .map(|_| scale * random.normal())
                        .collect()
                }
                [] => data.iter().collect(),
            };
            let tensor = Tensor::from_data(TensorData::new(values, shape), &device);
            if trains {
                tensor.require_grad()
            } else {
                tensor
            }
        })
    }
}
