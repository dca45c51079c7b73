//! Packed matrices as bytes: versioned, checksummed, and read with suspicion.
//!
//! What is stored is the matrix, not its packing: shape, format, which places are kept, values.
//! Reading builds compressed rows, checks them as if a stranger had made them, and packs anew;
//! so no byte of a file is ever an index that a kernel trusts.
//!
//! Layout, little-endian: magic `SECAKERN`, version `u32`, format `u32` with two `u32` of
//! detail, rows `u64`, columns `u64`, weights `u64`, one bit a place (each row padded to a
//! byte), the values as `f32`, and the CRC-32 of all before.

use crate::csr::{Csr, check_shape};
use crate::error::KernelError;
use crate::format::Format;
use crate::matrix::SparseMatrix;

const MAGIC: &[u8; 8] = b"SECAKERN";

/// Version written.
const VERSION: u32 = 1;

/// Bytes before the bitmap.
const HEADER: usize = 8 + 4 + 12 + 24;

impl SparseMatrix {
    /// Bytes that [`to_bytes`](Self::to_bytes) gives for a matrix of this shape with `nnz`
    /// weights.
    #[must_use]
    pub fn stored_len([rows, columns]: [usize; 2], nnz: usize) -> usize {
        HEADER + rows * columns.div_ceil(8) + 4 * nnz + 4
    }

    /// The matrix as bytes, for [`from_bytes`](Self::from_bytes).
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let csr = self.to_csr();
        let [rows, columns] = csr.shape();
        let mut bytes = Vec::with_capacity(Self::stored_len(csr.shape(), csr.nnz()));
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        for word in code(self.format()) {
            bytes.extend_from_slice(&word.to_le_bytes());
        }
        for size in [rows, columns, csr.nnz()] {
            bytes.extend_from_slice(&(size as u64).to_le_bytes());
        }
        let mut bits = vec![0_u8; columns.div_ceil(8)];
        for row in 0..rows {
            bits.fill(0);
            for (column, _) in csr.row(row) {
                bits[column / 8] |= 1 << (column % 8);
            }
            bytes.extend_from_slice(&bits);
        }
        for value in csr.values() {
            bytes.extend_from_slice(&value.to_le_bytes());
        }
        let sum = crc32fast::hash(&bytes);
        bytes.extend_from_slice(&sum.to_le_bytes());
        bytes
    }

    /// A matrix from the bytes of [`to_bytes`](Self::to_bytes), packed in the format it had, for
    /// this processor.
    ///
    /// # Errors
    ///
    /// Where the bytes are cut short, altered, or of a later version.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, KernelError> {
        let (csr, format) = read(bytes)?;
        Self::pack_as(&csr, format)
    }
}

fn damaged(what: impl Into<String>) -> KernelError {
    KernelError::Damaged { what: what.into() }
}

fn read(bytes: &[u8]) -> Result<(Csr, Format), KernelError> {
    if bytes.get(..8) != Some(&MAGIC[..]) {
        return Err(damaged("it does not begin with SECAKERN"));
    }
    let found = word(bytes, 8)?;
    if found > VERSION {
        return Err(KernelError::Version {
            found,
            known: VERSION,
        });
    }
    let end = bytes.len().saturating_sub(4);
    if end < HEADER {
        return Err(damaged("it ends within the header"));
    }
    if crc32fast::hash(&bytes[..end]) != word(bytes, end)? {
        return Err(damaged("its checksum does not match"));
    }
    let format = format(word(bytes, 12)?, word(bytes, 16)?, word(bytes, 20)?)?;
    let shape = [size(bytes, 24)?, size(bytes, 32)?];
    let nnz = size(bytes, 40)?;
    let elements = check_shape(shape)?;
    let row_bytes = shape[1].div_ceil(8);
    // Neither product can overflow: there are at most `elements` of each.
    if nnz > elements || end != HEADER + shape[0] * row_bytes + 4 * nnz {
        return Err(damaged("its length does not fit its shape"));
    }
    let (bits, values) = bytes[HEADER..end].split_at(shape[0] * row_bytes);
    let mut starts = vec![0];
    let mut indices = Vec::with_capacity(nnz);
    for row in bits.chunks_exact(row_bytes) {
        indices.extend(
            (0..8 * row_bytes)
                .filter(|column| row[column / 8] >> (column % 8) & 1 == 1)
                .map(|column| column as u32),
        );
        starts.push(indices.len());
    }
    let values = values
        .chunks_exact(4)
        .map(|four| f32::from_le_bytes([four[0], four[1], four[2], four[3]]))
        .collect();
    Ok((Csr::new(shape, starts, indices, values)?, format))
}

fn word(bytes: &[u8], at: usize) -> Result<u32, KernelError> {
    let four = bytes.get(at..).and_then(<[u8]>::first_chunk::<4>);
    four.map(|four| u32::from_le_bytes(*four))
        .ok_or_else(|| damaged("it ends within the header"))
}

fn size(bytes: &[u8], at: usize) -> Result<usize, KernelError> {
    let eight = bytes.get(at..).and_then(<[u8]>::first_chunk::<8>);
    let eight = eight.ok_or_else(|| damaged("it ends within the header"))?;
    usize::try_from(u64::from_le_bytes(*eight)).map_err(|_| KernelError::Overflow {
        what: "a stored size",
    })
}

/// A format as three words; numbers are never reused.
fn code(format: Format) -> [u32; 3] {
    match format {
        Format::Dense => [0, 0, 0],
        Format::Csr => [1, 0, 0],
        Format::Panels => [2, 0, 0],
        Format::RowLists => [3, 0, 0],
        Format::Lookup => [4, 0, 0],
        Format::Bitmap => [5, 0, 0],
        Format::Blocks { rows, columns } => [6, rows as u32, columns as u32],
        Format::NofM { keep, of } => [7, keep as u32, of as u32],
    }
}

fn format(code: u32, first: u32, second: u32) -> Result<Format, KernelError> {
    Ok(match code {
        0 => Format::Dense,
        1 => Format::Csr,
        2 => Format::Panels,
        3 => Format::RowLists,
        4 => Format::Lookup,
        5 => Format::Bitmap,
        6 => Format::Blocks {
            rows: first as usize,
            columns: second as usize,
        },
        7 => Format::NofM {
            keep: first as usize,
            of: second as usize,
        },
        _ => return Err(damaged(format!("it names an unknown format, {code}"))),
    })
}
