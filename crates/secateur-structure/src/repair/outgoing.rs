//! What a layer's neurons feed.

use super::RepairError;

/// The weights of the layer that neurons feed, in view order `[next, neurons, kernel]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Outgoing {
    shape: [usize; 3],
    weights: Vec<f64>,
}

impl Outgoing {
    /// Of the weight at `path`, whose view has this shape.
    ///
    /// # Errors
    /// [`RepairError::Size`] for another number of weights, [`RepairError::NotFinite`].
    pub fn new(path: &str, shape: [usize; 3], weights: Vec<f64>) -> Result<Self, RepairError> {
        let expected = shape.iter().product();
        let remedy = "pass all of them, in view order";
        RepairError::check_len(path, "the outgoing weight", weights.len(), expected, remedy)?;
        RepairError::check_finite(path, "the outgoing weights", &weights)?;
        Ok(Self { shape, weights })
    }

    /// The view's shape.
    #[must_use]
    pub fn shape(&self) -> [usize; 3] {
        self.shape
    }

    /// The weights.
    #[must_use]
    pub fn weights(&self) -> &[f64] {
        &self.weights
    }

    /// Number of neurons.
    #[must_use]
    pub fn neurons(&self) -> usize {
        self.shape[1]
    }

    /// Places of a neuron's weights, by unit that it feeds.
    fn places(&self, neuron: usize) -> impl Iterator<Item = std::ops::Range<usize>> + use<> {
        let [next, neurons, kernel] = self.shape;
        (0..next).map(move |unit| {
            let at = (unit * neurons + neuron) * kernel;
            at..at + kernel
        })
    }

    /// `Σ a²` over a neuron's weights.
    pub(super) fn square(&self, neuron: usize) -> f64 {
        let places = self.places(neuron).flatten();
        places.map(|at| self.weights[at].powi(2)).sum()
    }

    /// The sum of a neuron's weights into each unit.
    pub(super) fn sums(&self, neuron: usize) -> impl Iterator<Item = f64> + '_ {
        self.places(neuron)
            .map(|taps| self.weights[taps].iter().sum())
    }

    /// `a_into += share · a_removed`, and `a_removed = 0`.
    pub(super) fn hand_over(&mut self, removed: usize, into: usize, share: f64) {
        for (from, to) in self
            .places(removed)
            .flatten()
            .zip(self.places(into).flatten())
        {
            self.weights[to] += share * self.weights[from];
        }
        self.clear(removed);
    }

    /// `a_removed = 0`.
    pub(super) fn clear(&mut self, removed: usize) {
        for place in self.places(removed).flatten() {
            self.weights[place] = 0.0;
        }
    }
}
