//! Pruning one parameter with one call, as `torch.nn.utils.prune` does.
//!
//! ```
//! use burn::{module::Module, nn::LinearConfig, tensor::Device};
//! use secateur_core::torch::{is_pruned, l1_unstructured, remove};
//!
//! let mut model = LinearConfig::new(4, 5).init(&Device::flex());
//! l1_unstructured(&mut model, "weight", 0.5)?; // half of the 20 weights
//! l1_unstructured(&mut model, "weight", 3)?; // three of the ten that are left
//! l1_unstructured(&mut model, "bias", 1)?;
//! assert!(is_pruned(&model));
//! remove(&mut model, "weight")?;
//! remove(&mut model, "bias")?;
//! assert!(!is_pruned(&model));
//! # Ok::<(), secateur_core::error::PruneError>(())
//! ```
//!
//! Parameters are named by their record paths, biases and norms included; running statistics are
//! refused. Several prunings of one parameter compose as in torch's `PruningContainer`: an amount
//! is of what remains, and what is gone stays gone. Each call puts a mask on the parameter if it
//! has none; values under the mask stay stored, as in torch's `weight_orig`. A call that fails
//! changes nothing.
//!
//! Where this differs from torch:
//!
//! * A share of 2.5 elements is 3 here, halves going away from zero; Python's `round` makes it 2,
//!   to the even neighbour.
//! * Among equal scores the later elements go first, always; torch leaves it to its `topk`.
//! * A share is below 1. A parameter can lose everything only by a count.
//! * Dimensions are those of torch's `Linear` and `Conv`: 0 counts outputs and 1 inputs whatever
//!   the layer (Burn stores `Linear` weights `[in, out]`; torch stores transposed convolutions
//!   `[in, out]`), and dimensions from 2 on are the kernel's.
//! * [`from_scores`] prunes the lowest scores, where torch takes their absolute values first.
//! * [`random_unstructured`] and [`random_structured`] take a seed and prune the same on every
//!   device.

mod held;
mod slices;

use burn::module::Module;
use serde::{Deserialize, Serialize};

use self::{
    held::{Held, hold, hold_one, put},
    slices::{Slices, norm},
};
use crate::{
    attach,
    bits::Bits,
    error::PruneError,
    mask::Mask,
    params::{Attached, ParamEntry, ParamTable},
    rank::{RankRow, keep_largest, pooled_counts},
    scorer::check_scores,
    target::share_of,
};

/// How much to prune: a number of units, or a share of those that are left.
///
/// ```
/// use secateur_core::torch::Amount;
///
/// assert_eq!(Amount::from(20), Amount::Count(20));
/// assert_eq!(Amount::from(0.2), Amount::Share(0.2));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Amount {
    /// So many units, at most as many as are left.
    Count(usize),
    /// The share of what is left, in [0, 1).
    Share(f64),
}

impl From<usize> for Amount {
    fn from(count: usize) -> Self {
        Self::Count(count)
    }
}

impl From<f64> for Amount {
    fn from(share: f64) -> Self {
        Self::Share(share)
    }
}

impl Amount {
    /// The number of units to prune of `left`; `path` is for the error.
    fn of(self, path: &str, left: usize) -> Result<usize, PruneError> {
        match self {
            Self::Share(share) => Ok(share_of(PruneError::check_sparsity("amount", share)?, left)),
            Self::Count(count) if count <= left => Ok(count),
            Self::Count(count) => Err(PruneError::OverPruned {
                path: path.into(),
                asked: count,
                available: left,
                remedy: "ask for at most what earlier prunings left".into(),
            }),
        }
    }
}

/// Puts a mask on a parameter that prunes nothing, torch's `identity`.
///
/// # Errors
/// [`PruneError::UnknownParameter`], [`PruneError::RunningStatistics`],
/// [`PruneError::Reparameterized`] for a parameter that carries a LoRA or the like,
/// [`PruneError::Finished`] for one whose mask was spent beside such,
/// [`PruneError::UnsupportedDType`] for a quantized one, [`PruneError::TiedMismatch`] for fields
/// that share an id but not their values. All functions that prune have these errors.
pub fn identity<M: Module>(model: &mut M, path: &str) -> Result<(), PruneError> {
    let held = hold_one(model, path)?;
    let mask = held.mask.clone();
    put(model, [(held, mask)])
}

/// Prunes the `amount` of remaining elements with the smallest absolute values.
///
/// # Errors
/// Those of [`identity`], [`PruneError::InvalidSetting`] for a share outside [0, 1),
/// [`PruneError::OverPruned`] for a count above what is left, [`PruneError::NanScore`] for
/// weights that are NaN.
pub fn l1_unstructured<M: Module>(
    model: &mut M,
    path: &str,
    amount: impl Into<Amount>,
) -> Result<(), PruneError> {
    let held = hold_one(model, path)?;
    let scores = held.magnitudes();
    prune_lowest(model, held, "l1_unstructured", &scores, amount.into())
}

/// Prunes the `amount` of remaining elements at random, the same for the same seed and path.
///
/// # Errors
/// As [`l1_unstructured`].
pub fn random_unstructured<M: Module>(
    model: &mut M,
    path: &str,
    amount: impl Into<Amount>,
    seed: u64,
) -> Result<(), PruneError> {
    let held = hold_one(model, path)?;
    let scores = held.random_scores(seed, held.weight.len());
    prune_lowest(model, held, "random_unstructured", &scores, amount.into())
}

/// Prunes the `amount` of remaining elements with the lowest of the given scores, one for each
/// element of the view in `(out, in, kernel)` order.
///
/// # Errors
/// As [`l1_unstructured`], and [`PruneError::ScoreCount`] for a wrong number of scores.
pub fn from_scores<M: Module>(
    model: &mut M,
    path: &str,
    scores: &[f32],
    amount: impl Into<Amount>,
) -> Result<(), PruneError> {
    let held = hold_one(model, path)?;
    prune_lowest(model, held, "from_scores", scores, amount.into())
}

/// Prunes the `amount` of remaining slices along a dimension with the smallest `n`-norms.
///
/// A slice remains while one of its elements does; pruned elements count as zeros in its norm.
/// `n` may be any number: 1 sums absolute values, 2 is Euclid's norm, 0 counts what is not zero,
/// infinity takes the largest and negative infinity the smallest absolute value. Dimension 0
/// counts outputs, 1 inputs, the rest are the kernel's; see the [module](self).
///
/// # Errors
/// As [`l1_unstructured`] with slices for elements, and [`PruneError::InvalidSetting`] for a
/// dimension that the parameter does not have, a parameter of fewer than two dimensions, and an
/// `n` that is NaN.
pub fn ln_structured<M: Module>(
    model: &mut M,
    path: &str,
    amount: impl Into<Amount>,
    n: f64,
    dim: usize,
) -> Result<(), PruneError> {
    if n.is_nan() {
        return Err(PruneError::invalid(
            "n",
            n,
            "the order of a norm",
            "pass 1.0 or 2.0",
        ));
    }
    let held = hold_one(model, path)?;
    let slices = held.slices(dim)?;
    let mut norms = vec![Vec::new(); slices.count];
    for (index, value) in held.weight.iter().enumerate() {
        norms[slices.of(index)].push(f64::from(value.abs()));
    }
    let norms: Vec<f64> = norms.iter().map(|values| norm(values, n)).collect();
    prune_slices(model, held, "ln_structured", &slices, &norms, amount.into())
}

/// Prunes the `amount` of remaining slices along a dimension at random.
///
/// # Errors
/// As [`ln_structured`].
pub fn random_structured<M: Module>(
    model: &mut M,
    path: &str,
    amount: impl Into<Amount>,
    dim: usize,
    seed: u64,
) -> Result<(), PruneError> {
    let held = hold_one(model, path)?;
    let slices = held.slices(dim)?;
    let scores = held.random_scores(seed, slices.count);
    let scores: Vec<f64> = scores.into_iter().map(f64::from).collect();
    prune_slices(
        model,
        held,
        "random_structured",
        &slices,
        &scores,
        amount.into(),
    )
}

/// Prunes the `amount` of the remaining elements of all named parameters together that have the
/// smallest absolute values.
///
/// Equal values are pruned from the last parameter back, in the model's order.
///
/// # Errors
/// As [`l1_unstructured`], and [`PruneError::NothingToPrune`] if no parameter is named.
pub fn global_unstructured<M: Module, P: AsRef<str>>(
    model: &mut M,
    paths: &[P],
    amount: impl Into<Amount>,
) -> Result<(), PruneError> {
    if paths.is_empty() {
        return Err(PruneError::NothingToPrune);
    }
    let held = hold(model, paths)?;
    let scores: Vec<Vec<f32>> = held.iter().map(Held::magnitudes).collect();
    for (held, scores) in held.iter().zip(&scores) {
        check_scores(&held.path, "global_unstructured", scores, held.mask.len())?;
    }
    let left = held.iter().map(|held| held.mask.kept()).sum();
    let keep = left - amount.into().of("the model", left)?;
    let rows: Vec<RankRow<'_>> = (held.iter().zip(&scores))
        .map(|(held, scores)| RankRow::new(scores).with_eligible(held.mask.bits()))
        .collect();
    let counts = pooled_counts(&rows, keep).counts;
    let mut masks = Vec::with_capacity(held.len());
    for ((held, scores), count) in held.iter().zip(&scores).zip(counts) {
        let bits = keep_largest(scores, Some(held.mask.bits()), count);
        masks.push(Mask::from_bits(held.mask.shape(), bits)?);
    }
    put(model, held.into_iter().zip(masks))
}

/// Prunes what `mask` prunes, on top of what is pruned already.
///
/// # Errors
/// Those of [`identity`], and [`PruneError::MaskShape`] for a mask of another shape than the
/// parameter's view.
pub fn custom_from_mask<M: Module>(
    model: &mut M,
    path: &str,
    mask: &Mask,
) -> Result<(), PruneError> {
    let held = hold_one(model, path)?;
    let mask = held.mask.combine(&held.path, mask, |old, new| old & new)?;
    put(model, [(held, mask)])
}

/// Whether any parameter carries a mask, even one that prunes nothing.
pub fn is_pruned<M: Module>(model: &M) -> bool {
    ParamTable::of(model).entries.iter().any(carries_mask)
}

/// Whether a parameter carries a mask, even one that prunes nothing.
///
/// # Errors
/// [`PruneError::UnknownParameter`].
pub fn is_pruned_at<M: Module>(model: &M, path: &str) -> Result<bool, PruneError> {
    ParamTable::of(model).find_tied(path).map(carries_mask)
}

/// The mask on a parameter; keep-all where none is.
///
/// # Errors
/// Those of [`identity`].
pub fn mask_of<M: Module>(model: &M, path: &str) -> Result<Mask, PruneError> {
    hold_one(model, path).map(|held| held.mask)
}

/// Makes the pruning of one parameter permanent: its zeros are baked into the weight and its mask
/// is taken off. Other parameters keep their masks, and what those hide.
///
/// Beside a parameter that carries a LoRA or the like, Burn cannot take a single mask off. It is
/// then spent instead: it neither acts nor is recorded, but the parameter cannot be masked again
/// before `fc.weight = fc.weight.map(|weight| weight)` has taken it off.
/// To make all prunings of a model permanent, use [`Pruner::finish`](crate::pruner::Pruner::finish)
/// or Burn's `Module::materialize`.
///
/// # Errors
/// [`PruneError::UnknownParameter`], [`PruneError::NotAttached`] for a parameter without a mask.
pub fn remove<M: Module>(model: &mut M, path: &str) -> Result<(), PruneError> {
    let table = ParamTable::of(model);
    let entry = table.find_tied(path)?;
    if !carries_mask(entry) {
        return Err(PruneError::NotAttached { path: path.into() });
    }
    let mut paths = vec![entry.info.path.clone()];
    paths.extend(entry.tied.iter().cloned());
    attach::detach_one(model, &table, &paths);
    Ok(())
}

fn carries_mask(entry: &ParamEntry) -> bool {
    matches!(entry.attached, Attached::Mask { len, .. } if len > 0)
}

fn prune_lowest<M: Module>(
    model: &mut M,
    held: Held,
    scorer: &str,
    scores: &[f32],
    amount: Amount,
) -> Result<(), PruneError> {
    check_scores(&held.path, scorer, scores, held.mask.len())?;
    let left = held.mask.kept();
    let keep = left - amount.of(&held.path, left)?;
    let bits = keep_largest(scores, Some(held.mask.bits()), keep);
    let mask = Mask::from_bits(held.mask.shape(), bits)?;
    put(model, [(held, mask)])
}

fn prune_slices<M: Module>(
    model: &mut M,
    held: Held,
    scorer: &str,
    slices: &Slices,
    scores: &[f64],
    amount: Amount,
) -> Result<(), PruneError> {
    let nan = scores.iter().filter(|score| score.is_nan()).count();
    if nan > 0 {
        return Err(PruneError::NanScore {
            path: held.path,
            scorer: scorer.into(),
            count: nan,
            total: scores.len(),
        });
    }
    let mut kept = Bits::zeros(slices.count);
    held.mask
        .iter_kept()
        .for_each(|index| kept.set(slices.of(index), true));
    let pruned = amount.of(&held.path, kept.count_ones())?;
    let mut remaining: Vec<usize> = kept.iter_ones().collect();
    // Lowest first, and the later of two equals.
    remaining.sort_by(|&a, &b| scores[a].total_cmp(&scores[b]).then(b.cmp(&a)));
    remaining
        .iter()
        .take(pruned)
        .for_each(|&slice| kept.set(slice, false));
    let mask = Mask::from_fn(held.mask.shape(), |index| {
        held.mask.get(index) && kept.get(slices.of(index))
    })?;
    put(model, [(held, mask)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_checked() {
        assert_eq!(Amount::from(0.5).of("w", 5), Ok(3)); // 2.5; Python's round gives 2
        assert_eq!(Amount::from(5).of("w", 5), Ok(5));
        assert!(matches!(
            Amount::from(6).of("w", 5),
            Err(PruneError::OverPruned {
                asked: 6,
                available: 5,
                ..
            })
        ));
        for bad in [1.0, -0.1, f64::NAN] {
            assert!(matches!(
                Amount::Share(bad).of("w", 5),
                Err(PruneError::InvalidSetting { .. })
            ));
        }
    }
}
