//! The user's `forward` on the smaller model, recorded and not computed.

use burn::module::Module;
use secateur_graph::{GraphError, GraphTensors, ModelGraph};

use crate::error::StructureError;
use crate::plan::Plan;

/// Records `forward` of the smaller model and compares it with what the plan foresees.
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
) -> Result<(), StructureError>
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
    for ((id, expected), got) in foreseen.enumerate().zip(&found.operations) {
        let name = expected.kind.to_string();
        if name != got.kind.to_string() {
            return Err(StructureError::HardCoded {
                operation: format!("operation {}, {name}", id.0),
                why: format!("it is {} in the smaller model", got.kind),
            });
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
    Ok(())
}
