//! Dynamic network surgery (Guo, Yao, Chen 2016, arXiv 1608.04493): two thresholds a layer, between
//! which a weight stays what it was, and all weights go on learning.
//!
//! Removed below `a = 0.9·t`, back from `b = 1.1·t` on, `t = max(μ + c·σ, 0)` with μ and σ those of
//! `|w|` over the layer's nonzero weights and biases before pruning; masks change with probability
//! `1 / (1 + γ·step)` and never from `stop` on (constants of the authors' code, which also names the
//! power 1).

use burn::nn::LinearConfig;
use secateur::{params::ParamInfo, prelude::*, random::Stream};

use crate::{
    device::training_device,
    nets::{Single, param, values},
};

// The method.

#[derive(Debug)]
struct Surgery {
    initial: Weights,
    c: f32,
    gamma: f64,
    stop: usize,
}

impl Schedule for Surgery {
    fn is_due(&self, step: usize) -> bool {
        let chance = 1.0 / (1.0 + self.gamma * step as f64);
        step < self.stop && f64::from(Stream::new(0, "surgery", step).uniform()) < chance
    }
    fn target(&self, _step: usize, param: &ParamInfo) -> Target {
        let layer = |path: &str| ParamInfo::new(path, [0; 3]).layer_path() == param.layer_path();
        let paths = self.initial.paths().filter(|path| layer(path));
        let values = paths.filter_map(|path| self.initial.get(path));
        let values = values.flat_map(|data| data.iter::<f32>());
        let sizes: Vec<f32> = values.filter(|w| *w != 0.0).map(f32::abs).collect();
        let mean = |p| sizes.iter().map(|w| w.powi(p)).sum::<f32>() / sizes.len() as f32;
        let t = (mean(1) + self.c * (mean(2) - mean(1).powi(2)).sqrt()).max(0.0);
        let (low, high) = (0.9 * t, 1.1 * t);
        Target::Band { low, high }
    }
    fn sparsity_at(&self, _step: usize) -> f64 {
        0.0
    }
    fn last_step(&self) -> Option<usize> {
        None
    }
}

fn network_surgery(thresholds: Surgery) -> PrunerConfig {
    PrunerConfig::new()
        .with_schedule(thresholds)
        .with_also(["**.bias"])
        .with_regrowth(Reconsider)
        .with_removed(Removed::Learning)
        .with_regrown(Regrown::Kept)
}

// Its steps by hand.

#[test]
fn three_steps_by_hand() {
    let device = training_device();
    let mut model = Single::new([[1.0, -1.0, 3.0, -3.0]], &device);
    model.fc.bias = LinearConfig::new(4, 1).init(&device).bias;
    model.fc.bias = Some(param(&[0.0], [1], &device));

    // The bias is zero and does not count: μ = 8/4 = 2, σ² = 20/4 - 4 = 1, t = 2 + 0.5·1 = 2.5, so
    // a = 2.25 and b = 2.75. The small weights and the bias go.
    let thresholds = surgery(Weights::of(&model), 0.5, 0.0, 3);
    let mut pruner = network_surgery(thresholds).init(&model).unwrap();
    pruner.prune(&mut model, 0).unwrap();
    assert_eq!(model.effective(), [0.0, 0.0, 3.0, -3.0]);

    // Everything learns: w - x/2 = [3, -2.5, 2.5, -3.5], bias -1/2. The first has passed b and comes
    // back; the second and the third lie between a and b and stay gone and stay there.
    let grads = model.gradients([-4.0, 3.0, 1.0, 1.0]);
    model = model.step(grads);
    pruner.prune(&mut model, 1).unwrap();
    assert_eq!(model.effective(), [3.0, 0.0, 2.5, -3.5]);
    assert_eq!(values(model.fc.bias.clone().unwrap().val()), [0.0]);
    assert_eq!(values(model.fc.bias.clone().unwrap().base()), [-0.5]);

    // 2.5 - 2/2 falls below a.
    let grads = model.gradients([0.0, 0.0, 2.0, 0.0]);
    model = model.step(grads);
    pruner.prune(&mut model, 2).unwrap();
    assert_eq!(model.effective(), [3.0, 0.0, 0.0, -3.5]);

    // From `stop` on nothing changes any more.
    let grads = model.gradients([0.0, -9.0, 0.0, 0.0]);
    model = model.step(grads);
    assert_eq!(pruner.prune(&mut model, 3), Ok(None));
    assert_eq!(model.effective(), [3.0, 0.0, 0.0, -3.5]);
}

#[test]
fn masks_change_ever_more_rarely() {
    let surgery = surgery(Weights::default(), 3.0, 1e-3, 8_000);
    // Σ 1/(1 + i/1000) over 8000 steps is near 1000·ln 9 = 2197; three deviations are 110.
    let due = (0..9_000).filter(|&step| surgery.is_due(step)).count();
    assert!(due.abs_diff(2197) < 110, "{due}");
}

fn surgery(initial: Weights, c: f32, gamma: f64, stop: usize) -> Surgery {
    Surgery {
        initial,
        c,
        gamma,
        stop,
    }
}
