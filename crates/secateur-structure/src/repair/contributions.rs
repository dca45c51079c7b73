//! What each input of a layer contributes to its outputs.

use faer::{Mat, MatRef};

use super::{LayerMoments, RepairError};

/// Second moments of the contributions `z_i = W_i x_i` of a layer's inputs to its outputs, over all
/// rows and outputs: `C_ij = Σ ⟨z_i, z_j⟩`, and with what the layer is to give, `t_i = Σ ⟨z_i, y⟩`.
#[derive(Clone, Debug, PartialEq)]
pub struct Contributions {
    path: String,
    gram: Mat<f64>,
    target: Vec<f64>,
}

impl Contributions {
    /// Those of a layer with these weights.
    ///
    /// Cost: `(in·kernel)²·out` operations.
    ///
    /// # Errors
    /// [`RepairError::Size`] for weights that are not those of the moments' view.
    pub fn of(moments: &LayerMoments, weights: &[f64]) -> Result<Self, RepairError> {
        let [out, inputs, kernel] = moments.shape();
        let weights = moments.matrix(weights)?;
        // Σ_o W_of G_fg W_og = G_fg (WᵀW)_fg, added up over the taps of both inputs.
        let products = weights.transpose() * weights;
        let taps = |input: usize| input * kernel..(input + 1) * kernel;
        let gram = Mat::from_fn(inputs, inputs, |i, j| {
            let pairs = taps(i).flat_map(|f| taps(j).map(move |g| (f, g)));
            pairs.map(|at| products[at] * moments.gram()[at]).sum()
        });
        let target = (0..inputs).map(|i| {
            let pairs = taps(i).flat_map(|f| (0..out).map(move |o| (f, o)));
            pairs
                .map(|(f, o)| weights[(o, f)] * moments.cross()[(f, o)])
                .sum()
        });
        Ok(Self {
            path: moments.path().into(),
            target: target.collect(),
            gram,
        })
    }

    /// Those of samples, each a row with the contribution of every input to one output at one place,
    /// whose sum is to be kept (ThiNet's training set).
    ///
    /// # Errors
    /// [`RepairError::Size`] for numbers that do not fill the last row, [`RepairError::NotFinite`].
    pub fn of_samples(
        path: impl Into<String>,
        inputs: usize,
        samples: &[f64],
    ) -> Result<Self, RepairError> {
        let path = path.into();
        let rows = samples.len() / inputs.max(1);
        let remedy = "pass one number for each input";
        RepairError::check_len(
            &path,
            "a row of samples",
            samples.len(),
            rows * inputs,
            remedy,
        )?;
        RepairError::check_finite(&path, "the samples", samples)?;
        let samples = MatRef::from_row_major_slice(samples, rows, inputs);
        let gram = samples.transpose() * samples;
        let target = (0..inputs).map(|i| (0..inputs).map(|j| gram[(i, j)]).sum());
        Ok(Self {
            path,
            target: target.collect(),
            gram,
        })
    }

    /// Those of `units` to several layers together: of each layer its contributions, the inputs
    /// that each unit is there, and the factor that its error counts with.
    ///
    /// # Errors
    /// [`RepairError::Size`] where a layer has another number of units,
    /// [`RepairError::Choice`] for an input that it does not have.
    pub fn of_units(
        path: impl Into<String>,
        units: usize,
        layers: &[(Self, Vec<Vec<usize>>, f64)],
    ) -> Result<Self, RepairError> {
        let mut all = Self {
            path: path.into(),
            gram: Mat::zeros(units, units),
            target: vec![0.0; units],
        };
        for (layer, places, factor) in layers {
            let remedy = "say which inputs each unit is";
            RepairError::check_len(
                &layer.path,
                "the list of units",
                places.len(),
                units,
                remedy,
            )?;
            if let Some(input) = places.iter().flatten().find(|&&at| at >= layer.inputs()) {
                return Err(RepairError::Choice {
                    path: layer.path.clone(),
                    asked: format!("input {input}"),
                    expected: format!("one of its {} inputs", layer.inputs()),
                    remedy: "count inputs from 0".into(),
                });
            }
            for (u, own) in places.iter().enumerate() {
                for (v, others) in places.iter().enumerate() {
                    let pairs = own
                        .iter()
                        .flat_map(|&i| others.iter().map(move |&j| (i, j)));
                    all.gram[(u, v)] += factor * pairs.map(|at| layer.gram[at]).sum::<f64>();
                }
                all.target[u] += factor * own.iter().map(|&i| layer.target[i]).sum::<f64>();
            }
        }
        Ok(all)
    }

    /// Number of inputs.
    #[must_use]
    pub fn inputs(&self) -> usize {
        self.target.len()
    }

    pub(super) fn path(&self) -> &str {
        &self.path
    }

    pub(super) fn gram(&self) -> MatRef<'_, f64> {
        self.gram.as_ref()
    }

    pub(super) fn target(&self) -> &[f64] {
        &self.target
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::repair::moments::tests::layers;

    #[test]
    fn of_moments_as_of_samples_by_hand() {
        // Two inputs of two taps, one output, W = (1, 2 | -1, 1).
        // Rows (1, 0 | 2, 1) and (0, 1 | 1, 1): contributions 1, -1 and 2, 0.
        // C = [5 -1; -1 1], sums 0 and 2: t = 1·0 + 2·2 = 4, -1·0 + 0·2 = 0.
        let weights = [1.0, 2.0, -1.0, 1.0];
        let mut moments = LayerMoments::new("w", [1, 2, 2]);
        moments
            .add(&[1.0, 0.0, 2.0, 1.0, 0.0, 1.0, 1.0, 1.0], &[0.0, 2.0])
            .unwrap();
        let of = Contributions::of(&moments, &weights).unwrap();
        let samples = Contributions::of_samples("w", 2, &[1.0, -1.0, 2.0, 0.0]).unwrap();
        assert_eq!(of, samples);
        assert_eq!(of.gram(), faer::mat![[5.0, -1.0], [-1.0, 1.0]]);
        assert_eq!(of.target(), [4.0, 0.0]);
        assert!(Contributions::of_samples("w", 2, &[1.0; 3]).is_err());
    }

    #[test]
    fn units_of_two_layers_by_hand() {
        // Contributions (1, 2, 3) of three inputs to one sample: C_ij = z_i z_j. Unit 0 is inputs 0
        // and 2, so gives 4, unit 1 is input 1, gives 2: (16 8; 8 4), t = 4·6, 2·6.
        let first = Contributions::of_samples("a", 3, &[1.0, 2.0, 3.0]).unwrap();
        // In a second layer, which counts half, they give 1 and -1: (1 -1; -1 1)/2, t = 0.
        let second = Contributions::of_samples("b", 2, &[1.0, -1.0]).unwrap();
        let layers = [
            (first, vec![vec![0, 2], vec![1]], 1.0),
            (second, vec![vec![0], vec![1]], 0.5),
        ];
        let units = Contributions::of_units("a", 2, &layers).unwrap();
        assert_eq!(units.gram(), faer::mat![[16.5, 7.5], [7.5, 4.5]]);
        assert_eq!(units.target(), [24.0, 12.0]);
        assert!(Contributions::of_units("a", 3, &layers).is_err());
        let [(first, ..), _] = layers;
        assert!(Contributions::of_units("a", 1, &[(first, vec![vec![3]], 1.0)]).is_err());
    }

    proptest! {
        #[test]
        fn what_a_layer_gives_is_what_its_inputs_contribute((moments, weights) in layers()) {
            let contributions = Contributions::of(&moments, &weights).unwrap();
            let energy = moments.energy();
            prop_assert!((contributions.gram().sum() - energy).abs() <= 1e-9 * energy.max(1.0));
            let whole = contributions.target().iter().sum::<f64>();
            prop_assert!((whole - energy).abs() <= 1e-9 * energy.max(1.0));
        }
    }
}
