//! What may stand in a model and holds no layer: bare parameters, constants, and the modules of Burn
//! that have nothing to prune.

use burn::module::{Param, ParameterValue, RunningState};
use burn::nn::activation::{
    Celu, Elu, GLU, Gelu, HardShrink, HardSigmoid, HardSwish, Hardtanh, LeakyRelu, LogSigmoid,
    Mish, RRelu, Relu, Relu6, Selu, Shrink, SiLU, Sigmoid, SoftShrink, Softplus, Softsign, Tanh,
    Tanhshrink, Threshold, ThresholdedRelu,
};
use burn::nn::interpolate::{Interpolate1d, Interpolate2d};
use burn::nn::loss::{
    BinaryCrossEntropyLoss, CTCLoss, CosineEmbeddingLoss, CrossEntropyLoss, GaussianNLLLoss,
    HingeEmbeddingLoss, HuberLoss, KLDivLoss, LpLoss, MarginRankingLoss, MseLoss, MultiMarginLoss,
    PoissonNllLoss, RNNTLoss, SmoothL1Loss, SoftMarginLoss, TripletMarginLoss,
};
use burn::nn::pool::{
    AdaptiveAvgPool1d, AdaptiveAvgPool2d, AdaptiveAvgPool3d, AvgPool1d, AvgPool2d, MaxPool1d,
    MaxPool2d,
};
use burn::nn::{
    CosineSimilarity, Dropout, Fold4d, GaussianNoise, Identity, LocalResponseNorm,
    PairwiseDistance, PixelShuffle, PixelUnshuffle, PositionalEncoding, RotaryEncoding, Unfold4d,
};
use burn::tensor::Tensor;
use burn::tensor::kind::Basic;

use super::{LayerWalk, Prunable};

macro_rules! without_layers {
    ($($(#[$attribute:meta])* [$($generics:tt)*] $type:ty),* $(,)?) => {$(
        $(#[$attribute])*
        impl<$($generics)*> Prunable for $type {
            fn collect_layers<'a>(&'a mut self, _walk: &mut LayerWalk<'a>) {}
        }
    )*};
    ($($type:ty),* $(,)?) => {
        without_layers!($([] $type),*);
    };
}

// A parameter outside of any layer takes masks by its path; there is no layer around it to change.
without_layers!(
    [T: ParameterValue] Param<T>,
    [T] RunningState<T>,
    [const D: usize, K: Basic] Tensor<D, K>,
    [T: ?Sized] std::marker::PhantomData<T>,
    #[allow(deprecated)] [T] burn::module::Ignored<T>,
);

// Burn's constants.
without_layers!(
    String,
    bool,
    f64,
    f32,
    half::bf16,
    half::f16,
    usize,
    u64,
    u32,
    u16,
    u8,
    isize,
    i64,
    i32,
    i16,
    i8,
);

// Activations; `PRelu` and `SwiGlu` learn something and are layers.
without_layers!(
    Celu,
    Elu,
    GLU,
    Gelu,
    HardShrink,
    HardSigmoid,
    HardSwish,
    Hardtanh,
    LeakyRelu,
    LogSigmoid,
    Mish,
    RRelu,
    Relu,
    Relu6,
    Selu,
    Shrink,
    SiLU,
    Sigmoid,
    SoftShrink,
    Softplus,
    Softsign,
    Tanh,
    Tanhshrink,
    Threshold,
    ThresholdedRelu,
);

// Pooling and other modules without parameters.
without_layers!(
    AdaptiveAvgPool1d,
    AdaptiveAvgPool2d,
    AdaptiveAvgPool3d,
    AvgPool1d,
    AvgPool2d,
    MaxPool1d,
    MaxPool2d,
    CosineSimilarity,
    Dropout,
    Fold4d,
    GaussianNoise,
    Identity,
    Interpolate1d,
    Interpolate2d,
    LocalResponseNorm,
    PairwiseDistance,
    PixelShuffle,
    PixelUnshuffle,
    PositionalEncoding,
    RotaryEncoding,
    Unfold4d,
);

// Losses, which some models carry in a field.
without_layers!(
    BinaryCrossEntropyLoss,
    CTCLoss,
    CosineEmbeddingLoss,
    CrossEntropyLoss,
    GaussianNLLLoss,
    HingeEmbeddingLoss,
    HuberLoss,
    KLDivLoss,
    LpLoss,
    MarginRankingLoss,
    MseLoss,
    MultiMarginLoss,
    PoissonNllLoss,
    RNNTLoss,
    SmoothL1Loss,
    SoftMarginLoss,
    TripletMarginLoss,
);
