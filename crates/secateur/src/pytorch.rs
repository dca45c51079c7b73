//! Loading models that were pruned in PyTorch, from the files of `torch.save`.
//!
//! ```no_run
//! use burn::{nn::LinearConfig, tensor::Device};
//!
//! // In Python: prune.l1_unstructured(model, "weight", 0.9); torch.save(model.state_dict(), "model.pt")
//! let model = LinearConfig::new(784, 10).init(&Device::flex());
//! let model = secateur::pytorch::load(model, "model.pt")?;
//! # Ok::<(), secateur::error::PruneError>(())
//! ```
//!
//! Where the Burn model names its fields differently, rename between reading and loading:
//!
//! ```no_run
//! # use burn::{nn::LinearConfig, tensor::Device};
//! # let model = LinearConfig::new(784, 10).init(&Device::flex());
//! let model = secateur::pytorch::read("model.pt")?
//!     .rename(|name| name.replace("classifier.6", "head"))?
//!     .load_into(model)?;
//! # Ok::<(), secateur::error::PruneError>(())
//! ```

use std::path::Path;

use burn::{
    module::Module,
    tensor::{BoolStore, DType, TensorData},
};
use burn_store::pytorch_reader::{DType as TorchType, PytorchError, PytorchReader, Tensor};

use crate::{error::PruneError, state_dict::StateDict};

/// Loads a PyTorch state dict, with the `weight_orig` and `weight_mask` that
/// `torch.nn.utils.prune` makes, into a Burn model.
///
/// # Errors
/// Those of [`read`] and of [`StateDict::load_into`].
pub fn load<M: Module>(model: M, file: impl AsRef<Path>) -> Result<M, PruneError> {
    read(file)?.load_into(model)
}

/// Reads a PyTorch state dict. Nothing in the file is run.
///
/// # Errors
/// [`PruneError::Io`] if the file cannot be read, [`PruneError::CorruptFile`] if it is damaged or
/// not from PyTorch.
pub fn read(file: impl AsRef<Path>) -> Result<StateDict, PruneError> {
    let file = file.as_ref();
    collect(file, PytorchReader::new(file))
}

/// As [`read`], for a checkpoint that keeps the state dict under a key, e.g. `"state_dict"`.
///
/// # Errors
/// As [`read`]; a missing key makes the file a [`PruneError::CorruptFile`].
pub fn read_key(file: impl AsRef<Path>, key: &str) -> Result<StateDict, PruneError> {
    let file = file.as_ref();
    collect(file, PytorchReader::with_top_level_key(file, key))
}

fn collect(
    file: &Path,
    reader: Result<PytorchReader, PytorchError>,
) -> Result<StateDict, PruneError> {
    let reader = reader.map_err(|error| match error {
        PytorchError::Io(error) => refused(file, &error),
        other => corrupt(file, other.to_string()),
    })?;
    let tensors: Vec<(String, TensorData)> = (reader.into_tensors().into_iter())
        .map(|(name, tensor)| Ok((name, data(file, &tensor)?)))
        .collect::<Result<_, PruneError>>()?;
    Ok(StateDict::from_iter(tensors).with_source(file.display().to_string()))
}

fn data(file: &Path, tensor: &Tensor) -> Result<TensorData, PruneError> {
    let dtype = match tensor.dtype() {
        TorchType::F64 => DType::F64,
        TorchType::F32 => DType::F32,
        TorchType::F16 => DType::F16,
        TorchType::BF16 => DType::BF16,
        TorchType::I64 => DType::I64,
        TorchType::I32 => DType::I32,
        TorchType::I16 => DType::I16,
        TorchType::I8 => DType::I8,
        TorchType::U64 => DType::U64,
        TorchType::U32 => DType::U32,
        TorchType::U16 => DType::U16,
        TorchType::U8 => DType::U8,
        TorchType::Bool => DType::Bool(BoolStore::Native),
    };
    let bytes = tensor.read().map_err(|error| refused(file, &error))?;
    TensorData::try_from_bytes_vec(bytes, tensor.shape().to_vec(), dtype)
        .map_err(|error| corrupt(file, format!("tensor `{}`: {error:?}", tensor.name)))
}

/// The reader reports a file at odds with itself as an I/O error too.
fn refused(file: &Path, error: &std::io::Error) -> PruneError {
    use std::io::ErrorKind::{InvalidData, UnexpectedEof};
    if matches!(error.kind(), InvalidData | UnexpectedEof) {
        return corrupt(file, error.to_string());
    }
    PruneError::Io {
        action: "read",
        file: file.into(),
        why: error.to_string(),
    }
}

fn corrupt(file: &Path, why: String) -> PruneError {
    PruneError::CorruptFile {
        file: file.display().to_string(),
        kind: "PyTorch file".into(),
        why,
    }
}
