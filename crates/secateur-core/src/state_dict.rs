//! Weights and masks that PyTorch saved, on their way into a Burn model.

use std::collections::{BTreeMap, BTreeSet};

use burn::{
    module::Module,
    tensor::{DType, TensorData},
};

use crate::{
    attach::MASK_NAME,
    error::PruneError,
    files::{Slot, Stored, StoredModel, slots},
    params::ParamTable,
};

/// The tensors of a PyTorch model by name, as its `state_dict()` lists them.
///
/// What `torch.nn.utils.prune` made of a parameter `fc.weight` is listed as `fc.weight_orig` and
/// `fc.weight_mask`, and becomes a weight and a mask. Every other name is an ordinary parameter or
/// buffer.
///
/// The feature `pytorch` of the facade reads one from a file; with other readers (safetensors,
/// say) collect it from pairs:
///
/// ```
/// use burn::{nn::LinearConfig, tensor::{Device, TensorData}};
/// use secateur_core::{state_dict::StateDict, torch::mask_of};
///
/// let state = StateDict::from_iter([
///     ("weight_orig", TensorData::from([[1.0f32, 2.0], [3.0, 4.0], [5.0, 6.0]])),
///     ("weight_mask", TensorData::from([[1.0f32, 0.0], [1.0, 1.0], [0.0, 1.0]])),
///     ("bias", TensorData::from([0.1f32, 0.2, 0.3])),
/// ]);
/// let model = state.load_into(LinearConfig::new(2, 3).init(&Device::flex()))?;
/// assert_eq!(mask_of(&model, "weight")?.iter_kept().collect::<Vec<_>>(), [0, 2, 3, 5]);
/// # Ok::<(), secateur_core::error::PruneError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct StateDict {
    source: String,
    tensors: BTreeMap<String, TensorData>,
}

impl<N: Into<String>> FromIterator<(N, TensorData)> for StateDict {
    fn from_iter<I: IntoIterator<Item = (N, TensorData)>>(iter: I) -> Self {
        Self {
            source: "the state dict".into(),
            tensors: iter.into_iter().map(|(n, data)| (n.into(), data)).collect(),
        }
    }
}

impl StateDict {
    /// Names the file for errors.
    pub fn with_source(mut self, source: impl Into<String>) -> Self {
        self.source = source.into();
        self
    }

    /// Names and tensors, ascending by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &TensorData)> {
        self.tensors
            .iter()
            .map(|(name, data)| (name.as_str(), data))
    }

    /// Renames every tensor, for models whose fields have other names than PyTorch's modules.
    ///
    /// ```
    /// # use burn::tensor::TensorData;
    /// # use secateur_core::state_dict::StateDict;
    /// let state = StateDict::from_iter([("classifier.0.weight", TensorData::from([[1.0f32]]))]);
    /// let state = state.rename(|name| name.replace("classifier.0", "head"))?;
    /// assert!(state.iter().all(|(name, _)| name == "head.weight"));
    /// # Ok::<(), secateur_core::error::PruneError>(())
    /// ```
    ///
    /// # Errors
    /// [`PruneError::RecordMismatch`] if two tensors get one name.
    pub fn rename(self, mut name: impl FnMut(&str) -> String) -> Result<Self, PruneError> {
        let mut tensors = BTreeMap::new();
        for (old, data) in self.tensors {
            let new = name(&old);
            if tensors.insert(new.clone(), data).is_some() {
                return Err(PruneError::RecordMismatch {
                    file: self.source,
                    path: new,
                    why: format!("renaming gives this name to `{old}` and to another tensor"),
                });
            }
        }
        Ok(Self {
            source: self.source,
            tensors,
        })
    }

    /// Loads weights, buffers and masks into a model.
    ///
    /// The weights of `Linear` are transposed into Burn's `[in, out]`; convolutions, transposed
    /// convolutions and embeddings are stored alike. Norms' `weight` and `bias` become `gamma` and
    /// `beta`, the `weight` of `PReLU` becomes `alpha`, `num_batches_tracked` is passed over.
    /// Parameters take over the float types of the file. Values under a mask are loaded too.
    /// Masks that the model has already stay where the file has none.
    ///
    /// Layers that Burn builds from other parts (LSTM and GRU gates, attention's joint projection)
    /// have other names there and are refused as missing.
    ///
    /// # Errors
    /// [`PruneError::RecordMismatch`] with the name for a tensor that is missing or left over, a
    /// mask without its weight or a weight without its mask, another shape, and a mask that is not
    /// made of zeros and ones; [`PruneError::Reparameterized`] and [`PruneError::GradientFlow`] as
    /// for [`load_file`](crate::files::load_file).
    pub fn load_into<M: Module>(mut self, model: M) -> Result<M, PruneError> {
        self.tensors
            .retain(|name, _| name.rsplit('.').next() != Some("num_batches_tracked"));
        let table = ParamTable::of(&model);
        let mut stored = BTreeMap::new();
        let mut used = BTreeSet::new();
        for slot in slots(&model) {
            let is_param = table.find_tied(&slot.path).is_ok();
            if is_param {
                self.convert(&slot, &mut stored, &mut used)?;
            }
        }
        // Fields that share a parameter share its mask.
        for entry in &table.entries {
            let Some(mask) = stored.get(&mask_path(&entry.info.path)).cloned() else {
                continue;
            };
            for tied in &entry.tied {
                stored
                    .entry(mask_path(tied))
                    .or_insert_with(|| mask.clone());
            }
        }
        if let Some(name) = self.tensors.keys().find(|name| !used.contains(*name)) {
            return Err(self.left_over(name));
        }
        StoredModel::new(self.source, stored)
            .floats_only()
            .load_into(model)
    }

    /// Brings the tensors of one parameter into Burn's form.
    fn convert(
        &self,
        slot: &Slot,
        stored: &mut BTreeMap<String, Stored>,
        used: &mut BTreeSet<String>,
    ) -> Result<(), PruneError> {
        let name = torch_name(slot);
        let (orig, mask) = (format!("{name}_orig"), format!("{name}_mask"));
        let value_name = match (
            self.tensors.contains_key(&orig),
            self.tensors.contains_key(&mask),
        ) {
            (true, true) => &orig,
            (false, false) => &name,
            (true, false) => {
                let why = format!("`{mask}` is missing beside it");
                return Err(self.mismatch(&orig, why));
            }
            (false, true) => {
                let why = format!("the mask comes without its weight, `{orig}`");
                return Err(self.mismatch(&mask, why));
            }
        };
        let Some(value) = self.tensors.get(value_name) else {
            let why = format!(
                "the model's `{}` wants it, the file does not have it",
                slot.path
            );
            return Err(self.mismatch(value_name, why));
        };
        let is_linear = slot.layer == "Linear" && slot.dims.len() == 2;
        // Burn records a column-major `Linear` as PyTorch does.
        let is_transposed = is_linear && !slot.column_major;
        let mut dims = slot.dims.clone();
        if is_transposed {
            dims.reverse();
        }
        self.check_shape(value_name, value, &dims)?;
        if matches!(value.dtype(), DType::QFloat(_)) {
            return Err(self.mismatch(value_name, "it is quantized"));
        }
        let recorded = if is_transposed {
            transposed(value)
        } else {
            value.clone()
        };
        stored.insert(
            slot.path.clone(),
            Stored {
                id: None,
                data: recorded,
            },
        );
        used.insert(value_name.clone());
        if *value_name == orig {
            let data = &self.tensors[&mask];
            self.check_shape(&mask, data, &dims)?;
            let mut removed = self.removed(&mask, data)?;
            // Masks lie flat in the order of the weight in the model, `[in, out]` in both layouts.
            if is_linear {
                removed = flipped(&removed, dims[1]);
            }
            let len = removed.len();
            let data = TensorData::new(removed, [len]);
            stored.insert(mask_path(&slot.path), Stored { id: None, data });
            used.insert(mask);
        }
        Ok(())
    }

    fn check_shape(&self, name: &str, data: &TensorData, dims: &[usize]) -> Result<(), PruneError> {
        let found = data.shape().as_slice();
        if found == dims {
            return Ok(());
        }
        let why = format!("the file's shape is {found:?}, the model's in PyTorch's order {dims:?}");
        Err(self.mismatch(name, why))
    }

    /// True where a mask of PyTorch is zero.
    fn removed(&self, name: &str, data: &TensorData) -> Result<Vec<bool>, PruneError> {
        if matches!(data.dtype(), DType::QFloat(_)) {
            return Err(self.mismatch(name, "it is quantized"));
        }
        let removed = data.iter::<f64>().map(|kept| match kept {
            1.0 => Ok(false),
            0.0 => Ok(true),
            other => Err(self.mismatch(name, format!("the mask holds {other}, neither 0 nor 1"))),
        });
        removed.collect()
    }

    fn left_over(&self, name: &str) -> PruneError {
        let weight = name
            .strip_suffix("_mask")
            .map(|stem| format!("{stem}_orig"));
        match weight {
            Some(weight) if !self.tensors.contains_key(&weight) => self.mismatch(
                name,
                format!("the mask comes without its weight, `{weight}`"),
            ),
            _ => self.mismatch(name, "the file has it, the model has no place for it"),
        }
    }

    fn mismatch(&self, name: &str, why: impl Into<String>) -> PruneError {
        PruneError::RecordMismatch {
            file: self.source.clone(),
            path: name.into(),
            why: why.into(),
        }
    }
}

fn mask_path(path: &str) -> String {
    format!("{path}.{MASK_NAME}.removed")
}

/// What PyTorch calls a parameter of Burn.
fn torch_name(slot: &Slot) -> String {
    let (layer, field) = match slot.path.rsplit_once('.') {
        Some((layer, field)) => (Some(layer), field),
        None => (None, slot.path.as_str()),
    };
    let is_norm = slot.layer.ends_with("Norm");
    let field = match field {
        "gamma" if is_norm => "weight",
        "beta" if is_norm => "bias",
        "alpha" if slot.layer == "PRelu" => "weight",
        other => other,
    };
    layer.map_or_else(|| field.into(), |layer| format!("{layer}.{field}"))
}

/// A matrix with rows for columns.
fn transposed(data: &TensorData) -> TensorData {
    let mut dims = data.shape().as_slice().to_vec();
    let cols = dims.last().copied().unwrap_or(1);
    dims.reverse();
    let elements: Vec<&[u8]> = data.as_bytes().chunks_exact(data.dtype().size()).collect();
    TensorData::from_bytes_vec(flipped(&elements, cols).concat(), dims, data.dtype())
}

/// The elements of a row-major matrix of so many columns, column by column.
fn flipped<T: Copy>(elements: &[T], cols: usize) -> Vec<T> {
    let rows = elements.len().checked_div(cols).unwrap_or(0);
    let column = |col: usize| (0..rows).map(move |row| row * cols + col);
    (0..cols)
        .flat_map(column)
        .map(|index| elements[index])
        .collect()
}
