//! A model's parameters as they are, and whether a cut fits them.

use std::collections::BTreeMap;

use burn::{
    Tensor,
    module::{Module, ModuleVisitor, Param, ParamId},
    tensor::{Bool, DType, Int},
};
use secateur_core::{attach::MASK_NAME, error::PruneError};

use crate::{
    cut::{Cut, ParamCut},
    error::StructureError,
};

/// One parameter.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub path: String,
    pub id: ParamId,
    /// Its dimensions as it lies in the model.
    pub shape: Vec<usize>,
    pub dtype: DType,
    pub is_float: bool,
    /// Name of a reparameterization that is no mask.
    pub foreign: Option<String>,
    /// Whether a mask acts on it.
    pub is_masked: bool,
}

/// The parameters of a model in Burn's order, without what lies inside reparameterizations.
///
/// Initialises them: only then does a column-major weight tell its dimensions.
pub(crate) struct Survey {
    pub params: Vec<Found>,
    index: BTreeMap<String, usize>,
}

impl Survey {
    pub fn of<M: Module>(model: &M) -> Self {
        let mut surveyor = Surveyor::default();
        model.visit(&mut surveyor);
        let params = surveyor.params;
        let index = params.iter().enumerate();
        let index = index.map(|(i, found)| (found.path.clone(), i)).collect();
        Self { params, index }
    }

    pub fn get(&self, path: &str) -> Option<&Found> {
        self.index.get(path).map(|&i| &self.params[i])
    }

    /// The dimensions of a parameter.
    pub fn shape(&self, path: &str) -> Option<&[usize]> {
        self.get(path).map(|found| found.shape.as_slice())
    }

    /// Checks that the parameters' part of a cut can be carried out.
    pub fn check(&self, cut: &Cut) -> Result<(), StructureError> {
        for (path, param) in &cut.params {
            let Some(found) = self.get(path) else {
                return Err(StructureError::UnknownParameter { path: path.clone() });
            };
            check_places(path, param, &found.shape)?;
            if param.is_whole() {
                continue;
            }
            if let Some(name) = &found.foreign {
                return Err(PruneError::Reparameterized {
                    path: path.clone(),
                    name: name.clone(),
                }
                .into());
            }
            if let DType::QFloat(_) = found.dtype {
                return Err(PruneError::UnsupportedDType {
                    path: path.clone(),
                    dtype: format!("{:?}", found.dtype),
                }
                .into());
            }
        }
        self.check_tied(cut)
    }

    fn check_tied(&self, cut: &Cut) -> Result<(), StructureError> {
        let mut first: BTreeMap<u64, &Found> = BTreeMap::new();
        let kept = |found: &Found| {
            let param = cut.params.get(&found.path);
            param.filter(|param| !param.is_whole())
        };
        for found in &self.params {
            let other = *first.entry(found.id.val()).or_insert(found);
            if kept(found) != kept(other) {
                return Err(StructureError::TiedCut {
                    path: found.path.clone(),
                    other: other.path.clone(),
                });
            }
        }
        Ok(())
    }
}

fn check_places(path: &str, param: &ParamCut, found: &[usize]) -> Result<(), StructureError> {
    if param.shape != found || param.kept.len() != found.len() {
        return Err(StructureError::ShapeMismatch {
            path: path.into(),
            planned: param.shape.clone(),
            lists: param.kept.len(),
            found: found.to_vec(),
        });
    }
    for (dim, (kept, &size)) in param.kept.iter().zip(found).enumerate() {
        let Some(kept) = kept else { continue };
        if kept.is_empty() {
            return Err(StructureError::NothingLeft {
                path: path.into(),
                dim,
            });
        }
        let bad = |place, why: String| StructureError::BadPlace {
            path: path.into(),
            dim,
            place,
            why,
            size,
        };
        for (at, &place) in kept.iter().enumerate() {
            if place >= size {
                return Err(bad(place, "does not exist".into()));
            }
            if at > 0 && place <= kept[at - 1] {
                return Err(bad(place, format!("follows {}", kept[at - 1])));
            }
        }
    }
    Ok(())
}

#[derive(Default)]
struct Surveyor {
    path: Vec<String>,
    /// Depth of reparameterizations around the current parameter.
    inside: usize,
    params: Vec<Found>,
}

impl Surveyor {
    fn add(&mut self, id: ParamId, shape: &[usize], dtype: DType, is_float: bool) {
        if self.inside == 0 {
            self.params.push(Found {
                path: self.path.join("."),
                id,
                shape: shape.to_vec(),
                dtype,
                is_float,
                foreign: None,
                is_masked: false,
            });
        }
    }
}

impl ModuleVisitor for Surveyor {
    fn enter_module(&mut self, name: &str, container_type: &str) {
        if container_type == "Reparameterization" {
            self.inside += 1;
            // Burn visits it right after the parameter that carries it.
            if let Some(owner) = self.params.last_mut() {
                match name {
                    MASK_NAME => owner.is_masked = true,
                    _ => owner.foreign = Some(name.into()),
                }
            }
        }
        self.path.push(name.into());
    }

    fn exit_module(&mut self, _name: &str, container_type: &str) {
        self.path.pop();
        self.inside -= usize::from(container_type == "Reparameterization");
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let base = param.base();
        self.add(param.id, &base.dims(), base.dtype(), true);
    }

    fn visit_int<const D: usize>(&mut self, param: &Param<Tensor<D, Int>>) {
        let value = param.val();
        self.add(param.id, &value.dims(), value.dtype(), false);
    }

    fn visit_bool<const D: usize>(&mut self, param: &Param<Tensor<D, Bool>>) {
        let value = param.val();
        self.add(param.id, &value.dims(), value.dtype(), false);
    }
}
