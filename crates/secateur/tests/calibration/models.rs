//! Models whose numbers can be followed.

use burn::module::{Module, Param};
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{Linear, LinearConfig};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor, TensorData};
use secateur::flow::{Flow, RowTable};
use secateur::prelude::*;
use secateur::random::Stream;

/// Normal numbers, the same for the same shape in every run.
pub fn random<const D: usize>(shape: [usize; D]) -> Tensor<D> {
    drawn("values", shape)
}

/// Normal numbers, others for another name.
pub fn drawn<const D: usize>(name: &str, shape: [usize; D]) -> Tensor<D> {
    let mut stream = Stream::new(7, name, 0);
    let values: Vec<f32> = (0..shape.iter().product())
        .map(|_| stream.normal())
        .collect();
    Tensor::from_data(TensorData::new(values, shape), &Device::flex())
}

pub fn floats<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().iter::<f32>().collect()
}

/// One matrix, stored as it is viewed: `[out, in]`.
#[derive(Module, Debug)]
pub struct Matrix {
    pub weight: Param<Tensor<2>>,
}

impl Matrix {
    pub fn new(values: &[f32], columns: usize) -> Self {
        let data = TensorData::new(values.to_vec(), [values.len() / columns, columns]);
        Self {
            weight: Param::from_tensor(Tensor::from_data(data, &Device::flex())),
        }
    }

    /// Pruned at step 0, once `inputs`, rows of as many features as there are columns, have flowed.
    pub fn pruned(&self, config: PrunerConfig, inputs: &[f32]) -> Result<Vec<f32>, PruneError> {
        let mut model = self.clone();
        let mut pruner = config.init_module(&model)?;
        let rows = RowTable::new(inputs, model.weight.dims()[1]);
        assert!(pruner.observe_flow(&Flow::new("weight", &rows)));
        pruner.prune(&mut model, 0)?;
        pruner.finish(&mut model)?;
        Ok(floats(model.weight.val()))
    }
}

/// Two convolutions, the second in groups, and a head.
#[derive(Module, Debug)]
pub struct Convs {
    pub plain: Conv2d,
    pub grouped: Conv2d,
    pub head: Linear,
}

impl Convs {
    pub fn new() -> Self {
        let device = Device::flex();
        Self {
            plain: Conv2dConfig::new([3, 6], [3, 3]).init(&device),
            grouped: Conv2dConfig::new([6, 8], [2, 2])
                .with_groups(2)
                .with_stride([2, 2])
                .init(&device),
            head: LinearConfig::new(8 * 9, 5).init(&device),
        }
    }

    pub fn forward(&self, x: Tensor<4>) -> Tensor<2> {
        let x = relu(self.plain.forward(x));
        let x = relu(self.grouped.forward(x));
        self.head.forward(x.flatten(1, 3))
    }
}

pub fn assert_close(got: &[f32], want: &[f32]) {
    assert_eq!(got.len(), want.len());
    for (g, w) in got.iter().zip(want) {
        assert!(
            (g - w).abs() <= 2e-5 * w.abs().max(1.0),
            "{got:?}\n{want:?}"
        );
    }
}
