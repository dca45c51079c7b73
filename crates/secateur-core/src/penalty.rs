//! Penalties: terms of the training loss that make weights easier to remove.

use std::any::Any;
use std::fmt::Debug;

use burn::Tensor;

use crate::params::ParamInfo;

/// A term of the training loss, summed over parameters (network slimming's L1 on norm scales,
/// group lasso).
pub trait Penalty: Any + Debug + Send + Sync {
    /// The term of one parameter, or `None` if the penalty leaves it alone.
    ///
    /// `weight` is the effective weight, flattened in storage order `[elements]`, attached to the
    /// autodiff graph. The result has one element.
    fn of(&self, info: &ParamInfo, weight: Tensor<1>) -> Option<Tensor<1>>;
}
