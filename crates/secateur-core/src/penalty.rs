//! Penalties: terms of the training loss that make weights easier to remove, and their proximal
//! steps.

use std::any::Any;
use std::fmt::Debug;

use burn::{
    Tensor,
    module::{Module, ModuleMapper, ModuleVisitor, Param},
};

use crate::error::PruneError;
use crate::params::{ParamInfo, ParamTable};
use crate::view::View;
use crate::weights::check_dtype;

/// A term of the training loss, summed over parameters (network slimming's L1 on norm scales,
/// group lasso).
pub trait Penalty: Any + Debug + Send + Sync {
    /// The term of one parameter, or `None` if the penalty leaves it alone.
    ///
    /// `weight` is the effective weight as its view `[out, in, kernel]`, attached to the autodiff
    /// graph. The result has one element.
    fn of(&self, info: &ParamInfo, weight: Tensor<3>) -> Option<Tensor<1>>;
}

/// Multiplies the weights of the parameter at `path` by what `factor` makes of the effective weight
/// `[out, in, kernel]`: the proximal step of a penalty, taken after that of the optimizer.
///
/// The result of `factor` is as long as the view along each axis, or 1. Masks stay on; values under
/// them count as zeros in what `factor` sees, and are multiplied with the others. The view is the one
/// that [`PrunerConfig::init_module`](crate::pruner::PrunerConfig::init_module) works on.
///
/// # Errors
/// [`PruneError::UnknownParameter`] if there is none of that path,
/// [`PruneError::UnsupportedDType`] if it is not of a float type, [`PruneError::Custom`] for a
/// factor of another shape. The model is then as it was.
pub fn scale<M: Module>(
    model: &mut M,
    path: &str,
    factor: impl Fn(Tensor<3>) -> Tensor<3>,
) -> Result<(), PruneError> {
    let table = ParamTable::of(model);
    let entry = table.find_tied(path)?;
    let mut reader = FactorReader {
        at: Cursor::to(&entry.info.path),
        layout: entry.layout,
        factor,
        found: None,
    };
    model.visit(&mut reader);
    let Some(found) = reader.found else {
        return Err(table.unknown(path));
    };
    let (view, factor) = found?;
    // A field that shares the id is a parameter of its own to Burn: it is stepped alike.
    for path in std::iter::once(&entry.info.path).chain(&entry.tied) {
        *model = model.clone().map(&mut Scaler {
            at: Cursor::to(path),
            view,
            factor: &factor,
        });
    }
    Ok(())
}

/// Follows a traversal to one path, past what lies inside reparameterizations.
struct Cursor<'a> {
    wanted: &'a str,
    path: Vec<String>,
    inside: usize,
}

impl<'a> Cursor<'a> {
    fn to(wanted: &'a str) -> Self {
        Self {
            wanted,
            path: Vec::new(),
            inside: 0,
        }
    }

    fn enter(&mut self, name: &str, container: &str) {
        self.path.push(name.into());
        self.inside += usize::from(container == "Reparameterization");
    }

    fn exit(&mut self, container: &str) {
        self.path.pop();
        self.inside -= usize::from(container == "Reparameterization");
    }

    fn is_there(&self) -> bool {
        self.inside == 0 && self.path.join(".") == self.wanted
    }
}

struct FactorReader<'a, F> {
    at: Cursor<'a>,
    layout: crate::view::Layout,
    factor: F,
    found: Option<Result<(View, Tensor<3>), PruneError>>,
}

impl<F: Fn(Tensor<3>) -> Tensor<3>> FactorReader<'_, F> {
    fn factor_of<const D: usize>(
        &self,
        param: &Param<Tensor<D>>,
    ) -> Result<(View, Tensor<3>), PruneError> {
        let weight = param.val().detach();
        check_dtype(self.at.wanted, weight.dtype())?;
        let view = View::new(&weight.dims(), self.layout);
        let factor = (self.factor)(view.of_tensor(weight));
        let fits = |(&factor, view): (&usize, usize)| factor == 1 || factor == view;
        match factor.dims().iter().zip(view.shape()).all(fits) {
            true => Ok((view, factor.detach())),
            false => Err(PruneError::custom(
                self.at.wanted,
                format!(
                    "a factor of {:?} does not fit the view {:?}; make each axis as long as the \
                     view's, or 1",
                    factor.dims(),
                    view.shape()
                ),
            )),
        }
    }
}

impl<F: Fn(Tensor<3>) -> Tensor<3>> ModuleVisitor for FactorReader<'_, F> {
    fn enter_module(&mut self, name: &str, container_type: &str) {
        self.at.enter(name, container_type);
    }

    fn exit_module(&mut self, _name: &str, container_type: &str) {
        self.at.exit(container_type);
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if self.at.is_there() {
            self.found = Some(self.factor_of(param));
        }
    }
}

struct Scaler<'a> {
    at: Cursor<'a>,
    view: View,
    factor: &'a Tensor<3>,
}

impl ModuleMapper for Scaler<'_> {
    fn enter_module(&mut self, name: &str, container_type: &str) {
        self.at.enter(name, container_type);
    }

    fn exit_module(&mut self, _name: &str, container_type: &str) {
        self.at.exit(container_type);
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        if !self.at.is_there() {
            return param;
        }
        param.map(|stored| {
            let trained = stored.is_require_grad();
            let dims = stored.dims();
            let weight = self.view.of_tensor(stored) * self.factor.clone();
            let scaled = self.view.stored_tensor(weight, dims).detach();
            match trained {
                true => scaled.require_grad(),
                false => scaled,
            }
        })
    }
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use burn::nn::{Linear, LinearConfig};
    use burn::tensor::Device;

    use super::*;
    use crate::pattern::Filter;
    use crate::pruner::PrunerConfig;
    use crate::schedule::OneShot;

    /// Outputs (1, 2), (3, 4) and (5, 6).
    fn layer() -> Linear {
        let device = Device::flex().autodiff();
        let mut layer = LinearConfig::new(2, 3).init(&device);
        layer.weight =
            Param::from_tensor(Tensor::from_floats([[1., 3., 5.], [2., 4., 6.]], &device));
        layer
    }

    fn rows(weight: Tensor<2>) -> Vec<f32> {
        weight.transpose().into_data().iter::<f32>().collect()
    }

    #[test]
    fn a_factor_for_each_output_and_the_mask_stays() {
        let mut layer = layer();
        let mut pruner = PrunerConfig::new()
            .with_pattern(Filter)
            .with_schedule(OneShot::new(1.0 / 3.0))
            .init_module(&layer)
            .unwrap();
        pruner.prune(&mut layer, 0).unwrap();
        let id = layer.weight.id;
        // The sums of the outputs as they act are 0, 7 and 11.
        scale(&mut layer, "weight", |weight| weight.sum_dim(1)).unwrap();
        assert_eq!(rows(layer.weight.val()), [0., 0., 21., 28., 55., 66.]);
        assert_eq!(layer.weight.id, id);
        assert!(layer.weight.base().is_require_grad());
        assert_eq!(pruner.masks(&layer).unwrap().sparsity(), 1.0 / 3.0);
    }

    #[test]
    fn what_does_not_fit_changes_nothing() {
        let mut layer = layer();
        let before = rows(layer.weight.val());
        let error = scale(&mut layer, "weight", |weight| weight.swap_dims(0, 1)).unwrap_err();
        assert!(error.to_string().contains("[3, 2, 1]"), "{error}");
        let error = scale(&mut layer, "wieght", |weight| weight).unwrap_err();
        assert!(matches!(error, PruneError::UnknownParameter { .. }));
        assert_eq!(rows(layer.weight.val()), before);
    }
}
