//! A training step through `SparseLinear` against one through Burn's `Linear`:
//! `cargo bench --bench sparse_training`.
//!
//! Forward and backward of 1024 × 1024 with a batch of 64, gradients of the input, the weight and
//! the bias; the optimizer is left out, which favours the dense layer. `RAYON_NUM_THREADS=1` for
//! one thread.

use burn::{
    Tensor,
    nn::{Linear, LinearConfig},
    tensor::{Device, Distribution},
};
use secateur::{prelude::*, sparse::layers::SparseLinear};
use secateur_benches::ratio::{interleaved, ms, ratio};

const SIZE: usize = 1024;
const BATCH: usize = 64;
const ROUNDS: usize = 40;

/// Forward and backward; the gradients are made and dropped.
fn step(x: &Tensor<2>, g: &Tensor<2>, forward: impl Fn(Tensor<2>) -> Tensor<2>) {
    let y = forward(x.clone().require_grad());
    let _ = (y * g.clone()).sum().backward();
}

fn main() {
    let device = Device::flex().autodiff();
    let shape = [BATCH, SIZE];
    let x = Tensor::<2>::random(shape, Distribution::Default, &device);
    let g = Tensor::<2>::random(shape, Distribution::Default, &device);
    println!(
        "{SIZE} x {SIZE}, batch {BATCH}, forward and backward, Flex; medians of process time."
    );
    println!(
        "{:>8}  {:>12}  {:>12}  {:>12}  {:>8}",
        "sparsity", "dense", "masked", "sparse", "times"
    );
    for sparsity in [0.5, 0.8, 0.9, 0.95] {
        let dense: Linear = LinearConfig::new(SIZE, SIZE).init(&device);
        let mut masked = dense.clone();
        let mut pruner = PrunerConfig::new()
            .with_schedule(OneShot::new(sparsity))
            .init_module(&dense)
            .expect("a layer with weights");
        pruner.prune(&mut masked, 0).expect("a plain layer");
        let layer = SparseLinear::from_dense(&masked).expect("a pruned layer");
        let [of_dense, of_masked, of_sparse] = interleaved(
            ROUNDS,
            [
                &mut || step(&x, &g, |x| dense.forward(x)),
                &mut || step(&x, &g, |x| masked.forward(x)),
                &mut || step(&x, &g, |x| layer.forward(x).expect("shapes that fit")),
            ],
        );
        println!(
            "{:>6.0} %  {:>9.3} ms  {:>9.3} ms  {:>9.3} ms  {:>8.2}",
            sparsity * 100.0,
            ms(of_dense),
            ms(of_masked),
            ms(of_sparse),
            ratio(of_dense, of_sparse)
        );
    }
}
