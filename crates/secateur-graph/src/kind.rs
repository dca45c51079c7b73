//! What operations compute, with the settings that counting and coupling need.

use std::fmt;

use secateur_core::params::Role;
use serde::{Deserialize, Serialize};

/// The windows of a convolution; one entry for each dimension of its kernel.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ConvOptions {
    /// Pixels from one window to the next.
    pub stride: Vec<usize>,
    /// Pixels added before and after.
    pub padding: Vec<(usize, usize)>,
    /// Pixels between the taps of a kernel.
    pub dilation: Vec<usize>,
    /// Groups of channels that do not see each other.
    pub groups: usize,
}

/// A part of one dimension.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Span {
    /// The first index; for a negative step the last.
    pub start: usize,
    /// The index after the last.
    pub end: usize,
    /// From one to the next, negative from the end backwards.
    pub step: isize,
}

/// What an operation computes. Its inputs are in the order that each kind states.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum OpKind {
    /// `x W + b`: x `[.., in]`, weight `[in, out]`, perhaps bias `[out]`.
    Linear,
    /// A product of two matrices, or of batches of them: `[.., m, k]`, `[.., k, n]`.
    Matmul,
    /// x `[batch, in, ..]`, weight `[out, in / groups, ..]`, perhaps bias `[out]`.
    Conv(ConvOptions),
    /// x `[batch, in, ..]`, weight `[in, out / groups, ..]`, perhaps bias `[out]`.
    ConvTranspose {
        /// Its windows.
        options: ConvOptions,
        /// Pixels added to the end of the output.
        padding_out: Vec<usize>,
    },
    /// x `[batch, channels, ..]`, scale, shift, mean and variance `[channels]` each.
    BatchNorm {
        /// Added to the variance.
        epsilon: f64,
    },
    /// x `[.., features]`, scale `[features]`, perhaps shift `[features]`.
    LayerNorm {
        /// Added to the variance.
        epsilon: f64,
    },
    /// Table `[rows, features]`, indices `[batch, length]`.
    Embedding,
    /// Query, key and value `[batch, heads, length, width]`, perhaps a mask and a bias.
    Attention,
    /// The mean or the largest of each window of x `[batch, channels, ..]`.
    Pool {
        /// Burn's name of it.
        name: String,
        /// Sizes of a window.
        kernel: Vec<usize>,
        /// Pixels from one to the next.
        stride: Vec<usize>,
        /// Pixels added on both sides.
        padding: Vec<usize>,
    },
    /// Windows of x `[batch, channels, ..]` that give an output of a fixed size.
    AdaptivePool,
    /// x `[batch, channels, ..]` with more or fewer pixels.
    Interpolate,
    /// Each element by itself; several inputs are broadcast against each other.
    Elementwise {
        /// Burn's name of it.
        name: String,
        /// The number beside the tensor, where there is one.
        scalar: Option<f64>,
    },
    /// Along a dimension that stays as long as it is: a softmax, a cumulative sum, a sort.
    Along {
        /// Burn's name of it.
        name: String,
        /// The dimension.
        dim: usize,
    },
    /// One value of all along some dimensions.
    Reduce {
        /// Burn's name of it.
        name: String,
        /// The dimensions, none for all.
        dims: Vec<usize>,
    },
    /// The same elements in the same order under other dimensions.
    Reshape,
    /// Dimensions in another order: dimension `i` of the output is `axes[i]` of the input.
    Permute {
        /// For each dimension of the output the input's.
        axes: Vec<usize>,
    },
    /// Some dimensions backwards.
    Flip {
        /// Which.
        axes: Vec<usize>,
    },
    /// Dimensions of one element repeated.
    Expand,
    /// Windows along a dimension.
    Unfold {
        /// The dimension.
        dim: usize,
        /// Length of a window.
        size: usize,
        /// From one to the next.
        step: usize,
    },
    /// A part of each dimension.
    Slice {
        /// The parts; dimensions past the last are whole.
        spans: Vec<Span>,
    },
    /// The first input with a part replaced by the second.
    SliceAssign {
        /// The parts.
        spans: Vec<Span>,
    },
    /// The inputs one after the other along a dimension.
    Concat {
        /// The dimension.
        dim: usize,
    },
    /// One input several times along a dimension.
    Repeat {
        /// The dimension.
        dim: usize,
        /// How often.
        times: usize,
    },
    /// The places of a dimension that a vector of indices names: x, indices.
    Select {
        /// The dimension.
        dim: usize,
    },
    /// For each place of the output an index into a dimension: x, indices.
    Gather {
        /// The dimension.
        dim: usize,
    },
    /// Values added around.
    Pad {
        /// Before and after, for each dimension.
        padding: Vec<(usize, usize)>,
    },
    /// The same values as other elements.
    Cast,
    /// A tensor of nothing but its shape: zeros, ones, random numbers.
    Create {
        /// Burn's name of it.
        name: String,
    },
    /// Whatever else: its inputs and outputs are known, its inner structure is not.
    Other {
        /// Burn's name of it.
        name: String,
    },
}

impl OpKind {
    /// Whether the output has the elements of the first input and no others.
    #[must_use]
    pub fn rearranges(&self) -> bool {
        matches!(
            self,
            Self::Reshape | Self::Permute { .. } | Self::Flip { .. } | Self::Expand | Self::Cast
        )
    }

    /// What a parameter does as the input with this number.
    #[must_use]
    pub fn role(&self, slot: usize) -> Role {
        match (self, slot) {
            (Self::Linear | Self::Conv(_) | Self::ConvTranspose { .. }, 2) => Role::Bias,
            (Self::Linear | Self::Conv(_) | Self::ConvTranspose { .. }, 1)
            | (Self::Embedding, 0)
            | (Self::Matmul, _) => Role::Weight,
            (Self::BatchNorm { .. } | Self::LayerNorm { .. }, 1) => Role::NormScale,
            (Self::BatchNorm { .. } | Self::LayerNorm { .. }, 2) => Role::NormShift,
            (Self::BatchNorm { .. }, 3 | 4) => Role::RunningStatistic,
            (Self::Elementwise { name, .. }, 1) if name == "PRelu" => Role::ActivationSlope,
            _ => Role::Other,
        }
    }
}

impl fmt::Display for OpKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Linear => f.write_str("Linear"),
            Self::Matmul => f.write_str("Matmul"),
            Self::Conv(options) => write!(f, "Conv{}d", options.stride.len()),
            Self::ConvTranspose { options, .. } => {
                write!(f, "ConvTranspose{}d", options.stride.len())
            }
            Self::BatchNorm { .. } => f.write_str("BatchNorm"),
            Self::LayerNorm { .. } => f.write_str("LayerNorm"),
            Self::Embedding => f.write_str("Embedding"),
            Self::Attention => f.write_str("Attention"),
            Self::AdaptivePool => f.write_str("AdaptiveAvgPool"),
            Self::Interpolate => f.write_str("Interpolate"),
            Self::Pool { name, .. }
            | Self::Elementwise { name, .. }
            | Self::Along { name, .. }
            | Self::Reduce { name, .. }
            | Self::Create { name }
            | Self::Other { name } => f.write_str(name),
            Self::Reshape => f.write_str("Reshape"),
            Self::Permute { .. } => f.write_str("Permute"),
            Self::Flip { .. } => f.write_str("Flip"),
            Self::Expand => f.write_str("Expand"),
            Self::Unfold { .. } => f.write_str("Unfold"),
            Self::Slice { .. } => f.write_str("Slice"),
            Self::SliceAssign { .. } => f.write_str("SliceAssign"),
            Self::Concat { .. } => f.write_str("Concat"),
            Self::Repeat { .. } => f.write_str("Repeat"),
            Self::Select { .. } => f.write_str("Select"),
            Self::Gather { .. } => f.write_str("Gather"),
            Self::Pad { .. } => f.write_str("Pad"),
            Self::Cast => f.write_str("Cast"),
        }
    }
}
