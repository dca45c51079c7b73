//! Smaller parameters: what a cut leaves of them, in a model of the same type.

use std::{any::Any, collections::BTreeMap};

use burn::{
    Tensor,
    module::{Flag, Module, ModuleMapper, ModuleVisitor, Param},
    tensor::{Bool, Int, TensorData, kind::Basic},
};
use secateur_core::{
    attach::{MaskField, mask_field},
    layers::{Prunable, remove_parts},
    params::is_column_major,
};

use crate::{
    cut::{Cut, ParamCut},
    error::StructureError,
    settings,
    survey::Survey,
};

/// The model that a cut leaves: smaller parameters, and settings that fit them.
///
/// As [`slice_params`], then [`settings::fit`], then [`remove_parts`] for what is
/// [dropped](Cut::dropped). `model` stays as it is.
///
/// # Errors
/// Those of the three.
pub fn apply<M: Module + Prunable>(model: &M, cut: &Cut) -> Result<M, StructureError> {
    let mut smaller = slice_params(model, cut)?;
    settings::fit(&mut smaller, cut)?;
    if !cut.dropped.is_empty() {
        let parts: Vec<&str> = cut.dropped.iter().map(String::as_str).collect();
        remove_parts(&mut smaller, &parts)?;
        settings::count_layers(&mut smaller);
    }
    Ok(smaller)
}

/// The model with the parameters that a cut leaves, and its layers' settings as they were. Parts
/// that the cut drops are still there.
///
/// A parameter keeps its id, device, float type and trainability; a mask on it is cut with it and
/// goes on acting. Running statistics of norms are copied, also where they stay whole, so that
/// training the one model does not move those of the other. Parameters that were not yet
/// initialised are. The dimensions are those of the tensor in the model: `[in, out]` for the weight
/// of a `Linear` of either layout. Like any initialised column-major `Linear`, a smaller one is
/// loaded by [`load_file`](secateur_core::files::load_file) and not by Burn's `load_file`.
///
/// # Errors
/// [`StructureError::UnknownParameter`], [`StructureError::ShapeMismatch`],
/// [`StructureError::BadPlace`] and [`StructureError::NothingLeft`] if the cut does not fit,
/// [`StructureError::TiedCut`] if two fields of one parameter are cut in two ways,
/// [`PruneError::Reparameterized`](secateur_core::error::PruneError::Reparameterized) if a
/// parameter to be cut carries a LoRA or the like,
/// [`PruneError::UnsupportedDType`](secateur_core::error::PruneError::UnsupportedDType) if it was
/// quantized. `model` stays as it is in any case.
pub fn slice_params<M: Module>(model: &M, cut: &Cut) -> Result<M, StructureError> {
    Survey::of(model).check(cut)?;
    // The one way to running statistics that are not shared, which also tells each thread's share
    // of them to the original, as its next step would.
    let valid = model.valid();
    let trains = model.devices().iter().any(|device| device.is_autodiff());
    let fresh = if trains { valid.train() } else { valid };
    let mut originals = Originals::default();
    model.visit(&mut originals);
    Ok(fresh.map(&mut Slicer {
        path: Vec::new(),
        originals: originals.params,
        cut,
    }))
}

/// Every parameter by path, as it is in the model: `valid` and `train` lose how gradients of it are
/// computed, and the state of flags.
#[derive(Default)]
struct Originals {
    path: Vec<String>,
    params: BTreeMap<String, Box<dyn Any>>,
}

impl Originals {
    fn keep<T: 'static>(&mut self, param: T) {
        self.params.insert(self.path.join("."), Box::new(param));
    }
}

impl ModuleVisitor for Originals {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.into());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.keep(param.clone());
    }

    fn visit_int<const D: usize>(&mut self, param: &Param<Tensor<D, Int>>) {
        self.keep(param.clone());
    }

    fn visit_bool<const D: usize>(&mut self, param: &Param<Tensor<D, Bool>>) {
        self.keep(param.clone());
    }

    fn visit_flag(&mut self, flag: &Param<Flag>) {
        self.keep(flag.clone());
    }
}

struct Slicer<'a> {
    path: Vec<String>,
    originals: BTreeMap<String, Box<dyn Any>>,
    cut: &'a Cut,
}

impl Slicer<'_> {
    fn original<T: 'static>(&mut self, fresh: T) -> T {
        match self.originals.remove(&self.path.join(".")) {
            Some(param) => param.downcast().map_or(fresh, |param| *param),
            None => fresh,
        }
    }

    fn cut_of(&self, path: &str) -> Option<&ParamCut> {
        let param = self.cut.params.get(path);
        param.filter(|param| !param.is_whole())
    }
}

impl ModuleMapper for Slicer<'_> {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.into());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, fresh: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let param = self.original(fresh);
        match self.cut_of(&self.path.join(".")) {
            Some(cut) => {
                let turned = is_column_major(&param);
                param.map(|tensor| slice_float(tensor, &cut.kept, turned))
            }
            None => param,
        }
    }

    fn map_int<const D: usize>(&mut self, fresh: Param<Tensor<D, Int>>) -> Param<Tensor<D, Int>> {
        let param = self.original(fresh);
        match self.cut_of(&self.path.join(".")) {
            Some(cut) => param.map(|tensor| select(tensor, &cut.kept)),
            None => param,
        }
    }

    fn map_bool<const D: usize>(
        &mut self,
        fresh: Param<Tensor<D, Bool>>,
    ) -> Param<Tensor<D, Bool>> {
        let param = self.original(fresh);
        if let Some(cut) = self.cut_of(&self.path.join(".")) {
            return param.map(|tensor| select(tensor, &cut.kept));
        }
        let Some((owner, field)) = mask_field(&self.path) else {
            return param;
        };
        // An empty second mask says that the gradient is dense, and stays so.
        let is_empty = param.val().shape().num_elements() == 0;
        match self.cut_of(&owner) {
            Some(cut) if !(field == MaskField::Blocked && is_empty) => {
                param.map(|mask| slice_mask(mask, cut))
            }
            _ => param,
        }
    }

    fn map_flag(&mut self, fresh: Param<Flag>) -> Param<Flag> {
        self.original(fresh)
    }
}

/// A leaf with the places that stay, to be trained as `tensor` is.
fn slice_float<const D: usize>(
    tensor: Tensor<D>,
    kept: &[Option<Vec<usize>>],
    column_major: bool,
) -> Tensor<D> {
    let require_grad = tensor.is_require_grad();
    let checkpointing = tensor.gradient_checkpointing_strategy();
    let is_autodiff = tensor.is_autodiff();
    let inner = tensor.without_autodiff();
    let mut sliced = if column_major {
        // Selected the way it lies in memory, so that it goes on lying that way.
        let kept: Vec<_> = kept.iter().rev().cloned().collect();
        select(inner.swap_dims(0, 1), &kept).swap_dims(0, 1)
    } else {
        select(inner, kept)
    };
    if is_autodiff {
        sliced = Tensor::from_inner(sliced);
        if let Some(strategy) = checkpointing {
            sliced = sliced.with_gradient_checkpointing_strategy(strategy);
        }
    }
    if require_grad {
        sliced.require_grad()
    } else {
        sliced
    }
}

/// The places that stay, in memory of their own: a slice would keep the whole tensor alive.
fn select<const D: usize, K: Basic>(
    tensor: Tensor<D, K>,
    kept: &[Option<Vec<usize>>],
) -> Tensor<D, K> {
    let device = tensor.device();
    let dims = kept.iter().enumerate();
    dims.fold(tensor, |tensor, (dim, kept)| match kept {
        Some(kept) => {
            let places: Vec<i64> = kept.iter().map(|&place| place as i64).collect();
            let places = TensorData::new(places, [kept.len()]);
            tensor.select(dim, Tensor::<1, Int>::from_data(places, &device))
        }
        None => tensor,
    })
}

/// What stays of a flat mask on a parameter in storage order.
fn slice_mask<const D: usize>(mask: Tensor<D, Bool>, cut: &ParamCut) -> Tensor<D, Bool> {
    let device = mask.device();
    let removed: Vec<bool> = mask.into_data().iter::<bool>().collect();
    let left = flat_places(cut).into_iter();
    let left: Vec<bool> = left.map(|at| removed.get(at) == Some(&true)).collect();
    let mut dims = [1; D];
    dims[D - 1] = left.len();
    Tensor::from_data(TensorData::new(left, dims), &device)
}

/// The elements of a parameter that stay, by their places in storage order.
pub(crate) fn flat_places(cut: &ParamCut) -> Vec<usize> {
    let mut places = vec![0];
    for (kept, &size) in cut.kept.iter().zip(&cut.shape) {
        let all: Vec<usize>;
        let kept = match kept {
            Some(kept) => kept,
            None => {
                all = (0..size).collect();
                &all
            }
        };
        let outer = places.into_iter();
        places = outer
            .flat_map(|before| kept.iter().map(move |place| before * size + place))
            .collect();
    }
    places
}
