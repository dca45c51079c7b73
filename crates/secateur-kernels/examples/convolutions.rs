//! Prints how fast pruned convolutions are on this machine, beside the direct dense one.
//!
//! `cargo run --release -p secateur-kernels --example convolutions [batch] [threads] [measured]`
//!
//! `measured` only tells, for each case, what the estimate chooses and what a measurement does.
//!
//! Contestants take turns within one loop and are timed by the time of this thread, so that a
//! busy machine slows all of them alike; figures are medians, and in brackets the fastest tenth.
//! With several threads it is the time on the clock that counts, which wants a quiet machine. A rate counts the multiplications
//! of kept weights with output pixels, two operations each; its share is of the multiply-add
//! peak measured in the same run.

use std::time::Instant;

use cpu_time::ThreadTime;
use pulp::Simd;
use secateur_kernels::{
    ConvChoice, ConvFormat, ConvGeometry, ConvHint, Csr, Epilogue, Isa, Scratch, SparseConv,
    Threads,
};

const SPARSITIES: [f64; 6] = [0.5, 0.7, 0.8, 0.9, 0.95, 0.98];

fn random(seed: &mut u64) -> f64 {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    (*seed >> 11) as f64 / (1_u64 << 53) as f64
}

fn weights(shape: [usize; 2], sparsity: f64, seed: &mut u64) -> Csr {
    let dense: Vec<f32> = (0..shape[0] * shape[1])
        .map(|_| {
            let value = random(seed) - 0.5;
            if random(seed) >= sparsity {
                value as f32
            } else {
                0.0
            }
        })
        .collect();
    Csr::from_dense(&dense, shape).unwrap()
}

struct Contestant {
    conv: SparseConv,
    /// What the estimate would have chosen.
    chosen: ConvFormat,
    scratch: Scratch,
    times: Vec<f64>,
}

impl Contestant {
    fn new(conv: SparseConv, chosen: ConvFormat, threads: usize) -> Self {
        Self {
            conv,
            chosen,
            scratch: Scratch::new().with_threads(if threads > 1 {
                Threads::Rayon
            } else {
                Threads::One
            }),
            times: Vec::new(),
        }
    }
}

/// The multiply-add peak of one thread with the widest vectors, in GFLOP/s.
struct Peak;

impl pulp::WithSimd for Peak {
    type Output = f64;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> f64 {
        let (a, b) = std::hint::black_box((0.999_9, 1e-4));
        let (a, b) = (simd.splat_f32s(a), simd.splat_f32s(b));
        let mut acc = [simd.splat_f32s(1.0); 12];
        let start = ThreadTime::now();
        let rounds = 20_000;
        for _ in 0..rounds {
            for lane in &mut acc {
                *lane = simd.mul_add_e_f32s(*lane, a, b);
            }
        }
        let seconds = start.elapsed().as_secs_f64();
        std::hint::black_box(acc.map(|v| simd.reduce_sum_f32s(v)));
        (rounds * 12 * S::F32_LANES * 2) as f64 / seconds / 1e9
    }
}

/// The median and the fastest tenth, of times.
fn quantiles(times: &mut [f64]) -> [f64; 2] {
    times.sort_by(f64::total_cmp);
    [times[times.len() / 2], times[times.len() / 10]]
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let mut sizes = words.iter().filter_map(|word| word.parse().ok());
    let batch: usize = sizes.next().unwrap_or(1);
    let threads: usize = sizes.next().unwrap_or(1);
    if words.iter().any(|word| word == "measured") {
        return choices(batch);
    }
    println!(
        "batch {batch}, {threads} threads, {}",
        Isa::from_env().unwrap()
    );
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .unwrap()
        .install(|| run(batch, threads));
}

/// [`Peak`] with the vectors that the convolutions use.
fn peak() -> f64 {
    match Isa::from_env() {
        #[cfg(target_arch = "x86_64")]
        Ok(Isa::Avx2) => pulp::x86::V3::try_new().map_or(0.0, |simd| Simd::vectorize(simd, Peak)),
        Ok(Isa::Scalar) => pulp::Scalar::new().vectorize(Peak),
        _ => pulp::Arch::new().dispatch(Peak),
    }
}

/// Name, channels, side of the kernel, image.
type Case = (&'static str, [usize; 2], usize, [usize; 2]);

const CASES: [Case; 3] = [
    ("3x3 256->256 @14", [256, 256], 3, [14, 14]),
    ("3x3 64->64 @56", [64, 64], 3, [56, 56]),
    ("1x1 256->256 @28", [256, 256], 1, [28, 28]),
];

/// The estimated choice beside the measured one.
fn choices(batch: usize) {
    let mut seed = 88_172_645_463_325_252;
    for (name, channels, kernel, image) in CASES {
        let padding = kernel / 2;
        let geometry = ConvGeometry::conv2d(channels, [kernel, kernel]).padding([padding, padding]);
        let hint = ConvHint::image(image).batch(batch);
        for sparsity in [0.0, 0.3, 0.4, 0.5, 0.6].into_iter().chain(SPARSITIES) {
            let shape = [channels[0], channels[1] * kernel * kernel];
            let csr = weights(shape, sparsity, &mut seed);
            let choice = |hint| ConvChoice::of(&csr, &geometry, &hint).unwrap();
            let start = Instant::now();
            let measured = choice(hint.measured());
            println!(
                "{name} {:3.0} % | estimated: {} | measured: {measured} | took {:.0} ms",
                100.0 * sparsity,
                choice(hint),
                start.elapsed().as_secs_f64() * 1e3,
            );
        }
    }
}

fn run(batch: usize, threads: usize) {
    let mut seed = 88_172_645_463_325_252;
    for (name, channels, kernel, image) in CASES {
        let padding = kernel / 2;
        let geometry = ConvGeometry::conv2d(channels, [kernel, kernel]).padding([padding, padding]);
        let shape = [channels[0], channels[1] * kernel * kernel];
        let hint = ConvHint::image(image).batch(batch);
        let mut contestants: Vec<Contestant> = Vec::new();
        for (nth, sparsity) in [0.0].into_iter().chain(SPARSITIES).enumerate() {
            let csr = weights(shape, sparsity, &mut seed);
            let format = if nth == 0 {
                ConvFormat::Dense
            } else {
                ConvFormat::Panels
            };
            contestants.push(Contestant::new(
                SparseConv::pack_as(&csr, &geometry, format, &hint).unwrap(),
                ConvChoice::of(&csr, &geometry, &hint).unwrap().format(),
                threads,
            ));
        }
        let x: Vec<f32> = (0..batch * channels[1] * image[0] * image[1])
            .map(|_| (random(&mut seed) - 0.5) as f32)
            .collect();
        let mut y = vec![0.0; batch * channels[0] * image[0] * image[1]];
        let begin = Instant::now();
        let (mut rounds, mut peaks) = (0, Vec::new());
        while rounds < 9 || (begin.elapsed().as_secs_f64() < 2.0 && rounds < 500) {
            for contestant in &mut contestants {
                // The first call brings the weights back to the cache.
                for timed in [false, true] {
                    let (start, clock) = (ThreadTime::now(), Instant::now());
                    contestant
                        .conv
                        .forward(
                            &x,
                            batch,
                            image,
                            &mut y,
                            Epilogue::none(),
                            &mut contestant.scratch,
                        )
                        .unwrap();
                    if timed {
                        let time = if threads > 1 {
                            clock.elapsed()
                        } else {
                            start.elapsed()
                        };
                        contestant.times.push(time.as_secs_f64() * 1e3);
                    }
                }
            }
            peaks.push(1.0 / (threads as f64 * peak()));
            rounds += 1;
        }
        let pixels = (batch * image[0] * image[1]) as f64;
        let peak = quantiles(&mut peaks).map(|time| 1.0 / time);
        println!(
            "{name}; multiply-add peak {:.0} ({:.0}) GFLOP/s",
            peak[0], peak[1]
        );
        let mut dense = [0.0; 2];
        for (nth, contestant) in contestants.iter_mut().enumerate() {
            let ms = quantiles(&mut contestant.times);
            let operations = 2.0 * contestant.conv.nnz() as f64 * pixels / 1e6;
            let rate = ms.map(|ms| operations / ms);
            let share = [0, 1].map(|i| 100.0 * rate[i] / peak[i]);
            let name = if nth == 0 {
                // A dense convolution below 0.85 of the peak would flatter the others.
                dense = [0, 1].map(|i| operations / rate[i].max(0.85 * peak[i]));
                "dense".to_owned()
            } else {
                format!("{:3.0} %", 100.0 * SPARSITIES[nth - 1])
            };
            let ratio = [0, 1].map(|i| dense[i] / ms[i]);
            println!(
                "  {name:5} {:.4} ({:.4}) ms, {:4.0} ({:4.0}) GFLOP/s, {:3.0} ({:3.0}) % of peak, \
                 {:5.2} ({:5.2}) x dense, chosen: {}",
                ms[0],
                ms[1],
                rate[0],
                rate[1],
                share[0],
                share[1],
                ratio[0],
                ratio[1],
                contestant.chosen
            );
        }
    }
}
