//! The dimensions of parameters that an axis occurs in, and what they are there.

use std::collections::BTreeSet;

use secateur_core::params::Role;
use secateur_graph::{Graph, OpKind, Operation, Source, ValueId};
use serde::{Deserialize, Serialize};

/// What a dimension of a parameter is to the operation that uses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Side {
    /// Its places are outputs: filters, neurons, and what is added to them.
    Out,
    /// Its places are inputs, summed over.
    In,
    /// Its places scale, shift or measure channels that are there already.
    Channel,
}

/// A dimension of a parameter in which an axis occurs.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Member {
    /// Record path of the parameter.
    pub path: String,
    /// Which dimension.
    pub dim: usize,
    /// What it is to the operations that use the parameter: several if it is used in several ways.
    pub sides: Vec<Side>,
    /// What the parameter is there.
    pub role: Role,
}

impl Member {
    pub(super) fn new(path: &str, dim: usize, used: &Used) -> Self {
        Self {
            path: path.into(),
            dim,
            sides: used.sides.iter().copied().collect(),
            role: used.role,
        }
    }

    /// Whether its places are outputs of a weight.
    #[must_use]
    pub fn produces(&self) -> bool {
        self.role == Role::Weight && self.sides.contains(&Side::Out)
    }

    /// Whether its places are inputs of a weight.
    #[must_use]
    pub fn consumes(&self) -> bool {
        self.role == Role::Weight && self.sides.contains(&Side::In)
    }
}

/// How a dimension of a parameter is used.
#[derive(Clone, Debug, Default)]
pub(super) struct Used {
    sides: BTreeSet<Side>,
    role: Role,
}

impl Used {
    pub(super) fn is(&self, side: Side) -> bool {
        self.sides.contains(&side)
    }
}

/// All parameters that operations read, in the order of their first use, with the uses of each of
/// their dimensions.
pub(super) fn uses(graph: &Graph) -> Vec<(ValueId, &str, Vec<Used>)> {
    let mut found: Vec<(ValueId, &str, Vec<Used>)> = Vec::new();
    for (_, operation) in graph.enumerate() {
        if operation.kind.rearranges() {
            continue;
        }
        for (slot, &input) in operation.inputs.iter().enumerate() {
            let Some((value, axes)) = parameter(graph, input) else {
                continue;
            };
            let Source::Parameter(path) = &graph.value(value).source else {
                continue;
            };
            let known = found.iter().position(|(known, ..)| *known == value);
            let at = known.unwrap_or_else(|| {
                let rank = graph.value(value).shape.len();
                found.push((value, path, vec![Used::default(); rank]));
                found.len() - 1
            });
            let rank = graph.value(input).shape.len();
            for (nth, used) in found[at].2.iter_mut().enumerate() {
                // Where the dimension lies in what the operation reads.
                let seen = axes
                    .as_ref()
                    .map_or(Some(nth), |axes| axes.iter().position(|&axis| axis == nth));
                let side = seen.map_or(Side::Channel, |nth| side(operation, slot, nth, rank));
                used.sides.insert(side);
                if known.is_none() || used.role == Role::Other {
                    used.role = role(operation, slot);
                }
            }
        }
    }
    found
}

/// The parameter behind a value, and how its dimensions are permuted there: dimension `i` of the
/// value is the parameter's `axes[i]`. `None` for the parameter as it is, no dimension at all
/// where it is reshaped.
fn parameter(graph: &Graph, mut value: ValueId) -> Option<(ValueId, Option<Vec<usize>>)> {
    let mut permuted: Option<Vec<usize>> = None;
    loop {
        match &graph.value(value).source {
            Source::Parameter(_) => return Some((value, permuted)),
            Source::Operation(op) => {
                let operation = graph.operation(*op);
                match &operation.kind {
                    OpKind::Permute { axes } => {
                        permuted = Some(match permuted {
                            None => axes.clone(),
                            Some(outer) => outer
                                .into_iter()
                                .map(|axis| axes.get(axis).copied().unwrap_or(usize::MAX))
                                .collect(),
                        });
                    }
                    OpKind::Cast | OpKind::Flip { .. } => {}
                    kind if kind.rearranges() => permuted = Some(Vec::new()),
                    _ => return None,
                }
                value = *operation.inputs.first()?;
            }
            Source::Input(_) | Source::Constant => return None,
        }
    }
}

/// What a parameter does: where layers are captured as single operations, what is added shifts and
/// what is multiplied scales.
fn role(operation: &Operation, slot: usize) -> Role {
    match &operation.kind {
        OpKind::Elementwise { name, .. } if name == "Add" || name == "Sub" => Role::Bias,
        OpKind::Elementwise { name, .. } if name == "Mul" => Role::NormScale,
        kind => kind.role(slot),
    }
}

fn side(operation: &Operation, slot: usize, dim: usize, rank: usize) -> Side {
    match (&operation.kind, slot) {
        (OpKind::Linear, 1) | (OpKind::ConvTranspose { .. }, 1) => match dim {
            0 => Side::In,
            1 => Side::Out,
            _ => Side::Channel,
        },
        (OpKind::Conv(_), 1) => match dim {
            0 => Side::Out,
            1 => Side::In,
            _ => Side::Channel,
        },
        (OpKind::Linear | OpKind::Conv(_) | OpKind::ConvTranspose { .. }, 2) => Side::Out,
        (OpKind::Embedding, 0) => match dim {
            1 => Side::Out,
            _ => Side::Channel,
        },
        (OpKind::Matmul, 0) => match rank - dim {
            1 => Side::In,
            2 => Side::Out,
            _ => Side::Channel,
        },
        (OpKind::Matmul, 1) => match rank - dim {
            2 => Side::In,
            1 => Side::Out,
            _ => Side::Channel,
        },
        _ => Side::Channel,
    }
}
