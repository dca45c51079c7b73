//! Weights on the host: read from a model, kept as a snapshot, written back.

use std::{borrow::Cow, collections::BTreeMap, path::Path};

use burn::{
    Tensor,
    module::{Module, ModuleMapper, ModuleVisitor, Param},
    optim::GradientsParams,
    tensor::{DType, TensorData},
};
use half::{bf16, f16};

use crate::{attach::read_masks, bits::Bits, error::PruneError, pack, view::View};

/// The float tensors of a model at some moment, by record path: initial weights to rewind to,
/// values that regrown elements come back with.
///
/// Holds what is stored, so under a mask the removed values too, in each parameter's own float
/// type and in the order of `Tensor::into_data`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Weights {
    pub(crate) tensors: BTreeMap<String, TensorData>,
}

impl Weights {
    /// The stored weights of a model.
    pub fn of<M: Module>(model: &M) -> Self {
        let mut weights = Self::default();
        visit_floats(model, |path, param| {
            weights.tensors.insert(path.into(), param.data());
        });
        weights
    }

    /// The weights that act: as stored, and exactly +0.0 where a mask removes them.
    ///
    /// # Errors
    /// [`PruneError::UnsupportedDType`] for a masked parameter that is not of a float type.
    pub fn effective<M: Module>(model: &M) -> Result<Self, PruneError> {
        let mut weights = Self::of(model);
        for (path, removed) in read_masks(model) {
            if let Some(data) = weights.tensors.get_mut(&path) {
                zero_where(&path, data, &removed)?;
            }
        }
        Ok(weights)
    }

    /// The tensor at a record path.
    pub fn get(&self, path: &str) -> Option<&TensorData> {
        self.tensors.get(path)
    }

    /// All record paths, sorted.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// Number of elements that are not zero, and number of elements in all.
    pub fn non_zeros(&self) -> (usize, usize) {
        self.tensors.values().fold((0, 0), |(kept, total), data| {
            let nonzero = data.iter::<f64>().filter(|v| *v != 0.0).count();
            (kept + nonzero, total + data.num_elements())
        })
    }

    /// Saves the snapshot, atomically.
    ///
    /// # Errors
    /// [`PruneError::Io`].
    pub fn save(&self, file: impl AsRef<Path>) -> Result<(), PruneError> {
        let tensors = self
            .tensors
            .iter()
            .map(|(path, data)| (path.clone(), data.clone()));
        pack::Container::new("weights", 1)
            .with_tensors(tensors)
            .save(file.as_ref())
    }

    /// Loads a snapshot.
    ///
    /// # Errors
    /// [`PruneError::Io`], [`PruneError::CorruptFile`], [`PruneError::FileVersion`].
    pub fn load(file: impl AsRef<Path>) -> Result<Self, PruneError> {
        let container = pack::Container::load(file.as_ref(), "weights", 1)?;
        Ok(Self {
            tensors: container.tensors,
        })
    }
}

/// A float parameter whose rank is known only to the visitor.
pub(crate) trait FloatParam {
    /// The stored value.
    fn data(&self) -> TensorData;
    /// The stored value's dimensions, initialising the parameter if need be.
    fn dims(&self) -> Vec<usize>;
    /// Whether the parameter asks for gradients.
    fn is_trained(&self) -> bool;
    /// Its float type.
    fn dtype(&self) -> DType;
    /// The stored value in the order of its view.
    fn seen(&self, view: &View) -> TensorData;
    /// Its gradient in the order of its view, if the backward pass reached it.
    fn gradient(&self, grads: &GradientsParams, view: &View) -> Option<TensorData>;
}

impl<const D: usize> FloatParam for Param<Tensor<D>> {
    fn data(&self) -> TensorData {
        self.base().into_data()
    }

    fn dims(&self) -> Vec<usize> {
        self.base().dims().to_vec()
    }

    fn is_trained(&self) -> bool {
        self.base().is_require_grad()
    }

    fn dtype(&self) -> DType {
        self.base().dtype()
    }

    fn seen(&self, view: &View) -> TensorData {
        in_view_order(self.base(), view)
    }

    fn gradient(&self, grads: &GradientsParams, view: &View) -> Option<TensorData> {
        let gradient = grads.get::<D>(self.id)?;
        Some(in_view_order(gradient, view))
    }
}

/// The elements of a tensor in the order of its view.
///
/// A matrix is turned on its device, which saves one of the two passes over its elements.
fn in_view_order<const D: usize>(tensor: Tensor<D>, view: &View) -> TensorData {
    let moves = !view.is_identity() && check_dtype("", tensor.dtype()).is_ok();
    if moves && D == 2 && view.is_transpose() {
        return tensor.transpose().into_data();
    }
    let data = tensor.into_data();
    if !moves {
        return data;
    }
    match data.dtype() {
        DType::F64 => TensorData::new(view.into_view(data.iter::<f64>().collect()), [view.len()]),
        _ => TensorData::new(view.into_view(data.iter::<f32>().collect()), [view.len()]),
    }
}

/// Elements as `f32`, borrowed where they are `f32` already. Other types are converted as by
/// [`to_f32`].
pub(crate) fn as_f32<'a>(path: &str, data: &'a TensorData) -> Result<Cow<'a, [f32]>, PruneError> {
    match data.as_slice::<f32>() {
        Ok(values) => Ok(Cow::Borrowed(values)),
        Err(_) => to_f32(path, data).map(Cow::Owned),
    }
}

/// Whether scores can be computed from this type.
pub(crate) fn check_dtype(path: &str, dtype: DType) -> Result<(), PruneError> {
    match dtype {
        DType::F32 | DType::Flex32 | DType::F16 | DType::BF16 | DType::F64 => Ok(()),
        other => Err(unsupported(path, other)),
    }
}

/// Calls `visit` with the record path of every float parameter, those inside reparameterizations
/// excepted.
pub(crate) fn visit_floats<M: Module>(model: &M, visit: impl FnMut(&str, &dyn FloatParam)) {
    model.visit(&mut FloatVisitor {
        path: Vec::new(),
        inside: 0,
        visit,
    });
}

struct FloatVisitor<F> {
    path: Vec<String>,
    /// Depth of reparameterizations around the current parameter.
    inside: usize,
    visit: F,
}

impl<F: FnMut(&str, &dyn FloatParam)> ModuleVisitor for FloatVisitor<F> {
    fn enter_module(&mut self, name: &str, container_type: &str) {
        self.path.push(name.into());
        self.inside += usize::from(container_type == "Reparameterization");
    }

    fn exit_module(&mut self, _name: &str, container_type: &str) {
        self.path.pop();
        self.inside -= usize::from(container_type == "Reparameterization");
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if self.inside == 0 {
            (self.visit)(&self.path.join("."), param);
        }
    }
}

/// Replaces the stored values of the named parameters, keeping ids, devices and trainability.
///
/// The data must have the dimensions and float type of the parameter.
pub fn write_weights<M: Module>(model: &mut M, new: &BTreeMap<String, TensorData>) {
    if new.is_empty() {
        return;
    }
    *model = model.clone().map(&mut WeightWriter {
        path: Vec::new(),
        inside: 0,
        new,
    });
}

struct WeightWriter<'a> {
    path: Vec<String>,
    inside: usize,
    new: &'a BTreeMap<String, TensorData>,
}

impl ModuleMapper for WeightWriter<'_> {
    fn enter_module(&mut self, name: &str, container_type: &str) {
        self.path.push(name.into());
        self.inside += usize::from(container_type == "Reparameterization");
    }

    fn exit_module(&mut self, _name: &str, container_type: &str) {
        self.path.pop();
        self.inside -= usize::from(container_type == "Reparameterization");
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        if self.inside > 0 {
            return param;
        }
        let Some(data) = self.new.get(&self.path.join(".")) else {
            return param;
        };
        param.map(|old| {
            let dtype = data.dtype();
            let fresh = Tensor::from_data(data.clone(), (&old.device(), dtype));
            if old.is_require_grad() {
                fresh.require_grad()
            } else {
                fresh
            }
        })
    }
}

/// Elements as `f32`, in storage order.
///
/// f16 and bf16 convert exactly; f64 is rounded, which only scores see.
pub(crate) fn to_f32(path: &str, data: &TensorData) -> Result<Vec<f32>, PruneError> {
    match data.dtype() {
        DType::F32 => match data.as_slice::<f32>() {
            Ok(values) => Ok(values.to_vec()),
            Err(_) => Ok(data.iter::<f32>().collect()),
        },
        other => check_dtype(path, other).map(|()| data.iter::<f32>().collect()),
    }
}

fn unsupported(path: &str, dtype: DType) -> PruneError {
    PruneError::UnsupportedDType {
        path: path.into(),
        dtype: format!("{dtype:?}"),
    }
}

/// Applies `$body` to the data's elements as a mutable slice of their own float type.
macro_rules! with_floats {
    ($path:expr, $data:expr, |$slice:ident: $float:ident| $body:expr) => {
        match $data.dtype() {
            DType::F32 | DType::Flex32 => with_floats!($path, $data, |$slice: $float = f32| $body),
            DType::F64 => with_floats!($path, $data, |$slice: $float = f64| $body),
            DType::F16 => with_floats!($path, $data, |$slice: $float = f16| $body),
            DType::BF16 => with_floats!($path, $data, |$slice: $float = bf16| $body),
            other => return Err(unsupported($path, other)),
        }
    };
    ($path:expr, $data:expr, |$slice:ident: $float:ident = $type:ty| $body:expr) => {{
        type $float = $type;
        let $slice = $data
            .as_mut_slice::<$float>()
            .map_err(|error| PruneError::custom($path, format!("{error:?}")))?;
        $body
    }};
}

/// Sets the elements where `removed` is one to +0.0.
pub(crate) fn zero_where(
    path: &str,
    data: &mut TensorData,
    removed: &Bits,
) -> Result<(), PruneError> {
    with_floats!(path, data, |values: Float| {
        for index in removed.iter_ones() {
            if let Some(value) = values.get_mut(index) {
                *value = <Float as num_traits::Zero>::zero();
            }
        }
    });
    Ok(())
}

/// Takes over the elements of `new` (storage order) whose `f32` differs from that of `data`; what
/// does not change keeps every bit, whatever its float type.
pub(crate) fn replace_changed(
    path: &str,
    data: &mut TensorData,
    new: &[f32],
) -> Result<(), PruneError> {
    with_floats!(path, data, |values: Float| {
        for (value, &new) in values.iter_mut().zip(new) {
            let old: f32 = num_traits::AsPrimitive::as_(*value);
            if old.to_bits() != new.to_bits() {
                *value = num_traits::AsPrimitive::<Float>::as_(new);
            }
        }
    });
    Ok(())
}

/// Copies the elements where `wanted` is true from `source`, which has the same type and size.
pub(crate) fn copy_where(
    path: &str,
    data: &mut TensorData,
    source: &TensorData,
    wanted: impl Fn(usize) -> bool,
) -> Result<(), PruneError> {
    if source.dtype() != data.dtype() || source.shape() != data.shape() {
        return Err(PruneError::ModelChanged {
            path: path.into(),
            why: format!(
                "the record holds {:?} of {:?}, the model {:?} of {:?}",
                source.dtype(),
                source.shape(),
                data.dtype(),
                data.shape()
            ),
        });
    }
    with_floats!(path, data, |values: Float| {
        let source = source
            .as_slice::<Float>()
            .map_err(|error| PruneError::custom(path, format!("{error:?}")))?;
        for (index, (value, source)) in values.iter_mut().zip(source).enumerate() {
            if wanted(index) {
                *value = *source;
            }
        }
    });
    Ok(())
}
