//! The three methods that are compared.

use std::fmt;

use secateur::methods::{sparse_gpt, wanda};
use secateur::prelude::*;

/// A way to choose the weights that go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    /// The smallest weights of each layer.
    Magnitude,
    /// The smallest weights times the norm of what they multiply, in each row.
    Wanda,
    /// By their error, which the weights that stay make up for.
    SparseGpt,
}

impl Method {
    pub(crate) const ALL: [Self; 3] = [Self::Magnitude, Self::Wanda, Self::SparseGpt];

    /// Every layer loses this share, at step 0.
    pub(crate) fn config(self, sparsity: f64) -> PrunerConfig {
        match self {
            Self::Magnitude => PrunerConfig::new().with_schedule(OneShot::new(sparsity)),
            Self::Wanda => wanda(sparsity),
            Self::SparseGpt => sparse_gpt(sparsity),
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Magnitude => "magnitude",
            Self::Wanda => "Wanda",
            Self::SparseGpt => "SparseGPT",
        })
    }
}
