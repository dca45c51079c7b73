//! The user's `forward` on the smaller model, recorded and not computed.

use burn::module::Module;
use secateur_graph::{GraphError, GraphTensors, ModelGraph, OpKind};

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
    let captured = ModelGraph::capture(smaller, example, forward).map_err(|error| match error {
        GraphError::Panicked { message, last } => StructureError::HardCoded {
            operation: format!("what follows {last}"),
            why: format!("`forward` panics: {message}"),
        },
        other => StructureError::Graph(other.to_string()),
    })?;
    let foreseen = plan.smaller_graph();
    let found = captured.graph();
    if foreseen.operations.len() != found.operations.len() {
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
    for ((id, expected), got) in foreseen.enumerate().zip(&found.operations) {
        let name = expected.kind.to_string();
        if name != got.kind.to_string() {
            return Err(StructureError::HardCoded {
                operation: format!("operation {}, {name}", id.0),
                why: format!("it is {} in the smaller model", got.kind),
            });
        }
        if let (
            OpKind::Elementwise { scalar: before, .. },
            OpKind::Elementwise { scalar: after, .. },
        ) = (&expected.kind, &got.kind)
            && before != after
        {
            changes.push(Change::Scalar(id, name.clone()));
        }
        for (&expected, &got) in expected.outputs.iter().zip(&got.outputs) {
            let (expected, got) = (&foreseen.value(expected).shape, &found.value(got).shape);
            if expected != got {
                return Err(StructureError::HardCoded {
                    operation: format!("operation {}, {name}", id.0),
                    why: format!("it gives {got:?} where {expected:?} is left"),
                });
            }
        }
    }
    Ok(changes)
}
