//! The user's `forward` on the smaller model, recorded and not computed.

use burn::module::Module;
use secateur_graph::{Graph, GraphError, GraphTensors, ModelGraph, OpId, OpKind, Operation};

use crate::coupling::Change;
use crate::error::StructureError;
use crate::plan::Plan;

/// Records `forward` of the smaller model and compares it with what the plan foresees; the numbers
/// that `forward` computes from sizes, which differ.
///
/// # Errors
///
/// [`StructureError::HardCoded`] at the first operation that has another size, or at the panic of
/// `forward`.
pub(super) fn run<M, I, O>(
    plan: &Plan<'_>,
    smaller: &M,
    example: I,
    forward: impl Fn(&M, I) -> O,
) -> Result<Vec<Change>, StructureError>
where
    M: Module,
    I: GraphTensors + Clone,
    O: GraphTensors,
{
    let captured =
        ModelGraph::capture_once(smaller, example, forward).map_err(|error| match error {
            GraphError::Panicked { message, last } => StructureError::HardCoded {
                operation: format!("what follows {last}"),
                why: format!("`forward` panics: {message}"),
            },
            other => other.into(),
        })?;
    let foreseen = plan.smaller_graph();
    let found = captured.graph();
    // Where a product of a batch is done as one matrix depends on its size, so that reshapes come
    // and go; everything else has to be as it was.
    let as_before = same_kinds(foreseen.enumerate(), found.enumerate());
    let computing = |graph: &'_ Graph| -> Vec<(OpId, Operation)> {
        let operations = graph.enumerate();
        operations
            .filter(|(_, operation)| as_before || operation.kind != OpKind::Reshape)
            .map(|(id, operation)| (id, operation.clone()))
            .collect()
    };
    let (expected, got) = (computing(&foreseen), computing(found));
    if expected.len() != got.len() {
        return Err(StructureError::HardCoded {
            operation: "`forward`".into(),
            why: format!(
                "it does {} operations and did {} before",
                found.operations.len(),
                foreseen.operations.len()
            ),
        });
    }
    let mut changes = Vec::new();
    for ((id, expected), (_, got)) in expected.iter().zip(&got) {
        let name = expected.kind.to_string();
        let hard_coded = |why: String| StructureError::HardCoded {
            operation: format!("operation {}, {name}", id.0),
            why,
        };
        if name != got.kind.to_string() {
            return Err(hard_coded(format!(
                "it is {} in the smaller model",
                got.kind
            )));
        }
        if let (
            OpKind::Elementwise { scalar: before, .. },
            OpKind::Elementwise { scalar: after, .. },
        ) = (&expected.kind, &got.kind)
            && before != after
        {
            changes.push(Change::Scalar(*id, name.clone()));
        }
        for (&expected, &got) in expected.outputs.iter().zip(&got.outputs) {
            let (expected, got) = (foreseen.value(expected), found.value(got));
            let same = match as_before || expected.shape.len() == got.shape.len() {
                true => expected.shape == got.shape,
                false => expected.len() == got.len(),
            };
            if !same {
                let (expected, got) = (&expected.shape, &got.shape);
                return Err(hard_coded(format!(
                    "it gives {got:?} where {expected:?} is left"
                )));
            }
        }
    }
    Ok(changes)
}

fn same_kinds<'a>(
    a: impl Iterator<Item = (OpId, &'a Operation)>,
    b: impl Iterator<Item = (OpId, &'a Operation)>,
) -> bool {
    let kinds = |(_, operation): (OpId, &Operation)| operation.kind.to_string();
    a.map(kinds).eq(b.map(kinds))
}
