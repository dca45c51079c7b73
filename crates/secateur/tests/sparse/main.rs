//! Sparse operations and layers against Burn's dense ones.
//!
//! `SECATEUR_DEVICE` chooses the device: `flex` (default), `ndarray` or `wgpu`.
#![cfg(feature = "sparse")]

#[path = "../suite/device.rs"]
mod device;
mod weights;

mod conv;
mod files;
mod layers;
mod linear;
mod refusals;
