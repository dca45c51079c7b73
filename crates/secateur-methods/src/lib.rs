//! The literature of pruning: each method a small file with its source, its formula, what it
//! compares with what, what it costs, and an example worked out by hand.
//!
//! A method is a combination of Secateur's axes (scorer, pattern, allocation, schedule, regrowth,
//! treatment), and most have a function that returns that combination as a
//! [`PrunerConfig`](secateur_core::pruner::PrunerConfig), on which any axis can still be changed:
//!
//! | method | scorer | allocation | schedule | regrowth |
//! | --- | --- | --- | --- | --- |
//! | [`agp()`] | `\|w\|` | uniform | cubic | |
//! | [`han()`], [`han_iterative`] | `\|w\|` | per parameter | once, rounds | |
//! | [`han_threshold`], [`han_thresholds`] | [`StdMagnitude`] | | once, threshold | |
//! | [`snip()`] | [`Snip`] | global | once | |
//! | [`weight_taylor`] | [`WeightTaylor`] | global | yours | |
//! | [`diagonal_fisher`] | [`DiagonalFisher`] | global | yours | |
//! | [`lottery()`], [`LotteryTicket`] | `\|w\|` | uniform | rounds | |
//! | [`rigl()`] | [`RandomStart`] | [`Erk`] | constant | [`RigL`] |
//! | [`set()`] | [`RandomStart`] | [`Er`] | constant | [`Set`] |
//!
//! Of whole filters or neurons:
//!
//! | method | scorer | allocation | schedule | besides |
//! | --- | --- | --- | --- | --- |
//! | [`li()`] | `\|w\|`, [`GreedyMagnitude`] | uniform | once | |
//! | [`fpgm()`] | [`FilterDistance`] | uniform | once | |
//! | [`sfp()`] | `\|w\|`, by the Euclidean norm | uniform | every epoch | selector [`SoftZero`] |
//! | [`network_slimming`] | [`NormScale`] | global | once | penalty [`ScalePenalty`] |
//! | [`channel_taylor()`] | [`ChannelTaylor`] | global | yours | |
//! | [`channel_fisher()`] | [`ChannelFisher`] | global | yours | |
//! | [`nisp_scores`] | of [`nisp()`] | | | |
//!
//! [`Erk`], [`Er`], [`Lamp`] and [`BySensitivity`] are allocations that combine with anything;
//! [`GroupLasso`] is a penalty that does, or a [`proximal_step`] after that of the optimizer.
//! [`Distillation`] is the loss by which a pruned model learns from the dense one.
#![cfg_attr(
    feature = "graph",
    doc = "
With the feature `graph`, methods that want calibration batches, which
[`Taps::observe`](secateur_graph::Taps::observe) feeds:

| method | scorer | selector | pattern | schedule |
| --- | --- | --- | --- | --- |
| [`apoz()`], [`apoz_threshold`] | [`Apoz`] | | filters | once, threshold |
| [`wanda()`] | [`Wanda`], within rows | | | once |
| [`sparse_gpt`] | | [`SparseGpt`] | | once |"
)]

pub mod agp;
#[cfg(feature = "graph")]
pub mod apoz;
pub mod channel_fisher;
pub mod channel_taylor;
pub mod distillation;
pub mod erk;
pub mod fisher;
pub mod fpgm;
pub mod group_lasso;
pub mod han;
pub mod lamp;
pub mod li;
pub mod lottery;
pub mod nisp;
pub mod parts;
pub mod rigl;
pub mod sensitivity;
pub mod set;
pub mod sfp;
pub mod slimming;
pub mod snip;
pub mod sparse_training;
#[cfg(feature = "graph")]
pub mod sparsegpt;
pub mod taylor;
#[cfg(feature = "graph")]
pub mod wanda;
#[cfg(all(test, feature = "flex"))]
mod worked;

pub use agp::agp;
#[cfg(feature = "graph")]
pub use apoz::{Apoz, apoz, apoz_threshold};
pub use channel_fisher::{ChannelFisher, channel_fisher};
pub use channel_taylor::{ChannelTaylor, FilterProduct, channel_taylor};
pub use distillation::Distillation;
pub use erk::{Er, Erk};
pub use fisher::{DiagonalFisher, diagonal_fisher};
pub use fpgm::{FilterDistance, fpgm};
pub use group_lasso::{GroupLasso, Groups, proximal_step};
pub use han::{StdMagnitude, han, han_iterative, han_threshold, han_thresholds};
pub use lamp::Lamp;
pub use li::{GreedyMagnitude, gone_filters, li};
pub use lottery::{LotteryTicket, lottery};
pub use nisp::{ChainLayer, nisp, nisp_scores};
pub use parts::known_parts;
pub use rigl::{RigL, rigl};
pub use sensitivity::{BySensitivity, SensitivityCurve};
pub use set::{Set, set};
pub use sfp::{SoftZero, sfp};
pub use slimming::{NormScale, ScalePenalty, network_slimming};
pub use snip::{Snip, snip, snip_with_biases};
pub use sparse_training::RandomStart;
#[cfg(feature = "graph")]
pub use sparsegpt::{SparseGpt, sparse_gpt};
pub use taylor::{WeightTaylor, weight_taylor};
#[cfg(feature = "graph")]
pub use wanda::{Wanda, wanda};
