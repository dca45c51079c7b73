//! Compressed rows: whatever the arrays are, they are refused, or every format packs them
//! exactly, tells its size, multiplies, and takes a new mask.

#![no_main]

#[path = "check.rs"]
mod check;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use secateur_kernels::{Csr, Format, Precision, SparseMatrix};

#[derive(Debug, Arbitrary)]
struct Input {
    shape: [u8; 2],
    /// Taken as they are, or as lengths of rows and steps between columns, which is nearly always
    /// a valid matrix.
    raw: bool,
    starts: Vec<u8>,
    indices: Vec<u8>,
    pattern: [u8; 2],
    precision: u8,
}

impl Input {
    fn csr(&self) -> Option<Csr> {
        let shape @ [rows, columns] = self.shape.map(usize::from);
        let value = |at: usize| (at % 13) as f32 - 6.0;
        if self.raw {
            let starts = self
                .starts
                .iter()
                .map(|&start| usize::from(start))
                .collect();
            let indices: Vec<u32> = self.indices.iter().map(|&at| u32::from(at)).collect();
            let values = (0..indices.len()).map(value).collect();
            return Csr::new(shape, starts, indices, values).ok();
        }
        let (mut starts, mut indices) = (vec![0], Vec::new());
        let mut steps = self.indices.iter();
        for row in 0..rows {
            let length = self.starts.get(row).copied().unwrap_or(0);
            let mut column = 0;
            for &step in steps.by_ref().take(usize::from(length)) {
                column += usize::from(step % 16);
                if column >= columns {
                    break;
                }
                indices.push(column as u32);
                column += 1;
            }
            starts.push(indices.len());
        }
        let values = (0..indices.len()).map(value).collect();
        Csr::new(shape, starts, indices, values).ok()
    }
}

fuzz_target!(|input: Input| {
    let Some(csr) = input.csr() else {
        return;
    };
    let [a, b] = input.pattern.map(usize::from);
    let precision = Precision::ALL[usize::from(input.precision) % 3];
    let mut other = csr.transposed().0.transposed().0;
    assert_eq!(other, csr);
    other.values_mut().fill(2.0);
    for format in [
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
    ] {
        let packed = SparseMatrix::pack_as(&csr, format);
        assert_eq!(packed.is_ok(), format.bytes(&csr, precision).is_ok());
        let Ok(packed) = packed else {
            continue;
        };
        let mut packed = packed.with_precision(precision).unwrap();
        assert_eq!(packed.to_csr(), csr);
        assert_eq!(format.bytes(&csr, precision), Ok(packed.bytes()));
        check::products(&packed, &csr);
        packed.update_values(&other).unwrap();
        assert_eq!(packed.to_csr(), other);
        let empty = Csr::from_mask(&vec![false; csr.shape().iter().product()], csr.shape());
        packed.update(&empty.unwrap()).unwrap();
        packed.update(&csr).unwrap();
        assert_eq!(packed.to_csr(), csr);
    }
});
