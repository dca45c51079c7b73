//! Calibration batches of several shapes: a model is captured anew where the shape changes.

use std::iter::Peekable;

use burn::module::Module;
use secateur_graph::{GraphError, GraphTensors, ModelGraph};

use crate::error::StructureError;

/// Runs all batches; how many they were.
///
/// `run` is given the model as captured for the next batch and calls [`Fitting::each`], once, with
/// what is to be done with a batch, and with what came with it.
pub(crate) fn by_shape<M, I, L, O, B>(
    model: &M,
    batches: B,
    forward: impl Fn(&M, I) -> O,
    mut run: impl FnMut(&ModelGraph, &mut Fitting<B::IntoIter>) -> Result<(), StructureError>,
) -> Result<usize, StructureError>
where
    M: Module,
    I: GraphTensors + Clone,
    O: GraphTensors,
    B: IntoIterator<Item = (I, L)>,
{
    let mut batches = Fitting {
        left: batches.into_iter().peekable(),
        done: 0,
    };
    while let Some((first, _)) = batches.left.peek() {
        let captured = ModelGraph::capture_once(model, first.clone(), &forward)?;
        run(&captured, &mut batches)?;
    }
    Ok(batches.done)
}

/// The batches that are left, of which the first ones fit a captured model.
pub(crate) struct Fitting<B: Iterator> {
    left: Peekable<B>,
    done: usize,
}

impl<I: Clone, L, B: Iterator<Item = (I, L)>> Fitting<B> {
    /// Calls `run` with batches until one has another shape than the captured one.
    pub(crate) fn each(
        &mut self,
        mut run: impl FnMut(I, &L) -> Result<(), StructureError>,
    ) -> Result<(), StructureError> {
        let before = self.done;
        while let Some((batch, with)) = self.left.peek() {
            match run(batch.clone(), with) {
                Ok(()) => {
                    self.done += 1;
                    self.left.next();
                }
                // The first one fits what was captured from it.
                Err(StructureError::Graph(GraphError::Shape { .. })) if self.done > before => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
