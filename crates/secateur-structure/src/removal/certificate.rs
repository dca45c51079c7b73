//! Proof of a removal: the smaller model computes what the whole one does with those channels at
//! zero.

use std::collections::BTreeMap;
use std::fmt;

use burn::tensor::TensorData;
use secateur_core::params::Role;
use secateur_graph::GraphTensors;
use serde::{Deserialize, Serialize};

use super::dead::Dead;
use crate::coupling::{Change, Unit};
use crate::cut::Cut;
use crate::error::StructureError;
use crate::plan::Plan;

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
    /// Channels that stay, with their filters at zero, to carry the constants of others.
    pub carriers: Vec<Unit>,
    /// What was taken out: for [`cut_optimizer`](crate::optimizer::cut_optimizer) and
    /// [`checkpoint`](crate::checkpoint).
    pub cut: Cut,
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

impl Certificate {
    /// `scalars` are numbers that differ in the smaller model.
    pub(super) fn new(plan: &Plan<'_>, cut: &Cut, carriers: &[Unit], scalars: &[Change]) -> Self {
        let changes = plan.changes().into_iter().chain(scalars);
        let changes = changes.map(ToString::to_string).collect();
        Self {
            difference: 0.0,
            tolerance: TOLERANCE,
            changes,
            carriers: carriers.to_vec(),
            cut: cut.clone(),
            probes: 0,
        }
    }

    /// Of a cut without a plan, of which `changes` may be why outputs differ.
    pub(crate) fn of_cut(cut: Cut, changes: Vec<String>) -> Self {
        Self {
            difference: 0.0,
            tolerance: TOLERANCE,
            changes,
            carriers: Vec::new(),
            cut,
            probes: 0,
        }
    }

    /// Compares two models on the example and on other values of its shapes.
    pub(crate) fn compare<M, I, O>(
        &mut self,
        whole: &M,
        smaller: &M,
        example: &I,
        forward: impl Fn(&M, I) -> O,
    ) where
        I: GraphTensors + Clone,
        O: GraphTensors,
    {
        for input in [example.clone(), example.clone().varied()] {
            let expected = outputs(forward(whole, input.clone()));
            let got = outputs(forward(smaller, input));
            self.difference = self.difference.max(farthest(&expected, &got));
            self.probes += 1;
        }
    }

    /// The certificate, if outputs differ only where something says why.
    pub(crate) fn checked(mut self) -> Result<Self, StructureError> {
        if self.is_exact() {
            // What might have changed did not.
            self.changes.clear();
            return Ok(self);
        }
        if !self.changes.is_empty() && self.difference.is_finite() {
            self.changes.sort();
            self.changes.dedup();
            return Ok(self);
        }
        Err(StructureError::NotEqual {
            difference: self.difference,
            tolerance: self.tolerance,
        })
    }
}

/// Which elements of a parameter are set to zero: by path dimensions, and places in them.
pub(crate) type Zeros = BTreeMap<String, Vec<(usize, Vec<usize>)>>;

/// What makes the channels that go: outputs of weights, and with them biases, scales and shifts of
/// norms. Of a channel that is `dead` already biases and norms are left: it was trained so, and what
/// it emits counts.
pub(super) fn producers(plan: &Plan<'_>, dead: Option<&Dead>) -> Zeros {
    let coupling = plan.coupling();
    let mut zeros = Zeros::new();
    for group in coupling.groups() {
        let places: Vec<usize> = plan.removed().of(group.axis).collect();
        if places.is_empty() {
            continue;
        }
        let is_dead = |place| dead.is_some_and(|dead| dead.contains(group.axis, place));
        let alive: Vec<usize> = places
            .iter()
            .copied()
            .filter(|&place| !is_dead(place))
            .collect();
        for member in &group.members {
            let going = match member.role {
                Role::Weight if member.produces() => &places,
                Role::Bias => &alive,
                _ if member.makes() => &alive,
                _ => continue,
            };
            let mut positions: Vec<usize> = going
                .iter()
                .flat_map(|&place| {
                    let axis = group.axis;
                    coupling.places(member, Unit { axis, place })
                })
                .collect();
            positions.sort_unstable();
            positions.dedup();
            if !positions.is_empty() {
                let slices = zeros.entry(member.path.clone()).or_default();
                slices.push((member.dim, positions));
            }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(values: &[f32]) -> Vec<TensorData> {
        vec![TensorData::new(values.to_vec(), [values.len()])]
    }

    #[test]
    fn differences_are_shares_of_the_largest_value() {
        assert_eq!(farthest(&tensor(&[4.0, -8.0]), &tensor(&[4.0, -6.0])), 0.25);
        assert_eq!(farthest(&tensor(&[0.0]), &tensor(&[0.0])), 0.0);
    }

    #[test]
    fn what_cannot_be_compared_is_far_apart() {
        let one = tensor(&[1.0]);
        assert_eq!(farthest(&one, &tensor(&[f32::NAN])), f64::INFINITY);
        assert_eq!(farthest(&one, &tensor(&[1.0, 1.0])), f64::INFINITY);
        assert_eq!(farthest(&one, &[]), f64::INFINITY);
        let both = tensor(&[f32::NAN, 1.0]);
        assert_eq!(farthest(&both, &both.clone()), 0.0);
    }

    #[test]
    fn a_difference_without_a_reason_is_an_error() {
        let certificate = |difference, changes: &[&str]| Certificate {
            difference,
            tolerance: TOLERANCE,
            changes: changes.iter().map(ToString::to_string).collect(),
            carriers: Vec::new(),
            cut: Cut::default(),
            probes: 4,
        };
        assert!(certificate(1e-6, &[]).checked().is_ok());
        assert!(certificate(0.1, &["a norm"]).checked().is_ok());
        assert!(certificate(0.1, &[]).checked().is_err());
        assert!(certificate(f64::INFINITY, &["a norm"]).checked().is_err());
        assert!(
            certificate(0.0, &["a sigmoid"])
                .checked()
                .unwrap()
                .changes
                .is_empty()
        );
    }
}
