//! Calibration batches through captured models, and the methods that want them, against numbers
//! worked out by hand, by numpy, and by slow references.
#![cfg(feature = "graph")]

mod apoz;
mod golden;
mod models;
mod property;
mod sparsegpt;
mod taps;
mod wanda;
