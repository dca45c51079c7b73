//! Engines in files.
//!
//! `SECATENG`, a version, the checksum and the length of what follows (CRC-32, all numbers in
//! little-endian order), and the plan with the weights that are kept, a bit for each place and four
//! bytes for each weight.

use std::io::Write;
use std::path::Path;

use secateur_kernels::Csr;
use serde::{Deserialize, Serialize};

use super::SparseEngine;
use super::layer::{Choosing, Layer};
use super::plan::Plan;
use super::weight::Use;
use crate::error::SparseError;

const MAGIC: &[u8; 8] = b"SECATENG";
const VERSION: u32 = 1;
/// Bytes before the content.
const HEAD: usize = 24;

#[derive(Serialize, Deserialize)]
struct Content {
    plan: Plan,
    weights: Vec<StoredWeight>,
}

#[derive(Serialize, Deserialize)]
struct StoredWeight {
    name: String,
    shape: [usize; 2],
    used: Use,
    /// A bit for each place, row by row, the lowest bit of a byte first.
    kept: Vec<u8>,
    values: Vec<f32>,
}

impl StoredWeight {
    fn of(layer: &Layer) -> Self {
        let csr = layer.csr();
        let [rows, columns] = layer.shape;
        let mut kept = vec![0_u8; (rows * columns).div_ceil(8)];
        for row in 0..rows {
            for (column, _) in csr.row(row) {
                let place = row * columns + column;
                kept[place / 8] |= 1 << (place % 8);
            }
        }
        Self {
            name: layer.name.clone(),
            shape: layer.shape,
            used: layer.used.clone(),
            kept,
            values: csr.values().to_vec(),
        }
    }

    /// `None` where the parts do not fit each other.
    fn csr(&self) -> Option<Csr> {
        let [rows, columns] = self.shape;
        let places = rows.checked_mul(columns)?;
        if self.kept.len() != places.div_ceil(8) {
            return None;
        }
        let is_kept = |place: usize| self.kept[place / 8] >> (place % 8) & 1 == 1;
        let mut starts = Vec::with_capacity(rows + 1);
        let mut indices = Vec::with_capacity(self.values.len());
        starts.push(0);
        for row in 0..rows {
            let kept = (0..columns).filter(|column| is_kept(row * columns + column));
            indices.extend(kept.map(|column| column as u32));
            starts.push(indices.len());
        }
        Csr::new(self.shape, starts, indices, self.values.clone()).ok()
    }
}

pub(crate) fn save(engine: &SparseEngine, path: &Path) -> Result<(), SparseError> {
    let io = |source| SparseError::Io {
        path: path.to_owned(),
        source,
    };
    let content = Content {
        plan: engine.plan.clone(),
        weights: engine.layers.iter().map(StoredWeight::of).collect(),
    };
    let content = postcard::to_stdvec(&content).map_err(|error| SparseError::File {
        path: path.to_owned(),
        reason: format!("it could not be written: {error}"),
    })?;
    let mut head = Vec::with_capacity(HEAD);
    head.extend(MAGIC);
    head.extend(VERSION.to_le_bytes());
    head.extend(crc32fast::hash(&content).to_le_bytes());
    head.extend((content.len() as u64).to_le_bytes());
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let mut file = tempfile::NamedTempFile::new_in(folder.unwrap_or(Path::new("."))).map_err(io)?;
    file.write_all(&head).map_err(io)?;
    file.write_all(&content).map_err(io)?;
    file.as_file().sync_all().map_err(io)?;
    file.persist(path).map_err(|error| io(error.error))?;
    Ok(())
}

pub(crate) fn load(path: &Path, choosing: &Choosing) -> Result<(Plan, Vec<Layer>), SparseError> {
    let wrong = |reason: String| SparseError::File {
        path: path.to_owned(),
        reason,
    };
    let file =
        secateur_kernels::mapped::MappedFile::open(path).map_err(|source| SparseError::Io {
            path: path.to_owned(),
            source,
        })?;
    let content = content_of(&file).map_err(wrong)?;
    let (Content { plan, weights }, rest) = postcard::take_from_bytes(content)
        .map_err(|error| wrong(format!("its content is not an engine's: {error}")))?;
    if !rest.is_empty() {
        return Err(wrong(format!("{} bytes follow its content", rest.len())));
    }
    let mut layers = Vec::with_capacity(weights.len());
    for weight in weights {
        let csr = weight
            .csr()
            .ok_or_else(|| wrong(format!("the parts of {} do not fit", weight.name)))?;
        let StoredWeight {
            name, shape, used, ..
        } = weight;
        let layer = Layer::pack_csr(name.clone(), shape, used, &csr, choosing)
            .map_err(|error| wrong(format!("{name} cannot be packed: {error}")))?;
        layers.push(layer);
    }
    plan.check(&layers).map_err(wrong)?;
    Ok((plan, layers))
}

/// What follows the head, checked.
fn content_of(file: &[u8]) -> Result<&[u8], String> {
    let (head, content) = file
        .split_at_checked(HEAD)
        .ok_or("it is shorter than the head of an engine's file")?;
    let number =
        |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
    if head[..8] != *MAGIC {
        return Err(
            "it is not an engine's file; engines are written by `SparseEngine::save`".into(),
        );
    }
    if number(8) != VERSION {
        return Err(format!(
            "it has version {}, and this library reads version {VERSION}; compile and save the \
             model again",
            number(8)
        ));
    }
    let len = u64::from(number(16)) | u64::from(number(20)) << 32;
    if len != content.len() as u64 {
        return Err(format!(
            "{} bytes of {len} are there; copy it again",
            content.len()
        ));
    }
    if crc32fast::hash(content) != number(12) {
        return Err("its checksum does not fit its content; copy it again".into());
    }
    Ok(content)
}
