//! Sealed bytes: a payload behind the name of its format, its version, its length and a checksum.
//!
//! All numbers are little-endian.
//!
//! | bytes | field |
//! | --- | --- |
//! | 8 | name of the format |
//! | 4 | version of the payload, from 1 |
//! | 8 | length of the payload in bytes |
//! | length | payload |
//! | 4 | CRC-32 (IEEE) of everything before it |
//!
//! Every flipped byte and every truncation breaks the seal, and it is checked before the version is
//! believed: damage is never mistaken for the file of a later Secateur.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use burn_pack::AtomicFile;

use crate::error::PruneError;

/// Bytes before the payload.
const HEADER: usize = 8 + 4 + 8;

/// Seals a payload.
#[must_use]
pub fn seal(magic: &[u8; 8], version: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER + payload.len() + 4);
    bytes.extend(magic);
    bytes.extend(version.to_le_bytes());
    bytes.extend((payload.len() as u64).to_le_bytes());
    bytes.extend(payload);
    bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
    bytes
}

/// The version and the payload of bytes that are whole. `kind` and `name` are what errors call the
/// format and the bytes.
///
/// # Errors
/// [`PruneError::CorruptFile`] if the bytes are damaged or of another format,
/// [`PruneError::FileVersion`] if their version is above `supported`.
pub fn unseal<'a>(
    bytes: &'a [u8],
    magic: &[u8; 8],
    supported: u32,
    kind: &str,
    name: &str,
) -> Result<(u32, &'a [u8]), PruneError> {
    let corrupt = |why: String| corrupt(name, kind, why);
    let Some(rest) = bytes.strip_prefix(magic) else {
        let magic = String::from_utf8_lossy(magic);
        return Err(corrupt(format!("it does not begin with `{magic}`")));
    };
    let Some((version, length, payload, checksum)) = fields(rest) else {
        let len = bytes.len();
        let why = format!("it ends after {len} bytes, within its header");
        return Err(corrupt(why));
    };
    if payload.len() as u64 != length {
        let got = payload.len();
        let why = format!("it holds a payload of {got} bytes where {length} are announced");
        return Err(corrupt(why));
    }
    if crc32fast::hash(&bytes[..bytes.len() - size_of_val(&checksum)]) != checksum {
        return Err(corrupt("its checksum does not match".into()));
    }
    match version {
        0 => Err(corrupt("it has format version 0, which never was".into())),
        version if version > supported => Err(PruneError::FileVersion {
            file: name.into(),
            found: version,
            supported,
        }),
        version => Ok((version, payload)),
    }
}

/// Version, announced length, payload and checksum, unchecked.
fn fields(rest: &[u8]) -> Option<(u32, u64, &[u8], u32)> {
    let (&version, rest) = rest.split_first_chunk()?;
    let (&length, rest) = rest.split_first_chunk()?;
    let (payload, &checksum) = rest.split_last_chunk()?;
    Some((
        u32::from_le_bytes(version),
        u64::from_le_bytes(length),
        payload,
        u32::from_le_bytes(checksum),
    ))
}

/// Writes sealed bytes beside their destination, which they replace only once they are on disk:
/// whatever goes wrong, `path` holds the old file or the new one.
///
/// # Errors
/// [`PruneError::Io`] if the operating system refuses.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), PruneError> {
    let refused = |why: &dyn ToString| PruneError::Io {
        action: "write",
        file: path.into(),
        why: why.to_string(),
    };
    let (scratch, mut file) = AtomicFile::create(path).map_err(|e| refused(&e))?;
    // The handle that wrote is the one that learns of a full disk, so it is the one to sync.
    file.write_all(bytes)
        .and_then(|()| file.sync_all())
        .map_err(|e| refused(&e))?;
    drop(file);
    scratch.commit().map_err(|e| refused(&e))
}

/// The bytes of a file, or only the first few if they show that its format is another one: it may
/// be a model of many gigabytes.
///
/// # Errors
/// [`PruneError::Io`] if the operating system refuses.
pub fn read(path: &Path, magic: &[u8; 8]) -> Result<Vec<u8>, PruneError> {
    let read = || -> io::Result<Vec<u8>> {
        let mut file = File::open(path)?;
        let mut bytes = Vec::new();
        (&mut file)
            .take(magic.len() as u64)
            .read_to_end(&mut bytes)?;
        if bytes == magic {
            file.read_to_end(&mut bytes)?;
        }
        Ok(bytes)
    };
    read().map_err(|error| PruneError::Io {
        action: "read",
        file: path.into(),
        why: error.to_string(),
    })
}

/// The error for bytes that are not what they should be.
pub fn corrupt(name: &str, kind: &str, why: impl Into<String>) -> PruneError {
    PruneError::CorruptFile {
        file: name.into(),
        kind: kind.into(),
        why: why.into(),
    }
}
