//! Random search over allocations: draw how the budget is split between the layers, look at the model
//! under each split's masks, keep the best (the control that AMC and evolutionary searches are held
//! against).
//!
//! Selecting is pure, so that all candidates come from one dense model; their masks go on and off
//! that model while its weights stay where they are.

use std::collections::BTreeMap;

use burn::module::Module;
use secateur::{
    Prune,
    allocation::{
        AllocationRow, AllocationTable, Allotment,
        apportionment::{Limits, largest_remainders, proportional},
    },
    prelude::*,
    random::Stream,
};

use crate::{device::device, nets::Single};

// The method.

#[derive(Debug)]
struct RandomSplit {
    trial: usize,
}

impl Allocation for RandomSplit {
    fn allocate(&self, table: &AllocationTable<'_>) -> Result<Vec<Allotment>, PruneError> {
        let total = table.pool_keeps(&(0..table.rows.len()).collect::<Vec<_>>())?;
        let rows = || table.rows.iter();
        let limit = |row: &AllocationRow<'_>| Limits {
            least: 0,
            most: row.available(),
        };
        let limits: Vec<_> = rows().map(limit).collect();
        let chance = |path: &str| f64::from(Stream::new(0, path, self.trial).uniform());
        let draw = |row: &AllocationRow<'_>| row.units as f64 * chance(row.path());
        let weights: Vec<_> = rows().map(draw).collect();
        let ideals = proportional(&weights, &limits, total);
        let keep = largest_remainders(&ideals, &limits, total).into_iter();
        Ok(keep.map(|keep| Allotment { keep, floored: 0 }).collect())
    }
}

fn random_search<M: Module>(
    model: &mut M,
    config: &PrunerConfig,
    trials: usize,
    loss: impl Fn(&M) -> f64,
) -> Result<BTreeMap<String, (f64, MaskSet)>, PruneError> {
    let mut seen = BTreeMap::new();
    for trial in 0..trials {
        let pruner = config
            .clone()
            .with_allocation(RandomSplit { trial })
            .init_module(model)?;
        let (before, masks) = (pruner.masks(model)?, pruner.select(model, 0)?);
        pruner.set_masks(model, &masks)?;
        seen.insert(format!("split {trial}"), (loss(model), masks));
        pruner.set_masks(model, &before)?;
    }
    Ok(seen)
}

// Its steps by hand.

#[derive(Module, Prune, Debug)]
struct Net {
    a: Single,
    b: Single,
}

#[test]
fn the_best_of_five_splits_by_hand() {
    let device = device();
    let dense = Net {
        a: Single::new([[1.0, 1.0, 1.0, 6.0]], &device),
        b: Single::new([[1.0, 5.0, 7.0, 8.0]], &device),
    };
    let mut model = dense.clone();
    let config = PrunerConfig::new().with_schedule(OneShot::new(0.5));
    // The loss is the sum of the squares that are gone. Four weights of eight stay, so the splits are
    //   a keeps 0, b 4: 39         loses 39
    //   a keeps 1, b 3: 3 + 1      loses  4
    //   a keeps 2, b 2: 2 + 26     loses 28
    //   a keeps 3, b 1: 1 + 75     loses 76
    //   a keeps 4, b 0: 139        loses 139
    let squares = |net: &Net| {
        let weights = [net.a.effective(), net.b.effective()].concat();
        weights.iter().map(|w| f64::from(w * w)).sum::<f64>()
    };
    let whole = squares(&dense);
    let seen = random_search(&mut model, &config, 40, |net| whole - squares(net)).unwrap();

    let by_hand = [39.0, 4.0, 28.0, 76.0, 139.0];
    let mut splits = [0; 5];
    for (name, (loss, masks)) in &seen {
        assert_eq!(masks.kept(), 4, "{name}");
        let kept = masks.get("a.fc.weight").unwrap().kept();
        assert_eq!(*loss, by_hand[kept], "{name}");
        splits[kept] += 1;
    }
    assert!(splits.iter().filter(|n| **n > 0).count() >= 4, "{splits:?}");

    // The search has left nothing behind, and the best set goes on by itself.
    assert_eq!(model.a.effective(), dense.a.effective());
    let (_, best) = seen.values().min_by(|a, b| a.0.total_cmp(&b.0)).unwrap();
    let pruner = config.init(&model).unwrap();
    pruner.set_masks(&mut model, best).unwrap();
    assert_eq!(model.a.effective(), [0.0, 0.0, 0.0, 6.0]);
    assert_eq!(model.b.effective(), [0.0, 5.0, 7.0, 8.0]);
    assert_eq!(Weights::of(&model), Weights::of(&dense));
}
