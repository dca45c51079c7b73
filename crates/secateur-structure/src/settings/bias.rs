//! A bias for a layer that has none.

use burn::{
    Tensor,
    module::{Module, Param, ParamId},
    tensor::{Bytes, TensorData},
};
use burn_pack::Reader;
use secateur_core::{
    error::PruneError,
    layers::{LayerMut, Prunable, layers_mut},
};

use crate::{error::StructureError, survey::Survey};

/// Gives the layer at `path` the bias `values`, `[channels_out]`, where it has none: constants that
/// removed channels had emitted find a place there.
///
/// The bias has a new parameter id, the weight's device and float type, and trains if the weight
/// does; on a device without gradients it is set to train. `values` are rounded to the float type.
///
/// # Errors
/// [`StructureError::Bias`] if the layer has a bias already, cannot have one, or has another number
/// of outputs, [`PruneError::UnknownLayer`](secateur_core::error::PruneError::UnknownLayer) or
/// [`PruneError::OpaqueLayer`](secateur_core::error::PruneError::OpaqueLayer) if it cannot be
/// reached. `model` then stays as it was.
pub fn add_bias<M: Module + Prunable>(
    model: &mut M,
    path: &str,
    values: &[f64],
) -> Result<(), StructureError> {
    let mut changed = model.clone();
    let mut layers = layers_mut(&mut changed);
    let refused = |why: String| StructureError::Bias {
        path: path.into(),
        why,
    };
    macro_rules! add {
        ($layer:expr, $outputs:expr) => {{
            let outputs: usize = $outputs;
            if $layer.bias.is_some() {
                return Err(refused("it has one; change its values instead".into()));
            }
            if values.len() != outputs {
                let given = values.len();
                return Err(refused(format!(
                    "it has {outputs} outputs and {given} values are given; give one for each"
                )));
            }
            $layer.bias = Some(beside(&$layer.weight, values).map_err(refused)?);
        }};
    }
    match layers.get_mut(path)? {
        LayerMut::Linear(layer) => add!(layer, layer.weight.base().dims()[1]),
        LayerMut::Conv1d(layer) => add!(layer, layer.weight.base().dims()[0]),
        LayerMut::Conv2d(layer) => add!(layer, layer.weight.base().dims()[0]),
        LayerMut::Conv3d(layer) => add!(layer, layer.weight.base().dims()[0]),
        LayerMut::DeformConv2d(layer) => add!(layer, layer.weight.base().dims()[0]),
        LayerMut::ConvTranspose1d(layer) => {
            add!(layer, layer.weight.base().dims()[1] * layer.groups)
        }
        LayerMut::ConvTranspose2d(layer) => {
            add!(layer, layer.weight.base().dims()[1] * layer.groups)
        }
        LayerMut::ConvTranspose3d(layer) => {
            add!(layer, layer.weight.base().dims()[1] * layer.groups)
        }
        other => {
            let name = other.type_name();
            return Err(refused(format!(
                "a `{name}` has no place for one; give it to a layer before or after"
            )));
        }
    }
    *model = changed;
    Ok(())
}

/// Adds the biases that a record of a model has and `model` lacks, all zero, so that the record can
/// be loaded.
pub(crate) fn add_recorded_biases<M: Module + Prunable>(
    model: &mut M,
    record: &[u8],
) -> Result<(), StructureError> {
    let refused = |error: burn_pack::Error| PruneError::Record {
        why: error.to_string(),
    };
    let reader = Reader::from_bytes(Bytes::from_bytes_vec(record.to_vec())).map_err(refused)?;
    let survey = Survey::of(model);
    for tensor in reader.into_tensors().map_err(refused)? {
        let (layer, field) = tensor.name.rsplit_once('.').unwrap_or(("", &tensor.name));
        let is_missing = field == "bias" && survey.get(&tensor.name).is_none();
        // Where there is no such layer, loading the record says so.
        if is_missing && layers_mut(model).get(layer).is_ok() {
            add_bias(model, layer, &vec![0.0; tensor.shape.num_elements()])?;
        }
    }
    Ok(())
}

/// A vector that lies, counts and trains as the weight does.
fn beside<const D: usize>(
    weight: &Param<Tensor<D>>,
    values: &[f64],
) -> Result<Param<Tensor<1>>, String> {
    let base = weight.base();
    let data = TensorData::new(values.to_vec(), [values.len()]);
    let data = data.try_cast(base.dtype()).map_err(|_| {
        let dtype = base.dtype();
        format!("its weight is of type {dtype:?}, in which there are no biases; cast it first")
    })?;
    let bias = Tensor::<1>::from_data(data, (&base.device(), base.dtype()));
    // Without gradients Burn does not tell whether the weight will train.
    let trains = base.is_require_grad() || !base.is_autodiff();
    Ok(Param::initialized(ParamId::new(), bias).set_require_grad(trains))
}
