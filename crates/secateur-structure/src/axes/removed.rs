//! Which places of which axes go, and what that leaves of a dimension.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{Axes, AxisId, Dim};

/// Places that go, by axis.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removed {
    places: BTreeMap<AxisId, BTreeSet<usize>>,
}

impl Removed {
    /// Nothing goes.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets a place go as well; whether it was still there.
    pub fn insert(&mut self, axis: AxisId, place: usize) -> bool {
        self.places.entry(axis).or_default().insert(place)
    }

    /// Keeps a place after all; whether it was to go.
    pub fn keep(&mut self, axis: AxisId, place: usize) -> bool {
        let Some(places) = self.places.get_mut(&axis) else {
            return false;
        };
        let was_to_go = places.remove(&place);
        if places.is_empty() {
            self.places.remove(&axis);
        }
        was_to_go
    }

    /// The places of an axis that go, ascending.
    pub fn of(&self, axis: AxisId) -> impl Iterator<Item = usize> + '_ {
        self.places.get(&axis).into_iter().flatten().copied()
    }

    /// How many places of an axis go.
    #[must_use]
    pub fn count(&self, axis: AxisId) -> usize {
        self.places.get(&axis).map_or(0, BTreeSet::len)
    }

    /// Whether a place goes.
    #[must_use]
    pub fn contains(&self, axis: AxisId, place: usize) -> bool {
        let places = self.places.get(&axis);
        places.is_some_and(|places| places.contains(&place))
    }

    /// Whether nothing goes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// All axes of which places go, with the places, ascending.
    pub fn iter(&self) -> impl Iterator<Item = (AxisId, &BTreeSet<usize>)> {
        self.places.iter().map(|(&axis, places)| (axis, places))
    }
}

impl Axes {
    /// For each place of a dimension whether it stays.
    #[must_use]
    pub fn stays(&self, dim: &Dim, removed: &Removed) -> Vec<bool> {
        fn stays(axes: &Axes, dim: &Dim, removed: &Removed) -> Vec<bool> {
            match dim {
                Dim::Axis(axis) => {
                    let mut stays = vec![true; axes.len(*axis)];
                    for place in removed.of(*axis) {
                        if let Some(stays) = stays.get_mut(place) {
                            *stays = false;
                        }
                    }
                    stays
                }
                Dim::Sum(parts) => {
                    let parts = parts.iter();
                    parts.flat_map(|part| stays(axes, part, removed)).collect()
                }
                Dim::Product(factors) => factors.iter().fold(vec![true], |outer, factor| {
                    let inner = stays(axes, factor, removed);
                    let pairs = outer.iter();
                    pairs
                        .flat_map(|&outer| inner.iter().map(move |&inner| outer && inner))
                        .collect()
                }),
            }
        }
        stays(self, &self.resolve(dim), removed)
    }

    /// How many places of a dimension stay.
    #[must_use]
    pub fn left(&self, dim: &Dim, removed: &Removed) -> usize {
        fn left(axes: &Axes, dim: &Dim, removed: &Removed) -> usize {
            match dim {
                Dim::Axis(axis) => axes.len(*axis).saturating_sub(removed.count(*axis)),
                Dim::Sum(parts) => parts.iter().map(|part| left(axes, part, removed)).sum(),
                Dim::Product(factors) => {
                    let factors = factors.iter();
                    factors.map(|factor| left(axes, factor, removed)).product()
                }
            }
        }
        left(self, &self.resolve(dim), removed)
    }

    /// The places of a dimension that go with one place of an axis, ascending.
    #[must_use]
    pub fn places(&self, dim: &Dim, axis: AxisId, place: usize) -> Vec<usize> {
        let mut one = Removed::new();
        one.insert(axis, place);
        let stays = self.stays(dim, &one);
        (0..stays.len()).filter(|&at| !stays[at]).collect()
    }
}
