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

use std::path::Path;

use crate::error::PruneError;
use crate::mask::{Mask, elements};
use crate::mask_set::MaskSet;
use crate::seal;

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
        seal::seal(MAGIC, FORMAT_VERSION, &encode(self))
    }

    /// Reads the bytes of a mask file.
    ///
    /// # Errors
    ///
    /// [`PruneError::CorruptFile`] if the bytes are damaged or no mask file,
    /// [`PruneError::FileVersion`] if a later Secateur wrote them.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, PruneError> {
        read(bytes, "bytes in memory")
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
        seal::write(path.as_ref(), &self.to_bytes())
    }

    /// Reads a mask file.
    ///
    /// # Errors
    ///
    /// [`PruneError::Io`] if the file cannot be read, [`PruneError::CorruptFile`] if it is damaged
    /// or no mask file, [`PruneError::FileVersion`] if a later Secateur wrote it.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, PruneError> {
        let path = path.as_ref();
        read(&seal::read(path, MAGIC)?, &path.display().to_string())
    }
}

/// What errors call the file.
const KIND: &str = "mask file";

fn read(bytes: &[u8], name: &str) -> Result<MaskSet, PruneError> {
    let (_, payload) = seal::unseal(bytes, MAGIC, FORMAT_VERSION, KIND, name)?;
    decode(payload).map_err(|why| seal::corrupt(name, KIND, why))
}

fn corrupt<T>(why: impl Into<String>) -> Result<T, String> {
    Err(why.into())
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
fn decode(payload: &[u8]) -> Result<MaskSet, String> {
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
    fn bytes(&mut self, count: u64) -> Result<&'a [u8], String> {
        let count = usize::try_from(count).ok();
        match count.and_then(|count| self.rest.split_at_checked(count)) {
            Some((bytes, rest)) => {
                self.rest = rest;
                Ok(bytes)
            }
            None => corrupt("it announces more than it holds"),
        }
    }

    fn words(&mut self, count: usize) -> Result<Vec<u64>, String> {
        let bytes = self.bytes((count as u64).saturating_mul(8))?;
        let (words, _) = bytes.as_chunks();
        Ok(words.iter().map(|&word| u64::from_le_bytes(word)).collect())
    }

    fn numbers<const N: usize>(&mut self) -> Result<[u64; N], String> {
        let words = self.words(N)?;
        Ok(std::array::from_fn(|i| words[i]))
    }

    fn path(&mut self) -> Result<String, String> {
        let [length] = self.numbers()?;
        match str::from_utf8(self.bytes(length)?) {
            Ok(path) => Ok(path.to_owned()),
            Err(_) => corrupt("a path in it is not UTF-8"),
        }
    }

    fn mask(&mut self, path: &str) -> Result<Mask, String> {
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
