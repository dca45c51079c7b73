//! A model's tensors off the model, in the form in which Burn records them, and the way back.

use std::collections::{BTreeMap, BTreeSet};

use burn::{
    Tensor,
    module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId},
    tensor::{Bool, DType, Device, Int, Shape, TensorData},
};

use crate::{
    attach::{self, MaskField, mask_field},
    error::PruneError,
    mask_op::GradientFlow,
    params::{ParamTable, is_column_major, layer_name},
    weights::{Weights, write_weights},
};

/// One tensor as it is recorded.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Stored {
    /// The parameter's id, by which optimizers know it.
    pub id: Option<u64>,
    pub data: TensorData,
}

/// The tensors of a model as they act: what a mask hides is +0.0.
pub(super) fn effective<M: Module>(model: &M) -> Result<BTreeMap<String, Stored>, PruneError> {
    let mut masked = Weights::effective(model)?.tensors;
    let masks = attach::read_masks(model);
    masked.retain(|path, _| masks.contains_key(path));
    let mut zeroed = model.clone();
    write_weights(&mut zeroed, &masked);
    let mut collector = Collector::default();
    zeroed.visit(&mut collector);
    Ok(collector.tensors)
}

#[derive(Default)]
struct Collector {
    path: Vec<String>,
    tensors: BTreeMap<String, Stored>,
}

impl Collector {
    fn keep(&mut self, id: ParamId, data: TensorData) {
        let id = Some(id.val());
        self.tensors
            .insert(self.path.join("."), Stored { id, data });
    }
}

impl ModuleVisitor for Collector {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.into());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.keep(param.id, param.transform_for_save().val().into_data());
    }

    fn visit_int<const D: usize>(&mut self, param: &Param<Tensor<D, Int>>) {
        self.keep(param.id, param.transform_for_save().val().into_data());
    }

    fn visit_bool<const D: usize>(&mut self, param: &Param<Tensor<D, Bool>>) {
        self.keep(param.id, param.transform_for_save().val().into_data());
    }
}

/// What kind of numbers a parameter holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Float,
    Int,
    Bool,
}

impl Kind {
    fn of(dtype: DType) -> Self {
        match dtype {
            DType::Bool(_) => Self::Bool,
            DType::F64 | DType::F32 | DType::Flex32 | DType::F16 | DType::BF16 => Self::Float,
            DType::QFloat(_) => Self::Float,
            _ => Self::Int,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Float => "floats",
            Self::Int => "integers",
            Self::Bool => "booleans",
        }
    }
}

/// A place in a model where a recorded tensor goes.
#[derive(Clone, Debug)]
pub(crate) struct Slot {
    pub path: String,
    /// Name of the type that holds the parameter.
    pub layer: String,
    pub kind: Kind,
    /// The shape in which it is recorded.
    pub dims: Vec<usize>,
    /// Whether it is recorded the other way round than it lies in the model.
    pub column_major: bool,
    pub device: Device,
}

impl Slot {
    /// The parameter whose mask this is a part of.
    pub fn mask_of(&self) -> Option<String> {
        let path: Vec<String> = self.path.split('.').map(String::from).collect();
        (self.kind == Kind::Bool)
            .then(|| mask_field(&path).map(|(owner, _)| owner))
            .flatten()
    }
}

/// All places of a model, in Burn's order. Initialises nothing.
pub(crate) fn slots<M: Module>(model: &M) -> Vec<Slot> {
    let mut surveyor = Surveyor::default();
    model.visit(&mut surveyor);
    surveyor.slots
}

#[derive(Default)]
struct Surveyor {
    path: Vec<String>,
    containers: Vec<String>,
    slots: Vec<Slot>,
}

impl Surveyor {
    fn add(&mut self, kind: Kind, shape: Shape, column_major: bool, device: Device) {
        let container = self.containers.last().map_or("", String::as_str);
        self.slots.push(Slot {
            path: self.path.join("."),
            layer: layer_name(container).into(),
            kind,
            dims: shape.as_slice().to_vec(),
            column_major,
            device,
        });
    }
}

impl ModuleVisitor for Surveyor {
    fn enter_module(&mut self, name: &str, container_type: &str) {
        self.path.push(name.into());
        self.containers.push(container_type.into());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
        self.containers.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let column_major = is_column_major(param);
        // A column-major parameter announces the recorded shape until it is initialised.
        let shape = if column_major && param.is_initialized() {
            param.transform_for_save().val().shape()
        } else {
            param.lazy_shape()
        };
        self.add(Kind::Float, shape, column_major, param.lazy_device());
    }

    fn visit_int<const D: usize>(&mut self, param: &Param<Tensor<D, Int>>) {
        self.add(Kind::Int, param.lazy_shape(), false, param.lazy_device());
    }

    fn visit_bool<const D: usize>(&mut self, param: &Param<Tensor<D, Bool>>) {
        self.add(Kind::Bool, param.lazy_shape(), false, param.lazy_device());
    }
}

/// Recorded tensors by path, on their way into a model.
#[derive(Debug)]
pub(crate) struct StoredModel {
    /// Where they come from, for errors.
    file: String,
    tensors: BTreeMap<String, Stored>,
    /// Whether integer and boolean parameters may be missing.
    floats_only: bool,
}

impl StoredModel {
    pub(crate) fn new(file: String, tensors: BTreeMap<String, Stored>) -> Self {
        Self {
            file,
            tensors,
            floats_only: false,
        }
    }

    /// Lets integer and boolean parameters keep what they hold.
    pub(crate) fn floats_only(mut self) -> Self {
        self.floats_only = true;
        self
    }

    /// Attaches the masks and loads the tensors, as a whole or not at all.
    pub(crate) fn load_into<M: Module>(mut self, mut model: M) -> Result<M, PruneError> {
        self.attach_masks(&mut model)?;
        self.check(&slots(&model))?;
        Ok(model.map(&mut Loader {
            path: Vec::new(),
            tensors: std::mem::take(&mut self.tensors),
        }))
    }

    fn mismatch(&self, path: &str, why: impl Into<String>) -> PruneError {
        PruneError::RecordMismatch {
            file: self.file.clone(),
            path: path.into(),
            why: why.into(),
        }
    }

    /// Puts keep-all masks where the file has masks.
    fn attach_masks<M: Module>(&self, model: &mut M) -> Result<(), PruneError> {
        let table = ParamTable::of(model);
        for flow in [
            GradientFlow::Masked,
            GradientFlow::Dense,
            GradientFlow::Backward,
        ] {
            let mut owners = Vec::new();
            for path in self.tensors.keys() {
                let components: Vec<String> = path.split('.').map(String::from).collect();
                let Some((owner, MaskField::Removed)) = mask_field(&components) else {
                    continue;
                };
                let blocked = self
                    .tensors
                    .get(&format!("{owner}.{}.blocked", attach::MASK_NAME));
                let own = attach::flow_of(blocked.map(|mask| mask.data.num_elements()));
                if own != flow {
                    continue;
                }
                let entry = table.find_tied(&owner).map_err(|_| {
                    self.mismatch(
                        &owner,
                        "the file has a mask for it, the model has no such float parameter",
                    )
                })?;
                owners.push(entry.info.path.as_str());
            }
            attach::attach(model, &table, owners, flow)?;
        }
        Ok(())
    }

    /// Every tensor has its place, every place its tensor, and they fit.
    fn check(&self, slots: &[Slot]) -> Result<(), PruneError> {
        let masked_in_file = |owner: &str| {
            self.tensors
                .contains_key(&format!("{owner}.{}.removed", attach::MASK_NAME))
        };
        let mut placed = BTreeSet::new();
        for slot in slots {
            placed.insert(slot.path.as_str());
            let Some(stored) = self.tensors.get(&slot.path) else {
                let keeps = match slot.mask_of() {
                    Some(owner) => !masked_in_file(&owner),
                    None => self.floats_only && slot.kind != Kind::Float,
                };
                if keeps {
                    continue;
                }
                return Err(self.mismatch(&slot.path, "the model has it, the file does not"));
            };
            self.check_fit(slot, &stored.data)?;
        }
        match self
            .tensors
            .keys()
            .find(|path| !placed.contains(path.as_str()))
        {
            Some(path) => Err(self.mismatch(path, "the file has it, the model does not")),
            None => Ok(()),
        }
    }

    fn check_fit(&self, slot: &Slot, data: &TensorData) -> Result<(), PruneError> {
        let kind = Kind::of(data.dtype());
        if kind != slot.kind {
            let why = format!(
                "the model has {} there, the file {}",
                slot.kind.name(),
                kind.name()
            );
            return Err(self.mismatch(&slot.path, why));
        }
        let dims = data.shape().as_slice();
        if dims != slot.dims {
            let mut reversed = dims.to_vec();
            reversed.reverse();
            if slot.layer == "Linear" && reversed == slot.dims {
                let why = "the file holds it transposed, as `Linear` does with its other layout";
                return Err(self.mismatch(&slot.path, why));
            }
            let why = format!("the model's shape is {:?}, the file's {dims:?}", slot.dims);
            return Err(self.mismatch(&slot.path, why));
        }
        // Booleans are converted, and backends compute with quantized values by their own rules.
        let own_rules = matches!(data.dtype(), DType::QFloat(_) | DType::Bool(_));
        if !own_rules && !slot.device.supports_dtype(data.dtype()) {
            let why = format!(
                "the model's device cannot hold {:?}; cast the model and save it again",
                data.dtype()
            );
            return Err(self.mismatch(&slot.path, why));
        }
        Ok(())
    }
}

/// Puts tensors that are known to fit into a model.
struct Loader {
    path: Vec<String>,
    tensors: BTreeMap<String, Stored>,
}

impl Loader {
    fn take(&mut self, id: ParamId) -> Option<(ParamId, TensorData)> {
        let stored = self.tensors.remove(&self.path.join("."))?;
        Some((stored.id.map_or(id, ParamId::from), stored.data))
    }
}

impl ModuleMapper for Loader {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.into());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some((id, data)) = self.take(param.id) else {
            return param;
        };
        let dtype = data.dtype();
        let tensor = Tensor::from_data(data, (&param.lazy_device(), dtype));
        param.transform_for_load(tensor, id)
    }

    fn map_int<const D: usize>(&mut self, param: Param<Tensor<D, Int>>) -> Param<Tensor<D, Int>> {
        let Some((id, data)) = self.take(param.id) else {
            return param;
        };
        let dtype = data.dtype();
        let tensor = Tensor::from_data(data, (&param.lazy_device(), dtype));
        param.transform_for_load(tensor, id)
    }

    fn map_bool<const D: usize>(
        &mut self,
        param: Param<Tensor<D, Bool>>,
    ) -> Param<Tensor<D, Bool>> {
        let Some((id, data)) = self.take(param.id) else {
            return param;
        };
        // Devices store booleans in one byte or four; the file may come from another one.
        let data = TensorData::new(read_bools(&data), data.shape().clone());
        let tensor = Tensor::from_data(data, &param.lazy_device());
        param.transform_for_load(tensor, id)
    }
}

/// The elements of a boolean tensor, whose bytes may be any in a damaged file.
pub(super) fn read_bools(data: &TensorData) -> Vec<bool> {
    let is_set = |bytes: &[u8]| bytes.iter().any(|byte| *byte != 0);
    data.as_bytes()
        .chunks_exact(data.dtype().size())
        .map(is_set)
        .collect()
}
