//! One global mask update against one pass of Burn over the same weights:
//! `cargo bench --bench mask_update`. Memory is what the process has on the heap.

use burn::{module::Module, tensor::Device};
use peak_alloc::PeakAlloc;
use secateur::prelude::*;
use secateur_benches::{
    nets::Stack,
    ratio::{interleaved, ms, ratio},
};

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

fn main() {
    println!("Global magnitude pruning to 90 %, unstructured, Flex; medians of process time.");
    println!(
        "{:>9}  {:>16}  {:>12}  {:>6}  {:>14}",
        "weights", "abs().sum()", "mask update", "ratio", "peak / weights"
    );
    for millions in millions() {
        let device = Device::flex();
        let model = Stack::new(millions * 1_000_000, &device);
        model.absolute_sum();
        let bytes = model.num_params() as f64 * 4.0;
        let config = || {
            PrunerConfig::new()
                .with_allocation(Global)
                .with_schedule(OneShot::new(0.9))
        };
        // The masks are attached, and keep everything: all weights are candidates.
        let mut masked = model.clone();
        config()
            .init_module(&model)
            .and_then(|pruner| pruner.attach(&mut masked))
            .expect("weights");
        let update = || {
            let mut copy = masked.clone();
            let mut pruner = config().init_module(&copy).expect("weights");
            pruner.prune(&mut copy, 0).expect("a plain net");
        };
        let rounds = if millions > 25 { 3 } else { 7 };
        let [pass, mask] =
            interleaved(rounds, [&mut || _ = model.absolute_sum(), &mut || update()]);
        HEAP.reset_peak_usage();
        let before = HEAP.current_usage();
        update();
        let peak = (HEAP.peak_usage() - before) as f64;
        println!(
            "{:>7} M  {:>13.2} ms  {:>9.1} ms  {:>6.1}  {:>14.2}",
            millions,
            ms(pass),
            ms(mask),
            ratio(mask, pass),
            peak / bytes
        );
    }
}

/// The sizes named on the command line, or those of the table.
fn millions() -> Vec<usize> {
    let named: Vec<_> = std::env::args()
        .filter_map(|word| word.parse().ok())
        .collect();
    if named.is_empty() {
        vec![1, 5, 25, 100]
    } else {
        named
    }
}
