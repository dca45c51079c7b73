//! What an engine does, why, and how long it takes.

use std::fmt;
use std::time::Instant;

use burn::tensor::DType;

use super::SparseEngine;
use super::plan::Step;
use super::weight::Use;
use crate::error::SparseError;

/// Runs that the times are the medians of.
const RUNS: usize = 15;

/// What [`SparseEngine::explain`] tells; prints as a table.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Explanation {
    /// The layers, in the order of execution.
    pub layers: Vec<LayerExplanation>,
    /// Everything else.
    pub others: Vec<OtherExplanation>,
    /// Seconds of a run, measured.
    pub seconds: f64,
    /// The size of the batch that was measured.
    pub batch: usize,
}

/// A linear layer or a convolution.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct LayerExplanation {
    /// The path of its weight.
    pub name: String,
    /// Rows and columns of the weight as a matrix.
    pub shape: [usize; 2],
    /// How it is packed.
    pub format: String,
    /// Share of zeros.
    pub sparsity: f64,
    /// Bytes of the packed weight.
    pub bytes: usize,
    /// Seconds predicted for this format.
    pub predicted: f64,
    /// Seconds predicted for the dense product.
    pub dense: f64,
    /// Seconds measured, with the bias, sum and activation that were joined to it.
    pub measured: f64,
    /// Sparsity from which a sparse format is predicted to be faster, where that is known.
    pub break_even: Option<f64>,
    /// Why this format.
    pub why: String,
}

/// Operations that are not products.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct OtherExplanation {
    /// What they are.
    pub name: String,
    /// Whether Burn runs them.
    pub by_burn: bool,
    /// How many there are.
    pub count: usize,
    /// Seconds of all of them, measured.
    pub measured: f64,
}

pub(crate) fn explain(engine: &SparseEngine) -> Result<Explanation, SparseError> {
    let times = measure(engine)?;
    let mut layers = Vec::new();
    let mut others: Vec<OtherExplanation> = Vec::new();
    for (step, &measured) in engine.plan.steps.iter().zip(&times) {
        match step {
            Step::Product { weight, .. } | Step::Conv { weight, .. } => {
                let layer = &engine.layers[*weight];
                layers.push(LayerExplanation {
                    name: layer.name.clone(),
                    shape: layer.shape,
                    format: layer.format(),
                    sparsity: layer.sparsity(),
                    bytes: layer.bytes(),
                    predicted: layer.predicted,
                    dense: layer.dense,
                    measured,
                    break_even: layer.break_even,
                    why: why(layer),
                });
            }
            _ => {
                let name = name_of(step);
                let by_burn = step.is_burn();
                match others.iter_mut().find(|o| o.name == name) {
                    Some(other) => {
                        other.count += 1;
                        other.measured += measured;
                    }
                    None => others.push(OtherExplanation {
                        name,
                        by_burn,
                        count: 1,
                        measured,
                    }),
                }
            }
        }
    }
    Ok(Explanation {
        layers,
        others,
        seconds: times.iter().sum(),
        batch: engine.plan.batch,
    })
}

fn why(layer: &super::layer::Layer) -> String {
    let ratio = layer.dense / layer.predicted;
    if !layer.is_dense() {
        return format!("predicted {ratio:.1} times as fast as dense");
    }
    match (&layer.used, layer.break_even) {
        (_, Some(even)) if even >= 1.0 => "no sparse format pays at this size".into(),
        (_, Some(even)) if layer.sparsity() < even => {
            format!("sparse pays from {:.0} %", 100.0 * even)
        }
        (Use::Product { .. }, _) => "dense is predicted to be fastest".into(),
        (Use::Conv { .. }, _) => "the direct dense convolution is predicted to be fastest".into(),
    }
}

/// What a step is called beside others of its kind.
fn name_of(step: &Step) -> String {
    match step {
        Step::Product { .. } => "product".into(),
        Step::Conv { .. } => "convolution".into(),
        Step::Affine { .. } => "normalisation by batch".into(),
        Step::Unary { of, .. } => {
            let text = format!("{of:?}").to_lowercase();
            text.split('(').next().unwrap_or_default().into()
        }
        Step::Binary { of, .. } => format!("{of:?} of two").to_lowercase(),
        Step::Pool { .. } => "pooling".into(),
        Step::Slice { .. } => "slice".into(),
        Step::Fill { .. } => "fill".into(),
        Step::Concat { .. } => "concatenation".into(),
        Step::Pad { .. } => "padding".into(),
        Step::Softmax { .. } => "softmax".into(),
        Step::LayerNorm { .. } => "normalisation by layer".into(),
        Step::Give { .. } | Step::Take { .. } | Step::Drop { .. } => "hand-over to Burn".into(),
        // Without the number behind the name.
        Step::Burn { name, .. } => name.split(' ').next().unwrap_or_default().into(),
    }
}

/// Seconds of each step: medians over some runs.
fn measure(engine: &SparseEngine) -> Result<Vec<f64>, SparseError> {
    let inputs = engine.zeros();
    let floats = inputs.iter().map(|data| match data.dtype() {
        DType::F32 => data.as_slice::<f32>().unwrap_or(&[]),
        _ => &[],
    });
    let floats: Vec<&[f32]> = floats.collect();
    engine.with_state(0, |engine, state| {
        let plan = &engine.plan;
        let mut times = vec![Vec::with_capacity(RUNS); plan.steps.len()];
        // The first run warms up.
        for run in 0..=RUNS {
            for (port, data) in plan.inputs.iter().zip(&inputs) {
                if let (Some(tensor), Some(burn)) = (port.tensor, state.burn()) {
                    burn.give(plan, tensor, data.clone());
                }
            }
            for (step, times) in times.iter_mut().enumerate() {
                let start = Instant::now();
                state.step(plan, &engine.layers, step, &floats)?;
                if run > 0 {
                    times.push(start.elapsed().as_secs_f64());
                }
            }
            engine.forget(state);
        }
        let medians = times.into_iter().map(|mut times| {
            times.sort_by(f64::total_cmp);
            times[RUNS / 2]
        });
        Ok(medians.collect())
    })
}

/// Bytes with a unit.
fn size(bytes: usize) -> String {
    match bytes {
        0..1_024 => format!("{bytes} B"),
        1_024..1_048_576 => format!("{:.1} KiB", bytes as f64 / 1_024.0),
        _ => format!("{:.1} MiB", bytes as f64 / 1_048_576.0),
    }
}

/// Seconds as microseconds.
fn micro(seconds: f64) -> String {
    format!("{:.1}", seconds * 1e6)
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.layers.iter().map(|layer| layer.name.len());
        let width = names.chain([5]).max().unwrap_or(5);
        writeln!(
            f,
            "{:width$}  {:>11}  {:9}  {:>7}  {:>9}  {:>8}  {:>8}  {:>8}  {:>5}  why",
            "layer", "shape", "format", "zeros", "bytes", "pred us", "us", "dense us", "from",
        )?;
        for layer in &self.layers {
            let [m, k] = layer.shape;
            let even = layer
                .break_even
                .map_or("-".into(), |even| format!("{:.0} %", 100.0 * even));
            writeln!(
                f,
                "{:width$}  {:>11}  {:9}  {:>5.1} %  {:>9}  {:>8}  {:>8}  {:>8}  {even:>5}  {}",
                layer.name,
                format!("{m} x {k}"),
                layer.format,
                100.0 * layer.sparsity,
                size(layer.bytes),
                micro(layer.predicted),
                micro(layer.measured),
                micro(layer.dense),
                layer.why,
            )?;
        }
        for other in &self.others {
            let by = if other.by_burn { ", by Burn" } else { "" };
            writeln!(
                f,
                "{} x {}{by}: {} us",
                other.count,
                other.name,
                micro(other.measured)
            )?;
        }
        writeln!(
            f,
            "{} us in all at a batch of {}",
            micro(self.seconds),
            self.batch
        )
    }
}
