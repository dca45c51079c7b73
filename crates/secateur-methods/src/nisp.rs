//! NISP: importance handed back from the last layer to the first.

use secateur_core::error::PruneError;
use secateur_core::magnitude::FromScores;

/// A layer of a chain as NISP sees it: its weight in view order `(out, in, kernel)`.
#[derive(Clone, Debug, PartialEq)]
pub struct ChainLayer<'a> {
    /// Record path of the weight, for errors and for [`nisp_scores`].
    pub path: &'a str,
    /// The view's shape `[out, in, kernel]`.
    pub shape: [usize; 3],
    /// The weights.
    pub weight: &'a [f32],
}

impl ChainLayer<'_> {
    fn check(&self) -> Result<(), PruneError> {
        let expected: usize = self.shape.iter().product();
        match self.weight.len() == expected {
            true => Ok(()),
            false => Err(PruneError::custom(
                self.path,
                format!(
                    "{} weights are not a view of {:?}; pass all of them, in view order",
                    self.weight.len(),
                    self.shape
                ),
            )),
        }
    }

    /// `|W|ᵀ s`: the importance of the layer's inputs, from that of its outputs.
    ///
    /// # Errors
    /// [`PruneError::Custom`] for a weight or scores of another length than the shape says.
    pub fn hand_back(&self, outputs: &[f64]) -> Result<Vec<f64>, PruneError> {
        self.check()?;
        let [out, input, kernel] = self.shape;
        if outputs.len() != out {
            return Err(PruneError::custom(
                self.path,
                format!(
                    "{} scores do not fit its {out} outputs; pass one for each",
                    outputs.len()
                ),
            ));
        }
        let mut inputs = vec![0.0; input];
        let filters = self.weight.chunks((input * kernel).max(1)).zip(outputs);
        for (filter, score) in filters {
            for (into, taps) in inputs.iter_mut().zip(filter.chunks(kernel.max(1))) {
                *into += score * taps.iter().map(|w| f64::from(w.abs())).sum::<f64>();
            }
        }
        Ok(inputs)
    }
}

/// Neuron importance score propagation (Yu, Li, Chen, Lai, Morariu, Han, Gao, Lin and Davis 2018,
/// *NISP: Pruning Networks using Neuron Importance Score Propagation*, arXiv 1711.05908, equation
/// 11): `s⁽ᵏ⁾ = |W⁽ᵏ⁺¹⁾|ᵀ s⁽ᵏ⁺¹⁾`, from the scores of the last layer's outputs back to the first
/// layer's.
///
/// `layers` are those of a chain, first to last; of a convolution the taps of a kernel add up, as
/// nearly every position meets each of them. Between a convolution and a linear layer a flattening
/// makes each channel several inputs: their scores add up too. Activations and pools have no part
/// in it; fold a batch norm's scale into the weight first.
///
/// `last` says how much each output of the last layer matters. The paper ranks the responses of the
/// layer before the classifier by Inf-FS; ones take all alike.
///
/// Returned are the scores of each layer's outputs, in the order of `layers`. They grow or shrink
/// from layer to layer with the weights: compare them within a layer.
///
/// Cost: one pass over the weights.
///
/// # Errors
/// [`PruneError::Custom`] names the layer that does not fit the one after it, or the scores.
pub fn nisp(layers: &[ChainLayer<'_>], last: &[f64]) -> Result<Vec<Vec<f64>>, PruneError> {
    let mut scores = Vec::with_capacity(layers.len());
    let mut outputs = last.to_vec();
    for (at, layer) in layers.iter().enumerate().rev() {
        let inputs = layer.hand_back(&outputs)?;
        scores.push(outputs);
        outputs = match at.checked_sub(1).and_then(|before| layers.get(before)) {
            Some(before) => of_channels(&inputs, before, layer)?,
            None => inputs,
        };
    }
    scores.reverse();
    Ok(scores)
}

/// The inputs' scores as those of the channels before them, which come one after the other.
fn of_channels(
    inputs: &[f64],
    before: &ChainLayer<'_>,
    layer: &ChainLayer<'_>,
) -> Result<Vec<f64>, PruneError> {
    let channels = before.shape[0];
    if channels == 0 || !inputs.len().is_multiple_of(channels) || inputs.is_empty() {
        return Err(PruneError::custom(
            layer.path,
            format!(
                "its {} inputs are not the {channels} outputs of `{}`; pass the layers of one \
                 chain, first to last, ungrouped",
                inputs.len(),
                before.path
            ),
        ));
    }
    let positions = inputs.len() / channels;
    let channels = inputs.chunks_exact(positions);
    Ok(channels.map(|scores| scores.iter().sum()).collect())
}

/// [`nisp`] as a scorer: every weight of an output has the output's score. Combine it with
/// `with_pattern(Filter)` and `with_reduction(Reduction::Mean)`, and leave out the last layer, whose
/// scores are your own.
///
/// # Errors
/// As [`nisp`].
pub fn nisp_scores(layers: &[ChainLayer<'_>], last: &[f64]) -> Result<FromScores, PruneError> {
    let scores = nisp(layers, last)?;
    let spread = |(layer, scores): (&ChainLayer<'_>, Vec<f64>)| {
        let filter = layer.shape[1] * layer.shape[2];
        let scores = scores.into_iter();
        let each = scores.flat_map(|score| std::iter::repeat_n(score as f32, filter));
        (layer.path.to_string(), each.collect())
    };
    Ok(layers.iter().zip(scores).map(spread).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer<'a>(path: &'a str, shape: [usize; 3], weight: &'a [f32]) -> ChainLayer<'a> {
        ChainLayer {
            path,
            shape,
            weight,
        }
    }

    #[test]
    fn three_layers_by_hand() {
        // The head: outputs (1, -2, 0) and (-3, 0, 4), which matter 1 and 0.5.
        //   s² = 1 + 1.5, 2, 2 = 2.5, 2, 2.
        // The one before it: (1, 0), (-1, 2), (0, -3).
        //   s¹ = 2.5 + 2, 4 + 6 = 4.5, 10.
        let first = [7.0, -7.0];
        let middle = [1.0, 0.0, -1.0, 2.0, 0.0, -3.0];
        let head = [1.0, -2.0, 0.0, -3.0, 0.0, 4.0];
        let layers = [
            layer("first", [2, 1, 1], &first),
            layer("middle", [3, 2, 1], &middle),
            layer("head", [2, 3, 1], &head),
        ];
        let scores = nisp(&layers, &[1.0, 0.5]).unwrap();
        assert_eq!(
            scores,
            [vec![4.5, 10.0], vec![2.5, 2.0, 2.0], vec![1.0, 0.5]]
        );
        // Without the absolute values s² would be -0.5, -2, 2.
        let spread = nisp_scores(&layers, &[1.0, 0.5]).unwrap();
        let by_hand = FromScores::from_iter([
            ("first", vec![4.5, 10.0]),
            ("middle", vec![2.5, 2.5, 2.0, 2.0, 2.0, 2.0]),
            ("head", vec![1.0, 1.0, 1.0, 0.5, 0.5, 0.5]),
        ]);
        assert_eq!(spread, by_hand);
    }

    #[test]
    fn taps_and_positions_add_up() {
        // A convolution of two channels, flattened over two positions: the linear layer has inputs
        // 1, 2 of the first channel and -4, 0.5 of the second. s = 3, 4.5.
        let linear = [1.0, 2.0, -4.0, 0.5];
        // Its kernels over the one channel before: (1, -1, 2) and (0, 2, 0).
        // 3·4 + 4.5·2 = 21.
        let conv = [1.0, -1.0, 2.0, 0.0, 2.0, 0.0];
        let before = [1.0];
        let layers = [
            layer("before", [1, 1, 1], &before),
            layer("conv", [2, 1, 3], &conv),
            layer("linear", [1, 4, 1], &linear),
        ];
        let scores = nisp(&layers, &[1.0]).unwrap();
        assert_eq!(scores, [vec![21.0], vec![3.0, 4.5], vec![1.0]]);
    }

    #[test]
    fn what_is_no_chain_is_named() {
        let (a, b) = ([1.0; 6], [1.0; 4]);
        let layers = [layer("a", [3, 2, 1], &a), layer("b", [1, 4, 1], &b)];
        let error = nisp(&layers, &[1.0]).unwrap_err().to_string();
        assert!(
            error.contains("`b`: its 4 inputs are not the 3 outputs of `a`"),
            "{error}"
        );
        let error = nisp(&layers[..1], &[1.0]).unwrap_err().to_string();
        assert!(
            error.contains("`a`: 1 scores do not fit its 3 outputs"),
            "{error}"
        );
        let short = [layer("a", [3, 2, 1], &a[..5])];
        assert!(nisp(&short, &[1.0; 3]).is_err());
        assert_eq!(nisp(&[], &[]), Ok(vec![]));
    }
}
