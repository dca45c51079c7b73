//! Which values are zero where the weights that make a channel are zero.
//!
//! A channel without weights is zero behind a convolution and a ReLU; behind a sigmoid it is one
//! half, and behind a softmax a share. Where such a place is summed over, what is left computes
//! something else when it goes.

use std::collections::{BTreeMap, BTreeSet};

use secateur_graph::{Graph, OpId, OpKind, Operation, ValueId};

use super::reason::Change;
use crate::axes::{Axes, AxisId, Dim};

/// For each dimension of a value the axes at whose places it is zero.
type Zeros = Vec<BTreeSet<AxisId>>;

/// The axes whose places are still read when their weights are zero, and where.
///
/// `zeroed` are dimensions of parameters that make a channel: without it they are zero there.
pub(super) fn emissions(
    graph: &Graph,
    axes: &Axes,
    dims: &[Vec<Dim>],
    zeroed: &[(ValueId, usize)],
) -> BTreeMap<AxisId, Vec<Change>> {
    let none = |dims: &Vec<Dim>| vec![BTreeSet::new(); dims.len()];
    let mut flow = Flow {
        axes: (dims.iter())
            .map(|dims| dims.iter().map(|dim| axes.axes_of(dim)).collect())
            .collect(),
        zeros: dims.iter().map(none).collect(),
        found: BTreeMap::new(),
    };
    for &(value, dim) in zeroed {
        flow.zeros[value.0][dim] = flow.axes[value.0][dim].iter().copied().collect();
    }
    for (id, operation) in graph.enumerate() {
        flow.reads(id, operation);
        for &out in &operation.outputs {
            let zeros = flow.written(operation, out);
            flow.zeros[out.0] = zeros;
        }
    }
    flow.found
}

struct Flow {
    /// By value and dimension.
    axes: Vec<Vec<Vec<AxisId>>>,
    /// By value.
    zeros: Vec<Zeros>,
    found: BTreeMap<AxisId, Vec<Change>>,
}

impl Flow {
    fn rank(&self, value: ValueId) -> usize {
        self.axes[value.0].len()
    }

    fn is_zero(&self, value: ValueId, dim: usize, axis: AxisId) -> bool {
        let zeros = self.zeros[value.0].get(dim);
        zeros.is_some_and(|zeros| zeros.contains(&axis))
    }

    /// What an operation sums over, that is not zero in any of its factors.
    fn reads(&mut self, id: OpId, operation: &Operation) {
        let inputs = operation.inputs.as_slice();
        let last = |value: ValueId, from_end: usize| self.rank(value).checked_sub(from_end);
        // Pairs of a value and its dimension.
        let sums: Vec<Vec<(ValueId, usize)>> = match (&operation.kind, inputs) {
            (OpKind::Linear, &[x, weight, ..]) => match last(x, 1) {
                Some(features) => vec![vec![(x, features), (weight, 0)]],
                None => Vec::new(),
            },
            (OpKind::Matmul, &[a, b, ..]) => match (last(a, 1), last(b, 2)) {
                (Some(columns), Some(rows)) => vec![vec![(a, columns), (b, rows)]],
                _ => Vec::new(),
            },
            // A group that goes takes its outputs along.
            (OpKind::Conv(options), &[x, weight, ..]) => {
                let own = (options.groups > 1).then_some((weight, 0));
                vec![[(x, 1), (weight, 1)].into_iter().chain(own).collect()]
            }
            (OpKind::ConvTranspose { .. }, &[x, weight, ..]) => vec![vec![(x, 1), (weight, 0)]],
            (OpKind::Attention, &[query, key, ..]) => vec![vec![(query, 3), (key, 3)]],
            (OpKind::Reduce { name, dims }, &[x]) if name.starts_with("Sum") => {
                let all = 0..self.rank(x);
                let reduced = all.filter(|dim| dims.is_empty() || dims.contains(dim));
                reduced.map(|dim| vec![(x, dim)]).collect()
            }
            _ => Vec::new(),
        };
        for factors in sums {
            let (x, dim) = factors[0];
            let Some(axes) = self.axes[x.0].get(dim) else {
                continue;
            };
            for &axis in axes {
                if factors.iter().any(|&(x, dim)| self.is_zero(x, dim, axis)) {
                    continue;
                }
                let change = Change::Emits(id, operation.kind.to_string());
                let changes = self.found.entry(axis).or_default();
                if !changes.contains(&change) {
                    changes.push(change);
                }
            }
        }
    }

    /// The axes of the output's dimensions for which `zero` says so.
    fn zeros_where(&self, out: ValueId, zero: impl Fn(usize, AxisId) -> bool) -> Zeros {
        let dims = self.axes[out.0].iter().enumerate();
        dims.map(|(dim, axes)| {
            axes.iter()
                .copied()
                .filter(|&axis| zero(dim, axis))
                .collect()
        })
        .collect()
    }

    fn none(&self, out: ValueId) -> Zeros {
        self.zeros_where(out, |_, _| false)
    }

    /// Zero where the input is, in the same dimension.
    fn passed(&self, x: ValueId, out: ValueId) -> Zeros {
        self.zeros_where(out, |dim, axis| self.is_zero(x, dim, axis))
    }

    /// Whether a value that is broadcast to `rank` dimensions is zero there.
    fn is_zero_in(&self, value: ValueId, rank: usize, dim: usize, axis: AxisId) -> bool {
        let dim = (dim + self.rank(value)).checked_sub(rank);
        dim.is_some_and(|dim| self.is_zero(value, dim, axis))
    }

    fn every(&self, inputs: &[ValueId], out: ValueId) -> Zeros {
        let rank = self.rank(out);
        self.zeros_where(out, |dim, axis| {
            let mut inputs = inputs.iter();
            inputs.all(|&input| self.is_zero_in(input, rank, dim, axis))
        })
    }

    fn any(&self, inputs: &[ValueId], out: ValueId) -> Zeros {
        let rank = self.rank(out);
        self.zeros_where(out, |dim, axis| {
            let mut inputs = inputs.iter();
            inputs.any(|&input| self.is_zero_in(input, rank, dim, axis))
        })
    }

    fn written(&self, operation: &Operation, out: ValueId) -> Zeros {
        let inputs = operation.inputs.as_slice();
        match (&operation.kind, inputs) {
            (OpKind::Linear, &[x, weight, ref bias @ ..]) => {
                let last = self.rank(out).saturating_sub(1);
                self.zeros_where(out, |dim, axis| match dim == last {
                    true => {
                        let mut bias = bias.iter();
                        self.is_zero(weight, 1, axis)
                            && bias.all(|&bias| self.is_zero(bias, 0, axis))
                    }
                    false => bias.is_empty() && self.is_zero(x, dim, axis),
                })
            }
            (OpKind::Matmul, &[a, b, ..]) => {
                let rank = self.rank(out);
                self.zeros_where(out, |dim, axis| {
                    let [in_a, in_b] = [a, b].map(|x| self.is_zero_in(x, rank, dim, axis));
                    match rank - dim {
                        1 => in_b,
                        2 => in_a,
                        _ => in_a || in_b,
                    }
                })
            }
            (OpKind::Conv(_), &[_, weight, ref bias @ ..]) => self.zeros_where(out, |dim, axis| {
                let mut bias = bias.iter();
                dim == 1
                    && self.is_zero(weight, 0, axis)
                    && bias.all(|&bias| self.is_zero(bias, 0, axis))
            }),
            (OpKind::ConvTranspose { .. }, &[x, weight, ref bias @ ..]) => {
                self.zeros_where(out, |dim, axis| {
                    let mut bias = bias.iter();
                    dim == 1
                        && (self.is_zero(weight, 1, axis) || self.is_zero(x, 1, axis))
                        && bias.all(|&bias| self.is_zero(bias, 0, axis))
                })
            }
            (OpKind::BatchNorm { .. }, &[_, ref vectors @ ..]) => self.normed(vectors, out, 1),
            (OpKind::LayerNorm { .. }, &[_, ref vectors @ ..]) => {
                self.normed(vectors, out, self.rank(out).saturating_sub(1))
            }
            (OpKind::Embedding, &[table, _]) => {
                let last = self.rank(out).saturating_sub(1);
                self.zeros_where(out, |dim, axis| dim == last && self.is_zero(table, 1, axis))
            }
            (OpKind::Attention, &[_, _, value, ..]) => {
                self.zeros_where(out, |dim, axis| dim != 2 && self.is_zero(value, dim, axis))
            }
            (OpKind::Elementwise { name, scalar }, &[x, ..]) => match name.as_str() {
                "Mul" => self.any(inputs, out),
                "Add" | "Sub" => self.every(inputs, out),
                "Div" | "PRelu" => self.passed(x, out),
                _ if keeps_zero(name, *scalar) => self.passed(x, out),
                _ => self.none(out),
            },
            (OpKind::Along { name, .. }, &[x, ..]) if name == "CumSum" => self.passed(x, out),
            (OpKind::SliceAssign { .. }, _) => self.every(inputs, out),
            (OpKind::Concat { dim: joined }, _) => self.zeros_where(out, |dim, axis| {
                let has = |x: ValueId| dim != *joined || self.axes[x.0][dim].contains(&axis);
                let mut inputs = inputs.iter().copied().filter(|&x| has(x));
                inputs.all(|x| self.is_zero(x, dim, axis))
            }),
            // Dimensions come in other places here.
            (OpKind::Permute { axes }, &[x]) => self.zeros_where(out, |dim, axis| {
                let from = axes.get(dim);
                from.is_some_and(|&from| self.is_zero(x, from, axis))
            }),
            (OpKind::Reshape, &[x]) => self.zeros_where(out, |_, axis| {
                let mut zeros = self.zeros[x.0].iter();
                zeros.any(|zeros| zeros.contains(&axis))
            }),
            (OpKind::Expand, &[_]) => self.any(inputs, out),
            (
                OpKind::Pool { .. }
                | OpKind::AdaptivePool
                | OpKind::Interpolate
                | OpKind::Reduce { .. }
                | OpKind::Flip { .. }
                | OpKind::Unfold { .. }
                | OpKind::Slice { .. }
                | OpKind::Repeat { .. }
                | OpKind::Select { .. }
                | OpKind::Gather { .. }
                | OpKind::Pad { .. }
                | OpKind::Cast,
                &[x, ..],
            ) => self.passed(x, out),
            (OpKind::Create { name }, _) if name == "Zeros" || name == "Empty" => {
                self.zeros_where(out, |_, _| true)
            }
            _ => self.none(out),
        }
    }

    /// Zero where scale and shift are, whatever came in.
    fn normed(&self, vectors: &[ValueId], out: ValueId, features: usize) -> Zeros {
        let scales = &vectors[..vectors.len().min(2)];
        self.zeros_where(out, |dim, axis| {
            let mut scales = scales.iter();
            dim == features && scales.all(|&vector| self.is_zero(vector, 0, axis))
        })
    }
}

/// Whether a function of one number is zero at zero.
fn keeps_zero(name: &str, scalar: Option<f64>) -> bool {
    match name {
        "Relu" | "LeakyRelu" | "Gelu" | "Tanh" | "Erf" | "Sin" | "Sinh" | "Tan" | "ArcSin"
        | "ArcSinh" | "ArcTan" | "ArcTanh" | "Abs" | "Neg" | "Sign" | "Sqrt" | "Round"
        | "Floor" | "Ceil" | "Trunc" | "Log1p" | "MulScalar" | "DivScalar" | "RemScalar"
        | "Clamp" => true,
        "PowfScalar" | "PowiScalar" => scalar.is_some_and(|power| power > 0.0),
        "AddScalar" | "SubScalar" | "MaskFill" => scalar == Some(0.0),
        "ClampMin" => scalar.is_some_and(|least| least <= 0.0),
        "ClampMax" => scalar.is_some_and(|most| most >= 0.0),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use secateur_graph::{Element, Source, Value};

    use super::super::{Coupling, Unknown};
    use super::*;

    fn value(shape: &[usize], source: Source) -> Value {
        Value {
            shape: shape.to_vec(),
            element: Element::Float(4),
            source,
            non_zeros: None,
        }
    }

    /// Two layers with an activation between them.
    fn graph(activation: &str) -> Graph {
        let parameter = |path: &str| Source::Parameter(path.into());
        let operation = |kind, inputs: &[usize], output| Operation {
            kind,
            inputs: inputs.iter().copied().map(ValueId).collect(),
            outputs: vec![ValueId(output)],
        };
        let activation = OpKind::Elementwise {
            name: activation.into(),
            scalar: None,
        };
        Graph {
            values: vec![
                value(&[2, 3], Source::Input(0)),
                value(&[3, 4], parameter("a.weight")),
                value(&[4, 5], parameter("b.weight")),
                value(&[2, 4], Source::Operation(OpId(0))),
                value(&[2, 4], Source::Operation(OpId(1))),
                value(&[2, 5], Source::Operation(OpId(2))),
            ],
            operations: vec![
                operation(OpKind::Linear, &[0, 1], 3),
                operation(activation, &[3], 4),
                operation(OpKind::Linear, &[4, 2], 5),
            ],
            inputs: vec![ValueId(0)],
            outputs: vec![ValueId(5)],
        }
    }

    #[test]
    fn a_sigmoid_of_nothing_is_read_and_a_relu_of_it_is_not() {
        let changes = |activation: &str| {
            let coupling = Coupling::of_graph(&graph(activation), &Unknown, &[]).unwrap();
            let unit = coupling.units_at("a.weight", 1, 0).unwrap()[0];
            coupling.group(unit.axis).unwrap().changes.clone()
        };
        assert_eq!(changes("Relu"), []);
        assert_eq!(
            changes("Sigmoid"),
            [Change::Emits(OpId(2), "Linear".into())]
        );
    }
}
