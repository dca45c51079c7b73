//! Who computes: Secateur's kernels and their rivals.

mod faer_dense;
mod faer_sparse;
pub(crate) mod flex;
mod secateur;
mod sprs_rows;

use secateur_benches::matrices::activations;
use secateur_kernels::conv::reference::convolve;
use secateur_kernels::reference::{matmul, sddmm};
use secateur_kernels::{ConvGeometry, Csr, Layout};

pub(crate) use faer_dense::FaerDense;
pub(crate) use faer_sparse::FaerSparse;
pub(crate) use secateur::{DenseKernels, SparseKernels};
pub(crate) use sprs_rows::SprsRows;

use crate::error::Result;
use crate::work::Work;

/// Activations lie as one row a feature, `[k, n]`, in every product.
pub(crate) const LAYOUT: Layout = Layout::FeatureMajor;

/// Something that computes the same again and again.
pub(crate) trait Contestant {
    /// Computes once.
    fn run(&mut self) -> Result<()>;

    /// The outputs of the last run, as [`Inputs::expected`] orders them; it may leave some of the
    /// last ones out.
    fn outputs(&self) -> Vec<f32> {
        Vec::new()
    }
}

/// What every contestant of a case is given.
#[derive(Debug)]
pub(crate) struct Inputs {
    pub work: Work,
    pub weights: Csr,
    /// The weights with their zeros, row-major.
    pub dense: Vec<f32>,
    /// `[k, n]`, or `[input, height, width]`.
    pub x: Vec<f32>,
    /// `[m, n]`, the gradient of the outputs.
    pub dy: Vec<f32>,
}

impl Inputs {
    /// Weights with activations drawn by lot.
    pub(crate) fn new(work: Work, weights: Csr) -> Self {
        let [_, inputs, outputs] = work.lengths();
        Self {
            work,
            dense: weights.to_dense(),
            weights,
            x: activations(inputs, "x"),
            dy: activations(outputs, "dy"),
        }
    }

    /// The outputs by the slow reference, in f64: Y; for training Y, dX and dW, the last with
    /// `None` where the mask has no weight.
    pub(crate) fn expected(&self) -> Result<Vec<Option<f64>>> {
        let (x, weights) = (self.x.as_slice(), &self.weights);
        let y = match self.work {
            Work::Product { n, .. } | Work::Training { n, .. } => matmul(weights, x, n, LAYOUT),
            Work::Convolution { image, .. } => {
                convolve(weights, &geometry(self.work), x, 1, image)?
            }
        };
        let mut expected: Vec<_> = y.into_iter().map(Some).collect();
        if let Work::Training { m, k, n } = self.work {
            let dx = matmul(&weights.transposed().0, &self.dy, n, LAYOUT);
            expected.extend(dx.into_iter().map(Some));
            let mut dw = vec![None; m * k];
            let places = (0..m).flat_map(|row| weights.row(row).map(move |(at, _)| row * k + at));
            let sums = sddmm(weights, &self.dy, x, n, LAYOUT);
            for (place, sum) in places.zip(sums) {
                dw[place] = Some(sum);
            }
            expected.extend(dw);
        }
        Ok(expected)
    }
}

/// The kernels' description of a convolution; of a product, that of its 1 x 1 convolution.
pub(crate) fn geometry(work: Work) -> ConvGeometry {
    match work {
        Work::Convolution {
            out, input, kernel, ..
        } => ConvGeometry::conv2d([out, input], [kernel; 2]).padding([kernel / 2; 2]),
        Work::Product { m, k, .. } | Work::Training { m, k, .. } => {
            ConvGeometry::conv2d([m, k], [1, 1])
        }
    }
}

/// The first output that is off by more than rounding: its position, what it is, what is right.
pub(crate) fn first_wrong(outputs: &[f32], expected: &[Option<f64>]) -> Option<(usize, f32, f64)> {
    let scale = expected
        .iter()
        .flatten()
        .fold(1e-3_f64, |most, value| most.max(value.abs()));
    outputs
        .iter()
        .zip(expected)
        .enumerate()
        .filter_map(|(at, (&got, &expected))| Some((at, got, expected?)))
        // A NaN is wrong, too.
        .find(|(_, got, expected)| {
            let error = (f64::from(*got) - expected).abs();
            error.is_nan() || error > 1e-4 * scale
        })
}

#[cfg(test)]
mod tests {
    use secateur_benches::matrices::{Pattern, pruned};

    use super::*;
    use crate::work::Work;

    const WORKS: [Work; 4] = [
        Work::Product { m: 24, k: 36, n: 5 },
        Work::Product { m: 24, k: 36, n: 1 },
        Work::Training { m: 24, k: 36, n: 5 },
        Work::Convolution {
            out: 24,
            input: 4,
            kernel: 3,
            image: [6, 7],
        },
    ];

    fn check(contestant: &mut dyn Contestant, inputs: &Inputs, least: usize) {
        contestant.run().unwrap();
        // The second run must not add to the first.
        contestant.run().unwrap();
        let outputs = contestant.outputs();
        let expected = inputs.expected().unwrap();
        let work = inputs.work;
        assert!(
            outputs.len() >= least && outputs.len() <= expected.len(),
            "{work}"
        );
        assert_eq!(first_wrong(&outputs, &expected), None, "{work}");
    }

    #[test]
    fn every_contestant_computes_the_same() {
        for work in WORKS {
            let csr = pruned([24, 36], 0.7, Pattern::Unstructured).unwrap();
            let inputs = Inputs::new(work, csr);
            let all = inputs.expected().unwrap().len();
            let outputs = work.lengths()[2];
            check(&mut SparseKernels::new(&inputs, 1).unwrap(), &inputs, all);
            check(
                &mut DenseKernels::new(&inputs, 1).unwrap(),
                &inputs,
                outputs,
            );
            check(&mut flex::new(&inputs), &inputs, all);
            if let Some(mut faer) = FaerDense::new(&inputs) {
                check(&mut faer, &inputs, all);
            }
            if let Some(mut sprs) = SprsRows::new(&inputs).unwrap() {
                check(&mut sprs, &inputs, all);
            }
            if let Some(mut faer) = FaerSparse::new(&inputs) {
                check(&mut faer, &inputs, all);
            }
        }
    }

    #[test]
    fn wrong_outputs_are_found() {
        let expected = [Some(1.0), None, Some(2.0)];
        assert_eq!(first_wrong(&[1.0, 9.0, 2.0], &expected), None);
        assert_eq!(first_wrong(&[1.0], &expected), None);
        let wrong = first_wrong(&[1.0, 0.0, 2.1], &expected);
        assert_eq!(wrong, Some((2, 2.1, 2.0)));
        assert!(first_wrong(&[f32::NAN], &expected).is_some());
    }
}
