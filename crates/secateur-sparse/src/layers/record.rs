//! Sparse layers from a record of Burn: the file knows how many weights are kept.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use burn::{
    Tensor,
    module::{Param, ParamId},
    nn::conv::{Conv1dConfig, Conv2dConfig},
    tensor::{DType, Device, TensorData},
};
use secateur_core::files::{RecordTensor, read_record};

use super::{
    SparseConv1d, SparseConv2d, SparseLinear,
    conv::check_channels,
    held::{read_words, values_param},
};
use crate::{SparseError, ops::Structure};

/// A record that Burn's `save_file` wrote for a model with sparse layers, open for reading.
///
/// Layers are asked for by their paths in the model, `"encoder.fc1"`; the path of a layer that was
/// saved alone is `""`. They come back with the ids under which optimizers know them.
#[derive(Debug, Clone)]
pub struct SparseRecord {
    file: PathBuf,
    tensors: BTreeMap<String, RecordTensor>,
}

/// What all sparse layers have in common.
struct Parts {
    structure: Arc<Structure>,
    values: Param<Tensor<1>>,
    bias: Option<Param<Tensor<1>>>,
    places: ParamId,
}

impl SparseRecord {
    /// Reads a file. A path without extension stands for the `.bpk` file that Burn's `save_file`
    /// writes for it.
    ///
    /// # Errors
    ///
    /// [`SparseError::Prune`] where the file cannot be read, is damaged, or is no record of Burn.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, SparseError> {
        let file = path.as_ref().to_path_buf();
        let tensors = read_record(&file)?;
        Ok(Self { file, tensors })
    }

    /// The linear layer at `path`.
    ///
    /// # Errors
    ///
    /// [`SparseError::File`] where the file has no sparse layer there, or a damaged one.
    pub fn linear(&self, path: &str, device: &Device) -> Result<SparseLinear, SparseError> {
        let parts = self.parts(path, device)?;
        Ok(SparseLinear::from_parts(
            parts.values,
            parts.bias,
            parts.structure,
            parts.places,
            device,
        ))
    }

    /// The convolution in one dimension at `path`. What a record does not keep (stride, padding,
    /// dilation, groups, kernel size) comes from `config`; whether there is a bias, from the file.
    ///
    /// # Errors
    ///
    /// As [`linear`](Self::linear), and [`SparseError::Shape`] where the weight in the file has
    /// other channels or another kernel than `config`.
    pub fn conv1d(
        &self,
        path: &str,
        config: &Conv1dConfig,
        device: &Device,
    ) -> Result<SparseConv1d, SparseError> {
        let parts = self.parts(path, device)?;
        let channels = [config.channels_in, config.channels_out];
        let shape = parts.structure.shape();
        check_channels(shape, channels, config.groups, config.kernel_size)?;
        Ok(SparseConv1d::from_parts(
            parts.values,
            parts.bias,
            parts.structure,
            parts.places,
            config,
            device,
        ))
    }

    /// The convolution in two dimensions at `path`; see [`conv1d`](Self::conv1d).
    ///
    /// # Errors
    ///
    /// As [`conv1d`](Self::conv1d).
    pub fn conv2d(
        &self,
        path: &str,
        config: &Conv2dConfig,
        device: &Device,
    ) -> Result<SparseConv2d, SparseError> {
        let parts = self.parts(path, device)?;
        let taps = config.kernel_size[0].saturating_mul(config.kernel_size[1]);
        check_channels(
            parts.structure.shape(),
            config.channels,
            config.groups,
            taps,
        )?;
        Ok(SparseConv2d::from_parts(
            parts.values,
            parts.bias,
            parts.structure,
            parts.places,
            config,
            device,
        ))
    }

    fn parts(&self, path: &str, device: &Device) -> Result<Parts, SparseError> {
        let wrong = |reason: String| SparseError::File {
            path: self.file.clone(),
            reason,
        };
        let at = |field: &str| match path {
            "" => field.to_owned(),
            _ => format!("{path}.{field}"),
        };
        let find = |field: &str| self.tensors.get(&at(field));
        let (Some(values), Some(places)) = (find("values"), find("places")) else {
            let reason = format!("it has no sparse layer at `{path}`");
            return Err(wrong(reason));
        };
        let id = |tensor: &RecordTensor| tensor.id.map_or_else(ParamId::new, ParamId::from);
        let words = read_words(places.data.clone());
        let structure = words.and_then(|words| Structure::from_words(&words));
        let structure = structure.map_err(|why| wrong(format!("`{path}`: {why}")))?;
        let floats = |field: &str, data: &TensorData, len: usize| {
            if data.dtype() != DType::F32 {
                return Err(SparseError::Element {
                    what: format!("`{}`", at(field)),
                    got: format!("{:?}", data.dtype()),
                    expected: "F32".into(),
                });
            }
            let floats = data.try_to_vec::<f32>().unwrap_or_default();
            if data.shape().num_dims() != 1 || floats.len() != len {
                let got = data.shape().as_slice();
                let reason = format!("`{}` is {got:?} where [{len}] is needed", at(field));
                return Err(wrong(reason));
            }
            Ok(floats)
        };
        let kept = floats("values", &values.data, structure.nnz())?;
        let bias = match find("bias") {
            Some(bias) => {
                let elements = floats("bias", &bias.data, structure.shape()[0])?;
                Some(values_param(id(bias), elements, device))
            }
            None => None,
        };
        Ok(Parts {
            values: values_param(id(values), kept, device),
            bias,
            places: id(places),
            structure,
        })
    }
}
