//! Blocks taken out, and proof that nothing else changed.

use std::collections::BTreeMap;

use burn::module::Module;
use secateur_core::layers::Prunable;
use secateur_graph::{Graph, GraphError, GraphTensors, ModelGraph, OpId, Runner};

use super::{Block, Blocks};
use crate::cut::Cut;
use crate::error::StructureError;
use crate::removal::{Certificate, Zeros, stirred, zeroed};
use crate::slice;

impl Blocks {
    /// Takes blocks out: a model of the same type with fewer items in its lists, and the certificate
    /// that it computes what `model` computes with the branches of those blocks at zero. `model`
    /// stays as it is.
    ///
    /// What follows a block's sum inside of it, such as a ReLU, goes too. Where that did something
    /// the certificate says so, and by how much outputs differ. Parameters keep their ids:
    /// [`Certificate::cut`] is for [`cut_optimizer`](crate::optimizer::cut_optimizer) and
    /// [`checkpoint`](crate::checkpoint) as that of channels is.
    ///
    /// # Errors
    ///
    /// [`StructureError::Block`] for a path that is no block or one that has to stay, and where
    /// `forward` does not do without it; [`StructureError::NotEqual`] where the outputs differ though
    /// nothing says they should.
    pub fn remove<M, I, O>(
        &self,
        model: &M,
        paths: &[&str],
        example: I,
        forward: impl Fn(&M, I) -> O,
    ) -> Result<(M, Certificate), StructureError>
    where
        M: Module + Prunable,
        I: GraphTensors + Clone,
        O: GraphTensors,
    {
        let mut going: Vec<&Block> = Vec::new();
        for path in paths {
            let block = self.get(path)?;
            if let Some(why) = &block.refused {
                return Err(refused(block, why.clone()));
            }
            if !going.contains(&block) {
                going.push(block);
            }
        }
        let cut = Cut {
            dropped: going.iter().map(|block| block.path.clone()).collect(),
            ..Cut::default()
        };
        let zeros = self.zeros(&going);
        let smaller = slice::apply(model, &cut)?;
        let changes = self.trial(&going, &smaller, example.clone(), &forward)?;
        let masked = zeroed(&model.valid(), &zeros);
        self.check_vanishing(&going, &masked, example.clone(), &forward)?;

        // The model as it is, then one whose fresh zeros and ones hide nothing.
        let mut certificate = Certificate::of_cut(cut, changes);
        certificate.compare(&masked, &smaller.valid(), &example, &forward);
        let masked = zeroed(&stirred(model), &zeros);
        let stirred = slice::apply(&masked, &certificate.cut)?;
        certificate.compare(&masked, &stirred, &example, &forward);
        Ok((smaller, certificate.checked()?))
    }

    /// All elements of what the branches use.
    fn zeros(&self, going: &[&Block]) -> Zeros {
        let mut zeros = Zeros::new();
        for (value, path) in crate::coupling::parameters(&self.graph) {
            let mut sums = going.iter().flat_map(|block| &block.sums);
            if sums.any(|sum| sum.parameters.iter().any(|known| known == path)) {
                let first = self.graph.value(value).shape.first().copied();
                let places = (0..first.unwrap_or(0)).collect();
                zeros.insert(path.to_owned(), vec![(0, places)]);
            }
        }
        zeros
    }

    /// Records `forward` without the blocks: what else went along.
    fn trial<M, I, O>(
        &self,
        going: &[&Block],
        smaller: &M,
        example: I,
        forward: impl Fn(&M, I) -> O,
    ) -> Result<Vec<String>, StructureError>
    where
        M: Module,
        I: GraphTensors,
        O: GraphTensors,
    {
        let names: Vec<&str> = going.iter().map(|block| block.path.as_str()).collect();
        let names = names.join(", ");
        let without = |why: String| StructureError::Block {
            path: names.clone(),
            why,
        };
        let captured =
            ModelGraph::capture_once(smaller, example, forward).map_err(|error| match error {
                GraphError::Panicked { message, last } => without(format!(
                    "without it `forward` panics after {last}: {message}; let `forward` go over \
                     the items that there are"
                )),
                other => other.into(),
            })?;
        let found = captured.graph();
        let shapes = |graph: &Graph| -> Vec<Vec<usize>> {
            let outputs = graph.outputs.iter();
            outputs.map(|&out| graph.value(out).shape.clone()).collect()
        };
        let (expected, got) = (shapes(&self.graph), shapes(found));
        if expected != got {
            return Err(without(format!(
                "without it `forward` gives {got:?} instead of {expected:?}"
            )));
        }
        // By kind: how many operations there were beside the branches and sums, less what is left.
        let mut left: BTreeMap<String, isize> = BTreeMap::new();
        let gone = |id: OpId| {
            let mut sums = going.iter().flat_map(|block| &block.sums);
            sums.any(|sum| sum.add == id || sum.operations.contains(&id))
        };
        for (id, operation) in self.graph.enumerate() {
            let weights_only = operation.kind.rearranges()
                && operation
                    .inputs
                    .iter()
                    .all(|&x| self.graph.parameter(x).is_some());
            if !gone(id) && !weights_only {
                *left.entry(operation.kind.to_string()).or_default() += 1;
            }
        }
        for (_, operation) in found.enumerate() {
            let weights_only = operation.kind.rearranges()
                && operation
                    .inputs
                    .iter()
                    .all(|&x| found.parameter(x).is_some());
            if !weights_only {
                *left.entry(operation.kind.to_string()).or_default() -= 1;
            }
        }
        left.retain(|_, count| *count != 0);
        if let Some((kind, count)) = left.iter().find(|(_, count)| **count < 0) {
            return Err(without(format!(
                "without it `forward` does {kind} {} times more",
                -count
            )));
        }
        let along = left.into_iter().map(|(kind, count)| match count {
            1 => format!("{kind}, which stands beside the sum of {names}, goes along"),
            _ => format!("{kind}, {count} times beside the sums of {names}, goes along"),
        });
        Ok(along.collect())
    }

    /// Refuses branches that give something though all they use is zero.
    fn check_vanishing<M, I, O>(
        &self,
        going: &[&Block],
        masked: &M,
        example: I,
        forward: impl Fn(&M, I) -> O,
    ) -> Result<(), StructureError>
    where
        M: Module,
        I: GraphTensors + Clone,
        O: GraphTensors,
    {
        let captured = ModelGraph::capture_once(masked, example.clone(), forward)?;
        let mut remaining = None;
        Runner::new(&captured).run(example, |seen| {
            let id = seen.id();
            for block in going {
                for sum in block.sums.iter().filter(|sum| sum.add == id) {
                    let is_first = self.graph.operation(sum.add).inputs[0] == sum.branch;
                    let given = seen.input(usize::from(!is_first));
                    if given.iter::<f64>().any(|value| value != 0.0) {
                        remaining.get_or_insert(*block);
                    }
                }
            }
        })?;
        match remaining {
            None => Ok(()),
            Some(block) => Err(refused(
                block,
                "what it adds does not vanish with its weights".into(),
            )),
        }
    }
}

fn refused(block: &Block, why: String) -> StructureError {
    StructureError::Block {
        path: block.path.clone(),
        why,
    }
}
