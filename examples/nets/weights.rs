//! How many weights a net has, and how many of them are not zero.

use burn::module::{ModuleVisitor, Param};
use burn::prelude::*;

/// The weights of one layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerWeights {
    /// The parameter's record path, e.g. `fc1.weight`.
    pub path: String,
    /// Weights that are not zero.
    pub kept: usize,
    /// All weights.
    pub total: usize,
}

impl LayerWeights {
    /// Share of zeros in percent.
    pub fn sparsity(&self) -> f64 {
        100.0 * (self.total - self.kept) as f64 / self.total.max(1) as f64
    }

    /// The sum over several layers, under the path `all`.
    pub fn all(layers: &[Self]) -> Self {
        Self {
            path: "all".into(),
            kept: layers.iter().map(|layer| layer.kept).sum(),
            total: layers.iter().map(|layer| layer.total).sum(),
        }
    }
}

/// Counts the non-zeros of every weight (every float parameter of rank 2 or more) as the forward
/// pass sees it. Biases are not counted: no published sparsity counts them.
pub fn count_weights<M: Module>(model: &M) -> Vec<LayerWeights> {
    let mut counter = Counter::default();
    model.visit(&mut counter);
    counter.layers
}

#[derive(Default)]
struct Counter {
    path: Vec<String>,
    layers: Vec<LayerWeights>,
}

impl ModuleVisitor for Counter {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.into());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if D < 2 {
            return;
        }
        let data = param.val().to_data();
        self.layers.push(LayerWeights {
            path: self.path.join("."),
            kept: data.iter::<f32>().filter(|&weight| weight != 0.0).count(),
            total: data.num_elements(),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Classifier, LeNet5, LeNet300, SmallConv};
    use super::*;

    fn total<M: Classifier>() -> (usize, usize) {
        let net = M::fresh(1, &Device::flex());
        let logits = net.forward(Tensor::zeros([2, 28, 28], &Device::flex()));
        assert_eq!(logits.dims(), [2, 10]);
        let all = LayerWeights::all(&count_weights(&net));
        assert_eq!(all.kept, all.total);
        (all.total, net.num_params())
    }

    #[test]
    fn the_nets_have_their_published_sizes() {
        assert_eq!(total::<LeNet300>(), (266_200, 266_610));
        assert_eq!(total::<LeNet5>(), (430_500, 431_080));
        assert_eq!(total::<SmallConv>(), (71_496, 71_786));
    }

    #[test]
    fn zeros_are_not_counted_and_layers_have_their_record_paths() {
        let mut net = LeNet300::fresh(1, &Device::flex());
        net.fc3.weight = net.fc3.weight.map(|w| w.zeros_like());
        let layers = count_weights(&net);
        let paths: Vec<_> = layers.iter().map(|layer| layer.path.as_str()).collect();
        assert_eq!(paths, ["fc1.weight", "fc2.weight", "fc3.weight"]);
        assert_eq!((layers[2].kept, layers[2].total), (0, 1_000));
        assert_eq!(layers[2].sparsity(), 100.0);
    }
}
