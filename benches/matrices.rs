//! Pruned weights drawn by lot, with exactly the sparsity asked for.

use secateur::random::Stream;
use secateur_kernels::{Csr, KernelError};

/// Seed of everything drawn here: every run measures the same matrices.
const SEED: u64 = 3;

/// What is pruned together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Pattern {
    /// Single weights.
    Unstructured,
    /// Strips of this many rows in one column; the last ones are as tall as the rows that remain.
    Strips(usize),
    /// All but `keep` of every `of` neighbours in a row, whatever the sparsity asked for.
    NofM {
        /// Weights that a group keeps.
        keep: usize,
        /// Weights of a group.
        of: usize,
    },
}

/// Weights `shape` of which `round(sparsity * units)` units of the pattern are pruned, drawn
/// uniformly.
///
/// # Errors
///
/// Where the shape has no rows or no columns.
pub fn pruned(shape: [usize; 2], sparsity: f64, pattern: Pattern) -> Result<Csr, KernelError> {
    let mut stream = Stream::new(SEED, "weights", shape[0] ^ shape[1].rotate_left(16));
    let mask = mask(shape, sparsity, pattern, &mut stream);
    // Never zero: every weight of the mask is a weight to multiply.
    let values = floats(shape[0] * shape[1], &mut stream);
    Csr::from_masked(&values, &mask, shape)
}

/// The weights of `values` that a uniform mask keeps, as many as `like` keeps.
///
/// # Errors
///
/// Where `values` has another length than the shape of `like`.
pub fn shuffled_mask(values: &[f32], like: &Csr) -> Result<Csr, KernelError> {
    let mut stream = Stream::new(SEED, "mask", like.nnz());
    let [m, k] = like.shape();
    let mask = choose(m * k, like.nnz(), &mut stream);
    Csr::from_masked(values, &mask, like.shape())
}

/// `len` activations between -0.5 and 0.5, none of them zero.
#[must_use]
pub fn activations(len: usize, name: &str) -> Vec<f32> {
    floats(len, &mut Stream::new(SEED, name, len))
}

fn floats(len: usize, stream: &mut Stream) -> Vec<f32> {
    // Odd multiples of 2⁻²⁵.
    let half_step = 0.5 / (1 << 24) as f32;
    (0..len)
        .map(|_| stream.uniform() - 0.5 + half_step)
        .collect()
}

fn mask([m, k]: [usize; 2], sparsity: f64, pattern: Pattern, stream: &mut Stream) -> Vec<bool> {
    match pattern {
        Pattern::Unstructured => choose(m * k, kept(m * k, sparsity), stream),
        Pattern::Strips(rows) => {
            let rows = rows.max(1);
            let strips = m.div_ceil(rows) * k;
            let strips = choose(strips, kept(strips, sparsity), stream);
            (0..m * k)
                .map(|at| strips[at / k / rows * k + at % k])
                .collect()
        }
        Pattern::NofM { keep, of } => (0..m)
            .flat_map(|_| (0..k).step_by(of.max(1)))
            .flat_map(|first| choose(of.max(1).min(k - first), keep, stream))
            .collect(),
    }
}

fn kept(units: usize, sparsity: f64) -> usize {
    units - ((units as f64 * sparsity.clamp(0.0, 1.0)).round() as usize).min(units)
}

/// `wanted` of `count` flags set, every choice as likely as any other (selection sampling).
fn choose(count: usize, wanted: usize, stream: &mut Stream) -> Vec<bool> {
    let mut wanted = wanted.min(count);
    (0..count)
        .map(|at| {
            let chosen = stream.below(count - at) < wanted;
            wanted -= usize::from(chosen);
            chosen
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPARSITIES: [f64; 8] = [0.0, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 1.0];

    #[test]
    fn unstructured_sparsity_is_exact() {
        for sparsity in SPARSITIES {
            for shape in [[100, 100], [40, 25], [1, 1000]] {
                let csr = pruned(shape, sparsity, Pattern::Unstructured).unwrap();
                let elements = shape[0] * shape[1];
                let zeros = (sparsity * elements as f64).round() as usize;
                assert_eq!(csr.nnz(), elements - zeros, "{shape:?} at {sparsity}");
                assert!(csr.values().iter().all(|&value| value != 0.0));
            }
        }
    }

    #[test]
    fn strips_are_whole_and_their_number_exact() {
        for sparsity in SPARSITIES {
            let csr = pruned([32, 50], sparsity, Pattern::Strips(4)).unwrap();
            let strips = 400 - (sparsity * 400.0).round() as usize;
            assert_eq!(csr.nnz(), 4 * strips);
            for row in 0..32 {
                assert!(
                    csr.row(row)
                        .map(|(column, _)| column)
                        .eq(csr.row(row / 4 * 4).map(|(column, _)| column))
                );
            }
        }
        // 2 rows remain for the last strips, which count like any other.
        assert_eq!(pruned([6, 10], 0.0, Pattern::Strips(4)).unwrap().nnz(), 60);
    }

    #[test]
    fn every_group_keeps_two_of_four() {
        let csr = pruned([16, 64], 0.5, Pattern::NofM { keep: 2, of: 4 }).unwrap();
        assert_eq!(csr.nnz(), 16 * 32);
        assert!(csr.check_n_of_m(2, 4).is_ok());
        let ragged = pruned([1, 5], 0.5, Pattern::NofM { keep: 2, of: 4 }).unwrap();
        assert_eq!(ragged.nnz(), 3);
    }

    #[test]
    fn choices_are_uniform_and_repeat() {
        let mut stream = Stream::new(1, "t", 0);
        let mut counts = [0; 5];
        for _ in 0..5000 {
            for (count, chosen) in counts.iter_mut().zip(choose(5, 2, &mut stream)) {
                *count += usize::from(chosen);
            }
        }
        // 5000 draws of probability 0.4: five standard deviations are 173.
        assert!(counts.iter().all(|count| (1827..2173).contains(count)));
        let once = || pruned([20, 20], 0.5, Pattern::Unstructured).unwrap();
        assert_eq!(once(), once());
    }

    #[test]
    fn a_shuffled_mask_keeps_as_many() {
        let csr = pruned([20, 30], 0.9, Pattern::Strips(4)).unwrap();
        let shuffled = shuffled_mask(&activations(600, "w"), &csr).unwrap();
        assert_eq!(shuffled.nnz(), csr.nnz());
        assert_ne!(shuffled.indices(), csr.indices());
        assert!(shuffled_mask(&[1.0], &csr).is_err());
    }
}
