//! Movement pruning (Sanh, Wolf, Rush 2020, arXiv 2005.07683): a weight matters if training moves it
//! away from zero.
//!
//! `S = -Σ w·g` over all steps so far, `g` the gradient of the effective weight, so that removed
//! weights go on scoring while they themselves stand still; at each step the largest `S` of the
//! tensor are kept. The paper's learning rate of `S` scales all scores alike.

use std::sync::Arc;

use secateur::{mask_op::GradientFlow, prelude::*};

use crate::{device::training_device, nets::Single};

// The method.

#[derive(Debug)]
struct Movement;

impl Signal for Movement {
    fn name(&self) -> &str {
        "movement"
    }
    fn update(&self, sum: &mut [f64], seen: &Observed<'_>) {
        for ((sum, w), g) in sum.iter_mut().zip(seen.weight).zip(seen.gradient) {
            *sum -= f64::from(w * g);
        }
    }
    fn read(&self, sum: &[f64], _observations: u64) -> Vec<f32> {
        sum.iter().map(|&sum| sum as f32).collect()
    }
    fn outlives_pruning(&self) -> bool {
        true
    }
}

impl ImportanceScorer for Movement {
    fn score(&self, ctx: &ScoreContext<'_>) -> Result<Vec<f32>, PruneError> {
        ctx.signal(self)
    }
    fn signals(&self) -> Vec<Arc<dyn Signal>> {
        vec![Arc::new(Movement)]
    }
}

fn movement_pruning(schedule: impl Schedule + 'static) -> PrunerConfig {
    let treatment = Treatment {
        removed: Removed::Frozen,
        regrown: Regrown::Kept,
        gradient: GradientFlow::Dense,
        ..Treatment::default()
    };
    PrunerConfig::new()
        .with_scorer(Movement)
        .with_regrowth(Reconsider)
        .with_treatment(treatment)
        .with_schedule(schedule)
}

// Its steps by hand.

#[test]
fn two_steps_by_hand() {
    let mut model = Single::new([[1.0, -2.0, 3.0, 0.5]], &training_device());
    let schedule = FnSchedule::new(|_| 0.5).between(0..=1).every(1);
    let mut pruner = movement_pruning(schedule).init(&model).unwrap();

    // -w·g = [-1, 2, 3, 0.5]: the two in the middle stay. w - g/2 = [0.5, -2.5, 3.5, 1].
    model = train(&mut pruner, model, [1.0, 1.0, -1.0, -1.0], 0);
    assert_eq!(model.effective(), [0.0, -2.5, 3.5, 0.0]);
    assert_eq!(model.stored(), [0.5, -2.5, 3.5, 1.0]);

    // -w·g = [4, -1.25, -3.5, -1], so S = [3, 0.75, -0.5, -0.5]: the first comes back with the
    // value that it had, the third goes. Removed weights have not moved: -2.5 + 0.25, 3.5 - 0.5.
    // (The last step alone would keep the first and the fourth, masked gradients the second and
    // one of the last two, magnitude the second and the third.)
    model = train(&mut pruner, model, [-8.0, -0.5, 1.0, 1.0], 1);
    assert_eq!(model.effective(), [0.5, -2.25, 0.0, 0.0]);
    assert_eq!(model.stored(), [0.5, -2.25, 3.0, 1.0]);
}

fn train(pruner: &mut Pruner, mut model: Single, x: [f32; 4], step: usize) -> Single {
    let grads = model.gradients(x);
    pruner.observe(&model, &grads).unwrap();
    if let Step::Update(grads) = pruner.before_step(&model, grads, step).unwrap() {
        model = model.step(grads);
    }
    pruner.prune(&mut model, step).unwrap();
    model
}
