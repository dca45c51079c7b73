//! Initial weights from a seed.

use burn::module::{ModuleMapper, Param};
use burn::prelude::*;

use crate::random::Generator;

/// Draws every weight of `model` (every float parameter of rank 2 or more) anew from `seed` after
/// Glorot and Bengio 2010: uniform in ±sqrt(6 / (fan in + fan out)). Biases and norms stay.
pub fn glorot<M: Module>(model: M, seed: u64) -> M {
    model.map(&mut Glorot {
        generator: Generator::new(seed, "weights"),
        draw: |generator, fans| generator.within((6.0 / fans).sqrt()),
    })
}

/// As [`glorot`], with a normal distribution of the same variance, 2 / (fan in + fan out): the
/// initial weights of Frankle and Carbin 2019, who call them Gaussian Glorot.
pub fn gaussian_glorot<M: Module>(model: M, seed: u64) -> M {
    model.map(&mut Glorot {
        generator: Generator::new(seed, "weights"),
        draw: |generator, fans| generator.normal() * (2.0 / fans).sqrt(),
    })
}

struct Glorot {
    generator: Generator,
    /// A number of mean zero for a layer with as many fans.
    draw: fn(&mut Generator, f64) -> f64,
}

impl ModuleMapper for Glorot {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        if D < 2 {
            return param;
        }
        param.map(|old| {
            let dims = old.dims();
            // Burn's `Linear` is [in, out], its convolutions are [out, in, kernel..]: the sum of
            // the two fans is the same for both.
            let kernel: usize = dims[2..].iter().product();
            let fans = ((dims[0] + dims[1]) * kernel) as f64;
            let values: Vec<f32> = (0..dims.iter().product())
                .map(|_| (self.draw)(&mut self.generator, fans) as f32)
                .collect();
            Tensor::from_data(TensorData::new(values, dims), &old.device())
                .set_require_grad(old.is_require_grad())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Classifier, LeNet5, LeNet300};
    use super::*;

    #[test]
    fn equal_seeds_give_equal_nets_and_biases_start_at_zero() {
        let device = Device::flex().autodiff();
        let weights = |seed| {
            let net = LeNet300::fresh(seed, &device);
            assert!(net.fc1.weight.is_require_grad());
            let bias = net.fc1.bias.as_ref().unwrap().to_data();
            assert!(bias.iter::<f32>().all(|b| b == 0.0));
            net.fc1.weight.to_data().try_to_vec::<f32>().unwrap()
        };
        assert_eq!(weights(1), weights(1));
        assert_ne!(weights(1), weights(2));
    }

    #[test]
    fn weights_fill_the_glorot_range() {
        let net = LeNet5::fresh(1, &Device::flex());
        // conv2: (20 + 50) * 25 = 1750 fans.
        let bound = (6.0_f32 / 1750.0).sqrt();
        let data = net.conv2.weight.to_data();
        let largest = data.iter::<f32>().fold(0.0_f32, |m, w| m.max(w.abs()));
        assert!(
            largest <= bound && largest > 0.99 * bound,
            "{largest} {bound}"
        );
    }

    #[test]
    fn gaussian_weights_have_the_variance_of_uniform_ones() {
        let device = Device::flex();
        let net = gaussian_glorot(LeNet300::fresh(1, &device), 1);
        let weights = net.fc1.weight.to_data().try_to_vec::<f32>().unwrap();
        let n = weights.len() as f64;
        let moment = |power| {
            weights
                .iter()
                .map(|&w| f64::from(w).powi(power))
                .sum::<f64>()
                / n
        };
        // 784 + 300 = 1084 fans; a normal distribution has a kurtosis of 3, a uniform one 1.8.
        let (variance, expected) = (moment(2), 2.0 / 1084.0);
        assert!((variance / expected - 1.0).abs() < 0.02, "{variance}");
        assert!((moment(4) / variance.powi(2) - 3.0).abs() < 0.1);
        assert!(moment(1).abs() < 4.0 * (expected / n).sqrt());
    }
}
