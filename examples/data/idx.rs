//! The idx file format of MNIST: a big-endian header, then bytes.
//!
//! ```text
//! 0 0 8 D | D sizes of 4 bytes | the product of the sizes many bytes
//! ```
//! where 8 stands for unsigned bytes, the only element type used by these data sets.

use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;

use crate::{ExampleError, Result};

/// No data set of these examples is larger; a damaged header may ask for anything.
const LARGEST: usize = 1 << 28;

/// An array of bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idx {
    /// The sizes, outermost first.
    pub dims: Vec<usize>,
    /// The elements in row-major order.
    pub bytes: Vec<u8>,
}

/// Reads an idx file, gzipped or plain; `file` names it in errors.
///
/// # Errors
///
/// [`ExampleError::Idx`] where the header is wrong, or the data is shorter or longer than it says.
pub fn read_idx(file: &str, raw: &[u8]) -> Result<Idx> {
    let bad = |why: String| ExampleError::Idx {
        file: file.into(),
        why,
    };
    let plain = if raw.starts_with(&[0x1f, 0x8b]) {
        let mut plain = Vec::new();
        // One byte above the limit is enough to know that the file is too large.
        GzDecoder::new(raw)
            .take(LARGEST as u64 + 1)
            .read_to_end(&mut plain)
            .map_err(|error| bad(format!("the gzip stream is broken ({error})")))?;
        plain
    } else {
        raw.to_vec()
    };

    let Some((&[0, 0, 8, rank @ 1..=4], rest)) = plain.split_first_chunk::<4>() else {
        let start = &plain[..plain.len().min(4)];
        return Err(bad(format!(
            "it starts with {start:?}, not with [0, 0, 8, rank]"
        )));
    };
    let Some((header, bytes)) = rest.split_at_checked(4 * usize::from(rank)) else {
        return Err(bad("it ends inside its header".into()));
    };
    let dims: Vec<usize> = header
        .chunks_exact(4)
        .map(|size| u32::from_be_bytes([size[0], size[1], size[2], size[3]]) as usize)
        .collect();
    let expected = dims
        .iter()
        .try_fold(1_usize, |product, &size| product.checked_mul(size))
        .filter(|&product| product <= LARGEST)
        .ok_or_else(|| bad(format!("shape {dims:?} is larger than any set known here")))?;
    if bytes.len() != expected {
        let got = bytes.len();
        return Err(bad(format!(
            "shape {dims:?} needs {expected} bytes, {got} follow"
        )));
    }
    Ok(Idx {
        bytes: bytes.to_vec(),
        dims,
    })
}

/// The gzipped idx file of `idx`; equal arrays give equal files.
pub fn write_idx(idx: &Idx) -> std::io::Result<Vec<u8>> {
    let mut file = GzEncoder::new(Vec::new(), Compression::best());
    file.write_all(&[0, 0, 8, idx.dims.len() as u8])?;
    for &size in &idx.dims {
        file.write_all(&(size as u32).to_be_bytes())?;
    }
    file.write_all(&idx.bytes)?;
    file.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain() -> Vec<u8> {
        vec![0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3, 1, 2, 3, 4, 5, 6]
    }

    #[test]
    fn plain_and_gzipped_files_read_alike() {
        let idx = read_idx("t", &plain()).unwrap();
        assert_eq!(idx.dims, [2, 3]);
        assert_eq!(idx.bytes, [1, 2, 3, 4, 5, 6]);
        assert_eq!(read_idx("t", &write_idx(&idx).unwrap()).unwrap(), idx);
    }

    #[test]
    fn every_truncation_is_an_error() {
        let gzipped = write_idx(&read_idx("t", &plain()).unwrap()).unwrap();
        for file in [plain(), gzipped] {
            for end in 0..file.len() {
                assert!(read_idx("t", &file[..end]).is_err(), "cut at {end}");
            }
        }
    }

    #[test]
    fn wrong_headers_are_errors_that_say_why() {
        let change = |at: usize, to: u8| {
            let mut file = plain();
            file[at] = to;
            read_idx("images", &file).unwrap_err().to_string()
        };
        assert!(change(2, 13).contains("starts with [0, 0, 13, 2]"));
        assert!(change(3, 0).contains("rank"));
        assert!(change(4, 255).contains("larger than any"));
        assert!(change(11, 2).contains("needs 4 bytes, 6 follow"));
        assert!(change(11, 4).starts_with("images is not a sound idx file"));
    }
}
