//! What a forward pass costs: parameters, multiply-adds and bytes, dense and as pruned.

use std::collections::HashSet;
use std::fmt;
use std::iter::Sum;
use std::ops::Add;

use secateur_core::params::Role;
use serde::{Deserialize, Serialize};

use crate::graph::{Graph, OpId, Operation, Source, ValueId};
use crate::kind::OpKind;

/// A cost, dense and as pruned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cost {
    /// With every weight.
    pub dense: u64,
    /// With the weights that are not zero.
    pub effective: u64,
}

impl Cost {
    /// What nothing was taken from.
    fn whole(dense: u64) -> Self {
        Self {
            dense,
            effective: dense,
        }
    }

    /// How many times less than dense.
    #[must_use]
    pub fn reduction(self) -> f64 {
        self.dense as f64 / self.effective as f64
    }
}

impl Add for Cost {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            dense: self.dense + other.dense,
            effective: self.effective + other.effective,
        }
    }
}

impl Sum for Cost {
    fn sum<I: Iterator<Item = Self>>(costs: I) -> Self {
        costs.fold(Self::default(), Self::add)
    }
}

/// What one operation costs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OpCost {
    /// The operation.
    pub id: OpId,
    /// Its kind's name.
    pub kind: String,
    /// The layer it belongs to, if it has parameters.
    pub layer: Option<String>,
    /// Dimensions of its first output.
    pub shape: Vec<usize>,
    /// Elements of its parameters, without running statistics; each parameter counts where it is
    /// first used.
    pub parameters: Cost,
    /// Products of a pair of numbers that are added up: in linear layers, convolutions, matrix
    /// products and attention. A bias is not one, nor is anything that works on each element by
    /// itself.
    pub multiply_adds: Cost,
    /// Bytes of its parameters and their statistics as dense tensors.
    pub weight_bytes: u64,
    /// Bytes of its outputs.
    pub activation_bytes: u64,
}

impl OpCost {
    /// Floating-point operations: two for a multiply-add, as Han et al. (2015, table 3) count.
    #[must_use]
    pub fn flops(&self) -> Cost {
        flops(self.multiply_adds)
    }
}

/// What a forward pass costs, in all and operation by operation.
///
/// Multiply-adds are those of convolutions, linear layers, matrix products and attention, as the
/// literature counts them (Li et al. 2017, table 1): normalisations, activations, pooling and
/// biases are not among them. A pruned weight saves the products it takes part in; padding is
/// counted as if it were pixels.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Counts {
    /// The operations, in order.
    pub operations: Vec<OpCost>,
    /// Elements of parameters that no operation reads.
    pub unused_parameters: u64,
}

impl Counts {
    /// Counts `graph`.
    #[must_use]
    pub fn of(graph: &Graph) -> Self {
        let mut counted = HashSet::new();
        let operations = graph
            .enumerate()
            .map(|(id, operation)| {
                let [parameters, statistics] = weights(graph, operation, &mut counted);
                let outputs = operation.outputs.iter().map(|&out| graph.value(out));
                OpCost {
                    id,
                    kind: operation.kind.to_string(),
                    layer: graph.layer(id).map(str::to_owned),
                    shape: outputs
                        .clone()
                        .next()
                        .map_or_else(Vec::new, |out| out.shape.clone()),
                    parameters: parameters.elements,
                    multiply_adds: multiply_adds(graph, operation),
                    weight_bytes: parameters.bytes + statistics.bytes,
                    activation_bytes: outputs.map(|out| out.bytes() as u64).sum(),
                }
            })
            .collect();
        let unused = graph.values.iter().enumerate().filter(|(at, value)| {
            matches!(value.source, Source::Parameter(_)) && !counted.contains(&ValueId(*at))
        });
        Self {
            operations,
            unused_parameters: unused.map(|(_, value)| value.len() as u64).sum(),
        }
    }

    /// Elements of all parameters that are used, without running statistics.
    #[must_use]
    pub fn parameters(&self) -> Cost {
        self.operations.iter().map(|op| op.parameters).sum()
    }

    /// All multiply-adds.
    #[must_use]
    pub fn multiply_adds(&self) -> Cost {
        self.operations.iter().map(|op| op.multiply_adds).sum()
    }

    /// All floating-point operations, two for a multiply-add.
    #[must_use]
    pub fn flops(&self) -> Cost {
        flops(self.multiply_adds())
    }

    /// Bytes of all parameters and statistics as dense tensors.
    #[must_use]
    pub fn weight_bytes(&self) -> u64 {
        self.operations.iter().map(|op| op.weight_bytes).sum()
    }

    /// Bytes of everything that is computed on the way, as if nothing were freed.
    #[must_use]
    pub fn activation_bytes(&self) -> u64 {
        self.operations.iter().map(|op| op.activation_bytes).sum()
    }
}

impl fmt::Display for Counts {
    /// A line for each operation that has weights or products, then the sum.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counting = |op: &&OpCost| op.multiply_adds.dense > 0 || op.parameters.dense > 0;
        let mut lines = vec![[
            "layer", "operation", "output", "parameters", "kept", "multiply-adds", "effective",
        ]
        .map(str::to_owned)];
        lines.extend(self.operations.iter().filter(counting).map(|op| {
            let layer = op.layer.clone().unwrap_or_default();
            let costs = [op.parameters, op.multiply_adds];
            line(layer, op.kind.clone(), format!("{:?}", op.shape), costs)
        }));
        let total = [self.parameters(), self.multiply_adds()];
        lines.push(line("total".into(), String::new(), String::new(), total));
        let width = |column: usize| lines.iter().map(|line| line[column].len()).max();
        let widths: Vec<usize> = (0..7).filter_map(width).collect();
        for cells in &lines {
            let mut text = String::new();
            for (column, (cell, &width)) in cells.iter().zip(&widths).enumerate() {
                text += &match column {
                    0..3 => format!("{cell:<width$}  "),
                    _ => format!("{cell:>width$}  "),
                };
            }
            writeln!(f, "{}", text.trim_end())?;
        }
        Ok(())
    }
}

fn line(layer: String, kind: String, shape: String, costs: [Cost; 2]) -> [String; 7] {
    let [parameters, products] = costs.map(|cost| [grouped(cost.dense), grouped(cost.effective)]);
    let ([parameters, kept], [products, effective]) = (parameters, products);
    [layer, kind, shape, parameters, kept, products, effective]
}

/// Digits in groups of three: `1,814,073,344`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn flops(multiply_adds: Cost) -> Cost {
    Cost {
        dense: 2 * multiply_adds.dense,
        effective: 2 * multiply_adds.effective,
    }
}

/// Elements and bytes of some parameters.
#[derive(Clone, Copy, Default)]
struct Held {
    elements: Cost,
    bytes: u64,
}

/// The parameters that an operation is the first to use, and the running statistics.
fn weights(graph: &Graph, operation: &Operation, counted: &mut HashSet<ValueId>) -> [Held; 2] {
    let mut held = [Held::default(); 2];
    for (slot, &input) in operation.inputs.iter().enumerate() {
        let Some(parameter) = graph.parameter_value(input) else {
            continue;
        };
        // A rearrangement is not a use; what reads it is.
        if operation.kind.rearranges() || !counted.insert(parameter) {
            continue;
        }
        let value = graph.value(parameter);
        let statistic = operation.kind.role(slot) == Role::RunningStatistic;
        let held = &mut held[usize::from(statistic)];
        held.elements.dense += value.len() as u64;
        held.elements.effective += value.non_zeros.unwrap_or(value.len()) as u64;
        held.bytes += value.bytes() as u64;
    }
    held
}

fn multiply_adds(graph: &Graph, operation: &Operation) -> Cost {
    let shape = |slot: usize| -> &[usize] {
        operation
            .inputs
            .get(slot)
            .map_or(&[], |&id| graph.value(id).shape.as_slice())
    };
    let product = |sizes: &[usize]| sizes.iter().map(|&size| size as u64).product::<u64>();
    let out = operation
        .outputs
        .first()
        .map_or(0, |&id| graph.value(id).len() as u64);
    // Every weight of these takes part in the same number of products.
    let (dense, weights): (u64, &[usize]) = match &operation.kind {
        OpKind::Linear => (out * shape(0).last().map_or(0, |&size| size as u64), &[1]),
        OpKind::Matmul => (
            out * shape(0).last().map_or(0, |&size| size as u64),
            &[0, 1],
        ),
        OpKind::Conv(_) => (out * product(shape(1).get(1..).unwrap_or(&[])), &[1]),
        OpKind::ConvTranspose { .. } => (
            product(shape(0)) * product(shape(1).get(1..).unwrap_or(&[])),
            &[1],
        ),
        OpKind::Attention => {
            let (query, key, value) = (shape(0), shape(1), shape(2));
            let pairs = match (query, key) {
                (&[.., length, _], &[.., keys, _]) => {
                    let outer = query.get(..query.len().saturating_sub(2)).unwrap_or(&[]);
                    product(outer) * (length * keys) as u64
                }
                _ => 0,
            };
            let width = |shape: &[usize]| shape.last().map_or(0, |&size| size as u64);
            (pairs * (width(query) + width(value)), &[])
        }
        _ => return Cost::default(),
    };
    let mut cost = Cost::whole(dense);
    for &slot in weights {
        let Some(value) = operation
            .inputs
            .get(slot)
            .and_then(|&input| graph.parameter_value(input))
            .map(|id| graph.value(id))
        else {
            continue;
        };
        if let (Some(non_zeros), false) = (value.non_zeros, value.is_empty()) {
            // Each weight's share is whole, so nothing is rounded.
            cost.effective = dense / value.len() as u64 * non_zeros as u64;
        }
    }
    cost
}
