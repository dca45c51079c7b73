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

    /// Whether what is computed has its places from here: what is zeroed to take them away.
    #[must_use]
    pub fn makes(&self) -> bool {
        makes(self.role, self.sides.contains(&Side::Out))
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

    pub(super) fn makes(&self) -> bool {
        makes(self.role, self.is(Side::Out))
    }
}

fn makes(role: Role, is_out: bool) -> bool {
    matches!(role, Role::NormScale | Role::NormShift) || is_out
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
            let Some((value, places)) = parameter(graph, input) else {
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
            let role = role(operation, slot, graph.value(value).shape.len());
            for (used, places) in found[at].2.iter_mut().zip(places) {
                match places.is_empty() {
                    true => used.sides.insert(Side::Channel),
                    false => places
                        .into_iter()
                        .map(|nth| used.sides.insert(side(operation, slot, nth, rank)))
                        .fold(false, |any, new| any | new),
                };
                if known.is_none() || used.role == Role::Other {
                    used.role = role;
                }
            }
        }
    }
    found
}

/// The parameter behind a value, and for each of its dimensions those of the value in which it lies:
/// several where it is folded, none where it has one place.
fn parameter(graph: &Graph, mut value: ValueId) -> Option<(ValueId, Vec<Vec<usize>>)> {
    let mut way = Vec::new();
    loop {
        match &graph.value(value).source {
            Source::Parameter(_) => break,
            Source::Operation(op) => {
                let operation = graph.operation(*op);
                if !operation.kind.rearranges() {
                    return None;
                }
                way.push(operation);
                value = *operation.inputs.first()?;
            }
            Source::Input(_) | Source::Constant => return None,
        }
    }
    let rank = graph.value(value).shape.len();
    let mut places: Vec<Vec<usize>> = (0..rank).map(|dim| vec![dim]).collect();
    for operation in way.into_iter().rev() {
        let shape = |values: &[ValueId]| values.first().map(|&id| &graph.value(id).shape);
        let (from, to) = (shape(&operation.inputs)?, shape(&operation.outputs)?);
        let moved = |dim: usize| -> Vec<usize> {
            match &operation.kind {
                OpKind::Permute { axes } => {
                    let at = axes.iter().position(|&axis| axis == dim);
                    at.into_iter().collect()
                }
                OpKind::Reshape => refolded(from, to, dim),
                OpKind::Expand => vec![dim + to.len().saturating_sub(from.len())],
                _ => vec![dim],
            }
        };
        for dims in &mut places {
            *dims = dims.iter().flat_map(|&dim| moved(dim)).collect();
        }
    }
    Some((value, places))
}

/// The dimensions of a reshaped tensor that a former dimension runs through. In storage order each
/// dimension lies between the number of all places outside it and that with its own.
fn refolded(from: &[usize], to: &[usize], dim: usize) -> Vec<usize> {
    let span = |shape: &[usize], dim: usize| {
        let outer: usize = shape[..dim].iter().product();
        (outer, outer * shape[dim])
    };
    let (start, end) = span(from, dim);
    let overlaps = |&nth: &usize| {
        let (first, last) = span(to, nth);
        start.max(first) < end.min(last)
    };
    (0..to.len()).filter(overlaps).collect()
}

/// What a parameter of `rank` dimensions is to the operation. Biases of layers and scales of norms
/// are often written out.
fn role(operation: &Operation, slot: usize, rank: usize) -> Role {
    let role = operation.kind.role(slot);
    match &operation.kind {
        OpKind::Elementwise { name, .. } if role == Role::Other && rank == 1 => match name.as_str()
        {
            "Add" => Role::Bias,
            "Mul" => Role::NormScale,
            _ => role,
        },
        _ => role,
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
        // It becomes part of what is computed.
        (OpKind::Elementwise { name, .. }, _)
            if matches!(name.as_str(), "Add" | "Sub" | "MaskWhere") =>
        {
            Side::Out
        }
        (
            OpKind::Concat { .. }
            | OpKind::Slice { .. }
            | OpKind::SliceAssign { .. }
            | OpKind::Select { .. }
            | OpKind::Repeat { .. }
            | OpKind::Pad { .. },
            _,
        ) => Side::Out,
        _ => Side::Channel,
    }
}

#[cfg(test)]
mod tests {
    use super::refolded;

    #[test]
    fn a_reshaped_dimension_is_found_where_it_went() {
        // A vector beside dimensions of one place, a weight with heads, two dimensions as one.
        assert_eq!(refolded(&[6], &[1, 6, 1], 0), [1]);
        assert_eq!(refolded(&[7, 12], &[7, 3, 4], 1), [1, 2]);
        assert_eq!(refolded(&[7, 12], &[7, 3, 4], 0), [0]);
        assert_eq!(refolded(&[7, 3, 4], &[7, 12], 2), [1]);
        assert_eq!(refolded(&[1, 6], &[6], 0), [0; 0]);
    }
}
