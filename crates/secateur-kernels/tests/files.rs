//! Bytes of matrices: read back exactly, and refused when anything is wrong with them.

use proptest::prelude::*;
use secateur_kernels::{Csr, Format, KernelError, Precision, SparseMatrix};

fn matrix(rows: usize, columns: usize, every: usize, format: Format) -> SparseMatrix {
    let mask: Vec<bool> = (0..rows * columns).map(|at| at * 7 % every < 3).collect();
    let dense: Vec<f32> = (0..rows * columns).map(|at| at as f32 - 5.0).collect();
    SparseMatrix::pack_as(
        &Csr::from_masked(&dense, &mask, [rows, columns]).unwrap(),
        format,
    )
    .unwrap()
}

/// Rows and columns stay below it.
const LARGEST: usize = if cfg!(miri) { 12 } else { 60 };

fn formats() -> [Format; 7] {
    let blocks = Format::Blocks {
        rows: 4,
        columns: 1,
    };
    [
        Format::Dense,
        Format::Csr,
        Format::Panels,
        Format::RowLists,
        Format::Lookup,
        Format::Bitmap,
        blocks,
    ]
}

/// Replaces the checksum by the one that fits, so that what lies behind it is tested.
fn sign(bytes: &mut [u8]) {
    let end = bytes.len() - 4;
    let sum = crc32fast::hash(&bytes[..end]);
    bytes[end..].copy_from_slice(&sum.to_le_bytes());
}

/// A property on `usual` cases; on two under Miri, which is a thousand times slower and has no files
/// to note failures in.
fn on_cases(usual: u32) -> ProptestConfig {
    if cfg!(miri) {
        ProptestConfig {
            failure_persistence: None,
            ..ProptestConfig::with_cases(2)
        }
    } else {
        ProptestConfig::with_cases(usual)
    }
}

proptest! {
    #![proptest_config(on_cases(256))]

    #[test]
    fn bytes_are_read_back(rows in 1_usize..LARGEST, columns in 1_usize..LARGEST, every in 3_usize..40) {
        for format in formats() {
            for precision in Precision::ALL {
                let packed = matrix(rows, columns, every, format);
                let packed = packed.with_precision(precision).unwrap();
                let bytes = packed.to_bytes();
                let len = SparseMatrix::stored_len([rows, columns], packed.nnz(), precision);
                prop_assert_eq!(bytes.len(), len);
                prop_assert_eq!(SparseMatrix::from_bytes(&bytes).unwrap(), packed);
            }
        }
    }

    #[test]
    fn any_change_is_noticed(at in any::<prop::sample::Index>(), bit in 0_u32..8) {
        let mut bytes = matrix(9, 13, 5, Format::Panels).to_bytes();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        prop_assert!(SparseMatrix::from_bytes(&bytes).is_err());
    }

    #[test]
    fn signed_nonsense_is_an_error_or_a_matrix(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = matrix(9, 13, 5, Format::Lookup).to_bytes();
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        sign(&mut bytes);
        // Either is right; a panic is not.
        let _ = SparseMatrix::from_bytes(&bytes);
        let _ = SparseMatrix::from_bytes(&bytes[..cut.index(bytes.len())]);
    }
}

#[test]
fn later_versions_are_named() {
    let mut bytes = matrix(2, 2, 3, Format::Csr).to_bytes();
    bytes[8] = 9;
    assert!(matches!(
        SparseMatrix::from_bytes(&bytes),
        Err(KernelError::Version { found: 9, known: 2 })
    ));
}

#[test]
fn bits_past_the_last_column_are_refused() {
    let mut bytes = matrix(1, 3, 3, Format::Csr).to_bytes();
    // The one byte of the bitmap follows the header of 52 bytes.
    bytes[52] = 0b1011;
    sign(&mut bytes);
    assert!(matches!(
        SparseMatrix::from_bytes(&bytes),
        Err(KernelError::ColumnOutOfRange { column: 3, .. })
    ));
}

#[test]
fn the_first_version_is_read() {
    let packed = matrix(9, 13, 5, Format::Panels);
    let mut bytes = packed.to_bytes();
    // It had no word for the precision, at the end of the header.
    bytes[8] = 1;
    bytes.drain(48..52);
    sign(&mut bytes);
    assert_eq!(SparseMatrix::from_bytes(&bytes), Ok(packed));
}

#[test]
fn version_zero_is_refused() {
    let mut bytes = matrix(2, 2, 3, Format::Csr).to_bytes();
    bytes[8] = 0;
    sign(&mut bytes);
    assert!(matches!(
        SparseMatrix::from_bytes(&bytes),
        Err(KernelError::Damaged { .. })
    ));
}

#[test]
fn unknown_precisions_are_refused() {
    let mut bytes = matrix(2, 2, 3, Format::Csr).to_bytes();
    bytes[48] = 3;
    sign(&mut bytes);
    assert!(matches!(
        SparseMatrix::from_bytes(&bytes),
        Err(KernelError::Damaged { .. })
    ));
}
