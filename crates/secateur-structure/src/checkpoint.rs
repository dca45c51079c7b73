//! One file with everything that training of a smaller model goes on from: what was cut, the weights
//! and masks that are left, and the optimizer's state.
//!
//! A fresh model of full size becomes the smaller one by loading it:
//!
//! ```no_run
//! use burn::{module::Module, optim::ModuleOptimizer};
//! use secateur_core::layers::Prunable;
//! use secateur_structure::{checkpoint, cut::Cut, error::StructureError};
//!
//! # fn run<Net: Module + Prunable>(
//! #     small: Net, full: Net, cut: Cut, adam: ModuleOptimizer, fresh: ModuleOptimizer,
//! # ) -> Result<(), StructureError> {
//! checkpoint::save("net.secateur", &small, &[cut], &adam)?;
//! // Later, with the model and the optimizer as they were configured at first:
//! let (small, adam) = checkpoint::load("net.secateur", full, fresh)?;
//! # let _ = (small, adam);
//! # Ok(())
//! # }
//! ```
//!
//! # Format
//!
//! [Sealed](secateur_core::seal) bytes, named `SECTCUT1`, version 1: three sections, each its length
//! in 8 bytes (little-endian) and that many bytes. The first is JSON, a list of cuts; the second a
//! record of the model as Burn writes it, masks included; the third a record of the optimizer, empty
//! if there was none.

use std::path::Path;

use burn::module::Module;
use secateur_core::{files, layers::Prunable, seal};

use crate::{cut::Cut, error::StructureError, optimizer::OptimizerState, settings, slice};

/// The version that [`save`] writes and the highest that [`load`] reads.
pub const FORMAT_VERSION: u32 = 1;

const MAGIC: &[u8; 8] = b"SECTCUT1";
/// What errors call the file.
const KIND: &str = "checkpoint of a pruned model";

/// Saves a model that was made smaller by `cuts`, one after the other, and the optimizer's state
/// (`&()` for none).
///
/// Whatever goes wrong, `path` holds the old file or the new one.
///
/// # Errors
/// [`PruneError::Io`](secateur_core::error::PruneError::Io) if the operating system refuses,
/// [`PruneError::Record`](secateur_core::error::PruneError::Record) and
/// [`StructureError::OptimizerState`] if Burn does.
pub fn save<M: Module, O: OptimizerState>(
    path: impl AsRef<Path>,
    model: &M,
    cuts: &[Cut],
    optimizer: &O,
) -> Result<(), StructureError> {
    Ok(seal::write(
        path.as_ref(),
        &to_bytes(model, cuts, optimizer)?,
    )?)
}

/// Makes a model of full size the one that was saved, and gives the optimizer the state that was
/// saved with it (`()` takes none).
///
/// The model must be built, and the optimizer be configured, like the ones that the file comes from.
/// Parameters take over ids from the file, by which the optimizer knows them. Biases that were
/// [added](settings::add_bias) after the cut are added again. The running statistics of norms are
/// the new model's own.
///
/// # Errors
/// [`PruneError::Io`](secateur_core::error::PruneError::Io) if the file cannot be read,
/// [`PruneError::CorruptFile`](secateur_core::error::PruneError::CorruptFile) if it is damaged or
/// something else, [`PruneError::FileVersion`](secateur_core::error::PruneError::FileVersion) if a
/// later Secateur wrote it, the errors of [`slice::apply`] and
/// [`PruneError::RecordMismatch`](secateur_core::error::PruneError::RecordMismatch) if it was saved
/// from another model, [`StructureError::OptimizerState`] if from another kind of optimizer.
pub fn load<M: Module + Prunable, O: OptimizerState>(
    path: impl AsRef<Path>,
    model: M,
    optimizer: O,
) -> Result<(M, O), StructureError> {
    let path = path.as_ref();
    let bytes = seal::read(path, MAGIC)?;
    from_bytes(&bytes, &path.display().to_string(), model, optimizer)
}

/// The cuts that a checkpoint was made with, in the order in which they are applied.
///
/// # Errors
/// As [`load`] for a file that cannot be read or is damaged.
pub fn read_cuts(path: impl AsRef<Path>) -> Result<Vec<Cut>, StructureError> {
    let path = path.as_ref();
    let bytes = seal::read(path, MAGIC)?;
    Ok(Sections::read(&bytes, &path.display().to_string())?.cuts)
}

fn to_bytes<M: Module, O: OptimizerState>(
    model: &M,
    cuts: &[Cut],
    optimizer: &O,
) -> Result<Vec<u8>, StructureError> {
    let record = |why: String| secateur_core::error::PruneError::Record { why };
    let cuts = serde_json::to_vec(cuts).map_err(|error| record(error.to_string()))?;
    let model = model.clone().into_record().into_bytes();
    let model = model.map_err(|error| record(error.to_string()))?;
    let mut payload = Vec::new();
    for section in [cuts.as_slice(), &model, &optimizer.state_bytes()?] {
        payload.extend((section.len() as u64).to_le_bytes());
        payload.extend(section);
    }
    Ok(seal::seal(MAGIC, FORMAT_VERSION, &payload))
}

fn from_bytes<M: Module + Prunable, O: OptimizerState>(
    bytes: &[u8],
    name: &str,
    model: M,
    optimizer: O,
) -> Result<(M, O), StructureError> {
    let sections = Sections::read(bytes, name)?;
    let optimizer = optimizer.with_state_bytes(sections.optimizer.to_vec())?;
    let mut model = model;
    for cut in &sections.cuts {
        model = slice::apply(&model, cut)?;
    }
    if sections.cuts.is_empty() {
        // Statistics of its own, as a cut would have given it.
        model = slice::slice_params(&model, &Cut::default())?;
    }
    settings::add_recorded_biases(&mut model, sections.model)?;
    let model = files::load_bytes(model, sections.model.to_vec(), name)?;
    Ok((model, optimizer))
}

/// What a checkpoint holds.
struct Sections<'a> {
    cuts: Vec<Cut>,
    model: &'a [u8],
    optimizer: &'a [u8],
}

impl<'a> Sections<'a> {
    fn read(bytes: &'a [u8], name: &str) -> Result<Self, StructureError> {
        let corrupt = |why: String| seal::corrupt(name, KIND, why);
        let (_, mut rest) = seal::unseal(bytes, MAGIC, FORMAT_VERSION, KIND, name)?;
        let mut next = || {
            let (&length, after) = rest.split_first_chunk()?;
            let length = usize::try_from(u64::from_le_bytes(length)).ok()?;
            let (section, after) = after.split_at_checked(length)?;
            rest = after;
            Some(section)
        };
        let sections = (next(), next(), next());
        let ((Some(cuts), Some(model), Some(optimizer)), []) = (sections, rest) else {
            return Err(corrupt("its three sections do not fill it".into()).into());
        };
        let cuts = serde_json::from_slice(cuts)
            .map_err(|error| corrupt(format!("its cuts cannot be read: {error}")))?;
        Ok(Self {
            cuts,
            model,
            optimizer,
        })
    }
}
