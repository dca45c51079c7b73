//! Soft filter pruning (He, Kang, Dong, Fu, Yang 2018, arXiv 1808.06866): after every epoch the
//! filters of smallest Euclidean norm are set to zero, and go on training with the others.
//!
//! One rate for all layers, filters compared within a layer. The zeroing is soft: the forward passes
//! of the next epoch see what the filter has become, so no mask is put on before the last epoch.

use secateur::prelude::*;

use crate::{device::training_device, nets::Single};

// The method.

#[derive(Debug)]
struct SoftFilters {
    last_epoch: usize,
}

impl Selector for SoftFilters {
    fn select(&self, ctx: &SelectContext<'_>) -> Result<Selection, PruneError> {
        let chosen = TopK.select(ctx)?;
        if ctx.score.step() >= self.last_epoch {
            return Ok(chosen);
        }
        let weights = ctx.score.weight().iter().zip(chosen.mask.iter());
        Ok(Selection {
            mask: Mask::keep_all(ctx.score.shape())?,
            weights: Some(
                weights
                    .map(|(&w, kept)| if kept { w } else { 0.0 })
                    .collect(),
            ),
        })
    }
}

fn soft_filter_pruning(rate: f64, last_epoch: usize) -> PrunerConfig {
    let every_epoch = FnSchedule::new(move |_| rate);
    PrunerConfig::new()
        .with_scorer(Magnitude::l1())
        .with_reduction(Reduction::L2)
        .with_pattern(Filter)
        .with_selector(SoftFilters { last_epoch })
        .with_schedule(every_epoch.between(0..=last_epoch).every(1))
}

// Its steps by hand.

#[test]
fn three_epochs_by_hand() {
    // Norms 4 and √13: the second filter goes. By the sums of sizes, 4 and 5, it would be the first.
    let mut model = Single::new([[4.0, 0.0], [3.0, 2.0]], &training_device());
    let mut pruner = soft_filter_pruning(0.5, 2).init(&model).unwrap();
    pruner.prune(&mut model, 0).unwrap();
    assert_eq!(model.effective(), [4.0, 0.0, 0.0, 0.0]);

    // Both learn, w - x/2: [1, -1] and [-3, -1], which the model sees.
    let grads = model.gradients([6.0, 2.0]);
    model = model.step(grads);
    assert_eq!(model.effective(), [1.0, -1.0, -3.0, -1.0]);
    // Norms √2 and √10: now the first goes, the second has earned its way back.
    pruner.prune(&mut model, 1).unwrap();
    assert_eq!(model.effective(), [0.0, 0.0, -3.0, -1.0]);
    assert_eq!(pruner.masks(&model).unwrap().sparsity(), 0.0);

    // [-0.5, -0.5] and [-3.5, -1.5]: the last epoch takes the first for good.
    let grads = model.gradients([1.0, 1.0]);
    model = model.step(grads);
    pruner.prune(&mut model, 2).unwrap();
    let grads = model.gradients([1.0, 1.0]);
    model = model.step(grads);
    assert_eq!(model.effective(), [0.0, 0.0, -4.0, -2.0]);
    assert_eq!(pruner.masks(&model).unwrap().sparsity(), 0.5);
}
