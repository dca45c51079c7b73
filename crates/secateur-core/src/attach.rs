//! Masks on a running model: attached, updated, read, and taken off again.

use std::collections::BTreeMap;

use burn::{
    Tensor,
    module::{
        Devices, Module, ModuleMapper, ModuleVisitor, Param, Reparameterization, Reparameterizer,
    },
    tensor::{Bool, Device, TensorData},
};

use crate::{
    bits::Bits,
    error::PruneError,
    mask_op::{GradientFlow, masked},
    params::{Attached, ParamEntry, ParamTable},
    weights::{Weights, write_weights},
};

/// The path component under which a parameter's mask is recorded: `fc.weight.mask.removed`.
pub const MASK_NAME: &str = "mask";

/// The mask on a parameter: a [`Reparameterization`] that makes removed elements exactly +0.0.
///
/// Burn clones, records, moves and validates it with the parameter. Its tensors are Bool, so that
/// `num_params` does not count them and no optimizer trains them. `removed` is flat, in storage
/// order, true where an element is gone; it takes one byte (on some devices four) an element,
/// against one bit in a [`Mask`](crate::mask::Mask).
#[derive(Clone, Debug)]
pub struct AttachedMask {
    /// `None` once the mask is spent: it was baked into the weight and must no longer act, be
    /// visited or be recorded, but Burn offers no way to take it off this one parameter.
    state: Option<MaskState>,
}

#[derive(Module, Debug)]
struct MaskState {
    /// `[elements]`, true where the effective weight is zero.
    removed: Param<Tensor<1, Bool>>,
    /// Where the gradient is stopped: `None` where `removed` is true, zero-length nowhere,
    /// otherwise `[elements]`.
    blocked: Option<Param<Tensor<1, Bool>>>,
}

impl MaskState {
    fn on(self, device: &Device) -> Self {
        Self {
            removed: on_device(self.removed, device),
            blocked: self.blocked.map(|blocked| on_device(blocked, device)),
        }
    }
}

/// Moves a mask by its meaning. Burn 0.22 moves a Bool between backends byte by byte, and panics
/// where the other one keeps it in another type.
fn on_device(mask: Param<Tensor<1, Bool>>, device: &Device) -> Param<Tensor<1, Bool>> {
    let (id, tensor) = (mask.id, mask.val());
    if tensor.device() == *device {
        return mask;
    }
    Param::initialized(id, mask_tensor(&bits_of(&tensor.into_data()), device))
}

/// The elements of a Bool; some devices keep one in four bytes.
fn bits_of(data: &TensorData) -> Bits {
    match data.as_slice::<bool>() {
        Ok(bools) => Bits::from_bools(bools),
        Err(_) => data.iter::<bool>().collect(),
    }
}

fn mask_tensor<const D: usize>(bits: &Bits, device: &Device) -> Tensor<D, Bool> {
    Tensor::from_data(TensorData::new(bits.to_bools(), [bits.len()]), device)
}

impl AttachedMask {
    fn keep_all(len: usize, flow: GradientFlow, device: &Device) -> Self {
        let nothing = |n| {
            let none = mask_tensor(&Bits::zeros(n), device);
            Param::initialized(burn::module::ParamId::new(), none)
        };
        Self {
            state: Some(MaskState {
                removed: nothing(len),
                blocked: match flow {
                    GradientFlow::Masked => None,
                    GradientFlow::Dense => Some(nothing(0)),
                    GradientFlow::Backward => Some(nothing(len)),
                },
            }),
        }
    }
}

impl Reparameterization for AttachedMask {
    const NAME: &'static str = MASK_NAME;

    fn apply<const D: usize>(&self, base: Tensor<D>) -> Tensor<D> {
        let Some(state) = &self.state else {
            return base;
        };
        let shape = base.shape();
        let removed = state.removed.val().reshape(shape.clone());
        let blocked = match &state.blocked {
            None => Some(removed.clone()),
            Some(blocked) if blocked.lazy_shape().num_elements() == 0 => None,
            Some(blocked) => Some(blocked.val().reshape(shape)),
        };
        masked(base, removed, blocked)
    }
}

impl Module for AttachedMask {
    fn collect_devices(&self, devices: Devices) -> Devices {
        match &self.state {
            Some(state) => state.collect_devices(devices),
            None => devices,
        }
    }

    fn fork(self, device: &Device) -> Self {
        Self {
            state: self.state.map(|state| state.on(device)),
        }
    }

    fn to_device(self, device: &Device) -> Self {
        Self {
            state: self.state.map(|state| state.on(device)),
        }
    }

    fn materialize(self) -> Self {
        self
    }

    fn visit<V: ModuleVisitor>(&self, visitor: &mut V) {
        if let Some(state) = &self.state {
            state.visit(visitor);
        }
    }

    fn map<M: ModuleMapper>(self, mapper: &mut M) -> Self {
        let state = self.state.map(|state| state.map(mapper));
        Self {
            // `detach` maps the mask to length zero: parameters without elements carry no mask.
            state: state.filter(|state| state.removed.lazy_shape().num_elements() > 0),
        }
    }

    fn valid(&self) -> Self {
        Self {
            state: self.state.as_ref().map(Module::valid),
        }
    }

    fn train(self) -> Self {
        Self {
            state: self.state.map(Module::train),
        }
    }
}

/// A flat mask for a parameter, in storage order.
#[derive(Clone, Debug, Default)]
pub(crate) struct StoredMask {
    /// One where the element is gone.
    pub removed: Bits,
    /// One where the gradient is stopped, for [`GradientFlow::Backward`].
    pub blocked: Option<Bits>,
}

/// The gradient flow of an attached mask with these tensors.
pub(crate) fn flow_of(backward: Option<usize>) -> GradientFlow {
    match backward {
        None => GradientFlow::Masked,
        Some(0) => GradientFlow::Dense,
        Some(_) => GradientFlow::Backward,
    }
}

/// Checks that the mask of `entry`, if it carries one that acts, is as long as the parameter.
pub(crate) fn check_length(entry: &ParamEntry) -> Result<(), PruneError> {
    match entry.attached {
        Attached::Mask { len, .. } if len > 0 && len != entry.info.len() => {
            Err(PruneError::ModelChanged {
                path: entry.info.path.clone(),
                why: format!("it has {} elements and its mask {len}", entry.info.len()),
            })
        }
        _ => Ok(()),
    }
}

/// Checks that `entry` carries a mask that passes gradients as `flow` says.
///
/// `Ok(false)` means that it carries nothing yet.
pub(crate) fn check_attached(entry: &ParamEntry, flow: GradientFlow) -> Result<bool, PruneError> {
    check_length(entry)?;
    let path = entry.info.path.clone();
    match &entry.attached {
        Attached::Nothing => Ok(false),
        Attached::Foreign(name) => Err(PruneError::Reparameterized {
            path,
            name: name.clone(),
        }),
        Attached::Mask { len: 0, .. } => Err(PruneError::Finished { path }),
        Attached::Mask { backward, .. } if flow_of(*backward) != flow => {
            Err(PruneError::GradientFlow {
                path,
                found: flow_of(*backward).to_string(),
                wanted: flow.to_string(),
            })
        }
        Attached::Mask { .. } => Ok(true),
    }
}

/// Puts keep-all masks on the named parameters (and every field tied to them) that have none.
///
/// Parameters that are not initialised stay so. Nothing changes when any parameter is refused.
pub(crate) fn attach<'a, M: Module>(
    model: &mut M,
    table: &ParamTable,
    paths: impl IntoIterator<Item = &'a str>,
    flow: GradientFlow,
) -> Result<(), PruneError> {
    let mut wanted = Vec::new();
    for path in paths {
        let entry = table.find(path)?;
        if entry.info.is_empty() || check_attached(entry, flow)? {
            continue;
        }
        wanted.push(path.to_string());
        wanted.extend(entry.tied.iter().cloned());
    }
    if !wanted.is_empty() {
        *model = model
            .clone()
            .apply_reparameterization(Attacher { wanted, flow });
    }
    Ok(())
}

struct Attacher {
    wanted: Vec<String>,
    flow: GradientFlow,
}

impl Reparameterizer for Attacher {
    type Reparam = AttachedMask;

    fn reparameterize<const D: usize>(
        &mut self,
        path: &str,
        param: Param<Tensor<D>>,
    ) -> (Param<Tensor<D>>, Option<Self::Reparam>) {
        let mask = self.wanted.iter().any(|wanted| wanted == path).then(|| {
            let len = param.lazy_shape().num_elements();
            AttachedMask::keep_all(len, self.flow, &param.lazy_device())
        });
        (param, mask)
    }
}

/// Replaces the tensors of attached masks. Keys are parameter paths; fields tied to a parameter
/// need an entry of their own.
pub(crate) fn write_masks<M: Module>(model: &mut M, masks: &BTreeMap<String, StoredMask>) {
    if masks.is_empty() {
        return;
    }
    *model = model.clone().map(&mut MaskWriter {
        path: Vec::new(),
        masks,
    });
}

struct MaskWriter<'a> {
    path: Vec<String>,
    masks: &'a BTreeMap<String, StoredMask>,
}

impl ModuleMapper for MaskWriter<'_> {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.into());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn map_bool<const D: usize>(
        &mut self,
        param: Param<Tensor<D, Bool>>,
    ) -> Param<Tensor<D, Bool>> {
        let Some((owner, field)) = mask_field(&self.path) else {
            return param;
        };
        let Some(mask) = self.masks.get(&owner) else {
            return param;
        };
        let bits = match field {
            MaskField::Removed => Some(&mask.removed),
            // A zero-length second mask says that the gradient is dense, and stays so.
            MaskField::Blocked if param.lazy_shape().num_elements() == 0 => None,
            MaskField::Blocked => mask.blocked.as_ref(),
        };
        let Some(bits) = bits else { return param };
        let device = param.lazy_device();
        param.map(|_| mask_tensor(bits, &device))
    }
}

/// The two tensors of an [`AttachedMask`], both flat and in the parameter's storage order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MaskField {
    /// True where the effective weight is zero: one element for each of the parameter's.
    Removed,
    /// Where the gradient is stopped: as long as `Removed`, or empty where it is stopped nowhere.
    Blocked,
}

/// Splits `fc.weight.mask.removed`, the record path of a mask's tensor, into the parameter's path
/// and the mask's field; `None` for the path of anything else.
pub fn mask_field(path: &[String]) -> Option<(String, MaskField)> {
    let [owner @ .., name, field] = path else {
        return None;
    };
    let field = match field.as_str() {
        "removed" => MaskField::Removed,
        "blocked" => MaskField::Blocked,
        _ => return None,
    };
    (name == MASK_NAME).then(|| (owner.join("."), field))
}

/// Reads the attached masks (one = removed, storage order) by parameter path.
pub(crate) fn read_masks<M: Module>(model: &M) -> BTreeMap<String, Bits> {
    let masks = read_stored(model).into_iter();
    masks.map(|(path, mask)| (path, mask.removed)).collect()
}

/// Reads the attached masks with the second masks of those that have one.
fn read_stored<M: Module>(model: &M) -> BTreeMap<String, StoredMask> {
    let mut reader = MaskReader::default();
    model.visit(&mut reader);
    reader.masks
}

#[derive(Default)]
struct MaskReader {
    path: Vec<String>,
    masks: BTreeMap<String, StoredMask>,
}

impl ModuleVisitor for MaskReader {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.into());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn visit_bool<const D: usize>(&mut self, param: &Param<Tensor<D, Bool>>) {
        let Some((owner, field)) = mask_field(&self.path) else {
            return;
        };
        let bits = bits_of(&param.val().into_data());
        let mask = self.masks.entry(owner).or_default();
        match field {
            MaskField::Removed => mask.removed = bits,
            MaskField::Blocked => mask.blocked = Some(bits),
        }
    }
}

/// Bakes the zeros of one parameter, given by all of its paths, into the weight and takes its
/// mask off. What the other masks hide stays as it is.
pub(crate) fn detach_one<M: Module>(model: &mut M, table: &ParamTable, paths: &[String]) {
    let is_foreign = |entry: &ParamEntry| matches!(entry.attached, Attached::Foreign(_));
    if table.entries.iter().any(is_foreign) {
        *model = model.clone().map(&mut Baker {
            path: Vec::new(),
            masks: read_masks(model),
            only: Some(paths),
        });
        return;
    }
    // Burn takes masks off all parameters at once: the others get theirs back.
    let mut masks = read_stored(model);
    masks.retain(|path, _| !paths.contains(path));
    let mut hidden = Weights::of(model).tensors;
    hidden.retain(|path, _| masks.contains_key(path));
    let mut plain = model.clone().materialize();
    write_weights(&mut plain, &hidden);
    for (path, mask) in &masks {
        let flow = flow_of(mask.blocked.as_ref().map(Bits::len));
        plain = plain.apply_reparameterization(Attacher {
            wanted: vec![path.clone()],
            flow,
        });
    }
    write_masks(&mut plain, &masks);
    *model = plain;
}

/// Bakes the zeros into the weights and takes all masks off.
///
/// Reparameterizations of others stay as they are: beside one, our masks are spent instead of
/// taken off, because Burn's `materialize` would fold the other one too.
pub(crate) fn detach<M: Module>(model: &mut M, table: &ParamTable) {
    let is_foreign = |entry: &ParamEntry| matches!(entry.attached, Attached::Foreign(_));
    if !table.entries.iter().any(is_foreign) {
        *model = model.clone().materialize();
        return;
    }
    let mut baker = Baker {
        path: Vec::new(),
        masks: read_masks(model),
        only: None,
    };
    *model = model.clone().map(&mut baker);
}

struct Baker<'a> {
    path: Vec<String>,
    masks: BTreeMap<String, Bits>,
    /// The parameters whose masks go, all if `None`.
    only: Option<&'a [String]>,
}

impl Baker<'_> {
    fn wants(&self, path: &String) -> bool {
        self.only.is_none_or(|only| only.contains(path))
    }
}

impl ModuleMapper for Baker<'_> {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.into());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let path = self.path.join(".");
        let Some(removed) = self.masks.remove(&path).filter(|_| self.wants(&path)) else {
            return param;
        };
        param.map(|base| {
            let removed = mask_tensor::<1>(&removed, &base.device()).reshape(base.shape());
            let require_grad = base.is_require_grad();
            // Burn tracks only leaves, which an operation's result is not until detached.
            let baked = base.detach().mask_fill(removed, 0.0).detach();
            if require_grad {
                baked.require_grad()
            } else {
                baked
            }
        })
    }

    fn map_bool<const D: usize>(
        &mut self,
        param: Param<Tensor<D, Bool>>,
    ) -> Param<Tensor<D, Bool>> {
        match mask_field(&self.path) {
            Some((owner, _)) if self.wants(&owner) => {}
            _ => return param,
        }
        let device = param.lazy_device();
        param.map(|_| Tensor::from_data(TensorData::new(Vec::<bool>::new(), [0]), &device))
    }
}
