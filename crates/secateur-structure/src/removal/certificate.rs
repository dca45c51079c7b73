//! Proof of a removal: the smaller model computes what the whole one does with those channels at
//! zero.

use std::fmt;

use burn::module::Module;
use burn::tensor::TensorData;
use secateur_core::layers::Prunable;
use secateur_graph::GraphTensors;
use serde::{Deserialize, Serialize};

use super::probe::{Zeroed, stirred, zeroed};
use crate::coupling::Change;
use crate::cut::Cut;
use crate::error::StructureError;
use crate::plan::Plan;
use crate::slice;

/// How far the outputs of a smaller model are from those of the whole one with the removed
/// channels at zero.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Certificate {
    /// The largest difference of two outputs, as a share of the largest output.
    pub difference: f64,
    /// What sums in another order may differ by.
    pub tolerance: f64,
    /// Why the outputs differ by more; empty where the removal is exact.
    pub changes: Vec<String>,
    /// Number of comparisons: inputs times models.
    pub probes: usize,
}

impl Certificate {
    /// Whether the smaller model computes the same.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        self.difference <= self.tolerance
    }
}

impl fmt::Display for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            difference,
            tolerance,
            probes,
            ..
        } = self;
        if self.is_exact() {
            return write!(
                f,
                "the same outputs within {difference:.1e} of the largest ({tolerance:.0e} allowed), \
                 {probes} comparisons"
            );
        }
        write!(f, "outputs differ by {difference:.1e} of the largest:")?;
        for change in &self.changes {
            write!(f, "\n  {change}")?;
        }
        Ok(())
    }
}

/// Sums in another order differ by less.
const TOLERANCE: f64 = 1e-4;

/// Compares on the example and on a varied and longer one, with the model as it is and with its
/// vectors stirred. `scalars` are numbers that differ in the smaller model.
pub(super) fn compare<M, I, O>(
    plan: &Plan<'_>,
    model: &M,
    cut: &Cut,
    scalars: &[Change],
    example: I,
    forward: impl Fn(&M, I) -> O,
) -> Result<Certificate, StructureError>
where
    M: Module + Prunable,
    I: GraphTensors + Clone,
    O: GraphTensors,
{
    let zeros = producers(plan);
    let mut difference: f64 = 0.0;
    let mut probes = 0;
    for whole in [model.valid(), stirred(model)] {
        let masked = zeroed(&whole, &zeros);
        let smaller = slice::apply(&masked, cut)?;
        for input in [example.clone(), example.clone().varied()] {
            let expected = outputs(forward(&masked, input.clone()));
            let got = outputs(forward(&smaller, input));
            difference = difference.max(farthest(&expected, &got));
            probes += 1;
        }
    }
    let changes = plan.changes().into_iter().chain(scalars);
    let changes: Vec<String> = changes.map(ToString::to_string).collect();
    if difference > TOLERANCE && changes.is_empty() {
        return Err(StructureError::NotEqual {
            difference,
            tolerance: TOLERANCE,
        });
    }
    Ok(Certificate {
        difference,
        tolerance: TOLERANCE,
        changes,
        probes,
    })
}

/// What makes the removed channels: outputs of weights, biases, scales and shifts of norms.
fn producers(plan: &Plan<'_>) -> Zeroed {
    let coupling = plan.coupling();
    let mut zeros = Zeroed::new();
    for group in coupling.groups() {
        if plan.removed().count(group.axis) == 0 {
            continue;
        }
        for member in &group.members {
            let dims = coupling.dims_of(&member.path);
            let Some(dim) = dims
                .ok()
                .filter(|_| member.makes())
                .and_then(|dims| dims.get(member.dim))
            else {
                continue;
            };
            let stays = coupling.axes().stays(dim, plan.removed());
            let places = (0..stays.len()).filter(|&place| !stays[place]).collect();
            zeros
                .entry(member.path.clone())
                .or_default()
                .push((member.dim, places));
        }
    }
    zeros
}

fn outputs(outputs: impl GraphTensors) -> Vec<TensorData> {
    let mut all = Vec::new();
    outputs.data(&mut |data| all.push(data));
    all
}

/// The largest difference, as a share of the largest value; infinite where shapes differ or one
/// has a NaN that the other has not.
fn farthest(expected: &[TensorData], got: &[TensorData]) -> f64 {
    if expected.len() != got.len() {
        return f64::INFINITY;
    }
    let mut farthest: f64 = 0.0;
    for (expected, got) in expected.iter().zip(got) {
        if expected.shape() != got.shape() {
            return f64::INFINITY;
        }
        let largest = expected.iter::<f64>().fold(0.0, |largest: f64, value| {
            if value.is_finite() {
                largest.max(value.abs())
            } else {
                largest
            }
        });
        for (a, b) in expected.iter::<f64>().zip(got.iter::<f64>()) {
            let same = a == b || (a.is_nan() && b.is_nan());
            if !same {
                let apart = (a - b).abs() / largest.max(f64::MIN_POSITIVE);
                farthest = farthest.max(if apart.is_nan() { f64::INFINITY } else { apart });
            }
        }
    }
    farthest
}
