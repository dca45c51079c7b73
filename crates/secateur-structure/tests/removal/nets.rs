//! Small models with values that tell their place, and cuts of them.

use burn::{
    Tensor,
    module::{Module, Param},
    nn::{
        BatchNorm, BatchNormConfig, Linear, LinearConfig, LinearLayout,
        conv::{Conv2d, Conv2dConfig},
    },
    tensor::{Device, TensorData},
};
use secateur_core::{
    layers::{LayerWalk, Prunable},
    mask::Mask,
    mask_set::MaskSet,
    pruner::{Pruner, PrunerConfig},
    schedule::OneShot,
    treatment::Treatment,
};
use secateur_structure::cut::{Cut, ParamCut};

/// `tanh(x W1 + b1) W2 + b2`, 5 inputs, 8 hidden units, 3 outputs.
#[derive(Module, Debug)]
pub struct Mlp {
    pub fc1: Linear,
    pub fc2: Linear,
}

impl Mlp {
    /// Values between -1 and 1 without order; hidden units in `dead` are zero throughout.
    pub fn new(layout: LinearLayout, dead: &[usize], device: &Device) -> Self {
        let linear = |ins, outs| {
            LinearConfig::new(ins, outs)
                .with_layout(layout)
                .init(device)
        };
        let [mut fc1, mut fc2] = [linear(5, 8), linear(8, 3)];
        let lives = |unit: usize| f32::from(!dead.contains(&unit));
        fc1.weight = filled(fc1.weight, |at| value(at) * lives(at % 8));
        fc1.bias = fc1
            .bias
            .map(|bias| filled(bias, |at| value(at + 100) * lives(at)));
        fc2.weight = filled(fc2.weight, |at| value(at + 200) * lives(at / 3));
        fc2.bias = fc2.bias.map(|bias| filled(bias, |at| value(at + 300)));
        Self { fc1, fc2 }
    }

    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        self.fc2.forward(self.fc1.forward(x).tanh())
    }
}

impl Prunable for Mlp {
    fn collect_layers<'a>(&'a mut self, walk: &mut LayerWalk<'a>) {
        walk.field("fc1", &mut self.fc1);
        walk.field("fc2", &mut self.fc2);
    }
}

/// The cut that leaves the hidden units `kept`.
pub fn hidden(kept: &[usize]) -> Cut {
    cut([
        ("fc1.weight", &[5, 8], 1, kept),
        ("fc1.bias", &[8], 0, kept),
        ("fc2.weight", &[8, 3], 0, kept),
    ])
}

/// A cut of one dimension of each parameter.
pub fn cut<const N: usize>(params: [(&str, &[usize], usize, &[usize]); N]) -> Cut {
    let params = params.map(|(path, shape, dim, kept)| {
        let mut all = vec![None; shape.len()];
        all[dim] = Some(kept.to_vec());
        let shape = shape.to_vec();
        (path.to_string(), ParamCut { shape, kept: all })
    });
    Cut {
        params: params.into(),
        ..Cut::default()
    }
}

/// A pruner of the network's hidden units, biases included.
pub fn pruner(model: &Mlp, treatment: Treatment) -> Pruner {
    PrunerConfig::new()
        .with_only(["fc1.weight", "fc1.bias", "fc2.weight"])
        .with_also(["fc1.bias"])
        .with_schedule(OneShot::new(0.5).at(1))
        .with_treatment(treatment)
        .init_module(model)
        .unwrap()
}

/// Masks hidden units away.
pub fn mask_hidden(model: &mut Mlp, dead: &[usize], treatment: Treatment) {
    let kept = |unit: usize| !dead.contains(&unit);
    // Views are (out, in, kernel).
    let masks = MaskSet::from_iter([
        (
            "fc1.weight",
            Mask::from_fn([8, 5, 1], |at| kept(at / 5)).unwrap(),
        ),
        ("fc1.bias", Mask::from_fn([8, 1, 1], kept).unwrap()),
        (
            "fc2.weight",
            Mask::from_fn([3, 8, 1], |at| kept(at % 8)).unwrap(),
        ),
    ]);
    pruner(model, treatment).set_masks(model, &masks).unwrap();
}

/// A convolution with its norm, and one that reads them: 3, 6 and 4 channels.
#[derive(Module, Debug)]
pub struct ConvNet {
    pub conv1: Conv2d,
    pub norm: BatchNorm,
    pub conv2: Conv2d,
}

impl ConvNet {
    pub fn new(device: &Device) -> Self {
        let conv = |channels| Conv2dConfig::new(channels, [3, 3]).init(device);
        let [mut conv1, mut conv2] = [conv([3, 6]), conv([6, 4]).no_grad()];
        conv1.weight = filled(conv1.weight, value);
        conv2.weight = filled(conv2.weight, |at| value(at + 50));
        let norm = BatchNormConfig::new(6).init(device);
        Self { conv1, norm, conv2 }
    }

    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        self.conv2
            .forward(self.norm.forward(self.conv1.forward(x)).tanh())
    }
}

impl Prunable for ConvNet {
    fn collect_layers<'a>(&'a mut self, walk: &mut LayerWalk<'a>) {
        walk.field("conv1", &mut self.conv1);
        walk.field("norm", &mut self.norm);
        walk.field("conv2", &mut self.conv2);
    }
}

/// The cut that leaves `kept` of the six channels between the convolutions.
pub fn channels(kept: &[usize]) -> Cut {
    cut([
        ("conv1.weight", &[6, 3, 3, 3], 0, kept),
        ("conv1.bias", &[6], 0, kept),
        ("norm.gamma", &[6], 0, kept),
        ("norm.beta", &[6], 0, kept),
        ("norm.running_mean", &[6], 0, kept),
        ("norm.running_var", &[6], 0, kept),
        ("conv2.weight", &[4, 6, 3, 3], 1, kept),
    ])
}

/// A number in (-1, 1) for each place.
pub fn value(at: usize) -> f32 {
    ((at as f32 + 1.0) * 0.618_034).fract() * 2.0 - 1.0
}

/// The parameter with other values, otherwise as it was.
pub fn filled<const D: usize>(
    param: Param<Tensor<D>>,
    value: impl Fn(usize) -> f32,
) -> Param<Tensor<D>> {
    param.map(|old| {
        let dims = old.dims();
        let values: Vec<f32> = (0..dims.iter().product()).map(value).collect();
        let fresh = Tensor::from_data(TensorData::new(values, dims), &old.device());
        fresh.set_require_grad(old.is_require_grad())
    })
}

/// Elements in storage order.
pub fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_to_vec().unwrap()
}

/// The elements of `[rows, columns]` at the kept places, row by row.
pub fn sub(all: &[f32], columns: usize, rows: &[usize], kept: &[usize]) -> Vec<f32> {
    let mut left = Vec::new();
    for row in rows {
        for column in kept {
            left.push(all[row * columns + column]);
        }
    }
    left
}
