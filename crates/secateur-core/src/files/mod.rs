//! Files of pruned models: loading any of them into a fresh model, saving without the zeros.
//!
//! | written by | holds | read by |
//! | --- | --- | --- |
//! | Burn's `model.save_file(..)`, a `Learner`'s checkpoint | everything, masks at a byte an element | [`load_file`] |
//! | [`save_sparse`] | the values that are not zero, masks at a bit an element | [`load_file`], [`load_sparse`] |
//! | [`MaskSet::save`](crate::mask_set::MaskSet::save) | masks alone | [`MaskSet::load`](crate::mask_set::MaskSet::load) |
//! | [`Weights::save`](crate::weights::Weights::save) | weights alone | [`Weights::load`](crate::weights::Weights::load) |
//!
//! Burn itself refuses to load a record with masks into a model without them ("Unused tensors").
//! Do not quiet it with `allow_unused(true)`: it then loads the weights under the masks and leaves
//! the masks out. [`load_file`] puts the masks on first.
//!
//! Both loaders check everything before they change anything, so a model is loaded as a whole or
//! not at all. Burn shares the running statistics of a norm among the clones of a model: loading
//! into a clone sets those of the original too.

mod sparse;
mod stored;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use burn::{module::Module, tensor::TensorData};

pub(crate) use stored::{Slot, Stored, StoredModel, slots};

use crate::{
    error::PruneError,
    pack::{self, Container},
};

/// What the container says a sparse file holds.
const SPARSE: &str = "sparse model";
/// The version that [`save_sparse`] writes and the highest that is read.
const SPARSE_VERSION: u32 = 1;

/// Loads a file into a model: a record that Burn saved or a file of [`save_sparse`], with masks or
/// without.
///
/// Parameters for which the file has a mask get one if they have none, with the gradient flow it
/// was saved with. Parameters for which the file has none keep the mask they carry: a plain dense
/// record loads into a masked model. Lazy parameters are loaded without being initialised first,
/// so both layouts of `Linear` load. As with Burn's own loading, parameters take over the file's
/// ids (by which optimizers know them) and float types.
///
/// A path without extension stands for the `.bpk` file that Burn's `save_file` writes for it. A
/// record of Burn has no checksum; a file of [`save_sparse`] has.
///
/// # Errors
/// [`PruneError::Io`] if the file cannot be read, [`PruneError::CorruptFile`] if it is damaged or
/// of another kind, [`PruneError::FileVersion`] if a later Secateur wrote it,
/// [`PruneError::RecordMismatch`] with the parameter's path if it was saved from another model,
/// [`PruneError::GradientFlow`] if the model carries a mask with another gradient flow than the
/// file's, [`PruneError::Reparameterized`] if a parameter to be masked carries a LoRA or the like.
pub fn load_file<M: Module>(model: M, path: impl AsRef<Path>) -> Result<M, PruneError> {
    let path = with_burns_extension(path.as_ref());
    load_bytes(model, pack::read(&path)?, &path.display().to_string())
}

/// Loads the bytes of a file into a model as [`load_file`] does; `name` is what errors call them.
///
/// # Errors
/// As [`load_file`].
pub fn load_bytes<M: Module>(model: M, bytes: Vec<u8>, name: &str) -> Result<M, PruneError> {
    let reader = pack::open(bytes, name, "model file")?;
    let tensors = match pack::kind_of(&reader) {
        Some(SPARSE) => {
            let container = Container::from_reader(reader, name, SPARSE, SPARSE_VERSION)?;
            sparse::decode(container).map_err(|why| pack::corrupt(name, SPARSE, why))?
        }
        Some(kind) => {
            let why = format!("it holds {kind}, which has a `load` of its own");
            return Err(pack::corrupt(name, "model file", why));
        }
        None => pack::tensors(reader)
            .map_err(|why| pack::corrupt(name, "model file", why))?
            .into_iter()
            .map(|(path, id, data)| (path, Stored { id, data }))
            .collect(),
    };
    StoredModel::new(name.into(), tensors).load_into(model)
}

/// One tensor of a record: its data, and the id by which optimizers know the parameter.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordTensor {
    /// The parameter's id, where the record has one.
    pub id: Option<u64>,
    /// Shape, type and elements.
    pub data: TensorData,
}

/// Reads the tensors of a record that Burn saved, by path, without a model: for layers whose
/// shapes only the file knows.
///
/// A path without extension stands for the `.bpk` file that Burn's `save_file` writes for it.
///
/// # Errors
/// [`PruneError::Io`] if the file cannot be read, [`PruneError::CorruptFile`] if it is damaged or
/// no record of Burn.
pub fn read_record(path: impl AsRef<Path>) -> Result<BTreeMap<String, RecordTensor>, PruneError> {
    const RECORD: &str = "record";
    let path = with_burns_extension(path.as_ref());
    let name = path.display().to_string();
    let reader = pack::open(pack::read(&path)?, &name, RECORD)?;
    if let Some(kind) = pack::kind_of(&reader) {
        let why = format!("it holds {kind}, which has a `load` of its own");
        return Err(pack::corrupt(&name, RECORD, why));
    }
    let tensors = pack::tensors(reader).map_err(|why| pack::corrupt(&name, RECORD, why))?;
    let named = tensors.into_iter();
    Ok(named
        .map(|(path, id, data)| (path, RecordTensor { id, data }))
        .collect())
}

/// Saves a model without its zeros, atomically: whatever goes wrong, `path` holds the old file or
/// the new one.
///
/// For each tensor the file has the values other than +0.0 and a bit for every element, or all
/// values where that is smaller; in a masked model zeros are where the masks are, in a finished
/// one wherever they are found. Masks with their gradient flow, running statistics, integer and
/// boolean parameters and parameter ids are included, and whole files are checked by a checksum.
/// At 90 % sparsity a file of 32-bit floats has about 13 % of the size of the dense record.
///
/// Loading gives the same effective weights and masks bit for bit. What a mask hides is not
/// stored: there the loaded parameter holds +0.0, so a regrown element starts from zero and `undo`
/// has nothing to bring back. Where that matters save with Burn's `save_file`.
///
/// # Errors
/// [`PruneError::Io`] if the operating system refuses, [`PruneError::UnsupportedDType`] for a
/// masked parameter that was quantized.
pub fn save_sparse<M: Module>(model: &M, path: impl AsRef<Path>) -> Result<(), PruneError> {
    let tensors = stored::effective(model)?;
    sparse::encode(tensors, Container::new(SPARSE, SPARSE_VERSION))?.save(path.as_ref())
}

/// Loads a file of [`save_sparse`]; [`load_file`] does so too, and reads Burn's records as well.
///
/// # Errors
/// As [`load_file`].
pub fn load_sparse<M: Module>(model: M, path: impl AsRef<Path>) -> Result<M, PruneError> {
    let path = path.as_ref();
    let name = path.display().to_string();
    let container = Container::load(path, SPARSE, SPARSE_VERSION)?;
    let tensors = sparse::decode(container).map_err(|why| pack::corrupt(&name, SPARSE, why))?;
    StoredModel::new(name, tensors).load_into(model)
}

/// Burn's `save_file` adds `.bpk` to a path without extension.
fn with_burns_extension(path: &Path) -> PathBuf {
    if path.extension().is_none() && !path.exists() {
        path.with_extension(burn_pack::EXTENSION)
    } else {
        path.into()
    }
}
