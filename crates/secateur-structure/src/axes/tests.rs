use proptest::prelude::*;

use super::*;

fn axes() -> Axes {
    Axes::new(0)
}

fn removed(places: &[(&Dim, usize)]) -> Removed {
    let mut removed = Removed::new();
    for (dim, place) in places {
        let Dim::Axis(axis) = dim else {
            panic!("{dim:?}")
        };
        removed.insert(*axis, *place);
    }
    removed
}

fn gone(axes: &Axes, dim: &Dim, removed: &Removed) -> Vec<usize> {
    let stays = axes.stays(dim, removed);
    (0..stays.len()).filter(|&place| !stays[place]).collect()
}

#[test]
fn a_flattened_channel_goes_with_all_its_pixels() {
    let mut axes = axes();
    let dims = [axes.fresh(3), axes.fresh(2), axes.fresh(2)];
    let flat = axes.reshape(&dims, &[12]);
    let gone = gone(&axes, &flat[0], &removed(&[(&dims[0], 1)]));
    assert_eq!(gone, [4, 5, 6, 7]);
}

#[test]
fn heads_and_their_width_are_found_behind_a_reshape() {
    let mut axes = axes();
    let dims = [axes.fresh(2), axes.fresh(12)];
    let split = axes.reshape(&dims, &[2, 3, 4]);
    let (head, width) = (&split[1], &split[2]);
    assert_eq!(
        gone(&axes, &dims[1], &removed(&[(head, 2)])),
        [8, 9, 10, 11]
    );
    assert_eq!(gone(&axes, &dims[1], &removed(&[(width, 0)])), [0, 4, 8]);
}

#[test]
fn a_group_of_queries_goes_with_its_key() {
    // Four query heads for two keys: keys `[2]` are expanded to `[2, 2]` and folded to `[4]`.
    let mut axes = axes();
    let keys = axes.fresh(2);
    let expanded = [keys.clone(), axes.fresh(2)];
    let folded = axes.reshape(&expanded, &[4]);
    let queries = axes.fresh(4);
    axes.equate(&queries, &folded[0]).unwrap();
    assert_eq!(gone(&axes, &queries, &removed(&[(&keys, 1)])), [2, 3]);
}

#[test]
fn a_joined_dimension_is_cut_where_it_was_joined() {
    let mut axes = axes();
    let (a, b) = (axes.fresh(2), axes.fresh(3));
    let joined = Dim::Sum(vec![a.clone(), b]);
    let scale = axes.fresh(5);
    axes.equate(&scale, &joined).unwrap();
    assert_eq!(gone(&axes, &scale, &removed(&[(&a, 1)])), [1]);
    let last = axes.slice(&scale, 2, 5);
    assert_eq!(axes.size(&last), 3);
    assert!(!axes.axes_of(&last).contains(&axes.axes_of(&a)[0]));
}

#[test]
fn parts_of_one_projection_share_heads_and_width() {
    // One projection of 3 * 2 * 4, seen as [3, 2, 4] by `forward`.
    let mut axes = axes();
    let parts = [axes.fresh(8), axes.fresh(8), axes.fresh(8)];
    let fused = axes.reshape(&[Dim::Sum(parts.to_vec())], &[3, 2, 4]);
    let heads = axes.axes_of(&fused[1])[0];
    let places: Vec<_> = parts
        .iter()
        .map(|part| axes.places(part, heads, 1))
        .collect();
    assert_eq!(places, vec![vec![4, 5, 6, 7]; 3]);
}

#[test]
fn places_that_a_reshape_mixes_have_to_stay() {
    let mut axes = Axes::new(7);
    let dims = [axes.fresh(2), axes.fresh(3)];
    let other = axes.reshape(&dims, &[3, 2]);
    for dim in dims.iter().chain(&other) {
        for axis in axes.axes_of(dim) {
            assert!(axes.marks(axis).any(|mark| mark == 7));
        }
    }
}

#[test]
fn other_sizes_are_not_equal() {
    let mut axes = axes();
    let (a, b) = (axes.fresh(2), axes.fresh(3));
    assert_eq!(axes.equate(&a, &b), Err(Mixed));
}

#[test]
fn a_mark_follows_what_an_axis_is_made_of() {
    let mut axes = axes();
    let whole = axes.fresh(6);
    axes.mark(&whole, 3);
    let parts = axes.reshape(std::slice::from_ref(&whole), &[2, 3]);
    for part in &parts {
        assert!(axes.marks(axes.axes_of(part)[0]).any(|mark| mark == 3));
    }
    let (left, _) = axes.split(&parts[1], 1);
    assert!(axes.marks(axes.axes_of(&left)[0]).any(|mark| mark == 3));
}

/// A tensor whose elements are names: what the algebra has to agree with.
#[derive(Clone, Debug, PartialEq)]
struct Named {
    shape: Vec<usize>,
    names: Vec<u64>,
}

impl Named {
    fn index(&self, mut at: usize) -> Vec<usize> {
        let mut index = vec![0; self.shape.len()];
        for (dim, &size) in self.shape.iter().enumerate().rev() {
            index[dim] = at % size;
            at /= size;
        }
        index
    }

    fn from_fn(shape: Vec<usize>, mut name: impl FnMut(&[usize]) -> u64) -> Self {
        let count = shape.iter().product();
        let mut named = Self {
            shape,
            names: Vec::new(),
        };
        named.names = (0..count).map(|at| name(&named.index(at))).collect();
        named
    }

    fn at(&self, index: &[usize]) -> u64 {
        let place = index
            .iter()
            .zip(&self.shape)
            .fold(0, |at, (i, n)| at * n + i);
        self.names[place]
    }

    fn keep(&self, stays: &[Vec<bool>]) -> Self {
        let kept: Vec<Vec<usize>> = stays
            .iter()
            .map(|stays| (0..stays.len()).filter(|&at| stays[at]).collect())
            .collect();
        let shape = kept.iter().map(Vec::len).collect();
        Self::from_fn(shape, |index| {
            let from: Vec<usize> = index.iter().zip(&kept).map(|(&i, kept)| kept[i]).collect();
            self.at(&from)
        })
    }

    fn permuted(&self, axes: &[usize]) -> Self {
        let shape = axes.iter().map(|&axis| self.shape[axis]).collect();
        Self::from_fn(shape, |index| {
            let mut from = vec![0; axes.len()];
            for (&axis, &at) in axes.iter().zip(index) {
                from[axis] = at;
            }
            self.at(&from)
        })
    }

    fn reshaped(&self, shape: Vec<usize>) -> Self {
        Self {
            shape,
            names: self.names.clone(),
        }
    }

    /// Halves of a dimension, the other one first.
    fn swapped(&self, dim: usize, cut: usize) -> Self {
        Self::from_fn(self.shape.clone(), |index| {
            let mut from = index.to_vec();
            from[dim] = (index[dim] + cut) % self.shape[dim];
            self.at(&from)
        })
    }

    fn added(&self, other: &Self) -> Self {
        Self::from_fn(self.shape.clone(), |index| {
            self.at(index)
                .wrapping_mul(31)
                .wrapping_add(other.at(index))
        })
    }
}

#[derive(Clone, Debug)]
enum Step {
    Merge(usize),
    Split(usize, usize),
    Permute(usize),
    /// Cut a dimension in two and join the halves the other way round.
    Swap(usize, usize),
    /// Add another tensor of this shape that went through steps of its own.
    Add(Vec<Step>),
}

fn steps(depth: u32) -> BoxedStrategy<Vec<Step>> {
    let step = prop_oneof![
        3 => (0_usize..4).prop_map(Step::Merge),
        3 => (0_usize..4, 0_usize..6).prop_map(|(dim, by)| Step::Split(dim, by)),
        2 => (0_usize..24).prop_map(Step::Permute),
        2 => (0_usize..4, 0_usize..12).prop_map(|(dim, at)| Step::Swap(dim, at)),
    ];
    if depth == 0 {
        return prop::collection::vec(step, 0..5).boxed();
    }
    let add = steps(depth - 1).prop_map(Step::Add);
    prop::collection::vec(prop_oneof![4 => step, 1 => add], 0..8).boxed()
}

/// What one step did, so that it can be done again with fewer places.
enum Done {
    /// Names before, dimensions before, dimensions after.
    Reshaped(Named, Vec<Dim>, Vec<Dim>),
    Permuted(Named, Vec<Dim>, Vec<usize>, Vec<Dim>),
    Swapped(Named, Vec<Dim>, usize, usize, Vec<Dim>),
    Added(Named, Named, Vec<Dim>, Vec<Dim>),
}

fn go(
    axes: &mut Axes,
    mut named: Named,
    mut dims: Vec<Dim>,
    steps: &[Step],
    done: &mut Vec<Done>,
) -> (Named, Vec<Dim>) {
    let mut fresh_name = 1_000_000;
    for step in steps {
        let rank = dims.len();
        let (old, old_dims) = (named.clone(), dims.clone());
        match step {
            Step::Merge(dim) if rank > 1 => {
                let dim = dim % (rank - 1);
                let mut shape = named.shape.clone();
                let next = shape.remove(dim + 1);
                shape[dim] *= next;
                dims = axes.reshape(&dims, &shape);
                named = named.reshaped(shape);
                done.push(Done::Reshaped(old, old_dims, dims.clone()));
            }
            Step::Split(dim, by) => {
                let dim = dim % rank;
                let size = named.shape[dim];
                let factors: Vec<usize> = (2..size).filter(|f| size.is_multiple_of(*f)).collect();
                if factors.is_empty() {
                    continue;
                }
                let inner = factors[by % factors.len()];
                let mut shape = named.shape.clone();
                shape[dim] /= inner;
                shape.insert(dim + 1, inner);
                dims = axes.reshape(&dims, &shape);
                named = named.reshaped(shape);
                done.push(Done::Reshaped(old, old_dims, dims.clone()));
            }
            Step::Permute(code) => {
                let mut order: Vec<usize> = (0..rank).collect();
                order.rotate_left(code % rank);
                if code % 2 == 1 {
                    order.swap(0, rank - 1);
                }
                dims = order.iter().map(|&axis| dims[axis].clone()).collect();
                named = named.permuted(&order);
                done.push(Done::Permuted(old, old_dims, order, dims.clone()));
            }
            Step::Swap(dim, at) => {
                let dim = dim % rank;
                let size = named.shape[dim];
                if size < 2 {
                    continue;
                }
                let cut = 1 + at % (size - 1);
                let (left, right) = axes.split(&dims[dim], cut);
                dims[dim] = Dim::Sum(vec![right, left]);
                named = named.swapped(dim, cut);
                done.push(Done::Swapped(old, old_dims, dim, cut, dims.clone()));
            }
            Step::Add(steps) => {
                let shape = named.shape.clone();
                let other = Named::from_fn(shape.clone(), |_| {
                    fresh_name += 1;
                    fresh_name
                });
                let other_dims = shape.iter().map(|&size| axes.fresh(size)).collect();
                let (other, other_dims) = go(axes, other, other_dims, steps, done);
                if other.shape != shape {
                    continue;
                }
                for (a, b) in dims.iter().zip(&other_dims) {
                    if axes.equate(a, b).is_err() {
                        axes.mix(a);
                        axes.mix(b);
                    }
                }
                named = named.added(&other);
                done.push(Done::Added(old, other, old_dims, other_dims));
            }
            Step::Merge(_) => {}
        }
    }
    (named, dims)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Taking places out before a step or after it is the same, whatever the steps were.
    #[test]
    fn steps_and_removal_commute(
        shape in prop::collection::vec(prop::sample::select(vec![1_usize, 2, 3, 4, 6]), 1..4),
        steps in steps(2),
        choice in any::<u64>(),
    ) {
        let mut axes = axes();
        let dims: Vec<Dim> = shape.iter().map(|&size| axes.fresh(size)).collect();
        let mut name = 0;
        let named = Named::from_fn(shape, |_| { name += 1; name });
        let mut done = Vec::new();
        let (_, last) = go(&mut axes, named, dims.clone(), &steps, &mut done);

        // Some places of every axis that may lose some, never all of them.
        let mut removed = Removed::new();
        let mut bits = choice;
        for dim in dims.iter().chain(&last) {
            for axis in axes.axes_of(dim) {
                let fixed = axes.marks(axis).next().is_some();
                for place in 1..axes.len(axis) {
                    bits = bits.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    if !fixed && bits >> 63 == 1 {
                        removed.insert(axis, place);
                    }
                }
            }
        }

        let stay = |dims: &[Dim]| -> Vec<Vec<bool>> {
            dims.iter().map(|dim| axes.stays(dim, &removed)).collect()
        };
        let left = |dims: &[Dim]| -> Vec<usize> {
            dims.iter().map(|dim| axes.left(dim, &removed)).collect()
        };
        for step in &done {
            match step {
                Done::Reshaped(old, before, after) => {
                    let shape = left(after);
                    let kept = old.keep(&stay(before));
                    prop_assert_eq!(kept.names.len(), shape.iter().product::<usize>());
                    let new_shape: Vec<usize> = after.iter().map(|dim| axes.size(dim)).collect();
                    prop_assert_eq!(kept.reshaped(shape), old.reshaped(new_shape).keep(&stay(after)));
                }
                Done::Permuted(old, before, order, after) => {
                    prop_assert_eq!(old.keep(&stay(before)).permuted(order), old.permuted(order).keep(&stay(after)));
                }
                Done::Swapped(old, before, dim, cut, after) => {
                    let kept_before_cut = stay(before)[*dim][..*cut].iter().filter(|stays| **stays).count();
                    let kept = old.keep(&stay(before));
                    prop_assert_eq!(kept.swapped(*dim, kept_before_cut), old.swapped(*dim, *cut).keep(&stay(after)));
                }
                Done::Added(a, b, dims_a, dims_b) => {
                    prop_assert_eq!(stay(dims_a), stay(dims_b));
                    prop_assert_eq!(
                        a.keep(&stay(dims_a)).added(&b.keep(&stay(dims_b))),
                        a.added(b).keep(&stay(dims_a))
                    );
                }
            }
        }
        // Sizes count what stays.
        for dim in &last {
            let stays = axes.stays(dim, &removed);
            prop_assert_eq!(axes.left(dim, &removed), stays.iter().filter(|stays| **stays).count());
            prop_assert_eq!(stays.len(), axes.size(dim));
        }
    }

    /// Places picked and put back in order are where they were.
    #[test]
    fn a_permutation_and_its_inverse_are_nothing(order in Just((0..9_usize).collect::<Vec<_>>()).prop_shuffle()) {
        let mut axes = axes();
        let dim = axes.fresh(9);
        let picked = axes.pick(&dim, &order);
        let mut inverse = vec![0; 9];
        for (at, &from) in order.iter().enumerate() {
            inverse[from] = at;
        }
        let back = axes.pick(&picked, &inverse);
        prop_assert_eq!(axes.resolve(&back), axes.resolve(&dim));
    }
}
