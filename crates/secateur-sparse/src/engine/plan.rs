//! What an engine does, step by step: data that can be saved, free of the packed weights.

use burn::tensor::{DType, TensorData};
use burn_ir::{OperationIr, TensorId};
use secateur_kernels::Activation;
use serde::{Deserialize, Serialize};

/// A size that may follow the size of the batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Size {
    /// At the batch that was captured.
    pub(crate) captured: usize,
    /// For each further entry of the batch.
    pub(crate) more: isize,
}

impl Size {
    /// The size at a batch of `further` entries more than the captured one; `None` below zero.
    pub(crate) fn at(self, further: isize) -> Option<usize> {
        self.captured
            .checked_add_signed(self.more.checked_mul(further)?)
    }
}

/// Where the elements of a value live.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Home {
    /// Input `0`, read where the caller has it.
    Input(usize),
    /// The memory of another buffer, under other dimensions.
    Alias(BufferId),
    /// The engine's own memory.
    Memory,
}

/// A tensor that the engine's own operations read or write: `f32`, row-major.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Buffer {
    pub(crate) shape: Vec<Size>,
    pub(crate) home: Home,
    /// Whether it is written and read by products alone, which then lay it out with one row a
    /// feature: so they need not turn it.
    pub(crate) feature_major: bool,
}

/// A place in [`Plan::buffers`].
pub(crate) type BufferId = usize;

/// What the engine does to the elements of one or two buffers, one by one.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Unary {
    Relu,
    Gelu,
    Sigmoid,
    Tanh,
    Exp,
    Sqrt,
    LeakyRelu(f32),
    AtLeast(f32),
    AtMost(f32),
    Add(f32),
    Mul(f32),
    Div(f32),
}

/// The same for two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Binary {
    Add,
    Sub,
    Mul,
    Div,
}

/// An activation at the end of a product.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum End {
    Identity,
    Relu,
    Gelu,
    Silu,
}

impl End {
    pub(crate) fn activation(self) -> Activation {
        match self {
            Self::Identity => Activation::Identity,
            Self::Relu => Activation::Relu,
            Self::Gelu => Activation::Gelu,
            Self::Silu => Activation::Silu,
        }
    }
}

/// What follows the sums of a product or a convolution.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Tail {
    /// One value an output feature.
    pub(crate) bias: Option<Vec<f32>>,
    /// Of the output's shape, added before the activation.
    pub(crate) residual: Option<BufferId>,
    pub(crate) end: End,
}

impl Tail {
    pub(crate) const NONE: Self = Self {
        bias: None,
        residual: None,
        end: End::Identity,
    };
}

/// The windows of a pooling.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Windows {
    pub(crate) kernel: [usize; 2],
    pub(crate) stride: [usize; 2],
    pub(crate) padding: [usize; 2],
}

/// What a window becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Pooling {
    Max(Windows),
    /// The mean of what lies in the image, or of the padding as well.
    Mean {
        windows: Windows,
        with_padding: bool,
    },
    /// Windows that give an output of this size.
    Adaptive([usize; 2]),
}

/// A part of a dimension, in elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Part {
    pub(crate) start: usize,
    pub(crate) step: usize,
}

/// One step of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Step {
    /// `y = x Wᵀ` with the weight of this number, and what follows.
    Product {
        weight: usize,
        x: BufferId,
        y: BufferId,
        tail: Tail,
    },
    /// A convolution with the weight of this number, and what follows.
    Conv {
        weight: usize,
        x: BufferId,
        y: BufferId,
        tail: Tail,
    },
    /// `y = x * scale + shift`, channel by channel of `[batch, channels, ..]`.
    Affine {
        x: BufferId,
        y: BufferId,
        scale: Vec<f32>,
        shift: Vec<f32>,
    },
    Unary {
        of: Unary,
        x: BufferId,
        y: BufferId,
    },
    Binary {
        of: Binary,
        x: [BufferId; 2],
        y: BufferId,
    },
    Pool {
        pooling: Pooling,
        x: BufferId,
        y: BufferId,
    },
    /// A part of each dimension; the sizes are those of `y`.
    Slice {
        parts: Vec<Part>,
        x: BufferId,
        y: BufferId,
    },
    /// One value everywhere.
    Fill {
        value: f32,
        y: BufferId,
    },
    /// One after the other along a dimension.
    Concat {
        dim: usize,
        x: Vec<BufferId>,
        y: BufferId,
    },
    /// `x` with `value` around it.
    Pad {
        before: Vec<usize>,
        value: f32,
        x: BufferId,
        y: BufferId,
    },
    /// Along the last dimension.
    Softmax {
        log: bool,
        x: BufferId,
        y: BufferId,
    },
    /// Along the last dimension.
    LayerNorm {
        x: BufferId,
        y: BufferId,
        scale: Vec<f32>,
        shift: Option<Vec<f32>>,
        epsilon: f32,
    },
    /// Hands a buffer to Burn.
    Give {
        x: BufferId,
        tensor: usize,
    },
    /// Takes a buffer back from Burn.
    Take {
        tensor: usize,
        y: BufferId,
    },
    /// An operation that Burn runs.
    Burn {
        operation: Box<OperationIr>,
        name: String,
    },
    /// Burn may forget this tensor.
    Drop {
        tensor: usize,
    },
}

impl Step {
    /// What it reads.
    pub(crate) fn reads(&self) -> Vec<BufferId> {
        match self {
            Self::Product { x, tail, .. } | Self::Conv { x, tail, .. } => {
                std::iter::once(*x).chain(tail.residual).collect()
            }
            Self::Affine { x, .. }
            | Self::Unary { x, .. }
            | Self::Pool { x, .. }
            | Self::Slice { x, .. }
            | Self::Pad { x, .. }
            | Self::Softmax { x, .. }
            | Self::LayerNorm { x, .. }
            | Self::Give { x, .. } => vec![*x],
            Self::Binary { x, .. } => x.to_vec(),
            Self::Concat { x, .. } => x.clone(),
            Self::Fill { .. } | Self::Take { .. } | Self::Burn { .. } | Self::Drop { .. } => {
                Vec::new()
            }
        }
    }

    /// What it writes.
    pub(crate) fn writes(&self) -> Option<BufferId> {
        match self {
            Self::Product { y, .. }
            | Self::Conv { y, .. }
            | Self::Affine { y, .. }
            | Self::Unary { y, .. }
            | Self::Binary { y, .. }
            | Self::Pool { y, .. }
            | Self::Slice { y, .. }
            | Self::Fill { y, .. }
            | Self::Concat { y, .. }
            | Self::Pad { y, .. }
            | Self::Softmax { y, .. }
            | Self::LayerNorm { y, .. }
            | Self::Take { y, .. } => Some(*y),
            Self::Give { .. } | Self::Burn { .. } | Self::Drop { .. } => None,
        }
    }

    /// Whether what it writes may lie where its first operand lay.
    pub(crate) fn in_place(&self) -> bool {
        matches!(
            self,
            Self::Affine { .. }
                | Self::Unary { .. }
                | Self::Binary { .. }
                | Self::Softmax { .. }
                | Self::LayerNorm { .. }
        )
    }

    /// Whether Burn runs it.
    pub(crate) fn is_burn(&self) -> bool {
        matches!(self, Self::Burn { .. })
    }
}

/// A tensor that Burn's interpreter holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Tensor {
    pub(crate) id: TensorId,
    pub(crate) shape: Vec<Size>,
    pub(crate) dtype: DType,
    /// For a constant: its values.
    pub(crate) constant: Option<TensorData>,
}

/// An input or an output of the model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Port {
    pub(crate) shape: Vec<Size>,
    pub(crate) dtype: DType,
    /// Where the engine's own operations have it.
    pub(crate) buffer: Option<BufferId>,
    /// Where Burn has it, by its number in [`Plan::tensors`].
    pub(crate) tensor: Option<usize>,
}

/// All steps of a run and what they work on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Plan {
    /// Entries of the batch that was captured: the first dimension of the first input.
    pub(crate) batch: usize,
    /// Whether other batches can be run.
    pub(crate) dynamic: bool,
    pub(crate) buffers: Vec<Buffer>,
    pub(crate) tensors: Vec<Tensor>,
    pub(crate) steps: Vec<Step>,
    pub(crate) inputs: Vec<Port>,
    pub(crate) outputs: Vec<Port>,
}

impl Plan {
    /// Elements of a buffer at a batch of `further` entries more than the captured one.
    pub(crate) fn len(&self, buffer: BufferId, further: isize) -> Option<usize> {
        elements(&self.buffers[buffer].shape, further)
    }
}

/// The shape at a batch of `further` entries more.
pub(crate) fn shape_at(shape: &[Size], further: isize) -> Option<Vec<usize>> {
    shape.iter().map(|size| size.at(further)).collect()
}

/// Elements of that shape.
pub(crate) fn elements(shape: &[Size], further: isize) -> Option<usize> {
    shape.iter().try_fold(1_usize, |product, size| {
        product.checked_mul(size.at(further)?)
    })
}
