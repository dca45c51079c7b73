//! Layers that read what was removed: their weights as views, and calibration batches through them.

use burn::module::Module;
use burn::tensor::TensorData;
use secateur_core::flow::{Flow, Part};
use secateur_core::weights::Weights;
use secateur_graph::{Features, Graph, GraphTensors, OpId, OpKind, Taps};

use super::{LayerMoments, RepairError};
use crate::batches::by_shape;
use crate::coupling::parameters;
use crate::error::StructureError;
use crate::survey::Survey;

/// A layer that multiplies rows of inputs by its weight.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Reader {
    /// Path of the weight.
    pub path: String,
    /// Its dimensions as stored.
    pub shape: Vec<usize>,
    /// The stored dimension that runs over the inputs.
    pub in_axis: usize,
    /// Groups of outputs that see different inputs.
    pub groups: usize,
    /// Path of its bias, and whether what the operation gives has it in it.
    pub bias: Option<(String, bool)>,
    /// The operations that it is.
    pub operations: Vec<OpId>,
}

impl Reader {
    /// Every linear layer, product with a parameter, and convolution of a graph, in the order of
    /// first use.
    pub fn all(graph: &Graph) -> Vec<Self> {
        let mut readers: Vec<Self> = Vec::new();
        for (id, operation) in graph.enumerate() {
            let Some(path) = operation.inputs.get(1).and_then(|&at| graph.parameter(at)) else {
                continue;
            };
            if let Some(reader) = readers.iter_mut().find(|reader| reader.path == path) {
                reader.operations.push(id);
                continue;
            }
            let features = Features::of(graph, id).zip(Features::in_axis(graph, id));
            let shape = parameters(graph).find(|(_, known)| *known == path);
            if let (Some((features, in_axis)), Some((value, _))) = (features, shape) {
                readers.push(Self {
                    path: path.to_owned(),
                    shape: graph.value(value).shape.clone(),
                    in_axis,
                    groups: features.groups,
                    bias: bias(graph, id),
                    operations: vec![id],
                });
            }
        }
        readers
    }

    /// Its view: outputs, inputs of one group, taps.
    pub fn view(&self) -> [usize; 3] {
        let taps = self.shape.iter().skip(2).product();
        [self.shape[1 - self.in_axis], self.shape[self.in_axis], taps]
    }

    /// The path of the bias that it has, or would have.
    pub fn bias_path(&self) -> String {
        match &self.bias {
            Some((path, _)) => path.clone(),
            None => match self.path.rsplit_once('.') {
                Some((layer, _)) => format!("{layer}.bias"),
                None => "bias".into(),
            },
        }
    }

    /// A stored weight in view order `[out, in, taps]`, with its dimensions.
    pub fn view_of(&self, data: &TensorData) -> ([usize; 3], Vec<f64>) {
        let shape: Vec<usize> = data.shape().iter().copied().collect();
        let values: Vec<f64> = data.iter::<f64>().collect();
        let view = Self {
            shape,
            ..self.clone()
        }
        .view();
        (view, turned(values, view, self.in_axis == 0))
    }

    /// A weight in view order as it is stored, of the type and shape that it had.
    pub fn stored(&self, view: [usize; 3], values: Vec<f64>, like: &TensorData) -> TensorData {
        let [out, inputs, taps] = view;
        let values = turned(values, [inputs, out, taps], self.in_axis == 0);
        TensorData::new(values, like.shape().clone()).convert_dtype(like.dtype())
    }
}

/// The two outer of three dimensions exchanged, if asked for; `view` are the dimensions after.
fn turned(values: Vec<f64>, view: [usize; 3], turn: bool) -> Vec<f64> {
    if !turn {
        return values;
    }
    let [rows, columns, taps] = view;
    let at = |row: usize, column: usize| (column * rows + row) * taps;
    let cells = (0..rows).flat_map(|row| (0..columns).map(move |column| at(row, column)));
    cells
        .flat_map(|at| values[at..at + taps].iter().copied())
        .collect()
}

/// The bias that an operation adds, or that is added to what it gives.
fn bias(graph: &Graph, id: OpId) -> Option<(String, bool)> {
    let operation = graph.operation(id);
    if let Some(&bias) = operation.inputs.get(2) {
        return Some((graph.parameter(bias)?.to_owned(), true));
    }
    let mut at = *operation.outputs.first()?;
    loop {
        let mut readers = graph.enumerate().filter(|(_, op)| op.inputs.contains(&at));
        let (_, reader) = readers.next()?;
        if readers.next().is_some() || graph.outputs.contains(&at) {
            return None;
        }
        match &reader.kind {
            kind if kind.rearranges() => at = *reader.outputs.first()?,
            OpKind::Elementwise { name, .. } if name == "Add" => {
                let other = reader.inputs.iter().find(|&&input| input != at)?;
                return Some((graph.parameter(*other)?.to_owned(), false));
            }
            _ => return None,
        }
    }
}

/// Calls `observe` with what every batch sends through the wanted layers of a model; the number of
/// batches.
pub(super) fn flows<M, I, O>(
    model: &M,
    batches: impl IntoIterator<Item = I>,
    forward: impl Fn(&M, I) -> O,
    wanted: impl Fn(&str) -> bool,
    mut observe: impl FnMut(&Flow<'_>),
) -> Result<usize, StructureError>
where
    M: Module,
    I: GraphTensors + Clone,
    O: GraphTensors,
{
    let batches = batches.into_iter().map(|batch| (batch, ()));
    by_shape(model, batches, forward, |captured, batches| {
        let mut taps = Taps::new(captured);
        batches.each(|batch, ()| {
            taps.run_where(batch, &wanted, &mut observe)?;
            Ok(())
        })
    })
}

/// What a layer gives without its bias, a row for each position.
#[derive(Clone, Debug, Default)]
pub(super) struct Outputs {
    pub width: usize,
    pub values: Vec<f32>,
}

impl Outputs {
    /// Of a flow through a layer with these biases in what it gives.
    pub fn of(flow: &Flow<'_>, biases: Option<&[f64]>) -> Self {
        let mut outputs = Self::default();
        if let Some(rows) = flow.rows(Part::Output) {
            outputs.width = rows.features();
            rows.for_each(&mut |_, row| outputs.values.extend_from_slice(row));
        }
        if let Some(biases) = biases.filter(|biases| biases.len() == outputs.width) {
            for row in outputs.values.chunks_exact_mut(outputs.width.max(1)) {
                for (value, bias) in row.iter_mut().zip(biases) {
                    *value = (f64::from(*value) - bias) as f32;
                }
            }
        }
        outputs
    }

    pub fn rows(&self) -> usize {
        self.values.len() / self.width.max(1)
    }
}

/// A group of a layer's outputs whose inputs are watched.
#[derive(Clone, Debug)]
pub(super) struct Watched {
    /// The group's number where the inputs come from.
    pub group: usize,
    /// The outputs, by their places where the outputs come from.
    pub outputs: Vec<usize>,
    pub moments: LayerMoments,
}

/// A layer whose inputs and outputs are watched.
#[derive(Clone, Debug)]
pub(super) struct Watch {
    /// The features of a row that are looked at.
    pub features: Vec<usize>,
    /// Whether a feature that is always 1 stands behind them.
    pub constant: bool,
    pub groups: Vec<Watched>,
    pub rows: usize,
}

/// Rows that are added to moments at once.
const ROWS_AT_ONCE: usize = 1_024;

impl Watch {
    /// Of no rows yet.
    pub fn new(
        path: &str,
        features: Vec<usize>,
        constant: bool,
        groups: Vec<(usize, Vec<usize>)>,
    ) -> Self {
        let width = features.len() + usize::from(constant);
        let groups = groups.into_iter().map(|(group, outputs)| Watched {
            moments: LayerMoments::new(path, [outputs.len(), width, 1]),
            group,
            outputs,
        });
        Self {
            features,
            constant,
            groups: groups.collect(),
            rows: 0,
        }
    }

    /// Adds the inputs of a flow with the outputs that belong to them, at most `most` rows, evenly
    /// spaced.
    pub fn add(
        &mut self,
        flow: &Flow<'_>,
        outputs: &Outputs,
        most: Option<usize>,
    ) -> Result<(), RepairError> {
        let Some(rows) = flow.rows(Part::Input) else {
            return Ok(());
        };
        let total = outputs.rows();
        let most = most.unwrap_or(total).clamp(1, total.max(1));
        let taken = |row: usize| (row + 1) * most / total.max(1) > row * most / total.max(1);
        let mut failed = None;
        let mut next = vec![0; self.groups.len()];
        let mut pending: Vec<(Vec<f64>, Vec<f64>)> = vec![Default::default(); self.groups.len()];
        let (features, constant) = (&self.features, self.constant);
        let groups = &mut self.groups;
        rows.for_each(&mut |group, row| {
            let Some(at) = groups.iter().position(|watched| watched.group == group) else {
                return;
            };
            let nth = next[at];
            next[at] += 1;
            if nth >= total || !taken(nth) || failed.is_some() {
                return;
            }
            let (inputs, wanted) = &mut pending[at];
            inputs.extend(features.iter().map(|&feature| f64::from(row[feature])));
            inputs.extend(constant.then_some(1.0));
            let given = &outputs.values[nth * outputs.width..];
            wanted.extend(groups[at].outputs.iter().map(|&out| f64::from(given[out])));
            if wanted.len() >= ROWS_AT_ONCE * groups[at].outputs.len() {
                failed = groups[at].moments.add(inputs, wanted).err();
                inputs.clear();
                wanted.clear();
            }
        });
        if let Some(error) = failed {
            return Err(error);
        }
        for (watched, (inputs, wanted)) in groups.iter_mut().zip(pending) {
            watched.moments.add(&inputs, &wanted)?;
        }
        self.rows += most.min(total);
        Ok(())
    }
}

/// Refuses a parameter whose values are not what acts: under a mask, or a LoRA.
pub(super) fn check_plain<M: Module>(model: &M, path: &str) -> Result<(), RepairError> {
    let survey = Survey::of(model);
    let Some(found) = survey.get(path) else {
        return Ok(());
    };
    let what = match &found.foreign {
        Some(name) => format!("`{name}` acts on it"),
        None if found.is_masked => "a mask acts on it".to_owned(),
        None => return Ok(()),
    };
    Err(RepairError::Unsupported {
        path: path.into(),
        why: what,
        remedy: "finish the pruner (`Module::materialize`) first".into(),
    })
}

/// The numbers of a parameter.
pub(super) fn numbers(weights: &Weights, path: &str) -> Option<Vec<f64>> {
    Some(weights.get(path)?.iter::<f64>().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn views_of_stored_weights_by_hand() {
        // Stored [in, out] = [2, 3]: 1 2 3 / 4 5 6.
        let linear = Reader {
            path: "fc.weight".into(),
            shape: vec![2, 3],
            in_axis: 0,
            groups: 1,
            bias: None,
            operations: vec![],
        };
        let data = TensorData::new(vec![1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0], [2, 3]);
        let (view, values) = linear.view_of(&data);
        assert_eq!(
            (view, &values[..]),
            ([3, 2, 1], &[1., 4., 2., 5., 3., 6.][..])
        );
        assert_eq!(linear.stored(view, values, &data), data);
        assert_eq!(linear.bias_path(), "fc.bias");
        // A convolution lies as it is seen.
        let conv = Reader {
            shape: vec![1, 2, 3],
            in_axis: 1,
            ..linear
        };
        let data = TensorData::new(vec![1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0], [1, 2, 3]);
        let (view, values) = conv.view_of(&data);
        assert_eq!(
            (view, &values[..]),
            ([1, 2, 3], &[1., 2., 3., 4., 5., 6.][..])
        );
        assert_eq!(conv.stored(view, values, &data), data);
    }
}
