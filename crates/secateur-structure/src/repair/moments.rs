//! What a layer's inputs and outputs were, as second moments.

use faer::{Mat, MatRef};

use super::RepairError;

/// Second moments of what calibration sent through a layer: `G = Σ x xᵀ`, `B = Σ x yᵀ` and
/// `Σ ‖y‖²`, where `x` is a row of inputs `[in, kernel]` and `y` what the layer is to give for it,
/// without its bias.
///
/// `x` may come of a network that is pruned already and `y` of the original one, as He et al. 2017
/// do: then the repair makes up for the layers before it as well.
///
/// Memory: `(in·kernel)·(in·kernel + out)` numbers, however many rows there are.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerMoments {
    path: String,
    shape: [usize; 3],
    gram: Mat<f64>,
    cross: Mat<f64>,
    energy: f64,
}

impl LayerMoments {
    /// Of no rows yet, for the layer whose weight at `path` has the view `[out, in, kernel]`.
    #[must_use]
    pub fn new(path: impl Into<String>, shape: [usize; 3]) -> Self {
        let [out, input, kernel] = shape;
        let features = input * kernel;
        Self {
            path: path.into(),
            shape,
            gram: Mat::zeros(features, features),
            cross: Mat::zeros(features, out),
            energy: 0.0,
        }
    }

    /// Adds rows: `inputs` of `in·kernel` numbers each, `outputs` of `out`.
    ///
    /// # Errors
    /// [`RepairError::Size`] unless both are as many whole rows, [`RepairError::NotFinite`].
    pub fn add(&mut self, inputs: &[f64], outputs: &[f64]) -> Result<(), RepairError> {
        let (features, out) = (self.features(), self.outputs());
        let rows = outputs.len() / out.max(1);
        let remedy = "pass whole rows, as many of inputs as of outputs";
        RepairError::check_len(
            &self.path,
            "a batch of outputs",
            outputs.len(),
            rows * out,
            remedy,
        )?;
        let expected = rows * features;
        RepairError::check_len(
            &self.path,
            "a batch of inputs",
            inputs.len(),
            expected,
            remedy,
        )?;
        RepairError::check_finite(&self.path, "the inputs", inputs)?;
        RepairError::check_finite(&self.path, "the outputs", outputs)?;
        let x = MatRef::from_row_major_slice(inputs, rows, features);
        let y = MatRef::from_row_major_slice(outputs, rows, out);
        self.gram += x.transpose() * x;
        self.cross += x.transpose() * y;
        self.energy += outputs.iter().map(|y| y * y).sum::<f64>();
        Ok(())
    }

    /// Of a matrix `Σ x xᵀ`, row by row, for a layer that is to give what it gives with `weights`:
    /// `B = G Wᵀ`.
    ///
    /// # Errors
    /// [`RepairError::Size`] for a matrix or weights of another size, [`RepairError::NotFinite`].
    pub fn of_weights(
        path: impl Into<String>,
        shape: [usize; 3],
        gram: &[f64],
        weights: &[f64],
    ) -> Result<Self, RepairError> {
        let mut moments = Self::new(path, shape);
        let features = moments.features();
        let remedy = "pass `in·kernel` rows of as many numbers";
        let what = "the matrix of second moments";
        RepairError::check_len(&moments.path, what, gram.len(), features * features, remedy)?;
        RepairError::check_finite(&moments.path, "the second moments", gram)?;
        let weights = moments.matrix(weights)?;
        let gram = MatRef::from_row_major_slice(gram, features, features).to_owned();
        let cross = &gram * weights.transpose();
        moments.energy = inner(weights.transpose(), cross.as_ref());
        (moments.gram, moments.cross) = (gram, cross);
        Ok(moments)
    }

    /// Path of the layer's weight.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The weight's view `[out, in, kernel]`.
    #[must_use]
    pub fn shape(&self) -> [usize; 3] {
        self.shape
    }

    /// `Σ ‖y‖²`: the error of a layer that gives nothing.
    #[must_use]
    pub fn energy(&self) -> f64 {
        self.energy
    }

    /// `Σ ‖y - W x‖²` over all rows.
    ///
    /// # Errors
    /// [`RepairError::Size`] for weights that are not those of the view.
    pub fn error(&self, weights: &[f64]) -> Result<f64, RepairError> {
        let weights = self.matrix(weights)?;
        let explained = inner(weights.transpose(), self.cross.as_ref());
        let given = inner(weights, (weights * &self.gram).as_ref());
        Ok((self.energy - 2.0 * explained + given).max(0.0))
    }

    /// The weights of the view with those over all inputs but `kept` set to zero: plain removal.
    ///
    /// # Errors
    /// [`RepairError::Size`] for weights that are not those of the view, [`RepairError::Choice`]
    /// for an input that it does not have.
    pub fn without_others(&self, weights: &[f64], kept: &[usize]) -> Result<Vec<f64>, RepairError> {
        self.matrix(weights)?;
        let features = self.features();
        let mut left = vec![0.0; weights.len()];
        for feature in self.features_of(kept)? {
            for row in (0..weights.len()).step_by(features) {
                left[row + feature] = weights[row + feature];
            }
        }
        Ok(left)
    }

    pub(super) fn gram(&self) -> MatRef<'_, f64> {
        self.gram.as_ref()
    }

    pub(super) fn cross(&self) -> MatRef<'_, f64> {
        self.cross.as_ref()
    }

    pub(super) fn features(&self) -> usize {
        self.shape[1] * self.shape[2]
    }

    pub(super) fn outputs(&self) -> usize {
        self.shape[0]
    }

    /// The features of these inputs, ascending, each once.
    pub(super) fn features_of(&self, inputs: &[usize]) -> Result<Vec<usize>, RepairError> {
        let [_, count, kernel] = self.shape;
        if let Some(input) = inputs.iter().find(|&&input| input >= count) {
            return Err(RepairError::Choice {
                path: self.path.clone(),
                asked: format!("input {input}"),
                expected: format!("one of its {count} inputs"),
                remedy: "count inputs from 0".into(),
            });
        }
        let mut inputs = inputs.to_vec();
        inputs.sort_unstable();
        inputs.dedup();
        Ok(inputs
            .into_iter()
            .flat_map(|input| input * kernel..(input + 1) * kernel)
            .collect())
    }

    /// Weights as a matrix `[out, in·kernel]`.
    pub(super) fn matrix<'a>(&self, weights: &'a [f64]) -> Result<MatRef<'a, f64>, RepairError> {
        let (features, out) = (self.features(), self.outputs());
        let remedy = "pass all of them, in view order";
        RepairError::check_len(
            &self.path,
            "the weight",
            weights.len(),
            out * features,
            remedy,
        )?;
        RepairError::check_finite(&self.path, "the weights", weights)?;
        Ok(MatRef::from_row_major_slice(weights, out, features))
    }
}

/// `Σ a_ij b_ij`.
fn inner(a: MatRef<'_, f64>, b: MatRef<'_, f64>) -> f64 {
    let columns = (0..a.ncols()).map(|j| {
        let rows = 0..a.nrows();
        rows.map(|i| a[(i, j)] * b[(i, j)]).sum::<f64>()
    });
    columns.sum()
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn two_rows_by_hand() {
        // x = (1, 2), (3, -1); y = 1, 4. G = [10 -1; -1 5], B = (13, -2), Σy² = 17.
        let mut moments = LayerMoments::new("fc.weight", [1, 2, 1]);
        moments.add(&[1.0, 2.0], &[1.0]).unwrap();
        moments.add(&[3.0, -1.0], &[4.0]).unwrap();
        assert_eq!(moments.gram()[(0, 1)], -1.0);
        assert_eq!(moments.gram()[(1, 1)], 5.0);
        assert_eq!(moments.cross()[(0, 0)], 13.0);
        assert_eq!(moments.cross()[(1, 0)], -2.0);
        // W = (1, 1) gives 3 and 2: errors 4 + 4. W = (1, 0) gives 1 and 3: 0 + 1.
        assert_eq!(moments.error(&[1.0, 1.0]), Ok(8.0));
        assert_eq!(moments.error(&[1.0, 0.0]), Ok(1.0));
        assert_eq!(moments.energy(), 17.0);
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let mut moments = LayerMoments::new("fc.weight", [2, 3, 1]);
        let error = moments.add(&[1.0; 3], &[1.0; 3]).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("`fc.weight`: a batch of outputs"),
            "{error}"
        );
        let error = moments.add(&[1.0; 4], &[1.0; 2]).unwrap_err();
        assert!(
            error.to_string().contains("4 numbers instead of 3"),
            "{error}"
        );
        let nan = moments.add(&[1.0, f64::NAN, 1.0], &[1.0; 2]);
        assert!(matches!(nan, Err(RepairError::NotFinite { .. })));
        assert!(moments.error(&[1.0; 5]).is_err());
        assert!(moments.without_others(&[1.0; 6], &[3]).is_err());
        assert!(LayerMoments::of_weights("w", [2, 3, 1], &[0.0; 8], &[0.0; 6]).is_err());
    }

    /// A layer's weights and the moments of more rows than features that it gives itself.
    pub fn layers() -> impl Strategy<Value = (LayerMoments, Vec<f64>)> {
        (1usize..5, 1usize..6, 1usize..4).prop_flat_map(|(out, input, kernel)| {
            let features = input * kernel;
            let rows = features + 4;
            let number = || -2.0..2.0f64;
            (
                proptest::collection::vec(number(), rows * features),
                proptest::collection::vec(number(), out * features),
            )
                .prop_map(move |(x, weights)| {
                    let mut moments = LayerMoments::new("w", [out, input, kernel]);
                    let outputs: Vec<f64> = x
                        .chunks_exact(features)
                        .flat_map(|row| {
                            let each = weights.chunks_exact(features);
                            each.map(|w| w.iter().zip(row).map(|(w, x)| w * x).sum::<f64>())
                                .collect::<Vec<_>>()
                        })
                        .collect();
                    moments.add(&x, &outputs).unwrap();
                    (moments, weights)
                })
        })
    }

    proptest! {
        #[test]
        fn moments_of_weights_are_those_of_their_rows((moments, weights) in layers()) {
            let features = moments.features();
            let at = |index: usize| moments.gram()[(index / features, index % features)];
            let gram: Vec<f64> = (0..features * features).map(at).collect();
            let same =
                LayerMoments::of_weights("w", moments.shape(), &gram, &weights).unwrap();
            prop_assert!((same.energy() - moments.energy()).abs() <= 1e-9 * moments.energy());
            prop_assert!((same.cross() - moments.cross()).norm_max() <= 1e-9);
            prop_assert!(same.error(&weights).unwrap() <= 1e-9 * moments.energy().max(1.0));
        }
    }
}
