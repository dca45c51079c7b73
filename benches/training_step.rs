//! Training with masks against training without: `cargo bench --bench training_step`.

use burn::{
    optim::{GradientsParams, ModuleOptimizer, SgdConfig, momentum::MomentumConfig},
    tensor::Device,
};
use secateur::prelude::*;
use secateur_benches::{
    nets::{LeNet300, RowLstm, SmallConv, Trainable, Words},
    ratio::{interleaved, ms, ratio},
};

const BATCH: usize = 128;

fn sgd() -> ModuleOptimizer {
    let momentum = MomentumConfig::new().with_momentum(0.9);
    SgdConfig::new().with_momentum(Some(momentum)).init()
}

fn step<M: Trainable>(
    model: &mut Option<M>,
    sgd: &mut ModuleOptimizer,
    observed: Option<&mut Pruner>,
) {
    let Some(net) = model.take() else { return };
    let grads = GradientsParams::from_grads(net.loss(BATCH).backward(), &net);
    if let Some(pruner) = observed {
        pruner.observe(&net, &grads).expect("gradients of every weight");
    }
    *model = Some(sgd.step(1e-4, net, grads));
}

fn measure<M: Trainable>(rounds: usize) {
    let device = Device::flex().autodiff();
    let dense = M::new(&device);
    let config = || PrunerConfig::new().with_schedule(OneShot::new(0.9));
    let mut masked = dense.clone();
    let mut pruner = config().init_module(&dense).expect("a net with weights");
    pruner.prune(&mut masked, 0).expect("a plain net");
    let mut observer = config()
        .with_scorer(secateur::methods::taylor::WeightTaylor::default())
        .init_module(&dense)
        .expect("a net with weights");
    let (mut a, mut b, mut c) = (Some(dense.clone()), Some(masked), Some(dense));
    let (mut sgd_a, mut sgd_b, mut sgd_c) = (sgd(), sgd(), sgd());
    let [plain, pruned, observed] = interleaved(
        rounds,
        [
            &mut || step(&mut a, &mut sgd_a, None),
            &mut || step(&mut b, &mut sgd_b, None),
            &mut || step(&mut c, &mut sgd_c, Some(&mut observer)),
        ],
    );
    println!(
        "{:24}  {:>9.3} ms  {:>8.3}  {:>8.3}",
        M::NAME,
        ms(plain),
        ratio(pruned, plain),
        ratio(observed, plain)
    );
}

fn main() {
    println!("One training step, batch {BATCH}, SGD with momentum, Flex; medians of process time.");
    println!("{:24}  {:>12}  {:>8}  {:>8}", "net", "dense", "masked", "observed");
    measure::<LeNet300>(60);
    measure::<SmallConv>(20);
    measure::<RowLstm>(10);
    measure::<Words>(20);
}
