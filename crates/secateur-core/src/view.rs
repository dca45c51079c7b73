//! A parameter seen as `(out, in, kernel)`, whatever its own rank and layout.

mod tensor;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{bit_matrix::transposed, bits::Bits};

/// How a parameter's storage maps to its view.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Layout {
    /// Storage `[out, in, kernel...]`: convolutions, and any parameter of rank 2 or more whose
    /// layer is not known. A vector `[n]` is the view `(n, 1, 1)`.
    OutIn,
    /// Storage `[in, out / groups, kernel...]`: `Linear` and `Embedding` (one group, no kernel)
    /// and the transposed convolutions. The view is `(out, in / groups, kernel)`.
    InOut {
        /// Groups of the transposed convolution, 1 otherwise.
        groups: usize,
    },
    /// Any other order: the axes that count outputs and inputs; all remaining axes, in their
    /// order, are the kernel. Axes that the parameter does not have, or one axis named twice, are
    /// read as [`OutIn`](Self::OutIn).
    Axes {
        /// Index of the axis that counts outputs.
        out: usize,
        /// Index of the axis that counts inputs.
        input: usize,
    },
}

impl Layout {
    /// The axis of the storage that counts inputs.
    pub(crate) fn in_axis(self) -> usize {
        match self {
            Self::OutIn => 1,
            Self::InOut { .. } => 0,
            Self::Axes { input, .. } => input,
        }
    }
}

/// Most dimensions that a parameter can have in Burn.
const MAX_RANK: usize = 8;

/// The two-way map between a parameter's storage (row-major, the order of `Tensor::into_data`)
/// and its view `(out, in, kernel)` (row-major as well).
///
/// ```
/// use secateur_core::view::{Layout, View};
///
/// // A Burn `Linear` with 3 inputs and 2 outputs stores `[in, out]`.
/// let view = View::new(&[3, 2], Layout::InOut { groups: 1 });
/// assert_eq!(view.shape(), [2, 3, 1]);
/// let stored = [1, 2, 3, 4, 5, 6];
/// assert_eq!(view.to_view(&stored), [1, 3, 5, 2, 4, 6]);
/// assert_eq!(view.to_storage(&view.to_view(&stored)), stored);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct View {
    shape: [usize; 3],
    layout: Layout,
    /// The storage dimensions, which only [`Layout::Axes`] needs; ones past the rank.
    dims: [usize; MAX_RANK],
}

impl View {
    /// The view of a parameter with the given storage dimensions.
    ///
    /// Rank 0 is `(1, 1, 1)`, rank 1 `(n, 1, 1)`. Groups that do not divide the storage's input
    /// dimension are read as one group.
    pub fn new(dims: &[usize], layout: Layout) -> Self {
        let kernel = dims.iter().skip(2).product();
        let mut stored = [1; MAX_RANK];
        stored
            .iter_mut()
            .zip(dims)
            .for_each(|(to, from)| *to = *from);
        let axis_exists = |axis: usize| axis < dims.len().min(MAX_RANK);
        let (shape, layout) = match (dims, layout) {
            ([], _) => ([1, 1, 1], Layout::OutIn),
            ([n], _) => ([*n, 1, 1], Layout::OutIn),
            (_, Layout::Axes { out, input })
                if out != input && axis_exists(out) && axis_exists(input) =>
            {
                let rest = (0..dims.len()).filter(|axis| *axis != out && *axis != input);
                let kernel = rest.map(|axis| dims[axis]).product();
                ([dims[out], dims[input], kernel], layout)
            }
            ([out, input, ..], Layout::OutIn | Layout::Axes { .. }) => {
                ([*out, *input, kernel], Layout::OutIn)
            }
            ([input, out, ..], Layout::InOut { groups }) => {
                let groups = if groups > 0 && input % groups == 0 {
                    groups
                } else {
                    1
                };
                (
                    [out * groups, input / groups, kernel],
                    Layout::InOut { groups },
                )
            }
        };
        Self {
            shape,
            layout,
            dims: stored,
        }
    }

    /// The view's shape `[out, in, kernel]`.
    pub fn shape(&self) -> [usize; 3] {
        self.shape
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether storage order is view order, so that nothing needs to move.
    pub fn is_identity(&self) -> bool {
        match self.layout {
            Layout::OutIn => true,
            Layout::InOut { groups } => {
                let [out, input, _] = self.shape;
                groups <= 1 && (input == 1 || out == 1)
            }
            Layout::Axes { .. } => false,
        }
    }

    /// Whether the view of a matrix is its transpose.
    pub(crate) fn is_transpose(&self) -> bool {
        let matrix = self.shape[2] == 1 && !self.is_empty();
        matches!(self.layout, Layout::InOut { groups: ..=1 }) && matrix && !self.is_identity()
    }

    /// Index in storage of the view's element `(out, in, kernel)`.
    pub fn storage_index(&self, [o, i, k]: [usize; 3]) -> usize {
        let [out, input, kernel] = self.shape;
        match self.layout {
            Layout::OutIn => (o * input + i) * kernel + k,
            Layout::InOut { groups } => {
                let out_of_group = out / groups;
                let (group, o) = (o / out_of_group, o % out_of_group);
                ((group * input + i) * out_of_group + o) * kernel + k
            }
            Layout::Axes {
                out: out_axis,
                input: in_axis,
            } => {
                // Walks the axes from the last, taking the kernel index apart on the way.
                let (mut rest, mut stride, mut index) = (k, 1, 0);
                for axis in (0..MAX_RANK).rev() {
                    let size = self.dims[axis];
                    let at = if axis == out_axis {
                        o
                    } else if axis == in_axis {
                        i
                    } else {
                        let at = rest % size;
                        rest /= size;
                        at
                    };
                    index += at * stride;
                    stride *= size;
                }
                index
            }
        }
    }

    /// Elements in storage order brought into view order.
    ///
    /// `storage` has [`len`](Self::len) elements; a shorter slice is returned as it is.
    pub fn to_view<T: Copy + Send + Sync>(&self, storage: &[T]) -> Vec<T> {
        self.permute(storage, Direction::ToView)
    }

    /// As [`to_view`](Self::to_view), without a copy when nothing has to move.
    pub fn into_view<T: Copy + Send + Sync>(&self, storage: Vec<T>) -> Vec<T> {
        if self.is_identity() {
            return storage;
        }
        self.to_view(&storage)
    }

    /// Bits in storage order brought into view order.
    pub(crate) fn bits_to_view(&self, storage: &Bits) -> Bits {
        let [out, input, _] = self.shape;
        match self.is_transpose() && storage.len() == self.len() {
            true => transposed(storage, input, out),
            false if self.is_identity() => storage.clone(),
            false => Bits::from_bools(&self.to_view(&storage.to_bools())),
        }
    }

    /// Bits in view order brought into storage order.
    pub(crate) fn bits_to_storage(&self, view: &Bits) -> Bits {
        let [out, input, _] = self.shape;
        match self.is_transpose() && view.len() == self.len() {
            true => transposed(view, out, input),
            false if self.is_identity() => view.clone(),
            false => Bits::from_bools(&self.to_storage(&view.to_bools())),
        }
    }

    /// Elements in view order brought into storage order, the inverse of
    /// [`to_view`](Self::to_view).
    pub fn to_storage<T: Copy + Send + Sync>(&self, view: &[T]) -> Vec<T> {
        self.permute(view, Direction::ToStorage)
    }

    fn permute<T: Copy + Send + Sync>(&self, source: &[T], direction: Direction) -> Vec<T> {
        if self.is_identity() || source.len() != self.len() || source.is_empty() {
            return source.to_vec();
        }
        let [out, input, kernel] = self.shape;
        let Layout::InOut { groups } = self.layout else {
            let mut target = source.to_vec();
            let at = |index: usize| {
                [
                    index / kernel / input,
                    index / kernel % input,
                    index % kernel,
                ]
            };
            for index in 0..source.len() {
                let stored = self.storage_index(at(index));
                match direction {
                    Direction::ToView => target[index] = source[stored],
                    Direction::ToStorage => target[stored] = source[index],
                }
            }
            return target;
        };
        // Each group is the transpose of a matrix of kernels: `out/groups` by `in` in the view,
        // `in` by `out/groups` in storage.
        let (rows, cols) = match direction {
            Direction::ToView => (out / groups, input),
            Direction::ToStorage => (input, out / groups),
        };
        let mut target = vec![source[0]; source.len()];
        let group = rows * cols * kernel;
        for (target, source) in target.chunks_mut(group).zip(source.chunks(group)) {
            transpose(source, target, rows, cols, kernel);
        }
        target
    }
}

#[derive(Clone, Copy)]
enum Direction {
    ToView,
    ToStorage,
}

/// Writes `target[r][c][..] = source[c][r][..]` for `rows` by `cols` runs of `kernel` elements.
///
/// Works in square tiles so that both sides stay in cache; bands of rows go to rayon's threads.
fn transpose<T: Copy + Send + Sync>(
    source: &[T],
    target: &mut [T],
    rows: usize,
    cols: usize,
    kernel: usize,
) {
    const TILE: usize = 32;
    let band = TILE * cols * kernel;
    let copy_band = |(band_index, band): (usize, &mut [T])| {
        let first = band_index * TILE;
        let height = band.len() / (cols * kernel);
        for left in (0..cols).step_by(TILE) {
            let right = cols.min(left + TILE);
            for r in 0..height {
                let row = &mut band[r * cols * kernel..(r + 1) * cols * kernel];
                if kernel == 1 {
                    // A copy of one element's length known beforehand is one move.
                    let column = source[left * rows + first + r..].iter().step_by(rows);
                    for (to, &from) in row[left..right].iter_mut().zip(column) {
                        *to = from;
                    }
                    continue;
                }
                for c in left..right {
                    let from = (c * rows + first + r) * kernel;
                    row[c * kernel..(c + 1) * kernel].copy_from_slice(&source[from..from + kernel]);
                }
            }
        }
    };
    // Small parameters are not worth waking a thread for.
    if source.len() < 1 << 20 {
        target.chunks_mut(band).enumerate().for_each(copy_band);
    } else {
        target.par_chunks_mut(band).enumerate().for_each(copy_band);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn layouts() -> impl Strategy<Value = (Vec<usize>, Layout)> {
        let groups = prop_oneof![Just(1usize), Just(2), Just(3)];
        (
            groups,
            0usize..5,
            0usize..70,
            proptest::collection::vec(1usize..4, 0..3),
            0..4usize,
        )
            .prop_map(|(groups, input, out, kernel, layout)| {
                let mut dims = vec![input * groups, out];
                dims.extend(kernel);
                let last = dims.len() - 1;
                let layout = match layout {
                    0 => Layout::OutIn,
                    1 => Layout::InOut { groups },
                    2 => Layout::Axes {
                        out: last,
                        input: 0,
                    },
                    _ => Layout::Axes {
                        out: 1,
                        input: last,
                    },
                };
                (dims, layout)
            })
    }

    proptest! {
        #[test]
        fn view_and_storage_are_inverse_and_agree_with_the_index_map((dims, layout) in layouts()) {
            let view = View::new(&dims, layout);
            prop_assert_eq!(view.len(), dims.iter().product::<usize>());
            let storage: Vec<u32> = (0..view.len() as u32).collect();
            let seen = view.to_view(&storage);
            let [out, input, kernel] = view.shape();
            let mut slow = Vec::new();
            for o in 0..out {
                for i in 0..input {
                    for k in 0..kernel {
                        slow.push(storage[view.storage_index([o, i, k])]);
                    }
                }
            }
            prop_assert_eq!(&seen, &slow);
            prop_assert_eq!(view.to_storage(&seen), storage);
        }
    }

    #[test]
    fn large_transposes_take_the_parallel_path() {
        let view = View::new(&[300, 257], Layout::InOut { groups: 1 });
        let storage: Vec<u32> = (0..view.len() as u32).collect();
        let seen = view.to_view(&storage);
        assert_eq!(seen[1], 257);
        assert_eq!(seen[300], 1);
        assert_eq!(view.to_storage(&seen), storage);
    }

    #[test]
    fn grouped_transposed_convolution_by_hand() {
        // 4 inputs, 2 groups, 2 * 3 outputs: storage [4, 3, 1]. Output 4 is output 1 of group 1,
        // which reads inputs 2 and 3: storage elements (2, 1) and (3, 1).
        let view = View::new(&[4, 3, 1], Layout::InOut { groups: 2 });
        assert_eq!(view.shape(), [6, 2, 1]);
        assert_eq!(view.storage_index([4, 0, 0]), 2 * 3 + 1);
        assert_eq!(view.storage_index([4, 1, 0]), 3 * 3 + 1);
    }

    #[test]
    fn experts_keep_their_kernel_between_the_named_axes() {
        // 6 experts of [4, 8]: out is axis 2, in is axis 1, the expert is the kernel.
        let view = View::new(&[6, 4, 8], Layout::Axes { out: 2, input: 1 });
        assert_eq!(view.shape(), [8, 4, 6]);
        assert_eq!(view.storage_index([7, 3, 5]), (5 * 4 + 3) * 8 + 7);
        let nonsense = View::new(&[2, 3], Layout::Axes { out: 1, input: 1 });
        assert_eq!(nonsense.shape(), [2, 3, 1]);
    }

    #[test]
    fn scalars_and_vectors_have_a_view() {
        assert_eq!(View::new(&[], Layout::OutIn).shape(), [1, 1, 1]);
        assert_eq!(
            View::new(&[7], Layout::InOut { groups: 1 }).shape(),
            [7, 1, 1]
        );
        assert_eq!(
            View::new(&[0, 3], Layout::OutIn).to_view(&[0u8; 0]),
            [0u8; 0]
        );
    }
}
