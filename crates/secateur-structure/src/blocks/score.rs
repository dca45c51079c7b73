//! How little a block does.

use burn::module::Module;
use burn::tensor::TensorData;
use secateur_graph::{GraphError, GraphTensors, OpKind, Runner};

use super::{Block, Blocks};
use crate::batches::by_shape;
use crate::error::StructureError;
use crate::repair::block_similarity::{BlockSimilarity, probe_rest};
use crate::repair::{LayerMoments, RepairError};

impl Blocks {
    /// By path of each block that can be taken out: `1 - mean cos(x, x + f(x))` over the positions
    /// of calibration batches, 0 to 2 ([`BlockSimilarity`], after Men et al. 2024). The smallest
    /// goes first.
    ///
    /// # Errors
    ///
    /// [`RepairError::NoBatches`], [`RepairError::NotFinite`], [`StructureError::Graph`].
    pub fn similarity<M, I, O>(
        &self,
        model: &M,
        batches: impl IntoIterator<Item = I>,
        forward: impl Fn(&M, I) -> O,
    ) -> Result<Vec<(String, f64)>, StructureError>
    where
        M: Module,
        I: GraphTensors + Clone,
        O: GraphTensors,
    {
        let mut scores: Vec<BlockSimilarity> = vec![BlockSimilarity::new(); self.removable().len()];
        let batches = batches.into_iter().map(|batch| (batch, ()));
        self.ends(model, batches, forward, |nth, ends, ()| {
            let (path, width) = (&self.removable()[nth].path, ends.width);
            scores[nth].add(
                path,
                width,
                &ends.rows(&ends.input),
                &ends.rows(&ends.output),
            )
        })?;
        let scores = scores.iter().map(BlockSimilarity::importance);
        Ok(self.named(scores))
    }

    /// By path of each block that can be taken out: how much better a linear probe tells the
    /// classes from its output than from its input ([`probe_rest`], after Chen and Zhao 2019).
    /// Features are means over positions; `batches` come with the class of each example. The
    /// smallest goes first; a negative score says that the block does harm, to a linear probe.
    ///
    /// # Errors
    ///
    /// As [`similarity`](Self::similarity); [`RepairError::Size`] and [`RepairError::Choice`] for
    /// classes that do not fit, [`RepairError::Singular`] without enough damping.
    pub fn probes<M, I, O>(
        &self,
        model: &M,
        batches: impl IntoIterator<Item = (I, Vec<usize>)>,
        classes: usize,
        damping: f64,
        forward: impl Fn(&M, I) -> O,
    ) -> Result<Vec<(String, f64)>, StructureError>
    where
        M: Module,
        I: GraphTensors + Clone,
        O: GraphTensors,
    {
        let mut moments: Vec<Option<[LayerMoments; 2]>> = vec![None; self.removable().len()];
        self.ends(model, batches, forward, |nth, ends, labels| {
            let path = &self.removable()[nth].path;
            let (what, remedy) = (
                "the list of classes",
                "pass one for each example of the batch",
            );
            RepairError::check_len(path, what, labels.len(), ends.examples, remedy)?;
            if let Some(class) = labels.iter().find(|&&class| class >= classes) {
                return Err(RepairError::Choice {
                    path: path.clone(),
                    asked: format!("class {class}"),
                    expected: format!("one of {classes}"),
                    remedy: "count classes from 0".into(),
                });
            }
            let one_hot = labels.iter().flat_map(|&label| {
                (0..classes).map(move |class| f64::from(u8::from(class == label)))
            });
            let one_hot: Vec<f64> = one_hot.collect();
            let shape = [classes, ends.width + 1, 1];
            let [before, after] =
                moments[nth].get_or_insert_with(|| [0, 1].map(|_| LayerMoments::new(path, shape)));
            before.add(&ends.features(&ends.input), &one_hot)?;
            after.add(&ends.features(&ends.output), &one_hot)
        })?;
        let mut scores = Vec::new();
        for moments in moments.iter().flatten() {
            let [before, after] = moments;
            scores.push(probe_rest(before, damping)? - probe_rest(after, damping)?);
        }
        Ok(self.named(scores.into_iter()))
    }

    fn removable(&self) -> Vec<&Block> {
        self.iter().filter(|block| block.is_removable()).collect()
    }

    fn named(&self, scores: impl Iterator<Item = f64>) -> Vec<(String, f64)> {
        let paths = self.removable().into_iter().map(|block| block.path.clone());
        paths.zip(scores).collect()
    }

    /// Calls `observe` with number, input and output of each block that can be taken out.
    fn ends<M, I, O, L>(
        &self,
        model: &M,
        batches: impl IntoIterator<Item = (I, L)>,
        forward: impl Fn(&M, I) -> O,
        mut observe: impl FnMut(usize, Ends, &L) -> Result<(), RepairError>,
    ) -> Result<(), StructureError>
    where
        M: Module,
        I: GraphTensors + Clone,
        O: GraphTensors,
    {
        let blocks = self.removable();
        let count = by_shape(model, batches, forward, |captured, batches| {
            if captured.graph().operations.len() != self.graph.operations.len() {
                let what = "it does other operations than for the example".to_owned();
                return Err(GraphError::DataDependent { what }.into());
            }
            let mut runner = Runner::new(captured);
            batches.each(|batch, label| {
                let mut observed = Ok(());
                let mut inputs: Vec<Option<TensorData>> = vec![None; blocks.len()];
                runner.run(batch, |seen| {
                    for (nth, block) in blocks.iter().enumerate() {
                        let (first, last) = (&block.sums[0], &block.sums[block.sums.len() - 1]);
                        if first.add == seen.id() {
                            let operation = self.graph.operation(first.add);
                            let is_first = operation.inputs[0] == first.start;
                            inputs[nth] = Some(seen.input(usize::from(!is_first)));
                        }
                        if last.add == seen.id()
                            && observed.is_ok()
                            && let Some(input) = inputs[nth].take()
                        {
                            let ends = Ends::new(input, seen.output(0), self.has_images(block));
                            observed = observe(nth, ends, label);
                        }
                    }
                })?;
                Ok(observed?)
            })
        })?;
        if count == 0 {
            let what = "scores of blocks".to_owned();
            return Err(RepairError::NoBatches { what }.into());
        }
        Ok(())
    }

    /// Whether channels are the second dimension, as convolutions have them.
    fn has_images(&self, block: &Block) -> bool {
        let mut operations = block.sums.iter().flat_map(|sum| &sum.operations);
        operations.any(|&id| matches!(self.graph.operation(id).kind, OpKind::Conv(_)))
    }
}

/// What a block is given and gives: of each example so many positions with so many features.
struct Ends {
    input: Vec<f64>,
    output: Vec<f64>,
    examples: usize,
    width: usize,
    /// Positions inside the features, and around them within an example.
    inner: usize,
    outer: usize,
}

impl Ends {
    fn new(input: TensorData, output: TensorData, images: bool) -> Self {
        let shape: Vec<usize> = input.shape().iter().copied().collect();
        let axis = if images {
            1
        } else {
            shape.len().saturating_sub(1)
        };
        Self {
            input: input.iter::<f64>().collect(),
            output: output.iter::<f64>().collect(),
            examples: shape.first().copied().unwrap_or(0),
            width: shape.get(axis).copied().unwrap_or(0),
            inner: shape.iter().skip(axis + 1).product(),
            outer: shape.iter().take(axis).skip(1).product(),
        }
    }

    /// A row of features for each position.
    fn rows(&self, values: &[f64]) -> Vec<f64> {
        if self.inner == 1 {
            return values.to_vec();
        }
        let slabs = values.chunks_exact((self.width * self.inner).max(1));
        let rows = slabs.flat_map(|slab| {
            let pixels = 0..self.inner;
            pixels.flat_map(|at| slab.iter().skip(at).step_by(self.inner).copied())
        });
        rows.collect()
    }

    /// For each example the mean of its rows, and a 1.
    fn features(&self, values: &[f64]) -> Vec<f64> {
        let rows = self.rows(values);
        let positions = self.inner * self.outer;
        let examples = rows.chunks_exact((positions * self.width).max(1));
        let features = examples.flat_map(|example| {
            let mut means = vec![0.0; self.width];
            for row in example.chunks_exact(self.width.max(1)) {
                means.iter_mut().zip(row).for_each(|(mean, x)| *mean += x);
            }
            let means = means.into_iter().map(|sum| sum / positions as f64);
            means.chain([1.0]).collect::<Vec<_>>()
        });
        features.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_and_means_by_hand() {
        // One example of two channels with two pixels: (1, 2), (3, 4).
        let image = TensorData::new(vec![1.0f32, 2.0, 3.0, 4.0], [1, 2, 2]);
        let ends = Ends::new(image.clone(), image, true);
        assert_eq!(ends.rows(&ends.input), [1.0, 3.0, 2.0, 4.0]);
        assert_eq!(ends.features(&ends.input), [1.5, 3.5, 1.0]);
        // The same as two tokens of two features.
        let tokens = TensorData::new(vec![1.0f32, 2.0, 3.0, 4.0], [1, 2, 2]);
        let ends = Ends::new(tokens.clone(), tokens, false);
        assert_eq!(ends.rows(&ends.input), [1.0, 2.0, 3.0, 4.0]);
        assert_eq!(ends.features(&ends.input), [2.0, 3.0, 1.0]);
    }
}
