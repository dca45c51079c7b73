//! Dimensions as sums and products of axes: what reshaping, joining and cutting do to indices.
//!
//! An [axis](AxisId) is a number of places that live or die one by one, whatever tensors they occur
//! in. A dimension of a tensor is an [expression](Dim) of axes: one axis; a *product*, whose places
//! are the pairs, triples .. of places (a flattened image, the heads of an attention times their
//! width); or a *sum*, whose places are those of its parts one after the other (a concatenation).
//! A place of a dimension goes if any place of an axis that it is made of goes.
//!
//! That two dimensions are the same place by place is said by [`Axes::equate`], which refines the
//! axes of both until they agree. Nothing here knows tensors, so that it can be tested on thousands
//! of random expressions.

mod equate;
mod removed;
mod reshape;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

pub use removed::Removed;

/// An axis: places that go one by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AxisId(pub usize);

/// A dimension in terms of axes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Dim {
    /// The places of an axis.
    Axis(AxisId),
    /// All combinations of places, the last factor running fastest. Without factors: one place that
    /// is always there.
    Product(Vec<Dim>),
    /// The places of all parts, one part after the other.
    Sum(Vec<Dim>),
}

impl Dim {
    /// One place that is always there.
    #[must_use]
    pub fn one() -> Self {
        Self::Product(Vec::new())
    }
}

/// A mark of an axis, such as why it must stay; what it means is its owner's business.
pub type Mark = usize;

#[derive(Clone, Debug)]
struct Axis {
    size: usize,
    /// What the axis has been found to be made of.
    made_of: Option<Dim>,
    marks: BTreeSet<Mark>,
}

/// That two dimensions cannot be the same place by place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mixed;

/// All axes of a model and what is known of them.
#[derive(Clone, Debug, Default)]
pub struct Axes {
    axes: Vec<Axis>,
    /// Marks of axes whose places were mixed up with others.
    mixed: Mark,
}

impl Axes {
    /// No axes. `mixed` marks those whose places are mixed up so that they have to stay.
    #[must_use]
    pub fn new(mixed: Mark) -> Self {
        Self {
            axes: Vec::new(),
            mixed,
        }
    }

    /// A mark for axes that are mixed up from now on.
    pub fn mark_mixed_as(&mut self, mixed: Mark) {
        self.mixed = mixed;
    }

    /// A dimension of which nothing is known.
    pub fn fresh(&mut self, size: usize) -> Dim {
        Dim::Axis(self.add(size, BTreeSet::new()))
    }

    fn add(&mut self, size: usize, marks: BTreeSet<Mark>) -> AxisId {
        self.axes.push(Axis {
            size,
            made_of: None,
            marks,
        });
        AxisId(self.axes.len() - 1)
    }

    /// Number of places.
    #[must_use]
    pub fn size(&self, dim: &Dim) -> usize {
        match dim {
            Dim::Axis(axis) => self.axes[axis.0].size,
            Dim::Product(factors) => factors.iter().map(|factor| self.size(factor)).product(),
            Dim::Sum(parts) => parts.iter().map(|part| self.size(part)).sum(),
        }
    }

    /// The dimension in the axes that all others are made of, in its shortest form.
    #[must_use]
    pub fn resolve(&self, dim: &Dim) -> Dim {
        match dim {
            Dim::Axis(axis) => match &self.axes[axis.0].made_of {
                Some(made_of) => self.resolve(made_of),
                None => dim.clone(),
            },
            Dim::Product(factors) => {
                let mut flat = Vec::with_capacity(factors.len());
                for factor in factors {
                    match self.resolve(factor) {
                        Dim::Product(inner) => flat.extend(inner),
                        other => flat.push(other),
                    }
                }
                product(flat)
            }
            Dim::Sum(parts) => {
                let mut flat = Vec::with_capacity(parts.len());
                for part in parts {
                    match self.resolve(part) {
                        Dim::Sum(inner) => flat.extend(inner),
                        other => flat.push(other),
                    }
                }
                sum(flat)
            }
        }
    }

    /// The axes that a dimension is made of, each once, in the order of their first place.
    #[must_use]
    pub fn axes_of(&self, dim: &Dim) -> Vec<AxisId> {
        fn collect(dim: &Dim, found: &mut Vec<AxisId>) {
            match dim {
                Dim::Axis(axis) if !found.contains(axis) => found.push(*axis),
                Dim::Axis(_) => {}
                Dim::Product(inner) | Dim::Sum(inner) => {
                    inner.iter().for_each(|dim| collect(dim, found));
                }
            }
        }
        let mut found = Vec::new();
        collect(&self.resolve(dim), &mut found);
        found
    }

    /// Marks all axes that a dimension is made of, and what they will be found to be made of.
    pub fn mark(&mut self, dim: &Dim, mark: Mark) {
        for axis in self.axes_of(dim) {
            self.axes[axis.0].marks.insert(mark);
        }
    }

    /// The marks of an axis, ascending.
    pub fn marks(&self, axis: AxisId) -> impl Iterator<Item = Mark> + '_ {
        self.axes[axis.0].marks.iter().copied()
    }

    /// Number of places of an axis.
    #[must_use]
    pub fn len(&self, axis: AxisId) -> usize {
        self.axes[axis.0].size
    }

    /// Whether there are no axes at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.axes.is_empty()
    }

    /// Marks what two dimensions are made of as mixed up.
    pub fn mix_both(&mut self, a: &Dim, b: &Dim) {
        self.mix(a);
        self.mix(b);
    }

    /// Marks what a dimension is made of as mixed up.
    fn mix(&mut self, dim: &Dim) {
        self.mark(dim, self.mixed);
    }

    /// Records what an axis, so far made of nothing else, is made of.
    fn bind(&mut self, axis: AxisId, made_of: Dim) {
        let marks = self.axes[axis.0].marks.clone();
        for inner in self.axes_of(&made_of) {
            self.axes[inner.0].marks.extend(&marks);
        }
        self.axes[axis.0].made_of = Some(made_of);
    }

    /// The places before `at` and those from it on; `0 < at < size`.
    pub fn split(&mut self, dim: &Dim, at: usize) -> (Dim, Dim) {
        match self.resolve(dim) {
            Dim::Axis(axis) => {
                let marks = self.axes[axis.0].marks.clone();
                let rest = self.axes[axis.0].size - at;
                let left = Dim::Axis(self.add(at, marks.clone()));
                let right = Dim::Axis(self.add(rest, marks));
                self.bind(axis, Dim::Sum(vec![left.clone(), right.clone()]));
                (left, right)
            }
            Dim::Sum(mut parts) => {
                let mut before = 0;
                let mut nth = 0;
                while before + self.size(&parts[nth]) <= at {
                    before += self.size(&parts[nth]);
                    nth += 1;
                }
                let mut after = parts.split_off(nth);
                if before < at {
                    let (left, right) = self.split(&after[0], at - before);
                    parts.push(left);
                    after[0] = right;
                }
                (sum(parts), sum(after))
            }
            Dim::Product(mut factors) => {
                let first = factors.remove(0);
                let rest = product(factors);
                let inner = self.size(&rest);
                let (whole, part) = (at / inner, at % inner);
                let times = |outer: Dim, inner: &Dim| product(vec![outer, inner.clone()]);
                if part == 0 {
                    let (left, right) = self.split(&first, whole);
                    return (times(left, &rest), times(right, &rest));
                }
                // One place of the outer factor is cut through; those around it are whole.
                let mut middle = first;
                let (mut left, mut right) = (Vec::new(), Vec::new());
                if whole > 0 {
                    let (before, after) = self.split(&middle, whole);
                    left.push(times(before, &rest));
                    middle = after;
                }
                if self.size(&middle) > 1 {
                    let (one, after) = self.split(&middle, 1);
                    right.push(times(after, &rest));
                    middle = one;
                }
                let (low, high) = self.split(&rest, part);
                left.push(times(middle.clone(), &low));
                right.insert(0, times(middle, &high));
                (sum(left), sum(right))
            }
        }
    }

    /// The places from `start` up to `end`.
    pub fn slice(&mut self, dim: &Dim, start: usize, end: usize) -> Dim {
        let mut dim = dim.clone();
        if end < self.size(&dim) {
            match end {
                0 => return Dim::Sum(Vec::new()),
                _ => dim = self.split(&dim, end).0,
            }
        }
        match start {
            0 => dim,
            _ if start >= self.size(&dim) => Dim::Sum(Vec::new()),
            _ => self.split(&dim, start).1,
        }
    }

    /// The places in `places`, in that order.
    pub fn pick(&mut self, dim: &Dim, places: &[usize]) -> Dim {
        let mut parts = Vec::new();
        let mut at = 0;
        while at < places.len() {
            let mut end = at + 1;
            while end < places.len() && places[end] == places[end - 1] + 1 {
                end += 1;
            }
            parts.push(self.slice(dim, places[at], places[end - 1] + 1));
            at = end;
        }
        sum(parts)
    }
}

/// A product, or its only factor.
fn product(mut factors: Vec<Dim>) -> Dim {
    if factors.len() > 1 {
        factors.retain(|factor| *factor != Dim::one());
    }
    match factors.len() {
        1 => factors.remove(0),
        _ => Dim::Product(factors),
    }
}

/// A sum, or its only part.
fn sum(mut parts: Vec<Dim>) -> Dim {
    match parts.len() {
        1 => parts.remove(0),
        _ => Dim::Sum(parts),
    }
}
