//! Predicted time of a forward pass on the kernels of this project.

use secateur_kernels::{CostModel, Format};
use serde::{Deserialize, Serialize};

use crate::graph::{Graph, OpId, Operation, ValueId};
use crate::kind::OpKind;

/// Predicted seconds of a forward pass with one thread, in all and operation by operation.
///
/// Products are priced by a [`CostModel`]: a layer with weights takes what its fastest format does,
/// by the number of its weights that are not zero; a convolution as the product of its weights with
/// all windows, groups one after another; products of activations as dense ones. Everything else
/// takes as long as reading its inputs and writing its outputs; what only rearranges sizes takes
/// nothing.
///
/// It is an estimate, made to compare models with: an engine joins operations and has other
/// formats for patterns, a framework has overheads.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    /// Seconds of each operation, in order.
    pub operations: Vec<(OpId, f64)>,
}

impl Latency {
    /// Of the batch that `graph` was captured with.
    #[must_use]
    pub fn of(graph: &Graph, model: &CostModel) -> Self {
        let operations = graph.enumerate();
        Self {
            operations: operations
                .map(|(id, operation)| (id, seconds(graph, operation, model)))
                .collect(),
        }
    }

    /// Seconds of the whole pass.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        self.operations.iter().map(|(_, seconds)| seconds).sum()
    }
}

fn seconds(graph: &Graph, operation: &Operation, model: &CostModel) -> f64 {
    let shape = |slot: usize| -> &[usize] {
        let id = operation.inputs.get(slot);
        id.map_or(&[], |&id| graph.value(id).shape.as_slice())
    };
    let out = || -> &[usize] {
        let id = operation.outputs.first();
        id.map_or(&[], |&id| graph.value(id).shape.as_slice())
    };
    match &operation.kind {
        OpKind::Linear | OpKind::Matmul => {
            let inner = shape(0).last().copied().unwrap_or(0);
            let [rows, columns] = last_two(out());
            let batch: usize = out().iter().rev().skip(2).product();
            match weight(graph, operation, 1) {
                // All rows of all batches meet the same weights.
                Some(non_zeros) => product(model, [columns, inner], non_zeros, 1, batch * rows),
                None => batch as f64 * dense(model, [rows, inner], columns),
            }
        }
        OpKind::Conv(options) => {
            let weights = shape(1);
            let groups = options.groups.max(1);
            let windows = out().iter().skip(2).product::<usize>() * out().first().unwrap_or(&0);
            let inner: usize = weights.iter().skip(1).product();
            let outs = weights.first().unwrap_or(&0) / groups;
            let non_zeros = weight(graph, operation, 1).flatten();
            product(model, [outs, inner], non_zeros, groups, windows)
        }
        OpKind::ConvTranspose { options, .. } => {
            let weights = shape(1);
            let groups = options.groups.max(1);
            let positions =
                shape(0).iter().skip(2).product::<usize>() * shape(0).first().unwrap_or(&0);
            let outer: usize = weights.iter().skip(1).product();
            let ins = weights.first().unwrap_or(&0) / groups;
            let non_zeros = weight(graph, operation, 1).flatten();
            product(model, [outer, ins], non_zeros, groups, positions)
        }
        OpKind::Attention => {
            let ([length, width], [keys, _]) = (last_two(shape(0)), last_two(shape(1)));
            let [_, value] = last_two(shape(2));
            let outer: usize = shape(0).iter().rev().skip(2).product();
            let scores = dense(model, [length, width], keys);
            let sums = dense(model, [length, keys], value);
            outer as f64 * (scores + sums)
        }
        OpKind::Reshape | OpKind::Expand => 0.0,
        _ => {
            let bytes = |ids: &[ValueId]| -> usize {
                let moved = ids
                    .iter()
                    .filter(|&&id| graph.parameter_value(id).is_none());
                moved.map(|&id| graph.value(id).bytes()).sum()
            };
            match operation
                .outputs
                .iter()
                .all(|&id| graph.parameter_value(id).is_some())
            {
                // Weights are rearranged once and not at every pass.
                true => 0.0,
                false => model.moving(bytes(&operation.inputs) + bytes(&operation.outputs)),
            }
        }
    }
}

/// A product of two matrices without weights.
fn dense(model: &CostModel, shape: [usize; 2], columns: usize) -> f64 {
    match shape[0] * shape[1] * columns {
        0 => 0.0,
        _ => model.predict(Format::Dense, shape, shape[0] * shape[1], columns),
    }
}

fn last_two(shape: &[usize]) -> [usize; 2] {
    match shape {
        [.., rows, columns] => [*rows, *columns],
        [columns] => [1, *columns],
        [] => [0, 0],
    }
}

/// How many weights of a layer are not zero, where that is known; `None` where there is no layer.
fn weight(graph: &Graph, operation: &Operation, slot: usize) -> Option<Option<usize>> {
    let parameter = graph.parameter_value(*operation.inputs.get(slot)?)?;
    Some(graph.value(parameter).non_zeros)
}

/// The fastest format for `groups` matrices `[out, in]` against so many columns each.
fn product(
    model: &CostModel,
    shape: [usize; 2],
    non_zeros: Option<usize>,
    groups: usize,
    columns: usize,
) -> f64 {
    let elements = shape[0] * shape[1];
    if elements == 0 || columns == 0 {
        return 0.0;
    }
    let non_zeros = non_zeros.map_or(elements, |count| count.div_ceil(groups).min(elements));
    groups as f64 * model.fastest(shape, non_zeros, columns)
}

#[cfg(test)]
mod tests {
    use secateur_kernels::Isa;

    use super::*;
    use crate::graph::{Element, Source, Value};
    use crate::kind::ConvOptions;

    fn value(shape: &[usize], source: Source, non_zeros: Option<usize>) -> Value {
        Value {
            shape: shape.to_vec(),
            element: Element::Float(4),
            source,
            non_zeros,
        }
    }

    /// One operation on an input and a weight.
    fn graph(kind: OpKind, x: &[usize], w: &[usize], out: &[usize], kept: usize) -> Graph {
        Graph {
            values: vec![
                value(x, Source::Input(0), None),
                value(w, Source::Parameter("w".into()), Some(kept)),
                value(out, Source::Operation(OpId(0)), None),
            ],
            operations: vec![Operation {
                kind,
                inputs: vec![ValueId(0), ValueId(1)],
                outputs: vec![ValueId(2)],
            }],
            inputs: vec![ValueId(0)],
            outputs: vec![ValueId(2)],
        }
    }

    #[test]
    fn a_layer_takes_what_its_fastest_format_does() {
        let model = CostModel::table(Isa::Avx2);
        let linear = |kept| {
            graph(
                OpKind::Linear,
                &[2, 32, 256],
                &[256, 128],
                &[2, 32, 128],
                kept,
            )
        };
        let dense = Latency::of(&linear(256 * 128), &model).seconds();
        assert_eq!(
            dense,
            model.predict(Format::Dense, [128, 256], 256 * 128, 64)
        );
        let sparse = Latency::of(&linear(3_276), &model).seconds();
        let lists = model.predict(Format::RowLists, [128, 256], 3_276, 64);
        let panels = model.predict(Format::Panels, [128, 256], 3_276, 64);
        assert_eq!(sparse, lists.min(panels));
        assert!(sparse < dense);
    }

    #[test]
    fn groups_of_a_convolution_go_one_after_another() {
        let model = CostModel::table(Isa::Avx2);
        let kind = OpKind::Conv(ConvOptions {
            stride: vec![1, 1],
            padding: vec![(1, 1), (1, 1)],
            dilation: vec![1, 1],
            groups: 4,
        });
        let conv = graph(
            kind,
            &[2, 32, 8, 8],
            &[64, 8, 3, 3],
            &[2, 64, 8, 8],
            64 * 72,
        );
        let seconds = Latency::of(&conv, &model).seconds();
        let group = model.predict(Format::Dense, [16, 72], 16 * 72, 128);
        assert_eq!(seconds, 4.0 * group);
    }

    #[test]
    fn the_rest_takes_as_long_as_its_bytes() {
        let model = CostModel::table(Isa::Avx2);
        let relu = OpKind::Elementwise {
            name: "relu".into(),
            scalar: None,
        };
        let mut graph = graph(relu, &[10, 100], &[1], &[10, 100], 1);
        // 8,000 bytes at 60 a nanosecond; the weight beside them is no activation.
        let seconds = Latency::of(&graph, &model).seconds();
        assert!((seconds - 8_000.0 / 60.0 * 1e-9).abs() < 1e-18, "{seconds}");
        graph.operations[0].kind = OpKind::Reshape;
        assert_eq!(Latency::of(&graph, &model).seconds(), 0.0);
    }

    #[test]
    fn nothing_takes_no_time() {
        let model = CostModel::table(Isa::Avx2);
        let empty = graph(OpKind::Linear, &[0, 8], &[8, 4], &[0, 4], 32);
        assert_eq!(Latency::of(&empty, &model).seconds(), 0.0);
        assert_eq!(Latency::of(&Graph::default(), &model).seconds(), 0.0);
    }
}
