//! A layer's own mask and a random one with as many weights, side by side.

use secateur_benches::matrices::shuffled_mask;

use super::Layer;
use super::unevenness::unevenness;
use crate::cell::{SECATEUR, SECATEUR_DENSE, Setup};
use crate::contestants::{Contestant, DenseKernels, Inputs, SparseKernels, first_wrong};
use crate::error::{BenchError, Result};
use crate::rounds::{Effort, Entrant, medians};
use crate::row::Row;
use crate::work::Work;

/// The kernels on the random mask, in rows.
const RANDOM_MASK: &str = "secateur-random-mask";

/// What one layer came to in one work.
#[derive(Clone, Debug)]
pub(crate) struct Comparison {
    layer: String,
    work: Work,
    sparsity: f64,
    /// Formats of the real and the random mask.
    formats: [String; 2],
    /// Per row and per column, of the real and the random mask.
    unevenness: [[f64; 2]; 2],
    /// Milliseconds on the real mask, on the random one, and of the dense kernels.
    ms: [f64; 3],
}

/// Measures every work of `layer`.
pub(crate) fn compare(layer: &Layer, setup: Setup) -> Result<Vec<Comparison>> {
    let random = shuffled_mask(&layer.weights.to_dense(), &layer.weights)?;
    let setup = Setup {
        // There are many layers, and two masks of each are all that is compared.
        effort: Effort {
            seconds: 0.3 * setup.effort.seconds,
            ..setup.effort
        },
        ..setup
    };
    layer
        .works
        .iter()
        .map(|&work| {
            let inputs = [&layer.weights, &random].map(|csr| Inputs::new(work, csr.clone()));
            let mut real = SparseKernels::new(&inputs[0], setup.threads)?;
            let mut shuffled = SparseKernels::new(&inputs[1], setup.threads)?;
            let mut dense = DenseKernels::new(&inputs[0], setup.threads)?;
            let formats = [real.format(), shuffled.format()];
            check(&mut real, &inputs[0], &layer.name)?;
            check(&mut shuffled, &inputs[1], &layer.name)?;
            let clock = setup.clock();
            let mut entrants = [
                Entrant::here(SECATEUR, &mut real, clock)?,
                Entrant::here(RANDOM_MASK, &mut shuffled, clock)?,
                Entrant::here(SECATEUR_DENSE, &mut dense, clock)?,
            ];
            let ms = medians(&mut entrants, setup.effort)?;
            Ok(Comparison {
                layer: layer.name.clone(),
                work,
                sparsity: layer.weights.sparsity(),
                formats,
                unevenness: [unevenness(&layer.weights), unevenness(&random)],
                ms: [ms[0], ms[1], ms[2]],
            })
        })
        .collect()
}

fn check(kernels: &mut SparseKernels, inputs: &Inputs, layer: &str) -> Result<()> {
    kernels.run()?;
    let wrong = first_wrong(&kernels.outputs(), &inputs.expected()?);
    wrong.map_or(Ok(()), |(at, got, expected)| {
        Err(BenchError::WrongResult {
            contestant: SECATEUR.to_owned(),
            work: format!("{layer}, {}", inputs.work),
            at,
            got,
            expected,
        })
    })
}

/// The heading of the columns. Unevenness is the standard deviation of the weights kept per row
/// (per column) over their mean.
pub(crate) fn columns() -> String {
    format!(
        "{:26} {:28} {:>8}  {:22} {:>19} {:>19} | {:>8} {:>9} {:>11} {:>10}",
        "layer",
        "work",
        "sparsity",
        "formats",
        "uneven rows",
        "uneven columns",
        "real ms",
        "random ms",
        "real/random",
        "dense/real"
    )
}

impl Comparison {
    /// One line of the table: what is real, then what is random.
    pub(crate) fn line(&self) -> String {
        let [real, random] = &self.formats;
        let formats = if real == random {
            real.clone()
        } else {
            format!("{real} / {random}")
        };
        let [real, random, dense] = self.ms;
        let uneven = |axis: usize| {
            let [real, random] = self.unevenness.map(|unevenness| unevenness[axis]);
            format!("{real:.2} / {random:.2}")
        };
        format!(
            "{:26} {:28} {:>6.1} %  {:22} {:>19} {:>19} | {:>8.4} {:>9.4} {:>11.2} {:>10.2}",
            self.layer,
            self.work.to_string(),
            100.0 * self.sparsity,
            formats,
            uneven(0),
            uneven(1),
            real,
            random,
            real / random,
            dense / real
        )
    }

    /// For `--json`: the case is the work and the layer.
    pub(crate) fn rows(&self, threads: usize) -> Vec<Row> {
        let kind = match self.work {
            Work::Product { .. } => "product",
            Work::Training { .. } => "train-step",
            Work::Convolution { .. } => "conv",
        };
        let case = format!("real-{kind}/{}", self.layer);
        let sparsity = (self.sparsity * 1e4).round() / 1e4;
        [SECATEUR, RANDOM_MASK, SECATEUR_DENSE]
            .into_iter()
            .zip(self.ms)
            .map(|(name, ms)| Row::new(&case, self.work, sparsity, threads, name, ms))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use secateur_benches::matrices::{Pattern, pruned};
    use secateur_kernels::Isa;

    use super::*;

    #[test]
    fn real_and_random_stand_side_by_side() {
        let layer = Layer {
            name: "net/layer".to_owned(),
            weights: pruned([16, 36], 0.75, Pattern::Strips(4)).unwrap(),
            works: vec![
                Work::Product { m: 16, k: 36, n: 8 },
                Work::Convolution {
                    out: 16,
                    input: 4,
                    kernel: 3,
                    image: [8, 8],
                },
            ],
        };
        let setup = Setup {
            isa: Isa::from_env().unwrap(),
            threads: 1,
            effort: Effort {
                seconds: 0.0,
                least_rounds: 1,
                most_rounds: 1,
            },
        };
        let comparisons = compare(&layer, setup).unwrap();
        assert_eq!(comparisons.len(), 2);
        let rows = comparisons[1].rows(1);
        assert_eq!(rows[0].case, "real-conv/net/layer");
        assert_eq!((rows[0].m, rows[0].k, rows[0].n), (16, 36, 64));
        assert_eq!(rows[1].contestant, RANDOM_MASK);
        let line = comparisons[0].line();
        assert!(
            line.contains("75.0 %") && line.contains("product 16 36 8"),
            "{line}"
        );
    }
}
