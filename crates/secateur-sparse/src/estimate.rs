//! What a pruning would bring, before anything is pruned.

use std::fmt;

use burn::module::Module;
use secateur_core::pruner::Plan;
use secateur_graph::{Cost, GraphTensors, ModelGraph};

use crate::engine::layer::{Choosing, Layer};
use crate::engine::lower::{Lowered, lower};
use crate::engine::weight::Weight;
use crate::error::SparseError;

/// What a plan would bring, layer by layer; prints as a table.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Estimate {
    /// The layers, in the order of execution.
    pub layers: Vec<LayerEstimate>,
}

/// What a plan would bring for one linear layer or convolution.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct LayerEstimate {
    /// The path of its weight.
    pub name: String,
    /// Rows and columns of the weight as a matrix.
    pub shape: [usize; 2],
    /// The model as it is.
    pub before: Prediction,
    /// The model after the plan.
    pub after: Prediction,
    /// Sparsity from which a sparse format is predicted to be faster, where that is known.
    pub break_even: Option<f64>,
}

/// A layer as an engine would run it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Prediction {
    /// Share of zeros.
    pub sparsity: f64,
    /// How it would be packed.
    pub format: String,
    /// Bytes of the packed weight.
    pub bytes: usize,
    /// Multiply-adds with the weights that are not zero.
    pub multiply_adds: u64,
    /// Seconds predicted on this machine with one thread.
    pub seconds: f64,
}

/// What `plan` would bring for `model`, in bytes, multiply-adds and milliseconds on this machine; nothing
/// is pruned. `forward` and `example` are those that an engine would be compiled with.
///
/// Seconds are of the products with their weights alone, for the batch of `example`. Elsewhere a
/// model spends time as well: [`SparseEngine::explain`](crate::SparseEngine::explain) measures all
/// of it.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use burn::nn::{Linear, LinearConfig};
/// use burn::tensor::{Device, Tensor};
/// use secateur_core::{pruner::PrunerConfig, schedule::OneShot};
///
/// let device = Device::flex();
/// let layer = LinearConfig::new(512, 256).init(&device);
/// let pruner = PrunerConfig::new()
///     .with_schedule(OneShot::new(0.9))
///     .init_module(&layer)?;
/// let example = Tensor::<2>::zeros([64, 512], &device);
/// let plan = pruner.plan(&layer)?;
/// let estimate = secateur_sparse::estimate(&layer, example, Linear::forward, &plan)?;
/// assert!(estimate.seconds() < estimate.seconds_before());
/// println!("{estimate}");
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// Where the model cannot be captured, or the plan's masks do not fit it.
pub fn estimate<M, I, O>(
    model: &M,
    example: I,
    forward: impl Fn(&M, I) -> O,
    plan: &Plan,
) -> Result<Estimate, SparseError>
where
    M: Module,
    I: GraphTensors + Clone,
    O: GraphTensors,
{
    let captured = ModelGraph::capture(model, example, forward)?;
    let Lowered { weights, .. } = lower(&captured, None)?;
    let layers = weights.into_iter().map(|weight| layer(weight, plan));
    Ok(Estimate {
        layers: layers.collect::<Result<_, _>>()?,
    })
}

fn layer(mut weight: Weight, plan: &Plan) -> Result<LayerEstimate, SparseError> {
    let (before, _) = prediction(&weight)?;
    if let Some(mask) = plan.masks.get(&weight.name) {
        if mask.len() != weight.dense.len() {
            return Err(SparseError::Shape {
                what: format!("the plan's mask of {}", weight.name),
                got: mask.shape().to_vec(),
                expected: format!("the elements of {:?}", weight.shape),
            });
        }
        // The rows of a weight follow each other as those of its view do.
        for (value, kept) in weight.dense.iter_mut().zip(mask.iter()) {
            if !kept {
                *value = 0.0;
            }
        }
    }
    let (after, break_even) = prediction(&weight)?;
    Ok(LayerEstimate {
        name: weight.name,
        shape: weight.shape,
        before,
        after,
        break_even,
    })
}

/// A weight as it would be packed, and from which sparsity on that pays.
fn prediction(weight: &Weight) -> Result<(Prediction, Option<f64>), SparseError> {
    let products = weight.used.products();
    let layer = Layer::pack(weight.clone(), &Choosing::default())?;
    let prediction = Prediction {
        sparsity: layer.sparsity(),
        format: layer.format(),
        bytes: layer.bytes(),
        multiply_adds: layer.nnz() as u64 * products as u64,
        seconds: layer.predicted,
    };
    Ok((prediction, layer.break_even))
}

impl Estimate {
    /// Seconds of all layers as they are.
    #[must_use]
    pub fn seconds_before(&self) -> f64 {
        self.layers.iter().map(|layer| layer.before.seconds).sum()
    }

    /// Seconds of all layers after the plan.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        self.layers.iter().map(|layer| layer.after.seconds).sum()
    }

    /// Bytes of all packed weights as they are.
    #[must_use]
    pub fn bytes_before(&self) -> usize {
        self.layers.iter().map(|layer| layer.before.bytes).sum()
    }

    /// Bytes of all packed weights after the plan.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.layers.iter().map(|layer| layer.after.bytes).sum()
    }

    /// Multiply-adds of all layers, as they are (`dense`) and after the plan (`effective`).
    #[must_use]
    pub fn multiply_adds(&self) -> Cost {
        let sum = |of: fn(&LayerEstimate) -> u64| self.layers.iter().map(of).sum();
        Cost {
            dense: sum(|layer| layer.before.multiply_adds),
            effective: sum(|layer| layer.after.multiply_adds),
        }
    }
}

impl fmt::Display for Estimate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.layers.iter().map(|layer| layer.name.len());
        let width = names.chain([5]).max().unwrap_or(5);
        writeln!(
            f,
            "{:width$}  {:>15}  {:>17}  {:>19}  {:>19}  {:>5}  format",
            "layer", "zeros", "KiB", "million products", "microseconds", "from"
        )?;
        let pair = |before: f64, after: f64, digits: usize| {
            format!("{before:.digits$} -> {after:.digits$}")
        };
        for layer in &self.layers {
            let (a, b) = (&layer.before, &layer.after);
            let even = layer
                .break_even
                .map_or("-".into(), |even| format!("{:.0} %", 100.0 * even));
            writeln!(
                f,
                "{:width$}  {:>13} %  {:>17}  {:>19}  {:>19}  {even:>5}  {}",
                layer.name,
                pair(100.0 * a.sparsity, 100.0 * b.sparsity, 0),
                pair(a.bytes as f64 / 1024.0, b.bytes as f64 / 1024.0, 1),
                pair(
                    a.multiply_adds as f64 / 1e6,
                    b.multiply_adds as f64 / 1e6,
                    3
                ),
                pair(a.seconds * 1e6, b.seconds * 1e6, 1),
                b.format,
            )?;
        }
        let products = self.multiply_adds();
        writeln!(
            f,
            "{:width$}  {:>15}  {:>17}  {:>19}  {:>19}",
            "all",
            "",
            pair(
                self.bytes_before() as f64 / 1024.0,
                self.bytes() as f64 / 1024.0,
                1
            ),
            pair(
                products.dense as f64 / 1e6,
                products.effective as f64 / 1e6,
                3
            ),
            pair(self.seconds_before() * 1e6, self.seconds() * 1e6, 1),
        )
    }
}
