//! Trained weights, small ones removed layer by layer, survivors retrained.

use secateur_core::allocation::PerParameter;
use secateur_core::error::PruneError;
use secateur_core::mask::Mask;
use secateur_core::pruner::PrunerConfig;
use secateur_core::schedule::{Iterative, OneShot, PerParameterRate};
use secateur_core::scorer::{ImportanceScorer, ScoreContext};
use secateur_core::target::Target;
use serde::{Deserialize, Serialize};

/// Magnitudes in standard deviations of their layer: `|w|/σ` (Han, Pool, Tran and Dally 2015,
/// *Learning both Weights and Connections for Efficient Neural Networks*).
///
/// The paper keeps `|w| ≥ q·σ`, which is this score under `Target::Threshold(q)`. `σ` is that of
/// the population, `√((1/n)·Σ(w - w̄)²)`, over the weights of the layer that are not pruned yet. A
/// layer whose weights are all equal has `σ = 0`: then nothing lies below the threshold, and all
/// scores are infinite.
///
/// Compared is each weight with its layer's threshold. Within a layer the order is that of `|w|`,
/// so for a given *number* of weights the plain magnitude does, as in [`han()`].
///
/// Cost: three passes over the weights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StdMagnitude;

impl ImportanceScorer for StdMagnitude {
    fn score(&self, ctx: &ScoreContext<'_>) -> Result<Vec<f32>, PruneError> {
        let weight = ctx.weight();
        let std = population_std(weight, ctx.mask());
        let score = |&w: &f32| match std > 0.0 {
            true => (f64::from(w.abs()) / std) as f32,
            false => f32::INFINITY,
        };
        Ok(weight.iter().map(score).collect())
    }
}

/// `√((1/n)·Σ(w - w̄)²)` over the kept weights, 0 of none.
fn population_std(weight: &[f32], mask: &Mask) -> f64 {
    let kept = || mask.iter_kept().map(|index| f64::from(weight[index]));
    let n = mask.kept().max(1) as f64;
    let mean = kept().sum::<f64>() / n;
    let variance = kept().map(|w| (w - mean).powi(2)).sum::<f64>() / n;
    variance.sqrt()
}

/// Han et al.'s threshold: at step 0 every layer loses the weights below `quality` standard
/// deviations.
///
/// Train first, then make the pruner of the trained model, prune, and retrain the survivors at a
/// tenth (the paper's LeNets) or a hundredth (AlexNet) of the learning rate. How many weights go
/// is in the pruner's report.
pub fn han_threshold(quality: f32) -> PrunerConfig {
    PrunerConfig::new()
        .with_scorer(StdMagnitude)
        .with_schedule(OneShot::of(Target::Threshold(quality)))
}

/// As [`han_threshold`], with a quality for each layer, from a scan of how sensitive each is.
///
/// The first pattern that matches a parameter's path decides; a parameter that none matches stays
/// dense.
///
/// ```
/// # use secateur_methods::han_thresholds;
/// let config = han_thresholds([("fc1.weight", 1.6), ("fc2.weight", 1.4)])?;
/// # Ok::<(), secateur_core::error::PruneError>(())
/// ```
///
/// # Errors
/// [`PruneError::InvalidSetting`] for a malformed pattern. A quality that is negative or not
/// finite is found when the pruner is made.
pub fn han_thresholds<'a>(
    qualities: impl IntoIterator<Item = (&'a str, f32)>,
) -> Result<PrunerConfig, PruneError> {
    let qualities: Vec<_> = qualities.into_iter().collect();
    // A schedule has one threshold; each layer's is a share of the largest.
    let largest = qualities
        .iter()
        .map(|&(_, quality)| quality)
        .fold(0.0, f32::max);
    let unit = if largest > 0.0 {
        f64::from(largest)
    } else {
        1.0
    };
    let mut schedule = PerParameterRate::new(OneShot::of(Target::Threshold(largest)));
    for (pattern, quality) in qualities {
        schedule = schedule.with(pattern, f64::from(quality) / unit)?;
    }
    let schedule = schedule.with("**", 0.0)?;
    Ok(han_threshold(largest).with_schedule(schedule))
}

/// Han et al. with a given share of each layer kept: at step 0 layer `l` keeps its
/// `round(share_l·n_l)` largest `|w|`.
///
/// The first pattern that matches a parameter's path decides; a parameter that none matches stays
/// dense. Compared are the weights of one parameter. Train first and retrain afterwards, as for
/// [`han_threshold`].
///
/// ```
/// # use secateur_methods::han;
/// // The paper's LeNet-300-100, twelve times smaller.
/// let config = han([("fc1.weight", 0.08), ("fc2.weight", 0.09), ("fc3.weight", 0.26)])?;
/// # Ok::<(), secateur_core::error::PruneError>(())
/// ```
///
/// # Errors
/// [`PruneError::InvalidSetting`] for a malformed pattern or a share outside (0, 1].
pub fn han<'a>(kept: impl IntoIterator<Item = (&'a str, f64)>) -> Result<PrunerConfig, PruneError> {
    let (allocation, sparsest) = per_layer(kept)?;
    Ok(PrunerConfig::new()
        .with_allocation(allocation)
        .with_schedule(OneShot::new(sparsest)))
}

/// As [`han()`], in `rounds` rounds with `every` steps of retraining after each: at steps 0,
/// `every`, `2·every`, ...
///
/// The layer of which least is kept loses the same share of what remains in every round, and the
/// others keep step with it: each is always the same part of the way to its final sparsity. The
/// paper found iterating better than pruning once (AlexNet nine times smaller instead of five).
///
/// # Errors
/// As [`han()`]; zero rounds or steps are found when the pruner is made.
pub fn han_iterative<'a>(
    kept: impl IntoIterator<Item = (&'a str, f64)>,
    rounds: usize,
    every: usize,
) -> Result<PrunerConfig, PruneError> {
    let (allocation, sparsest) = per_layer(kept)?;
    Ok(PrunerConfig::new()
        .with_allocation(allocation)
        .with_schedule(Iterative::new(sparsest, rounds).every(every)))
}

/// The rules, and the sparsity of the sparsest layer.
fn per_layer<'a>(
    kept: impl IntoIterator<Item = (&'a str, f64)>,
) -> Result<(PerParameter, f64), PruneError> {
    let mut allocation = PerParameter::new().otherwise(0.0)?;
    let mut sparsest: f64 = 0.0;
    for (pattern, kept) in kept {
        // Also refuses NaN, of which the sparsity's own check would not tell where it is from.
        if !(kept > 0.0 && kept <= 1.0) {
            return Err(PruneError::invalid(
                format!("kept share of {pattern}"),
                kept,
                "in (0, 1]",
                "pass the share of weights that stay: 0.08 keeps 8 %",
            ));
        }
        allocation = allocation.with(pattern, 1.0 - kept)?;
        sparsest = sparsest.max(1.0 - kept);
    }
    Ok((allocation, sparsest))
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;
    use crate::worked::{Pair, assert_close, kept, pruned, scores};

    #[test]
    fn standard_deviations_by_hand() {
        // a: mean 2, deviations -3, 1, 3, -1, squares 9 + 1 + 9 + 1 = 20, σ = √(20/4) = √5.
        // b: mean 0.5, deviations ±1.5 and ±0.5, squares 2.25·2 + 0.25·2 = 5, σ = √(5/4) = √5/2.
        // The sample's σ would be √(20/3), the root mean square of a √(36/4) = 3.
        let model = Pair::new(&[-1.0, 3.0, 5.0, 1.0], &[-1.0, 2.0, 1.0, 0.0]);
        let (a, b) = scores(han_threshold(1.0), &model, |_| ()).unwrap();
        let root = 5f32.sqrt();
        assert_close(&a, &[1.0 / root, 3.0 / root, 5.0 / root, 1.0 / root]);
        assert_close(&b, &[2.0 / root, 4.0 / root, 2.0 / root, 0.0]);
        // 1·σ: 2.236 and 1.118.
        assert_eq!(
            pruned(han_threshold(1.0), &model, |_| ()),
            (vec![1, 2], vec![1])
        );
        // 0.4·σ of a is 0.894 and of b 0.447; 1.5·σ is 3.354 and 1.677.
        let config = han_thresholds([("a", 0.4), ("b", 1.5)]).unwrap();
        assert_eq!(pruned(config, &model, |_| ()), (vec![0, 1, 2, 3], vec![1]));
        let config = han_thresholds([("a", 1.5)]).unwrap();
        assert_eq!(pruned(config, &model, |_| ()), (vec![2], vec![0, 1, 2, 3]));
    }

    #[test]
    fn equal_weights_have_no_deviation_and_stay() {
        let model = Pair::new(&[2.0; 4], &[0.0; 4]);
        let all = vec![0, 1, 2, 3];
        assert_eq!(
            pruned(han_threshold(3.0), &model, |_| ()),
            (all.clone(), all)
        );
    }

    #[test]
    fn pruned_weights_leave_the_deviation() {
        // After a1 and a2 alone stay: mean 4, deviations ±1, σ = 1; b1 alone: σ = 0.
        let model = Pair::new(&[-1.0, 3.0, 5.0, 1.0], &[-1.0, 2.0, 1.0, 0.0]);
        let mut masked = model.clone();
        let mut first = han_threshold(1.0).init_module(&model).unwrap();
        first.prune(&mut masked, 0).unwrap();
        let (a, b) = scores(han_threshold(1.0), &masked, |_| ()).unwrap();
        assert_close(&a[1..3], &[3.0, 5.0]);
        assert_eq!(b[1], f32::INFINITY);
    }

    #[test]
    fn given_shares_are_kept_per_layer() {
        // b's weights are all smaller than a's: a comparison over the model would empty it.
        let model = Pair::new(
            &[8.0, -9.0, 10.0, 11.0, -12.0, 13.0, 14.0, 15.0],
            &[0.1, -0.2, 0.3, 0.4, 0.5, -0.6, 0.7, 0.8],
        );
        let shares = [("a", 0.25), ("b", 0.5)];
        let config = han(shares).unwrap();
        let want = (vec![6, 7], vec![4, 5, 6, 7]);
        assert_eq!(pruned(config, &model, |_| ()), want);

        // Two rounds: a keeps √0.25 = 1/2, two thirds of the way from 1 to 1/4, and b then
        // 1 - 2/3·1/2 = 2/3 of 8, 5.33, so 5.
        let mut pruner = han_iterative(shares, 2, 10)
            .unwrap()
            .init_module(&model)
            .unwrap();
        let mut model = model;
        pruner.prune(&mut model, 0).unwrap();
        assert_eq!(
            kept(&pruner, &model),
            (vec![4, 5, 6, 7], vec![3, 4, 5, 6, 7])
        );
        pruner.prune(&mut model, 9).unwrap();
        pruner.prune(&mut model, 10).unwrap();
        assert_eq!(kept(&pruner, &model), want);
    }

    #[test]
    fn what_is_not_named_stays_dense() {
        let model = Pair::new(&[1.0, 2.0, 3.0, 4.0], &[1.0, 2.0, 3.0, 4.0]);
        let config = han([("b", 0.25)]).unwrap();
        assert_eq!(pruned(config, &model, |_| ()), (vec![0, 1, 2, 3], vec![3]));
    }

    #[test]
    fn bad_shares_name_their_layer() {
        for bad in [0.0, 8.0, f64::NAN, -0.1] {
            let message = han([("fc1.weight", bad)]).unwrap_err().to_string();
            assert!(message.contains("`kept share of fc1.weight`"), "{message}");
        }
        let bad = han_thresholds([("a", -1.0)]).unwrap();
        let model = Pair::new(&[1.0, 2.0], &[3.0, 4.0]);
        let message = bad.init_module(&model).unwrap_err().to_string();
        assert!(message.contains("rate of a"), "{message}");
    }
}
