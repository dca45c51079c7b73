//! Reading tensors of f32 from a safetensors file.
//!
//! ```text
//! u64, little-endian: bytes of the header | header, JSON | data
//! header: { name: { "dtype": "F32", "shape": [..], "data_offsets": [begin, end] }, .. }
//! ```

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::error::{BenchError, Result};

/// A file in memory.
#[derive(Debug)]
pub(crate) struct SafeTensors {
    path: PathBuf,
    header: HashMap<String, serde_json::Value>,
    data: Vec<u8>,
}

#[derive(Deserialize)]
struct Entry {
    dtype: String,
    shape: Vec<usize>,
    data_offsets: [usize; 2],
}

impl SafeTensors {
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(BenchError::io("read", path))?;
        Self::parse(path, &bytes)
    }

    fn parse(path: &Path, bytes: &[u8]) -> Result<Self> {
        let bad = |why: &str| damaged(path, why.to_owned());
        let (length, rest) = bytes
            .split_first_chunk()
            .ok_or_else(|| bad("it is shorter than a header"))?;
        let length = usize::try_from(u64::from_le_bytes(*length)).ok();
        let (header, data) = length
            .and_then(|length| rest.split_at_checked(length))
            .ok_or_else(|| bad("it ends inside its header"))?;
        let header = serde_json::from_slice(header)
            .map_err(|error| damaged(path, format!("its header is no JSON ({error})")))?;
        Ok(Self {
            path: path.to_path_buf(),
            header,
            data: data.to_vec(),
        })
    }

    /// A tensor's shape and its elements, row-major.
    pub(crate) fn tensor(&self, name: &str) -> Result<(Vec<usize>, Vec<f32>)> {
        let bad = |why: String| damaged(&self.path, format!("`{name}` {why}"));
        let entry = self
            .header
            .get(name)
            .ok_or_else(|| bad("is missing".to_owned()))?;
        let entry = Entry::deserialize(entry)
            .map_err(|error| bad(format!("is not described as a tensor ({error})")))?;
        if entry.dtype != "F32" {
            return Err(bad(format!("is of {}, not F32", entry.dtype)));
        }
        let [begin, end] = entry.data_offsets;
        let bytes = self
            .data
            .get(begin..end)
            .ok_or_else(|| bad("lies outside the file".to_owned()))?;
        let elements = entry
            .shape
            .iter()
            .try_fold(4_usize, |product, &size| product.checked_mul(size));
        if elements != Some(bytes.len()) {
            return Err(bad(format!(
                "has {} bytes, which does not fit its shape {:?}",
                bytes.len(),
                entry.shape
            )));
        }
        let (chunks, _) = bytes.as_chunks();
        let floats = chunks.iter().map(|&chunk| f32::from_le_bytes(chunk));
        Ok((entry.shape, floats.collect()))
    }
}

fn damaged(path: &Path, why: String) -> BenchError {
    BenchError::Damaged {
        file: path.to_path_buf(),
        why,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(header: &str, floats: &[f32]) -> Vec<u8> {
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header.as_bytes());
        bytes.extend(floats.iter().flat_map(|float| float.to_le_bytes()));
        bytes
    }

    const HEADER: &str = r#"{
        "__metadata__": {"format": "pt"},
        "w": {"dtype": "F32", "shape": [1, 2], "data_offsets": [4, 12]},
        "far": {"dtype": "F32", "shape": [1], "data_offsets": [12, 16]},
        "odd": {"dtype": "F32", "shape": [3], "data_offsets": [4, 12]},
        "half": {"dtype": "F16", "shape": [4], "data_offsets": [4, 12]}
    }"#;

    fn parse(bytes: &[u8]) -> Result<SafeTensors> {
        SafeTensors::parse(Path::new("net"), bytes)
    }

    #[test]
    fn a_tensor_is_read() {
        let net = parse(&file(HEADER, &[9.0, 1.5, -2.0])).unwrap();
        assert_eq!(net.tensor("w").unwrap(), (vec![1, 2], vec![1.5, -2.0]));
        for (name, why) in [
            ("v", "`v` is missing"),
            ("far", "`far` lies outside the file"),
            ("odd", "does not fit its shape [3]"),
            ("half", "`half` is of F16"),
            ("__metadata__", "is not described as a tensor"),
        ] {
            let message = net.tensor(name).unwrap_err().to_string();
            assert!(message.contains(why), "{message}");
        }
    }

    #[test]
    fn every_truncation_is_an_error() {
        let whole = file(HEADER, &[9.0, 1.5, -2.0]);
        for end in 0..whole.len() {
            let read = parse(&whole[..end]).and_then(|net| net.tensor("w"));
            assert!(read.is_err(), "cut at {end}");
        }
        assert!(parse(&file("not JSON", &[])).is_err());
        assert!(parse(&u64::MAX.to_le_bytes()).is_err());
    }
}
