//! Prints what packing costs in each format, and what a change of the mask costs in training.
//!
//! `cargo run --release -p secateur-kernels --example packing -- [m] [k]`
//!
//! Contestants take turns within one loop and are timed by the time of this thread; figures are
//! medians. Beside each stands a product with 64 columns in the same format, the measure of what
//! can be afforded between two steps of training.

use cpu_time::ThreadTime;
use secateur_kernels::{Csr, Epilogue, Format, Layout, Scratch, SparseMatrix, TrainingMatrix};

const FORMATS: [Format; 8] = [
    Format::Dense,
    Format::Csr,
    Format::Panels,
    Format::RowLists,
    Format::Lookup,
    Format::Bitmap,
    Format::NofM { keep: 4, of: 4 },
    Format::Blocks {
        rows: 4,
        columns: 1,
    },
];

const COLUMNS: usize = 64;

struct Random(u64);

impl Random {
    fn next(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn mask(&mut self, len: usize, sparsity: f64) -> Vec<bool> {
        (0..len).map(|_| self.next() >= sparsity).collect()
    }
}

/// Median milliseconds of each contestant.
fn medians(contestants: &mut [Box<dyn FnMut() + '_>]) -> Vec<f64> {
    let mut times = vec![Vec::new(); contestants.len()];
    for _ in 0..11 {
        for (contestant, times) in contestants.iter_mut().zip(&mut times) {
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

/// The matrix, one with 1 % of its rows drawn anew, and one where 1 % of the weights moved.
fn matrices(shape: [usize; 2], sparsity: f64) -> [Csr; 3] {
    let [m, k] = shape;
    let mut random = Random(88_172_645_463_325_252);
    let dense: Vec<f32> = (0..m * k).map(|_| (random.next() - 0.5) as f32).collect();
    let mask = random.mask(m * k, sparsity);
    let mut rows = mask.clone();
    for _ in 0..m.div_ceil(100) {
        let row = (random.next() * m as f64) as usize * k;
        rows[row..row + k].copy_from_slice(&random.mask(k, sparsity));
    }
    let mut weights = mask.clone();
    for at in 0..m * k {
        if weights[at] && random.next() < 0.01 {
            weights[at] = false;
            weights[(random.next() * (m * k) as f64) as usize] = true;
        }
    }
    [mask, rows, weights].map(|mask| Csr::from_masked(&dense, &mask, shape).unwrap())
}

fn main() {
    let sizes: Vec<usize> = std::env::args()
        .filter_map(|word| word.parse().ok())
        .collect();
    let size = |at: usize| sizes.get(at).copied().unwrap_or(1024);
    let shape @ [m, k] = [size(0), size(1)];
    println!("{m}x{k}; milliseconds, and nanoseconds a weight in brackets");
    for sparsity in [0.5, 0.9] {
        let matrices @ [csr, rows, weights] = &matrices(shape, sparsity);
        let per_weight = |ms: f64| format!("{ms:.3} ({:.1})", ms * 1e6 / csr.nnz() as f64);
        let (x, mut y) = (vec![0.5; k * COLUMNS], vec![0.0; m * COLUMNS]);
        let mut scratch = Scratch::new();
        let none = Epilogue::none();
        for format in FORMATS {
            let packed = SparseMatrix::pack_as(csr, format).unwrap();
            let mut copies = [(); 3].map(|()| packed.clone());
            let [by_rows, by_weights, by_values] = &mut copies;
            let (mut row_turn, mut weight_turn) = (0, 0);
            let times = medians(&mut [
                Box::new(|| drop(SparseMatrix::pack_as(csr, format).unwrap())),
                Box::new(|| {
                    row_turn = 1 - row_turn;
                    by_rows.update(&matrices[row_turn]).unwrap();
                }),
                Box::new(|| {
                    weight_turn = 2 - weight_turn;
                    by_weights.update(&matrices[weight_turn]).unwrap();
                }),
                Box::new(|| by_values.update_values(csr).unwrap()),
                Box::new(|| drop(packed.to_csr())),
                Box::new(|| {
                    packed
                        .matmul(&x, COLUMNS, &mut y, none, &mut scratch)
                        .unwrap()
                }),
            ]);
            let times: Vec<String> = times.into_iter().map(per_weight).collect();
            println!(
                "{:.0} % {format}: pack {}, update of 1 % of the rows {}, of 1 % of the weights {}, \
                 of values {}, unpack {}, product {}",
                100.0 * sparsity,
                times[0],
                times[1],
                times[2],
                times[3],
                times[4],
                times[5],
            );
        }
        let new = || TrainingMatrix::new(csr.clone(), Format::Panels, Format::Panels).unwrap();
        let trained = new();
        let (mut updated, mut set) = (new(), new());
        let mut dx = vec![0.0; k * COLUMNS];
        let mut dw = vec![0.0; csr.nnz()];
        let layout = Layout::FeatureMajor;
        let mut turn = 0;
        let times = medians(&mut [
            Box::new(|| drop(new())),
            Box::new(|| {
                turn = 1 - turn;
                updated.update([weights, rows][turn].clone()).unwrap();
            }),
            Box::new(|| set.set_values(csr.values()).unwrap()),
            Box::new(|| drop(csr.transposed())),
            Box::new(|| {
                trained
                    .forward(&x, COLUMNS, layout, &mut y, none, &mut scratch)
                    .unwrap();
                trained
                    .input_gradient(&y, COLUMNS, layout, &mut dx, &mut scratch)
                    .unwrap();
                trained
                    .weight_gradient(&y, &x, COLUMNS, layout, &mut dw, &mut scratch)
                    .unwrap();
            }),
        ]);
        let times: Vec<String> = times.into_iter().map(per_weight).collect();
        println!(
            "{:.0} % training, panels both ways: new {}, update {}, set_values {}, transposed {}, step {}",
            100.0 * sparsity,
            times[0],
            times[1],
            times[2],
            times[3],
            times[4],
        );
    }
}
