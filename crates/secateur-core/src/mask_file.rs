//! The file that masks are saved in.
//!
//! A mask file is a sealed container around the masks. All numbers are little-endian.
//!
//! | bytes | field |
//! | --- | --- |
//! | 8 | `SECMASK1`, which names the container |
//! | 4 | version of the payload, [`FORMAT_VERSION`] |
//! | 8 | length of the payload in bytes |
//! | length | payload |
//! | 4 | CRC-32 (IEEE) of everything before it |
//!
//! The payload of version 1 is the number of masks in 8 bytes, then each mask, ascending by path:
//!
//! | bytes | field |
//! | --- | --- |
//! | 8 | length of the path in bytes |
//! | length | path, UTF-8 |
//! | 3 × 8 | shape of the view: out, in, kernel |
//! | 8 · ⌈elements / 64⌉ | bits in words of 64, lowest bit first, 1 = kept; unused bits are zero |
//!
//! Equal sets have equal bytes. The seal is checked before the version is believed, so a flipped
//! bit is never mistaken for the file of a later Secateur.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use burn_pack::AtomicFile;

use crate::error::PruneError;
use crate::mask::{Mask, elements};
use crate::mask_set::MaskSet;

/// The version that [`MaskSet::save`] writes and the highest that [`MaskSet::load`] reads.
pub const FORMAT_VERSION: u32 = 1;

const MAGIC: &[u8; 8] = b"SECMASK1";

/// A [`MaskSet`] in bytes and files; the [module](crate::mask_file) describes the format.
impl MaskSet {
    /// The masks as the bytes of a mask file.
    ///
    /// ```
    /// use secateur_core::mask::Mask;
    /// use secateur_core::mask_set::MaskSet;
    ///
    /// let masks = MaskSet::from_iter([("fc.weight", Mask::keep_all([10, 20, 1])?)]);
    /// assert_eq!(MaskSet::from_bytes(&masks.to_bytes())?, masks);
    /// # Ok::<(), secateur_core::error::PruneError>(())
    /// ```
    pub fn to_bytes(&self) -> Vec<u8> {
        seal(FORMAT_VERSION, &encode(self))
    }

    /// Reads the bytes of a mask file.
    ///
    /// # Errors
    ///
    /// [`PruneError::CorruptFile`] if the bytes are damaged or no mask file,
    /// [`PruneError::FileVersion`] if a later Secateur wrote them.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, PruneError> {
        read(bytes).map_err(|fault| fault.of("bytes in memory".into()))
    }

    /// Writes a mask file, replacing the one that may be there.
    ///
    /// The file is written beside its destination and takes its name only once it is complete and
    /// on disk: whatever goes wrong, the destination holds the old file or the new one.
    ///
    /// ```
    /// use secateur_core::mask::Mask;
    /// use secateur_core::mask_set::MaskSet;
    ///
    /// # let directory = tempfile::tempdir().unwrap();
    /// # let file = directory.path().join("lenet.masks");
    /// let masks = MaskSet::from_iter([("fc.weight", Mask::keep_all([10, 20, 1])?)]);
    /// masks.save(&file)?;
    /// assert_eq!(MaskSet::load(&file)?, masks);
    /// # Ok::<(), secateur_core::error::PruneError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`PruneError::Io`] if the operating system refuses.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), PruneError> {
        let path = path.as_ref();
        let refused = |why: &dyn ToString| PruneError::Io {
            action: "write",
            file: path.into(),
            why: why.to_string(),
        };
        let (scratch, mut file) = AtomicFile::create(path).map_err(|e| refused(&e))?;
        // The handle that wrote is the one that learns of a full disk, so it is the one to sync.
        file.write_all(&self.to_bytes())
            .and_then(|()| file.sync_all())
            .map_err(|e| refused(&e))?;
        drop(file);
        scratch.commit().map_err(|e| refused(&e))
    }

    /// Reads a mask file.
    ///
    /// # Errors
    ///
    /// [`PruneError::Io`] if the file cannot be read, [`PruneError::CorruptFile`] if it is damaged
    /// or no mask file, [`PruneError::FileVersion`] if a later Secateur wrote it.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, PruneError> {
        let path = path.as_ref();
        let bytes = read_bytes(path).map_err(|error| PruneError::Io {
            action: "read",
            file: path.into(),
            why: error.to_string(),
        })?;
        read(&bytes).map_err(|fault| fault.of(path.display().to_string()))
    }
}

/// The bytes of a file, or only the first few if they show that it is no mask file: it may be a
/// model of many gigabytes.
fn read_bytes(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let mut bytes = Vec::new();
    (&mut file)
        .take(MAGIC.len() as u64)
        .read_to_end(&mut bytes)?;
    if bytes == MAGIC {
        file.read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

/// What is wrong with a file whose name is not known yet.
#[derive(Debug)]
enum Fault {
    Corrupt(String),
    Version(u32),
}

impl Fault {
    fn of(self, file: String) -> PruneError {
        match self {
            Self::Corrupt(why) => PruneError::CorruptFile {
                file,
                kind: "mask file".into(),
                why,
            },
            Self::Version(found) => PruneError::FileVersion {
                file,
                found,
                supported: FORMAT_VERSION,
            },
        }
    }
}

fn corrupt<T>(why: impl Into<String>) -> Result<T, Fault> {
    Err(Fault::Corrupt(why.into()))
}

fn read(bytes: &[u8]) -> Result<MaskSet, Fault> {
    match unseal(bytes)? {
        (FORMAT_VERSION, payload) => decode(payload),
        (0, _) => corrupt("it has format version 0, which never was"),
        (later, _) => Err(Fault::Version(later)),
    }
}

fn seal(version: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend(version.to_le_bytes());
    bytes.extend((payload.len() as u64).to_le_bytes());
    bytes.extend(payload);
    bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
    bytes
}

/// The version and payload of a container that is whole.
fn unseal(bytes: &[u8]) -> Result<(u32, &[u8]), Fault> {
    let Some(rest) = bytes.strip_prefix(MAGIC) else {
        return corrupt("it does not begin with `SECMASK1`");
    };
    let Some((version, length, payload, checksum)) = fields(rest) else {
        return corrupt(format!(
            "it ends after {} bytes, within its header",
            bytes.len()
        ));
    };
    if payload.len() as u64 != length {
        let got = payload.len();
        return corrupt(format!(
            "it holds {got} bytes of masks where {length} are announced"
        ));
    }
    if crc32fast::hash(&bytes[..bytes.len() - size_of_val(&checksum)]) != checksum {
        return corrupt("its checksum does not match");
    }
    Ok((version, payload))
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

fn encode(masks: &MaskSet) -> Vec<u8> {
    let mut payload = Vec::new();
    put(&mut payload, [masks.len() as u64]);
    for (path, mask) in masks {
        put(&mut payload, [path.len() as u64]);
        payload.extend(path.as_bytes());
        put(&mut payload, mask.shape().map(|dim| dim as u64));
        put(&mut payload, mask.bits().words().iter().copied());
    }
    payload
}

fn put(payload: &mut Vec<u8>, numbers: impl IntoIterator<Item = u64>) {
    payload.extend(numbers.into_iter().flat_map(u64::to_le_bytes));
}

/// The checksum matched, yet nothing is believed: a file can be made up.
fn decode(payload: &[u8]) -> Result<MaskSet, Fault> {
    let mut payload = Payload { rest: payload };
    let [count] = payload.numbers()?;
    let mut masks: Vec<(String, Mask)> = Vec::new();
    for _ in 0..count {
        let path = payload.path()?;
        if masks.last().is_some_and(|(last, _)| *last >= path) {
            return corrupt(format!("`{path}` is out of order among its paths"));
        }
        let mask = payload.mask(&path)?;
        masks.push((path, mask));
    }
    match payload.rest.len() {
        0 => Ok(masks.into_iter().collect()),
        extra => corrupt(format!("{extra} bytes follow its last mask")),
    }
}

/// What is left to read. Nothing is allocated before the bytes for it are known to be there.
struct Payload<'a> {
    rest: &'a [u8],
}

impl<'a> Payload<'a> {
    fn bytes(&mut self, count: u64) -> Result<&'a [u8], Fault> {
        let count = usize::try_from(count).ok();
        match count.and_then(|count| self.rest.split_at_checked(count)) {
            Some((bytes, rest)) => {
                self.rest = rest;
                Ok(bytes)
            }
            None => corrupt("it announces more than it holds"),
        }
    }

    fn words(&mut self, count: usize) -> Result<Vec<u64>, Fault> {
        let bytes = self.bytes((count as u64).saturating_mul(8))?;
        let (words, _) = bytes.as_chunks();
        Ok(words.iter().map(|&word| u64::from_le_bytes(word)).collect())
    }

    fn numbers<const N: usize>(&mut self) -> Result<[u64; N], Fault> {
        let words = self.words(N)?;
        Ok(std::array::from_fn(|i| words[i]))
    }

    fn path(&mut self) -> Result<String, Fault> {
        let [length] = self.numbers()?;
        match str::from_utf8(self.bytes(length)?) {
            Ok(path) => Ok(path.to_owned()),
            Err(_) => corrupt("a path in it is not UTF-8"),
        }
    }

    fn mask(&mut self, path: &str) -> Result<Mask, Fault> {
        let dims = self.numbers()?;
        let Some((shape, elements)) = counted(dims) else {
            return corrupt(format!("the shape {dims:?} of `{path}` fits no memory"));
        };
        let words = self.words(elements.div_ceil(64))?;
        match Mask::from_words(shape, words) {
            Some(mask) => Ok(mask),
            None => corrupt(format!(
                "the mask of `{path}` has bits past its last element"
            )),
        }
    }
}

/// A shape and its number of elements, if a `usize` holds them.
fn counted(dims: [u64; 3]) -> Option<([usize; 3], usize)> {
    let [outs, ins, kernel] = dims.map(|dim| usize::try_from(dim).ok());
    let shape = [outs?, ins?, kernel?];
    Some((shape, elements(shape)?))
}

#[cfg(test)]
mod tests;
