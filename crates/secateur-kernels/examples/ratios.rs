//! Prints how many times faster each format is than the packed dense product, on this machine.
//!
//! `cargo run --release -p secateur-kernels --example ratios [m] [k] [n]`
//!
//! Contestants take turns within one loop and are timed by the time of this thread, so that a
//! busy machine slows all of them alike; figures are medians.

use cpu_time::ThreadTime;
use secateur_kernels::{Csr, Epilogue, Format, Scratch, SparseMatrix};

fn random(seed: &mut u64) -> f64 {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    (*seed >> 11) as f64 / (1_u64 << 53) as f64
}

/// Weights that are kept in strips of `rows` rows.
fn weights([m, k]: [usize; 2], sparsity: f64, rows: usize, seed: &mut u64) -> Csr {
    let mut dense = vec![0.0; m * k];
    for first in (0..m).step_by(rows) {
        for column in 0..k {
            if random(seed) >= sparsity {
                for row in first..(first + rows).min(m) {
                    dense[row * k + column] = (random(seed) - 0.5) as f32;
                }
            }
        }
    }
    Csr::from_dense(&dense, [m, k]).unwrap()
}

/// Median milliseconds of each matrix, one call of each a round.
fn medians(matrices: &[SparseMatrix], n: usize) -> Vec<f64> {
    let [m, k] = matrices[0].shape();
    let mut seed = 99;
    let x: Vec<f32> = (0..k * n + 16)
        .map(|_| (random(&mut seed) - 0.5) as f32)
        .collect();
    let offset = (16 - x.as_ptr().addr() % 64 / 4) % 16;
    let x = &x[offset..offset + k * n];
    let mut y = vec![0.0; m * n];
    let mut scratch = Scratch::new();
    let mut times = vec![Vec::new(); matrices.len()];
    let begin = ThreadTime::now();
    let mut rounds = 0;
    while rounds < 9 || (begin.elapsed().as_secs_f64() < 0.25 && rounds < 1500) {
        for (matrix, times) in matrices.iter().zip(&mut times) {
            matrix
                .matmul(x, n, &mut y, Epilogue::none(), &mut scratch)
                .unwrap();
            let start = ThreadTime::now();
            matrix
                .matmul(x, n, &mut y, Epilogue::none(), &mut scratch)
                .unwrap();
            times.push(start.elapsed().as_secs_f64() * 1e3);
        }
        rounds += 1;
    }
    times
        .into_iter()
        .map(|mut times| {
            times.sort_by(f64::total_cmp);
            times[times.len() / 2]
        })
        .collect()
}

fn main() {
    let sizes: Vec<usize> = std::env::args()
        .skip(1)
        .filter_map(|v| v.parse().ok())
        .collect();
    let (m, k) = (
        sizes.first().copied().unwrap_or(1024),
        sizes.get(1).copied().unwrap_or(1024),
    );
    let n = sizes.get(2).copied().unwrap_or(64);
    let mut seed = 88_172_645_463_325_252;
    println!("{m}x{k}, n = {n}");
    for sparsity in [0.5, 0.7, 0.8, 0.9, 0.95, 0.98] {
        let csr = weights([m, k], sparsity, 1, &mut seed);
        let blocks = weights([m, k], sparsity, 4, &mut seed);
        let unstructured: &[Format] = if n == 1 {
            &[Format::Dense, Format::Csr, Format::Lookup]
        } else {
            &[Format::Dense, Format::Csr, Format::Panels, Format::RowLists]
        };
        let mut matrices: Vec<_> = unstructured
            .iter()
            .map(|&format| SparseMatrix::pack_as(&csr, format).unwrap())
            .collect();
        let format = Format::Blocks {
            rows: 4,
            columns: 1,
        };
        matrices.push(SparseMatrix::pack_as(&blocks, format).unwrap());
        let times = medians(&matrices, n);
        let flops = 2.0 * (m * k * n) as f64;
        print!(
            "{:4.0} % dense {:.4} ms {:.0} GFLOP/s",
            sparsity * 100.0,
            times[0],
            flops / times[0] / 1e6
        );
        for (matrix, time) in matrices.iter().zip(&times).skip(1) {
            let rate = 2.0 * (matrix.nnz() * n) as f64 / time / 1e6;
            print!(
                " | {} {:.2} ({time:.4} ms, {rate:.0})",
                matrix.format(),
                times[0] / time
            );
        }
        println!();
    }
}
