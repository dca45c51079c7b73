//! Channels whose filters are all zero, by a mask or by themselves.

use std::collections::{BTreeMap, BTreeSet};

use burn::Tensor;
use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::TensorData;

use crate::axes::AxisId;
use crate::coupling::{Coupling, Group, Unit};

/// Which channels of a model are dead: every weight that makes them is zero.
#[derive(Clone, Debug, Default)]
pub(super) struct Dead {
    places: BTreeMap<AxisId, BTreeSet<usize>>,
}

impl Dead {
    /// Looks at the weights that make the channels of the `wanted` groups. A group that no weight
    /// makes has none.
    pub(super) fn of<M: Module>(
        coupling: &Coupling,
        model: &M,
        wanted: impl Fn(&Group) -> bool,
    ) -> Self {
        let groups = || coupling.groups().iter().filter(|group| wanted(group));
        let mut filters = Filters::default();
        for member in groups().flat_map(Group::producers) {
            let dims = filters.zero.entry(member.path.clone()).or_default();
            dims.insert(member.dim, Vec::new());
        }
        // Burn visits what a mask acts on, and not what it leaves.
        model.clone().materialize().visit(&mut filters);

        let mut places = BTreeMap::new();
        for group in groups().filter(|group| group.producers().next().is_some()) {
            let axis = group.axis;
            let is_dead = |place: &usize| {
                group.producers().all(|member| {
                    let zero = filters
                        .zero
                        .get(&member.path)
                        .and_then(|dims| dims.get(&member.dim));
                    let unit = Unit {
                        axis,
                        place: *place,
                    };
                    coupling
                        .places(member, unit)
                        .into_iter()
                        .all(|at| zero.is_some_and(|zero| zero.get(at) == Some(&true)))
                })
            };
            places.insert(axis, (0..group.size).filter(is_dead).collect());
        }
        Self { places }
    }

    /// Whether a channel is dead.
    pub(super) fn contains(&self, axis: AxisId, place: usize) -> bool {
        self.places
            .get(&axis)
            .is_some_and(|dead| dead.contains(&place))
    }

    /// The dead channels of a group, in order.
    pub(super) fn of_group(&self, axis: AxisId) -> impl Iterator<Item = usize> {
        self.places.get(&axis).into_iter().flatten().copied()
    }
}

/// For parameters by path, and their dimensions: which slices are zero altogether.
#[derive(Debug, Default)]
struct Filters {
    path: Vec<String>,
    zero: BTreeMap<String, BTreeMap<usize, Vec<bool>>>,
}

impl ModuleVisitor for Filters {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.into());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(dims) = self.zero.get_mut(&self.path.join(".")) {
            let data = param.val().into_data();
            for (&dim, zero) in dims {
                *zero = zero_slices(&data, dim);
            }
        }
    }
}

/// For each place of a dimension whether all elements there are zero.
fn zero_slices(data: &TensorData, dim: usize) -> Vec<bool> {
    let inner: usize = data.shape().iter().skip(dim + 1).product();
    let size = data.shape().iter().nth(dim).copied().unwrap_or(1);
    match data.as_slice::<f32>() {
        Ok(values) => zero_places(values.iter().copied(), size, inner),
        Err(_) => zero_places(data.iter::<f32>(), size, inner),
    }
}

fn zero_places(values: impl Iterator<Item = f32>, size: usize, inner: usize) -> Vec<bool> {
    let mut zero = vec![true; size];
    let mut left = size;
    let (mut place, mut at) = (0, 0);
    for value in values {
        if value != 0.0 && zero[place] {
            zero[place] = false;
            left -= 1;
            // Of most models this is after a few rows.
            if left == 0 {
                break;
            }
        }
        at += 1;
        if at == inner {
            at = 0;
            place = if place + 1 == size { 0 } else { place + 1 };
        }
    }
    zero
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_are_those_of_the_dimension() {
        // [2, 3, 2]: rows of the middle dimension, of which the second is zero in both.
        let values = vec![
            1.0, 0.0, 0.0, 0.0, 0.0, 2.0, 0.0, 0.0, -0.0, 0.0, 0.0, 0.0_f32,
        ];
        let data = TensorData::new(values, [2, 3, 2]);
        assert_eq!(zero_slices(&data, 0), [false, true]);
        assert_eq!(zero_slices(&data, 1), [false, true, false]);
        assert_eq!(zero_slices(&data, 2), [false, false]);
    }

    #[test]
    fn a_value_that_is_no_number_is_not_zero() {
        let data = TensorData::new(vec![f32::NAN, 0.0], [2]);
        assert_eq!(zero_slices(&data, 0), [false, true]);
    }
}
