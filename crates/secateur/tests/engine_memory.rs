//! An engine allocates nothing after its first run.
#![cfg(feature = "sparse")]

use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig, PaddingConfig2d};
use burn::prelude::*;
use burn::tensor::Distribution;
use burn::tensor::activation::{relu, softmax};
use peak_alloc::PeakAlloc;
use secateur::prelude::*;
use secateur::sparse::SparseEngine;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

#[derive(Module, Debug)]
struct Net {
    conv: Conv2d,
    norm: BatchNorm,
    hidden: Linear,
    head: Linear,
}

impl Net {
    fn forward(&self, x: Tensor<4>) -> Tensor<2> {
        let x = relu(self.norm.forward(self.conv.forward(x)));
        let x = relu(self.hidden.forward(x.flatten(1, 3)));
        softmax(self.head.forward(x), 1)
    }
}

#[test]
fn later_runs_allocate_nothing() {
    let device = Device::flex();
    let net = Net {
        conv: Conv2dConfig::new([2, 8], [3, 3])
            .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1))
            .init(&device),
        norm: BatchNormConfig::new(8).init(&device),
        hidden: LinearConfig::new(8 * 64, 40).init(&device),
        head: LinearConfig::new(40, 10).init(&device),
    };
    for sparsity in [0.0, 0.9] {
        let mut net = net.clone();
        let config = PrunerConfig::new().with_schedule(OneShot::new(sparsity));
        let mut pruner = config.init_module(&net).unwrap();
        pruner.prune(&mut net, 0).unwrap();
        for batch in [1, 5, 64] {
            let x = Tensor::random([batch, 2, 8, 8], Distribution::Default, &device);
            let engine = SparseEngine::compile(&net, x.clone(), Net::forward).unwrap();
            let x: Vec<f32> = x.into_data().iter::<f32>().collect();
            let mut y = vec![0.0; batch * 10];
            engine.run_into(batch, &[&x], &mut [&mut y]).unwrap();

            let before = MEMORY.current_usage();
            MEMORY.reset_peak_usage();
            engine.run_into(batch, &[&x], &mut [&mut y]).unwrap();
            assert_eq!(MEMORY.peak_usage(), before, "{sparsity}, batch {batch}");
            assert_eq!(MEMORY.current_usage(), before);
        }
    }
}
