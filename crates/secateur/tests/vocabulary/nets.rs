//! Layers whose weights are written down, so that a step can be worked by hand.

use burn::{
    Tensor,
    module::{Module, Param},
    nn::{Linear, LinearConfig},
    optim::{GradientsParams, SgdConfig},
    tensor::{Device, TensorData},
};
use secateur::Prune;

/// One linear layer without bias.
#[derive(Module, Prune, Debug)]
pub struct Single {
    pub fc: Linear,
}

impl Single {
    /// The layer with these weights, one row per output.
    pub fn new<const IN: usize, const OUT: usize>(rows: [[f32; IN]; OUT], device: &Device) -> Self {
        let mut fc = LinearConfig::new(IN, OUT).with_bias(false).init(device);
        fc.weight = Param::from_tensor(Tensor::<2>::from_floats(rows, device).transpose());
        Self { fc }
    }

    /// The weights that act, one output after the other.
    pub fn effective(&self) -> Vec<f32> {
        values(self.fc.weight.val().transpose())
    }

    /// The weights that are stored, those under the mask among them.
    pub fn stored(&self) -> Vec<f32> {
        values(self.fc.weight.base().transpose())
    }

    /// The gradients of the sum of the outputs for one input `x`. That of weight `(o, i)` is `x[i]`
    /// and that of a bias 1, whatever the weights are.
    pub fn gradients<const IN: usize>(&self, x: [f32; IN]) -> GradientsParams {
        let x = Tensor::<2>::from_floats([x], &self.fc.weight.device());
        GradientsParams::from_grads(self.fc.forward(x).sum().backward(), self)
    }

    /// Plain gradient descent with rate 1/2.
    pub fn step(self, grads: GradientsParams) -> Self {
        SgdConfig::new().init().step(0.5, self, grads)
    }
}

/// A parameter of these values.
pub fn param<const D: usize>(
    values: &[f32],
    shape: [usize; D],
    device: &Device,
) -> Param<Tensor<D>> {
    Param::from_tensor(Tensor::from_data(
        TensorData::new(values.to_vec(), shape),
        device,
    ))
}

/// All elements of a tensor.
pub fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().iter::<f32>().collect()
}
