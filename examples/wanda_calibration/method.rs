//! The methods that are compared.

use std::fmt;
use std::str::FromStr;

use secateur::methods::{sparse_gpt, wanda};
use secateur::prelude::*;
use secateur_examples::ExampleError;

/// A way to choose the weights that go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    /// The smallest weights of each layer.
    Magnitude,
    /// The smallest weights times the norm of what they multiply, in each row.
    Wanda,
    /// The same scores compared in the whole layer.
    WandaLayer,
    /// By their error, which the weights that stay make up for.
    SparseGpt,
}

impl Method {
    pub(crate) const ALL: [Self; 4] = [
        Self::Magnitude,
        Self::Wanda,
        Self::WandaLayer,
        Self::SparseGpt,
    ];

    /// Every layer loses this share, at step 0.
    pub(crate) fn config(self, sparsity: f64) -> PrunerConfig {
        match self {
            Self::Magnitude => PrunerConfig::new().with_schedule(OneShot::new(sparsity)),
            Self::Wanda => wanda(sparsity),
            Self::WandaLayer => wanda(sparsity).with_comparison(Comparison::Tensor),
            Self::SparseGpt => sparse_gpt(sparsity),
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Magnitude => "magnitude",
            Self::Wanda => "Wanda",
            Self::WandaLayer => "Wanda by layer",
            Self::SparseGpt => "SparseGPT",
        })
    }
}

impl FromStr for Method {
    type Err = ExampleError;

    fn from_str(name: &str) -> Result<Self, ExampleError> {
        match name {
            "magnitude" => Ok(Self::Magnitude),
            "wanda" => Ok(Self::Wanda),
            "wanda-layer" => Ok(Self::WandaLayer),
            "sparsegpt" => Ok(Self::SparseGpt),
            _ => Err(ExampleError::Usage(format!(
                "there is no method `{name}`, only magnitude, wanda, wanda-layer and sparsegpt"
            ))),
        }
    }
}
