//! FPGM: filters that the others of their layer could stand in for.

use secateur_core::error::PruneError;
use secateur_core::pattern::Filter;
use secateur_core::pruner::PrunerConfig;
use secateur_core::reduction::Reduction;
use secateur_core::schedule::OneShot;
use secateur_core::scorer::{ImportanceScorer, ScoreContext};
use serde::{Deserialize, Serialize};

/// Distance to the other filters: `Σ_j ‖F_i - F_j‖₂` (He, Liu, Wang, Hu and Yang 2019, *Filter
/// Pruning via Geometric Median for Deep Convolutional Neural Networks Acceleration*, arXiv
/// 1811.00250, equation 7).
///
/// What has the smallest sum lies nearest to the geometric median of the layer's filters, so that
/// the others can take its part; that it may be large is no objection. `j` runs over the filters
/// that stand. Every weight of filter `i` has the filter's score: reduce by the mean, as [`fpgm()`]
/// does.
///
/// Compared are the filters of one layer. Between layers distances say nothing.
///
/// Cost: `out²/2 · in · kernel` operations a layer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilterDistance;

impl ImportanceScorer for FilterDistance {
    fn score(&self, ctx: &ScoreContext<'_>) -> Result<Vec<f32>, PruneError> {
        let [out, input, kernel] = ctx.shape();
        let filter = input * kernel;
        if filter == 0 {
            return Ok(Vec::new());
        }
        let filters: Vec<&[f32]> = ctx.weight().chunks_exact(filter).collect();
        let stands = |at: usize| {
            let mut elements = at * filter..(at + 1) * filter;
            elements.any(|element| ctx.mask().get(element))
        };
        let standing: Vec<bool> = (0..out).map(stands).collect();
        let mut sums = vec![0.0; out];
        for i in 0..out {
            for j in 0..i {
                let distance = distance(filters[i], filters[j]);
                sums[i] += if standing[j] { distance } else { 0.0 };
                sums[j] += if standing[i] { distance } else { 0.0 };
            }
        }
        let scores = sums.into_iter().map(|sum| sum as f32);
        Ok(scores
            .flat_map(|score| std::iter::repeat_n(score, filter))
            .collect())
    }
}

fn distance(a: &[f32], b: &[f32]) -> f64 {
    let differences = a.iter().zip(b).map(|(&a, &b)| f64::from(a) - f64::from(b));
    differences.map(|d| d * d).sum::<f64>().sqrt()
}

/// [`FilterDistance`] at step 0: each layer loses `round(sparsity·n)` of its `n` filters.
///
/// The paper does it after every epoch and lets the filters come back until the last: that is
/// [`sfp`](crate::sfp()) with this scorer and reduction.
pub fn fpgm(sparsity: f64) -> PrunerConfig {
    PrunerConfig::new()
        .with_scorer(FilterDistance)
        .with_pattern(Filter)
        .with_reduction(Reduction::Mean)
        .with_schedule(OneShot::new(sparsity))
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;
    use crate::worked::{Pair, assert_close, pruned, scores};

    #[test]
    fn four_filters_by_hand() {
        // a: the points (0, 0), (3, 4), (6, 8), (3, 0).
        //    Distances 01: 5, 02: 10, 03: 3, 12: 5, 13: 4, 23: √(9 + 64) = √73.
        //    Sums 18, 14, 15 + √73 = 23.54, 7 + √73 = 15.54: the second goes, whose norm 5 is the
        //    second largest. Squared distances (25+100+9, 25+25+16, ..) would say the same,
        //    distances of norms (0, 5, 10, 3: sums 18, 12, 22, 12) would be a tie with the last.
        // b: (1, 0), (1, 0), (0, 1), (-5, 0).
        //    Distances 01: 0, 02: √2, 03: 6, 12: √2, 13: 6, 23: √26.
        //    Sums 6 + √2, 6 + √2, 2√2 + √26 = 7.93, 12 + √26: the first two tie, the later goes.
        let model = Pair::of_rows(
            4,
            &[0.0, 0.0, 3.0, 4.0, 6.0, 8.0, 3.0, 0.0],
            &[1.0, 0.0, 1.0, 0.0, 0.0, 1.0, -5.0, 0.0],
        );
        let twice = |sums: [f32; 4]| sums.map(|sum| [sum; 2]).concat();
        let (r2, r26, r73) = (2f32.sqrt(), 26f32.sqrt(), 73f32.sqrt());
        let (a, b) = scores(fpgm(0.25), &model, |_| ()).unwrap();
        assert_close(&a, &twice([18.0, 14.0, 15.0 + r73, 7.0 + r73]));
        assert_close(&b, &twice([6.0 + r2, 6.0 + r2, 2.0 * r2 + r26, 12.0 + r26]));
        let kept = pruned(fpgm(0.25), &model, |_| ());
        assert_eq!(kept, (vec![0, 1, 4, 5, 6, 7], vec![0, 1, 4, 5, 6, 7]));
    }

    #[test]
    fn what_has_gone_does_not_count() {
        // 0, 1, 3, 10: sums 14, 12, 12, 26, and of the tie at 12 the third goes. Of 0, 1, 10 the
        // sums are 11, 10, 19: the second goes. With the third still counted, 14, 12 and 26 would
        // say so as well, but score 14 and 12.
        let values = [0.0, 1.0, 3.0, 10.0];
        let mut model = Pair::of_rows(4, &values, &values);
        let mut pruner = fpgm(0.25).init_module(&model).unwrap();
        pruner.prune(&mut model, 0).unwrap();
        let (a, _) = scores(fpgm(0.25), &model, |_| ()).unwrap();
        assert_close(&a, &[11.0, 10.0, 12.0, 19.0]);
    }
}
