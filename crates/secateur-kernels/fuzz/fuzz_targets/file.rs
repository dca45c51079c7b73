//! Bytes of a matrix: whatever they are, reading them gives an error or a matrix that multiplies.
//!
//! Hardly any bytes would get past the checksum, so it is repaired, and most inputs are the bytes
//! of a real matrix with a few of them changed.

#![no_main]

#[path = "check.rs"]
mod check;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use secateur_kernels::{Csr, Format, Precision, SparseMatrix};

#[derive(Debug, Arbitrary)]
enum Input {
    /// As they are.
    Bytes(Vec<u8>),
    /// With the checksum that fits.
    Signed(Vec<u8>),
    /// Those of a matrix, with some replaced, cut off or added, and the checksum that fits.
    Altered {
        matrix: Matrix,
        changes: Vec<(u16, u8)>,
        cut: u8,
        added: Vec<u8>,
    },
}

#[derive(Debug, Arbitrary)]
struct Matrix {
    shape: [u8; 2],
    mask: Vec<u8>,
    values: Vec<f32>,
    format: u8,
    pattern: [u8; 2],
    precision: u8,
}

impl Matrix {
    fn bytes(&self) -> Option<Vec<u8>> {
        let shape @ [rows, columns] = self.shape.map(usize::from);
        let bit = |at: usize| {
            self.mask
                .get(at / 8)
                .is_some_and(|byte| byte >> (at % 8) & 1 == 1)
        };
        let mask: Vec<bool> = (0..rows * columns).map(bit).collect();
        let value = |at: usize| self.values.get(at).copied().unwrap_or(at as f32);
        let dense: Vec<f32> = (0..rows * columns).map(value).collect();
        let csr = Csr::from_masked(&dense, &mask, shape).ok()?;
        let [a, b] = self.pattern.map(usize::from);
        let formats = [
            Format::Dense,
            Format::Csr,
            Format::Panels,
            Format::RowLists,
            Format::Lookup,
            Format::Bitmap,
            Format::NofM { keep: a, of: b },
            Format::Blocks {
                rows: a,
                columns: b,
            },
        ];
        let packed = SparseMatrix::pack_as(&csr, formats[usize::from(self.format) % 8]).ok()?;
        let precision = Precision::ALL[usize::from(self.precision) % 3];
        Some(packed.with_precision(precision).ok()?.to_bytes())
    }
}

/// Replaces the checksum by the one that fits.
fn sign(bytes: &mut [u8]) {
    if let Some(end) = bytes.len().checked_sub(4) {
        let sum = crc32fast::hash(&bytes[..end]);
        bytes[end..].copy_from_slice(&sum.to_le_bytes());
    }
}

impl Input {
    fn bytes(self) -> Option<Vec<u8>> {
        let mut bytes = match self {
            Self::Bytes(bytes) => return Some(bytes),
            Self::Signed(bytes) => bytes,
            Self::Altered {
                matrix,
                changes,
                cut,
                added,
            } => {
                let mut bytes = matrix.bytes()?;
                for (at, value) in changes {
                    let at = usize::from(at) % bytes.len();
                    bytes[at] = value;
                }
                bytes.truncate(bytes.len().saturating_sub(usize::from(cut) % 16));
                bytes.extend(added);
                bytes
            }
        };
        sign(&mut bytes);
        Some(bytes)
    }
}

fuzz_target!(|input: Input| {
    let Some(bytes) = input.bytes() else {
        return;
    };
    let Ok(packed) = SparseMatrix::from_bytes(&bytes) else {
        return;
    };
    let csr = packed.to_csr();
    assert_eq!(csr.nnz(), packed.nnz());
    check::products(&packed, &csr);
    // Weights may be NaN, which differs from itself, so bytes are compared.
    let written = packed.to_bytes();
    let again = SparseMatrix::from_bytes(&written).unwrap();
    assert_eq!(again.to_bytes(), written);
});
