//! Tests that join the rooms: models, masks, training, files.
//!
//! `SECATEUR_DEVICE` chooses the device: `flex` (default), `ndarray` or `wgpu`.

mod across_devices;
mod attachment;
mod device;
mod files;
mod invariants;
mod methods;
mod nets;
mod pruning;
mod refusals;
mod state_dict;
mod torch;
mod views;
