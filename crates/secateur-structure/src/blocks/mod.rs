//! Whole residual blocks: which there are, how little each does, and taking some out.
//!
//! A residual block adds what its branch gives to what it was given. With the branch at zero it
//! passes its input on, so a model can do without it as soon as its type can: as an item of a `Vec`,
//! which moves the others up, or the content of an `Option`, of which `None` is left.
//!
//! ```no_run
//! # use burn::module::Module;
//! # use burn::tensor::Tensor;
//! # use secateur_core::layers::Prunable;
//! # use secateur_structure::error::StructureError;
//! use secateur_structure::blocks::Blocks;
//!
//! # fn run<Net: Module + Prunable>(
//! #     net: Net, example: Tensor<4>, batches: Vec<Tensor<4>>,
//! #     forward: impl Fn(&Net, Tensor<4>) -> Tensor<2> + Copy,
//! # ) -> Result<(), StructureError> {
//! let blocks = Blocks::of_model(&net, example.clone(), forward)?;
//! println!("{blocks}");
//! let scores = blocks.similarity(&net, batches, forward)?;
//! let least = scores.iter().min_by(|a, b| a.1.total_cmp(&b.1));
//! if let Some((path, _)) = least {
//!     let (smaller, certificate) = blocks.remove(&net, &[path], example, forward)?;
//! }
//! # Ok(())
//! # }
//! ```

mod find;
mod remove;
mod score;

use std::fmt;

use burn::module::Module;
use secateur_core::layers::{Prunable, removable_parts};
use secateur_graph::{Graph, GraphTensors, ModelGraph, OpId, ValueId};

use crate::error::StructureError;

/// A sum of what a branch was given and what it made of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResidualSum {
    /// The operation that adds.
    pub add: OpId,
    /// What is passed on.
    pub start: ValueId,
    /// What the branch gives.
    pub branch: ValueId,
    /// The operations of the branch.
    pub operations: Vec<OpId>,
    /// Paths of the parameters that the branch uses, in the order of first use.
    pub parameters: Vec<String>,
}

/// A residual block of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Path of the part of the model that it is.
    pub path: String,
    /// Its sums: one of a convolutional block, two of a transformer's layer.
    pub sums: Vec<ResidualSum>,
    /// Why it cannot be taken out; `None` where it can.
    pub refused: Option<String>,
}

impl Block {
    /// Whether it can be taken out.
    #[must_use]
    pub fn is_removable(&self) -> bool {
        self.refused.is_none()
    }
}

/// The residual blocks of a model.
#[derive(Clone, Debug)]
pub struct Blocks {
    graph: Graph,
    blocks: Vec<Block>,
}

impl Blocks {
    /// Finds them in what `forward` does with an example of its input; nothing is computed.
    ///
    /// Blocks that cannot be taken out are among them, with the reason: they are no item of a list
    /// and no content of an option; they change the shape; they do more than add to what they are
    /// given.
    ///
    /// # Errors
    ///
    /// [`StructureError::Graph`] where the model cannot be captured.
    pub fn of_model<M, I, O>(
        model: &M,
        example: I,
        forward: impl Fn(&M, I) -> O,
    ) -> Result<Self, StructureError>
    where
        M: Module + Prunable,
        I: GraphTensors + Clone,
        O: GraphTensors,
    {
        let captured = ModelGraph::capture(model, example, forward)?;
        let parts = removable_parts(model);
        let parts: Vec<&str> = parts.iter().map(|(path, _)| path.as_str()).collect();
        Ok(Self {
            blocks: find::blocks(captured.graph(), &parts),
            graph: captured.graph().clone(),
        })
    }

    /// All of them, in the order of `forward`.
    pub fn iter(&self) -> impl Iterator<Item = &Block> {
        self.blocks.iter()
    }

    /// The block at a path.
    ///
    /// # Errors
    ///
    /// [`StructureError::Block`] where there is none.
    pub fn get(&self, path: &str) -> Result<&Block, StructureError> {
        let found = self.blocks.iter().find(|block| block.path == path);
        found.ok_or_else(|| {
            let known: Vec<&str> = self.blocks.iter().map(|b| b.path.as_str()).collect();
            let why = match known.is_empty() {
                true => "the model has no residual block".to_owned(),
                false => format!("it is no residual block; there are {}", known.join(", ")),
            };
            StructureError::Block {
                path: path.into(),
                why,
            }
        })
    }

    /// The graph that they were found in.
    #[must_use]
    pub fn graph(&self) -> &Graph {
        &self.graph
    }
}

impl fmt::Display for Blocks {
    /// A line for each: its path, how many parameters its branches use, and why it stays if it does.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (nth, block) in self.blocks.iter().enumerate() {
            let new_line = if nth > 0 { "\n" } else { "" };
            let parameters: usize = block.sums.iter().map(|sum| sum.parameters.len()).sum();
            write!(
                f,
                "{new_line}{}: {parameters} parameters in its branch",
                block.path
            )?;
            if let Some(why) = &block.refused {
                write!(f, "; has to stay: {why}")?;
            }
        }
        Ok(())
    }
}
