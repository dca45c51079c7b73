//! Which sizes follow the size of the batch.

use burn::tensor::Shape;
use burn_ir::{IrVisitorMut, OperationIr, TensorId, TensorIr};
use secateur_graph::{ModelGraph, OpId, OpKind, Operation, Span, ValueId};

use super::plan::Size;

/// Further entries of the batch in the captures that a model is compared with.
pub(crate) const MORE: [usize; 2] = [1, 3];

/// The sizes of all values of a graph, told from several captures.
pub(crate) struct Sizes {
    /// `None` where only the captured batch can be run.
    more: Option<Vec<Vec<isize>>>,
    captured: Vec<Vec<usize>>,
}

impl Sizes {
    /// Compares a capture with those whose inputs have [`MORE`] further entries each. All but the
    /// first see to it that sizes follow the batch in a line.
    pub(crate) fn of(captured: &ModelGraph, larger: Option<&[ModelGraph; 2]>) -> Self {
        let shapes = |graph: &ModelGraph| -> Vec<Vec<usize>> {
            let values = graph.graph().values.iter();
            values.map(|value| value.shape.clone()).collect()
        };
        let own = shapes(captured);
        let more = larger.and_then(|larger| {
            let same_operations = larger.iter().all(|larger| alike(captured, larger));
            let [next, far] = larger.each_ref().map(shapes);
            let same_ranks = |others: &[Vec<usize>]| {
                let pairs = own.iter().zip(others);
                own.len() == others.len() && pairs.into_iter().all(|(a, b)| a.len() == b.len())
            };
            if !same_operations || !same_ranks(&next) || !same_ranks(&far) {
                return None;
            }
            let of = |others: &[Vec<usize>]| -> Vec<Vec<isize>> {
                let pairs = own.iter().zip(others);
                pairs.map(|(a, b)| differences(a, b)).collect()
            };
            let (step, leap) = (of(&next), of(&far));
            let in_line = step.iter().flatten().zip(leap.iter().flatten());
            let factor = (MORE[1] / MORE[0]) as isize;
            in_line
                .into_iter()
                .all(|(step, leap)| step * factor == *leap)
                .then_some(step)
        });
        Self {
            more,
            captured: own,
        }
    }

    /// Whether other batches than the captured one can be run.
    pub(crate) fn dynamic(&self) -> bool {
        self.more.is_some()
    }

    /// Whether a value has the same shape at every batch.
    pub(crate) fn is_fixed(&self, value: ValueId) -> bool {
        self.more
            .as_ref()
            .is_none_or(|more| more[value.0].iter().all(|&more| more == 0))
    }

    /// The shape of a value.
    pub(crate) fn shape(&self, value: ValueId) -> Vec<Size> {
        let captured = self.captured[value.0].iter();
        let more = |axis: usize| self.more.as_ref().map_or(0, |more| more[value.0][axis]);
        captured
            .enumerate()
            .map(|(axis, &captured)| Size {
                captured,
                more: more(axis),
            })
            .collect()
    }
}

fn differences(a: &[usize], b: &[usize]) -> Vec<isize> {
    let pairs = a.iter().zip(b);
    pairs.map(|(&a, &b)| b as isize - a as isize).collect()
}

/// Whether two captures do the same but for the shapes of their tensors.
fn alike(a: &ModelGraph, b: &ModelGraph) -> bool {
    let (ours, theirs) = (a.graph(), b.graph());
    let constants = |captured: &ModelGraph| -> Vec<(ValueId, burn::tensor::TensorData)> {
        captured
            .constants()
            .map(|(id, data)| (id, data.clone()))
            .collect()
    };
    ours.operations.len() == theirs.operations.len()
        && ours.inputs == theirs.inputs
        && ours.outputs == theirs.outputs
        && constants(a) == constants(b)
        && ours.enumerate().all(|(id, operation)| {
            let other = theirs.operation(id);
            let same_values =
                operation.inputs == other.inputs && operation.outputs == other.outputs;
            same_values && same_kind(a, operation, b, other) && same_settings(a, b, id)
        })
}

/// Whether two operations of the same values are the same, whole dimensions being whole whatever
/// their size.
fn same_kind(a: &ModelGraph, one: &Operation, b: &ModelGraph, other: &Operation) -> bool {
    match (&one.kind, &other.kind) {
        (OpKind::Slice { spans: ours }, OpKind::Slice { spans: theirs }) => {
            let shape = |captured: &ModelGraph, operation: &Operation| {
                captured.graph().value(operation.inputs[0]).shape.clone()
            };
            whole(ours, &shape(a, one)) == whole(theirs, &shape(b, other))
        }
        (ours, theirs) => ours == theirs,
    }
}

/// Spans, `None` where they take all of their dimension.
fn whole(spans: &[Span], shape: &[usize]) -> Vec<Option<Span>> {
    let pairs = spans.iter().zip(shape);
    pairs
        .map(|(&span, &size)| {
            let all = Span {
                start: 0,
                end: size,
                step: 1,
            };
            (span != all).then_some(span)
        })
        .collect()
}

/// Whether Burn's own forms differ in shapes alone. A slice is compared by its spans.
fn same_settings(a: &ModelGraph, b: &ModelGraph, id: OpId) -> bool {
    if matches!(a.graph().operation(id).kind, OpKind::Slice { .. }) {
        return true;
    }
    let bare = |captured: &ModelGraph| {
        let mut operation = captured.reading_operation(id);
        operation.visit_mut(&mut Bare);
        operation
    };
    bare(a) == bare(b)
}

/// Takes shapes and ids away.
struct Bare;

impl IrVisitorMut for Bare {
    fn visit_tensor_mut(&mut self, tensor: &mut TensorIr) {
        tensor.shape = Shape::new([0]);
        tensor.id = TensorId::new(0);
    }
}

/// Gives an operation's tensors the shapes that `shape` says.
pub(crate) fn reshape(
    operation: &mut OperationIr,
    shape: impl FnMut(TensorId) -> Option<Vec<usize>>,
) {
    struct Reshape<F>(F);
    impl<F: FnMut(TensorId) -> Option<Vec<usize>>> IrVisitorMut for Reshape<F> {
        fn visit_tensor_mut(&mut self, tensor: &mut TensorIr) {
            if let Some(shape) = (self.0)(tensor.id) {
                tensor.shape = Shape::from(shape);
            }
        }
    }
    operation.visit_mut(&mut Reshape(shape));
}
