//! Which captured tensor is which parameter.

use std::collections::HashMap;

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Bool, Int, Tensor};
use burn_capture::TensorId;

use crate::tensors::GraphTensors;

/// Makes lazy parameters what they are, so that a capture records their values and not how they
/// come about.
pub(crate) fn initialise<M: Module>(model: &M) {
    struct Touch;
    impl ModuleVisitor for Touch {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let _ = param.val();
        }
        fn visit_int<const D: usize>(&mut self, param: &Param<Tensor<D, Int>>) {
            let _ = param.val();
        }
        fn visit_bool<const D: usize>(&mut self, param: &Param<Tensor<D, Bool>>) {
            let _ = param.val();
        }
    }
    model.visit(&mut Touch);
}

/// The parameters of a model on a capture device: the path of each tensor. Of several fields with
/// one tensor the first is named.
#[derive(Debug, Default)]
pub(crate) struct Parameters {
    path: Vec<String>,
    /// In Burn's traversal order.
    pub(crate) paths: Vec<(TensorId, String)>,
    seen: HashMap<TensorId, usize>,
    /// Parameters without an id, and why.
    pub(crate) missing: Vec<(String, String)>,
}

impl Parameters {
    pub(crate) fn of<M: Module>(model: &M) -> Self {
        let mut parameters = Self::default();
        model.visit(&mut parameters);
        parameters
    }

    fn add(&mut self, tensor: &impl GraphTensors) {
        let path = self.path.join(".");
        tensor.ids(&mut |id| match id {
            Ok(id) => {
                let next = self.paths.len();
                if *self.seen.entry(id).or_insert(next) == next {
                    self.paths.push((id, path.clone()));
                }
            }
            Err(reason) => self.missing.push((path.clone(), reason)),
        });
    }
}

impl ModuleVisitor for Parameters {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.into());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.add(&param.val());
    }

    fn visit_int<const D: usize>(&mut self, param: &Param<Tensor<D, Int>>) {
        self.add(&param.val());
    }

    fn visit_bool<const D: usize>(&mut self, param: &Param<Tensor<D, Bool>>) {
        self.add(&param.val());
    }
}
