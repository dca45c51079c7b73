//! What has to hold of any matrix, wherever it came from.

use secateur_kernels::{Csr, Epilogue, Isa, Layout, Scratch, SparseMatrix, reference};

/// Elements and activations up to which a matrix is multiplied.
const MOST: usize = 1 << 14;

/// Activations between -1 and 1, the same on every call.
fn activations(len: usize) -> Vec<f32> {
    (0..len)
        .map(|at| ((at * 37 + 11) % 64) as f32 / 32.0 - 1.0)
        .collect()
}

/// Holds the products of `packed` on every instruction set against the slow product of `csr`.
pub fn products(packed: &SparseMatrix, csr: &Csr) {
    let [m, k] = csr.shape();
    if m.max(k) > MOST || m * k > MOST * 8 {
        return;
    }
    for n in [1, 3, 6] {
        let x = activations(k * n);
        for layout in [Layout::FeatureMajor, Layout::BatchMajor] {
            let expected = reference::matmul(csr, &x, n, layout);
            // Half-open about overflow: sums of large weights may leave the range in any order.
            let size: f64 = csr.values().iter().map(|v| f64::from(v.abs())).sum();
            for isa in Isa::available() {
                let packed = packed.clone().with_isa(isa).unwrap();
                let mut y = vec![0.0; m * n];
                packed
                    .multiply(
                        &x,
                        n,
                        layout,
                        &mut y,
                        &Epilogue::none(),
                        &mut Scratch::new(),
                    )
                    .unwrap();
                if !(size < 1e30) {
                    continue;
                }
                for (got, expected) in y.iter().zip(&expected) {
                    let error = (f64::from(*got) - expected).abs();
                    assert!(
                        error <= 1e-5 * size + 1e-30,
                        "{} {isa}: {got} {expected}",
                        packed.format()
                    );
                }
            }
        }
    }
}
