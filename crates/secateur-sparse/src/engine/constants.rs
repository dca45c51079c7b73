//! Computing what depends on no input once, when a model is compiled.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use burn::tensor::TensorData;
use burn_flex::{Flex, FlexDevice};
use burn_ir::{TensorIr, TensorStatus};
use burn_router::TensorInterpreter;
use secateur_graph::{ModelGraph, ValueId};

use super::batch::Sizes;
use super::burn_side::data_of;

/// The values of a model's parameters and constants, and of what is computed from them alone.
pub(crate) fn fold(captured: &ModelGraph, sizes: &Sizes) -> BTreeMap<ValueId, TensorData> {
    let mut known: BTreeMap<ValueId, TensorData> = captured
        .constants()
        .map(|(id, data)| (id, data.clone()))
        .collect();
    let graph = captured.graph();
    let mut interpreter = TensorInterpreter::<Flex>::new(FlexDevice);
    for (value, data) in &known {
        interpreter.register_tensor_data_id(captured.burn_tensor(*value), data.clone());
    }
    for (id, operation) in graph.enumerate() {
        let constant = !operation.inputs.is_empty()
            && operation
                .inputs
                .iter()
                .all(|input| known.contains_key(input))
            && operation.outputs.iter().all(|&out| sizes.is_fixed(out));
        if !constant {
            continue;
        }
        let run = AssertUnwindSafe(|| {
            interpreter.register_op(captured.reading_operation(id));
        });
        if catch_unwind(run).is_err() {
            // Left to the run itself, whose error names the operation.
            continue;
        }
        for &output in &operation.outputs {
            let tensor = TensorIr {
                status: TensorStatus::ReadOnly,
                ..captured.burn_value(output).clone()
            };
            known.insert(output, data_of(interpreter.get_tensor(&tensor)));
        }
    }
    known
}
