//! He 2017: which inputs a layer can do without, by LASSO, and what the others then have to be.

use super::least_squares::refit;
use super::{Contributions, LayerMoments, RepairError};

/// What [`channel_pruning`] chose.
#[derive(Clone, Debug, PartialEq)]
pub struct ChosenInputs {
    /// The inputs that stay, ascending.
    pub kept: Vec<usize>,
    /// `β` of each input, 0 for those that go. Where one stays it is a matter of `λ`, and made up
    /// for by the weights.
    pub betas: Vec<f64>,
    /// The `λ` that left so many, in the units of `Σ ⟨z, y⟩`.
    pub lambda: f64,
    /// New weights of the whole view, zero over the inputs that go.
    pub weights: Vec<f64>,
}

/// Channel pruning (He, Zhang and Sun 2017, *Channel Pruning for Accelerating Very Deep Neural
/// Networks*, arXiv 1707.06168, equation 3): `argmin_{β,W} ½ Σ ‖y - Σ_i β_i W_i x_i‖² + λ‖β‖₁` with at
/// most `keep` of the `β` other than 0, where `‖W_i‖_F = 1`.
///
/// First `λ` is raised until no more than `keep` inputs are left, and then lowered as far as that
/// stays so; then the weights over those are [`refit`]. The paper's `1/N` is in `λ`. There may be
/// fewer than `keep` left where inputs tie.
///
/// Compared are the inputs of one layer.
///
/// Cost: `(in·kernel)²·out` for the contributions, then `in²` operations a sweep of the coordinate
/// descent, of which some hundreds are usual.
///
/// # Errors
/// [`RepairError::Choice`] for a `keep` of 0; those of [`refit`].
pub fn channel_pruning(
    moments: &LayerMoments,
    weights: &[f64],
    keep: usize,
    damping: f64,
) -> Result<ChosenInputs, RepairError> {
    let contributions = Contributions::of(moments, weights)?;
    let [out, inputs, kernel] = moments.shape();
    let norm = |input: usize| {
        let taps = (0..out).flat_map(|o| &weights[(o * inputs + input) * kernel..][..kernel]);
        taps.map(|w| w * w).sum::<f64>().sqrt()
    };
    let norms: Vec<f64> = (0..inputs).map(norm).collect();
    let (betas, lambda) = select(&contributions, &norms, keep)?;
    let kept: Vec<usize> = (0..inputs).filter(|&input| betas[input] != 0.0).collect();
    Ok(ChosenInputs {
        weights: refit(moments, weights, &kept, damping)?,
        kept,
        betas,
        lambda,
    })
}

/// The inputs that stay, ascending and exactly `keep` of them, where inputs have weights of these
/// Euclidean norms. Where ties leave fewer, those that contribute most come back, `|t_i|/‖W_i‖`, of
/// equals the first.
///
/// # Errors
/// [`RepairError::Choice`] for a `keep` of 0, [`RepairError::Size`] for another number of norms.
pub fn inputs_that_stay(
    contributions: &Contributions,
    norms: &[f64],
    keep: usize,
) -> Result<Vec<usize>, RepairError> {
    let (path, inputs) = (contributions.path(), contributions.inputs());
    let remedy = "pass one for each input";
    RepairError::check_len(path, "the list of norms", norms.len(), inputs, remedy)?;
    let (betas, _) = select(contributions, norms, keep)?;
    let (mut kept, mut gone): (Vec<usize>, Vec<usize>) =
        (0..inputs).partition(|&input| betas[input] != 0.0);
    let lasso = Lasso::new(contributions, norms);
    let size = |input: usize| lasso.target[input].abs();
    gone.sort_by(|&a, &b| size(b).total_cmp(&size(a)).then(a.cmp(&b)));
    let missing = keep.saturating_sub(kept.len());
    kept.extend(gone.into_iter().take(missing));
    kept.sort_unstable();
    Ok(kept)
}

/// Factor between one `λ` and the next, and how far below the largest that matters they start.
const RAISE: f64 = 1.3;
const START: f64 = 1e-6;
/// Halvings between the last `λ` that leaves too many and the first that does not.
const HALVINGS: usize = 30;

/// `β`, no more than `keep` of them other than 0, and their `λ`.
fn select(
    contributions: &Contributions,
    norms: &[f64],
    keep: usize,
) -> Result<(Vec<f64>, f64), RepairError> {
    let inputs = contributions.inputs();
    if keep == 0 && inputs > 0 {
        return Err(RepairError::Choice {
            path: contributions.path().into(),
            asked: "keeping 0".into(),
            expected: format!("from 1 to its {inputs} inputs"),
            remedy: "keep one, or remove the layer instead".into(),
        });
    }
    let lasso = Lasso::new(contributions, norms);
    let mut betas = vec![0.0; inputs];
    if keep >= inputs {
        return Ok((vec![1.0; inputs], 0.0));
    }
    let top = lasso.top();
    let (mut low, mut high) = (0.0, top * START);
    lasso.descend(high, &mut betas);
    while count(&betas) > keep && high < top {
        (low, high) = (high, (high * RAISE).min(top));
        lasso.descend(high, &mut betas);
    }
    for _ in 0..HALVINGS {
        if count(&betas) == keep {
            break;
        }
        let middle = low.midpoint(high);
        let mut looser = betas.clone();
        lasso.descend(middle, &mut looser);
        match count(&looser) > keep {
            true => low = middle,
            false => (betas, high) = (looser, middle),
        }
    }
    if count(&betas) == 0 {
        // All that is left at once: what contributes most stays, the first of equals.
        let largest = (0..inputs).rev().max_by(|&i, &j| {
            let size = |input: usize| lasso.target[input].abs();
            size(i).total_cmp(&size(j))
        });
        largest.into_iter().for_each(|input| betas[input] = 1.0);
    }
    Ok((betas, high))
}

fn count(betas: &[f64]) -> usize {
    betas.iter().filter(|beta| **beta != 0.0).count()
}

/// `½ βᵀCβ - tᵀβ + λ‖β‖₁` with each input's weights scaled to norm 1.
struct Lasso {
    gram: Vec<f64>,
    target: Vec<f64>,
}

impl Lasso {
    fn new(contributions: &Contributions, norms: &[f64]) -> Self {
        let inputs = contributions.inputs();
        // An input without weights contributes nothing, whatever is divided.
        let share: Vec<f64> = norms
            .iter()
            .map(|&norm| if norm > 0.0 { 1.0 / norm } else { 0.0 })
            .collect();
        let gram = contributions.gram();
        let pairs = (0..inputs).flat_map(|i| (0..inputs).map(move |j| (i, j)));
        let target = contributions.target().iter().zip(&share);
        Self {
            gram: pairs
                .map(|(i, j)| gram[(i, j)] * share[i] * share[j])
                .collect(),
            target: target.map(|(t, share)| t * share).collect(),
        }
    }

    /// The `λ` from which on nothing is left.
    fn top(&self) -> f64 {
        self.target.iter().fold(0.0, |max, t| t.abs().max(max))
    }

    /// Coordinate descent from `betas`: `β_i ← S(t_i - Σ_{j≠i} C_ij β_j, λ) / C_ii`.
    fn descend(&self, lambda: f64, betas: &mut [f64]) {
        const SWEEPS: usize = 1_000;
        const TOLERANCE: f64 = 1e-10;
        let (inputs, still) = (betas.len(), TOLERANCE * self.top());
        for _ in 0..SWEEPS {
            let mut moved = 0.0f64;
            for i in 0..inputs {
                let row = &self.gram[i * inputs..][..inputs];
                let own = row[i];
                let given: f64 = row.iter().zip(&*betas).map(|(c, beta)| c * beta).sum();
                let rest = self.target[i] - given + own * betas[i];
                let beta = match own > 0.0 {
                    true => (rest.abs() - lambda).max(0.0) * rest.signum() / own,
                    false => 0.0,
                };
                moved = moved.max((beta - betas[i]).abs() * own);
                betas[i] = beta;
            }
            if moved <= still {
                break;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::repair::moments::tests::layers;

    #[test]
    fn independent_inputs_by_hand() {
        // Rows (1, 0, 0), (0, 1, 0), (0, 0, 1) and W = (3, -1, 2), normed to (1, -1, 1): y = 3, -1, 2
        // and t = 3, 1, 2, C = I. β = max(0, t - λ): from λ = 1 on two are left.
        let mut moments = LayerMoments::new("w", [1, 3, 1]);
        let rows = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0];
        moments.add(&rows, &[3.0, -1.0, 2.0]).unwrap();
        let chosen = channel_pruning(&moments, &[3.0, -1.0, 2.0], 2, 0.0).unwrap();
        assert_eq!(chosen.kept, [0, 2]);
        assert!((1.0..2.0).contains(&chosen.lambda), "{chosen:?}");
        assert!(
            (chosen.betas[0] - (3.0 - chosen.lambda)).abs() < 1e-9,
            "{chosen:?}"
        );
        assert!(
            (chosen.betas[2] - (2.0 - chosen.lambda)).abs() < 1e-9,
            "{chosen:?}"
        );
        assert_eq!(chosen.weights, [3.0, 0.0, 2.0]);
    }

    #[test]
    fn a_copy_goes_however_large_it_is() {
        // The second input is the first's copy and heavier than the third. LASSO shares between
        // copies as it likes, so one is enough; the sum of sizes would drop the third.
        let x = [
            [1.0, 1.0, 0.5],
            [2.0, 2.0, -1.0],
            [-1.0, -1.0, 1.5],
            [0.5, 0.5, 1.0],
        ];
        let weights = [2.0, 1.5, 1.0];
        let outputs = x.map(|row| 3.5 * row[0] + row[2]);
        let mut moments = LayerMoments::new("w", [1, 3, 1]);
        moments.add(&x.concat(), &outputs).unwrap();
        let chosen = channel_pruning(&moments, &weights, 2, 1e-9).unwrap();
        assert!(
            chosen.kept.contains(&2) && chosen.kept.len() == 2,
            "{chosen:?}"
        );
        assert!(moments.error(&chosen.weights).unwrap() < 1e-6, "{chosen:?}");
    }

    /// The minimum of the LASSO of `golden.py`'s case, by numpy.
    #[test]
    fn golden_betas() {
        let contributions = super::super::tests::golden_contributions();
        let lasso = Lasso::new(&contributions, &[1.0; 4]);
        for (lambda, wanted) in super::super::tests::GOLDEN_BETAS {
            let mut betas = [0.0; 4];
            lasso.descend(lambda, &mut betas);
            for (got, want) in betas.iter().zip(wanted) {
                assert!((got - want).abs() < 1e-7, "{lambda}: {betas:?} {wanted:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn no_more_are_left_than_asked((moments, weights) in layers(), keep in 1usize..7) {
            let inputs = moments.shape()[1];
            let chosen = channel_pruning(&moments, &weights, keep, 1e-6).unwrap();
            prop_assert!(!chosen.kept.is_empty());
            prop_assert!(chosen.kept.len() <= keep);
            prop_assert!(keep < inputs || chosen.kept.len() == inputs);
            let plain = moments.without_others(&weights, &chosen.kept).unwrap();
            let (repaired, plain) = (moments.error(&chosen.weights), moments.error(&plain));
            prop_assert!(repaired.unwrap() <= plain.unwrap() + 1e-9 * moments.energy());
        }
    }

    #[test]
    fn nothing_can_be_kept_of_nothing() {
        let moments = LayerMoments::new("conv2.weight", [1, 2, 1]);
        let error = channel_pruning(&moments, &[1.0, 2.0], 0, 0.0).unwrap_err();
        assert!(
            error.to_string().starts_with("`conv2.weight`: keeping 0"),
            "{error}"
        );
        // Nothing flows: one stays all the same.
        assert_eq!(
            channel_pruning(&moments, &[1.0, 2.0], 1, 0.0).unwrap().kept,
            [0]
        );
    }
}
