//! Prints how many times faster each format is than the packed dense product, on this machine.
//!
//! `cargo run --release -p secateur-kernels --example ratios -- [m] [k] [n] [linear] [train] [half]`
//!
//! Contestants take turns within one loop and are timed by the time of this thread, so that a
//! busy machine slows all of them alike; figures are medians. `linear` gives activations as
//! `[batch, features]`; `train` times forward and both gradients; `half` takes each format with
//! weights in f16 and bf16 as well.

use cpu_time::ThreadTime;
use secateur_kernels::{
    CostModel, Csr, Epilogue, Format, Hint, Layout, Precision, Scratch, SparseMatrix,
    TrainingMatrix,
};

const SPARSITIES: [f64; 6] = [0.5, 0.7, 0.8, 0.9, 0.95, 0.98];

struct Random(u64);

impl Random {
    fn next(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn floats(&mut self, len: usize) -> Aligned {
        let floats = (0..len + 16).map(|_| (self.next() - 0.5) as f32).collect();
        Aligned { floats, len }
    }

    /// Weights that are kept in strips of `rows` rows.
    fn weights(&mut self, [m, k]: [usize; 2], sparsity: f64, rows: usize) -> Csr {
        let mut dense = vec![0.0; m * k];
        for first in (0..m).step_by(rows) {
            for column in 0..k {
                if self.next() >= sparsity {
                    for row in first..(first + rows).min(m) {
                        dense[row * k + column] = (self.next() - 0.5) as f32;
                    }
                }
            }
        }
        Csr::from_dense(&dense, [m, k]).unwrap()
    }

    /// Two weights of every four.
    fn two_of_four(&mut self, [m, k]: [usize; 2]) -> Csr {
        let mut dense = vec![0.0; m * k];
        for group in dense.chunks_mut(4) {
            let first = (self.next() * 3.0) as usize;
            let second = first + 1 + (self.next() * (3 - first) as f64) as usize;
            for at in [first, second] {
                group[at.min(group.len() - 1)] = (self.next() - 0.5) as f32;
            }
        }
        Csr::from_dense(&dense, [m, k]).unwrap()
    }
}

/// Floats from a cache line on, as a tensor library would keep them.
struct Aligned {
    floats: Vec<f32>,
    len: usize,
}

impl Aligned {
    fn get(&self) -> &[f32] {
        let offset = (16 - self.floats.as_ptr().addr() % 64 / 4) % 16;
        &self.floats[offset..offset + self.len]
    }
}

/// Median milliseconds of each contestant, each called once warm and once timed a round.
fn medians(contestants: &mut [Box<dyn FnMut() + '_>]) -> Vec<f64> {
    let mut times = vec![Vec::new(); contestants.len()];
    let begin = ThreadTime::now();
    while times[0].len() < 9 || (begin.elapsed().as_secs_f64() < 0.4 && times[0].len() < 1500) {
        for (contestant, times) in contestants.iter_mut().zip(&mut times) {
            contestant();
            let start = ThreadTime::now();
            contestant();
            times.push(start.elapsed().as_secs_f64() * 1e3);
        }
    }
    times
        .into_iter()
        .map(|mut times| {
            times.sort_by(f64::total_cmp);
            times[times.len() / 2]
        })
        .collect()
}

fn products(shape: [usize; 2], n: usize, layout: Layout, precisions: &[Precision]) {
    let [m, k] = shape;
    let mut random = Random(88_172_645_463_325_252);
    let x = random.floats(k * n);
    let blocks = Format::Blocks {
        rows: 4,
        columns: 1,
    };
    let mut cases: Vec<(String, Csr, Vec<Format>)> = Vec::new();
    for sparsity in SPARSITIES {
        let mut formats = vec![Format::Csr];
        if n <= 8 {
            formats.extend([Format::Lookup, Format::Bitmap]);
        }
        if n > 1 {
            formats.extend([Format::Panels, Format::RowLists]);
        }
        let name = format!("{:.0} %", 100.0 * sparsity);
        cases.push((name, random.weights(shape, sparsity, 1), formats));
    }
    for sparsity in SPARSITIES {
        let name = format!("4x1, {:.0} %", 100.0 * sparsity);
        cases.push((name, random.weights(shape, sparsity, 4), vec![blocks]));
    }
    let two_of_four = random.two_of_four(shape);
    cases.push((
        "2:4".to_owned(),
        two_of_four,
        if n <= 8 {
            vec![Format::Lookup]
        } else {
            vec![Format::NofM { keep: 2, of: 4 }, Format::RowLists]
        },
    ));
    for (name, csr, mut formats) in cases {
        formats.insert(0, Format::Dense);
        let chosen = Hint::batch(n).choose(&csr).unwrap().format();
        let packed: Vec<SparseMatrix> = formats
            .iter()
            .flat_map(|&format| {
                let packed = SparseMatrix::pack_as(&csr, format).unwrap();
                let stored = |&precision| packed.clone().with_precision(precision).unwrap();
                precisions.iter().map(stored).collect::<Vec<_>>()
            })
            .collect();
        let mut contestants: Vec<Box<dyn FnMut()>> = Vec::new();
        for packed in &packed {
            let (mut y, mut scratch) = (vec![0.0; m * n], Scratch::new());
            let x = x.get();
            contestants.push(Box::new(move || {
                packed
                    .multiply(x, n, layout, &mut y, &Epilogue::none(), &mut scratch)
                    .unwrap();
            }));
        }
        let times = medians(&mut contestants);
        let flops = 2.0 * (m * k * n) as f64;
        let dense = times[0];
        print!(
            "{name:>10} | dense {dense:.4} ms, {:.0} GFLOP/s",
            flops / dense / 1e6
        );
        for (packed, time) in packed.iter().zip(&times).skip(1) {
            let rate = 2.0 * (packed.nnz() * n) as f64 / time / 1e6;
            let ratio = dense / time;
            print!(" | {}", packed.format());
            if packed.precision() != Precision::F32 {
                print!(" {}", packed.precision());
            }
            print!(" {ratio:.2} ({time:.4} ms, {rate:.0})");
        }
        println!(" | would choose {chosen}");
    }
}

/// Forward, dX and dW, sparse and dense.
fn training(shape: [usize; 2], n: usize, layout: Layout) {
    let [m, k] = shape;
    let mut random = Random(88_172_645_463_325_252);
    let (x, dy) = (random.floats(k * n), random.floats(m * n));
    for sparsity in SPARSITIES {
        let csr = random.weights(shape, sparsity, 1);
        let sparse = TrainingMatrix::new(csr.clone(), Format::Panels, Format::Panels).unwrap();
        // The dense gradient of the weights is a product of the same size as the other two.
        let forward = SparseMatrix::pack_as(&csr, Format::Dense).unwrap();
        let backward = SparseMatrix::pack_as(&csr.transposed().0, Format::Dense).unwrap();
        let none = Epilogue::none();
        let (x, dy) = (x.get(), dy.get());
        let buffers = || (vec![0.0; m * n], vec![0.0; k * n], Scratch::new());
        let (mut y, mut dx, mut scratch) = buffers();
        let (mut y2, mut dx2, mut scratch2) = buffers();
        let mut dw = vec![0.0; csr.nnz()];
        let (mut dw2, mut scratch3) = (vec![0.0; csr.nnz()], Scratch::new());
        let mut contestants: Vec<Box<dyn FnMut()>> = Vec::new();
        contestants.push(Box::new(|| {
            for _ in 0..2 {
                forward
                    .multiply(x, n, layout, &mut y, &none, &mut scratch)
                    .unwrap();
            }
            backward
                .multiply(dy, n, layout, &mut dx, &none, &mut scratch)
                .unwrap();
        }));
        contestants.push(Box::new(|| {
            sparse
                .forward(x, n, layout, &mut y2, none, &mut scratch2)
                .unwrap();
            sparse
                .input_gradient(dy, n, layout, &mut dx2, &mut scratch2)
                .unwrap();
            sparse
                .weight_gradient(dy, x, n, layout, &mut dw, &mut scratch2)
                .unwrap();
        }));
        contestants.push(Box::new(|| {
            sparse
                .weight_gradient(dy, x, n, layout, &mut dw2, &mut scratch3)
                .unwrap();
        }));
        let times = medians(&mut contestants);
        println!(
            "train {:3.0} % | dense {:.4} ms | sparse {:.2} ({:.4} ms, of which dW {:.4})",
            100.0 * sparsity,
            times[0],
            times[0] / times[1],
            times[1],
            times[2],
        );
    }
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let sizes: Vec<usize> = words.iter().filter_map(|word| word.parse().ok()).collect();
    let size = |at: usize, default| sizes.get(at).copied().unwrap_or(default);
    let (m, k, n) = (size(0, 1024), size(1, 1024), size(2, 64));
    let has = |name: &str| words.iter().any(|word| word == name);
    let layout = if has("linear") {
        Layout::BatchMajor
    } else {
        Layout::FeatureMajor
    };
    println!("{m}x{k}, n = {n}, {layout:?}");
    if has("model") {
        println!("{:#?}", CostModel::of_this_machine().unwrap());
        println!(
            "{:#?}",
            Hint::batch(n)
                .choose(&Random(1).weights([m, k], 0.9, 1))
                .unwrap()
                .to_string()
        );
        return;
    }
    if has("train") {
        training([m, k], n, layout);
    } else {
        let precisions = if has("half") { 3 } else { 1 };
        products([m, k], n, layout, &Precision::ALL[..precisions]);
    }
}
