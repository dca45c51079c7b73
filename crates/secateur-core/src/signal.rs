//! Signals: what a scorer must have observed before it can score.

use std::{cell::LazyCell, collections::BTreeMap, fmt::Debug, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{flow::Flow, mask::Mask};

/// What a signal is fed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Observes {
    /// Gradients of whole batches, from `Pruner::observe`. Gradients of single examples count too.
    Batches,
    /// Gradients of one example at a time, from `Pruner::observe_examples` alone. The square of a
    /// batch's gradient is not the mean of its examples' squares, so batches never feed it.
    Examples,
    /// What calibration batches send through the layers, from `Pruner::observe_flow`, which the
    /// taps of `secateur-graph` call. Gradients never feed it.
    Flows,
}

/// One observation of one parameter. All slices are in view order `(out, in, kernel)`.
#[derive(Clone, Debug)]
pub struct Observed<'a> {
    /// Record path of the parameter.
    pub path: &'a str,
    /// The stored weights, removed ones included; empty unless [`Signal::needs_weight`].
    pub weight: &'a [f32],
    /// The gradient of the loss.
    pub gradient: &'a [f32],
    /// Training step of the observation.
    pub step: usize,
    /// Whether weights and gradient are those of a changed copy of the model
    /// (`Pruner::observe_with`).
    pub probe: bool,
    pub(crate) mask: CurrentMask<'a>,
}

/// The current mask, fetched from the device only if a signal asks for it.
#[derive(Clone)]
pub(crate) enum CurrentMask<'a> {
    Known(&'a Mask),
    Attached(&'a LazyMask<'a>),
}

/// A mask that is read when somebody looks.
pub(crate) type LazyMask<'a> = LazyCell<Mask, &'a dyn Fn() -> Mask>;

impl Debug for CurrentMask<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Known(mask) => mask.fmt(f),
            Self::Attached(_) => f.write_str("on the device"),
        }
    }
}

impl<'a> Observed<'a> {
    /// An observation made by hand, at step 0, to test a signal with.
    pub fn new(path: &'a str, weight: &'a [f32], gradient: &'a [f32], mask: &'a Mask) -> Self {
        Self {
            path,
            weight,
            gradient,
            step: 0,
            probe: false,
            mask: CurrentMask::Known(mask),
        }
    }

    /// The current mask.
    pub fn mask(&self) -> &Mask {
        match &self.mask {
            CurrentMask::Known(mask) => mask,
            CurrentMask::Attached(mask) => mask,
        }
    }
}

/// A quantity that is accumulated per parameter while the model trains, or while calibration batches
/// flow through it.
///
/// The core keeps one `f64` per element (of flows as many as the signal wants) and a count of
/// observations for each parameter, saves them with the pruner and hands them to scorers; a signal
/// says how they change.
///
/// ```
/// use secateur_core::signal::{Observed, Signal};
///
/// /// Movement: `-Σ w·g` over time (Sanh et al. 2020).
/// #[derive(Debug)]
/// struct Movement;
///
/// impl Signal for Movement {
///     fn name(&self) -> &str {
///         "movement"
///     }
///     fn update(&self, state: &mut [f64], seen: &Observed<'_>) {
///         for ((s, w), g) in state.iter_mut().zip(seen.weight).zip(seen.gradient) {
///             *s -= f64::from(w * g);
///         }
///     }
///     fn read(&self, state: &[f64], _observations: u64) -> Vec<f32> {
///         state.iter().map(|&s| s as f32).collect()
///     }
///     fn outlives_pruning(&self) -> bool {
///         true
///     }
/// }
/// ```
pub trait Signal: Debug + Send + Sync {
    /// The signal's name, its key in the pruner and in files. Signals of one name are one signal.
    fn name(&self) -> &str;

    /// What feeds this signal.
    fn observes(&self) -> Observes {
        Observes::Batches
    }

    /// Whether [`update`](Self::update) reads the weights, which then have to be fetched from the
    /// device at every observation.
    fn needs_weight(&self) -> bool {
        true
    }

    /// Takes one observation into the state, which starts as zeros, one number an element.
    ///
    /// Signals that observe batches or examples implement it; for others nothing calls it.
    fn update(&self, state: &mut [f64], seen: &Observed<'_>) {
        let _ = (state, seen);
    }

    /// Takes what a batch sent through a layer into the state, which starts empty and is made as
    /// long as the signal needs: it must not grow with the number of batches.
    ///
    /// Signals that observe flows implement it. A state left empty counts as nothing observed.
    fn update_flow(&self, state: &mut Vec<f64>, flow: &Flow<'_>) {
        let _ = (state, flow);
    }

    /// The value that scorers see: the mean over the observations unless said otherwise.
    fn read(&self, state: &[f64], observations: u64) -> Vec<f32> {
        let count = observations.max(1) as f64;
        state.iter().map(|&sum| (sum / count) as f32).collect()
    }

    /// Whether the state goes on after a pruning. By default every pruning starts it afresh, so
    /// that a score speaks of the model as it is.
    fn outlives_pruning(&self) -> bool {
        false
    }
}

/// Mean gradient over the observed batches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MeanGradient;

impl Signal for MeanGradient {
    fn name(&self) -> &str {
        "mean gradient"
    }

    fn needs_weight(&self) -> bool {
        false
    }

    fn update(&self, state: &mut [f64], seen: &Observed<'_>) {
        for (sum, &g) in state.iter_mut().zip(seen.gradient) {
            *sum += f64::from(g);
        }
    }
}

/// Gradient of the last observed batch alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastGradient;

impl Signal for LastGradient {
    fn name(&self) -> &str {
        "last gradient"
    }

    fn needs_weight(&self) -> bool {
        false
    }

    fn update(&self, state: &mut [f64], seen: &Observed<'_>) {
        for (last, &g) in state.iter_mut().zip(seen.gradient) {
            *last = f64::from(g);
        }
    }

    fn read(&self, state: &[f64], _observations: u64) -> Vec<f32> {
        state.iter().map(|&g| g as f32).collect()
    }
}

/// Mean squared gradient over single examples: the diagonal of the empirical Fisher information.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SquaredGradient;

impl Signal for SquaredGradient {
    fn name(&self) -> &str {
        "squared gradient"
    }

    fn observes(&self) -> Observes {
        Observes::Examples
    }

    fn needs_weight(&self) -> bool {
        false
    }

    fn update(&self, state: &mut [f64], seen: &Observed<'_>) {
        for (sum, &g) in state.iter_mut().zip(seen.gradient) {
            *sum += f64::from(g) * f64::from(g);
        }
    }
}

/// What a signal has accumulated for one parameter.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct SignalState {
    pub sum: Vec<f64>,
    pub observations: u64,
}

/// The states of all signals of a pruner, by signal name and parameter path.
#[derive(Clone, Debug, Default)]
pub(crate) struct SignalStore {
    signals: Vec<Arc<dyn Signal>>,
    states: BTreeMap<(String, String), SignalState>,
}

impl SignalStore {
    pub(crate) fn new(signals: Vec<Arc<dyn Signal>>) -> Self {
        let mut unique: Vec<Arc<dyn Signal>> = Vec::new();
        for signal in signals {
            if unique.iter().all(|known| known.name() != signal.name()) {
                unique.push(signal);
            }
        }
        Self {
            signals: unique,
            states: BTreeMap::new(),
        }
    }

    /// The signals fed by observations of this kind: gradients of single examples count as those of
    /// batches, too.
    pub(crate) fn fed_by(&self, kind: Observes) -> Vec<Arc<dyn Signal>> {
        let feeds = |signal: &&Arc<dyn Signal>| {
            let observes = signal.observes();
            observes == kind || (kind == Observes::Examples && observes == Observes::Batches)
        };
        self.signals.iter().filter(feeds).cloned().collect()
    }

    pub(crate) fn update(&mut self, signal: &dyn Signal, seen: &Observed<'_>) {
        let key = (signal.name().to_string(), seen.path.to_string());
        let state = self.states.entry(key).or_default();
        state.sum.resize(seen.gradient.len(), 0.0);
        signal.update(&mut state.sum, seen);
        state.observations += 1;
    }

    /// Feeds the flow through the layer of the parameter at `path`.
    pub(crate) fn update_flow(&mut self, signal: &dyn Signal, path: &str, flow: &Flow<'_>) {
        let key = (signal.name().to_string(), path.to_string());
        let mut state = self.states.remove(&key).unwrap_or_default();
        signal.update_flow(&mut state.sum, flow);
        state.observations += 1;
        if !state.sum.is_empty() {
            self.states.insert(key, state);
        }
    }

    pub(crate) fn state(&self, signal: &str, path: &str) -> Option<&SignalState> {
        self.states.get(&(signal.to_string(), path.to_string()))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&(String, String), &SignalState)> {
        self.states.iter()
    }

    pub(crate) fn insert(&mut self, signal: String, path: String, state: SignalState) {
        self.states.insert((signal, path), state);
    }

    /// Starts the signals afresh that do not outlive a pruning.
    pub(crate) fn after_pruning(&mut self) {
        let lasting: Vec<_> = self
            .signals
            .iter()
            .filter(|s| s.outlives_pruning())
            .collect();
        self.states
            .retain(|(name, _), _| lasting.iter().any(|signal| signal.name() == name));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed(store: &mut SignalStore, signal: &dyn Signal, gradient: &[f32]) {
        let mask = Mask::keep_all([gradient.len(), 1, 1]).unwrap();
        let seen = Observed::new("w", &[], gradient, &mask);
        store.update(signal, &seen);
    }

    fn read(store: &SignalStore, signal: &dyn Signal) -> Vec<f32> {
        let state = store.state(signal.name(), "w").unwrap();
        signal.read(&state.sum, state.observations)
    }

    #[test]
    fn signals_differ_in_what_they_keep() {
        let mut store = SignalStore::default();
        for gradient in [[1.0, -2.0], [3.0, 2.0]] {
            feed(&mut store, &MeanGradient, &gradient);
            feed(&mut store, &LastGradient, &gradient);
            feed(&mut store, &SquaredGradient, &gradient);
        }
        assert_eq!(read(&store, &MeanGradient), [2.0, 0.0]);
        assert_eq!(read(&store, &LastGradient), [3.0, 2.0]);
        assert_eq!(read(&store, &SquaredGradient), [5.0, 4.0]);
    }

    #[test]
    fn batches_do_not_feed_what_wants_examples() {
        let store = SignalStore::new(vec![
            Arc::new(MeanGradient),
            Arc::new(SquaredGradient),
            Arc::new(MeanGradient),
        ]);
        assert_eq!(store.fed_by(Observes::Batches).len(), 1);
        assert_eq!(store.fed_by(Observes::Examples).len(), 2);
        assert!(store.fed_by(Observes::Flows).is_empty());
    }
}
