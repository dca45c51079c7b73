//! The parameters of a layer whose fields are private, by path.

use std::any::Any;

use burn::module::{Flag, Module, ModuleMapper, ModuleVisitor, Param};
use burn::nn::Linear;
use burn::tensor::Tensor;

use super::AttentionError;

/// Clones of a layer's parameters, with their ids and training state.
#[derive(Default)]
pub(super) struct Parameters {
    layer: &'static str,
    path: Vec<String>,
    /// `Param<Tensor<D>>` for whatever `D`.
    floats: Vec<(String, Box<dyn Any>)>,
    flags: Vec<(String, Param<Flag>)>,
    /// Path of the first parameter with a reparameterization, and its name. Burn shows a visitor what
    /// is below one and not the thing itself.
    reparameterized: Option<(String, String)>,
    /// First path that [`put_into`](Self::put_into) found nothing for.
    without: Option<String>,
}

impl Parameters {
    /// Reads the parameters of `module`, a `layer` of Burn or on the way to become one.
    pub(super) fn of(module: &impl Module, layer: &'static str) -> Result<Self, AttentionError> {
        let mut parameters = Self {
            layer,
            ..Self::default()
        };
        module.visit(&mut parameters);
        match parameters.reparameterized.take() {
            None => Ok(parameters),
            Some((path, name)) => Err(AttentionError::Reparameterized { path, name, layer }),
        }
    }

    /// `module`, a `layer` of Burn, with these parameters in the places of its own.
    pub(super) fn put_into<M: Module>(
        mut self,
        module: M,
        layer: &'static str,
    ) -> Result<M, AttentionError> {
        self.layer = layer;
        let module = module.map(&mut self);
        match self.without.take() {
            None => Ok(module),
            Some(path) => Err(self.missing(&path)),
        }
    }

    /// The linear layer at `path`.
    pub(super) fn linear(&self, path: &str) -> Result<Linear, AttentionError> {
        let weight = format!("{path}.weight");
        Ok(Linear {
            weight: self.float(&weight).ok_or_else(|| self.missing(&weight))?,
            bias: self.float(&format!("{path}.bias")),
        })
    }

    /// The flag at `path`.
    pub(super) fn flag(&self, path: &str) -> Result<Param<Flag>, AttentionError> {
        let found = self.flags.iter().find(|(known, _)| known == path);
        found
            .map(|(_, flag)| flag.clone())
            .ok_or_else(|| self.missing(path))
    }

    fn float<const D: usize>(&self, path: &str) -> Option<Param<Tensor<D>>> {
        let (_, param) = self.floats.iter().find(|(known, _)| known == path)?;
        param.downcast_ref().cloned()
    }

    fn missing(&self, path: &str) -> AttentionError {
        AttentionError::Missing {
            path: path.into(),
            layer: self.layer,
        }
    }
}

impl ModuleVisitor for Parameters {
    fn enter_module(&mut self, name: &str, container_type: &str) {
        if container_type == "Reparameterization" {
            let path = self.path.join(".");
            self.reparameterized.get_or_insert((path, name.into()));
        }
        self.path.push(name.into());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let path = self.path.join(".");
        self.floats.push((path, Box::new(param.clone())));
    }

    fn visit_flag(&mut self, flag: &Param<Flag>) {
        self.flags.push((self.path.join("."), flag.clone()));
    }
}

impl ModuleMapper for Parameters {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.into());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let path = self.path.join(".");
        self.float(&path).unwrap_or_else(|| {
            self.without.get_or_insert(path);
            param
        })
    }

    fn map_flag(&mut self, flag: Param<Flag>) -> Param<Flag> {
        let path = self.path.join(".");
        self.flag(&path).unwrap_or_else(|_| {
            self.without.get_or_insert(path);
            flag
        })
    }
}
