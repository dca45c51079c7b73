//! Why places have to stay, and what changes when they go.

use std::fmt;

use secateur_graph::OpId;
use serde::{Deserialize, Serialize};

/// Why an axis keeps all its places.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Pin {
    /// It is a dimension of the model's input with this number.
    Input(usize),
    /// It is a dimension of the model's output with this number.
    Output(usize),
    /// The user said so, of the parameter or layer with this path.
    Skipped(String),
    /// A computed index or window of an operation refers to its places.
    Indexed(OpId, String),
    /// It counts pixels, places in a sequence or rows of a table.
    Positions(OpId, String),
    /// `forward` makes a tensor of this size by itself.
    Made(OpId, String),
    /// A constant of `forward` has other values at other places.
    Constant,
    /// A reshape or a sum cuts across it.
    Mixed(OpId, String),
    /// How the operation couples its dimensions is not known.
    Unknown(OpId, String),
    /// No operation reads its places: for other inputs one may.
    Unread,
    /// The layer at this path is of a type that holds it to its size.
    Layer(String, String),
}

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Input(nth) => write!(f, "it is a dimension of input {nth} of the model"),
            Self::Output(nth) => write!(f, "it is a dimension of output {nth} of the model"),
            Self::Skipped(path) => write!(f, "`{path}` is marked `skip`"),
            Self::Indexed(op, name) => {
                write!(f, "operation {}, {name}, refers to its places", op.0)
            }
            Self::Positions(op, name) => {
                write!(f, "operation {}, {name}, counts positions in it", op.0)
            }
            Self::Made(op, name) => {
                write!(
                    f,
                    "operation {}, {name}, joins it to a tensor that `forward` makes",
                    op.0
                )
            }
            Self::Layer(path, kind) => {
                write!(
                    f,
                    "`{path}` is a `{kind}`, which keeps its sizes to itself; write it from \
                     `Linear` layers"
                )
            }
            Self::Unread => {
                f.write_str("nothing reads it for this example, but may for a longer one")
            }
            Self::Constant => f.write_str("a constant of `forward` differs from place to place"),
            Self::Mixed(op, name) => write!(f, "operation {}, {name}, cuts across it", op.0),
            Self::Unknown(op, name) => {
                write!(
                    f,
                    "how operation {}, {name}, couples its dimensions is not known",
                    op.0
                )
            }
        }
    }
}

/// Why what is left computes something else when places go whose values are zero.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Change {
    /// A normalisation's statistics are taken over fewer values.
    Statistics(OpId, String),
    /// A softmax shares its weight among fewer values.
    Shares(OpId, String),
    /// Attention scores are divided by the root of their width, which shrinks.
    Scale(OpId, String),
    /// A mean, a maximum, a product of fewer values.
    Reduction(OpId, String),
    /// A place whose weights are zero is not, and still counts in a sum.
    Emits(OpId, String),
    /// `forward` computes a number from sizes, such as what attention scores are divided by.
    Scalar(OpId, String),
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (op, name, what) = match self {
            Self::Statistics(op, name) => (op, name, "takes its statistics over fewer values"),
            Self::Shares(op, name) => (op, name, "shares its weight among fewer values"),
            Self::Scale(op, name) => (op, name, "divides by the root of a smaller width"),
            Self::Reduction(op, name) => (op, name, "reduces fewer values"),
            Self::Emits(op, name) => (op, name, "still reads what comes without weights"),
            Self::Scalar(op, name) => (op, name, "has a number that `forward` takes from sizes"),
        };
        write!(f, "operation {}, {name}, {what}", op.0)
    }
}

/// What a mark of an axis means.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Reason {
    Pin(Pin),
    Change(Change),
}
