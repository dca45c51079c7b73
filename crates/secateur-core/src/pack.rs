//! Secateur's own files: Burn's container with a kind, a version and a checksum.

use std::{collections::BTreeMap, path::Path};

use burn::tensor::{Bytes, TensorData};
use burn_pack::{Reader, Writer};

pub(crate) use crate::seal::corrupt;

use crate::error::PruneError;

const KIND: &str = "secateur.kind";
const VERSION: &str = "secateur.version";
const CHECKSUM: &str = "secateur.crc32";
const BODY: &str = "secateur.body";

/// Named tensors and a text, of a kind and a version.
#[derive(Clone, Debug)]
pub(crate) struct Container {
    kind: &'static str,
    version: u32,
    /// Free text, JSON by convention.
    pub body: String,
    pub tensors: BTreeMap<String, TensorData>,
}

impl Container {
    pub(crate) fn new(kind: &'static str, version: u32) -> Self {
        Self {
            kind,
            version,
            body: String::new(),
            tensors: BTreeMap::new(),
        }
    }

    pub(crate) fn with_body(mut self, body: String) -> Self {
        self.body = body;
        self
    }

    pub(crate) fn with_tensors(
        mut self,
        tensors: impl IntoIterator<Item = (String, TensorData)>,
    ) -> Self {
        self.tensors.extend(tensors);
        self
    }

    /// CRC-32 over names, shapes, types and bytes of all tensors, in name order, and the body.
    fn checksum(&self) -> u32 {
        let mut crc = crc32fast::Hasher::new();
        crc.update(self.body.as_bytes());
        for (name, data) in &self.tensors {
            crc.update(name.as_bytes());
            crc.update(format!("{:?}{:?}", data.dtype(), data.shape().as_slice()).as_bytes());
            crc.update(data.as_bytes());
        }
        crc.finalize()
    }

    fn writer(self) -> Writer {
        let (checksum, kind, version) = (self.checksum(), self.kind, self.version);
        let tensors = self.tensors.into_iter().map(|(name, data)| {
            let (bytes, shape, dtype) = data.into_parts();
            burn_pack::Tensor::new(name, dtype, shape, None, bytes)
        });
        Writer::new(tensors.collect())
            .with_metadata(KIND, kind)
            .with_metadata(VERSION, &version.to_string())
            .with_metadata(CHECKSUM, &format!("{checksum:08x}"))
            .with_metadata(BODY, &self.body)
            .auto_extension(false)
    }

    /// Writes the file as a whole or not at all.
    pub(crate) fn save(self, file: &Path) -> Result<(), PruneError> {
        self.writer()
            .write_to_file(file)
            .map_err(|error| PruneError::Io {
                action: "write",
                file: file.into(),
                why: error.to_string(),
            })
    }

    pub(crate) fn load(
        file: &Path,
        kind: &'static str,
        supported: u32,
    ) -> Result<Self, PruneError> {
        Self::from_bytes(read(file)?, &file.display().to_string(), kind, supported)
    }

    fn from_bytes(
        bytes: Vec<u8>,
        name: &str,
        kind: &'static str,
        supported: u32,
    ) -> Result<Self, PruneError> {
        Self::from_reader(open(bytes, name, kind)?, name, kind, supported)
    }

    pub(crate) fn from_reader(
        reader: Reader,
        name: &str,
        kind: &'static str,
        supported: u32,
    ) -> Result<Self, PruneError> {
        let corrupt = |why: String| corrupt(name, kind, why);
        let meta = reader.metadata().clone();
        match meta.get(KIND) {
            Some(found) if found == kind => {}
            Some(found) => return Err(corrupt(format!("it holds {found}"))),
            None => return Err(corrupt("Secateur did not write it".into())),
        }
        let version: u32 = meta
            .get(VERSION)
            .and_then(|v| v.parse().ok())
            .ok_or_else(|| corrupt("its version cannot be read".into()))?;
        if version > supported {
            return Err(PruneError::FileVersion {
                file: name.into(),
                found: version,
                supported,
            });
        }
        let mut container = Self::new(kind, version);
        container.body = meta.get(BODY).cloned().unwrap_or_default();
        for (name, _, data) in tensors(reader).map_err(&corrupt)? {
            container.tensors.insert(name, data);
        }
        let checksum = format!("{:08x}", container.checksum());
        if meta.get(CHECKSUM) != Some(&checksum) {
            return Err(corrupt("its checksum is wrong".into()));
        }
        Ok(container)
    }
}

/// The bytes of a file.
pub(crate) fn read(file: &Path) -> Result<Vec<u8>, PruneError> {
    std::fs::read(file).map_err(|error| PruneError::Io {
        action: "read",
        file: file.into(),
        why: error.to_string(),
    })
}

/// Reads the table of contents of Burn's container; `kind` is what the error calls it.
pub(crate) fn open(bytes: Vec<u8>, name: &str, kind: &str) -> Result<Reader, PruneError> {
    Reader::from_bytes(Bytes::from_bytes_vec(bytes))
        .map_err(|error| corrupt(name, kind, error.to_string()))
}

/// What Secateur says that the container holds; `None` for one that Burn wrote.
pub(crate) fn kind_of(reader: &Reader) -> Option<&str> {
    reader.metadata().get(KIND).map(String::as_str)
}

/// Name, parameter id and data of every tensor, each checked to have the bytes that its shape
/// asks for.
///
/// # Errors
/// What is wrong with the container, in words.
pub fn tensors(reader: Reader) -> Result<Vec<(String, Option<u64>, TensorData)>, String> {
    let tensors = reader.into_tensors().map_err(|error| error.to_string())?;
    let parts = tensors.into_iter().map(|tensor| {
        let (name, dtype, shape, id, bytes) =
            tensor.into_parts().map_err(|error| error.to_string())?;
        let data = TensorData::try_from_bytes(bytes, shape, dtype)
            .map_err(|error| format!("tensor `{name}`: {error:?}"))?;
        Ok((name, id, data))
    });
    parts.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Container {
        Container::new("weights", 1)
            .with_body("{}".into())
            .with_tensors([
                (
                    "a".to_string(),
                    TensorData::from([[1.0f32, 2.0], [3.0, 4.0]]),
                ),
                ("b".to_string(), TensorData::from([true, false])),
            ])
    }

    fn read(bytes: Vec<u8>) -> Result<Container, PruneError> {
        Container::from_bytes(bytes, "bytes in memory", "weights", 1)
    }

    #[test]
    fn round_trip() {
        let bytes = sample().writer().into_bytes().unwrap();
        let back = read(bytes.to_vec()).unwrap();
        assert_eq!(back.body, "{}");
        assert_eq!(back.tensors, sample().tensors);
    }

    #[test]
    fn every_flipped_bit_and_every_truncation_is_an_error_or_harmless() {
        let bytes = sample().writer().into_bytes().unwrap().to_vec();
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1 << (at % 8);
            // Padding between tensors may flip unseen; what is read must be what was written.
            if let Ok(read) = read(damaged) {
                assert_eq!(read.tensors, sample().tensors);
                assert_eq!(read.body, "{}");
            }
            assert!(read(bytes[..at].to_vec()).is_err() || at + 64 > bytes.len());
        }
    }

    #[test]
    fn other_kinds_and_later_versions_are_refused() {
        let bytes = sample().writer().into_bytes().unwrap().to_vec();
        let other = Container::from_bytes(bytes, "f", "pruner state", 1).unwrap_err();
        assert!(other.to_string().contains("it holds weights"), "{other}");
        let mut later = sample();
        later.version = 2;
        let bytes = later.writer().into_bytes().unwrap().to_vec();
        assert!(matches!(
            read(bytes),
            Err(PruneError::FileVersion { found: 2, .. })
        ));
    }
}
