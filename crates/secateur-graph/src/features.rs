//! The rows of features that a layer's weights multiply.

use crate::graph::{Graph, OpId, Source};
use crate::kind::{ConvOptions, OpKind};

/// How an operation's input falls into rows: a row for each output position, a feature for each
/// weight of an output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Features {
    /// Groups whose outputs see different features; 1 but for grouped convolutions.
    pub groups: usize,
    /// Features of a row: `in` of a linear layer, `in / groups · kernel` of a convolution, in the
    /// order of the weight's view `[out, in, kernel]`.
    pub features: usize,
    shape: Shape,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Shape {
    Rows,
    Windows {
        options: ConvOptions,
        input: Vec<usize>,
        kernel: Vec<usize>,
        output: Vec<usize>,
    },
}

impl Features {
    /// Of a linear layer, a product with a parameter on the right, or a convolution; `None` of
    /// anything else.
    #[must_use]
    pub fn of(graph: &Graph, id: OpId) -> Option<Self> {
        let operation = graph.operation(id);
        let shape = |slot: usize| -> Option<&Vec<usize>> {
            Some(&graph.value(*operation.inputs.get(slot)?).shape)
        };
        let weight = *operation.inputs.get(1)?;
        match &operation.kind {
            OpKind::Linear | OpKind::Matmul if graph.parameter(weight).is_some() => Some(Self {
                groups: 1,
                features: *shape(0)?.last()?,
                shape: Shape::Rows,
            }),
            OpKind::Conv(options) => {
                let weight = shape(1)?;
                let output = &graph.value(*operation.outputs.first()?).shape;
                Some(Self {
                    groups: options.groups,
                    features: weight.get(1..)?.iter().product(),
                    shape: Shape::Windows {
                        options: options.clone(),
                        input: shape(0)?.clone(),
                        kernel: weight.get(2..)?.to_vec(),
                        output: output.get(2..)?.to_vec(),
                    },
                })
            }
            _ => None,
        }
    }

    /// The axis of the stored weight that runs over the inputs: 1 of a convolution, of `x W` the
    /// one that the product runs over. `None` where a product's weight is more than a matrix or its
    /// transpose.
    #[must_use]
    pub fn in_axis(graph: &Graph, id: OpId) -> Option<usize> {
        let operation = graph.operation(id);
        if matches!(operation.kind, OpKind::Conv(_)) {
            return Some(1);
        }
        let mut axis = 0;
        let mut at = *operation.inputs.get(1)?;
        loop {
            let value = graph.value(at);
            match &value.source {
                Source::Parameter(_) => return (value.shape.len() == 2).then_some(axis),
                Source::Operation(id) => {
                    let operation = graph.operation(*id);
                    let before = *operation.inputs.first()?;
                    match &operation.kind {
                        OpKind::Permute { axes } if axes[..] == [1, 0] => axis = 1 - axis,
                        OpKind::Cast => {}
                        // As a batch of one.
                        OpKind::Reshape | OpKind::Expand => {
                            let shapes = [&value.shape, &graph.value(before).shape];
                            let [after, before] =
                                shapes.map(|shape| shape.iter().filter(|&&n| n != 1));
                            if !after.eq(before) {
                                return None;
                            }
                        }
                        _ => return None,
                    }
                    at = before;
                }
                _ => return None,
            }
        }
    }

    /// Calls `visit(group, row)` for each row of `x`, the operation's first input. Pixels of the
    /// padding are zeros.
    pub fn for_each_row(&self, x: &[f32], mut visit: impl FnMut(usize, &[f32])) {
        match &self.shape {
            Shape::Rows => {
                for row in x.chunks_exact(self.features.max(1)) {
                    visit(0, row);
                }
            }
            Shape::Windows {
                options,
                input,
                kernel,
                output,
            } => self.for_each_window(x, options, input, kernel, output, visit),
        }
    }

    fn for_each_window(
        &self,
        x: &[f32],
        options: &ConvOptions,
        input: &[usize],
        kernel: &[usize],
        output: &[usize],
        mut visit: impl FnMut(usize, &[f32]),
    ) {
        let (batch, channels, image) = (input[0], input[1], &input[2..]);
        let pixels: usize = image.iter().product();
        let taps: usize = kernel.iter().product();
        let group_channels = channels / self.groups.max(1);
        // Which pixel each tap falls on is the same for every channel of every image.
        let kernel: Vec<Vec<usize>> = Positions::new(kernel).collect();
        let windows: Vec<usize> = Positions::new(output)
            .flat_map(|position| {
                let pixel = |tap: &Vec<usize>| pixel(options, image, &position, tap);
                kernel
                    .iter()
                    .map(|tap| pixel(tap).unwrap_or(PADDING))
                    .collect::<Vec<_>>()
            })
            .collect();
        let mut row = vec![0.0; self.features];
        for sample in 0..batch {
            for window in windows.chunks_exact(taps.max(1)) {
                for group in 0..self.groups {
                    let first = sample * channels + group * group_channels;
                    let planes = x[first * pixels..].chunks_exact(pixels.max(1));
                    for (values, plane) in row.chunks_exact_mut(taps.max(1)).zip(planes) {
                        for (value, &at) in values.iter_mut().zip(window) {
                            *value = if at == PADDING { 0.0 } else { plane[at] };
                        }
                    }
                    visit(group, &row);
                }
            }
        }
    }
}

/// Stands for a pixel outside of the image.
const PADDING: usize = usize::MAX;

/// Index of the pixel that a tap of the window at `position` falls on; `None` in the padding.
fn pixel(
    options: &ConvOptions,
    image: &[usize],
    position: &[usize],
    tap: &[usize],
) -> Option<usize> {
    let mut at = 0;
    for axis in 0..image.len() {
        let from = position[axis] * options.stride[axis] + tap[axis] * options.dilation[axis];
        let place = from.checked_sub(options.padding[axis].0)?;
        if place >= image[axis] {
            return None;
        }
        at = at * image[axis] + place;
    }
    Some(at)
}

/// All positions within some dimensions, the last dimension fastest.
struct Positions<'a> {
    dims: &'a [usize],
    next: Option<Vec<usize>>,
}

impl<'a> Positions<'a> {
    fn new(dims: &'a [usize]) -> Self {
        let some = dims.iter().all(|&dim| dim > 0);
        Self {
            dims,
            next: some.then(|| vec![0; dims.len()]),
        }
    }
}

impl Iterator for Positions<'_> {
    type Item = Vec<usize>;

    fn next(&mut self) -> Option<Vec<usize>> {
        let current = self.next.take()?;
        let mut following = current.clone();
        for axis in (0..self.dims.len()).rev() {
            following[axis] += 1;
            if following[axis] < self.dims[axis] {
                self.next = Some(following);
                break;
            }
            following[axis] = 0;
        }
        Some(current)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_of_a_small_image_by_hand() {
        // One channel, 2 x 2 pixels 1 2 / 3 4, a kernel of 2 x 2 with a pixel of padding before.
        let features = Features {
            groups: 1,
            features: 4,
            shape: Shape::Windows {
                options: ConvOptions {
                    stride: vec![1, 1],
                    padding: vec![(1, 0), (1, 0)],
                    dilation: vec![1, 1],
                    groups: 1,
                },
                input: vec![1, 1, 2, 2],
                kernel: vec![2, 2],
                output: vec![2, 2],
            },
        };
        let mut rows = Vec::new();
        features.for_each_row(&[1.0, 2.0, 3.0, 4.0], |group, row| {
            assert_eq!(group, 0);
            rows.push(row.to_vec());
        });
        assert_eq!(
            rows,
            [
                [0.0, 0.0, 0.0, 1.0],
                [0.0, 0.0, 1.0, 2.0],
                [0.0, 1.0, 0.0, 3.0],
                [1.0, 2.0, 3.0, 4.0],
            ]
        );
    }

    #[test]
    fn groups_see_their_own_channels() {
        let features = Features {
            groups: 2,
            features: 1,
            shape: Shape::Windows {
                options: ConvOptions {
                    stride: vec![2],
                    padding: vec![(0, 0)],
                    dilation: vec![1],
                    groups: 2,
                },
                input: vec![1, 2, 3],
                kernel: vec![1],
                output: vec![2],
            },
        };
        let mut rows = Vec::new();
        features.for_each_row(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], |group, row| {
            rows.push((group, row[0]));
        });
        assert_eq!(rows, [(0, 1.0), (1, 4.0), (0, 3.0), (1, 6.0)]);
    }
}
