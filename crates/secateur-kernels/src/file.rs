//! Packed matrices as bytes: versioned, checksummed, and read with suspicion.
//!
//! What is stored is the matrix, not its packing: shape, format, which places are kept, values.
//! Reading builds compressed rows, checks them as if a stranger had made them, and packs anew;
//! so no byte of a file is ever an index that a kernel trusts.
//!
//! Layout, little-endian: magic `SECAKERN`, version `u32`, format `u32` with two `u32` of
//! detail, rows `u64`, columns `u64`, weights `u64`, precision `u32`, one bit a place (each row
//! padded to a byte), the values in that precision, and the CRC-32 of all before. Version 1 has no
//! word for the precision, and values of `f32`.

use half::{bf16, f16};

use crate::csr::{Csr, check_shape};
use crate::error::KernelError;
use crate::format::Format;
use crate::matrix::SparseMatrix;
use crate::values::Precision;

const MAGIC: &[u8; 8] = b"SECAKERN";

/// Version written.
const VERSION: u32 = 2;

/// Bytes before the bitmap in version 1.
const HEADER_1: usize = 8 + 4 + 12 + 24;

/// Bytes before the bitmap.
const HEADER: usize = HEADER_1 + 4;

impl SparseMatrix {
    /// Bytes that [`to_bytes`](Self::to_bytes) gives for a matrix of this shape with `nnz`
    /// weights in `precision`.
    #[must_use]
    pub fn stored_len([rows, columns]: [usize; 2], nnz: usize, precision: Precision) -> usize {
        HEADER + rows * columns.div_ceil(8) + precision.bytes() * nnz + 4
    }

    /// The matrix as bytes, for [`from_bytes`](Self::from_bytes).
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let (csr, precision) = (self.to_csr(), self.precision());
        let [rows, columns] = csr.shape();
        let mut bytes = Vec::with_capacity(Self::stored_len(csr.shape(), csr.nnz(), precision));
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        for word in code(self.format()) {
            bytes.extend_from_slice(&word.to_le_bytes());
        }
        for size in [rows, columns, csr.nnz()] {
            bytes.extend_from_slice(&(size as u64).to_le_bytes());
        }
        bytes.extend_from_slice(&precision_code(precision).to_le_bytes());
        let mut bits = vec![0_u8; columns.div_ceil(8)];
        for row in 0..rows {
            bits.fill(0);
            for (column, _) in csr.row(row) {
                bits[column / 8] |= 1 << (column % 8);
            }
            bytes.extend_from_slice(&bits);
        }
        for &value in csr.values() {
            // Exact, for the values have been rounded before.
            match precision {
                Precision::F32 => bytes.extend_from_slice(&value.to_le_bytes()),
                Precision::F16 => bytes.extend_from_slice(&f16::from_f32(value).to_le_bytes()),
                Precision::Bf16 => bytes.extend_from_slice(&bf16::from_f32(value).to_le_bytes()),
            }
        }
        let sum = crc32fast::hash(&bytes);
        bytes.extend_from_slice(&sum.to_le_bytes());
        bytes
    }

    /// A matrix from the bytes of [`to_bytes`](Self::to_bytes), packed in the format and precision it
    /// had, for this processor.
    ///
    /// # Errors
    ///
    /// Where the bytes are cut short, altered, or of a later version.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, KernelError> {
        let (csr, format, precision) = read(bytes)?;
        Ok(Self::pack_in(&csr, format, precision)?.0)
    }
}

fn damaged(what: impl Into<String>) -> KernelError {
    KernelError::Damaged { what: what.into() }
}

fn read(bytes: &[u8]) -> Result<(Csr, Format, Precision), KernelError> {
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
    if found == 0 {
        return Err(damaged("it names version 0, which there never was"));
    }
    let end = bytes.len().saturating_sub(4);
    let header = if found < 2 { HEADER_1 } else { HEADER };
    if end < header {
        return Err(damaged("it ends within the header"));
    }
    if crc32fast::hash(&bytes[..end]) != word(bytes, end)? {
        return Err(damaged("its checksum does not match"));
    }
    let format = format(word(bytes, 12)?, word(bytes, 16)?, word(bytes, 20)?)?;
    let shape = [size(bytes, 24)?, size(bytes, 32)?];
    let nnz = size(bytes, 40)?;
    let precision = match found {
        1 => Precision::F32,
        _ => precision(word(bytes, HEADER_1)?)?,
    };
    let elements = check_shape(shape)?;
    let row_bytes = shape[1].div_ceil(8);
    // Neither product can overflow: there are at most `elements` of each.
    if nnz > elements || end != header + shape[0] * row_bytes + precision.bytes() * nnz {
        return Err(damaged("its length does not fit its shape"));
    }
    let (bits, values) = bytes[header..end].split_at(shape[0] * row_bytes);
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
    let values = match precision {
        Precision::F32 => decode(values, f32::from_le_bytes),
        Precision::F16 => decode(values, |two| f16::from_le_bytes(two).to_f32()),
        Precision::Bf16 => decode(values, |two| bf16::from_le_bytes(two).to_f32()),
    };
    let csr = Csr::new(shape, starts, indices, values)?;
    Ok((csr, format, precision))
}

fn decode<const BYTES: usize>(bytes: &[u8], value: impl Fn([u8; BYTES]) -> f32) -> Vec<f32> {
    let (values, _) = bytes.as_chunks::<BYTES>();
    values.iter().map(|&bytes| value(bytes)).collect()
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

/// A precision as a word; numbers are never reused.
fn precision_code(precision: Precision) -> u32 {
    match precision {
        Precision::F32 => 0,
        Precision::F16 => 1,
        Precision::Bf16 => 2,
    }
}

fn precision(code: u32) -> Result<Precision, KernelError> {
    Precision::ALL
        .into_iter()
        .find(|&precision| precision_code(precision) == code)
        .ok_or_else(|| damaged(format!("it names an unknown precision, {code}")))
}
