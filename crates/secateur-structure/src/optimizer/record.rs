//! An optimizer's record, taken apart.

use std::collections::{BTreeMap, BTreeSet};

use burn::tensor::{Bytes, DType, TensorData};
use burn_pack::{Reader, Scalar, Writer};
use secateur_core::pack;

use super::{ALL, OptimizerReport, factored};
use crate::{
    cut::{Cut, ParamCut},
    error::StructureError,
    slice::flat_places,
    survey::{Found, Survey},
};

/// One named tensor of the state.
pub(super) struct Entry {
    /// `{parameter id}.{field}`, or the field alone where there is no id.
    pub name: String,
    pub id: Option<u64>,
    pub data: TensorData,
}

/// Tensors and scalars by name; the paths of the parameters by id.
pub(super) struct Record {
    pub entries: Vec<Entry>,
    scalars: BTreeMap<String, Scalar>,
    paths: BTreeMap<String, String>,
}

fn damaged(error: impl std::fmt::Display) -> StructureError {
    StructureError::OptimizerState {
        why: error.to_string(),
    }
}

impl Record {
    pub fn read(bytes: Vec<u8>) -> Result<Self, StructureError> {
        let reader = Reader::from_bytes(Bytes::from_bytes_vec(bytes)).map_err(damaged)?;
        let scalars = reader.scalars().clone();
        let paths = reader.metadata().clone();
        let tensors = pack::tensors(reader).map_err(damaged)?.into_iter();
        let entries = tensors.map(|(name, id, data)| Entry { name, id, data });
        Ok(Self {
            entries: entries.collect(),
            scalars,
            paths,
        })
    }

    pub fn write(self) -> Result<Vec<u8>, StructureError> {
        let tensors = self.entries.into_iter().map(|entry| {
            let (bytes, shape, dtype) = entry.data.into_parts();
            burn_pack::Tensor::new(entry.name, dtype, shape, entry.id, bytes)
        });
        let mut writer = Writer::new(tensors.collect());
        for (name, value) in &self.scalars {
            writer = writer.with_scalar(name, *value);
        }
        for (id, path) in &self.paths {
            writer = writer.with_metadata(id, path);
        }
        Ok(writer.into_bytes().map_err(damaged)?.to_vec())
    }

    /// The first tensor that one of two records has and the other has not.
    pub fn differs(&self, other: &Self) -> Option<String> {
        let names = |record: &Self| -> BTreeSet<String> {
            let names = record.entries.iter().map(|entry| entry.name.clone());
            names.collect()
        };
        let (ours, theirs) = (names(self), names(other));
        ours.symmetric_difference(&theirs).next().cloned()
    }

    /// Cuts every tensor with its parameter.
    pub fn cut(&mut self, cut: &Cut, survey: &Survey) -> OptimizerReport {
        let mut report = OptimizerReport::default();
        self.cut_flat(cut, survey, &mut report);
        let mut seen = BTreeSet::new();
        for found in &survey.params {
            if cut.drops(&found.path) {
                self.drop_param(found, cut, survey, &mut report);
                continue;
            }
            let param = cut.params.get(&found.path).filter(|cut| !cut.is_whole());
            // Fields that share a parameter share its state.
            if let Some(param) = param.filter(|_| seen.insert(found.id.val())) {
                self.cut_param(found, param, &mut report);
            }
        }
        report
    }

    /// Forgets a parameter, unless a field that stays shares it.
    fn drop_param(
        &mut self,
        found: &Found,
        cut: &Cut,
        survey: &Survey,
        report: &mut OptimizerReport,
    ) {
        let id = found.id.val();
        let mut others = survey.params.iter();
        let is_shared = others.any(|other| other.id.val() == id && !cut.drops(&other.path));
        if !is_shared && self.entries.iter().any(|entry| entry.id == Some(id)) {
            self.forget(id);
            report.dropped.push(found.path.clone());
        }
    }

    fn cut_param(&mut self, found: &Found, cut: &ParamCut, report: &mut OptimizerReport) {
        let id = found.id.val();
        let own = |entry: &&Entry| entry.id == Some(id);
        let misfit = self.entries.iter().filter(own).find_map(|entry| {
            let why = match fitted(&entry.data, cut) {
                Some(_) if element_size(&entry.data).is_some() => return None,
                Some(_) => format!("is of type {:?}", entry.data.dtype()),
                None => {
                    let dims = entry.data.shape().as_slice();
                    format!("has the shape {dims:?}, the parameter {:?}", cut.shape)
                }
            };
            Some(format!("`{}` {why}", field(entry)))
        });
        if let Some(why) = misfit {
            self.forget(id);
            report.reset.insert(found.path.clone(), why);
            return;
        }
        let scaled = factored::cut(&mut self.entries, id, cut);
        let mut names = Vec::new();
        for entry in self.entries.iter_mut().filter(|entry| entry.id == Some(id)) {
            names.push(field(entry).to_string());
            if let Some(cut) = fitted(&entry.data, cut) {
                slice(&mut entry.data, &cut);
            }
        }
        if !names.is_empty() {
            report.sliced.insert(found.path.clone(), names);
        }
        if !scaled.is_empty() {
            report.scaled.insert(found.path.clone(), scaled);
        }
    }

    /// Cuts vectors that hold all parameters one after the other, as L-BFGS does.
    fn cut_flat(&mut self, cut: &Cut, survey: &Survey, report: &mut OptimizerReport) {
        if !self.entries.iter().any(|entry| entry.id.is_none()) {
            return;
        }
        let mut places = Vec::new();
        let mut total = 0;
        for found in survey.params.iter().filter(|found| found.is_float) {
            let len: usize = found.shape.iter().product();
            match cut.params.get(&found.path) {
                _ if cut.drops(&found.path) => {}
                Some(param) => places.extend(flat_places(param).iter().map(|at| total + at)),
                None => places.extend(total..total + len),
            }
            total += len;
        }
        if places.len() == total {
            return;
        }
        let flat = ParamCut {
            shape: vec![total],
            kept: vec![Some(places)],
        };
        let all = |entry: &&mut Entry| entry.id.is_none();
        let fits = |entry: &Entry| {
            entry.data.shape().as_slice() == [total] && element_size(&entry.data).is_some()
        };
        if let Some(entry) = self.entries.iter().find(|e| e.id.is_none() && !fits(e)) {
            let why = format!(
                "`{}` has the shape {:?}, the model's {total} floats are not what it holds",
                entry.name,
                entry.data.shape().as_slice()
            );
            self.forget_all();
            report.reset.insert(ALL.into(), why);
            return;
        }
        let mut names = Vec::new();
        for entry in self.entries.iter_mut().filter(all) {
            slice(&mut entry.data, &flat);
            names.push(entry.name.clone());
        }
        report.sliced.insert(ALL.into(), names);
    }

    /// Zeroes single elements.
    pub fn zero(
        &mut self,
        elements: &BTreeMap<String, Vec<usize>>,
        survey: &Survey,
    ) -> OptimizerReport {
        let mut report = OptimizerReport::default();
        let floats = survey.params.iter().filter(|found| found.is_float);
        let total: usize = floats
            .map(|found| found.shape.iter().product::<usize>())
            .sum();
        let mut before = 0;
        for found in &survey.params {
            let len: usize = found.shape.iter().product();
            let start = before;
            before += if found.is_float { len } else { 0 };
            let Some(places) = elements.get(&found.path) else {
                continue;
            };
            for entry in &mut self.entries {
                let dims = entry.data.shape().as_slice();
                let (path, offset) = match entry.id {
                    Some(id) if id != found.id.val() => continue,
                    Some(_) if dims == found.shape => (found.path.as_str(), 0),
                    None if dims == [total] && found.is_float => (ALL, start),
                    _ => {
                        let why = format!("`{}` does not tell its elements apart", field(entry));
                        report.left.insert(found.path.clone(), why);
                        continue;
                    }
                };
                let name = field(entry).to_string();
                zero(&mut entry.data, places, offset);
                let names = report.sliced.entry(path.into()).or_default();
                if !names.contains(&name) {
                    names.push(name);
                }
            }
        }
        report
    }

    /// Drops what is remembered of one parameter.
    fn forget(&mut self, id: u64) {
        let prefix = format!("{id}.");
        self.entries.retain(|entry| entry.id != Some(id));
        self.scalars.retain(|name, _| !name.starts_with(&prefix));
        self.paths.remove(&id.to_string());
    }

    /// Drops what is remembered of all parameters at once.
    fn forget_all(&mut self) {
        self.entries.retain(|entry| entry.id.is_some());
        // L-BFGS takes a record for its own only if it counts iterations and history, and begins
        // anew where both are zero.
        self.scalars
            .retain(|name, _| name == "g_iter" || name.ends_with(".len"));
        for count in self.scalars.values_mut() {
            *count = Scalar::from(0_usize);
        }
    }
}

/// The state's name for the tensor, without the id.
pub(super) fn field(entry: &Entry) -> &str {
    match entry.id {
        Some(_) => entry.name.split_once('.').map_or("", |(_, field)| field),
        None => &entry.name,
    }
}

/// The cut of a tensor that has the parameter's dimensions, or 1 in their stead.
fn fitted(data: &TensorData, cut: &ParamCut) -> Option<ParamCut> {
    let dims = data.shape().as_slice();
    if dims.len() != cut.shape.len() {
        return None;
    }
    let kept = dims.iter().zip(&cut.shape).zip(&cut.kept);
    let kept: Option<Vec<_>> = kept
        .map(|((&size, &full), kept)| match size {
            size if size == full => Some(kept.clone()),
            1 => Some(None),
            _ => None,
        })
        .collect();
    Some(ParamCut {
        shape: dims.to_vec(),
        kept: kept?,
    })
}

/// Bytes of an element; `None` for types whose elements have none of their own.
fn element_size(data: &TensorData) -> Option<usize> {
    match data.dtype() {
        DType::QFloat(_) => None,
        dtype => Some(dtype.size()),
    }
}

/// Leaves the elements that a cut leaves; the data must have its shape.
fn slice(data: &mut TensorData, cut: &ParamCut) {
    let Some(size) = element_size(data) else {
        return;
    };
    let bytes = data.as_bytes();
    let left = flat_places(cut).into_iter();
    let left: Vec<u8> = left
        .flat_map(|at| bytes[at * size..(at + 1) * size].iter().copied())
        .collect();
    let dtype = data.dtype();
    *data = TensorData::from_bytes_vec(left, cut.shape_after(), dtype);
}

/// Sets elements to zero, which has no bit set in any float type.
fn zero(data: &mut TensorData, places: &[usize], offset: usize) {
    let Some(size) = element_size(data) else {
        return;
    };
    let mut bytes = data.as_bytes().to_vec();
    for place in places {
        let at = (offset + place) * size;
        bytes[at..at + size].fill(0);
    }
    *data = TensorData::from_bytes_vec(bytes, data.shape().clone(), data.dtype());
}
