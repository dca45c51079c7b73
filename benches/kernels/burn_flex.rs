//! Dense work by Burn's Flex, through Burn's own tensors.
//!
//! This file is compiled twice: into the program `kernels`, where Flex is as Burn ships it, and
//! into the program `flex-x86-v4`.

use burn::tensor::module::conv2d;
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Device, Tensor, TensorData};

use crate::work::Work;

/// Tensors on Flex, and the results of the last run.
#[derive(Debug)]
pub(crate) enum BurnFlex {
    Product {
        w: Tensor<2>,
        x: Tensor<2>,
        y: Option<Tensor<2>>,
    },
    Training {
        w: Tensor<2>,
        x: Tensor<2>,
        dy: Tensor<2>,
        /// Y, dX and dW.
        results: Option<Box<[Tensor<2>; 3]>>,
    },
    Convolution {
        w: Tensor<4>,
        x: Tensor<4>,
        padding: usize,
        y: Option<Tensor<4>>,
    },
}

impl BurnFlex {
    /// `work` on the weights, inputs and, for training, gradients of the outputs; as many of each
    /// as [`Work::lengths`] says.
    pub(crate) fn new(work: Work, weights: &[f32], x: &[f32], dy: &[f32]) -> Self {
        match work {
            Work::Product { m, k, n } => Self::Product {
                w: tensor(weights, [m, k]),
                x: tensor(x, [k, n]),
                y: None,
            },
            Work::Training { m, k, n } => Self::Training {
                w: tensor(weights, [m, k]),
                x: tensor(x, [k, n]),
                dy: tensor(dy, [m, n]),
                results: None,
            },
            Work::Convolution {
                out,
                input,
                kernel,
                image: [height, width],
            } => Self::Convolution {
                w: tensor(weights, [out, input, kernel, kernel]),
                x: tensor(x, [1, input, height, width]),
                padding: kernel / 2,
                y: None,
            },
        }
    }

    /// Computes once.
    pub(crate) fn run(&mut self) {
        match self {
            Self::Product { w, x, y } => *y = Some(w.clone().matmul(x.clone())),
            Self::Training { w, x, dy, results } => {
                *results = Some(Box::new([
                    w.clone().matmul(x.clone()),
                    w.clone().transpose().matmul(dy.clone()),
                    dy.clone().matmul(x.clone().transpose()),
                ]));
            }
            Self::Convolution { w, x, padding, y } => {
                let options = ConvOptions::new([1, 1], [*padding; 2], [1, 1], 1);
                *y = Some(conv2d(x.clone(), w.clone(), None, options));
            }
        }
    }
}

fn tensor<const D: usize>(floats: &[f32], shape: [usize; D]) -> Tensor<D> {
    Tensor::from_data(TensorData::new(floats.to_vec(), shape), &Device::flex())
}
