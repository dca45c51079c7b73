//! Making up for what was removed.
//!
//! On a model, from calibration batches through the user's own `forward`:
//!
//! | what | by |
//! | --- | --- |
//! | new running statistics of batch norms | [`recalibrate()`] |
//! | new weights of the layers that lost inputs | [`Reconstruction`] |
//! | channels that LASSO or ThiNet would take, as a plan | [`ReadInputs`] |
//! | neurons taken over by others, then removed by a plan | [`merge_outputs`], [`fold_outputs`] |
//!
//! Under them lies arithmetic on the host that knows of no tensor. A layer that lost inputs is
//! repaired from what calibration batches sent through it. The batches themselves are not kept:
//! [`LayerMoments`] holds their second moments, in as much memory as the layer's features squared.
//!
//! | method | chooses | makes up for it by |
//! | --- | --- | --- |
//! | [`least_squares`] | | new weights over the inputs that stay |
//! | [`lasso`] (He 2017) | inputs, by LASSO | the same |
//! | [`thinet`] (Luo 2017) | inputs, greedily | one scale an input |
//! | [`merging`] (Srinivas, Babu 2015) | neurons, without data | adding outgoing weights |
//! | [`noise_out`] (Babaeizadeh 2016) | neurons, by correlation | adding outgoing weights and a bias |
//! | [`block_similarity`] | residual blocks | the shortcut |
//!
//! Weights are in view order `[out, in, kernel]`, inputs of a row as `[in, kernel]`.

pub mod block_similarity;
mod contributions;
mod damped;
mod error;
mod folding;
pub mod lasso;
pub mod least_squares;
pub mod merging;
mod moments;
pub mod noise_out;
mod outgoing;
mod read_inputs;
mod reader;
mod recalibrate;
mod reconstruction;
pub mod thinet;

pub use contributions::Contributions;
pub use error::RepairError;
pub use folding::{Folded, fold_outputs, merge_outputs};
pub use moments::LayerMoments;
pub use outgoing::Outgoing;
pub use read_inputs::ReadInputs;
pub use recalibrate::{Recalibrated, recalibrate};
pub use reconstruction::{Inputs, Reconstructed, Reconstruction, RepairedLayer};

#[cfg(test)]
mod tests {
    use super::*;

    /// The layer of `golden.py`, which prints the numbers below: four inputs, two outputs, rows that
    /// are correlated.
    pub fn golden_contributions() -> Contributions {
        Contributions::of(&golden_moments(), &GOLDEN_WEIGHTS).unwrap()
    }

    fn golden_moments() -> LayerMoments {
        let mut moments = LayerMoments::new("fc.weight", [2, 4, 1]);
        let outputs: Vec<f64> = GOLDEN_INPUTS
            .iter()
            .flat_map(|x| {
                let rows = GOLDEN_WEIGHTS.chunks(4);
                rows.map(|w| w.iter().zip(x).map(|(w, x)| w * x).sum::<f64>())
                    .collect::<Vec<_>>()
            })
            .collect();
        moments.add(&GOLDEN_INPUTS.concat(), &outputs).unwrap();
        moments
    }

    const GOLDEN_INPUTS: [[f64; 4]; 6] = [
        [1.0, 0.5, -0.5, 2.0],
        [0.5, 1.5, 1.0, 1.0],
        [-1.0, -0.5, 0.5, 0.0],
        [2.0, 1.0, -1.5, 1.5],
        [0.0, -1.0, 2.0, -0.5],
        [-0.5, 2.0, 0.5, -1.0],
    ];
    const GOLDEN_WEIGHTS: [f64; 8] = [1.0, -0.5, 0.5, 0.25, 0.5, 1.0, -1.0, 0.75];
    /// Penalties and the betas they leave.
    pub const GOLDEN_BETAS: [(f64, [f64; 4]); 3] = [
        (2.0, [0.82288497, 0.862363627, 0.8608655938, 0.8504158983]),
        (11.5, [0.0, 0.2101680711, 0.203165883, 0.1250244425]),
        (13.0, [0.0, 0.108302583, 0.1015682657, 0.0]),
    ];
    pub const GOLDEN_REMOVED: [usize; 2] = [3, 1];
    pub const GOLDEN_KEPT: [usize; 2] = [0, 2];
    pub const GOLDEN_SCALES: [f64; 2] = [1.4615384615, 1.421875];
    const GOLDEN_REFIT: [f64; 8] = [
        1.0078253707,
        0.0,
        0.4802306425,
        0.0,
        1.602553542,
        0.0,
        -1.0222405272,
        0.0,
    ];
    const GOLDEN_ERROR: f64 = 11.2808896211;

    #[test]
    fn golden_refit() {
        let moments = golden_moments();
        let refitted = least_squares::refit(&moments, &GOLDEN_WEIGHTS, &GOLDEN_KEPT, 0.0).unwrap();
        for (got, want) in refitted.iter().zip(GOLDEN_REFIT) {
            assert!((got - want).abs() < 1e-7, "{refitted:?}");
        }
        let error = moments.error(&refitted).unwrap();
        assert!((error - GOLDEN_ERROR).abs() < 1e-7, "{error}");
    }
}
