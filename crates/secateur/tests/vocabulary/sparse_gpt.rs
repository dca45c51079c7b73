//! SparseGPT (Frantar, Alistarh 2023, arXiv 2301.00774) on one matrix: column by column, each removed
//! weight is made up for by the later weights of its row.
//!
//! With `P(j)` the inverse of the Hessian without its first `j` rows and columns, a weight's score is
//! `w² / P(j)₀₀`, which is the paper's `w² / U_jj²`; the lowest of a block of columns go, all rows
//! compared together. Removing `w_j` adds `-w_j · P(j)₀ₖ / P(j)₀₀` to the weights of the columns
//! `j + k`. The Hessian is damped by a hundredth of its mean diagonal.

use secateur::{bits::Bits, prelude::*, random::Stream, rank::keep_largest, target::share_of};

use crate::{device::device, nets::Single};

// The method.

#[derive(Debug)]
struct SparseGpt {
    hessian: Vec<Vec<f64>>,
    block: usize,
}

impl Selector for SparseGpt {
    fn select(&self, ctx: &SelectContext<'_>) -> Result<Selection, PruneError> {
        let mut w: Vec<f64> = ctx.score.weight().iter().map(|&w| w.into()).collect();
        let (mut h, n, all) = (self.hessian.clone(), self.hessian.len(), w.len());
        let damping = 0.01 * (0..n).map(|j| h[j][j]).sum::<f64>() / n as f64;
        (0..n).for_each(|j| h[j][j] += damping);
        for p in (0..n).rev() {
            let pivot = std::mem::replace(&mut h[p][p], 1.0);
            let row: Vec<f64> = h[p].iter().map(|x| x / pivot).collect();
            for above in &mut h[..p] {
                let factor = std::mem::take(&mut above[p]);
                (0..n).for_each(|k| above[k] -= factor * row[k]);
            }
            h[p] = row; // the first row of P(p), from column p on
        }
        let mut mask = Mask::keep_all(ctx.score.shape())?;
        let lost = |until: usize| share_of(until as f64 / n as f64, all - ctx.keep.unwrap_or(all));
        for start in (0..n).step_by(self.block) {
            let end = n.min(start + self.block);
            let block = Bits::from_fn(all, |i| (start..end).contains(&(i % n)));
            let score = |i: usize| (w[i] * w[i] / h[i % n][i % n]) as f32;
            let scores: Vec<f32> = (0..all).map(score).collect();
            let keep = block.count_ones() + lost(start) - lost(end);
            let kept = keep_largest(&scores, Some(&block), keep);
            for i in block.iter_ones().filter(|&i| !kept.get(i)) {
                let (j, error) = (i % n, w[i] / h[i % n][i % n]);
                (j..n).for_each(|k| w[i + k - j] -= error * h[j][k]);
                mask.set(i, false);
            }
        }
        let weights = Some(w.into_iter().map(|w| w as f32).collect());
        Ok(Selection { mask, weights })
    }
}

// Its steps by hand.

fn sparse_gpt(hessian: Vec<Vec<f64>>, block: usize, share: f64, model: &mut Single) {
    PrunerConfig::new()
        .with_selector(SparseGpt { hessian, block })
        .with_schedule(OneShot::new(share))
        .init(model)
        .and_then(|mut pruner| pruner.prune(model, 0))
        .unwrap();
}

fn assert_close(got: &[f32], wanted: &[f32]) {
    for (got, wanted) in got.iter().zip(wanted) {
        assert!((got - wanted).abs() < 1e-5, "{got} is not {wanted}");
    }
}

/// A Hessian that is `diagonal` on the diagonal once it is damped by one hundredth.
fn coupled(diagonal: f64, beside: f64) -> Vec<Vec<f64>> {
    vec![vec![diagonal / 1.01, beside], vec![beside, diagonal / 1.01]]
}

#[test]
fn one_row_by_hand() {
    // H = [2 1; 1 2], its inverse [2/3 -1/3; -1/3 2/3], that of its last corner 1/2. The scores are
    // 1/(2/3) = 1.5 and 0.81/(1/2) = 1.62: the first goes, though it is the larger. The second
    // takes over 0.9 - 1·(-1/3)/(2/3) = 1.4, where the derivative of the error,
    // 1·(0 - 1) + 2·(1.4 - 0.9), vanishes.
    let mut model = Single::new([[1.0, 0.9]], &device());
    sparse_gpt(coupled(2.0, 1.0), 2, 0.5, &mut model);
    assert_close(&model.effective(), &[0.0, 1.4]);
}

#[test]
fn rows_of_a_block_are_compared_together_and_blocks_are_not() {
    // One block: scores 1.5, 1.62 and 24, 50; the two lowest lie in the first row. Once the first of
    // them is gone there, the second goes too.
    let rows = [[1.0, 0.9], [4.0, 5.0]];
    let mut model = Single::new(rows, &device());
    sparse_gpt(coupled(2.0, 1.0), 2, 0.5, &mut model);
    assert_close(&model.effective(), &[0.0, 0.0, 4.0, 5.0]);
    // Two blocks of one column, one of which goes in each: 1 of {1, 4}, which makes 0.9 into 1.4,
    // then 1.4 of {1.4, 5}.
    let rows = [[1.0, 4.9], [4.0, 5.0]];
    let mut model = Single::new(rows, &device());
    sparse_gpt(coupled(2.0, 1.0), 1, 0.5, &mut model);
    // 4.9 became 5.4, and now 5 is the smaller of the second column.
    assert_close(&model.effective(), &[0.0, 5.4, 4.0, 0.0]);
}

#[test]
fn the_output_changes_less_than_under_magnitude() {
    // 16 inputs that share a signal, 64 examples; ||WX - W'X||² over 8 outputs.
    let mut stream = Stream::new(5, "calibration", 0);
    let examples: Vec<Vec<f64>> = (0..64)
        .map(|_| {
            let shared = stream.normal();
            (0..16).map(|_| (stream.normal() + shared).into()).collect()
        })
        .collect();
    let product = |j: usize, k: usize| examples.iter().map(|x| x[j] * x[k]).sum::<f64>() / 32.0;
    let hessian: Vec<Vec<f64>> = (0..16)
        .map(|j| (0..16).map(|k| product(j, k)).collect())
        .collect();
    let rows: [[f32; 16]; 8] = std::array::from_fn(|_| std::array::from_fn(|_| stream.normal()));
    let dense = Single::new(rows, &device());
    let error = |pruned: &Single| -> f64 {
        let (old, new) = (dense.effective(), pruned.effective());
        let output =
            |x: &[f64], w: &[f32]| x.iter().zip(w).map(|(x, w)| x * f64::from(*w)).sum::<f64>();
        let rows = || old.chunks(16).zip(new.chunks(16));
        let of = |x: &Vec<f64>| {
            rows()
                .map(|(old, new)| (output(x, old) - output(x, new)).powi(2))
                .sum::<f64>()
        };
        examples.iter().map(of).sum()
    };
    let (mut magnitude, mut gpt) = (dense.clone(), dense.clone());
    let mut pruner = PrunerConfig::new()
        .with_schedule(OneShot::new(0.5))
        .init(&dense)
        .unwrap();
    pruner.prune(&mut magnitude, 0).unwrap();
    sparse_gpt(hessian, 4, 0.5, &mut gpt);
    assert_eq!(gpt.effective().iter().filter(|w| **w == 0.0).count(), 64);
    assert!(
        error(&gpt) < 0.9 * error(&magnitude),
        "{} {}",
        error(&gpt),
        error(&magnitude)
    );
}
